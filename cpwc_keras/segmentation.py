"""Endocardial and epicardial contours of a labelled image (labels as in CAMUS)."""

from __future__ import annotations

import contourpy
import numpy as np
from scipy import ndimage

from cpwc_keras.curves import distance_along, points_at
from cpwc_keras.errors import InputError
from cpwc_keras.types import CAVITY, MYOCARDIUM

_SPECK = 0.01
"""Parts smaller than this fraction of a structure are slips of the brush and are dropped."""

_SMOOTHING_PX = 1.5
"""Standard deviation of the Gaussian that takes the staircase out of a mask's border."""

_GAP = 0.04
"""The wall may be open, apart from the base, over at most this fraction of the cavity's border."""

_CORNER_SAMPLES, _CORNER_REACH = 1001, 15
"""The outer border is taken at this many points; its turn at one of them is measured over this many on either side."""


def contours_from_labels(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The endocardium and the epicardium of one apical view, as open curves from the septal to the lateral base.

    The endocardium is the border between cavity and myocardium; it ends where the cavity opens into the atrium. The
    epicardium is the outer border of the myocardium; it ends at the two outer corners of the wall's basal cut. The
    septum is on the left of the image, as in the standard display. Both are the half-level lines of a mask smoothed by
    1.5 px, hence sub-pixel.

    Args:
        labels: (H, W) integers: 1 left ventricular cavity, 2 myocardium; anything else is outside.

    Returns:
        endo: (N, 2) float64 (x, y) in pixels.
        epi: (M, 2) float64 (x, y) in pixels.

    Raises:
        InputError: there is no cavity or no myocardium, one of them is in several parts, or the myocardium is not a
            horseshoe around the cavity, open at the base.
    """
    if labels.ndim != 2:
        raise InputError(f"Expected one labelled image (H, W), got an array of shape {labels.shape}.")
    cavity = one_part(labels == CAVITY, f"cavity (label {CAVITY})")
    wall = one_part(labels == MYOCARDIUM, f"myocardium (label {MYOCARDIUM})")
    border = outline(cavity)
    on_wall = ndimage.map_coordinates(ndimage.distance_transform_edt(~np.pad(wall, 1)), border[:, ::-1].T + 1, order=1)
    endo = _wall_side(border, on_wall <= _SMOOTHING_PX + 1.0)

    hull = outline(ndimage.binary_fill_holes(cavity | wall))
    epi = _between(hull, endo)
    if endo[0, 0] > endo[-1, 0]:
        endo, epi = endo[::-1], epi[::-1]
    return endo, epi


def one_part(mask: np.ndarray, what: str) -> np.ndarray:
    """A structure without its specks.

    Args:
        mask: (H, W) bool.
        what: its name in messages.

    Raises:
        InputError: there is none, or it is in several parts.
    """
    parts, count = ndimage.label(mask, structure=np.ones((3, 3)))
    if not count:
        raise InputError(f"The segmentation has no {what}; check the labels and the view.")
    sizes = np.bincount(parts.ravel())[1:]
    if sizes.sum() - sizes.max() > _SPECK * sizes.sum():
        raise InputError(
            f"The {what} is in {count} parts, the largest of {sizes.max()} of {sizes.sum()} pixels; expected one part. "
            "Correct the segmentation."
        )
    return parts == 1 + sizes.argmax()


def outline(mask: np.ndarray) -> np.ndarray:
    """The outer border of a mask at sub-pixel precision: the half-level line of the mask smoothed by 1.5 px.

    Args:
        mask: (H, W) bool.

    Returns:
        (N, 2) float64 (x, y) in pixels, a closed curve without the repeated first point, about one point a pixel.

    Raises:
        InputError: the structure is too thin to have a border.
    """
    margin = int(np.ceil(4 * _SMOOTHING_PX))
    smooth = ndimage.gaussian_filter(np.pad(mask, margin).astype(float), _SMOOTHING_PX)
    lines = [np.asarray(line) for line in contourpy.contour_generator(z=smooth).lines(0.5)]
    if not lines:
        raise InputError("The segmented structure is too thin to have a border; check the segmentation.")
    line = max(lines, key=len)
    return line[:-1] - margin


def _wall_side(border: np.ndarray, on_wall: np.ndarray) -> np.ndarray:
    """The part of the cavity's border that touches the myocardium, cut out of the closed curve."""
    changes = np.flatnonzero(on_wall != np.roll(on_wall, 1))
    if not len(changes):
        found = "encloses the cavity on all sides" if on_wall[0] else "does not touch the cavity"
        raise InputError(f"The myocardium {found}; expected a horseshoe around the cavity, open at the base.")
    runs = np.split(np.roll(np.arange(len(border)), -changes[0]), (changes - changes[0])[1:])
    open_runs = sorted((run for run in runs if not on_wall[run[0]]), key=len)
    base = open_runs[-1]
    if any(len(run) > _GAP * len(border) for run in open_runs[:-1]):
        raise InputError(
            "The myocardium leaves the cavity open in more than one place; expected one opening, at the base. "
            "Correct the segmentation."
        )
    return np.roll(border, -base[-1] - 1, axis=0)[: len(border) - len(base)]


def _between(hull: np.ndarray, endo: np.ndarray) -> np.ndarray:
    """The epicardium, running with `endo`: the outer border less its basal part and the wall's two basal cuts."""
    start, stop = (np.linalg.norm(hull - end, axis=1).argmin() for end in (endo[0], endo[-1]))
    one = np.roll(hull, -start, axis=0)[: (stop - start) % len(hull) + 1]
    other = np.roll(hull, -stop, axis=0)[: (start - stop) % len(hull) + 1][::-1]
    middle = (endo[0] + endo[-1]) / 2
    apex_side = max((one, other), key=lambda arc: np.linalg.norm(arc - middle, axis=1).max())

    # A wall's outer corner is where its border turns most, within the fifth of the curve next to the base.
    distance = distance_along(apex_side)
    curve = points_at(apex_side, distance, np.linspace(0, distance[-1], _CORNER_SAMPLES))
    before = curve[_CORNER_REACH:-_CORNER_REACH] - curve[: -2 * _CORNER_REACH]
    after = curve[2 * _CORNER_REACH :] - curve[_CORNER_REACH:-_CORNER_REACH]
    turn = np.arctan2(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0], np.sum(before * after, -1))
    turn *= np.sign(turn.sum())
    near = _CORNER_SAMPLES // 5
    first = turn[:near].argmax() + _CORNER_REACH
    last = _CORNER_SAMPLES - 1 - _CORNER_REACH - turn[: -near - 1 : -1].argmax()
    return curve[first : last + 1]
