"""How strongly tissue echoes: a ventricle-like chamber, its walls, and random texture."""

from __future__ import annotations

import numpy as np

from cpwc_keras.compiled import njit


@njit(fastmath=True, keep=False)
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


@njit()
def in_cavity(points, heart):
    """Whether each of (N, 2) points in mm lies in blood, a millimetre or more from the wall."""
    inside = np.empty(len(points), dtype=np.bool_)
    for n in range(len(points)):
        distance, _ = _wall_distance(points[n, 0], points[n, 1], heart)
        inside[n] = distance < -1.0
    return inside


@njit()
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


def echogenicity(points: np.ndarray, heart: np.ndarray, rng: np.random.Generator) -> np.ndarray:
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


@njit()
def _look_up(field, places):
    out = np.empty(len(places))
    for n in range(len(places)):
        j, i = int(places[n, 0]), int(places[n, 1])
        u, v = places[n, 1] - i, places[n, 0] - j
        above = (1 - v) * field[i, j] + v * field[i, j + 1]
        below = (1 - v) * field[i + 1, j] + v * field[i + 1, j + 1]
        out[n] = (1 - u) * above + u * below
    return out
