"""From a recorded screen to the ultrasound image alone: no colour, no text, no marks outside of the moving sector."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from cpwc_keras.errors import bad_file

MAX_PIXELS = 2**30
"""Bound on the pixels of a loop (T × H × W): 4 GiB as float32. What claims more is not decoded."""

_ALWAYS_UNPACKED = 2**26
_MOST_PER_BYTE = 1000
"""Pixels that a byte of a file becomes at the most, in a loop of more than `_ALWAYS_UNPACKED` pixels: lossy video of an
echo reaches a few hundred on black screens, a file made to fill the memory (a decompression bomb) much more."""

_COLOURED = 48
"""Gray pixels of a lossy file differ by a few levels between their channels, coloured marks by far more."""

_TINTED_FRACTION = 0.2
"""Where more of the lit pixels than this are coloured, the image itself is (a tinted gray map, colour Doppler)."""

_LIT = 40
_MOVING = 4
"""Gray levels by which speckle changes through a loop at the least, and the noise of lossy video around marks not."""

_SMALLEST_SECTOR = 0.05


def require_moderate(path: str | Path, pixels: int, stored: int, most: int | None = None) -> None:
    """Refuse what would fill the memory, before it is decoded.

    Args:
        path: of the file, for the message.
        pixels: that it claims.
        stored: bytes that it has for them.
        most: pixels that are read, where not `MAX_PIXELS`.

    Raises:
        InputError: it claims too many, or more than so few bytes can honestly hold.
    """
    most = MAX_PIXELS if most is None else most
    if pixels > most:
        raise bad_file(path, f"{pixels:,} pixels", f"at most {most:,} pixels in all")
    if pixels > max(_ALWAYS_UNPACKED, _MOST_PER_BYTE * stored):
        expected = f"at most {_MOST_PER_BYTE:,} for each byte"
        raise bad_file(path, f"{pixels:,} pixels in {stored:,} bytes", expected, "export it uncompressed")


def luma_and_colour(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The brightness of a frame, and where it is coloured.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        gray: (H, W) uint8 luma (ITU-R 601).
        coloured: (H, W) bool.
    """
    red, green, blue = cv2.split(rgb)
    low, high = cv2.min(cv2.min(red, green), blue), cv2.max(cv2.max(red, green), blue)
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.subtract(high, low) > _COLOURED


def sector_mask(gray: np.ndarray, coloured: np.ndarray) -> np.ndarray | None:
    """Where the ultrasound image lies: the convex hull of the largest part of the screen in which something moves.

    Args:
        gray: (T, H, W) uint8.
        coloured: (T, H, W) bool, pixels whose changes do not count (a running ECG trace).

    Returns:
        (H, W) bool, or None where next to nothing moves.
    """
    low, high = gray[0].copy(), gray[0].copy()
    for frame in gray[1:]:
        np.minimum(low, frame, out=low)
        np.maximum(high, frame, out=high)
    moving = (high - low > _MOVING) & ~coloured.any(axis=0)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    opened = cv2.morphologyEx(moving.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    wide = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, wide))
    if count < 2:
        return None
    largest = 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))
    if statistics[largest, cv2.CC_STAT_AREA] < _SMALLEST_SECTOR * moving.size:
        return None
    hull = cv2.convexHull(cv2.findNonZero((parts == largest).astype(np.uint8)))
    return cv2.fillConvexPoly(np.zeros(moving.shape, np.uint8), hull, 1).astype(bool)


def clean_frames(gray: np.ndarray, coloured: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Black out what is not ultrasound.

    Everything outside of the sector becomes 0; coloured marks inside of it (an ECG trace, calipers) are filled in from
    their surroundings. Gray text inside of the sector cannot be told from tissue and stays.

    Args:
        gray: (T, H, W) uint8; changed in place.
        coloured: (T, H, W) bool.

    Returns:
        frames: (T, H, W) float32 in [0, 1].
        notes: what was assumed, one sentence each.
    """
    notes = []
    lit = gray > _LIT
    if (coloured & lit).sum() > _TINTED_FRACTION * max(lit.sum(), 1):
        notes.append("The image itself is coloured (a tinted map or colour Doppler): its brightness was taken as gray.")
        coloured = np.zeros_like(coloured)
    sector = sector_mask(gray, coloured)
    if sector is None:
        notes.append("No moving sector was found: text and marks on the screen were left as they are.")
        sector = np.ones(gray.shape[1:], bool)
    gray[:, ~sector] = 0
    halo = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    for frame, marks in zip(gray, coloured, strict=True):
        inside = (marks & sector).astype(np.uint8)
        if inside.any():
            frame[:] = cv2.inpaint(frame, cv2.dilate(inside, halo), 3, cv2.INPAINT_TELEA)
            frame[~sector] = 0
    return gray.astype(np.float32) / np.float32(255), tuple(notes)
