"""Multi-frame ultrasound DICOM.

Only what describes the image is read: sizes, spacing, frame time and pixels. Nothing that identifies a patient leaves
this module.
"""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.io.input_file import open_input
from cpwc_keras.io.sector import clean_frames, luma_and_colour, require_moderate, sector_mask
from cpwc_keras.types import CineLoop

_TWO_D, _TISSUE, _CENTIMETRES = 1, 1, 3  # codes of the US Region Calibration module (PS3.3 C.8.5.5)
_SCREENS = (
    (640, 480), (720, 480), (720, 576), (768, 576), (800, 600), (1024, 768), (1280, 720), (1280, 960), (1280, 1024),
    (1600, 1200), (1920, 1080),
)  # fmt: skip
"""Widths and heights that scanners record at; a frame may have been shrunk from one of them, its tags not."""

_OVERSHOOT_PX = 1
"""Some writers give a region's last column as its width; so much beyond the image is simply cut."""


@dataclass(frozen=True)
class _Region:
    """A 2D tissue region: the box [left, right) × [top, bottom) in pixels, and its spacing (row_mm, col_mm)."""

    left: float
    top: float
    right: float
    bottom: float
    spacing_mm: tuple[float, float] | None

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.bottom - self.top)

    def within(self, width: float, height: float) -> bool:
        begins = self.left < width and self.top < height
        return begins and self.right <= width + _OVERSHOOT_PX and self.bottom <= height + _OVERSHOOT_PX

    def shrunk(self, scale: float) -> _Region:
        spacing = self.spacing_mm and (self.spacing_mm[0] * scale, self.spacing_mm[1] * scale)
        return _Region(self.left / scale, self.top / scale, self.right / scale, self.bottom / scale, spacing)


def is_dicom(path: str | Path) -> bool:
    """Whether the file has the DICOM preamble, whatever its name.

    Raises:
        InputError: it cannot be opened.
    """
    with open_input(path) as (file, _):
        return file.read(132)[128:] == b"DICM"


def read_dicom(path: str | Path) -> CineLoop:
    """Read a cine loop from a multi-frame DICOM.

    The largest 2D tissue region is cut out; colour, text and marks are removed (`cpwc_keras.io.sector`). Spacing comes
    from the region (Physical Delta X and Y in cm), else from Pixel Spacing; time from Frame Time Vector, Frame Time,
    Actual Frame Duration, Cine Rate or Recommended Display Frame Rate, in this order.

    Some files were shrunk after recording and kept the tags of the original (pydicom's own `ybr_color` is one). Where
    the region exceeds the frame, and there is a usual screen size that is a multiple of the frame and holds both the
    region and the moving image in it, region and spacing are scaled to the frame and a note says so; otherwise the
    region is not believed and the spacing is unknown.

    Returns:
        the loop; `notes` say what was assumed. Neither the patient's nor any other name is read.

    Raises:
        InputError: missing, not DICOM, a single frame, no pixels, a compression that no installed decoder reads,
            truncated, or larger than 2³⁰ pixels.
    """
    import pydicom

    with _dicom_errors_named(path):
        _require_moderate_stream(path)
        with warnings.catch_warnings(action="ignore"):  # of files that are cut off
            dataset = pydicom.dcmread(path)
        frames, height, width = _size(path, dataset)
        gray, coloured = _decode(path, dataset, (frames, height, width))
        region, notes = _region(dataset, gray, coloured)
        spacing = region.spacing_mm or _pixel_spacing(dataset)
        rate, time_notes = _frame_rate(dataset)
    rows, columns = _slices(region, height, width)
    image, image_notes = clean_frames(gray[:, rows, columns].copy(), coloured[:, rows, columns])
    return CineLoop(image, spacing, rate, source=str(path), notes=(*notes, *time_notes, *image_notes))


def _require_moderate_stream(path) -> None:
    """Refuse a deflated file that becomes too large: pydicom unpacks it whole, whatever that takes."""
    from pydicom.filereader import read_dataset, read_preamble
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    with open_input(path) as (file, size):
        read_preamble(file, force=False)
        meta = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag.group != 2)
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return
        stream, unpacked = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while not stream.eof and (piece := stream.unconsumed_tail or file.read(1 << 16)):
            unpacked += len(stream.decompress(piece, 1 << 24))
            require_moderate(path, unpacked, size)


