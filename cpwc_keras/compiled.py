"""Numba's compiler, with code kept on disk that can do no harm.

Numba keeps what it has compiled beside the source file, else in the user's cache folder (``NUMBA_CACHE_DIR`` names
another). By itself it cannot be imported where no such folder can be written, ends with a traceback where a file there
is damaged, and runs whatever machine code it finds. Here each file is kept with its SHA-256, and whatever is wrong with
the folder, the function is compiled as if it were not there; a warning says so, once.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import warnings
from collections.abc import Callable
from functools import cache

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile


def njit(keep: bool = True, **options) -> Callable[[Callable], Callable]:
    """As ``numba.njit(cache=True, nogil=True, **options)``.

    Args:
        keep: false for what only compiled functions of the same file call: it is compiled as a part of them and kept
            with them. Were it kept by itself, too, it would be built into them or called by them as it happened to be
            compiled or loaded before, and they would round differently.
        **options: of Numba.
    """

    def decorate(function: Callable) -> Callable:
        dispatcher = numba.njit(nogil=True, **options)(function)
        if not keep:
            return dispatcher
        try:
            dispatcher._cache = _Cache(function)
        except Exception as error:  # no folder can be written, or this Numba is built otherwise
            _say("is compiled anew at every start, since it cannot be kept", error)
        return dispatcher

    return decorate


class _Cache(FunctionCache):
    def __init__(self, function: Callable):
        super().__init__(function)
        self._cache_file = _WithDigests(
            self._cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp()
        )

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:
            _say(f"is compiled anew, since what was kept of it in {self.cache_path} is damaged", error)
        try:
            self.flush()
        except OSError as error:
            self.disable()
            _cannot_keep(self.cache_path, error)
        return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _cannot_keep(self.cache_path, error)


class _WithDigests(IndexDataCacheFile):
    """Machine code and the index of it, each file with its SHA-256 in front."""

    def _load_index(self):
        try:
            content = io.BytesIO(_without_digest(self._index_path))
        except FileNotFoundError:
            return {}
        if pickle.load(content) != self._version:
            return {}  # the rest may be beyond this Numba
        stamp, overloads = pickle.load(content)
        return overloads if stamp == self._source_stamp else {}

    def _save_index(self, overloads):
        self._write(self._index_path, pickle.dumps(self._version) + self._dump((self._source_stamp, overloads)))

    def _load_data(self, name):
        return pickle.loads(_without_digest(self._data_path(name)))

    def _save_data(self, name, data):
        self._write(self._data_path(name), self._dump(data))

    def _write(self, path: str, data: bytes):
        with self._open_for_write(path) as file:
            file.write(hashlib.sha256(data).digest() + data)


def _without_digest(path: str) -> bytes:
    with open(path, "rb") as file:
        digest, data = file.read(hashlib.sha256().digest_size), file.read()
    if hashlib.sha256(data).digest() != digest:
        raise ValueError(f"{path} is not what was written")
    return data


def _cannot_keep(folder: str, error: Exception) -> None:
    _say(f"is compiled anew at every start, since it cannot be kept in {folder}", error)


@cache
def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=2)


def _say(what: str, error: Exception) -> None:
    _warn(f"Compiled code {what} ({type(error).__name__}); NUMBA_CACHE_DIR can name another folder.")
