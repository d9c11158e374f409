"""The one exception that means "your input, not our code"."""

from __future__ import annotations

from pathlib import Path


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence a stranger can act on. The command line prints it without a traceback and exits with 2.
    """


def bad_file(path: str | Path, found: str, expected: str, remedy: str = "") -> InputError:
    """An `InputError` that names the file, what was found, what was expected and what to do.

    Args:
        path: the file or folder.
        found: what is there, as a noun or clause ("3 bytes", "no `.flo` files").
        expected: what should be there.
        remedy: what the user can do about it, as an imperative clause without a full stop; may be empty.
    """
    ending = f"; {remedy}" if remedy else ""
    return InputError(f"{path}: found {found}, expected {expected}{ending}.")
