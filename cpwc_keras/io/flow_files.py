"""Optical flow on disk: Middlebury ``.flo``, ``.pfm`` (FlyingThings3D) and KITTI's 16-bit PNG.

All three give dx (right) first and dy (down) second, in pixels, forward, which is the convention of this package.

References:
    Baker et al., A database and evaluation methodology for optical flow, IJCV 2011 (``.flo``).
    Mayer et al., A large dataset to train convolutional networks for disparity, optical flow, and scene flow
    estimation, CVPR 2016 (``.pfm``).
    Menze and Geiger, Object scene flow for autonomous vehicles, CVPR 2015 (16-bit PNG).
"""

from __future__ import annotations

import re
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.files import atomic_path
from cpwc_keras.io.input_file import open_input

FLOW_SUFFIXES = (".flo", ".pfm", ".png")
_FLO_MAGIC = b"PIEH"  # 202021.25 as little-endian float32
_FLO_UNKNOWN = 1e9  # a component above it means "not known" (Middlebury)
_PFM_HEADER = re.compile(rb"(P[Ff])\s+(\d{1,9})\s+(\d{1,9})\s+([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?)\r?[\n ]")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_PIXELS = 2**26
_DEFLATE_LIMIT = 1100  # deflate never compresses better than about 1032:1, so a header that claims more is lying


class NonFiniteFlowError(InputError):
    """A flow file is whole, but holds NaN or infinite values."""


