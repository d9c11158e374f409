"""Procedural speckle pairs: moving scatterers, seen by a phased array of which only the point spread is simulated.

A small, fast stand-in for the physical simulation, for training without any data: a random scene in the scan plane
(a ventricle-like chamber, generic tissue, bright borders), a random smooth motion known everywhere in closed form, and
two images of the same scatterers before and after it. Speckle is fully developed: each scatterer adds a complex echo
with its own phase at twice its range, spread over a polar grid by an axial and a lateral Gaussian (II-A uses the same
scatterer model with the full physics of SIMUS). What real systems add is drawn at random: gain and its change with
depth, dynamic range, gamma, smoothing, frame averaging, thermal noise, static clutter and haze, shadows, the sector's
edge.

Every pair is a pure function of (seed, index).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit

from cpwc_keras.types import FramePair

WAVELENGTH_MM = 0.616
"""2.5 MHz in tissue (1,540 m/s), the paper's probe."""

DENSITY_PER_MM2 = 4.0
"""Scatterers: above five in the smallest resolution cell used here, which speckle statistics need; the paper's 10 per
square wavelength are 26 per mm²."""

MAXIMUM_SCATTERERS = 90_000
"""Bound on time and memory; only fields of view over 150 mm come near it, with cells large enough to bear it."""


@dataclass(frozen=True)
class SpeckleSettings:
    """What is drawn at random, and within which bounds.

    Attributes:
        size: (height, width) of the images in pixels.
        spacing_mm: bounds of the pixel size.
        depth_mm: bounds of the sector's depth.
        opening_deg: bounds of the sector's full angle.
        motion_mm: scale of the motion between the images; most pairs move by about this at their fastest.
        decorrelation: upper bound of the share of scatterers replaced between the images (motion out of the plane).
    """

    size: tuple[int, int] = (128, 128)
    spacing_mm: tuple[float, float] = (0.3, 1.1)
    depth_mm: tuple[float, float] = (110.0, 180.0)
    opening_deg: tuple[float, float] = (60.0, 90.0)
    motion_mm: float = 1.5
    decorrelation: float = 0.15


@dataclass(frozen=True)
class SpecklePairs:
    """An endless supply of `FramePair`, each a pure function of `seed` and its index.

    Attributes:
        settings: the bounds.
        seed: of the whole stream.
        epoch_size: how many indices are called an epoch.
    """

    settings: SpeckleSettings = SpeckleSettings()
    seed: int = 0
    epoch_size: int = 10_000

    def sample(self, index: int) -> FramePair:
        """The pair with this index: (H, W) images, the flow everywhere inside the sector."""
        rng = np.random.default_rng([self.seed, index])
        return _Scene.draw(self.settings, rng).render(rng, name=f"speckle {self.seed}/{index}")


