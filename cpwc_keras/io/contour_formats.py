"""Outlines as other tools write them: JSON of LabelMe, VGG VIA and COCO, bare lists, CSV, EchoNet-Dynamic's tracings.

docs/contours.md shows one example of each.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpwc_keras.errors import bad_file
from cpwc_keras.io.contours import FORMAT, MAX_POINTS, parse_contour
from cpwc_keras.io.input_file import read_json, read_text

_MAX_BYTES, _MAX_JSON_BYTES = 64 << 20, 16 << 20
_MAX_LINES = 2_000_000  # EchoNet-Dynamic's table has 425,010
_TRACINGS = ("filename", "x1", "y1", "x2", "y2", "frame")
_EXPECTED = "points [[x, y], …], or JSON of this project, LabelMe, VGG VIA or COCO"


@dataclass(frozen=True, eq=False)
class Outline:
    """One drawn curve of a foreign file.

    Attributes:
        points: (N, 2) float64 (x, y) as the file has them.
        form: what kind of file it came from, for the note.
        closed: whether it runs all around the cavity; None where the format does not say.
        label: the name its author gave it, or "".
        image: the file it was drawn on, to tell several apart; never written anywhere.
        image_size: (height, width), or None.
        frame: index of the frame it was drawn on, or None.
        es_frame: index of the end-systolic frame, or None.
        in_mm: whether the file says that its unit is mm.
        note: of the author.
    """

    points: np.ndarray
    form: str
    closed: bool | None = None
    label: str = ""
    image: str = ""
    image_size: tuple[int, int] | None = None
    frame: int | None = None
    es_frame: int | None = None
    in_mm: bool = False
    note: str = ""


def read_outlines(path: str | Path, image: str = "") -> list[Outline]:
    """All outlines of a JSON or CSV file.

    Args:
        path: the file; JSON by its suffix, else text of numbers.
        image: name of the recording that is wanted, without suffix, where a file holds many (EchoNet-Dynamic).

    Raises:
        InputError: of no known form, broken, too large, or without outlines.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        return _json_outlines(path, read_json(path, _EXPECTED, _MAX_JSON_BYTES))
    found = _table_outlines(path, read_text(path, "JSON, or a table of numbers, in UTF-8", _MAX_BYTES), image)
    if not found:
        raise bad_file(path, "no rows below the names", "a table of points")
    return found


def _json_outlines(path: Path, content) -> list[Outline]:
    if isinstance(content, list):
        content = {"points": content}
    if not isinstance(content, dict):
        raise bad_file(path, "a single value", _EXPECTED)
    if content.get("format") == FORMAT:
        own, closed = parse_contour(path)
        form = "this project's contour file"
        return [Outline(own.points, form, closed, "", "", own.image_size, own.frame, own.es_frame, False, own.note)]
    if "markups" in content:
        remedy = "export the points as CSV in mm from the image's corner and give --mm"
        raise bad_file(path, "3D Slicer markups, in coordinates of the patient", "coordinates of the image", remedy)
    try:
        if "shapes" in content:
            found = list(_labelme(path, content))
        elif "segmentation" in content or "annotations" in content:
            found = list(_coco(path, content))
        elif "points" in content:
            found = [Outline(_points(path, content["points"]), "a list of points")]
        else:
            found = list(_via(path, content.get("_via_img_metadata", content)))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise bad_file(path, "another structure of JSON", _EXPECTED) from error
    if not found:
        raise bad_file(path, "no polygon and no open line", _EXPECTED)
    return found


def _labelme(path: Path, content: dict) -> Iterator[Outline]:
    size = content.get("imageHeight"), content.get("imageWidth")
    for shape in content["shapes"]:
        kind = shape.get("shape_type", "polygon")
        if kind in ("polygon", "linestrip"):
            points = _points(path, shape["points"])
            yield Outline(points, "a LabelMe file", kind == "polygon", str(shape.get("label", "")), "", _size(size))


