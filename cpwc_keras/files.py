"""Writing so that nothing is ever half-written: beside, then renamed."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cpwc_keras.errors import InputError

_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space or choose another output folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another output folder",
    errno.EACCES: "permission was denied; choose a folder you may write to",
    errno.EPERM: "permission was denied; choose a folder you may write to",
    errno.EROFS: "the file system is read-only; choose a folder you may write to",
    errno.ENOTDIR: "a part of this path is a file, not a folder; choose another output folder",
    errno.EISDIR: "a folder of that name stands where the file should be; choose another output folder",
    errno.EEXIST: "a file of that name stands where the folder should be; choose another output folder",
    errno.ENAMETOOLONG: "the name is too long for this file system; choose a shorter one",
}


@contextmanager
def write_errors_named(path: str | Path) -> Iterator[None]:
    """Turn the operating system's refusal to write into one sentence about `path`.

    Raises:
        InputError: the disk is full, the folder is read-only, or the like.
    """
    try:
        yield
    except OSError as error:
        # h5py raises OSError without errno; its message carries the number ("errno = 28").
        number = error.errno or next((n for n in _REMEDIES if f"errno = {n}," in str(error)), None)
        if number not in _REMEDIES:
            raise
        raise InputError(f"{path}: cannot be written: {_REMEDIES[number]}.") from error


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
def atomic_hdf5(path: str | Path):
    """An empty `h5py.File` to fill; written to `path` in one go when the block succeeds.

    It is built in memory: when HDF5 itself meets a full disk, it leaves objects that cannot be closed and crashes the
    interpreter at its end.

    Yields:
        the file, open for writing.

    Raises:
        InputError: as `atomic_path`.
    """
    import h5py

    with h5py.File(str(path), "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    with atomic_path(path) as beside:
        beside.write_bytes(image)
