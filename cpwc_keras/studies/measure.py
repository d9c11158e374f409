"""One tracker on one case: every number and curve that the case's reference allows (paper, III-D)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cpwc_keras.data.pairs import pair_from_sequence
from cpwc_keras.errors import InputError
from cpwc_keras.evaluation import strain
from cpwc_keras.evaluation.closure import closures, estimate_beat
from cpwc_keras.evaluation.contours import contour_distances, distance_profile
from cpwc_keras.evaluation.motion import trajectory_error
from cpwc_keras.fields import pixel_grid
from cpwc_keras.io.contours import resample
from cpwc_keras.segmentation import contours_from_labels
from cpwc_keras.studies.cases import Case, contour_of
from cpwc_keras.studies.results import CaseResult
from cpwc_keras.tracking.carry import Step, carry
from cpwc_keras.tracking.cine import CONTOUR_POINTS, place_contour
from cpwc_keras.tracking.composition import compose, sample_flow
from cpwc_keras.tracking.pair import NetworkTracker, Tracker
from cpwc_keras.types import CineLoop, Sequence

_FASTEST_HEART_HZ = 3.0
"""Beats a second; what comes back sooner is no beat."""


@dataclass(frozen=True)
class MeasureSettings:
    """How every tracker is measured.

    Attributes:
        composition: follow the mean of both directions (II-B.5), or the forward one alone.
        beat_frames: length of a beat, for loops without labels; None estimates it from the images.
        spacing_mm: (row_mm, col_mm) of recordings that do not say it, or None.
    """

    composition: bool = True
    beat_frames: float | None = None
    spacing_mm: tuple[float, float] | None = None

    def __post_init__(self):
        if self.beat_frames is not None and not 2 <= self.beat_frames < float("inf"):
            raise InputError(f"A beat of {self.beat_frames:g} frames is none; give its length in frames, 2 or more.")
        if self.spacing_mm is not None and not all(0 < size < float("inf") for size in self.spacing_mm):
            raise InputError(f"The spacing {self.spacing_mm} must be two positive sizes of a pixel in mm.")


def measure(case: Case, run: Tracker, name: str, settings: MeasureSettings) -> CaseResult:
    """Measure a tracker on a case; what cannot be measured at all is a result with an error.

    Both directions of each pair of neighbouring frames are asked for, and tracking starts from the reference contour at
    end-diastole. Trackers see whole images, networks the heart with a margin, as when `tracking.cine.track` uses them.

    Args:
        case: what to measure on.
        run: the tracker.
        name: what the tables call it.
        settings: how.
    """
    result = CaseResult(name, case.info)
    try:
        recording = case.read()
        loop = recording if isinstance(recording, CineLoop) else recording.loop
        if loop.spacing_mm is None:
            loop = replace(loop, spacing_mm=settings.spacing_mm)
        spacing_mm = _required_spacing(loop)
        result = replace(result, frames=len(loop), spacing_mm=spacing_mm, frame_rate_hz=loop.frame_rate_hz)
        if len(loop) < 2:
            raise InputError("found one frame, expected two or more.")
        if case.info.kind == "loop":
            return _unlabelled(result, case, loop, run, settings)
        if case.info.kind == "contours":
            return _followed(result, loop, _reference_contours(recording), None, run, settings.composition)
        return _followed(result, loop, _true_contours(recording), recording, run, settings.composition)
    except InputError as error:
        return replace(result, error=str(error))


def _followed(
    result: CaseResult,
    loop: CineLoop,
    references: tuple[np.ndarray | None, tuple[str, ...]],
    motion: Sequence | None,
    run: Tracker,
    composition: bool,
) -> CaseResult:
    """Track from end-diastole, and compare with the reference contours and the true motion, as far as they are known.

    Args:
        result: to be filled.
        loop: the images.
        references: (T, N, 2) px, NaN where a frame has none; or None; and what was assumed of them.
        motion: the true motion, or None.
        run: the tracker.
        composition: as for `measure`.
    """
    references, notes = references
    ed, es, more = _instants(loop, references)
    spacing_mm = result.spacing_mm
    wall, onward = _wall_points(motion, ed, es)
    contour = np.zeros((0, 2)) if references is None else references[ed]
    if not np.isfinite(contour).all():
        raise InputError(f"frame {ed}, end-diastole, has no reference contour to start from.")
    errors, forward_errors, seconds = [], [], []

    def on_step(step: Step):
        seconds.append(step.seconds)
        if motion is None:
            return
        pair = pair_from_sequence(motion, step.here, step.there)
        known = pair.mask > 0
        if not known.any():
            return
        points, truth = pixel_grid(known.shape)[known], pair.flow[known]
        seen = points - step.origin
        both = compose(step.forward, step.backward, seen)[0]
        forward = sample_flow(step.forward, seen)
        for flow, into in ((both if composition else forward, errors), (forward, forward_errors)):
            into.append(_mean_length(flow - truth, spacing_mm))

    start = np.concatenate([contour, wall])
    carried, disagreement = carry(loop, start, run, ed, composition, isinstance(run, NetworkTracker), on_step)
    n = len(contour)
    scalars = {"disagreement_mm": _disagreement(disagreement, ed, spacing_mm)}
    scalars["seconds_per_pair"] = _seconds(seconds)
    curves = {}
    if errors:
        scalars |= {"epe_mm": float(np.mean(errors)), "epe_forward_mm": float(np.mean(forward_errors))}
        curves["epe_mm"] = np.array(errors)
    elif motion is not None:
        raise InputError("no pair of frames has known motion, so nothing can be compared.")
    if len(wall) and es is not None:
        truth = wall + onward
        scalars["cumulative_epe_mm"] = float(trajectory_error(carried[[es], n:], truth[None], spacing_mm)[0])
    result = replace(result, ed=ed, es=es, notes=(*loop.notes, *notes, *more))
    if references is None:
        return replace(result, scalars=scalars, curves=curves)
    material = motion is not None
    one, two = _contour_numbers(carried[:, :n], references, ed, es, spacing_mm, material)
    return replace(result, scalars=scalars | one, curves=curves | two)


def _contour_numbers(
    contours: np.ndarray, references: np.ndarray, ed: int, es: int | None, spacing_mm, material: bool
) -> tuple[dict, dict]:
    """Scalars and curves of tracked contours against reference ones.

    Args:
        contours: (T, N, 2) px.
        references: (T, N, 2) px, NaN where a frame has none.
        ed: end-diastolic frame.
        es: end-systolic frame, or None.
        spacing_mm: (row_mm, col_mm).
        material: whether the references' points are followed tissue, so that segments can be compared.
    """
    known = np.isfinite(references).all(axis=(1, 2))
    others = [t for t in np.flatnonzero(known) if t != ed]
    distances = np.full((len(contours), 2), np.nan)
    for t in others:
        distances[t] = contour_distances(contours[t], references[t], spacing_mm)
    curves = {"d_m_mm": distances[:, 0], "d_h_mm": distances[:, 1], "contours": contours, "references": references}
    scalars = {}
    if others:
        scalars = {"d_m_mm": float(distances[others, 0].mean()), "d_h_mm": float(distances[others, 1].mean())}
        seen = [ed, *others]
        curves["profile_mm"] = distance_profile(contours[seen], references[seen], spacing_mm, reference_frame=0)
    for name, index in (("gls", strain.longitudinal_strain), ("mapse", strain.mapse)):
        curve = "strain" if name == "gls" else "mapse"
        curves[curve] = index(contours, spacing_mm, ed)
        curves[f"{curve}_true"] = index(references, spacing_mm, ed)
        if es is not None:
            true = curves[f"{curve}_true"][min(ed, es) : max(ed, es) + 1]
            scalars[f"{name}_percent"] = _peak(np.where(np.isfinite(true), _between(curves[curve], ed, es), np.nan))
            scalars[f"{name}_true_percent"] = _peak(true)
    if material:
        curves["segments"] = strain.segmental_strain(contours, spacing_mm, ed)
        curves["segments_true"] = strain.segmental_strain(references, spacing_mm, ed)
        if es is not None:
            scalars["segments_mae_percent"] = float(np.abs(curves["segments"] - curves["segments_true"])[es].mean())
    return scalars, curves


def _between(curve: np.ndarray, ed: int, es: int) -> np.ndarray:
    return curve[min(ed, es) : max(ed, es) + 1]


def _peak(strain_percent: np.ndarray) -> float:
    """Peak systolic: the lowest value of the frames that have a reference."""
    return float(np.nanmin(strain_percent))


def _unlabelled(result: CaseResult, case: Case, loop: CineLoop, run: Tracker, settings: MeasureSettings) -> CaseResult:
    """Track a real loop: how its strain and its contour's shape return after whole beats, without any reference."""
    contour = place_contour(loop, contour_of(case))
    ed, notes = contour.frame, loop.notes
    beat_frames = settings.beat_frames
    if beat_frames is None:
        shortest = max(8, round((loop.frame_rate_hz or 0) / _FASTEST_HEART_HZ))
        beat_frames = estimate_beat(loop.frames, shortest)
        notes = (*notes, f"A beat takes {beat_frames:.1f} frames, estimated from the images.")
    seconds = []
    carried, disagreement = carry(
        loop, resample(contour.points, CONTOUR_POINTS), run, ed, settings.composition, isinstance(run, NetworkTracker),
        lambda step: seconds.append(step.seconds),
    )  # fmt: skip
    curve = strain.longitudinal_strain(carried, result.spacing_mm, ed)
    returns = closures(carried, result.spacing_mm, ed, beat_frames)
    first_beat = curve[ed : ed + round(beat_frames) + 1]
    return replace(
        result,
        ed=ed,
        es=contour.es_frame,
        scalars={
            "peak_percent": float(first_beat.min()),
            "disagreement_mm": _disagreement(disagreement, ed, result.spacing_mm),
            "seconds_per_pair": _seconds(seconds),
        },
        curves={
            "strain": curve,
            "mapse": strain.mapse(carried, result.spacing_mm, ed),
            "contours": carried,
            "closure_frame": np.array([entry.frame for entry in returns]),
            "closure_percent": np.array([entry.strain_percent for entry in returns]),
            "drift_mm": np.array([entry.drift_mm for entry in returns]),
        },
        notes=notes,
    )


