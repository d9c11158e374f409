"""Reading HDF5 of strangers: a file may lie, lead to other files, or unpack to far more than it holds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.io.guarded_file import GuardedFile, opened
from cpwc_keras.io.input_file import open_input

_DEFLATE_LIMIT = 1100  # deflate never compresses better than about 1032:1
_MOST_BYTES = 2**33
_MOST_UNWRITTEN = 2**29
"""Bytes of a dataset that a file need not hold: HDF5 makes them from a fill value where nothing was written."""
_MOST_CHUNKS = 2**16  # HDF5 1.14 takes 4 kB of memory for each one, written or not
_SIZES = (8, 8)
_LEAST_CHUNK = 5  # a checksum of four bytes, and what it is of
_DEEPEST, _MOST_MEMBERS = 16, 10_000
_CHUNK_BYTES = 2**28
"""A chunk is unpacked whole, even where it is larger than its dataset."""


@contextmanager
def open_hdf5(path: str | Path, kind: str, remedy: str = "", named: str | Path | None = None) -> Iterator[h5py.File]:
    """Open a file for reading; whatever HDF5 makes of a broken one, then or later, is one sentence.

    Args:
        path: the file.
        kind: what it should be, for the message.
        remedy: what to do about a broken one, as for `bad_file`.
        named: what messages name in its place.

    Raises:
        InputError: missing, no ordinary file, or broken.
    """
    with open_input(path) as (plain, size):
        guarded, path = GuardedFile(plain, size), named or path
        try:
            with opened(guarded) as file:
                _require_usual_sizes(path, file, kind)
                yield file
        except InputError:
            raise
        except (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, TypeError,
                ValueError) as error:  # fmt: skip
            guarded.require_sound(path)
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise bad_file(path, f"a broken file ({reason})", kind, remedy) from error
        guarded.require_sound(path)


def _require_usual_sizes(path: str | Path, file: h5py.File, kind: str) -> None:
    """Raise where lengths have other than eight bytes: a heap would be another list than the one looked through."""
    if file.id.get_create_plist().get_sizes() != _SIZES:
        raise bad_file(path, "HDF5 with lengths of unusual size", kind, "write it again with the usual settings")


def require_harmless(path: str | Path, kind: str, within: str | Path | None = None) -> None:
    """Raise unless a library may read a file that asks nothing: neither of heaps nor of what lies elsewhere.

    Args:
        path: the file.
        kind: what it should be, for the message.
        within: the archive that it was taken out of, which messages name in its place.

    Raises:
        InputError: as `open_hdf5` and `require_own`.
    """
    with open_input(path) as (plain, size):
        guarded = GuardedFile(plain, size)
        guarded.look_through_all()
        guarded.require_sound(within or path)
    with open_hdf5(path, kind, named=within) as file:
        require_own(within or path, file, kind)


def own_object(file: h5py.Group, name: str) -> h5py.Dataset | h5py.Group | None:
    """What lies in this very file under a name, which may be a path ("a/b"); None where nothing does.

    Links are not followed, nor asked whether they lead anywhere: that opens the file they lead to.
    """
    found = file
    for part in name.split("/"):
        if not isinstance(found, h5py.Group) or not found.id.links.exists(part.encode()):
            return None
        if found.id.links.get_info(part.encode()).type != h5py.h5l.TYPE_HARD:
            return None
        found = found[part]
    return found if isinstance(found, h5py.Dataset | h5py.Group) else None


def own_dataset(path, file: h5py.Group, name: str, kind: str = "a sequence file") -> h5py.Dataset:
    """A dataset that lies in this very file: links and storage elsewhere are not followed.

    Args:
        path: of the file, for messages.
        file: open, or a group of it.
        name: of the dataset.
        kind: what the file should be, for messages.

    Raises:
        InputError: it is not there, or elsewhere.
    """
    if not file.id.links.exists(name.split("/")[0].encode()):
        raise bad_file(path, f"no dataset {name!r}", kind)
    dataset = own_object(file, name)
    if dataset is None:
        raise bad_file(path, f"a link in place of {name!r}", "data within the file")
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise bad_file(path, f"{name!r} stored elsewhere", "data within the file")
    return dataset


def load_dataset(path, file: h5py.Group, name: str, dtype: type | None, kind: str = "a sequence file") -> np.ndarray:
    """The array of `own_dataset`, unless the file is too small to hold it.

    Args:
        path: of the file, for messages.
        file: open, or a group of it.
        name: of the dataset.
        dtype: its type; None takes any real numbers.
        kind: what the file should be, for messages.

    Raises:
        InputError: as `own_dataset`; or it is of another type, or claims more than its bytes can hold.
    """
    dataset = own_dataset(path, file, name, kind)
    if dataset.dtype != np.dtype(dtype) if dtype is not None else dataset.dtype.kind not in "iuf":
        raise bad_file(path, f"{name!r} of type {dataset.dtype}", str(np.dtype(dtype)) if dtype else "real numbers")
    _require_room(path, name, dataset)
    return dataset[()]


def scale_and_rate(path, file: h5py.File) -> tuple[tuple[float, float] | None, float | None]:
    """``spacing_mm`` (row, column) and ``frame_rate_hz`` of a file of this project; None where it has none.

    Raises:
        InputError: they are not positive numbers.
    """
    spacing, rate = file.attrs.get("spacing_mm"), file.attrs.get("frame_rate_hz")
    if spacing is not None and (np.shape(spacing) != (2,) or not all(0 < float(s) < np.inf for s in spacing)):
        raise bad_file(path, f"spacing_mm {spacing}", "two positive numbers (row, column)")
    if rate is not None and not 0 < float(rate) < np.inf:
        raise bad_file(path, f"frame_rate_hz {rate}", "a positive number")
    scale = None if spacing is None else (float(spacing[0]), float(spacing[1]))
    return scale, None if rate is None else float(rate)


def require_own(path, group: h5py.Group, kind: str, depth: int = 0) -> None:
    """Raise unless all that lies in a group lies in this very file, before a library reads it that asks nothing.

    Args:
        path: of the file, for messages.
        group: of the file.
        kind: what the file should be, for messages.
        depth: of the group.

    Raises:
        InputError: it holds links, storage elsewhere or claims that its bytes cannot hold; or groups without end.
    """
    if depth > _DEEPEST or len(group) > _MOST_MEMBERS:
        raise bad_file(path, "groups without end", kind)
    for name in group:
        found = own_object(group, name)
        if isinstance(found, h5py.Group):
            require_own(path, found, kind, depth + 1)
        else:
            _require_room(path, name, own_dataset(path, group, name, kind))


def _require_room(path, name: str, dataset: h5py.Dataset) -> None:
    """Raise where a dataset claims more than its bytes can hold; what was never written needs none, up to a limit."""
    stored = min(dataset.id.get_storage_size(), dataset.file.id.get_filesize())
    most = stored or _MOST_UNWRITTEN
    too_few = bad_file(path, f"{stored:,} bytes of {name!r}", f"enough for shape {dataset.shape}", "write it again")
    if dataset.chunks:
        most = max(stored * _DEFLATE_LIMIT, _MOST_UNWRITTEN)
        chunk = math.prod(dataset.chunks) * dataset.dtype.itemsize
        if dataset.id.get_num_chunks() * chunk > stored * _DEFLATE_LIMIT or chunk > max(
            _CHUNK_BYTES, 2 * dataset.nbytes
        ):
            raise too_few
        count = math.prod(-(-side // step) for side, step in zip(dataset.shape, dataset.chunks, strict=True))
        if count > _MOST_CHUNKS:
            raise bad_file(path, f"{name!r} in {count:,} chunks", f"at most {_MOST_CHUNKS:,}", "write larger ones")
        if not _sound_chunks(dataset):
            raise bad_file(path, f"a broken chunk of {name!r}", "whole data", "copy it again")
    if dataset.nbytes > min(most, _MOST_BYTES):
        raise too_few


def _sound_chunks(dataset: h5py.Dataset) -> bool:
    """Whether each chunk has bytes within the file: HDF5 1.14 crashes on a checksum that has nothing before it."""
    size = dataset.file.id.get_filesize()
    whole = math.prod(dataset.chunks) * dataset.dtype.itemsize
    filtered = dataset.id.get_create_plist().get_nfilters() > 0
    broken = []

    def ask(chunk):
        least = _LEAST_CHUNK if filtered and not chunk.filter_mask else whole  # a filter that gains nothing is left out
        if chunk.size < least or chunk.byte_offset is None or chunk.byte_offset + chunk.size > size:
            broken.append(chunk)

    dataset.id.chunk_iter(ask)
    return not broken
