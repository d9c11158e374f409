"""What tracking a loop leaves in its output folder.

===============  =================================================================================================
file             content
===============  =================================================================================================
``tracking.h5``  ``points`` (T, N, 2) or (T, 36, 5, 2) px; ``disagreement`` of the same frames and points, in mm or
                 px; ``flow`` (T-1, H, W, 2) px if it was kept; sizes, spacing, time, ED and ES as attributes
``strain.csv``   one line a frame: time, L, strain, apex to base, MAPSE, disagreement
``summary.json`` the indices, the settings, the versions, what was assumed, and the SHA-256 of the input
``overlay.mp4``  the contour on the loop, coloured by the disagreement
``overlay.png``  the contour at end-diastole and at end-systole
``strain.png``   the curves
===============  =================================================================================================

No file holds a name: neither a patient's, which readers never take, nor the input's, which in hospitals often is one.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.files import atomic_hdf5, atomic_path
from cpwc_keras.io.video import write_video
from cpwc_keras.record import figure_metadata, marked_picture, versions, write_json
from cpwc_keras.tracking.result import FORMAT, VERSION, TrackingResult
from cpwc_keras.types import CineLoop
from cpwc_keras.viz.overlay import color_bar, disagreement_colors, draw_contour, enlarge, write_text
from cpwc_keras.viz.report import strain_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

FILES = ("tracking.h5", "strain.csv", "overlay.png", "strain.png", "overlay.mp4", "summary.json")

_PICTURE_HEIGHT = 720
_PLAYBACK_HZ = 15.0
"""Faster loops are slowed to this in the video, so that the eye can follow."""

_INITIAL = np.array([225, 225, 225], np.uint8)
_UNTESTED = np.array([200, 200, 205], np.uint8)
"""Of a contour that no step led to: it was given in this frame, or the frame repeats the one before."""


def write_results(
    result: TrackingResult,
    loop: CineLoop,
    folder: Path,
    settings: dict,
    input_sha256: str | None,
    on_file: Callable[[Path], None] | None = None,
) -> list[Path]:
    """Write every file of the module's table; each is whole or absent.

    Args:
        result: of `cpwc_keras.track`.
        loop: what was tracked.
        folder: an existing folder (`cpwc_keras.files.output_folder`).
        settings: what the user chose, for the summary.
        input_sha256: of the input file, so that a result can be matched with it without naming it; None if unknown.
        on_file: called with each path once it is there.

    Raises:
        InputError: the disk is full, or the folder cannot be written to.
    """
    extra = {"input_sha256": input_sha256, "settings": settings}
    write: dict[str, Callable[[Path], object]] = {
        "tracking.h5": lambda path: _write_h5(path, result, loop),
        "strain.csv": result.to_csv,
        "overlay.png": lambda path: _write_png(path, result, loop),
        "strain.png": result.plot,
        "overlay.mp4": lambda path: _write_mp4(path, result, loop),
        "summary.json": lambda path: write_json(path, result.summary | extra),
    }
    written = []
    for name in FILES:
        write[name](folder / name)
        written.append(folder / name)
        if on_file:
            on_file(folder / name)
    return written


def _write_h5(path: Path, result: TrackingResult, loop: CineLoop) -> None:
    with atomic_hdf5(path) as file:
        file.attrs.update({"format": FORMAT, "format_version": VERSION, "notes": "\n".join(result.notes)})
        file.attrs.update({"ed": result.ed, "es": result.es, "es_estimated": result.es_estimated})
        file.attrs.update({"tracker": result.tracker, "composition": result.composition, "reach": result.reach})
        file.attrs["image_size"] = loop.frames.shape[1:]
        file.attrs["versions"] = json.dumps(versions())
        for name in ("spacing_mm", "frame_rate_hz", "weights_sha256"):
            if (value := getattr(result, name)) is not None:
                file.attrs[name] = value
        file.create_dataset("points", data=result.points.astype(np.float32)).attrs["unit"] = "px"
        file.create_dataset("disagreement", data=result.disagreement.astype(np.float32)).attrs["unit"] = result.unit
        if result.flows is not None:
            flow = file.create_dataset(
                "flow", data=result.flows, chunks=(1, *result.flows.shape[1:]), compression="gzip", shuffle=True
            )
            flow.attrs["unit"] = "px"


def csv_text(result: TrackingResult) -> str:
    """The columns of a result (`TrackingResult.columns`) as CSV; unknown times stay empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = result.columns
    writer.writerow(columns)
    for frame, *values in zip(*columns.values(), strict=True):
        writer.writerow([frame, *("" if np.isnan(value) else f"{value:.5f}" for value in values)])
    return text.getvalue()


