"""NIfTI and MetaImage (MHD) cine loops.

SimpleITK reads truncated NIfTI files without a word, so the header's claims are compared with the bytes at hand before
anything is allocated or decoded. MetaImage is read by `cpwc_keras.io.metaimage`.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.io.input_file import open_input
from cpwc_keras.io.metaimage import read_metaimage, read_metaimage_header
from cpwc_keras.io.sector import require_moderate

METAIMAGE_SUFFIXES = (".mhd", ".mha")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
MEDICAL_SUFFIXES = METAIMAGE_SUFFIXES + NIFTI_SUFFIXES
_BEYOND_BYTES = 1 << 24  # a header, its extensions and a little more than the pixels may be in a stream, no more
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R 601
_TIME_UNITS = (8, 16, 24)  # NIfTI's codes of seconds, milliseconds, microseconds; ITK converts all to seconds


def read_image_stack(path: str | Path) -> tuple[np.ndarray, tuple[float, float] | None, float | None]:
    """Read a still image or a cine loop.

    Both formats store [x, y(, t)]; the result is [t, row, column], so that an echo of CAMUS stands upright with the
    apex on top. Four axes [x, y, 1, t] are taken as a loop as well.

    Returns:
        frames: (T, H, W) in the type of the file; colour as float32 luma (ITU-R 601).
        spacing_mm: (row_mm, col_mm), or None where the file gives none or 1 × 1, which is what writers put when they
            do not know; no echo has pixels of a whole millimetre.
        frame_time_s: seconds between frames where the file has a time axis with a unit, else None. The third
            spacing of [x, y, t] files has no unit (CAMUS and TED write 1) and is not taken for a time.

    Raises:
        InputError: missing, truncated, a volume, or not one of these formats.
    """
    path = Path(path)
    size, channels = _header(path)
    array, spacing, frame_time_s = _read_metaimage(path) if _is_metaimage(path) else _read_nifti(path)
    if channels == 3:
        array = array.astype(np.float32) @ _LUMA
    elif channels != 1 or np.iscomplexobj(array):
        raise bad_file(path, f"{channels} channels of {array.dtype}", "one gray channel or three of colour")
    known = spacing is not None and tuple(spacing[:2]) != (1, 1) and all(0 < s < math.inf for s in spacing[:2])
    spacing_mm = (float(spacing[1]), float(spacing[0])) if known else None
    return array.reshape(-1, size[1], size[0]), spacing_mm, frame_time_s


def stack_length(path: str | Path) -> int:
    """The number of frames that `read_image_stack` will return, from the header alone.

    Raises:
        InputError: missing, without a header, a volume, or not one of these formats.
    """
    size, _ = _header(Path(path))
    return math.prod(size[2:])


def gray_frames(path: str | Path, array: np.ndarray) -> np.ndarray:
    """Frames of an 8-bit echo, whatever type they were stored in, as float32 in [0, 1].

    Raises:
        InputError: values outside 0-255, or NaN.
    """
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 255):
        raise bad_file(path, f"values from {low:g} to {high:g}", "gray levels from 0 to 255")
    return array.astype(np.float32) / np.float32(255)


def _is_metaimage(path: Path) -> bool:
    return path.name.lower().endswith(METAIMAGE_SUFFIXES)


def _header(path: Path) -> tuple[tuple[int, ...], int]:
    """Size along x, y and further axes, and the number of channels, of a still image or loop."""
    if _is_metaimage(path):
        header = read_metaimage_header(path)
        size, channels = header.size, header.channels
    elif path.name.lower().endswith(NIFTI_SUFFIXES):
        with _itk_errors_named(path):
            reader = _nifti_reader(path)
        size, channels = reader.GetSize(), reader.GetNumberOfComponents()
    else:
        raise bad_file(path, f"the suffix {path.suffix!r}", f"one of {', '.join(MEDICAL_SUFFIXES)}")
    if len(size) < 2 or min(size) < 1 or sum(n > 1 for n in size[2:]) > 1:
        found = f"an image of {' × '.join(map(str, size)) or 'no'} pixels"
        raise bad_file(path, found, "a still image [x, y] or a cine loop [x, y, t]")
    return size, channels


def _read_metaimage(path: Path):
    array, header = read_metaimage(path)
    return array, header.spacing, None


def _read_nifti(path: Path):
    import SimpleITK as sitk

    with _itk_errors_named(path):
        reader = _nifti_reader(path)
        size, channels = reader.GetSize(), reader.GetNumberOfComponents()
        pixel = sitk.Image([1] * len(size), reader.GetPixelID(), channels)
        claimed = math.prod(size) * channels * pixel.GetSizeOfPixelComponent()
        stored = _nifti_bytes(path, math.prod(size) * channels, claimed)
        if claimed > stored:
            expected = f"{claimed:,} bytes for {' × '.join(map(str, size))} pixels"
            raise bad_file(path, f"{stored:,} bytes of pixels", expected, "copy it again")
        image = reader.Execute()
    spacing, frame_time_s = image.GetSpacing(), None
    if len(size) > 3 and int(float(image.GetMetaData("xyzt_units"))) & 0x38 in _TIME_UNITS:
        frame_time_s = float(spacing[3]) if 0 < spacing[3] < math.inf else None
    return sitk.GetArrayFromImage(image), spacing, frame_time_s


def _nifti_reader(path: Path):
    """A SimpleITK reader that has read the header; no pixels are touched."""
    import SimpleITK as sitk

    with open_input(path):
        pass  # a missing file is named here; ITK's words for it are long
    try:
        str(path).encode()
    except UnicodeEncodeError as error:  # SimpleITK ends the interpreter
        raise InputError(f"{path}: this name is not in UTF-8; rename it.") from error
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # ITK's notes on affine headers, which play no part here
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NiftiImageIO")
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return reader


def _nifti_bytes(path: Path, pixels: int, claimed: int) -> int:
    """Bytes of pixel data behind the header; a gzip stream is read through once, in pieces, to its checksum, or until
    there is far more than is claimed.
    """
    with open_input(path) as (file, size):
        magic = file.read(2)
        file.seek(0)
        if magic == b"\x1f\x8b":
            require_moderate(path, pixels, size)
            try:
                with gzip.open(file) as stream:
                    size = 0
                    while size < claimed + _BEYOND_BYTES and (piece := stream.read(1 << 20)):
                        size += len(piece)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise bad_file(
                    path, "a gzip stream that breaks off", "a whole .nii.gz file", "copy it again"
                ) from error
    return max(size - 352, 0)


@contextmanager
def _itk_errors_named(path: Path) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().rsplit("\n", 1)[-1].strip()
        raise bad_file(path, f"a file that cannot be read ({reason})", "a whole NIfTI file", "copy it again") from error
