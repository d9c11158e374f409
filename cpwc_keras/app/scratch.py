"""The folder in which a page keeps what visitors bring: gone when the page ends, or when the next one starts."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cpwc_keras.files import lock_file

LOCK = "serving.lock"
_PREFIX = "cpwc-keras-app-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for this user alone, deleted when the block ends. First, those of pages that were killed are deleted.

    The lock in it, which goes with the process, says that somebody serves from it. It is the last to be deleted, so
    that a page which is killed while it deletes leaves nothing that the next one would not find.
    """
    remove_leftovers()
    root, lock = _locked_folder()
    try:
        yield root
    finally:
        _delete(root)
        lock.close()


def remove_leftovers() -> None:
    """Delete what pages that were killed have left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            with open(folder / LOCK, "rb+") as lock:
                if lock_file(lock):  # nobody serves from it
                    _delete(folder)
        except FileNotFoundError:  # killed before anything was in it; or being made just now, and then made anew
            with suppress(OSError):
                folder.rmdir()
        except OSError:  # served by another process, or another user's
            continue


def _locked_folder() -> tuple[Path, io.BufferedWriter]:
    """A new folder and its lock. Another page that starts may take it for a leftover until it is locked."""
    while True:
        root = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            lock = open(root / LOCK, "xb")  # noqa: SIM115 (held as long as the page is served)
        except FileNotFoundError:
            continue
        try:
            held = not lock_file(lock) or os.path.samestat(os.fstat(lock.fileno()), os.stat(root / LOCK))
        except (BlockingIOError, FileNotFoundError):
            held = False
        if held:  # or there are no locks here, and nobody sweeps
            return root, lock
        lock.close()


def _delete(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name != LOCK:
            with suppress(OSError):
                entry.unlink()
    shutil.rmtree(folder, ignore_errors=True)
