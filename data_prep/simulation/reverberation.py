"""Artifacts that stand still while the heart moves: reverberations and haze (paper, II-A.4).

The paper places strongly reflecting scatterers near the mid-anterolateral wall and keeps their place and amplitude
through the cycle, which gives still, saturated patches as the ribs do. That is the default here. As options, what the
paper leaves for later: patches anywhere, several of them, repeated behind themselves, and haze over the whole sector.

Imaging is linear, so that artifacts are imaged once for a sequence and added to each of its frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpwc_keras.data_prep.simulation.display import Display
from cpwc_keras.data_prep.simulation.template import Template
from cpwc_keras.data_prep.simulation.transducer import DENSITY, SectorScan
from cpwc_keras.data_prep.simulation.wall_kernels import bilinear
from cpwc_keras.errors import InputError

_MID_LATERAL = (25.0, 29.0)
"""Segments of the mesh: the middle third of the lateral wall, from the apex (17.5) to the base (35)."""

_EACH_REPEAT = 0.5
"""Amplitude of a repeat against the one before it: -6 dB."""

_REACH = 2.5
"""Standard deviations at which a patch is cut off."""

_STRUCTURES, _HAZE = range(2)  # streams of random numbers


@dataclass(frozen=True)
class ArtifactSettings:
    """What stands still. The default is the paper's: one patch at the mid-anterolateral wall.

    Attributes:
        level_db: power of a patch's echoes against the mean of the myocardium at end-diastole.
        position: "fixed": near the mid-anterolateral wall; "random": anywhere in the sector.
        structures: number of patches.
        repeats: how often each patch is repeated behind itself, at equal distances, 6 dB weaker each time.
        haze_db: power of the haze close to the probe against the mean of the myocardium; None: no haze.

    Raises:
        InputError: a value out of its range.
    """

    level_db: float = 20.0
    position: str = "fixed"
    structures: int = 1
    repeats: int = 0
    haze_db: float | None = None

    def __post_init__(self):
        for name, low, high in (("level_db", -40, 80), ("structures", 0, 50), ("repeats", 0, 20)):
            if not low <= getattr(self, name) <= high:  # NaN fails too
                raise InputError(f"{name} of the artifacts is {getattr(self, name)}; expected {low} to {high}.")
        if self.haze_db is not None and not -60 <= self.haze_db <= 40:
            raise InputError(f"haze_db of the artifacts is {self.haze_db}; expected -60 to 40.")
        if self.position not in ("fixed", "random"):
            raise InputError(f"position of the artifacts is {self.position!r}; expected 'fixed' or 'random'.")


def artifact_scatterers(
    template: Template,
    scan: SectorScan,
    wavelength_mm: float,
    display: Display,
    settings: ArtifactSettings,
    density: float,
    seed: list[int],
) -> tuple[np.ndarray, np.ndarray]:
    """The scatterers of all artifacts of a sequence. A pure function of its arguments.

    Args:
        template: brightness and motion.
        scan: its sector.
        wavelength_mm: at the probe's centre frequency.
        display: turns brightness into the scatterers' amplitude.
        settings: which artifacts.
        density: scatterers per square wavelength.
        seed: entropy of everything random, as `numpy.random.default_rng` takes it.

    Returns:
        points_mm: (N, 2) float32 (x, z), within the sector.
        amplitude: (N,) float32.
    """
    tissue = _myocardial_rms(template, display) * np.sqrt(DENSITY / density)
    per_mm2 = density / wavelength_mm**2
    parts = []
    rng = np.random.default_rng([*seed, _STRUCTURES])
    for _ in range(settings.structures):
        parts += _structure(template, scan, settings, per_mm2, rng)
    if parts:
        points, shape = (np.concatenate(part) for part in zip(*parts, strict=True))
        level = tissue * 10 ** (settings.level_db / 20)
        parts = [(points, level * shape * rng.standard_normal(len(points)))]
    if settings.haze_db is not None:
        rng = np.random.default_rng([*seed, _HAZE])
        points = scan.draw_points(int(per_mm2 * scan.area_mm2), rng)
        level = tissue * 10 ** (settings.haze_db / 20)
        parts.append((points, level * _haze(points, scan, rng) * rng.standard_normal(len(points))))
    if not parts:
        return np.zeros((0, 2), np.float32), np.zeros(0, np.float32)
    points, amplitude = (np.concatenate(part).astype(np.float32) for part in zip(*parts, strict=True))
    seen = scan.holds(points)
    return points[seen], amplitude[seen]


def _myocardial_rms(template: Template, display: Display) -> float:
    """Root mean square amplitude of the myocardial scatterers at end-diastole."""
    index = template.ed or 0
    nodes = np.ascontiguousarray(template.mesh[index].reshape(-1, 2), np.float32)
    brightness = bilinear(np.asarray(template.frames[index], np.float32), nodes)
    return float(np.sqrt(np.mean(np.square(display.reflectivity(brightness), dtype=np.float64))))


def _structure(
    template: Template, scan: SectorScan, settings: ArtifactSettings, per_mm2: float, rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """A patch along an arc of constant range, and its repeats: points (N, 2) mm and relative amplitude (N,) of each."""
    if settings.position == "fixed":
        segment, depth = rng.uniform(*_MID_LATERAL), rng.uniform(0.4, 1.0)  # from within the wall to its outside
        mesh = template.mesh[template.ed or 0].astype(np.float64)
        below = int(segment)
        inner, outer = (
            mesh[below, layer] * (below + 1 - segment) + mesh[below + 1, layer] * (segment - below) for layer in (0, -1)
        )
        x, z = template.grid.to_mm(inner + depth * (outer - inner))
        radius, angle = np.hypot(x, z), np.arctan2(x, z)
    else:
        radius = scan.depth_mm * rng.uniform(0.15, 0.9)
        angle = np.deg2rad(scan.sector_deg) / 2 * rng.uniform(-0.9, 0.9)
    thick, wide = rng.uniform(1.5, 3.0), rng.uniform(3.0, 6.0)  # mm, standard deviations along and across the beams
    # Walls may leave the sector; an artifact that cannot be seen would be none.
    radius = min(radius, scan.depth_mm - thick)
    half = max(np.deg2rad(scan.sector_deg) / 2 - wide / radius, 0)
    angle = np.clip(angle, -half, half)
    distance = rng.uniform(8.0, 16.0)
    parts = []
    for repeat in range(settings.repeats + 1):
        at = radius + repeat * distance
        count = round(per_mm2 * 4 * _REACH**2 * thick * wide * at / radius)
        along, across = rng.uniform(-_REACH, _REACH, (2, count))
        shape = np.exp(-0.5 * (along**2 + across**2))
        r, theta = at + along * thick, angle + across * wide / radius  # repeats widen as the beams do
        kept = (r > 0) & (along**2 + across**2 < _REACH**2)
        points = r[:, None] * np.stack([np.sin(theta), np.cos(theta)], -1)
        parts.append((points[kept], _EACH_REPEAT**repeat * shape[kept]))
    return parts


def _haze(points: np.ndarray, scan: SectorScan, rng: np.random.Generator) -> np.ndarray:
    """Relative amplitude of haze: strongest at the probe, a rest everywhere, uneven from side to side."""
    depth, angle = np.hypot(*points.T) / scan.depth_mm, np.arctan2(*points.T) / np.deg2rad(scan.sector_deg)
    side = 1 + 0.4 * np.sin(np.pi * rng.uniform(0.5, 1.5) * angle + rng.uniform(0, 2 * np.pi))
    return side * (0.3 + 0.7 * np.exp(-0.5 * (depth / rng.uniform(0.25, 0.5)) ** 2))
