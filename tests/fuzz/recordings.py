"""Seeds and special attacks for what holds images: DICOM, NIfTI, MetaImage, video, HDF5."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
from fuzz.hostile import BOMB_MB, deflated, gzip_zeros, zlib_zeros

RNG = np.random.default_rng(0)
SHAPE = (3, 20, 24)
GRAY = RNG.integers(0, 256, SHAPE, dtype=np.uint8)


def check_loop(loop):
    """An accepted loop has to be one."""
    assert loop.frames.ndim == 3 and loop.frames.dtype == np.float32 and min(loop.frames.shape) > 0
    assert np.isfinite(loop.frames).all() and loop.frames.min() >= 0 and loop.frames.max() <= 1
    assert loop.spacing_mm is None or all(0 < step < np.inf for step in loop.spacing_mm), loop.spacing_mm
    assert loop.frame_rate_hz is None or 0 < loop.frame_rate_hz < np.inf, loop.frame_rate_hz
    assert all(instant is None or 0 <= instant < len(loop) for instant in (loop.ed, loop.es))
    assert all(isinstance(note, str) for note in loop.notes)


def dicom_seeds(folder: Path) -> list[Path]:
    import io

    from PIL import Image
    from pydicom import dcmread
    from pydicom.encaps import encapsulate
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit
    from test_dicom import region, write

    plain = folder / "plain.dcm"
    tags = {"FrameTime": "20.0", "SequenceOfUltrasoundRegions": [region(2, 2, 20, 16)], "PixelSpacing": [0.3, 0.2]}
    write(plain, GRAY, **tags)
    write(folder / "colour.dcm", RNG.integers(0, 256, (*SHAPE, 3), dtype=np.uint8), **tags)
    write(folder / "deep.dcm", GRAY.astype(np.uint16) * 16, BitsStored=12, FrameTimeVector=[0, 20, 21])
    palette = {
        f"{colour}PaletteColorLookupTable{part}": value
        for colour in ("Red", "Green", "Blue")
        for part, value in (("Descriptor", [256, 0, 16]), ("Data", np.arange(256, dtype="<u2").tobytes()))
    }
    write(folder / "palette.dcm", GRAY, PhotometricInterpretation="PALETTE COLOR", **palette)
    for name, syntax in (("deflated", DeflatedExplicitVRLittleEndian), ("implicit", ImplicitVRLittleEndian)):
        dataset = dcmread(plain)
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(folder / f"{name}.dcm", implicit_vr=name == "implicit", little_endian=True)
    for name, syntax, kind in (("jpeg", JPEGBaseline8Bit, "JPEG"), ("j2k", JPEG2000Lossless, "JPEG2000")):
        frames = []
        for frame in GRAY:
            out = io.BytesIO()
            Image.fromarray(frame).save(out, kind, **({"no_jp2": True} if kind == "JPEG2000" else {}))
            frames.append(out.getvalue())
        dataset = dcmread(plain)
        dataset.PixelData = encapsulate(frames)
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(folder / f"{name}.dcm")
    dataset = dcmread(plain)
    dataset.compress("1.2.840.10008.1.2.5")
    dataset.save_as(folder / "rle.dcm")
    return sorted(folder.glob("*.dcm"))


def dicom_hostile(folder: Path) -> list[Path]:
    """Lying counts, a deflate bomb, nested sequences, an empty region, odd tags."""
    from pydicom import dcmread
    from pydicom.dataset import Dataset
    from pydicom.uid import DeflatedExplicitVRLittleEndian
    from test_dicom import region, write

    def make(name, **tags):
        write(folder / f"{name}.dcm", GRAY, **tags)

    make("frames", NumberOfFrames=2**31 - 1)
    make("rows", Rows=65535, Columns=65535)
    make("bits0", BitsStored=0)
    make("bits64", BitsAllocated=64, BitsStored=64)
    make("allocated1", BitsAllocated=1, BitsStored=1)
    make("edge", SequenceOfUltrasoundRegions=[region(24, 0, 24, 19)])
    make("below", SequenceOfUltrasoundRegions=[region(0, 20, 23, 20)])
    make("spacing", SequenceOfUltrasoundRegions=[region(0, 0, 20, 19, delta=1e308)])
    make("spacing0", PixelSpacing=["1e-320", "1e400"])
    make("rate", FrameTime="1e-320")
    make("vector", FrameTimeVector=["0", "1e308", "1e308"])
    make("samples", SamplesPerPixel=3)
    make("photometric", PhotometricInterpretation="PALETTE COLOR")
    make("ybr", PhotometricInterpretation="YBR_FULL_422", SamplesPerPixel=3, PlanarConfiguration=0)
    nested = Dataset()
    for _ in range(3000):
        outer = Dataset()
        outer.SequenceOfUltrasoundRegions = [nested]
        nested = outer
        if len(nested) > 1:
            break
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    sequence = struct.pack("<HH2sHI", 0x0018, 0x6011, b"SQ", 0, 0xFFFFFFFF)
    data = (folder / "frames.dcm").read_bytes()
    (folder / "nested.dcm").write_bytes(data[: data.index(b"\x08\x00\x16\x00")] + (sequence + item) * 20_000)
    dataset = dcmread(folder / "bits0.dcm")
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(folder / "bomb.dcm", implicit_vr=False, little_endian=True)
    data = (folder / "bomb.dcm").read_bytes()
    begin = zlib.decompress(data[_deflate_start(data) :], -15)[:-2000]
    (folder / "bomb.dcm").write_bytes(data[: _deflate_start(data)] + deflated(100, begin))
    return sorted(folder.glob("*.dcm"))


def _deflate_start(data: bytes) -> int:
    """Where the meta information of a DICOM ends."""
    (length,) = struct.unpack_from("<I", data, 140)
    return 144 + length


def medical_seeds(folder: Path) -> list[Path]:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(GRAY)
    image.SetSpacing((0.2, 0.3, 1))
    for name in ("a.nii", "b.nii.gz", "c.mha", "d.mhd"):
        sitk.WriteImage(image, str(folder / name))
    sitk.WriteImage(image, str(folder / "e.mha"), useCompression=True)
    sitk.WriteImage(sitk.GetImageFromArray(GRAY.astype(np.float32) / 255), str(folder / "f.nii"))
    return sorted(path for path in folder.iterdir() if path.suffix != ".raw")


def medical_hostile(folder: Path) -> list[Path]:
    """Bombs of NIfTI and MetaImage, headers that lie or lead elsewhere."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 30000, 30000, BOMB_MB // 900 + 1, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 2, 8)
    struct.pack_into("<8f", header, 76, *[1.0] * 8)
    struct.pack_into("<2f", header, 108, 352, 1)
    header[344:348] = b"n+1\0"
    (folder / "bomb.nii.gz").write_bytes(gzip_zeros(BOMB_MB + 900, bytes(header)))
    (folder / "claim.nii").write_bytes(bytes(header))
    for name, position, form, value in (
        ("dims", 40, "<h", 1000), ("negative", 42, "<h", -5), ("nan", 80, "<f", float("nan")), ("type", 70, "<h", 999),
        ("offset", 108, "<f", 1e30), ("scale", 112, "<f", float("inf")), ("minus", 84, "<f", -0.3),
    ):  # fmt: skip
        changed = bytearray(header) + bytes(2000)
        struct.pack_into("<8h", changed, 40, 3, 20, 24, 3, 1, 1, 1, 1)
        struct.pack_into(form, changed, position, value)
        (folder / f"{name}.nii").write_bytes(bytes(changed))
        (folder / f"{name}.nii.gz").write_bytes(gzip.compress(bytes(changed)))
    text = "ObjectType = Image\nNDims = 3\nDimSize = {size}\nElementType = MET_UCHAR\n{more}ElementDataFile = {data}\n"
    stream = zlib_zeros()
    cases = {
        "bomb": ("30000 30000 3", "CompressedData = True\n", "LOCAL", stream),
        "huge": (f"{2**40} {2**40} 3", "CompressedData = True\n", "LOCAL", stream[:99]),
        "digits": ("9" * 5000 + " 2 3", "", "LOCAL", b""),
        "name": ("24 20 3", "", "n" * 400, b""),
        "nul": ("24 20 3", "", "a\0b", b""),
        "self": ("24 20 3", "", "self.mhd", bytes(2000)),
        "fifo": ("24 20 3", "", "pipe.raw", b""),
        "device": ("24 20 3", "", "zero.raw", b""),
    }
    for name, (size, more, data, pixels) in cases.items():
        suffix = ".mha" if data == "LOCAL" else ".mhd"
        (folder / f"{name}{suffix}").write_bytes(text.format(size=size, more=more, data=data).encode() + pixels)
    import os

    os.mkfifo(folder / "pipe.raw")
    (folder / "zero.raw").symlink_to("/dev/zero")
    return sorted(path for path in folder.iterdir() if path.suffix != ".raw")


