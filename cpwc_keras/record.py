"""What a result was made with, in the place that its format has for it, and JSON that any reader understands."""

from __future__ import annotations

import json
import math
import os
import platform
import struct
import zlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from cpwc_keras.files import MADE_WITH, atomic_path

_PACKAGES = ("cpwc-keras", "keras", "tensorflow", "jax", "numpy", "numba", "opencv-python-headless", "pydicom")


def versions() -> dict[str, str]:
    """Name → version of Python and of every installed package that results depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def marked_picture(picture: bytes) -> bytes:
    """The same picture with a line that says what made it: a PNG's "Software", a JPEG's comment.

    Args:
        picture: the file's content, as an encoder gives it.
    """
    text = MADE_WITH.encode()
    if picture.startswith(b"\x89PNG"):
        content, end = b"tEXtSoftware\0" + text, 33  # behind the header, which is of fixed length and comes first
        mark = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    elif picture.startswith(b"\xff\xd8\xff\xe0"):
        end = 4 + int.from_bytes(picture[4:6])  # behind JFIF's header, which comes first
        mark = b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text
    else:
        raise ValueError("neither a PNG nor a JPEG with JFIF's header")
    return picture[:end] + mark + picture[end:]


def figure_metadata(suffix: str) -> dict[str, str] | None:
    """What Matplotlib's ``savefig(metadata=…)`` takes to say what made a figure; None for formats without a place.

    Args:
        suffix: of the file, such as ".png".
    """
    keys = {".png": "Software"} | dict.fromkeys((".pdf", ".svg", ".ps", ".eps"), "Creator")
    key = keys.get(suffix.lower())
    return None if key is None else {key: MADE_WITH}


def write_json(path: str | Path, content: dict) -> None:
    """Write a JSON file (`json_text`), whole or not at all.

    Args:
        path: of the file.
        content: as for `json_text`.

    Raises:
        InputError: the file cannot be written.
        TypeError: as `json_text`.
    """
    text = json_text(content)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def json_text(content: dict) -> str:
    """JSON for people and programs: indented, in UTF-8, with a newline at its end.

    NaN and infinity, which JSON does not know, become null; paths become strings.

    Args:
        content: dictionaries, lists, tuples, strings, numbers (NumPy's too), booleans, None and paths.

    Raises:
        TypeError: the content holds anything else.
    """
    return json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value):
    """The value in the types of JSON."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return os.fspath(value) if isinstance(value, os.PathLike) else value
