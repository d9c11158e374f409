"""The end-diastolic contour from a mask, from clicks, from a sequence file, or from what another tool has drawn.

The forms that are read are shown in docs/contours.md.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from cpwc_keras.curves import distance_along
from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.evaluation.strain import cavity_area
from cpwc_keras.files import atomic_path
from cpwc_keras.io.cine import SEQUENCE_SUFFIXES
from cpwc_keras.io.contour_formats import Outline, read_outlines
from cpwc_keras.io.contour_masks import MASK_SUFFIXES, contour_from_mask, end_diastolic, read_masks
from cpwc_keras.io.contours import Contour, check_against, check_coordinates, check_points, resample, write_contour
from cpwc_keras.io.outline import distinct, open_at_base
from cpwc_keras.io.sequence_file import read_sequence
from cpwc_keras.record import marked_picture
from cpwc_keras.types import CineLoop
from cpwc_keras.viz.clicks import ContourClicks
from cpwc_keras.viz.overlay import draw_contour, enlarge, write_text

_TABLE_SUFFIXES = (".json", ".csv", ".tsv", ".txt")
CONTOUR_SUFFIXES = (*_TABLE_SUFFIXES, *MASK_SUFFIXES, *SEQUENCE_SUFFIXES)
"""Ends of the names of files that hold contours, points or masks."""
_ENDS_MEET = 0.08
"""Points whose ends are closer than this fraction of their length run all around (CAMUS: open ones, 0.10 to 0.29)."""

_PREVIEW_PX, _PREVIEW_COLOR = 800, (250, 205, 90)


def import_contour(
    path: str | Path,
    loop: CineLoop | None = None,
    frame: int | None = None,
    base: np.ndarray | None = None,
    label: str | None = None,
    in_mm: bool = False,
    spacing_mm: tuple[float, float] | None = None,
    keep_order: bool = False,
) -> tuple[Contour, tuple[str, ...]]:
    """Make an end-diastolic contour from any file that holds one.

    Args:
        path: a mask (labels as in CAMUS, or the cavity alone), a sequence file, JSON or a table of points.
        loop: what the contour is for: its image size and frames are checked.
        frame: index of the end-diastolic frame. By default what the file says; of several frames, the one of the
            largest cavity; else what the loop says, else 0.
        base: (2, 2) the septal and the lateral end of the base, where an outline runs all around the cavity.
        label: name of the outline, where the file holds several.
        in_mm: the file's points are in mm from the centre of the top left pixel, not in pixels.
        spacing_mm: (row_mm, col_mm) of a pixel, for points in mm; by default the loop's.
        keep_order: leave the order of an open curve's points although the first lies right of the last.

    Returns:
        the contour, and what was decided on the way, one sentence each.

    Raises:
        InputError: the file cannot be read or used, it is ambiguous, or the contour does not fit the loop.
    """
    path, name = Path(path), Path(path).name.lower()
    notes: list[str] = []
    if spacing_mm is not None and not in_mm:
        raise InputError("A spacing is for points in mm: give --mm too, or leave --spacing out.")
    if name.endswith(_TABLE_SUFFIXES):
        wanted = Path(loop.source).stem if loop is not None else ""
        drawn = _choose(path, read_outlines(path, wanted), wanted, label, frame, notes)
        scale = spacing_mm or (loop.spacing_mm if loop is not None else None)
        drawn = replace(drawn, points=distinct(_in_pixels(path, drawn, in_mm, scale)))
        drawn = replace(drawn, points=_from_base_to_base(path, drawn, base, keep_order, notes))
    elif in_mm or label is not None:
        raise bad_file(path, "pixels", "points, where a unit or a label is given", "leave --mm and --label out")
    elif name.endswith(SEQUENCE_SUFFIXES):
        drawn = _from_sequence(path, frame, base)
    elif name.endswith(MASK_SUFFIXES):
        drawn = _from_masks(path, read_masks(path), frame, base, notes)
    else:
        known = ", ".join(CONTOUR_SUFFIXES)
        raise bad_file(path, f"the suffix {path.suffix!r}", f"a mask, points or a sequence file ({known})")
    check_points(drawn.points, path)

    ed = next((f for f in (frame, drawn.frame, loop.ed if loop is not None else None) if f is not None), None)
    if ed is None:
        ed = 0
        notes.append("The frame was not given: the first one, 0, was taken for end-diastole.")
    note = drawn.note or f"Imported from {drawn.form}."
    es = drawn.es_frame if drawn.es_frame != ed else None
    contour = Contour(drawn.points, ed, drawn.image_size, es, note, str(path))
    if loop is not None:
        check_against(contour, loop)
        contour = replace(contour, image_size=loop.frames.shape[1:])
    return contour, tuple(notes)


def click_contour(loop: CineLoop | np.ndarray, frame: int | None = None) -> ContourClicks:
    """Draw a contour by clicks on a frame: in a notebook (``%matplotlib widget``) or any interactive Matplotlib.

    The curve that is shown is the one that tracking will follow; ``save("ed.json")`` of what is returned writes it.

    Args:
        loop: the loop, or one image (H, W) in [0, 1].
        frame: index of the end-diastolic frame; by default what the loop says, else 0.

    Raises:
        InputError: the frame lies beyond the loop.
    """
    return ContourClicks(loop, frame, resample, lambda clicks, path: save_contour(path, contour_from_clicks(clicks)))


def contour_from_clicks(clicks: ContourClicks) -> Contour:
    """The contour that was clicked.

    Raises:
        InputError: fewer than two points, or a curve that crosses itself.
    """
    check_points(clicks.points, "The clicked contour")
    return Contour(clicks.points, clicks.frame, clicks.image.shape, note="Drawn by clicks.")


def save_contour(path: str | Path, contour: Contour, loop: CineLoop | None = None) -> list[Path]:
    """Write a contour file and, with the loop, a picture beside it: the contour on its frame.

    Args:
        path: of the contour file, ``….json``; the picture is ``…_preview.png``.
        contour: what to write.
        loop: what it was drawn on, or None.

    Returns:
        the files; all are written or none.

    Raises:
        InputError: another suffix, a name that is taken by the source, or a folder that cannot be written to.
    """
    path = Path(path)
    if path.suffix.lower() != ".json":
        raise InputError(f"{path}: a contour is written as JSON; choose a name that ends in .json.")
    preview = path.with_name(f"{path.stem}_preview.png")
    for file in (path, preview):
        if contour.source and file.exists() and file.samefile(contour.source):
            raise InputError(f"{file}: this would replace what the contour was made from; choose another name.")
    if loop is None:
        write_contour(path, contour)
        return [path]
    with atomic_path(preview) as beside:
        picture = _picture(loop.frames[contour.frame], contour)
        beside.write_bytes(marked_picture(cv2.imencode(".png", picture[..., ::-1])[1].tobytes()))
        write_contour(path, contour)
    return [path, preview]


def _choose(path: Path, outlines: list[Outline], image: str, label, frame, notes: list[str]) -> Outline:
    """The one outline that is meant; of several frames, the one of the largest cavity."""
    labels = ", ".join(sorted({repr(o.label) for o in outlines if o.label})) or "none"
    if label is not None:
        outlines = [o for o in outlines if o.label.casefold() == label.casefold()]
        if not outlines:
            raise bad_file(path, f"the labels {labels}", f"an outline labelled {label!r}")
    images = {o.image for o in outlines}
    if len(images) > 1:
        outlines = [o for o in outlines if Path(o.image).stem == image]
        if not outlines:
            found, remedy = f"outlines on {len(images)} images", "give --loop, the file of that name, or keep one image"
            raise bad_file(path, found, "those on one", remedy)
    for outline in outlines:
        check_coordinates(outline.points, path)
    frames = sorted({o.frame for o in outlines if o.frame is not None})
    areas = {o.frame: float(cavity_area(o.points)) for o in outlines}
    if len(frames) > 1:
        ed, es = max(areas, key=areas.__getitem__), min(areas, key=areas.__getitem__)
        if frame is None:
            notes.append(f"Of the frames {', '.join(map(str, frames))}, {ed} has the largest cavity: end-diastole.")
        frame = ed if frame is None else frame
        if frame not in frames:
            raise bad_file(path, f"the frames {', '.join(map(str, frames))}", f"one for frame {frame}")
        outlines = [o for o in outlines if o.frame == frame]
        if len(frames) == 2 and frame == ed:
            outlines = [replace(o, es_frame=es) for o in outlines]
    if len(outlines) > 1:
        found, remedy = f"{len(outlines)} outlines (labels: {labels})", "choose it with --label, or delete the others"
        raise bad_file(path, found, "the one of the endocardium", remedy)
    return outlines[0]


def _in_pixels(path: Path, drawn: Outline, in_mm: bool, spacing_mm) -> np.ndarray:
    if not in_mm:
        if drawn.in_mm:
            raise bad_file(path, "columns in mm", "pixels", "give --mm with --spacing or --loop")
        return drawn.points
    if drawn.image_size is not None:
        raise bad_file(path, f"{drawn.form}, whose points are pixels", "points in mm", "leave --mm out")
    if spacing_mm is None:
        raise bad_file(path, "points in mm", "the size of a pixel with them", "give --spacing or --loop")
    if not all(np.isfinite(mm) and mm > 0 for mm in spacing_mm):
        raise InputError(f"The spacing must be positive, got {spacing_mm[0]:g} {spacing_mm[1]:g}.")
    with np.errstate(over="ignore"):
        points = drawn.points / (spacing_mm[1], spacing_mm[0])
    check_coordinates(points, path)
    return points


def _from_base_to_base(path: Path, drawn: Outline, base, keep_order: bool, notes: list[str]) -> np.ndarray:
    """The open curve: septal base, apex, lateral base."""
    points, closed = drawn.points, drawn.closed
    if closed is None:
        gap = np.linalg.norm(points[0] - points[-1]) if len(points) > 2 else np.inf
        closed = base is not None or gap < _ENDS_MEET * distance_along(points)[-1]
    if closed:
        points = _naming(path, open_at_base, points, base)
        ends = " and ".join(f"({x:.1f}, {y:.1f})" for x, y in points[[0, -1]])
        notes.append(f"The closed outline was opened at its base, between {ends}.")
    elif base is not None:
        raise bad_file(path, "a curve that is open already", "a closed one, where a base is given", "leave --base out")
    elif len(points) and points[0, 0] > points[-1, 0] and not keep_order:
        points = points[::-1]
        notes.append("The points ran from right to left and were reversed: the septum is on the left (--keep-order).")
    return points


def _from_sequence(path: Path, frame: int | None, base) -> Outline:
    sequence = read_sequence(path)
    loop = sequence.loop
    ed = next(f for f in (frame, loop.ed, 0) if f is not None)
    if not 0 <= ed < len(loop):
        raise bad_file(path, f"{len(loop)} frames", f"a frame {ed}", f"give one of 0-{len(loop) - 1}")
    size = loop.frames.shape[1:]
    if sequence.mesh is None or base is not None:
        if loop.labels is None:
            raise bad_file(path, "neither a mesh nor labels", "one of them at end-diastole")
        points = _naming(path, contour_from_mask, loop.labels[ed], base)
        return Outline(points, "the labels of a sequence file", image_size=size, frame=ed)
    points = sequence.mesh[ed, :, 0].astype(np.float64)
    return Outline(points, "the mesh of a sequence file", image_size=size, frame=ed, es_frame=loop.es)


def _from_masks(path: Path, masks: np.ndarray, frame: int | None, base, notes: list[str]) -> Outline:
    """One mask is that of the contour's frame, wherever that lies in the loop; of a stack, `frame` is the index."""
    if len(masks) == 1:
        return Outline(_naming(path, contour_from_mask, masks[0], base), "a mask", image_size=masks.shape[1:])
    if frame is None:
        frame = end_diastolic(masks)
        notes.append(f"Of {len(masks)} frames, {frame} has the largest cavity: end-diastole.")
    if not 0 <= frame < len(masks):
        raise bad_file(path, f"{len(masks)} frames", f"a frame {frame}", f"give one of 0-{len(masks) - 1}")
    points = _naming(path, contour_from_mask, masks[frame], base)
    return Outline(points, "a mask", image_size=masks.shape[1:], frame=frame)


def _naming(path: Path, function, *arguments):
    """Call it; its error gets the file's name."""
    try:
        return function(*arguments)
    except InputError as error:
        raise InputError(f"{path}: {str(error)[0].lower()}{str(error)[1:]}") from error


def _picture(image: np.ndarray, contour: Contour) -> np.ndarray:
    scale = max(1.0, _PREVIEW_PX / max(image.shape))
    canvas = enlarge(image, scale)
    draw_contour(canvas, resample(contour.points, 200), scale, np.array(_PREVIEW_COLOR))
    for (x, y), text, anchor in zip(contour.points[[0, -1]], ("septal", "lateral"), ("ra", "la"), strict=True):
        write_text(canvas, text, round((x + 0.5) * scale), round((y + 0.5) * scale) + 6, 15, _PREVIEW_COLOR, anchor)
    return canvas
