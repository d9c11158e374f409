"""Opens any cine loop."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.io.input_file import file_state
from cpwc_keras.types import CineLoop

SEQUENCE_SUFFIXES = (".h5", ".hdf5")

_STILL_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_NO_STILL = "export the loop, since a still has no motion to follow"


def read(
    path: str | Path,
    spacing_mm: tuple[float, float] | None = None,
    frame_rate_hz: float | None = None,
    view: str | None = None,
) -> CineLoop:
    """Read a cine loop: DICOM, NIfTI, MetaImage, video, GIF, or the project's own sequence file.

    DICOM is known by its content, whatever its name; the others by their suffix.

    Args:
        path: the file.
        spacing_mm: (row_mm, col_mm) of a pixel, where the file does not say or is wrong.
        frame_rate_hz: frames a second, likewise.
        view: "A2C", "A3C" or "A4C", likewise.

    Returns:
        the loop, with one sentence in `notes` for everything that had to be assumed.

    Raises:
        InputError: missing, broken, of no known format, a single frame, or a spacing or rate that is not positive.
    """
    for name, values in (("spacing", spacing_mm), ("frame rate", None if frame_rate_hz is None else (frame_rate_hz,))):
        if values is not None and not all(math.isfinite(value) and value > 0 for value in values):
            raise InputError(f"The {name} must be positive, got {' '.join(f'{value:g}' for value in values)}.")
    state = file_state(path)
    loop = replace(_open(Path(path)), source_state=state)
    if len(loop) < 2:
        raise bad_file(path, "a single frame", "a cine loop of two frames or more", _NO_STILL)
    notes = loop.notes
    if spacing_mm is not None:
        spacing = (float(spacing_mm[0]), float(spacing_mm[1]))
        loop = replace(loop, spacing_mm=spacing)
        notes = (*(note for note in notes if "spacing" not in note), f"The spacing {_times(spacing)} mm was given.")
    elif loop.spacing_mm is None:
        notes = (*notes, "The pixel spacing is unknown: lengths are in pixels, which are taken to be square.")
    if frame_rate_hz is not None:
        loop = replace(loop, frame_rate_hz=float(frame_rate_hz))
        notes = (*(note for note in notes if "frame rate" not in note), f"The rate {frame_rate_hz:g} Hz was given.")
    elif loop.frame_rate_hz is None:
        notes = (*notes, "The frame rate is unknown: time is counted in frames.")
    return replace(loop, notes=notes, view=loop.view if view is None else view)


def _open(path: Path) -> CineLoop:
    # Each reader brings heavy libraries; only the one that is needed is loaded.
    from cpwc_keras.io.dicom import is_dicom

    if path.is_dir():
        from cpwc_keras.io.folders import loop_within

        raise bad_file(path, "a folder", "one file with a cine loop", loop_within(path, SEQUENCE_SUFFIXES))
    name = path.name.lower()
    if is_dicom(path) or name.endswith((".dcm", ".dicom")):
        from cpwc_keras.io.dicom import read_dicom

        return read_dicom(path)
    if name.endswith(SEQUENCE_SUFFIXES):
        from cpwc_keras.io.sequence_file import read_sequence

        return read_sequence(path).loop
    from cpwc_keras.io.medical import MEDICAL_SUFFIXES, read_image_stack

    if name.endswith(MEDICAL_SUFFIXES):
        array, spacing, frame_time_s = read_image_stack(path)
        rate = 1 / frame_time_s if frame_time_s else None
        return CineLoop(_unit_range(path, array), spacing, rate, source=str(path))
    from cpwc_keras.io.video import VIDEO_SUFFIXES, read_video

    if name.endswith(VIDEO_SUFFIXES):
        return read_video(path)
    if name.endswith(_STILL_SUFFIXES):
        raise bad_file(path, "a still image", "a cine loop of two frames or more", _NO_STILL)
    known = ", ".join((".dcm", *MEDICAL_SUFFIXES, *VIDEO_SUFFIXES, *SEQUENCE_SUFFIXES))
    raise bad_file(path, f"the suffix {path.suffix!r} and no DICOM preamble", f"a cine loop ({known})")


def _unit_range(path: Path, array: np.ndarray) -> np.ndarray:
    """Frames in [0, 1]: fractions stay as they are, 8-bit levels are divided by 255."""
    from cpwc_keras.io.medical import gray_frames

    if np.issubdtype(array.dtype, np.floating) and array.min() >= 0 and array.max() <= 1:
        return array.astype(np.float32)
    return gray_frames(path, array)


def _times(spacing: tuple[float, float]) -> str:
    return f"{spacing[0]:g} × {spacing[1]:g}"
