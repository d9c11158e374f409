"""Random motion in closed form: affine maps and smooth deformations of the plane.

Each parameter of a motion is a normal deviate raised to a power and clipped, which gives many
small and few large values. The powers and widths are chosen so that displacements are distributed as in FlyingChairs:
mean about 12 px, half of them below 5 px, one in a hundred beyond 75 px.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpwc_keras.data_prep.chairs_like.settings import ChairsLikeSettings

_STEEPEST = 0.3
"""Bound of the gradient of a deformation's field: below 1 the map folds nowhere."""

BUMPS = 3
"""Gaussian bumps in the field of a deforming object."""


@dataclass(frozen=True)
class Motion:
    """From a place p in image 1 to `linear @ p + offset`, plus the bumps at p, in image 2.

    Attributes:
        matrix: (2, 3) linear part and offset.
        bumps: (K, 5) centre x, y, 1 / (2 width²), dx, dy: Gaussians in image 1.
    """

    matrix: np.ndarray
    bumps: np.ndarray

    @property
    def reach(self) -> float:
        """Bound of what the bumps displace."""
        return float(np.hypot(self.bumps[:, 3], self.bumps[:, 4]).sum())

    def before(self, points: np.ndarray) -> np.ndarray:
        """Where the affine part takes (N, 2) points of image 2 from."""
        return np.linalg.solve(self.matrix[:, :2], (points - self.matrix[:, 2]).T).T

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Where (N, 2) points (x, y) of image 1 are in image 2."""
        away = points[:, None] - self.bumps[:, :2]
        weight = np.exp(-(away**2).sum(-1) * self.bumps[:, 2])
        return points @ self.matrix[:, :2].T + self.matrix[:, 2] + weight @ self.bumps[:, 3:]


def background_motion(settings: ChairsLikeSettings, centre: np.ndarray, rng: np.random.Generator) -> Motion:
    """An affine motion about the image's centre (x, y)."""
    translation = _heavy(rng, 1.18, 4, settings.background_translation, 2)
    angle = _heavy(rng, 1.3, 2, settings.background_rotation) if rng.random() < 0.3 else 0.0
    zoom = _heavy(rng, 0.1, 2, settings.background_zoom) if rng.random() < 0.6 else 0.0
    return Motion(_similarity(settings, centre, translation, angle, zoom), np.zeros((0, 5)))


def object_motion(
    settings: ChairsLikeSettings, background: Motion, centre: np.ndarray, diameter: float, rng: np.random.Generator
) -> Motion:
    """A motion relative to the background's, about the object's centre (x, y) in image 1.

    Args:
        settings: the bounds.
        background: the motion of the background, which the object takes part in.
        centre: of the object in image 1, pixels.
        diameter: of the object, pixels.
        rng: source of randomness.
    """
    translation = _heavy(rng, 2.1, 3, settings.object_translation, 2)
    angle = _heavy(rng, 2.3, 2, settings.object_rotation) if rng.random() < 0.7 else 0.0
    zoom = _heavy(rng, 0.18, 2, settings.object_zoom) if rng.random() < 0.7 else 0.0
    own = _similarity(settings, centre, translation, angle, zoom)
    matrix = background.matrix[:, :2] @ own
    matrix[:, 2] += background.matrix[:, 2]
    bumps = np.zeros((0, 5))
    if rng.random() < settings.deforming and settings.motion > 0:
        bumps = _bumps(settings, centre, diameter, rng)
    return Motion(matrix, bumps)


def _bumps(settings, centre, diameter, rng) -> np.ndarray:
    width = rng.uniform(0.15, 0.4, BUMPS) * diameter
    # A Gaussian is steepest one width from its centre: exp(-1/2) of its height over its width.
    bound = np.minimum(settings.deformation * settings.length_scale, width * _STEEPEST / BUMPS * np.exp(0.5))
    height, angle = settings.motion * bound * rng.uniform(0.2, 1, BUMPS), rng.uniform(0, 2 * np.pi, BUMPS)
    height = np.minimum(height, width * _STEEPEST / BUMPS * np.exp(0.5))
    place = centre + rng.normal(0, 0.3 * diameter, (BUMPS, 2))
    return np.column_stack([place, 0.5 / width**2, height * np.cos(angle), height * np.sin(angle)])


def _similarity(settings, centre, translation, angle_deg, zoom) -> np.ndarray:
    """(2, 3): rotation and zoom about the centre, then translation, all times the strength of the settings."""
    angle, size = np.deg2rad(settings.motion * angle_deg), (1 + zoom) ** settings.motion
    c, s = size * np.cos(angle), size * np.sin(angle)
    linear = np.array([[c, -s], [s, c]])
    offset = centre - linear @ centre + settings.motion * settings.length_scale * translation
    return np.column_stack([linear, offset])


def _heavy(rng, sigma: float, power: int, bound: float, count: int | None = None):
    drawn = rng.normal(0, sigma, count)
    return np.clip(np.sign(drawn) * np.abs(drawn) ** power, -bound, bound)
