r"""The contour file: an endocardial contour on one frame, as JSON.

::

    {
      "format": "cpwc-keras contour",
      "version": 1,
      "frame": 0,                      index of the end-diastolic frame it was drawn on, from 0
      "image_size": [384, 512],        height and width of the image it was drawn on
      "points": [[245.0, 242.0], …],   (x, y) in pixels, pixel centres at whole numbers, from the basal septal point
                                       over the apex to the basal lateral point
      "closed": false,                 an endocardial contour is open at the base
      "es_frame": 12,                  optional: index of the end-systolic frame
      "note": "…",                     optional: who drew it, and how
      "made_with": "…"                 optional: the program and its version
    }

The image is the loop as `cpwc_keras.read` gives it: for a DICOM, the ultrasound region that was cut out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpwc_keras.curves import distance_along, segment_lengths
from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.files import MADE_WITH
from cpwc_keras.io.input_file import read_json
from cpwc_keras.record import write_json
from cpwc_keras.types import CineLoop

FORMAT, VERSION = "cpwc-keras contour", 1
_MAX_BYTES = 1 << 20
MAX_POINTS = 2000
"""Points of a contour: no one draws so many, and whether it crosses itself is asked of each pair of its sides."""

_FARTHEST = 1e6

_MEET = 0.02
"""Ends closer than this fraction of a contour's length meet: it is closed."""

HOW_TO_MAKE = "`cpwc-keras contour` makes one from a mask or another tool's file, `cpwc-keras app` lets you draw it"
"""A contour, as errors advise it."""


@dataclass(frozen=True, eq=False)
class Contour:
    """An endocardial contour on one frame of a loop.

    Attributes:
        points: (N, 2) float64 (x, y) in pixels, from the basal septal point over the apex to the basal lateral point.
        frame: index of the end-diastolic frame it was drawn on.
        image_size: (height, width) of the image it was drawn on, or None where the writer did not say.
        es_frame: index of the end-systolic frame, or None.
        note: who drew it, and how.
        source: the file it came from, or "".
    """

    points: np.ndarray
    frame: int = 0
    image_size: tuple[int, int] | None = None
    es_frame: int | None = None
    note: str = ""
    source: str = ""


def read_contour(path: str | Path) -> Contour:
    """Read a contour file.

    Raises:
        InputError: missing, not JSON, of another format or version, closed, or with points that are no points.
    """
    contour, closed = parse_contour(path)
    if closed:
        raise _closed(path)
    check_points(contour.points, path)
    return contour


def parse_contour(path: str | Path) -> tuple[Contour, bool]:
    """What a contour file holds, also where it is a curve that `track` cannot take: closed, or one that crosses itself.

    Returns:
        the contour, and whether the file or its points say that it is closed.

    Raises:
        InputError: missing, not JSON, of another format or version, or with points that are no points.
    """
    content = read_json(path, f'a contour file ({{"format": "{FORMAT}", …}})', _MAX_BYTES, HOW_TO_MAKE)
    if not isinstance(content, dict) or content.get("format") != FORMAT or content.get("version") != VERSION:
        found = "something else"
        if isinstance(content, dict) and "format" in content:
            found = f"format {content.get('format')!r} version {content.get('version')!r}"
        raise bad_file(path, found, f"a contour file, of format {FORMAT!r} and version {VERSION}", HOW_TO_MAKE)
    try:
        points = np.array(content["points"], np.float64)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise bad_file(path, "no list of points", '"points": [[x, y], …] in pixels') from error
    contour = Contour(
        points,
        _index(path, content, "frame") or 0,
        _image_size(path, content),
        _index(path, content, "es_frame"),
        str(content.get("note", "")),
        str(path),
    )
    _check_numbers(contour.points, path)
    return contour, content.get("closed", False) is not False or _ends_meet(contour.points)


def write_contour(path: str | Path, contour: Contour) -> None:
    """Write a contour file, whole or not at all.

    Raises:
        InputError: the points are no contour, or the folder cannot be written to.
    """
    check_points(contour.points, path)
    content = {"format": FORMAT, "version": VERSION, "frame": int(contour.frame)}
    if contour.image_size is not None:
        content["image_size"] = [int(n) for n in contour.image_size]
    content |= {"points": np.asarray(contour.points, float).round(3).tolist(), "closed": False}
    if contour.es_frame is not None:
        content["es_frame"] = int(contour.es_frame)
    if contour.note:
        content["note"] = contour.note
    content["made_with"] = MADE_WITH
    write_json(path, content)


def check_points(points: np.ndarray, name: str | Path = "The contour") -> None:
    """Whether these can be a contour.

    Args:
        points: (N, 2) (x, y).
        name: what the message calls it.

    Raises:
        InputError: of another shape, fewer than two points, not finite, two equal neighbours, closed, or crossing
            itself.
    """
    points = np.asarray(points)
    _check_numbers(points, name)
    if (points[1:] == points[:-1]).all(axis=1).any():
        raise bad_file(name, "the same point twice in a row", "points that differ", "remove one of them")
    if _ends_meet(points):
        raise _closed(name)
    if (crossing := _first_crossing(points)) is not None:
        first, second = crossing
        found = f"a contour that crosses itself (after points {first + 1} and {second + 1})"
        raise bad_file(name, found, "one that does not", "check the order of the points")


