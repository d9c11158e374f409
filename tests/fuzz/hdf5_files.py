"""Seeds and special attacks for sequences and results of tracking, which are HDF5."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from fuzz.hostile import zlib_zeros
from fuzz.recordings import GRAY, RNG, SHAPE

_SIDE = 30_000
_GOOD, _ENDLESS = struct.pack("<HHIQ", 1, 1, 0, 16), struct.pack("<HHIQ", 0, 0, 0, 0)


def sequence_seeds(folder: Path) -> list[Path]:
    from cpwc_keras.io.sequence_file import write_sequence
    from cpwc_keras.types import CineLoop, Sequence

    sector, labels = np.ones(SHAPE[1:], bool), RNG.integers(0, 4, SHAPE, dtype=np.uint8)
    about = {"spacing_mm": (0.3, 0.2), "frame_rate_hz": 50.0, "ed": 0, "es": 2, "patient": "p1", "view": "A4C"}
    loop = CineLoop(GRAY.astype(np.float32) / 255, labels=labels, sector=sector, **about)
    mesh = RNG.random((3, 36, 5, 2), np.float32) * 20
    write_sequence(folder / "mesh.h5", Sequence(loop, mesh=mesh), {"licence": "none", "origin": "{}"})
    flows, masks = RNG.random((2, 20, 24, 2), np.float32), np.ones((2, 20, 24), np.float32)
    write_sequence(folder / "flows.h5", Sequence(loop, flows=flows, masks=masks))
    sparse_sequence(folder / "sparse.h5", (40, 256, 256))
    return sorted(folder.glob("*.h5"))


def sparse_sequence(path: Path, shape: tuple[int, int, int], written: int = 1, **options) -> None:
    """A sequence as others may write it: of most frames only the fill value, and of the motion nothing at all.

    Args:
        path: of the file.
        shape: (T, H, W).
        written: frames that are in the file.
        **options: of the frames' dataset.
    """
    frames, *size = shape
    with h5py.File(path, "w") as file:
        file.attrs.update({"format": "cpwc-keras sequence", "format_version": 1})
        options = {"chunks": (1, *size), "compression": "gzip", "fillvalue": 7} | options
        data = file.create_dataset("frames", shape, "u1", **options)
        for index in range(written):
            data[index] = np.full(size, 100, np.uint8)
        file.create_dataset("flows", (frames - 1, *size, 2), "f4", chunks=(1, *size, 2), compression="gzip")
        file.create_dataset("masks", (frames - 1, *size), "u1", chunks=(1, *size))


def tracking_seeds(folder: Path) -> list[Path]:
    for name, points in (("contour", (3, 9, 2)), ("mesh", (3, 36, 5, 2))):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file.attrs.update({"format": "cpwc-keras tracking", "format_version": 1, "notes": "a note\nanother"})
            file.attrs.update({"spacing_mm": (0.3, 0.2), "frame_rate_hz": 50.0, "versions": '{"python": "3"}'})
            file.create_dataset("points", data=RNG.random(points, np.float32) * 20)
            flow = RNG.random((2, *SHAPE[1:], 2), np.float32)
            file.create_dataset("flow", data=flow, chunks=(1, *flow.shape[1:]), compression="gzip", shuffle=True)
    return sorted(folder.glob("*.h5"))


def sequence_hostile(folder: Path) -> list[Path]:
    """HDF5 that lies, lies elsewhere, or unpacks to much."""
    seed = next(path for path in sequence_seeds(folder) if path.stem == "mesh").read_bytes()
    changes = _attacks(folder, "frames", SHAPE, "u1") | _links("mesh", "frames", folder)
    changes |= _attributes("ed", "spacing_mm", "frame_rate_hz", "format_version", "format", "patient", "notes", "view")
    changes["path"] = lambda file: file.attrs.__setitem__("patient", "../../../tmp/escaped")
    sparse_sequence(folder / "x_unwritten.h5", (2**12, 256, 256))
    return _written(folder, seed, changes)


def tracking_hostile(folder: Path) -> list[Path]:
    """The same for what tracking keeps."""
    seed = next(path for path in tracking_seeds(folder) if path.stem == "mesh").read_bytes()
    changes = _attacks(folder, "flow", (2, *SHAPE[1:], 2), "f4") | _links("points", "flow", folder)
    changes |= _attributes("spacing_mm", "frame_rate_hz", "format")
    changes |= {
        f"points_{number}": _replaced("points", shape=shape, dtype="f4")
        for number, shape in enumerate(((), (3,), (3, 9), (3, 9, 3), (3, 0, 2), (0, 9, 2), (2, 9, 2), (3, 2, 2, 2, 2)))
    }
    changes["nan"] = lambda file: file["flow"].__setitem__(0, np.nan)
    return _written(folder, seed, changes)


def _written(folder: Path, seed: bytes, changes: dict[str, Callable]) -> list[Path]:
    for name, change in changes.items():
        path = folder / f"x_{name}.h5"
        path.write_bytes(seed)
        with h5py.File(path, "r+") as file:
            change(file)
    for name, content in endless_heaps(folder, seed).items():
        (folder / f"x_{name}.h5").write_bytes(content)
    return sorted(folder.glob("*.h5"))


def endless_heaps(folder: Path, seed: bytes) -> dict[str, bytes]:
    """Lists of texts in which HDF5 goes round in circles, and one of those that tell which would take for ever.

    Args:
        folder: for a while.
        seed: a file with a list of texts.
    """
    at = seed.index(b"GCOL")
    heaps = {
        "heap_zero": seed[: at + 16] + _ENDLESS + seed[at + 32 :],
        "heap_overflow": seed[: at + 16] + struct.pack("<HHIQ", 1, 1, 0, 2**64 - 16) + seed[at + 32 :],
        "heap_reserved": seed[: at + 5] + b"abc" + seed[at + 8 : at + 16] + _ENDLESS + seed[at + 32 :],
    }
    (size,) = struct.unpack_from("<Q", seed, at + 8)
    tail = b"".join(b"GCOL\1\0\0\0" + struct.pack("<Q", 32 * left) + _GOOD for left in range(100_000, 0, -1))
    heaps["heap_square"] = seed[: at + 8] + struct.pack("<Q", len(seed) - at + len(tail)) + seed[at + 16 :] + tail
    assert size >= 4096
    short = folder / "short.h5"
    settings = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    settings.set_sizes(8, 4)
    with h5py.File(h5py.h5f.create(os.fsencode(short), h5py.h5f.ACC_TRUNC, settings)) as file:
        file.attrs["format"] = "a text"
    data = short.read_bytes()
    short.unlink()
    at = data.index(b"GCOL")
    lying = data[: at + 12] + struct.pack("<I", 2) + struct.pack("<HHIII", 0, 0, 0, 0, 1)  # what stands for the rest
    heaps["heap_lengths"] = lying + data[at + 32 :]
    return heaps


def _attacks(folder: Path, name: str, shape: tuple[int, ...], dtype: str) -> dict[str, Callable]:
    """Changes to a dataset."""
    rest = shape[3:]
    pixel = int(np.prod(rest)) * np.dtype(dtype).itemsize
    side = int(_SIDE / pixel**0.5)

    def bomb(file):
        del file[name]
        options = {"chunks": (1, side, side, *rest), "dtype": dtype, "compression": "gzip"}
        data = file.create_dataset(name, shape=(3, side, side, *rest), **options)
        for index in range(3):
            data.id.write_direct_chunk((index, *[0] * (len(shape) - 1)), zlib_zeros(side**2 * pixel >> 20))

    def big_chunk(file):
        del file[name]
        options = {"maxshape": (None,) * len(shape), "chunks": (2, side, side, *rest), "dtype": dtype}
        data = file.create_dataset(name, shape=shape, compression="gzip", **options)
        data.id.write_direct_chunk((0,) * len(shape), zlib_zeros(2 * side**2 * pixel >> 20))

    def virtual(file):
        del file[name]
        layout = h5py.VirtualLayout(shape, dtype)
        layout[:] = h5py.VirtualSource("mesh.h5", name, shape)
        file.create_virtual_dataset(name, layout)

    if not (folder / "pipe.raw").exists():
        os.mkfifo(folder / "pipe.raw")
    outside = [(str(folder / "pipe.raw"), 0, int(np.prod(shape[:3])) * pixel)]
    confetti = (3, 8000, 8000, *rest)
    return {
        "bomb": bomb,
        "big_chunk": big_chunk,
        "virtual": virtual,
        "no_storage": _replaced(name, shape=(3, 2**20, 2**20, *rest), dtype=dtype, chunks=(1, 1024, 1024, *rest)),
        "confetti": _replaced(name, shape=confetti, dtype=dtype, chunks=(1,) * len(shape)),
        "storage": _replaced(name, shape=shape, dtype=dtype, external=outside),
        "object": _replaced(name, shape=shape, dtype=h5py.ref_dtype),
        "strings": _replaced(name, shape=shape, dtype=h5py.string_dtype()),
        "type": lambda file: (file.__delitem__(name), file.__setitem__(name, np.dtype("f8"))),
    }


def _links(name: str, other: str, folder: Path) -> dict[str, Callable]:
    def linked(link):
        return lambda file: (file.__delitem__(name), file.__setitem__(name, link))

    return {
        "external": linked(h5py.ExternalLink("flows.h5", f"/{other}")),
        "fifo": linked(h5py.ExternalLink(str(folder / "pipe.raw"), f"/{other}")),
        "soft": linked(h5py.SoftLink(f"/{other}")),
        "cycle": linked(h5py.SoftLink(f"/{name}")),
        "group": lambda file: (file.__delitem__(name), file.create_group(name)),
    }


def _attributes(*names: str) -> dict[str, Callable]:
    values = [
        np.inf,
        np.nan,
        -1,
        "x",
        [1.0, 2.0, 3.0],
        h5py.Empty("f4"),
        b"\xff\xfe",
        1e300,
        np.zeros(2, [("a", "i4")]),
    ]
    changes: dict[str, Callable] = {}
    for name in names:
        for number, value in enumerate(values):
            changes[f"{name}_{number}"] = lambda file, name=name, value=value: file.attrs.__setitem__(name, value)
        changes[f"{name}_ref"] = lambda file, name=name: file.attrs.__setitem__(name, next(iter(file.values())).ref)
    return changes


def _replaced(name: str, **options) -> Callable:
    return lambda file: (file.__delitem__(name), file.create_dataset(name, **options))