@dataclass(frozen=True)
class _Scene:
    """A field of view, tissue and its motion, in mm: x to the right, z away from the probe at the origin."""

    size: tuple[int, int]
    spacing: float
    origin: np.ndarray  # (x, z) of the top left pixel
    depth: float
    half_angle: float
    heart: np.ndarray  # apex x, z; axis x, z (unit, apex to base); length; half width; wall thickness
    motion: _Motion
    decorrelation: float

    @classmethod
    def draw(cls, settings: SpeckleSettings, rng: np.random.Generator) -> _Scene:
        spacing = rng.uniform(*settings.spacing_mm)
        depth = rng.uniform(*settings.depth_mm)
        half_angle = np.deg2rad(rng.uniform(*settings.opening_deg) / 2)
        extent = np.array(settings.size[::-1]) * spacing

        tilt = rng.normal(0, 0.25)
        axis = np.array([np.sin(tilt), np.cos(tilt)])
        length = rng.uniform(0.45, 0.68) * depth
        apex = np.array([rng.normal(0, 8), rng.uniform(0.08, 0.22) * depth])
        heart = np.array([*apex, *axis, length, rng.uniform(0.2, 0.36) * length, rng.uniform(6, 14)])

        # Look where the walls are, and keep most of the view inside the sector.
        along, side = rng.uniform(0.0, 1.05), rng.choice([-1, 0, 1])
        across = np.array([axis[1], -axis[0]])
        centre = apex + axis * along * length + across * side * heart[5] * rng.uniform(0.6, 1.1)
        centre += rng.normal(0, 6, 2)
        radius = np.clip(np.hypot(*centre), 15, depth - 0.3 * extent[1])
        angle = np.clip(np.arctan2(*centre), -0.9 * half_angle, 0.9 * half_angle)
        centre = radius * np.array([np.sin(angle), np.cos(angle)])
        return cls(
            size=settings.size,
            spacing=spacing,
            origin=centre - extent / 2,
            depth=depth,
            half_angle=half_angle,
            heart=heart,
            motion=_Motion.draw(settings.motion_mm, heart, centre, extent.max(), rng),
            decorrelation=rng.uniform(0, settings.decorrelation) * rng.integers(0, 2),
        )

    def grid(self) -> np.ndarray:
        """(H, W, 2) positions of the pixels in mm."""
        height, width = self.size
        x = self.origin[0] + np.arange(width) * self.spacing
        z = self.origin[1] + np.arange(height) * self.spacing
        return np.stack(np.meshgrid(x, z), axis=-1)

    def render(self, rng: np.random.Generator, name: str) -> FramePair:
        """Both images and the flow between them."""
        grid = self.grid()
        flow = (self.motion(grid.reshape(-1, 2)).reshape(grid.shape) / self.spacing).astype(np.float32)
        radius, angle = np.hypot(grid[..., 0], grid[..., 1]), np.arctan2(grid[..., 0], grid[..., 1])
        mask = ((radius < self.depth) & (radius > 2) & (np.abs(angle) < self.half_angle)).astype(np.float32)
        flow *= mask[..., None]

        beams = _BeamSpace.draw(self, flow, radius, angle, rng)
        scatterers, amplitude = self.scatterers(beams, rng)
        display = _Display.draw(beams, rng)

        replaced = rng.random(len(scatterers)) < np.where(_in_cavity(scatterers, self.heart), 1.0, self.decorrelation)
        fresh = np.where(replaced, rng.standard_normal(len(scatterers)) * np.abs(amplitude), amplitude)
        echo1 = beams.spread(scatterers, amplitude)
        echo2 = beams.spread(scatterers + self.motion(scatterers), fresh)
        if display.persistence:
            # Frame averaging leaves a trace of the frame before; before the motion is, nearly, minus the motion.
            echo0 = beams.spread(scatterers - self.motion(scatterers), amplitude)
            echoes = display.averaged(echo0, echo1, echo2, rng)
        else:
            echoes = [display.envelope(echo1, rng), display.envelope(echo2, rng)]
        images = [display.image(envelope, beams, mask) for envelope in display.normalised(echoes)]
        return FramePair(*images, flow, mask, (self.spacing, self.spacing), name)

    def scatterers(self, beams: _BeamSpace, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Positions (N, 2) in mm and signed amplitudes (N,) in and around the field of view."""
        low = self.origin - beams.margin
        high = self.origin + np.array(self.size[::-1]) * self.spacing + beams.margin
        count = int(min(MAXIMUM_SCATTERERS, DENSITY_PER_MM2 * np.prod(high - low)))
        position = rng.uniform(low, high, (count, 2))
        return position, rng.standard_normal(count) * _echogenicity(position, self.heart, rng)


@dataclass(frozen=True)
class _Motion:
    """Displacement in mm at any place: a shift, an affine part that fades with distance, and smooth bumps."""

    shift: np.ndarray
    linear: np.ndarray
    centre: np.ndarray
    reach: float
    bumps: np.ndarray  # (K, 5): x, z, width, dx, dz

    @classmethod
    def draw(cls, scale: float, heart: np.ndarray, centre: np.ndarray, extent: float, rng) -> _Motion:
        strength = scale * np.clip(np.abs(rng.standard_normal()), 0.02, 2.5)
        axis, length = heart[2:4], heart[4]
        across = np.array([axis[1], -axis[0]])
        bumps = np.zeros((0, 5))
        if rng.random() < 0.6:
            # The beat: along the axis towards the apex, across it inwards; systole or diastole, with some torsion.
            phase = strength * rng.choice([-1.0, 1.0])
            along, inward = -phase / length, -phase * rng.uniform(0.6, 2.0) / length
            spin = rng.normal(0, 0.3) * phase / length
            linear = along * np.outer(axis, axis) + inward * np.outer(across, across)
            linear += spin * (np.outer(axis, across) - np.outer(across, axis))
            # Only the heart beats: the motion fades within a wall or two outside of it.
            pivot, reach = heart[:2] + axis * length * 0.05, length * rng.uniform(1.2, 2.5)
            shift = rng.normal(0, 0.25 * strength, 2)
        else:
            linear = rng.normal(0, 1.0, (2, 2)) * strength / extent
            pivot, reach = centre, extent * rng.uniform(0.7, 3.0)
            shift = rng.normal(0, 0.6 * strength, 2)
        count = rng.integers(0, 5)
        if count:
            width = rng.uniform(0.08, 0.4, count) * extent
            size = rng.normal(0, 0.35 * strength, (count, 2))
            # Steeper than this and tissue would fold over itself.
            size *= np.minimum(1, 0.35 * width / np.maximum(np.linalg.norm(size, axis=1), 1e-9))[:, None]
            bumps = np.column_stack([centre + rng.uniform(-0.6, 0.6, (count, 2)) * extent, width, size])
        return cls(shift, linear, np.asarray(pivot), float(reach), bumps)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Displacement (N, 2) in mm of points (N, 2) in mm."""
        return _displacement(points, self.shift, self.linear, self.centre, self.reach, self.bumps)


@njit(cache=True, nogil=True, fastmath=True)
def _displacement(points, shift, linear, centre, reach, bumps):
    out = np.empty_like(points)
    for n in range(len(points)):
        x, z = points[n, 0] - centre[0], points[n, 1] - centre[1]
        # Flat over most of its reach, then falling: 1 / (1 + (d / reach)⁴).
        d2 = (x * x + z * z) / (reach * reach)
        fade = 1.0 / (1.0 + d2 * d2)
        dx = shift[0] + fade * (linear[0, 0] * x + linear[0, 1] * z)
        dz = shift[1] + fade * (linear[1, 0] * x + linear[1, 1] * z)
        for k in range(len(bumps)):
            x, z = points[n, 0] - bumps[k, 0], points[n, 1] - bumps[k, 1]
            g = np.exp(-0.5 * (x * x + z * z) / (bumps[k, 2] * bumps[k, 2]))
            dx += g * bumps[k, 3]
            dz += g * bumps[k, 4]
        out[n, 0], out[n, 1] = dx, dz
    return out


@njit(cache=True, nogil=True, fastmath=True)
def _wall_distance(x, z, heart):
    """Distance in mm outwards from the endocardium (negative in the cavity), and the place along the axis, 0 … 1.

    The chamber is half an ellipse that ends open at the base: the distance is the first-order one of its level set.
    """
    x, z = x - heart[0], z - heart[1]
    s = (x * heart[2] + z * heart[3]) / heart[4]
    n = (x * heart[3] - z * heart[2]) / heart[5]
    # Widest at two thirds of the way from the apex to the base.
    u = (s - 0.66) / 0.66
    if u > 0:
        u *= 0.35
    value = np.sqrt(u * u + n * n)
    slope = np.sqrt((u / (0.66 * heart[4])) ** 2 + (n / heart[5]) ** 2) / max(value, 1e-6)
    return (value - 1.0) / max(slope, 1e-6), s


@njit(cache=True, nogil=True)
def _in_cavity(points, heart):
    inside = np.empty(len(points), dtype=np.bool_)
    for n in range(len(points)):
        distance, _ = _wall_distance(points[n, 0], points[n, 1], heart)
        inside[n] = distance < -1.0
    return inside


@njit(cache=True, nogil=True)
def _anatomy(points, heart, wall, cavity, outside, line):
    """Echo amplitude of the regions: dark cavity, wall, bright thin borders, whatever lies outside."""
    out = np.empty(len(points))
    for n in range(len(points)):
        distance, s = _wall_distance(points[n, 0], points[n, 1], heart)
        level = cavity + (wall - cavity) / (1.0 + np.exp(-distance / 0.4))
        level += (outside - wall) / (1.0 + np.exp(-(distance - heart[6]) / 0.6))
        level += line * np.exp(-0.5 * (distance / 0.7) ** 2)
        level += 2.0 * line * np.exp(-0.5 * ((distance - heart[6]) / 0.9) ** 2)
        if s > 1.0 and distance < 0.0:  # mitral leaflets and the atrium: a bright line, then blood
            level += 3.0 * line * np.exp(-0.5 * ((s - 1.02) * heart[4] / 1.0) ** 2)
        out[n] = level
    return out


def _echogenicity(points: np.ndarray, heart: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Amplitude (N,) of scatterers at `points`: anatomy times a smooth random texture that moves with the tissue."""
    if rng.random() < 0.75:
        level = _anatomy(
            points,
            heart,
            wall=1.0,
            cavity=10 ** rng.uniform(-2.2, -0.7),
            outside=10 ** rng.uniform(-1.2, 0.3),
            line=rng.uniform(0, 1.5),
        )
    else:
        level = np.ones(len(points))
    low, span = points.min(axis=0), np.ptp(points, axis=0).max() + 1e-6
    texture = np.zeros(len(points))
    for cells, strength in ((4, 0.5), (12, 0.35), (40, 0.25)):
        field = rng.normal(0, strength * rng.uniform(0, 1.5), (cells + 2, cells + 2))
        texture += _look_up(field, (points - low) * (cells / span))
    return level * np.exp(texture)


@njit(cache=True, nogil=True)
def _look_up(field, places):
    out = np.empty(len(places))
    for n in range(len(places)):
        j, i = int(places[n, 0]), int(places[n, 1])
        u, v = places[n, 1] - i, places[n, 0] - j
        above = (1 - v) * field[i, j] + v * field[i, j + 1]
        below = (1 - v) * field[i + 1, j] + v * field[i + 1, j + 1]
        out[n] = (1 - u) * above + u * below
    return out


@dataclass(frozen=True)
class _BeamSpace:
    """The polar grid of beams and ranges that covers the field of view, and the point spread on it."""

    r0: float
    dr: float
    a0: float
    da: float
    shape: tuple[int, int]  # ranges, beams
    kernel_r: np.ndarray
    kernel_a: np.ndarray
    map_beam: np.ndarray  # (H, W) float32: where each pixel lies on the grid
    map_range: np.ndarray
    margin: float

    @classmethod
    def draw(cls, scene: _Scene, flow: np.ndarray, radius, angle, rng) -> _BeamSpace:
        dr, da = 0.25, np.deg2rad(rng.uniform(0.45, 0.8))
        sigma_r, sigma_a = rng.uniform(0.25, 0.6), np.deg2rad(rng.uniform(0.45, 1.1))
        margin = float(np.abs(flow).max()) * scene.spacing + 4 * sigma_r + 1
        r0, r1 = max(radius.min() - margin, 1.0), min(radius.max(), scene.depth) + margin
        room = margin / max(r0, 15.0) + 4 * sigma_a
        a0 = max(angle.min(), -scene.half_angle) - room
        a1 = min(angle.max(), scene.half_angle) + room
        shape = (int((r1 - r0) / dr) + 2, int((a1 - a0) / da) + 2)
        return cls(
            r0, dr, a0, da, shape,
            _gaussian(sigma_r / dr), _gaussian(sigma_a / da),
            ((angle - a0) / da).astype(np.float32), ((radius - r0) / dr).astype(np.float32),
            margin,
        )  # fmt: skip

    def spread(self, points: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
        """Complex echo (ranges, beams) of scatterers at points (N, 2) mm."""
        parts = _deposit(points, amplitude, self.r0, self.dr, self.a0, self.da, *self.shape)
        real, imaginary = (cv2.sepFilter2D(part, cv2.CV_32F, self.kernel_a, self.kernel_r) for part in parts)
        return real + 1j * imaginary

    def to_pixels(self, values: np.ndarray) -> np.ndarray:
        """Scan conversion of (ranges, beams) float32 to (H, W)."""
        return cv2.remap(values, self.map_beam, self.map_range, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _gaussian(sigma: float) -> np.ndarray:
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return kernel / np.sqrt((kernel**2).sum())


@njit(cache=True, nogil=True, fastmath=True)
def _deposit(points, amplitude, r0, dr, a0, da, ranges, beams):
    """Scatterers on the polar grid with linear weights, each with the phase of its two-way travel."""
    parts = np.zeros((2, ranges, beams), dtype=np.float32)
    wavenumber = 4.0 * np.pi / WAVELENGTH_MM
    for n in range(len(points)):
        x, z = points[n, 0], points[n, 1]
        r = np.sqrt(x * x + z * z)
        row, column = (r - r0) / dr, (np.arctan2(x, z) - a0) / da
        i, j = int(np.floor(row)), int(np.floor(column))
        if i < 0 or j < 0 or i >= ranges - 1 or j >= beams - 1:
            continue
        u, v = row - i, column - j
        c, s = amplitude[n] * np.cos(wavenumber * r), amplitude[n] * np.sin(wavenumber * r)
        for a in range(2):
            for b in range(2):
                w = (u if a else 1 - u) * (v if b else 1 - v)
                parts[0, i + a, j + b] += w * c
                parts[1, i + a, j + b] += w * s
    return parts


@dataclass(frozen=True)
class _Display:
    """What the scanner does between echo and picture."""

    gain: np.ndarray  # (ranges, beams): depth gain, shadows
    clutter: np.ndarray  # (ranges, beams) complex: static echoes and haze
    noise: float
    persistence: float
    dynamic_range_db: float
    level_db: float
    gamma: float
    blur: float
    sharpen: float

    @classmethod
    def draw(cls, beams: _BeamSpace, rng: np.random.Generator) -> _Display:
        ranges, count = beams.shape
        r = np.linspace(0, 1, ranges)[:, None]
        a = np.arange(count)[None]
        gain_db = rng.normal(0, 5) * (r - 0.5) + rng.normal(0, 3) * np.sin(np.pi * r * rng.uniform(0.5, 2))
        gain_db = gain_db + np.zeros((1, count))
        for _ in range(rng.choice(3, p=[0.6, 0.3, 0.1])):  # ribs and lung shade whole beams
            centre, width = rng.uniform(0, count), rng.uniform(2, 0.15 * count + 3)
            gain_db -= rng.uniform(3, 25) * np.exp(-0.5 * ((a - centre) / width) ** 2)

        clutter = np.zeros(beams.shape, np.complex64)
        if rng.random() < 0.4:
            field = rng.normal(0, 1, (2, *beams.shape)).astype(np.float32)
            real, imaginary = (cv2.sepFilter2D(part, cv2.CV_32F, beams.kernel_a, beams.kernel_r) for part in field)
            spots = np.full(beams.shape, 10 ** rng.uniform(-3.0, -1.5))
            for _ in range(rng.integers(0, 4)):
                ci, cj = rng.uniform(0, ranges), rng.uniform(0, count)
                si, sj = rng.uniform(0.02, 0.25) * ranges, rng.uniform(0.03, 0.3) * count
                spot = np.exp(-0.5 * (((np.arange(ranges)[:, None] - ci) / si) ** 2 + ((a - cj) / sj) ** 2))
                spots = spots + 10 ** rng.uniform(-1.7, -0.1) * spot
            clutter = ((real + 1j * imaginary) * spots).astype(np.complex64)
        return cls(
            gain=(10 ** (gain_db / 20)).astype(np.float32),
            clutter=clutter,
            noise=10 ** rng.uniform(-3.5, -1.0),
            persistence=rng.uniform(0.05, 0.5) if rng.random() < 0.4 else 0.0,
            dynamic_range_db=rng.uniform(35, 75),
            level_db=rng.uniform(-22, 5),
            gamma=rng.uniform(0.7, 1.5),
            blur=rng.uniform(0.3, 1.3) if rng.random() < 0.6 else 0.0,
            sharpen=rng.uniform(0.3, 1.0) if rng.random() < 0.2 else 0.0,
        )

    def envelope(self, echo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Detected signal (ranges, beams), with clutter and thermal noise scaled to the tissue."""
        scale = np.sqrt(np.mean(np.abs(echo) ** 2)) + 1e-12
        noise = rng.standard_normal((2, *echo.shape), dtype=np.float32) * (self.noise * scale)
        return np.abs((echo + self.clutter * scale) * self.gain + noise[0] + 1j * noise[1]).astype(np.float32)

    def averaged(self, echo0, echo1, echo2, rng) -> list[np.ndarray]:
        """The two envelopes after frame averaging: each frame keeps a share of the one before."""
        before, first, second = (self.envelope(echo, rng) for echo in (echo0, echo1, echo2))
        first = self.persistence * before + (1 - self.persistence) * first
        return [first, self.persistence * first + (1 - self.persistence) * second]

    @staticmethod
    def normalised(envelopes: list[np.ndarray]) -> list[np.ndarray]:
        """Both by the same reference, as a scanner's gain does not change within a beat."""
        reference = np.quantile(envelopes[0], 0.95) + 1e-12
        return [envelope / reference for envelope in envelopes]

    def image(self, envelope: np.ndarray, beams: _BeamSpace, mask: np.ndarray) -> np.ndarray:
        """(H, W) float32 in [0, 1] with the 256 levels of a display."""
        decibel = 20 * np.log10(envelope + 1e-6) + self.level_db
        gray = np.clip(1 + decibel / self.dynamic_range_db, 0, 1) ** self.gamma
        picture = beams.to_pixels(gray.astype(np.float32))
        if self.blur:
            picture = cv2.GaussianBlur(picture, (0, 0), self.blur)
        if self.sharpen:
            picture = picture + self.sharpen * (picture - cv2.GaussianBlur(picture, (0, 0), 1.5))
        picture = np.clip(picture, 0, 1) * mask
        return (np.round(picture * 255) / 255).astype(np.float32)