def _true_contours(sequence: Sequence) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The endocardial layer of the mesh, of the nodes that are known in every frame; dense motion has no contour."""
    if sequence.mesh is None:
        return None, ()
    layer = sequence.mesh[:, :, 0].astype(np.float64)
    known = np.isfinite(layer).all(axis=(0, 2))
    if known.sum() < CONTOUR_POINTS // 2:
        raise InputError(f"{known.sum()} of {layer.shape[1]} nodes of the endocardium are known in every frame.")
    lost = int((~known).sum())
    notes = (f"{lost} of {layer.shape[1]} nodes of the endocardium are not known in every frame.",) if lost else ()
    return layer[:, known], notes


def _reference_contours(recording: Sequence | CineLoop) -> tuple[np.ndarray, tuple[str, ...]]:
    """Contours that somebody drew, each resampled by itself: their points are not followed tissue."""
    if isinstance(recording, Sequence):
        if recording.mesh is None:
            raise InputError("found dense motion, expected contours.")
        curves = [frame[np.isfinite(frame).all(axis=1)] for frame in recording.mesh[:, :, 0].astype(np.float64)]
        reasons = {}
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


def _instants(loop: CineLoop, references: np.ndarray | None) -> tuple[int, int | None, tuple[str, ...]]:
    """End-diastole, end-systole, and what was assumed."""
    ed = loop.ed
    notes = []
    if ed is None:
        ed = 0
        notes.append("No end-diastolic frame is marked; the first one was taken.")
    es = loop.es
    if es is None and references is not None and np.isfinite(references).all():
        es = strain.estimate_es(strain.cavity_area(references, loop.spacing_mm), ed)
        notes.append(f"No end-systolic frame is marked; frame {es}, of the smallest cavity, was taken.")
    return ed, None if es == ed else es, tuple(notes)


def _wall_points(motion: Sequence | None, ed: int, es: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of the myocardium at end-diastole, and their true displacement until end-systole."""
    if motion is None or es is None:
        return np.zeros((0, 2)), np.zeros((0, 2))
    pair = pair_from_sequence(motion, ed, es)
    known = pair.mask > 0
    return pixel_grid(known.shape)[known].astype(np.float64), pair.flow[known].astype(np.float64)


def _required_spacing(loop: CineLoop) -> tuple[float, float]:
    if loop.spacing_mm is None:
        raise InputError("the size of a pixel is unknown, so no distance can be given in mm; say it with --spacing.")
    return loop.spacing_mm


def _mean_length(vectors: np.ndarray, spacing_mm) -> float:
    return float(np.linalg.norm(strain.scaled(vectors, spacing_mm), axis=-1).mean())


def _disagreement(vectors: np.ndarray, ed: int, spacing_mm) -> float:
    """Median length over the points and pairs."""
    return float(np.median(np.linalg.norm(strain.scaled(np.delete(vectors, ed, axis=0), spacing_mm), axis=-1)))


def _seconds(seconds: list[float]) -> float:
    """Median over the pairs; the first, in which networks are compiled, counts only where it is alone."""
    asked = np.array([entry for entry in seconds if np.isfinite(entry)])
    return float(np.median(asked[1:] if len(asked) > 1 else asked)) if len(asked) else 0.0
