"""MetaImage (``.mhd``, ``.mha``): a text header, and pixels behind it or in one file beside it.

Read here rather than by SimpleITK: its parser overruns memory on a damaged header (``NDims = 93``) and follows a header
to any file of the machine.

References:
    https://itk.org/Wiki/ITK/MetaIO/Documentation
"""

from __future__ import annotations

import math
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.io.input_file import open_input
from cpwc_keras.io.sector import require_moderate

_TYPES = {
    "MET_UCHAR": "u1",
    "MET_CHAR": "i1",
    "MET_USHORT": "u2",
    "MET_SHORT": "i2",
    "MET_UINT": "u4",
    "MET_INT": "i4",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_LONGEST_NAME = 255  # bytes, of a file in any file system
_FIELD = re.compile(r"[ \t]*(\w+)[ \t]*=[ \t]*([^\r\n]*?)[ \t]*\r?\n")


@dataclass(frozen=True)
class MetaImageHeader:
    """What the text says.

    Attributes:
        size: pixels along x, y and any further axes.
        channels: values per pixel.
        dtype: of a value, byte order included.
        spacing: distances along the axes, or None where the header gives none.
        data: the file with the pixels.
        offset: where they begin in it.
        compressed: whether they are a zlib stream.
    """

    size: tuple[int, ...]
    channels: int
    dtype: np.dtype
    spacing: tuple[float, ...] | None
    data: Path
    offset: int
    compressed: bool


def metaimage_files(path: Path) -> tuple[Path, ...]:
    """All files of a recording: for a MetaImage header, the one with the pixels too; a broken header is alone."""
    if path.suffix.lower() != ".mhd":
        return (path,)
    try:
        return tuple(dict.fromkeys((path, read_metaimage_header(path).data)))
    except InputError:
        return (path,)


def read_metaimage_header(path: Path) -> MetaImageHeader:
    """Read the header alone.

    Raises:
        InputError: missing, or not a MetaImage that can be read here.
    """
    with open_input(path) as (file, _):
        text = file.read(1 << 16).decode("latin-1") + "\n"
    fields, end = {}, 0
    while "ElementDataFile" not in fields and (line := _FIELD.match(text, end)):
        fields[line[1]], end = line[2], line.end()
    name = fields.get("ElementDataFile")
    if name is None:
        raise bad_file(path, "no 'ElementDataFile'", "a MetaImage header")
    local = name.upper() == "LOCAL"
    elsewhere = name in ("", ".", "..") or name != Path(name).name or name.startswith("LIST") or "%" in name
    if not local and (elsewhere or len(os.fsencode(name)) > _LONGEST_NAME):
        raise bad_file(path, f"pixel data in {name!r}", "the name of one file beside the header")
    try:
        size = tuple(int(n) for n in fields["DimSize"].split())
        channels = int(fields.get("ElementNumberOfChannels", "1"))
        spacing = fields.get("ElementSpacing", fields.get("ElementSize"))
        spacing = None if spacing is None else tuple(float(step) for step in spacing.split())
        dtype = np.dtype(_TYPES[fields["ElementType"]])
    except (KeyError, ValueError) as error:
        raise bad_file(
            path, f"a header with {error} in it or missing", "DimSize, ElementType and ElementSpacing"
        ) from error
    if not 2 <= len(size) <= 4 or min(size) < 1 or not 1 <= channels <= 4:
        found = f"{' × '.join(map(str, size)) or 'no'} pixels of {channels} channels"
        raise bad_file(path, found, "2 to 4 axes and 1 to 4 channels")
    if spacing is not None and (len(spacing) != len(size) or not all(0 < step < math.inf for step in spacing)):
        raise bad_file(path, f"the spacing {spacing}", f"{len(size)} positive numbers")
    if fields.get("HeaderSize", "0") != "0" or not _is_true(fields, "BinaryData", default=True):
        raise bad_file(path, "pixels as text or behind a second header", "bare binary pixels")
    big_endian = _is_true(fields, "BinaryDataByteOrderMSB") or _is_true(fields, "ElementByteOrderMSB")
    data = path if local else path.with_name(name)
    compressed = _is_true(fields, "CompressedData")
    return MetaImageHeader(
        size, channels, dtype.newbyteorder(">" if big_endian else "<"), spacing, data, end if local else 0, compressed
    )


def read_metaimage(path: Path) -> tuple[np.ndarray, MetaImageHeader]:
    """Read a MetaImage.

    Returns:
        pixels (…, y, x) or (…, y, x, channels) in native byte order, and the header.

    Raises:
        InputError: missing, truncated, or not a MetaImage that can be read here.
    """
    header = read_metaimage_header(path)
    try:
        there = header.data.is_file()
    except OSError:  # a name that is too long
        there = False
    if not there:
        raise InputError(f"{path}: its pixel data {header.data.name} is missing; put it beside the header.")
    expected = math.prod(header.size) * header.channels * header.dtype.itemsize
    with open_input(header.data) as (file, size):
        stored = size - header.offset
        if not header.compressed and stored < expected:
            raise _too_short(header, stored, expected)
        require_moderate(path, math.prod(header.size) * header.channels, stored)
        file.seek(header.offset)
        values = file.read(stored if header.compressed else expected)
    if header.compressed:
        try:
            values = zlib.decompressobj().decompress(values, expected)
        except (zlib.error, MemoryError, OverflowError) as error:
            raise bad_file(
                header.data, f"a broken zlib stream ({error})", "whole pixel data", "copy it again"
            ) from error
        if len(values) < expected:
            raise _too_short(header, len(values), expected)
    shape = header.size[::-1] + ((header.channels,) if header.channels > 1 else ())
    return np.frombuffer(values, header.dtype).reshape(shape).astype(header.dtype.newbyteorder("=")), header


def _is_true(fields: dict[str, str], name: str, default: bool = False) -> bool:
    return fields[name].lower() in ("true", "1") if name in fields else default


def _too_short(header: MetaImageHeader, found: int, expected: int) -> InputError:
    claim = f"{expected:,} bytes for {' × '.join(map(str, header.size))} pixels"
    return bad_file(header.data, f"{found:,} bytes of pixels", claim, "copy it again")
