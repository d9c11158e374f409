"""A contour or mesh carried through a cine loop."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from cpwc_keras.errors import InputError, TrackingWarning
from cpwc_keras.evaluation import strain as indices
from cpwc_keras.io.cine import read
from cpwc_keras.io.contours import Contour, check_against, check_points, read_contour, resample
from cpwc_keras.tracking.carry import REACH, Step, carry, require_reach
from cpwc_keras.tracking.description import doubts
from cpwc_keras.tracking.familiarity import familiar_spacing, unfamiliar
from cpwc_keras.tracking.pair import NetworkTracker, Tracker, as_tracker
from cpwc_keras.tracking.resampling import resampled
from cpwc_keras.tracking.result import TrackingResult
from cpwc_keras.types import MESH_SHAPE, CineLoop

CONTOUR_POINTS = 36
"""A contour is resampled to as many points as the paper's mesh has along the wall."""


def track(
    loop: CineLoop | str | Path,
    contour: Contour | np.ndarray | str | Path,
    tracker: Tracker | str | Path | None = None,
    composition: bool = True,
    frame: int | None = None,
    es: int | None = None,
    n_points: int | None = CONTOUR_POINTS,
    keep_flow: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    precision: str = "float32",
    reach: int = REACH,
    engine: str = "keras",
) -> TrackingResult:
    """Carry a contour from end-diastole through the whole loop, forward to its end and backward to its start.

    How is said by `cpwc_keras.tracking.carry.carry`. One pair is in memory at a time, unless `keep_flow`.

    A network is shown the heart with a margin, which is several times faster than the whole image; other trackers are
    always shown the whole image, and so is a network with `keep_flow`, for which every pair of neighbours is estimated
    besides. Where the images are far from what the network was trained on, the notes of the result say in what
    (`cpwc_keras.tracking.familiarity`); where it is the size of their pixels, it is shown them resampled.

    Args:
        loop: what `cpwc_keras.read` returns, or the file to read it from.
        contour: a contour file, a `Contour`, (N, 2) points (x, y), or a mesh (36, 5, 2).
        tracker: a callable (`Tracker`), the name of a baseline or preset, or a weights file; by default the preset
            `cpwc_keras.models.presets.DEFAULT_PRESET`.
        composition: average forward and backward motion.
        frame: index of the end-diastolic frame the contour was drawn on; by default what the contour, else the loop,
            says, else 0.
        es: index of the end-systolic frame; by default what the contour or loop says of this beat, else it is
            estimated (`evaluation.strain.estimate_es`).
        n_points: how many equally spaced points a contour is resampled to; None tracks it as given. A mesh is never
            resampled.
        keep_flow: keep the dense flow from each frame to the next.
        on_progress: called as (pairs done, pairs in all).
        precision: in which a network that is named by `tracker` calculates, "float32" or "bfloat16"
            (`cpwc_keras.models.precision`).
        reach: how many frames apart the images of a pair may be; 1 follows each frame from the one before, as the
            paper does.
        engine: what runs a network that is named by `tracker`: "keras", "openvino" or "onnx"
            (`cpwc_keras.tracking.engines`).

    Raises:
        InputError: the contour does not fit the loop, a frame index lies beyond it, the tracker is unknown, or the
            reach is less than one frame.

    Warns:
        TrackingWarning: the contour was lost in some frames, so that the numbers mean nothing; the notes say so, too.
    """
    reach = require_reach(reach)
    if isinstance(loop, str | Path):
        loop = read(loop)
    start = place_contour(loop, contour, frame, es)
    points, ed, es = start.points, start.frame, start.es_frame
    if points.ndim == 2 and n_points is not None:
        points = resample(points, n_points)
    run, name = as_tracker(tracker, precision, engine)
    total = len(loop) - 1
    flows = np.zeros((total, *loop.frames.shape[1:], 2), np.float32) if keep_flow else None
    reached = {ed}

    def on_step(step: Step) -> None:
        if flows is not None and abs(step.there - step.here) == 1:
            flows[min(step.here, step.there)] = grid.flow_back(
                step.forward if step.there > step.here else step.backward
            )
        if on_progress and step.there not in reached:
            reached.add(step.there)
            on_progress(len(reached) - 1, total)

    ranges = run.ranges if isinstance(run, NetworkTracker) else None
    grid = resampled(loop, familiar_spacing(loop.spacing_mm, ranges))
    window = isinstance(run, NetworkTracker) and not keep_flow
    carried, disagreement = carry(
        grid.loop, grid.points(points), run, ed, composition, window, reach, neighbours=keep_flow, on_step=on_step
    )
    carried, disagreement = grid.points_back(carried), disagreement / grid.factor
    estimated = es is None
    if es is None:
        endocardium = carried if carried.ndim == 3 else carried[:, :, 0]
        es = indices.estimate_es(indices.cavity_area(endocardium, loop.spacing_mm), ed)
    result = TrackingResult(
        points=carried,
        disagreement_vectors=disagreement,
        ed=ed,
        es=es,
        es_estimated=estimated,
        spacing_mm=loop.spacing_mm,
        frame_rate_hz=loop.frame_rate_hz,
        tracker=name,
        composition=composition,
        reach=reach,
        notes=loop.notes,
        flows=flows,
        precision=getattr(run, "precision", None),
        engine=getattr(run, "engine", None),
        weights_sha256=getattr(run, "weights_sha256", None),
    )
    strange = unfamiliar(loop, points, ranges, ed)
    if result.lost:
        warnings.warn(f"Do not use these numbers. {result.lost}", TrackingWarning, stacklevel=2)
    return replace(result, notes=(*loop.notes, *strange, *doubts(result)))


