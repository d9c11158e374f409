"""Closed outlines of the left ventricle's cavity, opened at the base."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from cpwc_keras.curves import distance_along, points_at, segment_lengths
from cpwc_keras.errors import InputError

_LONGEST = 2.0
"""One side this many times as long as any other is the base, drawn as one stroke between two clicks."""

_SAMPLES, _REACH = 200, 4
"""Corners are sought at this many points of the outline; its turn at one is measured over so many on either side."""

_BASE = (0.08, 0.30)
"""The base is between these fractions of the outline long (CAMUS: 0.09 to 0.23)."""

_STRAIGHT = 0.98
"""It is at most 2 % longer than the chord between its ends."""

_CLEAR = 0.25
"""Radians by which its two corners must turn more, together, than any other two. Of the cavities of 300 CAMUS masks, a
few are refused by it; the others are opened where the myocardium ends (tests/io/test_outline.py)."""

_SNAP = 0.015
"""A corner this close to a given point, as a fraction of the outline, is that point."""

_SAME_PX = 0.002
"""Points closer than this are one: contour files keep three decimals."""

_REMEDY = "say where the base is (--base X1 Y1 X2 Y2)"


def open_at_base(outline: np.ndarray, base: np.ndarray | None = None) -> np.ndarray:
    """The endocardial contour in a closed outline of the cavity: all of it but the base.

    Without `base`, the base is the one side that is by far the longest (an outline of a few clicks), or else the
    straight part between the two sharpest corners (an outline traced around a mask).

    Args:
        outline: (N, 2) pixels (x, y) around the cavity, in either direction; the first point may be repeated.
        base: (2, 2) the septal and the lateral end of the base, or None.

    Returns:
        (M, 2) float64 from base to base: from the first to the second point of `base`, else from left to right.

    Raises:
        InputError: it cannot be told where the base is, or `base` is not on the outline.
    """
    outline = distinct(np.asarray(outline, np.float64))
    if np.linalg.norm(outline[0] - outline[-1]) < _SAME_PX:
        outline = outline[:-1]
    if len(outline) < 4:
        raise InputError(f"An outline of {len(outline)} points has no base; expected at least 4.")
    closed = np.vstack([outline, outline[:1]])
    length = distance_along(closed)
    given = base is not None
    start, stop = _given_base(closed, length, np.asarray(base, float)) if given else _find_base(closed, length)
    arc = max(_arc(closed, length, start, stop), _arc(closed, length, stop, start)[::-1], key=_extent)
    return arc if given or arc[0, 0] <= arc[-1, 0] else arc[::-1]


def distinct(curve: np.ndarray) -> np.ndarray:
    """A curve without points that repeat the one before, as double clicks leave them.

    Args:
        curve: (N, 2).
    """
    return curve[np.insert(~(segment_lengths(curve) < _SAME_PX), 0, True)] if len(curve) else curve


def thinned(curve: np.ndarray, n: int = 128) -> np.ndarray:
    """At most `n` points of a curve; at equal distances if it had more.

    Args:
        curve: (N, 2).
        n: how many.
    """
    if len(curve) <= n:
        return curve
    distance = distance_along(curve)
    return points_at(curve, distance, np.linspace(0, distance[-1], n))


def _extent(curve: np.ndarray) -> float:
    return float(segment_lengths(curve).sum())


def _arc(closed: np.ndarray, length: np.ndarray, start: float, stop: float) -> np.ndarray:
    """The closed curve from one distance along it to another, going forward; its own points between the two stay."""
    total = length[-1]
    stop += total if stop <= start else 0.0
    at = np.concatenate([length[:-1], length[:-1] + total])
    between = at[(at > start + _SAME_PX) & (at < stop - _SAME_PX)]
    return points_at(closed, length, np.concatenate([[start], between, [stop]]) % total)


def _given_base(closed: np.ndarray, length: np.ndarray, base: np.ndarray) -> tuple[float, float]:
    """Distances along the outline of its points nearest to the two given ones."""
    fine = np.linspace(0, length[-1], 20 * _SAMPLES, endpoint=False)
    apart = np.linalg.norm(points_at(closed, length, fine) - base[:, None], axis=-1)
    nearest = apart.argmin(1)
    if apart.min(1).max() > 0.05 * length[-1]:
        point = base[apart.min(1).argmax()]
        raise InputError(f"The base's point ({point[0]:g}, {point[1]:g}) is not on the outline; {_REMEDY}.")
    if nearest[0] == nearest[1]:
        raise InputError("Both points of the base are at the same place of the outline; give its two ends.")
    return fine[nearest[0]], fine[nearest[1]]


def _find_base(closed: np.ndarray, length: np.ndarray) -> tuple[float, float]:
    sides = np.diff(length)
    second, longest = np.argsort(sides)[-2:]
    if sides[longest] > _LONGEST * sides[second] and sides[longest] > _BASE[0] * length[-1]:
        return length[longest], length[longest + 1]

    at = np.arange(_SAMPLES) * length[-1] / _SAMPLES
    curve = ndimage.gaussian_filter1d(points_at(closed, length, at), 1.0, axis=0, mode="wrap")
    before, after = curve - np.roll(curve, _REACH, 0), np.roll(curve, -_REACH, 0) - curve
    turn = np.arctan2(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0], np.sum(before * after, -1))
    turn *= np.sign(turn.sum())
    index = np.arange(_SAMPLES)
    steps = (index - index[:, None]) % _SAMPLES
    chord = np.linalg.norm(curve[:, None] - curve, axis=-1)
    possible = (steps >= _BASE[0] * _SAMPLES) & (steps <= _BASE[1] * _SAMPLES)
    possible &= chord >= _STRAIGHT * steps * length[-1] / _SAMPLES
    both = np.where(possible, turn[:, None] + turn, -np.inf)
    first, last = np.unravel_index(both.argmax(), both.shape)
    near = np.minimum(steps, steps.T) <= 2 * _REACH
    rival = both[~(near[first][:, None] & near[last])].max()
    if not (possible.any() and both[first, last] - rival > _CLEAR):
        raise InputError(f"It cannot be told where the outline's base is; {_REMEDY}.")
    return _nearest_vertex(length, at[first]), _nearest_vertex(length, at[last])


def _nearest_vertex(length: np.ndarray, distance: float) -> float:
    """The distance of the closest given point, which a corner found between two of them stands for; of few, itself."""
    nearest = length[np.abs(length - distance).argmin()]
    return nearest % length[-1] if abs(nearest - distance) < _SNAP * length[-1] else distance
