"""Hearts that need no data: a random apical four-chamber anatomy with its beat, as a template.

The ventricle is drawn in millimetres before the probe: a half-ellipse-like cavity that narrows towards the base, within
a wall that is thinner at the apex. Its width and wall are those of adults (Lang et al., JASE 28, 2015); depth and
sector are the paper's (II-A.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from cpwc_keras.data_prep.simulation.motion import MotionSettings, draw_cycle
from cpwc_keras.data_prep.simulation.painting import paint
from cpwc_keras.data_prep.simulation.template import Template
from cpwc_keras.data_prep.simulation.transducer import ImageGrid
from cpwc_keras.mesh import mesh_from_contours
from cpwc_keras.types import MESH_SHAPE

_MARGIN = 4  # pixels of black around the sector
_ANATOMY, _BEAT = range(2)  # streams of random numbers


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A left ventricle at end-diastole and the sector that shows it.

    Attributes:
        mesh: (36, 5, 2) float32 pixels.
        grid: of the images.
        depth_mm: range of the sector.
        sector_deg: its full opening angle.
    """

    mesh: np.ndarray
    grid: ImageGrid
    depth_mm: float
    sector_deg: float


def procedural_template(seed: int, index: int, load_seed: int, frames: int) -> Template:
    """A heart made up from nothing but numbers.

    Args:
        seed: with `index`, of the anatomy and its looks.
        index: which of the hearts of that seed.
        load_seed: of the beat.
        frames: of the beat; the first is at end-diastole.
    """
    rng = np.random.default_rng([seed, index, _ANATOMY])
    anatomy = draw_anatomy(rng)
    beat = np.random.default_rng([load_seed, seed, index, _BEAT])
    contracted = contract(anatomy, beat)
    cycle = draw_cycle(anatomy.mesh, contracted, anatomy.grid.spacing_mm, frames, MotionSettings(), beat)
    half = np.deg2rad(anatomy.sector_deg) / 2
    return Template(
        frames=paint(cycle.mesh, anatomy.grid, anatomy.depth_mm, (-half, half), "A4C", rng),
        mesh=cycle.mesh,
        grid=anatomy.grid,
        depth_mm=anatomy.depth_mm,
        sector_deg=anatomy.sector_deg,
        frame_rate_hz=cycle.frame_rate_hz,
        ed=0,
        es=cycle.es,
        view="A4C",
        patient=f"procedural-{seed}-{index}",
        source="procedural",
        notes=("The anatomy and its echogenicity are made up.",),
    )


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw a ventricle, its place before the probe, and a sector of 60 to 90 degrees and 110 to 200 mm around it."""
    endo, epi = _draw_contours(rng)
    tilt = np.deg2rad(np.clip(rng.normal(2, 7), -14, 16))  # positive: the base to the right
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    place = np.array([np.clip(rng.normal(8, 5), -4, 18), rng.uniform(12, 24)])
    endo, epi = endo @ turn.T + place, epi @ turn.T + place

    half = np.deg2rad(np.clip(rng.normal(72, 8), 60, 90)) / 2
    # Nearly all of the wall is seen: a sector wide enough from some way off, or else from further away.
    half = np.clip(np.quantile(np.arctan2(np.abs(epi[:, 0]), epi[:, 1] + 15), 0.97), half, np.pi / 4)
    deeper = max(np.quantile(np.abs(epi[:, 0]) / np.tan(half) - epi[:, 1], 0.97), 0)
    down = np.array([0.0, deeper])
    endo, epi = endo + down, epi + down
    depth = float(np.clip(epi[:, 1].max() / rng.uniform(0.65, 0.9), 110, 200))
    step = 0.31 if depth <= 150 else float(rng.uniform(0.35, 0.5))
    grid = sector_grid(depth, half, step)
    mesh = mesh_from_contours(grid.to_pixels(endo), grid.to_pixels(epi), grid.spacing_mm)
    return Anatomy(mesh, grid, depth, float(np.rad2deg(2 * half)))


def sector_grid(depth_mm: float, half_angle: float, step_mm: float) -> ImageGrid:
    """Square pixels around a sector whose probe is at the top centre."""
    width = 2 * (int(np.ceil(depth_mm * np.sin(half_angle) / step_mm)) + _MARGIN) + 1
    height = int(np.ceil(depth_mm / step_mm)) + 2 * _MARGIN + 1
    return ImageGrid((height, width), (step_mm, step_mm), ((width - 1) / 2, float(_MARGIN)))


def contract(anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """The mesh at end-systole, (36, 5, 2) float64 pixels.

    The base comes 8 to 16 mm closer to the apex, which hardly moves; the epicardium narrows a little, and the wall
    thickens inwards.
    """
    mesh = anatomy.grid.to_mm(anatomy.mesh.astype(np.float64))
    apex = mesh[MESH_SHAPE[0] // 2 - 1 : MESH_SHAPE[0] // 2 + 1, -1].mean(0)
    axis = mesh[[0, -1]].mean((0, 1)) - apex
    length = np.linalg.norm(axis)
    axis /= length
    side = np.array([-axis[1], axis[0]])
    along, across = (mesh - apex) @ axis, (mesh - apex) @ side
    shorter, narrower = 1 - rng.uniform(8, 16) / length, 1 - rng.uniform(0.02, 0.08)
    drawn_in = np.stack([along * shorter, across * narrower], -1)

    thicker = 1 + rng.uniform(0.25, 0.5) * (0.6 + 0.4 * np.sin(np.linspace(0, np.pi, MESH_SHAPE[0])))
    epicardium, inwards = drawn_in[:, -1:], drawn_in[:, :1] - drawn_in[:, -1:]
    before = np.linalg.norm(mesh[:, :1] - mesh[:, -1:], axis=-1, keepdims=True)
    inwards *= before / np.linalg.norm(inwards, axis=-1, keepdims=True) * thicker[:, None, None]
    share = np.linspace(1, 0, MESH_SHAPE[1])[:, None]
    contracted = epicardium + share * inwards + [rng.uniform(0, 1.5), 0]
    return anatomy.grid.to_pixels(apex + contracted @ np.stack([axis, side]))


def _draw_contours(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Endocardium and epicardium, (N, 2) mm (x, z) each, from the septal to the lateral base, epicardial apex at 0."""
    length = np.clip(rng.normal(84, 7), 70, 98)
    widest, pointed, narrowing = rng.uniform(0.52, 0.72), rng.uniform(1.8, 2.4), rng.uniform(0.12, 0.35)
    bow = rng.normal(0, 2)
    phase = np.linspace(-1, 1, 401)
    u = 1 - np.cos(np.pi / 2 * phase)  # dense at the apex, where the outline turns
    upper = np.sqrt(np.clip(1 - np.abs((widest - np.minimum(u, widest)) / widest) ** pointed, 0, 1))
    lower = 1 - narrowing * (np.maximum(u - widest, 0) / (1 - widest)) ** 2
    half_width = rng.uniform(21, 28) * (1 + rng.normal(0, 0.05) * np.sign(phase) + _waves(len(phase), 0.02, rng))
    x = np.sign(phase) * half_width * upper * lower + bow * 4 * u * (1 - u)
    endo = gaussian_filter1d(np.stack([x, u * length], -1), 4, axis=0, mode="nearest")

    apical = 1 - rng.uniform(0.2, 0.45) * np.exp(-0.5 * (phase / 0.3) ** 2)
    thickness = rng.uniform(7.5, 11) * apical * (1 + rng.normal(0, 0.06) * phase + _waves(len(phase), 0.05, rng))
    thickness = np.clip(thickness, 4.5, 14)
    tangent = gaussian_filter1d(np.gradient(endo, axis=0), 8, axis=0, mode="nearest")
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], -1) / np.linalg.norm(tangent, axis=1, keepdims=True)
    epi = endo + thickness[:, None] * normal * np.sign(normal[0] @ [-1, 0])
    origin = [0, epi[:, 1].min()]
    return endo - origin, epi - origin


def _waves(count: int, size: float, rng: np.random.Generator) -> np.ndarray:
    """(count,) a sum of slow sines, some `size` high."""
    at = np.linspace(0, np.pi, count)
    return size * sum(rng.normal() * np.sin(k * at) / np.sqrt(k) for k in (1, 2, 3))