def video_seeds(folder: Path) -> list[Path]:
    import cv2
    from PIL import Image

    from cpwc_keras.io.video import write_video

    frames = np.repeat(RNG.integers(0, 256, (4, 32, 48, 1), dtype=np.uint8), 3, axis=-1)
    write_video(folder / "a.mp4", frames, 25)
    writer = cv2.VideoWriter(str(folder / "b.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (48, 32))
    for frame in frames:
        writer.write(frame)
    writer.release()
    first, *rest = (Image.fromarray(frame[..., 0]) for frame in frames)
    first.save(folder / "c.gif", save_all=True, append_images=rest, duration=40)
    return sorted(folder.iterdir())


def video_hostile(folder: Path) -> list[Path]:
    """Huge canvases and containers that point to other files."""
    head, frame = b"GIF89a", b"\x2c" + struct.pack("<4H", 0, 0, 2, 2) + b"\0\x02\x02\x84\x01\0"
    table = b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
    for side, name in ((65535, "canvas"), (12000, "large")):
        (folder / f"{name}.gif").write_bytes(head + struct.pack("<2H", side, side) + table + frame * 40 + b"\x3b")
    (folder / "many.gif").write_bytes(head + struct.pack("<2H", 2, 2) + table + frame * 20_000 + b"\x3b")
    (folder / "dims0.gif").write_bytes(head + struct.pack("<2H", 0, 0) + table + frame * 4 + b"\x3b")
    (folder / "list.mp4").write_bytes(b"ffconcat version 1.0\nfile other.mp4\nfile other.mp4\n")
    (folder / "hls.mp4").write_bytes(b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n")
    video_seeds(folder)
    (folder / "a.mp4").rename(folder / "other.mp4")
    (folder / "frame%03d.gif").write_bytes((folder / "c.gif").read_bytes())
    return sorted(folder.iterdir())