def place_contour(
    loop: CineLoop,
    contour: Contour | np.ndarray | str | Path,
    frame: int | None = None,
    es: int | None = None,
    names: tuple[str, str] = ("frame", "es"),
) -> Contour:
    """Settle where tracking starts: all that `track` checks of a contour, without the work.

    Args:
        loop: what is to be tracked.
        contour: a contour file, a `Contour`, (N, 2) points (x, y), or a mesh (36, 5, 2).
        frame: index of the end-diastolic frame, as for `track`.
        es: index of the end-systolic frame, as for `track`.
        names: what messages call `frame` and `es`.

    Returns:
        the contour (or mesh) with the frames of end-diastole and, where anyone knows it, end-systole settled.

    Raises:
        InputError: the contour does not fit the loop, a frame index lies beyond it, or both frames are the same.
    """
    if isinstance(contour, str | Path):
        contour = read_contour(contour)
    if not isinstance(contour, Contour):
        contour = Contour(np.asarray(contour, np.float64), loop.ed or 0)
    given = [name for name, index in zip(names, (frame, es), strict=True) if index is not None]
    for name, index in zip(names, (frame, es), strict=True):
        if index is not None and not 0 <= index < len(loop):
            raise InputError(
                f"{name} {index} is out of range: the loop has {len(loop)} frames, 0 to {len(loop) - 1}; give one of "
                f"them, or leave {name} out."
            )
    points = contour.points
    is_mesh = points.shape == (*MESH_SHAPE, 2)
    ed = contour.frame if frame is None else frame
    if es is None:
        marks = ((contour.frame, contour.es_frame), (loop.ed, loop.es))
        es = next((mark for of_ed, mark in marks if mark is not None and _of_this_beat(ed, of_ed, mark)), None)
    named = contour.source or "The contour"
    if is_mesh:
        if not np.isfinite(points).all():
            raise InputError(f"{named}: found a NaN or infinite node in the mesh, expected pixels.")
        ring = points.reshape(-1, 2)
    else:
        check_points(points, named)
        ring = points
    check_against(Contour(ring, ed, contour.image_size, es, source=contour.source), loop)
    if es is not None and es == ed:
        who = " and ".join(given) or named
        raise InputError(f"{who}: end-systole and end-diastole are both frame {ed}; give two different frames.")
    return replace(contour, frame=ed, es_frame=es)


def _of_this_beat(ed: int, marked_ed: int | None, marked_es: int) -> bool:
    """Whether an end-systole that was marked for one end-diastole is that of another: of one in the same beat."""
    if marked_ed is None or marked_ed == ed:
        return True
    near = abs(ed - marked_ed) < abs(marked_es - marked_ed)
    return near and (marked_es - ed) * (marked_es - marked_ed) > 0
