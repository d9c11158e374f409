"""Damage to bytes, drawn from a seeded generator: the same seed gives the same damage."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zipfile
from random import Random

_NUMBERS = (0, 1, 2, 3, 7, 127, 128, 255, 256, 4095, 32767, 32768, 65535, 65536, 2**24, 2**30, 2**31 - 1, 2**31,
            2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1)  # fmt: skip
_WORDS = (b"-1", b"0", b"", b"1e400", b"-1e400", b"nan", b"inf", b"null", b"true", b"1e-320", b"0.5", b"9" * 40,
          b"9" * 5000, b"99999", b"2147483648", b"[]", b"{}", b'"x"', b"\xff\xfe", b"\0", b"%s%n", b"../../../tmp/x",
          b"A" * 300, "\u0662\u00b2\u202e".encode())  # fmt: skip
_LONGEST = 1 << 22  # lines fifty times as long, five times one after the other, would be more than there is memory
_TOKEN = re.compile(rb"[-+]?\d[\d.eE+-]*|[A-Za-z_]{2,}")


def mutated(data: bytes, others: list[bytes], random: Random) -> bytes:
    """Damaged data.

    Args:
        data: a valid file.
        others: further files, to splice in.
        random: decides on everything.
    """
    if data[:2] == b"\x1f\x8b" and random.random() < 0.6:
        return gzip.compress(mutated(gzip.decompress(data), [], random), 1)
    if data[:4] == b"PK\x03\x04" and random.random() < 0.7:
        return _in_archive(data, random)
    text = _is_text(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
        data = random.choice(_TEXT if text and random.random() < 0.8 else _BINARY)(data, others, random)[:_LONGEST]
    return data


def _is_text(data: bytes) -> bool:
    return b"\0" not in data[:4096]


def _place(data: bytes, random: Random) -> int:
    """Where to strike: headers stand at the front."""
    end = min(len(data), random.choice((16, 128, 512, 4096, 1 << 30)))
    return random.randrange(end) if end else 0


def _flip(data, others, random):
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8, 32))):
        if changed:
            changed[_place(data, random)] ^= 1 << random.randrange(8)
    return bytes(changed)


def _integer(data, others, random):
    size, order = random.choice("BHIQ"), random.choice("<>")
    value = struct.pack(order + size, random.choice(_NUMBERS) % 2 ** (8 * struct.calcsize(size)))
    at = _place(data, random)
    at -= at % random.choice((1, 2, 4))
    return data[:at] + value + data[at + len(value) :]


def _floating(data, others, random):
    value = struct.pack(
        random.choice("<>") + random.choice("fd"), random.choice((0.0, -1.0, 1e30, float("nan"), float("inf")))
    )
    at = _place(data, random)
    return data[:at] + value + data[at + len(value) :]


def _truncate(data, others, random):
    return data[: _place(data, random)]


def _cut(data, others, random):
    at = _place(data, random)
    return data[:at] + data[at + random.choice((1, 2, 4, 17, 500)) :]


def _insert(data, others, random):
    at, count = _place(data, random), random.choice((1, 2, 4, 8, 100, 5000))
    return data[:at] + random.choice((bytes(count), b"\xff" * count, random.randbytes(count))) + data[at:]


def _repeat(data, others, random):
    at, length = _place(data, random), random.choice((1, 8, 64, 512))
    return data[:at] + data[at : at + length] * random.choice((2, 3, 100)) + data[at + length :]


def _splice(data, others, random):
    other = random.choice(others) if others else data[::-1]
    return data[: _place(data, random)] + other[_place(other, random) :]


def _token(data, others, random):
    found = list(_TOKEN.finditer(data[: 1 << 16]))
    if not found:
        return _flip(data, others, random)
    token = random.choice(found)
    word = random.choice((*_WORDS, random.choice(found)[0]))
    return data[: token.start()] + word + data[token.end() :]


def _line(data, others, random):
    lines = data.split(b"\n")
    at = random.randrange(len(lines))
    lines[at : at + 1] = random.choice(([], [lines[at]] * 2, [random.choice(lines)], [lines[at] * 50]))
    return b"\n".join(lines)


def _nest(data, others, random):
    depth = random.choice((10, 1000, 100_000))
    at = _place(data, random)
    first, last = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"- ", b""), (b"(", b")")))
    return data[:at] + first * depth + b"1" + last * depth + data[at:]


_BINARY = (_flip, _flip, _integer, _integer, _integer, _floating, _truncate, _cut, _insert, _repeat, _splice)
_TEXT = (_token, _token, _token, _line, _nest, _cut, _insert, _truncate, _splice)


def _in_archive(data: bytes, random: Random) -> bytes:
    """A zip file, one of whose members is damaged inside."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = random.choice(sorted(members))
    members[chosen] = mutated(members[chosen], [], random)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()
