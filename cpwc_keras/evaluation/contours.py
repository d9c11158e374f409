"""Distances between a tracked contour and its reference: d_m and d_H (paper, III-D.1), and along the wall (Fig. 6).

Contours are open polylines, (N, 2) as (x, y) pixels from the basal septal point over the apex to the basal lateral
point. Two of them need neither the same number of points nor points at the same material places: only the curves count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cpwc_keras.curves import distance_along, points_at, segment_lengths
from cpwc_keras.errors import InputError
from cpwc_keras.evaluation.strain import Spacing, scaled

_SAMPLES = 2000
"""Places along a contour at which its distance is taken: a step of less than 0.1 mm on a left ventricle."""


def contour_distances(contour: np.ndarray, reference: np.ndarray, spacing_mm: Spacing = None) -> tuple[float, float]:
    """Mean absolute distance d_m and Hausdorff distance d_H of two contours (III-D.1).

    With d(p, B) the distance from a point to the nearest point of a polyline (not of its nodes), and the mean taken
    evenly along the length of A::

        mean(A, B) = (1 / |A|) ∫_A d(p, B) dp        max(A, B) = max over p in A of d(p, B)
        d_m = (mean(A, B) + mean(B, A)) / 2          d_H = max(max(A, B), max(B, A))

    The paper calls d_m "the average distance between two contours" and leaves open which one is walked along; here it
    is symmetric, as d_H is. Both are taken at 2000 places along each contour, in the middle of equal steps, d_H also at
    the nodes: it can be missed by no more than half a step, and only where it lies between nodes.

    Args:
        contour: (N, 2) pixels.
        reference: (M, 2) pixels.
        spacing_mm: (row_mm, col_mm), or None.

    Returns:
        (d_m, d_H) in mm, or in pixels without a spacing.

    Raises:
        InputError: a contour is not (N, 2), is not finite, or has no length.
    """
    contour = _curve(contour, "contour", spacing_mm)
    reference = _curve(reference, "reference contour", spacing_mm)
    directed = [_directed_distances(contour, reference), _directed_distances(reference, contour)]
    return sum(mean for mean, _ in directed) / 2, max(largest for _, largest in directed)


def distance_profile(
    contours: np.ndarray,
    references: np.ndarray | Sequence[np.ndarray],
    spacing_mm: Spacing = None,
    reference_frame: int = 0,
    n: int = 101,
) -> np.ndarray:
    """Distance between tracked and reference contours along the wall (IV-B.2, Fig. 6).

    The long axis runs from the mid-base of the reference contour in `reference_frame` to that contour's furthest point.
    The apex of each contour of either kind is where the line through its own mid-base with that orientation crosses it:
    the crossing furthest from the base, or, where there is none, the node furthest along the axis. On each wall, a
    contour's parameter is proportional to its arc length. The profile is, at every parameter, the distance between the
    points that both contours have there, averaged over all frames but `reference_frame`.

    Args:
        contours: (T, N, 2) pixels.
        references: (T, M, 2) pixels, or T contours (M_t, 2).
        spacing_mm: (row_mm, col_mm), or None.
        reference_frame: where tracking began.
        n: number of parameters.

    Returns:
        (n,) in mm, or in pixels without a spacing, at the parameters ``np.linspace(0, 1, n)``: 0 = basal anterolateral
        (the last point), 0.5 = apex, 1 = basal inferoseptal (the first point).

    Raises:
        InputError: a contour is not (N, 2), is not finite or has no length, the two differ in the number of frames, or
            there is no frame besides `reference_frame`.
    """
    if len(contours) != len(references):
        raise InputError(f"There are {len(contours)} tracked contours but {len(references)} reference contours.")
    if not 0 <= reference_frame < len(references):
        raise InputError(f"Frame {reference_frame} is not one of the {len(references)} frames with a contour.")
    if len(references) < 2:
        raise InputError("The distance along the wall needs at least one frame besides the one where tracking began.")
    curves = [_curve(c, f"contour of frame {t}", spacing_mm) for t, c in enumerate(contours)]
    expected = [_curve(r, f"reference contour of frame {t}", spacing_mm) for t, r in enumerate(references)]
    axis = _long_axis(expected[reference_frame])
    at = np.linspace(0, 1, n)
    distances = [
        np.linalg.norm(_points_along_wall(contour, axis, at) - _points_along_wall(reference, axis, at), axis=-1)
        for t, (contour, reference) in enumerate(zip(curves, expected, strict=True))
        if t != reference_frame
    ]
    return np.mean(distances, axis=0)


def _curve(points: np.ndarray, name: str, spacing_mm: Spacing) -> np.ndarray:
    """Checked points in mm, without repeated ones: every segment has a direction."""
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"The {name} must be (N, 2) points, found an array of shape {points.shape}.")
    if not np.isfinite(points).all():
        raise InputError(f"The {name} holds coordinates that are not finite numbers.")
    points = scaled(points, spacing_mm)
    moved = segment_lengths(points) > 0
    if not moved.any():
        raise InputError(f"The {name} has no length: all of its {len(points)} points are the same.")
    return points[np.append(True, moved)]


def _directed_distances(curve: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Mean and largest distance from the places along a curve to the other one."""
    distance = distance_along(curve)
    middles = (np.arange(_SAMPLES) + 0.5) / _SAMPLES * distance[-1]
    nearest = _distance_to(other, np.concatenate([curve, points_at(curve, distance, middles)]))
    return float(nearest[len(curve) :].mean()), float(nearest.max())


def _distance_to(curve: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distance (K,) from each of the points (K, 2) to the nearest point of any segment of the curve."""
    starts, length = curve[:-1], segment_lengths(curve)
    x, y = (np.diff(curve, axis=0) / length[:, None]).T
    along = points @ np.stack([x, y]) - (starts[:, 0] * x + starts[:, 1] * y)
    across = points @ np.stack([-y, x]) - (starts[:, 1] * x - starts[:, 0] * y)
    beyond = along - np.clip(along, 0, length)
    return np.sqrt((across**2 + beyond**2).min(axis=1))


def _long_axis(curve: np.ndarray) -> np.ndarray:
    """Unit vector (2,) from the middle of the base to the furthest point."""
    from_base = curve - (curve[0] + curve[-1]) / 2
    distance = np.linalg.norm(from_base, axis=-1)
    apex = np.argmax(distance)
    return from_base[apex] / distance[apex]


def _points_along_wall(curve: np.ndarray, axis: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Points (n, 2) of a curve at parameters from 0, its last point, over 0.5, the apex, to 1, its first point."""
    distance = distance_along(curve)
    return points_at(curve, distance, np.interp(at, [0, 0.5, 1], [distance[-1], _apex(curve, distance, axis), 0]))


def _apex(curve: np.ndarray, distance: np.ndarray, axis: np.ndarray) -> float:
    """Distance along the curve at which the axis through its mid-base crosses it, furthest from the base."""
    from_base = curve - (curve[0] + curve[-1]) / 2
    height = from_base @ axis
    aside = from_base @ (-axis[1], axis[0])
    before = np.flatnonzero((aside[:-1] <= 0) != (aside[1:] <= 0))
    share = aside[before] / (aside[before] - aside[before + 1])
    crossing_height = height[before] + share * (height[before + 1] - height[before])
    if not (crossing_height > 0).any():
        return float(distance[np.argmax(height)])
    last = np.argmax(crossing_height)
    return float(np.interp(before[last] + share[last], np.arange(len(distance)), distance))