def _size(path, dataset) -> tuple[int, int, int]:
    if "PixelData" not in dataset:
        raise bad_file(path, "a DICOM without pixel data, or one cut off", "a cine loop", "copy or export it again")
    frames, rows, columns = (int(dataset.get(n) or 0) for n in ("NumberOfFrames", "Rows", "Columns"))
    if frames <= 1:
        raise bad_file(
            path, "a single-frame DICOM", "a cine loop of two frames or more", "export the loop, not a still"
        )
    if rows < 1 or columns < 1:
        raise bad_file(path, f"{frames} frames of {rows}×{columns}", "pixels")
    require_moderate(path, frames * rows * columns, Path(path).stat().st_size)
    return frames, rows, columns


def _decode(path, dataset, shape) -> tuple[np.ndarray, np.ndarray]:
    """Brightness (T, H, W) uint8 and where it is coloured (T, H, W) bool, one frame in memory at a time."""
    gray, coloured = np.empty(shape, np.uint8), np.zeros(shape, bool)
    count = 0
    for index, (frame, kind) in enumerate(_decoded_frames(path, dataset)):
        if index >= shape[0] or frame.shape[:2] != shape[1:]:
            raise bad_file(path, f"frame {index + 1} of {frame.shape[:2]}", f"{shape[0]} frames of {shape[1:]}")
        if kind == "PALETTE COLOR":
            from pydicom.pixels import apply_color_lut

            frame = apply_color_lut(frame, dataset)
        frame = _to_8_bit(frame, int(dataset.BitsStored) if kind.startswith("MONO") else frame.dtype.itemsize * 8)
        if frame.ndim == 2:
            gray[index] = 255 - frame if kind == "MONOCHROME1" else frame
        else:
            if kind.startswith("YBR_FULL"):
                frame = cv2.cvtColor(np.ascontiguousarray(frame[..., (0, 2, 1)]), cv2.COLOR_YCrCb2RGB)
            gray[index], coloured[index] = luma_and_colour(np.ascontiguousarray(frame))
        count = index + 1
    if count != shape[0]:
        raise bad_file(path, f"{count} frames of pixels", f"{shape[0]} as the header says", "copy it again")
    return gray, coloured


def _decoded_frames(path, dataset) -> Iterator[tuple[np.ndarray, str]]:
    """Frames as stored, with the photometric interpretation they have after decoding."""
    from pydicom.pixels import get_decoder

    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        remedy = "export it uncompressed, as JPEG, or as an MP4 file"
        raise bad_file(path, f"the compression {syntax.name!r}", "one that pydicom decodes", remedy) from error
    if not decoder.is_available:
        missing = "; ".join(decoder.missing_dependencies)
        raise bad_file(path, f"the compression {syntax.name!r}", "one with a decoder", f"install one of: {missing}")
    for frame, meta in decoder.iter_array(dataset, raw=True):
        yield frame, str(meta["photometric_interpretation"])


def _to_8_bit(frame: np.ndarray, bits: int) -> np.ndarray:
    if frame.dtype == np.uint8 and bits == 8:
        return frame
    return (frame.clip(0, 2**bits - 1) * (255 / (2**bits - 1)) + 0.5).astype(np.uint8)


def _region(dataset, gray, coloured) -> tuple[_Region, list[str]]:
    """The part of the frame that is tissue, with its spacing, and notes."""
    height, width = gray.shape[1:]
    whole = _Region(0, 0, width, height, None)
    regions = [region for item in dataset.get("SequenceOfUltrasoundRegions") or () if (region := _tissue(item))]
    if not regions:
        return whole, []
    region = max(regions, key=lambda r: r.area)
    if region.within(width, height):
        return region, []
    claimed = f"The tags place the image at x {region.left:g}-{region.right - 1:g}, y {region.top:g}-"
    claimed += f"{region.bottom - 1:g}, beyond the {width}×{height} frame"
    sector = sector_mask(gray, coloured)
    for screen_width, screen_height in _SCREENS:
        scale = screen_width / width
        same_shape = scale > 1 and math.isclose(screen_height / height, scale, rel_tol=0.01)
        if same_shape and region.within(screen_width, screen_height) and _holds(region.shrunk(scale), sector):
            note = f"{claimed}: it was taken to be shrunk from {screen_width}×{screen_height}, and its pixels to be "
            return region.shrunk(scale), [f"{note}{scale:g} times as large as the tags say."]
    return whole, [f"{claimed}, and fit no usual screen size: the whole frame was taken, its spacing is unknown."]