def _via(path: Path, images: dict) -> Iterator[Outline]:
    for image in images.values():
        regions = image["regions"]
        for region in regions.values() if isinstance(regions, dict) else regions:
            shape = region["shape_attributes"]
            if shape.get("name", "polygon") in ("polygon", "polyline"):
                across, down = shape["all_points_x"], shape["all_points_y"]
                if len(across) != len(down):
                    raise bad_file(path, f"{len(across)} x and {len(down)} y of one region", "as many of both")
                points = _points(path, list(zip(across, down, strict=True)))
                label = " ".join(str(value) for value in region.get("region_attributes", {}).values())
                closed = shape.get("name", "polygon") == "polygon"
                yield Outline(points, "a VGG VIA file", closed, label, str(image.get("filename", "")))


def _coco(path: Path, content: dict) -> Iterator[Outline]:
    images = {image["id"]: image for image in content.get("images", [])}
    names = {category["id"]: str(category["name"]) for category in content.get("categories", [])}
    for annotation in content.get("annotations", [content]):
        polygons = annotation["segmentation"]
        if not isinstance(polygons, list):
            raise bad_file(path, "a run-length mask", "COCO polygons", "export polygons, or the mask as a PNG")
        image = images.get(annotation.get("image_id"), {})
        size = _size((image.get("height"), image.get("width")))
        label = names.get(annotation.get("category_id"), "")
        for polygon in polygons:
            points = _points(path, polygon)
            yield Outline(points, "a COCO file", True, label, str(image.get("file_name", "")), size)


def _points(path: Path, values: list) -> np.ndarray:
    """(N, 2) from [[x, y], …], [{"x": …, "y": …}, …] or COCO's [x, y, x, y, …]."""
    if len(values) > 2 * MAX_POINTS:
        raise bad_file(path, f"a curve of {len(values):,} entries", f"at most {MAX_POINTS:,} points")
    if values and all(isinstance(point, dict) for point in values):
        values = [(point["x"], point["y"]) for point in values]
    try:
        points = np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise bad_file(path, "points that are no pairs of numbers", "[[x, y], …]") from error
    if points.ndim == 1 and len(points) % 2 == 0:
        points = points.reshape(-1, 2)
    if points.ndim != 2 or points.shape[1] != 2:
        raise bad_file(path, f"points of shape {points.shape}", "(N, 2), one (x, y) for each point")
    if len(points) > MAX_POINTS:
        raise bad_file(path, f"a curve of {len(points):,} points", f"at most {MAX_POINTS:,}")
    return points


def _size(size: tuple) -> tuple[int, int] | None:
    return size if all(isinstance(n, int) and n > 0 for n in size) else None