def _check_numbers(points: np.ndarray, name: str | Path) -> None:
    """Whether these are points of an image at all."""
    if points.ndim != 2 or points.shape[1] != 2 or not np.issubdtype(points.dtype, np.number):
        raise bad_file(name, f"points of shape {points.shape}", "(N, 2), one (x, y) for each point")
    if len(points) > MAX_POINTS:
        raise bad_file(name, f"a curve of {len(points):,} points", f"at most {MAX_POINTS:,}", "keep every tenth")
    if len(points) < 2:
        count = "one point" if len(points) == 1 else "no points"
        raise bad_file(name, count, "a contour from the septal base over the apex to the lateral base")
    check_coordinates(points, name)


def check_coordinates(points: np.ndarray, name: str | Path = "The contour") -> None:
    """Whether points can be of an image, before anything is computed with them.

    Args:
        points: (N, 2) (x, y).
        name: what the message calls them.

    Raises:
        InputError: one is not finite, or far beyond any image.
    """
    if not np.isfinite(points).all():
        raise bad_file(name, "a NaN or infinite coordinate", "pixels")
    if (largest := np.abs(points).max(initial=0)) > _FARTHEST:
        raise bad_file(name, f"a coordinate of {largest:g}", "pixels of an image")


def _ends_meet(points: np.ndarray) -> bool:
    return len(points) > 2 and bool(np.linalg.norm(points[0] - points[-1]) < _MEET * distance_along(points)[-1])


def _closed(name: str | Path) -> InputError:
    expected = "one that is open between the septal and the lateral base"
    remedy = "`cpwc-keras contour` opens it, `cpwc-keras app` lets you draw another"
    return bad_file(name, "a closed contour, whose ends meet", expected, remedy)


def check_against(contour: Contour, loop: CineLoop) -> None:
    """Whether a contour belongs to a loop.

    Raises:
        InputError: it was drawn on an image of another size, leaves the image, or names a frame beyond the loop.
    """
    name = contour.source or "The contour"
    height, width = loop.frames.shape[1:]
    if contour.image_size is not None and tuple(contour.image_size) != (height, width):
        found = f"a contour drawn on a {contour.image_size[0]}×{contour.image_size[1]} image"
        expected = f"{height}×{width} (height × width) like the loop, which for a DICOM is its ultrasound region"
        raise bad_file(name, found, expected, f"for this loop, {HOW_TO_MAKE}")
    outside = ((contour.points < 0) | (contour.points > [width - 1, height - 1])).any(axis=1)
    if outside.any():
        index = int(np.argmax(outside))
        x, y = contour.points[index]
        found = f"point {index + 1} at ({x:g}, {y:g})"
        expected = f"points (x, y) within the image, 0-{width - 1} and 0-{height - 1}"
        raise bad_file(name, found, expected, f"if the contour is of another recording: {HOW_TO_MAKE}")
    for what, frame in (("end-diastolic", contour.frame), ("end-systolic", contour.es_frame)):
        if frame is not None and not 0 <= frame < len(loop):
            expected = f"one of the loop's frames, 0-{len(loop) - 1}"
            raise bad_file(name, f"the {what} frame {frame}", expected, f"for this loop, {HOW_TO_MAKE}")


def resample(points: np.ndarray, n: int) -> np.ndarray:
    """Points at equal distances along a smooth curve through the given ones.

    The curve is a cubic spline with centripetal parameters (Lee 1989), which hold it close to unevenly spaced points.
    Its first and last point stay.

    Args:
        points: (N, 2) (x, y), N ≥ 2.
        n: how many to return, ≥ 2.

    Returns:
        (n, 2) float64.
    """
    from scipy.interpolate import CubicSpline

    points = np.asarray(points, np.float64)
    parameter = np.insert(np.sqrt(segment_lengths(points)).cumsum(), 0, 0.0)
    spline = CubicSpline(parameter, points)
    fine = np.linspace(0, parameter[-1], 64 * max(n, len(points)))
    length = distance_along(spline(fine))
    return spline(np.interp(np.linspace(0, length[-1], n), length, fine))


def _first_crossing(points: np.ndarray) -> tuple[int, int] | None:
    """Indices of the first two segments of a polyline that cross or touch, other than at a shared point."""
    start, step = points[:-1], np.diff(points, axis=0)

    def side(origin, direction, p):
        return np.sign(direction[..., 0] * (p - origin)[..., 1] - direction[..., 1] * (p - origin)[..., 0])

    a, b = start[:, None], start[None]
    da, db = step[:, None], step[None]
    apart = (side(a, da, b) * side(a, da, b + db) < 0) & (side(b, db, a) * side(b, db, a + da) < 0)
    pairs = np.argwhere(np.triu(apart, k=2))
    return (int(pairs[0, 0]), int(pairs[0, 1])) if len(pairs) else None


def _index(path: str | Path, content: dict, name: str) -> int | None:
    value = content.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise bad_file(path, f"{name} {value!r}", "the index of a frame, counted from 0")
    return value


def _image_size(path: str | Path, content: dict) -> tuple[int, int] | None:
    value = content.get("image_size")
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(n, int) and n > 0 for n in value):
        raise bad_file(path, f"image_size {value!r}", "[height, width]")
    return value[0], value[1]
