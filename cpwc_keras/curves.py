"""Distances along a polyline, and its points at given ones."""

from __future__ import annotations

import numpy as np


def segment_lengths(curve: np.ndarray) -> np.ndarray:
    """Distance from each point of a curve to the next.

    Args:
        curve: (..., N, 2).

    Returns:
        (..., N-1) in the unit of the points.
    """
    return np.linalg.norm(np.diff(curve, axis=-2), axis=-1)


def distance_along(curve: np.ndarray) -> np.ndarray:
    """Distance along a curve from its first point to each of its points.

    Args:
        curve: (N, 2).

    Returns:
        (N,) rising from 0 to the length of the curve.
    """
    return np.insert(segment_lengths(curve).cumsum(), 0, 0.0)


def points_at(curve: np.ndarray, distance: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Points of a curve, linearly between the given ones.

    Args:
        curve: (N, 2) points, or vectors attached to them.
        distance: (N,) rising, where they lie: by habit `distance_along(curve)`.
        at: (M,) where points are wanted; beyond the ends, the ends.

    Returns:
        (M, 2) float64.
    """
    return np.stack([np.interp(at, distance, curve[:, k]) for k in range(2)], -1)
