"""Opening what the user named, so that a missing or forbidden file is one sentence."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from cpwc_keras.errors import InputError, bad_file

_NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # Windows has none


@contextmanager
def open_input(path: str | Path) -> Iterator[tuple[BufferedReader, int]]:
    """Open a file for reading bytes; yields it with its size in bytes.

    Raises:
        InputError: it does not exist, is a folder, a pipe or a device, or may not be read.
    """
    try:
        # A pipe is opened without waiting for the one who writes to it; it is refused below.
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | _NONBLOCK))  # noqa: SIM115
    except (OSError, ValueError) as error:  # the latter for a name with a null character
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        if getattr(error, "errno", None) == errno.ENXIO:
            reason = "no ordinary file"
        raise InputError(f"{path}: cannot be opened ({reason}); check the name and its permissions.") from error
    with file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):  # a pipe would never end, nor would /dev/zero
            raise InputError(f"{path}: cannot be opened (no ordinary file); save what it gives as a file first.")
        yield file, status.st_size


def require_file(path: str | Path) -> None:
    """Raise unless there is an ordinary file that may be read, before a library is asked to open it.

    Raises:
        InputError: as `open_input`.
    """
    with open_input(path):
        pass


def read_text(path: str | Path, expected: str, max_bytes: int, remedy: str = "") -> str:
    """The text of a small file in UTF-8.

    Args:
        path: the file.
        expected: what it should be, for the message.
        max_bytes: what is larger is not read.
        remedy: as for `bad_file`.

    Raises:
        InputError: it cannot be opened, is too large, or is no text.
    """
    with open_input(path) as (file, size):
        if size > max_bytes:
            raise bad_file(path, f"{size:,} bytes", f"{expected} of at most {max_bytes:,}", remedy)
        try:
            return file.read(max_bytes).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise bad_file(path, "no text in UTF-8", expected, remedy) from error


def read_json(path: str | Path, expected: str, max_bytes: int = 16 << 20, remedy: str = ""):
    """The content of a JSON file.

    Args:
        path: the file.
        expected: what it should be, for the message.
        max_bytes: what is larger is not read.
        remedy: as for `bad_file`.

    Raises:
        InputError: as `read_text`, or it is no JSON.
    """
    text = read_text(path, expected, max_bytes, remedy)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise bad_file(path, f"no valid JSON ({_json_fault(text, error)})", expected, remedy) from error


def _json_fault(text: str, error: ValueError | RecursionError) -> str:
    """Where JSON ends to be any, and what should be there."""
    if not text.strip():
        return "an empty file"
    if isinstance(error, RecursionError):
        return "lists within lists without end"
    if not isinstance(error, json.JSONDecodeError):
        return "a number of thousands of digits"
    fault = error.msg[:1].lower() + error.msg[1:].removesuffix(" at").removesuffix(" starting")
    if fault.startswith("expecting"):
        fault += f", found {error.doc[error.pos]!r}" if error.pos < len(error.doc) else ", found the end of the file"
    return f"line {error.lineno}, column {error.colno}: {fault}"


def sha256(path: str | Path) -> str:
    """SHA-256 of a file, read in pieces.

    Raises:
        InputError: it cannot be opened.
    """
    with open_input(path) as (file, _):
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_state(path: str | Path) -> tuple[int, int] | None:
    """Time of the last change (ns) and size (bytes) of a file, by which one that has changed is known; None: gone."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size