def _tissue(item) -> _Region | None:
    """A region of the sequence, if it is 2D tissue and has an area."""
    if not hasattr(item, "get"):
        return None
    names = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
    corners = [number for name in names if (number := _number(item.get(name))) is not None]
    if item.get("RegionSpatialFormat") != _TWO_D or item.get("RegionDataType") != _TISSUE:
        return None
    if len(corners) < 4:
        return None
    left, top, right, bottom = corners
    if not (0 <= left < right and 0 <= top < bottom):
        return None
    deltas = [_number(item.get(f"PhysicalDelta{axis}")) or 0.0 for axis in "YX"]
    units = [item.get(f"PhysicalUnits{axis}Direction") for axis in "YX"]
    known = units == [_CENTIMETRES, _CENTIMETRES] and all(delta and _usual(abs(delta) * 10) for delta in deltas)
    # Deltas may be negative, where an axis points up; the frame's rows and columns do not turn with it.
    spacing = (abs(deltas[0]) * 10, abs(deltas[1]) * 10) if known else None
    return _Region(left, top, right + 1, bottom + 1, spacing)


def _holds(region: _Region, sector: np.ndarray | None) -> bool:
    """Whether what moves lies in the region, up to 2 % of the frame."""
    if sector is None:
        return True
    rows, columns = np.flatnonzero(sector.any(axis=1)), np.flatnonzero(sector.any(axis=0))
    y, x = 0.02 * sector.shape[0], 0.02 * sector.shape[1]
    return (
        region.left - x <= columns[0]
        and columns[-1] < region.right + x
        and region.top - y <= rows[0]
        and rows[-1] < region.bottom + y
    )


def _slices(region: _Region, height: int, width: int) -> tuple[slice, slice]:
    rows = slice(math.floor(region.top), min(math.ceil(region.bottom), height))
    return rows, slice(math.floor(region.left), min(math.ceil(region.right), width))


def _pixel_spacing(dataset) -> tuple[float, float] | None:
    values = [_number(value) or 0.0 for value in dataset.get("PixelSpacing") or ()]
    return (values[0], values[1]) if len(values) == 2 and all(map(_usual, values)) else None


def _frame_rate(dataset) -> tuple[float | None, list[str]]:
    steps = np.array([_number(value) or 0 for value in _values(dataset.get("FrameTimeVector"))][1:])
    if len(steps) and all(map(_usual, steps)) and _usual(1000 / float(steps.mean())):
        uneven = steps.max() > 1.1 * steps.min()
        notes = ["Frames are not evenly spaced in time: their mean interval was taken."] if uneven else []
        return 1000 / float(steps.mean()), notes
    for name, is_interval in (("FrameTime", True), ("ActualFrameDuration", True), ("CineRate", False)):
        value = _number(dataset.get(name)) or 0
        if value > 0 and _usual(rate := 1000 / value if is_interval else value):
            return rate, []
    if _usual(rate := _number(dataset.get("RecommendedDisplayFrameRate")) or 0):
        return rate, ["The frame rate is the recommended display rate; the file gives no frame time."]
    return None, []


def _values(value) -> list:
    if value is None:
        return []
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str | bytes) else [value]


def _usual(value: float) -> bool:
    """Whether a spacing (mm) or a rate (Hz) can be one at all."""
    return 1e-6 < value < 1e6


def _number(value) -> float | None:
    """A finite number, or None: tags of strangers hold anything."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


@contextmanager
def _dicom_errors_named(path) -> Iterator[None]:
    from pydicom.errors import BytesLengthException, InvalidDicomError

    try:
        yield
    except InputError:
        raise
    except InvalidDicomError as error:
        raise bad_file(path, "no DICOM preamble", "a DICOM file") from error
    except (ArithmeticError, AssertionError, AttributeError, BytesLengthException, EOFError, LookupError, MemoryError,
            NotImplementedError, OSError, RuntimeError, TypeError, ValueError, cv2.error, struct.error,
            zlib.error) as error:  # fmt: skip
        # What pydicom and its decoders raise on broken tags and broken pixels.
        reason = str(error).strip().split("\n", 1)[0].rstrip(".")[:200]
        raise bad_file(path, f"a broken DICOM ({reason})", "a whole file", "copy or export it again") from error
