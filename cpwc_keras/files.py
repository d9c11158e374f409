"""Writing so that nothing is ever half-written: beside, then renamed."""

from __future__ import annotations

import errno
import io
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cpwc_keras import __version__
from cpwc_keras.errors import InputError

if TYPE_CHECKING:
    import h5py

try:
    import fcntl
except ImportError:  # Windows, where folders are not locked
    fcntl = None  # type: ignore[assignment]

MADE_WITH = f"cpwc-keras {__version__}"
"""Stands in every file that people may keep without its folder."""

_LOCK = ".cpwc-keras.lock"
_LEFTOVER = re.compile(r"\..+\.(\d+)\.partial(\..+)?")
_DEPTH = 3  # of the folders that a command makes in its own, with one to spare: it may be somebody's home
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)

_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space or choose another output folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another output folder",
    errno.EFBIG: "the file is larger than the file system or your limit allows; choose another output folder",
    errno.EACCES: "permission was denied; choose a folder you may write to",
    errno.EPERM: "permission was denied; choose a folder you may write to",
    errno.EROFS: "the file system is read-only; choose a folder you may write to",
    errno.ENOTDIR: "a part of this path is a file, not a folder; choose another output folder",
    errno.EISDIR: "a folder of that name stands where the file should be; choose another output folder",
    errno.EEXIST: "a file of that name stands where the folder should be; choose another output folder",
    errno.ENAMETOOLONG: "the name is too long for this file system; choose a shorter one",
}


class WriteError(InputError):
    """The operating system's refusal to write, which the next file would meet, too."""


@contextmanager
def write_errors_named(path: str | Path) -> Iterator[None]:
    """Turn the operating system's refusal to write into one sentence about `path`.

    Raises:
        WriteError: the disk is full, the folder is read-only, or the like.
    """
    try:
        yield
    except OSError as error:
        # h5py raises OSError without errno; its message carries the number ("errno = 28").
        number = error.errno or next((n for n in _REMEDIES if f"errno = {n}," in str(error)), None)
        if number not in _REMEDIES:
            raise
        raise WriteError(f"{path}: cannot be written: {_REMEDIES[number]}.") from error


def output_folder(path: str | Path) -> Path:
    """Make the folder (and its parents) and prove that it can be written to, before any long work starts.

    Raises:
        InputError: it cannot be made or written to.
    """
    path = Path(path)
    with write_errors_named(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:  # some file systems make no folders and say it so
            raise InputError(f"{path}: no folder can be made there; choose another output folder.") from error
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"\0")
    return path


@contextmanager
def locked_folder(path: str | Path) -> Iterator[Path]:
    """Make the folder and hold it for this run alone; what a killed run left half-written in it is removed.

    The lock goes with the process, however it ends. Processes forked meanwhile hold it too: start workers with "spawn".
    On file systems that have no locks there is none; whole files are safe all the same, since they are renamed there.

    Yields:
        the folder.

    Raises:
        InputError: another run writes there, or the folder cannot be made or written to.
    """
    folder = output_folder(path)
    descriptor = _lock(folder / _LOCK)
    if descriptor is None:
        yield folder
        return
    try:
        _sweep(folder)
        yield folder
    finally:
        _sweep(folder)  # of this run's own workers, where one was killed
        with suppress(OSError):  # it stays where it is a colleague's; without its holder it keeps nobody out
            (folder / _LOCK).unlink(missing_ok=True)
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove half-written files, but none of another run that holds a folder within this one."""
    for parent, folders, names in os.walk(folder):
        deep = len(Path(parent).relative_to(folder).parts) >= _DEPTH
        within = (name for name in folders if not name.startswith("."))
        folders[:] = [] if deep else [name for name in within if not _is_held(Path(parent, name, _LOCK))]
        for match in filter(None, map(_LEFTOVER.fullmatch, names)):
            if not _is_alive(int(match[1])):  # a notebook may be writing there, too
                with suppress(OSError):  # somebody else's
                    Path(parent, match[0]).unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    """Whether there is a process of this number. Not for Windows, where asking ends it; no lock leads here there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _is_held(path: Path) -> bool:
    """Whether another run has locked this file."""
    try:
        with open(path, "rb+") as file:
            lock_file(file)
    except BlockingIOError:
        return True
    except OSError:  # no such file
        return False
    return False


def lock_file(file: int | io.IOBase, wait: bool = False) -> bool:
    """Lock an open file for this process alone, until it is closed.

    Args:
        file: as `open` or `os.open` gives it, for writing.
        wait: for another process that holds it.

    Returns:
        False where there are no locks: on Windows and some network file systems.

    Raises:
        BlockingIOError: another process holds it, and `wait` is False.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def _lock(path: Path) -> int | None:
    """Open and lock the file; None where the file system has no locks."""
    while True:
        with write_errors_named(path):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            except PermissionError:  # left by a colleague's run; to be locked it need not be written
                descriptor = os.open(path, os.O_RDONLY)
        try:
            locked = lock_file(descriptor)
        except BlockingIOError as error:
            os.close(descriptor)
            found = "another run is writing to this folder; wait for its end or choose another one"
            raise InputError(f"{path.parent}: {found}.") from error
        if locked and _is_file(descriptor, path):
            return descriptor
        os.close(descriptor)  # where it was locked, its former holder has removed it meanwhile: it keeps nobody out
        if not locked:
            path.unlink(missing_ok=True)
            return None


def _is_file(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`; renamed to `path` if the block succeeds, removed if it does not.

    The temporary name keeps the suffix, since many writers choose the format by it. The content is flushed to the disk
    before the rename, so that after a power cut the file is either the old one or the whole new one.

    Raises:
        InputError: the disk is full, the folder is read-only, or the like.
    """
    path = Path(path)
    with write_errors_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.partial{''.join(path.suffixes[-2:])}")
        try:
            yield temporary
            with open(temporary, "rb+") as written:
                os.fsync(written.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def hdf5_in_memory(buffer: io.BytesIO) -> Iterator[h5py.File]:
    """An empty `h5py.File` to fill, whose bytes are in the buffer when the block succeeds; it says what made it.

    Yields:
        the file, open for writing.
    """
    import h5py

    with h5py.File(f"{id(buffer)}", "w", driver="core", backing_store=False) as file:
        file.attrs["made_with"] = MADE_WITH
        yield file
        file.flush()
        buffer.write(file.id.get_file_image())


@contextmanager
def atomic_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """An empty `h5py.File` to fill; written to `path` in one go when the block succeeds.

    It is built in memory: when HDF5 itself meets a full disk, it leaves objects that cannot be closed and crashes the
    interpreter at its end.

    Yields:
        the file, open for writing.

    Raises:
        InputError: as `atomic_path`.
    """
    buffer = io.BytesIO()
    with hdf5_in_memory(buffer) as file:
        yield file
    with atomic_path(path) as beside:
        beside.write_bytes(buffer.getbuffer())
