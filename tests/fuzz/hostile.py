"""Files that no reader of any kind may stumble over: no file at all, bombs, links, code."""

from __future__ import annotations

import io
import os
import pickle
import sys
import zipfile
import zlib
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "io"))  # `io` is no package: Python has one of that name

SIZE = 1.0
"""Of what takes long to make or to read; tests that have to be quick make it smaller."""

BOMB_MB = 3000
"""What the bombs become when they are unpacked: more than a sandbox may take."""


class _Code:
    """Executes a command when it is unpickled."""

    def __init__(self, canary: Path):
        self._canary = canary

    def __reduce__(self):
        return os.system, (f"touch '{self._canary}'",)


def code(canary: Path) -> bytes:
    """A pickle that makes the file `canary` when it is loaded."""
    return pickle.dumps(_Code(canary))


def deflated(megabytes: int = BOMB_MB, head: bytes = b"") -> bytes:
    """A bare deflate stream that begins with `head` and goes on with zeros; quickly made, since its parts are equal."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    begin = stream.compress(head) + stream.flush(zlib.Z_FULL_FLUSH)
    part = stream.compress(bytes(1 << 20)) + stream.flush(zlib.Z_FULL_FLUSH)
    return begin + part * megabytes + stream.flush()


def zlib_zeros(megabytes: int = BOMB_MB, head: bytes = b"") -> bytes:
    """The same with zlib's header; its checksum is wrong, which shows when it is too late."""
    return b"\x78\xda" + deflated(megabytes, head) + bytes(4)


def gzip_zeros(megabytes: int = BOMB_MB, head: bytes = b"") -> bytes:
    """The same with gzip's header."""
    return b"\x1f\x8b\x08\0\0\0\0\0\2\xff" + deflated(megabytes, head) + bytes(8)


def any_reader(folder: Path, suffix: str, valid: Path, canary: Path) -> list[Path]:
    """Hostile files under the suffix of a reader.

    Args:
        folder: to make them in.
        suffix: of the reader's files.
        valid: a file that it reads.
        canary: what code in a file would make.
    """
    contents = {
        "empty": b"",
        "newline": b"\n",
        "zeros": bytes(1 << 20),
        "ones": b"\xff" * (1 << 16),
        "pickle": code(canary),
        "zip": _zip({"../../escaped": b"x", "data.pkl": code(canary)}),
        "html": b"<!DOCTYPE html><html><body>Please log in</body></html>" * 20,
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        "xml": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><a>&b;</a>',
        "deep": b"[" * 200_000,
        "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        "concat": b"ffconcat version 1.0\nfile fifo" + suffix.encode() + b"\n",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(touch x) run\n",
        "gzip": gzip_zeros(8),
    }
    files = []
    for name, content in contents.items():
        path = folder / f"{name}{suffix}"
        path.write_bytes(content)
        files.append(path)
    special = {name: folder / f"{name}{suffix}" for name in ("fifo", "zero", "loop", "dangling", "folder", "tty")}
    os.mkfifo(special["fifo"])
    special["zero"].symlink_to("/dev/zero")
    special["tty"].symlink_to("/dev/tty")
    special["loop"].symlink_to(special["loop"].name)
    special["dangling"].symlink_to("nowhere")
    special["folder"].mkdir()
    odd = [Path(os.fsdecode(os.fsencode(folder) + b"/odd\xff\xfe" + suffix.encode())), folder / f"a\nb%03d [1]{suffix}"]
    odd.append(folder / f"{'n' * (250 - len(suffix))}{suffix}")
    for path in odd:
        path.write_bytes(valid.read_bytes())
    return [*files, *special.values(), *odd, folder / f"absent{suffix}"]


def _zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()
