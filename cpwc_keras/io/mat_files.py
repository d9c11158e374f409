"""Numeric variables of MATLAB ``.mat`` files: format 5 (MATLAB 5 to 7) and 7.3, which is HDF5.

Read here rather than by `scipy.io.loadmat`, which crashes the interpreter on a damaged type code and reads a variable
whole to learn its shape.

References:
    MathWorks, MAT-File Format, R2023a.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.io.hdf5_input import load_dataset, open_hdf5, own_object
from cpwc_keras.io.input_file import open_input

_KIND = "numbers in a whole .mat file"
_HEADER_BYTES = 128
_COMPRESSED, _MATRIX = 15, 14
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_STRUCT = 2
_MOST_BYTES, _MOST_VARIABLES = 2**30, 10_000
_PEEK_BYTES = 512  # enough of a compressed variable for its name and shape


class _FormatError(ValueError):
    """The bytes are not what the format allows."""


def read_mat(path: str | Path, *names: str) -> dict[str, np.ndarray]:
    """Read named numeric variables; "struct.field" reads a field of a struct. Names that are absent or not real
    numbers are left out.

    Returns:
        arrays in MATLAB's index order, singleton axes removed.

    Raises:
        InputError: missing, truncated, or not such a .mat file.
    """
    with _errors_named(path):
        values = _read_hdf5(path, names) if h5py.is_hdf5(path) else _read_format5(path, names)
    return {name: np.squeeze(value) for name, value in values.items()}


def mat_shape(path: str | Path, name: str) -> tuple[int, ...]:
    """The shape of a variable without its values; () if it is absent.

    Raises:
        InputError: missing, truncated, or not such a .mat file.
    """
    with _errors_named(path):
        if h5py.is_hdf5(path):
            with open_hdf5(path, _KIND, "copy it again") as file:
                dataset = own_object(file, name)
                return tuple(dataset.shape[::-1]) if isinstance(dataset, h5py.Dataset) else ()
        return next((shape for variable, shape, _ in _variables(path) if variable == name), ())


@contextmanager
def _errors_named(path) -> Iterator[None]:
    with open_input(path) as (file, _):
        header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES or not (header.startswith(b"MATLAB") or h5py.is_hdf5(path)):
        raise bad_file(path, "no MATLAB header", "a .mat file of MATLAB 5 or later")
    try:
        yield
    except InputError:
        raise
    except (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError,
            struct.error, zlib.error) as error:  # fmt: skip
        reason = " ".join(str(error).split())[:200]
        raise bad_file(path, f"a broken file ({reason})", _KIND, "copy it again") from error


def _read_hdf5(path, names) -> dict[str, np.ndarray]:
    values = {}
    with open_hdf5(path, _KIND, "copy it again") as file:
        for name in names:
            place = name.replace(".", "/")
            dataset = own_object(file, place)
            if isinstance(dataset, h5py.Dataset) and dataset.dtype.kind in "iuf":
                values[name] = load_dataset(path, file, place, None, _KIND).T
    return values


def _read_format5(path, names) -> dict[str, np.ndarray]:
    values = {}
    for variable, _, load in _variables(path):
        fields = {name.partition(".")[2]: name for name in names if name.partition(".")[0] == variable}
        if fields:
            body, order = load()
            parts = _fields(body, order) if _class(body, order) == _STRUCT else [("", body)]
            for field, part in parts:
                if field in fields and part and _class(part, order) in _CLASSES:
                    values[fields[field]] = _numbers(part, order)
    return values


def _variables(path) -> Iterator[tuple[str, tuple[int, ...], Callable[[], tuple[bytes, str]]]]:
    """Name and shape of each variable, and a function that gives its bytes and their order."""
    with open_input(path) as (file, size):
        header = file.read(_HEADER_BYTES)
        order = {b"IM": "<", b"MI": ">"}.get(header[126:128])
        if order is None:
            raise _FormatError("no byte order")
        position, count = _HEADER_BYTES, 0
        while position < size:
            if (count := count + 1) > _MOST_VARIABLES:
                raise _FormatError(f"more than {_MOST_VARIABLES:,} variables")
            file.seek(position)
            kind, length = struct.unpack(f"{order}2I", file.read(8))
            if length > size - position - 8:
                raise _FormatError(f"a variable of {length:,} bytes is cut off")
            start = position + 8
            position = start + length
            if kind == _COMPRESSED:
                peek = zlib.decompressobj().decompress(file.read(length), _PEEK_BYTES)
                kind, inner = struct.unpack_from(f"{order}2I", peek)
                peek = peek[8:]
            elif kind == _MATRIX:
                peek, inner = file.read(min(length, _PEEK_BYTES)), None
            else:
                continue
            if kind != _MATRIX:
                raise _FormatError(f"a variable of type {kind}")

            def load(start=start, length=length, inner=inner):
                file.seek(start)
                data = file.read(length)
                return data if inner is None else _inflate(data, inner + 8)[8:], order

            if _class(peek, order) in {_STRUCT, *_CLASSES}:
                shape, name, _ = _describe(peek, order)
                yield name, shape, load


def _inflate(data: bytes, expected: int) -> bytes:
    if expected > _MOST_BYTES:
        raise _FormatError(f"a variable of {expected:,} bytes")
    stream = zlib.decompressobj()
    values = stream.decompress(data, expected + 1)
    if len(values) != expected or not stream.eof:
        raise _FormatError("a compressed variable is cut off")
    return values


def _element(data: bytes, position: int, order: str) -> tuple[int, bytes, int]:
    """Type and bytes of the element at a position, and where the next one begins."""
    kind, length = struct.unpack_from(f"{order}2I", data, position)
    if kind >> 16:  # short form: up to four bytes within the tag
        kind, length, start, room = kind & 0xFFFF, kind >> 16, position + 4, 4
    else:
        start, room = position + 8, len(data) - position - 8
    if length > room:
        raise _FormatError("an element is cut off")
    return kind, data[start : start + length], -(-(start + length) // 8) * 8


def _class(data: bytes, order: str) -> int:
    """The class of a matrix; 0 if it is complex."""
    _, flags, _ = _element(data, 0, order)
    flags = struct.unpack_from(f"{order}I", flags)[0]
    return 0 if flags & 0x800 else flags & 0xFF


def _describe(data: bytes, order: str) -> tuple[tuple[int, ...], str, int]:
    """Shape and name of a matrix, and where its values begin."""
    _, _, position = _element(data, 0, order)
    _, dims, position = _element(data, position, order)
    _, name, position = _element(data, position, order)
    shape = struct.unpack(f"{order}{len(dims) // 4}i", dims)
    if not 2 <= len(shape) <= 8 or min(shape) < 0:
        raise _FormatError(f"a variable of shape {shape}")
    return shape, name.decode("latin-1"), position


def _numbers(data: bytes, order: str) -> np.ndarray:
    shape, _, position = _describe(data, order)
    kind, values, _ = _element(data, position, order)
    if kind not in _STORED:
        raise _FormatError(f"values of type {kind}")
    array = np.frombuffer(values, np.dtype(_STORED[kind]).newbyteorder(order))  # type: ignore[arg-type]
    if array.size != math.prod(shape):
        raise _FormatError(f"{array.size} values for the shape {shape}")
    with np.errstate(over="ignore", invalid="ignore"):  # a damaged number becomes infinite, which readers refuse
        return array.astype(_CLASSES[_class(data, order)]).reshape(shape, order="F")


def _fields(data: bytes, order: str) -> Iterator[tuple[str, bytes]]:
    """Names and matrices of a 1 × 1 struct."""
    shape, _, position = _describe(data, order)
    _, width, position = _element(data, position, order)
    _, names, position = _element(data, position, order)
    (width,) = struct.unpack(f"{order}i", width)
    if math.prod(shape) != 1 or not 0 < width <= 64:
        raise _FormatError(f"a struct of shape {shape}")
    for start in range(0, len(names), width):
        _, body, position = _element(data, position, order)
        yield names[start : start + width].rstrip(b"\0").decode("latin-1"), body
