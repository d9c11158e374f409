"""What a result was made with, and JSON that any reader understands."""

from __future__ import annotations

import json
import math
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from cpwc_keras.files import atomic_path

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
