"""Seeds and special attacks for flow fields, pictures and MATLAB files."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import h5py
import numpy as np
from fuzz.hostile import BOMB_MB, zlib_zeros

RNG = np.random.default_rng(0)


def flow_seeds(folder: Path) -> list[Path]:
    from cpwc_keras.io.flow_files import write_flow

    flow = RNG.normal(size=(9, 11, 2)).astype(np.float32)
    for suffix in (".flo", ".pfm", ".png"):
        write_flow(folder / f"a{suffix}", flow)
    return sorted(folder.iterdir())


def _png(width: int, height: int, depth: int, colour: int, data: bytes) -> bytes:
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">2I5B", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def flow_hostile(folder: Path) -> list[Path]:
    for width, height in ((2**31 - 1, 2**31 - 1), (-1, -1), (0, 5), (2**16, 2**16), (2**30, 1)):
        (folder / f"{width}x{height}.flo").write_bytes(b"PIEH" + struct.pack("<2i", width, height) + bytes(64))
    for number, head in enumerate(
        (b"PF\n999999999 999999999\n-1\n", b"Pf 1 1 nan\n", b"PF 3 3 1e999\n", b"PF 1 1 -0\n")
    ):
        (folder / f"{number}.pfm").write_bytes(head + bytes(108))
    (folder / "bomb.png").write_bytes(_png(25_000, 25_000, 16, 2, zlib_zeros(BOMB_MB + 800)))
    (folder / "claim.png").write_bytes(_png(2**31 - 1, 2**31 - 1, 16, 2, b""))
    (folder / "zero.png").write_bytes(_png(0, 0, 16, 2, b""))
    whole = _png(11, 9, 16, 2, zlib_zeros(1))
    (folder / "long.png").write_bytes(whole[:33] + struct.pack(">I", 2**31 + 135) + whole[37:])
    return sorted(folder.iterdir())


def image_seeds(folder: Path) -> list[Path]:
    from PIL import Image

    gray = RNG.integers(0, 256, (9, 11), dtype=np.uint8)
    colour = RNG.integers(0, 256, (9, 11, 3), dtype=np.uint8)
    for name, array in (("a.pgm", gray), ("b.ppm", colour), ("c.png", colour), ("d.jpg", colour), ("e.png", gray)):
        Image.fromarray(array).save(folder / name)
    Image.fromarray(gray.astype(np.uint16) * 257).save(folder / "f.png")
    Image.fromarray(colour).quantize(8).save(folder / "g.png")
    return sorted(folder.iterdir())


def image_hostile(folder: Path) -> list[Path]:
    for side, data in (
        (50_000, zlib_zeros(BOMB_MB)),
        (13_000, zlib_zeros(180)),
        (9_400, zlib_zeros(90)),
        (2**31 - 1, b""),
        (0, b""),
    ):
        (folder / f"gray{side}.png").write_bytes(_png(side, side, 8, 0, data))
    (folder / "text.png").write_bytes(_png(2, 2, 8, 0, zlib_zeros(1)).replace(b"IDAT", b"zTXt"))
    for name, head in (("claim", b"P6 99999999 99999999 255\n"), ("depth", b"P5 4 4 65535\n"), ("max0", b"P5 4 4 0\n"),
                       ("ascii", b"P3 2 2 255\n" + b"9" * 5000), ("minus", b"P5 -4 -4 255\n")):  # fmt: skip
        (folder / f"{name}.ppm").write_bytes(head + bytes(16))
    (folder / "comment.pgm").write_bytes(b"P5 " + b"#" * 3_000_000)
    return sorted(folder.iterdir())


def mat_seeds(folder: Path) -> list[Path]:
    from data.test_motion_datasets import GEOMETRY
    from scipy.io import savemat

    content = {"X_gt": RNG.normal(size=(180, 3, 2)), "im_sim": np.zeros((4, 5, 2), np.uint8)}
    content["USInfo"] = GEOMETRY | {"t0": 2.3, "tf": 0.8, "radius": 90.0, "width": 80.0}
    savemat(folder / "a.mat", content)
    savemat(folder / "b.mat", content, do_compression=True)
    with h5py.File(folder / "c.mat", "w", userblock_size=512) as file:
        file["X_gt"], file["im_sim"] = content["X_gt"].T, content["im_sim"].T
        for name, value in content["USInfo"].items():
            file[f"USInfo/{name}"] = np.atleast_2d(value).astype(float)
    data = (folder / "c.mat").read_bytes()
    (folder / "c.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(512, b"\0") + data[512:])
    return sorted(folder.iterdir())


def mat_hostile(folder: Path) -> list[Path]:
    from data.test_motion_datasets import GEOMETRY
    from scipy.io import savemat

    (seed,) = [path.read_bytes() for path in mat_seeds(folder) if path.name == "c.mat"]
    side = 2**15

    def change(name, edit):
        (folder / f"x_{name}.mat").write_bytes(seed)
        with h5py.File(folder / f"x_{name}.mat", "r+") as file:
            edit(file)

    def replaced(name, **options):
        return lambda file: (file.__delitem__(name), file.create_dataset(name, **options))

    def linked(name, link):
        return lambda file: (file.__delitem__(name), file.__setitem__(name, link))

    import os

    os.mkfifo(folder / "pipe.raw")
    change("empty", replaced("X_gt", shape=(side, side, 3), dtype="f8"))
    change("vast", replaced("X_gt", shape=(2**30, 2**30), dtype="f8", chunks=(1, 8)))
    change("external", linked("X_gt", h5py.ExternalLink("a.mat", "/")))
    change("fifo", linked("X_gt", h5py.ExternalLink(str(folder / "pipe.raw"), "/")))
    change("storage", replaced("X_gt", shape=(3,), dtype="f8", external=[(str(folder / "pipe.raw"), 0, 24)]))
    change("cycle", linked("X_gt", h5py.SoftLink("/X_gt")))
    change("reference", replaced("X_gt", shape=(3,), dtype=h5py.ref_dtype))
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "pipe.raw"), "x", (3,))
    change("virtual", lambda file: (file.__delitem__("X_gt"), file.create_virtual_dataset("X_gt", layout)))
    for name, geometry in {
        "inf": {"gridsize": [np.inf, 3.0]}, "nan": {"gridsize": [np.nan, 3.0]}, "vast": {"gridsize": [1e12, 1e12]},
        "large": {"gridsize": [4e8, 4e8]}, "minus": {"pixelsize": [-1.0, 1.0]}, "huge": {"pixelsize": [1e308, 1e308]},
        "tiny": {"pixelsize": [1e-320, 1e-320]}, "text": {"gridsize": "abc"}, "axes": {"x": np.full(31, np.nan)},
    }.items():  # fmt: skip
        savemat(folder / f"grid_{name}.mat", {"USInfo": GEOMETRY | geometry})
    nodes = np.full((180, 3, 2), 1e300)
    savemat(folder / "far.mat", {"X_gt": nodes, "USInfo": GEOMETRY})
    savemat(folder / "none.mat", {"X_gt": np.zeros((180, 3, 0)), "USInfo": GEOMETRY})
    inner = struct.pack("<2I", 14, BOMB_MB << 20) + struct.pack("<4I", 6, 8, 6, 0)
    inner += (
        struct.pack("<2I2i", 5, 8, BOMB_MB << 17, 1)
        + struct.pack("<HH4s", 1, 4, b"X_gt")
        + struct.pack("<2I", 9, (BOMB_MB << 20) - 48)
    )
    packed = zlib_zeros(head=inner)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
    (folder / "bomb.mat").write_bytes(head + struct.pack("<2I", 15, len(packed)) + packed)
    (folder / "many.mat").write_bytes(head + struct.pack("<2I", 1, 0) * 2_000_000)
    return sorted(path for path in folder.iterdir() if path.suffix == ".mat")