def read_flow(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a flow file; the suffix says which format.

    Returns:
        flow: (H, W, 2) float32 pixels, 0 where unknown.
        mask: (H, W) float32, 1 where the flow is known: where no component exceeds 1e9 (``.flo``) or the third
            channel is set (KITTI); everywhere in ``.pfm``.

    Raises:
        NonFiniteFlowError: the flow holds NaN or infinite values.
        InputError: missing, truncated, or of another format.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".flo":
        flow = _read_flo(path)
        known = np.abs(flow).max(axis=-1) <= _FLO_UNKNOWN
    elif suffix == ".pfm":
        flow = read_pfm(path)
        if flow.ndim != 3:
            raise bad_file(path, "a PFM with one channel", "a flow PFM with three channels, of which two are the flow")
        flow = np.ascontiguousarray(flow[..., :2])
        known = np.ones(flow.shape[:2], dtype=bool)
    elif suffix == ".png":
        flow, known = _read_kitti(path)
    else:
        raise bad_file(path, f"the suffix {suffix!r}", f"a flow file ({', '.join(FLOW_SUFFIXES)})")
    if not np.isfinite(flow).all():
        count = int((~np.isfinite(flow)).any(axis=-1).sum())
        raise NonFiniteFlowError(
            f"{path}: found NaN or infinite flow at {count} of {flow.shape[0] * flow.shape[1]} pixels, expected finite "
            "numbers; leave this pair out."
        )
    if not known.all():
        flow[~known] = 0
    return flow, known.astype(np.float32)


def write_flow(path: str | Path, flow: np.ndarray, mask: np.ndarray | None = None) -> None:
    """Write a flow; the suffix says which format. KITTI's PNG rounds to 1/64 px and ends at ±512 px.

    Args:
        path: ends in ``.flo``, ``.pfm`` or ``.png``.
        flow: (H, W, 2) pixels.
        mask: (H, W), 1 where the flow is known; everywhere if None. A ``.pfm`` cannot hold it.

    Raises:
        InputError: an unknown suffix, a mask for ``.pfm``, a flow beyond KITTI's range, or an unwritable folder.
    """
    suffix = Path(path).suffix.lower()
    flow = np.asarray(flow, dtype=np.float32)
    if flow.ndim != 3 or flow.shape[-1] != 2:
        raise ValueError(f"flow must be (H, W, 2), got {flow.shape}")
    height, width = flow.shape[:2]
    known = np.ones((height, width), dtype=bool) if mask is None else np.asarray(mask) > 0
    if suffix == ".flo":
        values = np.where(known[..., None], flow, 10 * _FLO_UNKNOWN).astype("<f4")
        with atomic_path(path) as temporary:
            temporary.write_bytes(_FLO_MAGIC + struct.pack("<2i", width, height) + values.tobytes())
    elif suffix == ".pfm":
        if not known.all():
            raise InputError(f"{path}: a PFM cannot say where the flow is unknown; write .flo or .png instead.")
        write_pfm(path, np.dstack([flow, np.zeros((height, width), np.float32)]))
    elif suffix == ".png":
        _write_kitti(path, flow, known)
    else:
        raise bad_file(path, f"the suffix {suffix!r}", f"a flow file ({', '.join(FLOW_SUFFIXES)})")


def read_pfm(path: str | Path) -> np.ndarray:
    """Read a portable float map; rows are turned so that the first is the top one.

    Returns:
        (H, W, 3) float32 for ``PF``, (H, W) float32 for ``Pf``.

    Raises:
        InputError: missing, truncated, or not a PFM.
    """
    with open_input(path) as (file, size):
        header = _PFM_HEADER.match(file.read(128))
        if header is None:
            raise bad_file(path, "no PFM header", "'PF' or 'Pf', width, height and scale")
        kind, width, height, scale = header[1], int(header[2]), int(header[3]), float(header[4])
        channels = 3 if kind == b"PF" else 1
        _check_size(path, size, header.end(), 4 * channels, width, height)
        if scale == 0:
            raise bad_file(path, "a scale of 0", "a scale whose sign gives the byte order")
        file.seek(header.end())
        values = np.fromfile(file, dtype="<f4" if scale < 0 else ">f4", count=width * height * channels)
    shape = (height, width, 3) if channels == 3 else (height, width)
    return np.ascontiguousarray(values.reshape(shape)[::-1], dtype=np.float32)


def write_pfm(path: str | Path, values: np.ndarray) -> None:
    """Write (H, W) or (H, W, 3) as a little-endian portable float map.

    Raises:
        InputError: the folder cannot be written to.
    """
    kind = "PF" if values.ndim == 3 else "Pf"
    header = f"{kind}\n{values.shape[1]} {values.shape[0]}\n-1.0\n".encode()
    with atomic_path(path) as temporary:
        temporary.write_bytes(header + values[::-1].astype("<f4").tobytes())


def _check_size(path, size: int, header: int, bytes_per_pixel: int, width: int, height: int) -> None:
    """Compare what the header claims with what the file holds, before anything is allocated."""
    if width < 1 or height < 1:
        raise bad_file(path, f"a header that claims {width}×{height} pixels", "a positive width and height")
    expected = header + bytes_per_pixel * width * height
    if size != expected:
        raise bad_file(path, f"{size:,} bytes", f"{expected:,} bytes for {width}×{height} pixels", "copy it again")


def _read_flo(path) -> np.ndarray:
    with open_input(path) as (file, size):
        header = file.read(12)
        if header[:4] != _FLO_MAGIC:
            raise bad_file(
                path, f"a file that begins with {header[:4]!r}", f"a .flo file, which begins with {_FLO_MAGIC!r}"
            )
        if len(header) < 12:
            raise bad_file(path, f"{size} bytes", "a .flo header of 12 bytes", "copy it again")
        width, height = struct.unpack("<2i", header[4:])
        _check_size(path, size, 12, 8, width, height)
        return (
            np.fromfile(file, dtype="<f4", count=2 * width * height)
            .reshape(height, width, 2)
            .astype(np.float32, copy=False)
        )


def _read_kitti(path) -> tuple[np.ndarray, np.ndarray]:
    import cv2

    with open_input(path) as (file, size):
        data = file.read(size)
    if data[:8] != _PNG_SIGNATURE or len(data) < 33:
        raise bad_file(path, "no PNG header", "a KITTI flow, which is a PNG")
    width, height, depth, colour = struct.unpack(">2I2B", data[16:26])
    if (depth, colour) != (16, 2):
        raise bad_file(path, f"a PNG of {depth} bits and colour type {colour}", "KITTI's 16-bit RGB PNG")
    if width * height > _MAX_PIXELS:
        raise bad_file(path, f"{width}×{height} pixels", f"at most {_MAX_PIXELS:,}")
    if 6 * width * height > _DEFLATE_LIMIT * size:
        raise bad_file(path, f"{size:,} bytes", f"enough data for {width}×{height} pixels", "copy it again")
    picture, pixels = _critical_chunks(data), None
    if picture is not None:
        with suppress(cv2.error):  # a width or height of 0
            pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape != (height, width, 3):
        raise bad_file(path, "a broken PNG", "a whole 16-bit RGB PNG", "copy it again")
    valid, v, u = np.moveaxis(pixels, -1, 0)  # OpenCV gives blue first
    flow = (np.stack([u, v], axis=-1).astype(np.float32) - 2**15) / 64
    return flow, valid > 0


def _critical_chunks(data: bytes) -> bytes | None:
    """The PNG without all that is not the picture; None if a chunk is cut off or damaged.

    OpenCV takes memory for whatever length a chunk claims, and knows animations, whose frames have sizes of their own.
    """
    kept, at = [data[:8]], 8
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data) or zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
            return None
        if kind in (b"IDAT", b"IEND") or at == 8:
            kept.append(data[at:end])
        if kind == b"IEND":
            return b"".join(kept)
        at = end
    return None


def _write_kitti(path, flow: np.ndarray, known: np.ndarray) -> None:
    import cv2

    values = np.rint(np.where(known[..., None], flow, 0) * 64) + 2**15
    if not ((values >= 0) & (values < 2**16)).all():
        raise InputError(f"{path}: the flow goes beyond ±512 px, which KITTI's PNG cannot hold; write .flo instead.")
    pixels = np.dstack([known, values[..., 1], values[..., 0]]).astype(np.uint16)
    encoded = cv2.imencode(".png", pixels)[1]
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
