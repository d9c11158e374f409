"""The parts CAMUS and TED share: gray loops, masks of four labels, and the cfg beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpwc_keras.errors import bad_file
from cpwc_keras.io.input_file import open_input
from cpwc_keras.io.medical import gray_frames, read_image_stack
from cpwc_keras.types import ATRIUM


@dataclass(frozen=True)
class Info:
    """What a cfg says.

    Attributes:
        ed: index of the end-diastolic frame, from 0, or None.
        es: index of the end-systolic frame, from 0, or None.
        frame_rate_hz: frames a second, or None.
    """

    ed: int | None = None
    es: int | None = None
    frame_rate_hz: float | None = None

    def checked(self, path: Path, n_frames: int) -> Info:
        """The same, once both instants are known to lie within the `n_frames` of `path`.

        Raises:
            InputError: one does not.
        """
        for name, instant in (("ED", self.ed), ("ES", self.es)):
            if instant is not None and not 0 <= instant < n_frames:
                raise bad_file(path, f"{n_frames} frames", f"frame {instant + 1}, which its cfg names as {name}")
        return self


def read_info(path: Path) -> Info:
    """Read a cfg of "name: value" lines; its frames count from 1. A file that is not there says nothing.

    Raises:
        InputError: ED, ES or FrameRate is not a number.
    """
    if not path.is_file():
        return Info()
    with open_input(path) as (file, _):
        text = file.read(1 << 16).decode("utf-8", errors="replace")
    fields = {name.lower(): value for name, value in re.findall(r"^\s*(\w+)\s*:[ \t]*(\S+)", text, flags=re.MULTILINE)}
    try:
        ed, es = (int(fields[name]) - 1 if name in fields else None for name in ("ed", "es"))
        rate = float(fields["framerate"]) if "framerate" in fields else None
    except ValueError as error:
        raise bad_file(path, str(error), "whole numbers for ED and ES and a number for FrameRate") from error
    return Info(ed, es, rate if rate is not None and 0 < rate < float("inf") else None)


def read_loop(path: Path) -> tuple[np.ndarray, tuple[float, float] | None]:
    """Read the frames (T, H, W) float32 in [0, 1] and their spacing (row_mm, col_mm).

    Raises:
        InputError: missing, broken, or not 8-bit gray levels.
    """
    array, spacing_mm, _ = read_image_stack(path)
    return gray_frames(path, array), spacing_mm


def read_labels(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read a mask of the given shape (T, H, W) as uint8: 0 background, 1 cavity, 2 myocardium, 3 atrium.

    Raises:
        InputError: missing, broken, of another shape, or with other values.
    """
    array, _, _ = read_image_stack(path)
    if array.shape != tuple(shape):
        raise bad_file(path, f"a mask of shape {array.shape}", f"{tuple(shape)} as its image has")
    labels = array.astype(np.uint8)
    if not (labels == array).all() or labels.max() > ATRIUM:
        raise bad_file(path, f"values up to {array.max():g}", f"whole labels from 0 to {ATRIUM}")
    return labels
