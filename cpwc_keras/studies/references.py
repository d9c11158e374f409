"""What a tracker is compared with: the contours, instants and true motion that a recording brings."""

from __future__ import annotations

import numpy as np

from cpwc_keras.data.pairs import pair_from_sequence
from cpwc_keras.errors import InputError
from cpwc_keras.evaluation import strain
from cpwc_keras.fields import pixel_grid
from cpwc_keras.io.contours import resample
from cpwc_keras.segmentation import contours_from_labels
from cpwc_keras.tracking.cine import CONTOUR_POINTS
from cpwc_keras.types import CineLoop, Sequence

Notes = tuple[str, ...]
"""What was assumed or left out, one sentence each."""


def true_contours(sequence: Sequence) -> tuple[np.ndarray | None, Notes]:
    """The endocardial layer of the mesh, of the nodes that are known in every frame.

    Returns:
        (T, N, 2) px, None for dense motion, which has no contour; and notes.

    Raises:
        InputError: too few nodes are known.
    """
    if sequence.mesh is None:
        return None, ()
    layer = sequence.mesh[:, :, 0].astype(np.float64)
    known = np.isfinite(layer).all(axis=(0, 2))
    if known.sum() < CONTOUR_POINTS // 2:
        raise InputError(f"{known.sum()} of {layer.shape[1]} nodes of the endocardium are known in every frame.")
    lost = int((~known).sum())
    notes = (f"{lost} of {layer.shape[1]} nodes of the endocardium are not known in every frame.",) if lost else ()
    return layer[:, known], notes


def drawn_contours(recording: Sequence | CineLoop) -> tuple[np.ndarray, Notes]:
    """Contours that somebody drew, each resampled by itself: their points are not followed tissue.

    Returns:
        (T, 36, 2) px, NaN where a frame has none; and notes.

    Raises:
        InputError: fewer than two frames have one.
    """
    if isinstance(recording, Sequence):
        if recording.mesh is None:
            raise InputError("found dense motion, expected contours.")
        curves = [frame[np.isfinite(frame).all(axis=1)] for frame in recording.mesh[:, :, 0].astype(np.float64)]
        reasons: dict[int, str] = {}
    else:
        if recording.labels is None:
            raise InputError(f"{recording.source}: found no masks, expected some to compare the contour with.")
        curves, reasons = [], {}
        for t, labels in enumerate(recording.labels):
            try:
                curves.append(contours_from_labels(labels)[0])
            except InputError as error:
                curves.append(np.zeros((0, 2)))
                reasons[t] = str(error)
    references = np.full((len(curves), CONTOUR_POINTS, 2), np.nan)
    for t, curve in enumerate(curves):
        if len(curve) > 2:
            references[t] = resample(curve, CONTOUR_POINTS)
    left_out = [f"Frame {t} has no usable mask: {reason}" for t, reason in reasons.items()]
    if np.isfinite(references).all(axis=(1, 2)).sum() < 2:
        raise InputError(" ".join(["fewer than two frames have a reference contour.", *left_out[:1]]))
    return references, tuple(left_out)


def instants(loop: CineLoop, references: np.ndarray | None) -> tuple[int, int | None, Notes]:
    """End-diastole, end-systole or None, and notes.

    Args:
        loop: the recording.
        references: (T, N, 2) px, NaN where a frame has none; or None.
    """
    ed, es, notes = loop.ed, loop.es, []
    if ed is None:
        ed = 0
        notes.append("No end-diastolic frame is marked; the first one was taken.")
    if es is None and references is not None and np.isfinite(references).all():
        es = strain.estimate_es(strain.cavity_area(references, loop.spacing_mm), ed)
        notes.append(f"No end-systolic frame is marked; that of the smallest cavity is frame {es}.")
    if es is None or es == ed:
        found = "No end-systolic frame is known" if es is None else f"End-systole and end-diastole are both frame {ed}"
        notes.append(f"{found}: nothing is measured there, neither GLS and MAPSE nor cumulative errors.")
        return ed, None, tuple(notes)
    if references is not None and not np.isfinite(references[es]).all():
        notes.append(f"Frame {es}, end-systole, has no reference contour: no GLS and MAPSE.")
    return ed, es, tuple(notes)


def wall_points(motion: Sequence, ed: int, es: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The pixels of the myocardium at end-diastole, and how far they truly are at end-systole.

    Args:
        motion: the recording.
        ed: end-diastolic frame.
        es: end-systolic frame, or None.

    Returns:
        (K, 2) px, and (K, 2) px or None.

    Raises:
        InputError: no motion is known at end-diastole.
    """
    neighbour = ed + 1 if ed + 1 < len(motion) else ed - 1
    pair = pair_from_sequence(motion, ed, neighbour if es is None else es)
    known = pair.mask > 0
    if not known.any():
        raise InputError(f"frame {ed}, end-diastole, has no known motion to start from.")
    points = pixel_grid(known.shape)[known].astype(np.float64)
    return points, None if es is None else pair.flow[known].astype(np.float64)
