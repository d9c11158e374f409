"""One tracker on one case: every number and curve that the case's reference allows (paper, III-D)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cpwc_keras.data.pairs import pair_from_sequence
from cpwc_keras.errors import InputError
from cpwc_keras.evaluation import strain
from cpwc_keras.evaluation.closure import closures, estimate_beat
from cpwc_keras.evaluation.contours import contour_distances, distance_profile
from cpwc_keras.evaluation.motion import mean_length, trajectory_error
from cpwc_keras.fields import pixel_grid
from cpwc_keras.io.contours import resample
from cpwc_keras.studies.cases import Case, contour_of
from cpwc_keras.studies.cautions import lost, unlike_training
from cpwc_keras.studies.references import drawn_contours, instants, true_contours, wall_points
from cpwc_keras.studies.results import CaseResult
from cpwc_keras.tracking.carry import Step, carry, require_reach
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
        reach: how many frames apart the images of a pair may be when the contour is followed (`tracking.carry.carry`);
            the motion of a pair is compared between neighbours whatever it is.
        precision: in which networks calculate, "float32" or "bfloat16"; nothing to other trackers.
    """

    composition: bool = True
    beat_frames: float | None = None
    spacing_mm: tuple[float, float] | None = None
    precision: str = "float32"
    reach: int = 1

    def __post_init__(self):
        object.__setattr__(self, "reach", require_reach(self.reach))
        if self.beat_frames is not None and not 2 <= self.beat_frames < float("inf"):
            raise InputError(f"A beat of {self.beat_frames:g} frames is none; give its length in frames, 2 or more.")
        if self.spacing_mm is not None and not all(0 < size < float("inf") for size in self.spacing_mm):
            raise InputError(f"The spacing {self.spacing_mm} must be two positive sizes of a pixel in mm.")


def measure(case: Case, run: Tracker, name: str, settings: MeasureSettings) -> CaseResult:
    """Measure a tracker on a case; what cannot be measured at all is a result with an error.

    Both directions of each pair are asked for, and tracking starts from the reference contour at
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
        if loop.spacing_mm is None:
            raise InputError("the size of a pixel is unknown, so nothing can be given in mm; say it with --spacing.")
        result = replace(result, frames=len(loop), spacing_mm=loop.spacing_mm, frame_rate_hz=loop.frame_rate_hz)
        if len(loop) < 2:
            raise InputError("found one frame, expected two or more.")
        if case.info.kind == "loop":
            return _unlabelled(result, case, loop, run, settings)
        if case.info.kind == "contours":
            return _compared(result, loop, drawn_contours(recording), None, run, settings)
        assert isinstance(recording, Sequence)  # nothing else has motion
        return _compared(result, loop, true_contours(recording), recording, run, settings)
    except InputError as error:
        return replace(result, error=str(error))


class _MotionErrors:
    """Collects the errors of each pair's flow against the true one, with and without composition."""

    def __init__(self, motion: Sequence | None, n_frames: int, spacing_mm):
        self.motion, self.spacing_mm = motion, spacing_mm
        self.composed, self.forward = (np.full(n_frames - 1, np.nan) for _ in range(2))
        self.seconds: list[float] = []

    def __call__(self, step: Step):
        self.seconds.append(step.seconds)
        if self.motion is None or abs(step.there - step.here) != 1:
            return
        number = min(step.here, step.there)
        pair = pair_from_sequence(self.motion, step.here, step.there)
        known = pair.mask > 0
        if not known.any():
            return
        points = pixel_grid(known.shape)[known] - step.origin
        for flow, errors in (
            (compose(step.forward, step.backward, points)[0], self.composed),
            (sample_flow(step.forward, points), self.forward),
        ):
            errors[number] = mean_length(flow - pair.flow[known], self.spacing_mm)

    def notes(self) -> tuple[str, ...]:
        lost = int(np.isnan(self.forward).sum())
        return (f"{lost} of {len(self.forward)} pairs have no known motion.",) if self.motion and lost else ()


