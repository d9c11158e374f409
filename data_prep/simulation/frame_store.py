"""Finished frames of a sequence that is still being simulated, on the disk: a killed run goes on after them."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from cpwc_keras.files import lock_file, write_errors_named

_MAGIC = b"cpwc-keras frames 1\n"


class FrameStore:
    """A list of arrays of one shape, appended one at a time, kept in a file if there is one.

    The file is a header of `_MAGIC`, the digest of `key` and the size of an array, then each array's bytes with their
    checksum. Whatever does not fit (another key, a broken end) is cut off when the file is opened, so that it may have
    been killed at any time. Use as a context manager.

    Args:
        path: of the file; None: kept in memory only.
        key: all that decides what the arrays hold; a file with another key is begun anew.
        shape: of each array, uint8.

    Raises:
        WriteError: the file cannot be written.
    """

    def __init__(self, path: Path | None, key: bytes, shape: tuple[int, ...]):
        self._path, self._shape = path, shape
        self._arrays: list[np.ndarray] = []
        self._file: Any = None  # opened on entry
        self._header = _MAGIC + hashlib.sha256(key + repr(shape).encode()).digest() + struct.pack("<Q", self._size)

    @property
    def _size(self) -> int:
        return int(np.prod(self._shape))

    def __enter__(self) -> FrameStore:
        if self._path is None:
            return self
        with write_errors_named(self._path):
            self._file = open(self._path, "a+b", buffering=0)
            lock_file(self._file, wait=True)  # a worker of a killed run may still be on its way out
            self._file.seek(0)
            valid = len(self._header)
            if self._file.read(len(self._header)) == self._header:
                while (array := self._read()) is not None:
                    self._arrays.append(array)
                    valid += self._size + 4
                self._file.truncate(valid)
            else:
                self._file.truncate(0)
                self._file.write(self._header)
        return self

    def __exit__(self, *_):
        if self._file is not None:
            self._file.close()
            if not self._arrays:
                self._path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._arrays)

    def append(self, array: np.ndarray) -> None:
        """Add an array of the store's shape, uint8.

        Raises:
            WriteError: the disk is full.
        """
        self._arrays.append(array)
        if self._path is not None and self._file is not None:
            content = array.tobytes()
            with write_errors_named(self._path):
                rest = memoryview(content + struct.pack("<I", crc32(content)))
                while rest:  # an unbuffered write may take less than all
                    rest = rest[self._file.write(rest) :]

    def entry(self, index: int) -> np.ndarray:
        """Entry `index` of every array, (number of arrays, …) uint8."""
        return np.stack([array[index] for array in self._arrays])

    def _read(self) -> np.ndarray | None:
        content = self._file.read(self._size + 4)
        if len(content) < self._size + 4 or struct.unpack("<I", content[-4:])[0] != crc32(content[:-4]):
            return None
        return np.frombuffer(content, np.uint8, self._size).reshape(self._shape)
