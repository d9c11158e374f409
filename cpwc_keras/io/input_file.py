"""Opening what the user named, so that a missing or forbidden file is one sentence."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cpwc_keras.errors import InputError


@contextmanager
def open_input(path: str | Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file for reading bytes; yields it with its size in bytes.

    Raises:
        InputError: it does not exist, is a folder, or may not be read.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115 (closed below; only the opening may fail here)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path}: cannot be opened ({reason}); check the name and its permissions.") from error
    with file:
        yield file, os.fstat(file.fileno()).st_size


def sha256(path: str | Path) -> str:
    """SHA-256 of a file, read in pieces.

    Raises:
        InputError: it cannot be opened.
    """
    with open_input(path) as (file, _):
        return hashlib.file_digest(file, "sha256").hexdigest()