def _compared(
    result: CaseResult,
    loop: CineLoop,
    reference: tuple[np.ndarray | None, tuple[str, ...]],
    motion: Sequence | None,
    run: Tracker,
    settings: MeasureSettings,
) -> CaseResult:
    """Track from end-diastole, and compare with the reference contours and the true motion, as far as they are known.

    Args:
        result: to be filled.
        loop: the images.
        reference: (T, N, 2) px, NaN where a frame has none; or None; and notes on them.
        motion: the true motion, or None.
        run: the tracker.
        settings: as for `measure`.
    """
    references, notes = reference
    ed, es, more = instants(loop, references)
    spacing_mm = loop.spacing_mm
    assert spacing_mm is not None  # `measure` has seen to it
    wall, onward = (np.zeros((0, 2)), None) if motion is None else wall_points(motion, ed, es)
    contour = np.zeros((0, 2)) if references is None else references[ed]
    if not np.isfinite(contour).all():
        raise InputError(f"frame {ed}, end-diastole, has no reference contour to start from.")
    errors, n = _MotionErrors(motion, len(loop), spacing_mm), len(contour)
    start = np.concatenate([contour, wall])
    followed = slice(None, n) if n else slice(None)
    carried, disagreement = _carried(loop, start, run, ed, settings, errors, followed)
    scalars = {"disagreement_mm": _disagreement(disagreement[:, followed], ed, spacing_mm), **_seconds(errors.seconds)}
    curves = {}
    if motion is not None:
        if np.isnan(errors.forward).all():
            raise InputError("no pair of frames has known motion, so nothing can be compared.")
        curves["epe_mm"] = errors.composed if settings.composition else errors.forward
        scalars["epe_mm"] = float(np.nanmean(curves["epe_mm"]))
        scalars["epe_forward_mm"] = float(np.nanmean(errors.forward))
    if onward is not None and es is not None:
        truth = (wall + onward)[None]
        scalars["cumulative_epe_mm"] = float(trajectory_error(carried[es : es + 1, n:], truth, spacing_mm)[0])
    notes = (*loop.notes, *notes, *more, *errors.notes())
    if n:
        notes = (*notes, *lost(result.tracker, carried[:, :n], spacing_mm, ed))
        result = replace(result, unfamiliar=unlike_training(loop, contour, run, ed))
    result = replace(result, ed=ed, es=es, notes=notes)
    if references is not None:
        segments = motion is not None and result.case.view in ("A4C", "")
        found = _contour_numbers(carried[:, :n], references, ed, es, spacing_mm, motion is not None, segments)
        scalars, curves = scalars | found[0], curves | found[1]
    return replace(result, scalars=scalars, curves=curves)


def _carried(
    loop: CineLoop,
    points: np.ndarray,
    run: Tracker,
    ed: int,
    settings: MeasureSettings,
    errors: _MotionErrors,
    judged: slice,
) -> tuple[np.ndarray, np.ndarray]:
    """`carry` as the settings say; every pair of neighbours is asked for where its true motion is known."""
    return carry(
        loop,
        points,
        run,
        ed,
        settings.composition,
        window=isinstance(run, NetworkTracker),
        reach=settings.reach,
        judged=judged,
        neighbours=errors.motion is not None,
        on_step=errors,
    )