def _table_outlines(path: Path, text: str, image: str) -> list[Outline]:
    if text.count("\n") > _MAX_LINES:
        raise bad_file(path, f"{text.count(chr(10)):,} lines", f"a table of at most {_MAX_LINES:,}")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise bad_file(path, "no lines", "a table of points")
    separator = next((mark for mark in ";\t," if mark in lines[0]), None)
    try:
        rows = [line.split() for line in lines] if separator is None else list(csv.reader(lines, delimiter=separator))
    except csv.Error as error:  # a cell of more than 128 kB, mostly after a quotation mark that is never closed
        raise bad_file(path, f"a broken table ({error})", "rows of numbers") from error
    if separator != ",":
        rows = [[cell.replace(",", ".") for cell in row] for row in rows]  # decimal commas
    if all(_number(cell) is not None for cell in rows[0]):
        if len(rows[0]) != 2:
            raise bad_file(
                path, f"{len(rows[0])} columns without names", "two, x and y, or a first line that names them"
            )
        return [Outline(_cells(path, rows, (0, 1)), "a table of points")]

    # "X (px)", "x_px" and "x [mm]" are x; their further words may be the unit.
    words = [re.findall(r"[a-z]+\d*", name.lower()) or [""] for name in rows[0]]
    column = {name[0]: index for index, name in reversed(list(enumerate(words)))}
    if all(name in column for name in _TRACINGS):
        return _tracings(path, rows[1:], [column[name] for name in _TRACINGS], image)
    if "x" not in column or "y" not in column:
        names = ", ".join(name.strip() for name in rows[0])
        expected = (
            "the columns x and y, or those of EchoNet-Dynamic's VolumeTracings.csv (FileName, X1, Y1, X2, Y2, Frame)"
        )
        raise bad_file(path, f"the columns {names[:200]}", expected)
    in_mm = any("mm" in words[column[axis]][1:] for axis in "xy")
    wanted = [column["x"], column["y"], *([column["frame"]] if "frame" in column else [])]
    cells = _cells(path, rows[1:], wanted, first_line=2)
    if "frame" not in column:
        return [Outline(cells, "a table of points", in_mm=in_mm)]
    return [
        Outline(cells[cells[:, 2] == frame, :2], "a table of points", frame=_frame(path, frame), in_mm=in_mm)
        for frame in np.unique(cells[:, 2])
    ]


def _tracings(path: Path, rows: list[list[str]], columns: list[int], image: str) -> list[Outline]:
    """EchoNet-Dynamic: for each frame the long axis, then the chords across it."""
    name = columns[0]
    stems = {Path(row[name]).stem for row in rows if len(row) > name}
    if len(stems) > 1 and image not in stems:
        found = f"tracings of {len(stems):,} recordings"
        raise bad_file(path, found, "those of one", "give --loop, the video of that name, or keep the rows of one")
    chosen = [row for row in rows if len(stems) == 1 or (len(row) > name and Path(row[name]).stem == image)]
    cells = _cells(path, chosen, columns[1:])
    return [
        Outline(_around_chords(path, cells[cells[:, 4] == frame, :4]), "EchoNet-Dynamic tracings", False,
                frame=_frame(path, frame))
        for frame in np.unique(cells[:, 4])
    ]  # fmt: skip


def _around_chords(path: Path, lines: np.ndarray) -> np.ndarray:
    """The contour through the ends of the chords and the apical end of the long axis, which is the first line."""
    axis, chords = lines[0].reshape(2, 2), lines[1:].reshape(-1, 2, 2)
    if len(chords) < 3:
        raise bad_file(path, f"{len(chords)} chords in a frame", "the long axis and at least 3 chords")
    width = np.linalg.norm(chords[[0, -1], 0] - chords[[0, -1], 1], axis=-1)
    if width.max() < 1.2 * width.min():
        raise bad_file(path, "chords as wide at one end as at the other", "a base that is wider than the apex")
    if width[0] < width[1]:
        chords = chords[::-1]  # from the base to the apex
    apex = axis[np.linalg.norm(axis - chords[-1].mean(0), axis=-1).argmin()]
    return np.concatenate([chords[:, 0], apex[None], chords[::-1, 1]])


def _cells(path: Path, rows: list[list[str]], columns, first_line: int = 1) -> np.ndarray:
    """(N, len(columns)) numbers of a table."""
    if len(rows) > MAX_POINTS:
        raise bad_file(path, f"{len(rows):,} rows", f"at most {MAX_POINTS:,} points")
    values = []
    for number, row in enumerate(rows, start=first_line):
        cells = [_number(row[column]) if column < len(row) else None for column in columns]
        if None in cells:
            raise bad_file(path, f"{','.join(row)[:80]!r} in row {number}", "a number in each column that is read")
        values.append(cells)
    return np.array(values, np.float64).reshape(-1, len(columns))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _frame(path: Path, value: float) -> int:
    if value < 0 or not float(value).is_integer():
        raise bad_file(path, f"frame {value:g}", "the index of a frame, counted from 0")
    return int(value)
