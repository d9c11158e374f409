"""A file as HDF5 may see it: looked through for what HDF5 does not survive."""

from __future__ import annotations

import atexit
import io
import struct
from io import BufferedReader
from pathlib import Path
from weakref import WeakSet

import h5py

from cpwc_keras.errors import bad_file

_HEAP = b"GCOL\1"
_BLOCK = 2**20
_MOST_TEXTS = 200_000
_OPEN: WeakSet[h5py.File] = WeakSet()


class GuardedFile(io.RawIOBase):
    """A file that gives HDF5 no global heap in which it would go round in circles, for `opened`.

    Such a heap holds texts and is a list of lengths. HDF5 1.14 steps from one to the next without asking whether a
    length is 0, or becomes 0 by overflow, and then never returns. Each block is looked through before the first byte
    of it is given away, so that a header costs little, however large the file.

    Args:
        file: open for reading.
        size: in bytes.
    """

    def __init__(self, file: BufferedReader, size: int):
        super().__init__()
        self._file, self._size, self._at = file, size, 0
        self._seen: set[int] = set()
        self._texts, self._sound = 0, True

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer) -> int:
        """Fill the buffer; with zeros, which are no HDF5, from where the file ends or if it has an unsound heap.

        An exception would have to find its way through HDF5's own code.
        """
        view = memoryview(buffer).cast("B")
        start, end = self._at, min(self._at + len(view), self._size)
        for block in range(start // _BLOCK, -(-end // _BLOCK)):
            if self._sound and block not in self._seen:
                self._seen.add(block)
                self._look_through(block * _BLOCK)
        count = 0
        if self._sound and start < end:
            self._file.seek(start)
            count = self._file.readinto(view[: end - start])
        view[count:] = bytes(len(view) - count)
        self._at = start + len(view)
        return len(view)

    def look_through_all(self):
        """Notice unsound heaps anywhere in the file, for who reads it otherwise."""
        for start in range(0, self._size, _BLOCK):
            self._look_through(start)

    def _look_through(self, start: int):
        """Notice those that begin in a block."""
        self._file.seek(start)
        block = self._file.read(_BLOCK + len(_HEAP) - 1)
        at = block.find(_HEAP)
        while at >= 0 and self._sound:
            self._sound = self._sound_heap(start + at)
            at = block.find(_HEAP, at + 1)

    def require_sound(self, path: str | Path):
        """Raise if anything unsound has been met.

        Raises:
            InputError: a heap without end.
        """
        if not self._sound:
            raise bad_file(path, "a broken list of texts", "a whole HDF5 file", "copy it again")

    def _sound_heap(self, start: int) -> bool:
        end = start + struct.unpack("<8xQ", self._exactly(start, 16))[0]
        if end > self._size:
            return True  # HDF5 notices by itself
        at = start + 16
        while at + 16 <= end:
            index, length = struct.unpack("<H6xQ", self._exactly(at, 16))
            step = 16 + -(-length // 8) * 8 if index else length
            self._texts += 1
            if not 16 <= step <= end - at or self._texts > _MOST_TEXTS:
                return False
            at += step
        return True

    def _exactly(self, start: int, count: int) -> bytes:
        self._file.seek(start)
        return self._file.read(count).ljust(count, b"\xff")


def opened(guarded: GuardedFile) -> h5py.File:
    """Open it for reading, leaving nothing that HDF5 would close after Python's end: the interpreter would crash there.

    Args:
        guarded: to be kept until the file is closed.
    """
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    try:
        access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
        access.set_fileobj_driver(h5py.h5fd.fileobj_driver, guarded)
        file = h5py.File(h5py.h5f.open(b"guarded", h5py.h5f.ACC_RDONLY, access))
    finally:
        access.close()  # or a traceback that somebody keeps would keep it
    _OPEN.add(file)
    return file


@atexit.register
def _close_all() -> None:
    for file in list(_OPEN):  # read by threads that did not end, or generators that nobody went on with
        file.close()