def _contour_numbers(
    contours: np.ndarray, references: np.ndarray, ed: int, es: int | None, spacing_mm, material: bool, segments: bool
) -> tuple[dict, dict]:
    """Scalars and curves of tracked contours against reference ones.

    Args:
        contours: (T, N, 2) px.
        references: (T, N, 2) px, NaN where a frame has none.
        ed: end-diastolic frame.
        es: end-systolic frame, or None.
        spacing_mm: (row_mm, col_mm).
        material: whether the references' points are followed tissue; else MAPSE takes each frame's furthest point for
            the apex, in both.
        segments: whether the six segments can be compared.
    """
    known = np.isfinite(references).all(axis=(1, 2))
    others = [int(t) for t in np.flatnonzero(known) if t != ed]
    distances = np.full((len(contours), 2), np.nan)
    for t in others:
        distances[t] = contour_distances(contours[t], references[t], spacing_mm)
    curves = {"d_m_mm": distances[:, 0], "d_h_mm": distances[:, 1], "contours": contours, "references": references}
    scalars = {}
    if others:
        scalars = {"d_m_mm": float(distances[others, 0].mean()), "d_h_mm": float(distances[others, 1].mean())}
        seen = [ed, *others]
        curves["profile_mm"] = distance_profile(contours[seen], references[seen], spacing_mm)
    for points, suffix in ((contours, ""), (references, "_true")):
        curves[f"strain{suffix}"] = strain.longitudinal_strain(points, spacing_mm, ed)
        curves[f"mapse{suffix}"] = strain.mapse(points, spacing_mm, ed, material)
        if es is not None and known[es]:
            systole = [t for t in range(_systole_start(references, ed, es), es + 1) if known[t]]
            scalars[f"gls{suffix}_percent"] = float(curves[f"strain{suffix}"][systole].min())
            scalars[f"mapse{suffix}_percent"] = float(curves[f"mapse{suffix}"][systole].min())
    if segments:
        curves["segments"] = strain.segmental_strain(contours, spacing_mm, ed)
        curves["segments_true"] = strain.segmental_strain(references, spacing_mm, ed)
        if es is not None:
            scalars["segments_mae_percent"] = float(np.abs(curves["segments"] - curves["segments_true"])[es].mean())
    return scalars, curves


def _systole_start(references: np.ndarray, ed: int, es: int) -> int:
    """Where the systole of GLS and MAPSE begins; it ends at end-systole, and is the same for every tracker."""
    if np.isfinite(references).all():
        return strain.systole_start(strain.cavity_area(references), ed, es)
    return min(ed, es)


def _unlabelled(result: CaseResult, case: Case, loop: CineLoop, run: Tracker, settings: MeasureSettings) -> CaseResult:
    """Track a real loop: how its strain and its contour's shape return after whole beats, without any reference."""
    contour = place_contour(loop, contour_of(case))
    ed, notes, beat_frames = contour.frame, loop.notes, settings.beat_frames
    if beat_frames is None:
        shortest = max(8, round((loop.frame_rate_hz or 0) / _FASTEST_HEART_HZ))
        beat_frames = estimate_beat(loop.frames, shortest)
        notes = (*notes, f"A beat takes {beat_frames:.1f} frames, estimated from the images.")
    if ed + beat_frames > len(loop) - 1:
        raise InputError(
            f"the loop goes on for {len(loop) - 1 - ed} frames after end-diastole, and a beat takes {beat_frames:.1f}; "
            "draw the contour on an earlier end-diastolic frame."
        )
    points, errors = resample(contour.points, CONTOUR_POINTS), _MotionErrors(None, len(loop), result.spacing_mm)
    carried, disagreement = _carried(loop, points, run, ed, settings, errors, slice(None))
    curve = strain.longitudinal_strain(carried, result.spacing_mm, ed)
    returns = closures(carried, result.spacing_mm, ed, beat_frames)
    return replace(
        result,
        ed=ed,
        es=contour.es_frame,
        scalars={
            "peak_percent": float(curve[ed : ed + round(beat_frames) + 1].min()),
            "disagreement_mm": _disagreement(disagreement, ed, result.spacing_mm),
            **_seconds(errors.seconds),
        },
        curves={
            "strain": curve,
            "mapse": strain.mapse(carried, result.spacing_mm, ed),
            "contours": carried,
            "closure_frame": np.array([entry.frame for entry in returns]),
            "closure_percent": np.array([entry.strain_percent for entry in returns]),
            "drift_mm": np.array([entry.drift_mm for entry in returns]),
        },
        notes=(*notes, *lost(result.tracker, carried, result.spacing_mm, ed)),
        unfamiliar=unlike_training(loop, points, run, ed),
    )


def _disagreement(vectors: np.ndarray, ed: int, spacing_mm) -> float:
    """Median length over the points and pairs."""
    return float(np.median(np.linalg.norm(strain.scaled(np.delete(vectors, ed, axis=0), spacing_mm), axis=-1)))


def _seconds(seconds: list[float]) -> dict[str, float]:
    """Median over the pairs that were asked for; it hides the first, in which networks are compiled."""
    asked = np.array(seconds)[np.isfinite(seconds)]
    return {"seconds_per_pair": float(np.median(asked))} if len(asked) else {}
