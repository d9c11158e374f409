"""Random smooth motion, known everywhere in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpwc_keras.compiled import njit


@dataclass(frozen=True)
class Motion:
    """Displacement in mm at any place: a shift, an affine part that fades with distance, and smooth bumps."""

    shift: np.ndarray
    linear: np.ndarray
    centre: np.ndarray
    reach: float
    bumps: np.ndarray  # (K, 5): x, z, width, dx, dz

    @classmethod
    def draw(cls, scale: float, heart: np.ndarray, centre: np.ndarray, extent: float, rng) -> Motion:
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


@njit(fastmath=True)
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