def write_text_file(path: str | Path, text: str) -> None:
    """Write text, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def strain_plot(result: TrackingResult, title: str = "", figure: Figure | SubFigure | None = None) -> Figure:
    """The curves of a result (`cpwc_keras.viz.report.strain_figure`), in an empty figure where one is given."""
    return strain_figure(
        result.strain,
        result.mapse,
        result.length,
        result.disagreement.reshape(len(result), -1),
        result.ed,
        result.es,
        result.unit,
        result.frame_rate_hz,
        title=title,
        excursion=result.annular_excursion,
        systole_start=result.systole_start,
        figure=figure,
    )


def write_figure(path: str | Path, figure: Figure) -> None:
    """Write a figure in the format that the suffix names, whole or not at all.

    Raises:
        InputError: the file cannot be written, or not in this format.
    """
    known = figure.canvas.get_supported_filetypes()
    suffix = Path(path).suffix
    if suffix.lower().removeprefix(".") not in known:
        raise bad_file(path, f"the suffix {suffix!r}", f"that of a picture ({', '.join(sorted(known))})")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=160, metadata=figure_metadata(suffix))


def require_loop(result: TrackingResult, loop: CineLoop) -> None:
    """Whether a result can be of this loop.

    Raises:
        InputError: it has another number of frames.
    """
    if len(loop) != len(result):
        raise InputError(f"The loop has {len(loop)} frames, the result {len(result)}; give the loop that was tracked.")


def draw_frame(result: TrackingResult, loop: CineLoop, frame: int) -> np.ndarray:
    """One frame as the video shows it, (H', W', 3) uint8 RGB (`TrackingResult.draw`)."""
    require_loop(result, loop)
    if not 0 <= frame < len(loop):
        raise InputError(f"There is no frame {frame}; the loop's are 0-{len(loop) - 1}.")
    rows, columns = (slice(0, size) for size in loop.frames.shape[1:])
    return _picture(result, loop, frame, rows, columns)


def _write_png(path: Path, result: TrackingResult, loop: CineLoop) -> None:
    import cv2

    rows, columns = _view(result, loop)
    frames = (result.ed, result.es)
    panels = [_picture(result, loop, frame, rows, columns, with_initial=frame != result.ed) for frame in frames]
    gap = np.full((panels[0].shape[0], 6, 3), 255, np.uint8)
    picture = np.hstack([panels[0], gap, panels[1]])
    with atomic_path(path) as temporary:
        encoded = cv2.imencode(".png", picture[..., ::-1])[1]
        temporary.write_bytes(marked_picture(encoded.tobytes()))


def playback_hz(frame_rate_hz: float | None) -> float:
    """Frames a second of the video of a loop that was recorded with so many."""
    return min(frame_rate_hz or _PLAYBACK_HZ, _PLAYBACK_HZ)


def _write_mp4(path: Path, result: TrackingResult, loop: CineLoop) -> None:
    pictures = (draw_frame(result, loop, frame) for frame in range(len(loop)))
    write_video(path, pictures, playback_hz(result.frame_rate_hz))


def _picture(
    result: TrackingResult, loop: CineLoop, frame: int, rows: slice, columns: slice, with_initial: bool = False
) -> np.ndarray:
    """One frame with its contour, coloured by the disagreement, and what a reader needs to know."""
    scale = max(1.0, _PICTURE_HEIGHT / (rows.stop - rows.start))
    origin = (columns.start, rows.start)
    canvas = enlarge(loop.frames[frame, rows, columns], scale)
    if with_initial:
        draw_contour(canvas, result.contours[result.ed] - origin, scale, _INITIAL, width=1, base=False)
    largest = _largest(result)
    endocardial = (result.disagreement if result.points.ndim == 3 else result.disagreement[:, :, 0])[frame]
    # Exactly nothing everywhere: the contour was given here, or the frame repeats another; no step was tested.
    colors = disagreement_colors(endocardial, largest) if endocardial.any() else _UNTESTED
    draw_contour(canvas, result.contours[frame] - origin, scale, colors, width=3)
    height, width = canvas.shape[:2]
    mark = {result.ed: "  ED", result.es: "  ES"}.get(frame, "")
    time = f"  {frame / result.frame_rate_hz:.2f} s" if result.frame_rate_hz else ""
    write_text(canvas, f"frame {frame}{time}{mark}", 16, 14, 20)
    write_text(canvas, f"strain {result.strain[frame]:.1f} %", width - 16, 14, 20, anchor="ra")
    label = f"disagreement ({result.unit} a step)"
    return color_bar(canvas, 16, height - 34, 140, 7, label, f"{largest:.2g}")


def _largest(result: TrackingResult) -> float:
    """The disagreement that is drawn red: so large that only the worst twentieth of the points is."""
    return max(float(np.percentile(result.disagreement, 95)), 1e-6)


def _view(result: TrackingResult, loop: CineLoop) -> tuple[slice, slice]:
    """The part of the image around the contour, with half its size as margin."""
    contours = result.contours[[result.ed, result.es]].reshape(-1, 2)
    low, high = contours.min(axis=0), contours.max(axis=0)
    centre, half = (low + high) / 2, 0.72 * (high - low).max()
    height, width = loop.frames.shape[1:]
    top, bottom = max(0, int(centre[1] - half)), min(height, int(centre[1] + half) + 1)
    left, right = max(0, int(centre[0] - half)), min(width, int(centre[0] + half) + 1)
    return slice(top, bottom), slice(left, right)
