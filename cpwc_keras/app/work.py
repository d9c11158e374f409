"""Tracking for the page: with progress, stopped when asked, bounded in time, its files in the visitor's folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from cpwc_keras.app.choices import Choices
from cpwc_keras.app.outcome import Outcome
from cpwc_keras.app.session import Session
from cpwc_keras.errors import InputError
from cpwc_keras.evaluation import strain as indices
from cpwc_keras.quiet import import_keras_quietly
from cpwc_keras.tracking.cine import track
from cpwc_keras.tracking.description import doubts
from cpwc_keras.tracking.familiarity import familiar_spacing
from cpwc_keras.tracking.output import FILES, write_results
from cpwc_keras.tracking.pair import Tracker, as_tracker, estimate_both, names_network
from cpwc_keras.tracking.resampling import resampled
from cpwc_keras.tracking.result import TrackingResult
from cpwc_keras.types import CineLoop

DOWNLOADS = {
    "CSV": "strain.csv",
    "JSON": "summary.json",
    "MP4": "overlay.mp4",
    "HDF5": "tracking.h5",
    "PDF": "report.pdf",
}


class Cancelled(Exception):
    """The visitor pressed Cancel, or has left."""


def track_session(session: Session, choices: Choices, on_progress: Callable[[str, float], None]) -> None:
    """Track the session's contour; the result and its files are in the session afterwards.

    Args:
        session: with a loop and a contour.
        choices: of the visitor.
        on_progress: called as (what is done, fraction), from this thread.

    Raises:
        InputError: there is no contour, it cannot be tracked, or it took too long.
        Cancelled: `session.cancel` was set; nothing has changed.
    """
    with session.working():  # from here on nothing of it changes
        contour, loop, drawn, es = session.contour(), session.require_loop(), session.drawing.points, session.es
        end = time.monotonic() + session.limits.tracking_s

        def proceed(doing: str, fraction: float) -> None:
            if session.given_up:
                raise Cancelled
            if time.monotonic() > end:
                minutes = session.limits.tracking_s / 60
                raise InputError(f"Tracking took more than {minutes:g} min and was given up; choose a faster tracker.")
            on_progress(doing, fraction)

        proceed("Preparing the tracker", 0.0)
        run = _tracker(session, choices)
        proceed("Tracking", 0.0)
        result = track(
            loop,
            contour,
            run,
            choices.composition,
            keep_flow=choices.dense,
            on_progress=lambda done, total: proceed(f"Tracking: {done} of {total} frames", 0.9 * done / total),
            reach=int(choices.reach),
        )
        files = _write(session, loop, result, choices, lambda done: proceed("Writing the results", 0.9 + 0.1 * done))
        session.take(Outcome(result, files, choices, drawn, es))


def mark_es(session: Session, frame: int | None) -> None:
    """Say which frame is end-systole, or with None that the tracked area shall tell; a result is told anew.

    Raises:
        InputError: no frame of the loop, or that of end-diastole.
    """
    session.require_idle()
    if frame is not None and session.require_frame(frame) == session.ed:
        raise InputError(f"End-systole and end-diastole are both frame {frame}; choose two different frames.")
    session.es = frame
    old, loop = session.outcome, session.require_loop()
    if old is None:
        return
    result, es = old.result, frame
    if es is None:
        es = indices.estimate_es(indices.cavity_area(result.contours, result.spacing_mm), result.ed)
    with session.working():
        kept = [note for note in result.notes if note not in doubts(result)]
        result = replace(result, es=es, es_estimated=frame is None)
        result = replace(result, notes=(*kept, *doubts(result)))
        files = _write(session, loop, result, old.choices, lambda done: None)
        session.take(Outcome(result, files, old.choices, old.contour, frame))


def motion(session: Session, frame: int) -> np.ndarray:
    """The dense motion from a frame to the next, by the tracker of the result.

    Args:
        session: with a result.
        frame: index of the first of both frames.

    Returns:
        (H, W, 2) float32 px.

    Raises:
        InputError: there is no result, or no next frame.
    """
    loop, outcome = session.require_loop(), session.require_outcome()
    frame = min(session.require_frame(frame), len(loop) - 2)
    if outcome.result.flows is not None:
        return outcome.result.flows[frame]
    with session.working():
        run = _tracker(session, outcome.choices)  # of the result: another may have been chosen since
        pair = replace(loop, frames=loop.frames[frame : frame + 2], labels=None)
        grid = resampled(pair, familiar_spacing(loop.spacing_mm, getattr(run, "ranges", None)))  # as `track` does
        return grid.flow_back(estimate_both(run, *grid.loop.frames)[0])


def liveliest_frame(result: TrackingResult) -> int:
    """The frame between end-diastole and end-systole whose step to the next moves the contour most."""
    first, last = sorted((result.ed, result.es))
    steps = np.linalg.norm(np.diff(result.contours[first : last + 1], axis=0), axis=-1).mean(axis=-1)
    return first + int(steps.argmax()) if len(steps) else min(first, len(result) - 2)


def _tracker(session: Session, choices: Choices) -> Tracker:
    chosen = (choices.tracker, choices.precision)
    if session.tracker is None or session.tracker[0] != chosen:
        if names_network(choices.tracker):
            import_keras_quietly()
        session.tracker = (chosen, as_tracker(choices.tracker, choices.precision)[0])
    return session.tracker[1]


def _write(
    session: Session, loop: CineLoop, result: TrackingResult, choices: Choices, on_file: Callable[[float], None]
) -> dict[str, Path]:
    """Write all downloads into a folder of their own; none has a name or a note that the visitor's files brought.

    Args:
        session: of the visitor.
        loop: that was tracked.
        result: of it.
        choices: it was made with.
        on_file: called with the fraction that is written.
    """
    from cpwc_keras.app.report import write_pdf

    folder = session.folder / f"result-{time.monotonic_ns()}"
    folder.mkdir()
    settings = {**asdict(choices), "made_with": "cpwc-keras app"}
    written: list[Path] = []

    def count(path: Path) -> None:
        written.append(path)
        on_file(len(written) / (len(FILES) + 1))  # the report is the last one

    try:
        write_results(result, loop, folder, settings, session.sha256, on_file=count)
        write_pdf(folder / DOWNLOADS["PDF"], result, session.sha256)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return {name: folder / file for name, file in DOWNLOADS.items()}
