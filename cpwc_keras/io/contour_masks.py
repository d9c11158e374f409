"""The endocardial contour of a mask: labels as in CAMUS, or the cavity alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial import ConvexHull

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.evaluation.strain import cavity_area
from cpwc_keras.io.images import IMAGE_SUFFIXES, read_image
from cpwc_keras.io.medical import MEDICAL_SUFFIXES, read_image_stack
from cpwc_keras.io.outline import open_at_base, thinned
from cpwc_keras.segmentation import contours_from_labels, one_part, outline
from cpwc_keras.types import ATRIUM, BACKGROUND, CAVITY, MYOCARDIUM

MASK_SUFFIXES = (*MEDICAL_SUFFIXES, *IMAGE_SUFFIXES)
_FILLED = 0.75
"""A cavity fills at least this fraction of its convex hull (CAMUS: 0.83); a ring of myocardium does not."""


def read_masks(path: str | Path) -> np.ndarray:
    """Read masks from an image or a stack of them.

    Returns:
        (T, H, W) whole numbers.

    Raises:
        InputError: missing, broken, or of values that are no whole numbers.
    """
    if Path(path).name.lower().endswith(MEDICAL_SUFFIXES):
        stack = read_image_stack(path)[0]
    else:
        stack = np.rint(read_image(path)[None].astype(np.float64) * 65535)
        if not (stack % 257).any():  # an 8-bit file
            stack /= 257
    masks = np.rint(stack)
    if not np.array_equal(masks, stack):
        raise bad_file(path, "gray levels between whole numbers", "a mask")
    return masks.astype(np.int64)


def contour_from_mask(labels: np.ndarray, base: np.ndarray | None = None) -> np.ndarray:
    """The endocardial contour of one mask.

    With a myocardium, the contour ends where the cavity leaves it (`segmentation.contours_from_labels`). In a mask of
    the cavity alone, and wherever `base` is given, the cavity's outline is opened at its base (`outline.open_at_base`).

    Args:
        labels: (H, W) integers: 1 cavity, 2 myocardium, 3 atrium; or 0 and any one other value, the cavity alone.
        base: (2, 2) the septal and the lateral end of the base, or None.

    Returns:
        (N, 2) float64 pixels, at most 128 points, from left to right or as `base` says.

    Raises:
        InputError: other values, no cavity, several, or a base that cannot be told.
    """
    values = np.unique(labels)
    inside = values[values != BACKGROUND].tolist()
    labelled = CAVITY in inside and set(inside) <= {CAVITY, MYOCARDIUM, ATRIUM}
    if not labelled and len(inside) != 1:
        shown = ", ".join([*map(str, values[:8]), *(["…"] if len(values) > 8 else [])])
        found = f"the values {shown}" if inside else "no cavity"
        known = f"0 background, {CAVITY} cavity, {MYOCARDIUM} myocardium, {ATRIUM} atrium"
        raise InputError(f"The mask has {found}; expected the labels {known}, or a mask of the cavity alone.")
    if labelled and MYOCARDIUM in inside and base is None:
        return thinned(contours_from_labels(labels)[0])
    border = outline(one_part(labels == (CAVITY if labelled else inside[0]), "cavity"))
    if cavity_area(border) < _FILLED * ConvexHull(border).volume:  # the "volume" of a plane figure is its area
        raise InputError("The mask is a ring or a crescent; expected the cavity, with or without the myocardium.")
    return thinned(open_at_base(border, base))


def end_diastolic(masks: np.ndarray) -> int:
    """Index of the frame that is labelled or, where several are, of the largest cavity.

    Args:
        masks: (T, H, W) labels, or the cavity alone.
    """
    labelled = (masks == CAVITY).any()
    return int(((masks == CAVITY) if labelled else (masks != BACKGROUND)).sum(axis=(1, 2)).argmax())
