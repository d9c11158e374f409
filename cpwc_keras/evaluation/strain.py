"""Clinical indices from a contour followed through a loop: longitudinal strain, MAPSE, end-systole (paper, III-D.2).

A contour is (N, 2) as (x, y) pixels from the basal septal point over the apex to the basal lateral point; a loop of
them is (T, N, 2), the same material points in every frame. Without a spacing, pixels are taken to be square: strain is
a ratio, for which only the pixel's shape counts, and lengths are in pixels.
"""

from __future__ import annotations

import numpy as np

from cpwc_keras.curves import segment_lengths
from cpwc_keras.errors import InputError

Spacing = tuple[float, float] | None
"""(row_mm, col_mm), or None where it is unknown."""

SEGMENTS = (
    "basal inferoseptal",
    "mid inferoseptal",
    "apical septal",
    "apical lateral",
    "mid anterolateral",
    "basal anterolateral",
)
"""The wall of the apical four-chamber view in order along a contour (AHA, 17 segments without the apical cap)."""

_FULL, _EMPTY = 2 / 3, 1 / 3
"""Of the way between its smallest and its largest area in a stretch of a loop: beyond these a cavity counts as filled
and as emptied. What lies between them, as noise and the pauses of a failing heart do, is no beat."""


def scaled(points: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    """Points or vectors (..., 2) from pixels to mm, as float64; left in pixels without a spacing."""
    row_mm, col_mm = spacing_mm or (1.0, 1.0)
    return np.asarray(points, np.float64) * (col_mm, row_mm)


def arc_length(contours: np.ndarray, spacing_mm: Spacing = None) -> np.ndarray:
    """Length of each contour along its points.

    Args:
        contours: (..., N, 2).
        spacing_mm: (row_mm, col_mm), or None.

    Returns:
        (...) in mm, or in pixels without a spacing.
    """
    return segment_lengths(scaled(contours, spacing_mm)).sum(axis=-1)


def cavity_area(contours: np.ndarray, spacing_mm: Spacing = None) -> np.ndarray:
    """Area between each contour and the straight line across its base.

    Args:
        contours: (..., N, 2).
        spacing_mm: (row_mm, col_mm), or None.

    Returns:
        (...) in mm², or in square pixels without a spacing.
    """
    x, y = np.moveaxis(scaled(contours, spacing_mm), -1, 0)
    return np.abs((x * np.roll(y, -1, axis=-1) - y * np.roll(x, -1, axis=-1)).sum(axis=-1)) / 2


def apical_length(
    contours: np.ndarray, spacing_mm: Spacing = None, reference: int = 0, material: bool = True
) -> np.ndarray:
    """Distance between the apex and the middle of the base.

    The apex is the point furthest from the mid-base in the reference frame, followed as a material point; the mid-base
    lies halfway between the first and the last point. Contours that were drawn frame by frame have no material points:
    their apex is the furthest point of each frame.

    Args:
        contours: (T, N, 2).
        spacing_mm: (row_mm, col_mm), or None.
        reference: index of the end-diastolic frame.
        material: whether a point is the same tissue in every frame.

    Returns:
        (T,) in mm, or in pixels without a spacing.
    """
    distance = _distance_from_base(scaled(contours, spacing_mm))
    return distance[:, np.argmax(distance[reference])] if material else distance.max(axis=-1)


def longitudinal_strain(contours: np.ndarray, spacing_mm: Spacing = None, reference: int = 0) -> np.ndarray:
    """Lagrangian strain of the contour's length, (L(t) − L(t0)) / L(t0): eq. (2).

    Args:
        contours: (T, N, 2).
        spacing_mm: (row_mm, col_mm), or None.
        reference: t0, the end-diastolic frame.

    Returns:
        (T,) in percent; negative where the ventricle is shorter than at end-diastole.
    """
    return _change(arc_length(contours, spacing_mm), reference)


def segmental_strain(contours: np.ndarray, spacing_mm: Spacing = None, reference: int = 0) -> np.ndarray:
    """Lagrangian strain of each of the six `SEGMENTS`, (L_s(t) − L_s(t0)) / L_s(t0): eq. (2), piece by piece.

    Each wall, from its base to the apex of `apical_length`, is cut into thirds of its length at t0. The cuts are
    material points: each keeps its share of the way between its two neighbouring points of the contour. The mean of the
    six strains, weighted by the segments' lengths at t0, is `longitudinal_strain`.

    Args:
        contours: (T, N, 2).
        spacing_mm: (row_mm, col_mm), or None.
        reference: t0, the end-diastolic frame.

    Returns:
        (T, 6) in percent, in the order of `SEGMENTS`.

    Raises:
        InputError: a wall has no length at t0.
    """
    contours = scaled(contours, spacing_mm)
    apex = int(np.argmax(_distance_from_base(contours)[reference]))
    along = np.pad(segment_lengths(contours).cumsum(axis=-1), ((0, 0), (1, 0)))
    thirds = np.arange(1, 4) / 3
    start, middle, end = along[reference, [0, apex, -1]]
    if not start < middle < end:
        raise InputError("Segmental strain needs two walls; in the reference frame one of them has no length.")
    cuts = np.concatenate([[start], start + thirds * (middle - start), middle + thirds * (end - middle)])
    index = np.interp(cuts, along[reference], np.arange(along.shape[1]))
    before = np.minimum(index.astype(int), along.shape[1] - 2)
    at_cuts = along[:, before] + (index - before) * (along[:, before + 1] - along[:, before])
    return _change(np.diff(at_cuts, axis=-1), reference)


def mapse(contours: np.ndarray, spacing_mm: Spacing = None, reference: int = 0, material: bool = True) -> np.ndarray:
    """Mitral annular plane systolic excursion as the paper computes it: eq. (2) with L from apex to mid-base.

    Clinics give the excursion in mm, which is the fall of `apical_length`.

    Args:
        contours: (T, N, 2).
        spacing_mm: (row_mm, col_mm), or None.
        reference: t0, the end-diastolic frame.
        material: as for `apical_length`.

    Returns:
        (T,) in percent.
    """
    return _change(apical_length(contours, spacing_mm, reference, material), reference)


def peak_systolic(strain: np.ndarray, ed: int, es: int) -> float:
    """The lowest value between end-diastole and end-systole, both included (III-D.2).

    Args:
        strain: (T,) in percent.
        ed: index of the end-diastolic frame with which the systole begins (`systole_start`, where the loop may hold
            more than one beat).
        es: index of the end-systolic frame.

    Raises:
        InputError: end-systole lies before end-diastole: between them is diastole.
    """
    return float(strain[peak_systolic_frame(strain, ed, es)])


def peak_systolic_frame(strain: np.ndarray, ed: int, es: int) -> int:
    """Index of the frame of `peak_systolic`; the arguments are the same."""
    if es < ed:
        raise InputError(
            f"End-systole (frame {es}) lies before end-diastole (frame {ed}), and between them is diastole; give the "
            "end-diastole before it (`systole_start` finds it)."
        )
    return ed + int(np.argmin(strain[ed : es + 1]))


def systole_start(area: np.ndarray, ed: int, es: int) -> int:
    """The end-diastole with which the systole that ends at end-systole begins, in a loop of any number of beats.

    It is `ed`, unless end-systole lies before that in the loop, or the cavity empties, fills and empties once more
    between the two. Then the frame of the largest cavity in the filling before end-systole is taken, or the first
    frame of a loop that begins within that systole.

    Args:
        area: (T,) cavity area, in any unit.
        ed: index of the end-diastolic frame that strain refers to.
        es: index of the end-systolic frame.

    Returns:
        the index of a frame, at most `es`.
    """
    first = ed if ed <= es else 0
    before = np.asarray(area[first : es + 1], np.float64)
    fall = np.ptp(before)
    if not fall:
        return first
    filled = (before - before.min()) / fall
    if ed <= es and filled[-1] > _EMPTY:  # marked elsewhere than at the end of a contraction: it is taken at its word
        return ed
    last_full = int(np.flatnonzero(filled > _FULL)[-1])
    emptied = np.flatnonzero(filled[:last_full] < _EMPTY)
    if ed <= es and not len(emptied):
        return ed
    begin = int(emptied[-1]) + 1 if len(emptied) else 0
    return first + begin + int(np.argmax(filled[begin : last_full + 1]))


def estimate_es(area: np.ndarray, ed: int) -> int:
    """Where end-systole probably is: an estimate, for loops without a mark.

    It is the frame of the smallest cavity within the beat next to end-diastole: of the frames from the first one in
    which the area has fallen by half of its whole fall until it has risen again as far. The beat after end-diastole is
    taken, unless the loop ends before its smallest area is passed and the beat before was recorded to a smaller one.

    Args:
        area: (T,) cavity area, in any unit.
        ed: index of the end-diastolic frame.

    Returns:
        the index of a frame; `ed` itself where the area never falls.
    """
    after = ed + _first_minimum(area[ed:])
    before = ed - _first_minimum(area[ed::-1])
    cut_off = after == len(area) - 1 or after == ed
    return before if cut_off and area[before] < area[after] else after


def _first_minimum(area: np.ndarray) -> int:
    """The smallest of the first run of values below the middle between the first value and the smallest of all."""
    below = area < (area[0] + area.min()) / 2
    if not below.any():
        return 0
    start = int(np.argmax(below))
    length = int(np.argmin(np.append(below[start:], False)))
    return start + int(np.argmin(area[start : start + length]))


def _distance_from_base(contours: np.ndarray) -> np.ndarray:
    """(T, N): how far each point of contours (T, N, 2) is from the middle between its first and last point."""
    base = (contours[:, 0] + contours[:, -1]) / 2
    return np.linalg.norm(contours - base[:, None], axis=-1)


def _change(length: np.ndarray, reference: int) -> np.ndarray:
    return (length / length[reference] - 1) * 100
