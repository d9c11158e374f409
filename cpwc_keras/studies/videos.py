"""The best and the worst case of each tracker, to be looked at: its contour and the reference on the frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from cpwc_keras.curves import distance_along, points_at
from cpwc_keras.evaluation.strain import arc_length, longitudinal_strain, scaled
from cpwc_keras.files import atomic_path
from cpwc_keras.io.video import write_video
from cpwc_keras.record import marked_picture
from cpwc_keras.studies.results import CaseResult
from cpwc_keras.viz.overlay import color_bar, disagreement_colors, draw_contour, enlarge, write_text

_HEIGHT = 560
_PLAYBACK_HZ = 15.0
"""Faster loops are slowed to this, so that the eye can follow."""

_LARGEST_MM = 3.0
"""Distance that is drawn red, the same for all, so that films can be compared."""

_REFERENCE = np.array([255, 255, 255], np.uint8)
_UNJUDGED = np.array([70, 200, 190], np.uint8)
"""Of a contour where there is no reference."""


def best_and_worst(results: Sequence[CaseResult]) -> list[tuple[str, CaseResult]]:
    """Two cases of each tracker that has contours; one where there is no other.

    They are judged by d_m; without references by the endpoint error, or by the drift of shape, mean over the beats.

    Args:
        results: of several trackers.

    Returns:
        ("best" or "worst" or "only", result), trackers in the order of their first appearance.
    """
    chosen = []
    for tracker in dict.fromkeys(result.tracker for result in results):
        mine = [r for r in results if r.tracker == tracker and "contours" in r.curves and np.isfinite(_badness(r))]
        mine.sort(key=_badness)  # stable: of equals, the first of the dataset
        if len(mine) == 1:
            chosen.append(("only", mine[0]))
        elif mine:
            chosen += [("best", mine[0]), ("worst", mine[-1])]
    return chosen


def write_case_video(path: str | Path, result: CaseResult, frames: np.ndarray) -> None:
    """Write the loop with the tracked contour, coloured by its distance to the reference, which is white.

    Args:
        path: the file, ending in ``.mp4``.
        result: with the curve "contours".
        frames: (T, H, W) of the case.

    Raises:
        InputError: the disk is full, or the folder cannot be written to.
    """
    rate_hz = min(result.frame_rate_hz or _PLAYBACK_HZ, _PLAYBACK_HZ)
    write_video(path, _pictures(result, frames, range(len(frames))), rate_hz)


def write_case_still(path: str | Path, result: CaseResult, frames: np.ndarray) -> None:
    """Write end-diastole and end-systole side by side, as JPEG; unmarked, that is the first beat's shortest contour.

    Args:
        path: the file, ending in ``.jpg``.
        result: with the curves "contours" and "strain".
        frames: (T, H, W) of the case.

    Raises:
        InputError: the disk is full, or the folder cannot be written to.
    """
    first, second = _pictures(result, frames, (result.ed, _end_systole(result)))
    picture = np.hstack([first, np.full((len(first), 6, 3), 255, np.uint8), second])
    with atomic_path(path) as beside_it:
        encoded = cv2.imencode(".jpg", picture[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, 85))[1]
        beside_it.write_bytes(marked_picture(encoded.tobytes()))


def _end_systole(result: CaseResult) -> int:
    if result.es is not None:
        return result.es
    beat_ends = result.curves.get("closure_frame", np.zeros(0))
    end = int(beat_ends[0]) + 1 if len(beat_ends) else None
    return result.ed + int(np.argmin(arc_length(result.curves["contours"], result.spacing_mm)[result.ed : end]))


def _badness(result: CaseResult) -> float:
    for name in ("d_m_mm", "epe_mm", "segments_mae_percent"):
        if name in result.scalars:
            return result.scalars[name]
    if "gls_percent" in result.scalars:
        return abs(result.scalars["gls_percent"] - result.scalars["gls_true_percent"])
    drift = result.curves.get("drift_mm", np.zeros(0))
    return float(np.mean(drift)) if len(drift) else np.nan


def _pictures(result: CaseResult, frames: np.ndarray, chosen: Sequence[int]) -> Iterator[np.ndarray]:
    """The chosen frames (H', W', 3) uint8, all cut to the same view."""
    contours = result.curves["contours"]
    references = result.curves.get("references", np.full_like(contours, np.nan))
    rows, columns = _view(np.concatenate([contours, references]), frames.shape[1:])
    scale = max(1.0, _HEIGHT / (rows.stop - rows.start))
    for frame in chosen:
        canvas = enlarge(frames[frame, rows, columns], scale)
        origin = (columns.start, rows.start)
        colors = _UNJUDGED
        if np.isfinite(references[frame]).all():
            draw_contour(canvas, references[frame] - origin, scale, _REFERENCE, width=2, base=False)
            distances = _distances(contours[frame], references[frame], result.spacing_mm)
            colors = disagreement_colors(distances, _LARGEST_MM)
        draw_contour(canvas, contours[frame] - origin, scale, colors, width=3)
        yield _lettered(canvas, result, frame)


def _lettered(canvas: np.ndarray, result: CaseResult, frame: int) -> np.ndarray:
    """The picture with what a viewer needs to know."""
    height, width = canvas.shape[:2]
    mark = {result.ed: "  ED", result.es: "  ES"}.get(frame, "")
    time = f"  {frame / result.frame_rate_hz:.2f} s" if result.frame_rate_hz else ""
    write_text(canvas, f"frame {frame}{time}{mark}", 14, 12, 17)
    d_m = result.curves.get("d_m_mm")
    if d_m is not None and np.isfinite(d_m[frame]):
        value = f"d_m {d_m[frame]:.2f} mm"
    else:
        strain = longitudinal_strain(result.curves["contours"], result.spacing_mm, result.ed)
        value = f"strain {strain[frame]:.1f} %"
    write_text(canvas, value, width - 14, 12, 17, anchor="ra")
    name = result.tracker if len(result.tracker) <= 24 else "..." + result.tracker[-21:]
    write_text(canvas, name, width - 14, height - 14, 15, (190, 190, 190), "rs")
    if "references" in result.curves:
        color_bar(canvas, 14, height - 32, 130, 7, "distance (mm)", f"{_LARGEST_MM:g}")
    return canvas


def _distances(contour: np.ndarray, reference: np.ndarray, spacing_mm) -> np.ndarray:
    """(N,) mm from the points of a contour to its reference, for colours."""
    contour, reference = scaled(contour, spacing_mm), scaled(reference, spacing_mm)
    along = distance_along(reference)
    close_by = points_at(reference, along, np.linspace(0, along[-1], 400))
    return np.linalg.norm(contour[:, None] - close_by, axis=-1).min(axis=1)


def _view(contours: np.ndarray, shape: tuple[int, int]) -> tuple[slice, slice]:
    """The part of the image that holds all contours, with a third of their size around them."""
    points = contours[np.isfinite(contours).all(axis=-1)]
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.3 * (high - low).max()
    first = np.clip(np.floor(low - margin), 0, (shape[1] - 2, shape[0] - 2)).astype(int)
    last = np.clip(np.ceil(high + margin) + 1, first + 2, (shape[1], shape[0])).astype(int)
    return slice(first[1], last[1]), slice(first[0], last[0])
