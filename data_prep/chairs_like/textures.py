"""What surfaces look like: photographs from a folder, or procedural pictures with the statistics of natural ones.

Both are kept in memory as pyramids of halved resolutions: a surface that is seen smaller is sampled from a coarser
level, so that nothing aliases. They are made when they are first needed, each a pure function of its number.
"""

from __future__ import annotations

import functools
from pathlib import Path

import cv2
import numpy as np

from cpwc_keras.errors import bad_file
from cpwc_keras.io.images import IMAGE_SUFFIXES, read_image

PROCEDURAL = 256
"""Number of procedural pictures; each is seen through another window, rotated, scaled, mirrored and in other tones."""

_SIDE = 512
_LARGEST = 1024  # photographs are shrunk to it: the resolution of those behind FlyingChairs
_PHOTOS_IN_MEMORY = 400  # about 1 MB each
_SMALLEST_LEVEL = 16

Pyramid = tuple[np.ndarray, ...]
"""(H, W) uint8 and its halvings."""


@functools.lru_cache(maxsize=8)
def list_photos(folder: str) -> tuple[str, ...]:
    """The pictures in a folder and its subfolders, sorted by their paths in it.

    Raises:
        InputError: there is no such folder, or no picture in it.
    """
    root = Path(folder)
    kinds = ", ".join(IMAGE_SUFFIXES)
    if not root.is_dir():
        found = "a file" if root.exists() else "no such folder"
        raise bad_file(root, found, f"a folder of photographs ({kinds})", "correct the path")
    paths = [path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()]
    if not paths:
        raise bad_file(root, "no picture", f"photographs ({kinds}) in it", "choose another folder, or give none")
    return tuple(str(path) for path in sorted(paths, key=lambda path: path.relative_to(root).as_posix()))


@functools.lru_cache(maxsize=_PHOTOS_IN_MEMORY)
def photo(path: str) -> Pyramid:
    """A photograph as gray, at most 1024 pixels wide or high.

    Raises:
        InputError: it cannot be read, or is smaller than 16 pixels.
    """
    image = read_image(path)
    height, width = image.shape
    if min(height, width) < _SMALLEST_LEVEL:
        raise bad_file(path, f"a picture of {width}×{height} pixels", "a photograph", "remove it from the folder")
    shrink = min(1.0, _LARGEST / max(height, width))
    if shrink < 1:
        size = (max(_SMALLEST_LEVEL, round(width * shrink)), max(_SMALLEST_LEVEL, round(height * shrink)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return _pyramid(np.rint(image * 255).astype(np.uint8))


@functools.lru_cache(maxsize=PROCEDURAL)
def procedural(number: int) -> Pyramid:
    """The procedural picture with this number, 512×512."""
    rng = np.random.default_rng([51, number])
    kind = rng.choice(("leaves", "noise", "stripes", "spots"), p=(0.5, 0.25, 0.1, 0.15))
    picture = {"leaves": _leaves, "noise": _noise, "stripes": _stripes, "spots": _spots}[kind](rng)
    low, high = np.quantile(picture[::4, ::4], (0.005, 0.995))
    picture = np.clip((picture - low) / max(high - low, 1e-6), 0, 1)
    return _pyramid(np.rint(picture * 255).astype(np.uint8))


def _pyramid(image: np.ndarray) -> Pyramid:
    levels = [np.ascontiguousarray(image)]
    while min(levels[-1].shape) >= 2 * _SMALLEST_LEVEL:
        levels.append(cv2.pyrDown(levels[-1]))  # means of 2×2 pixels would alias
    return tuple(levels)


def _noise(rng, steepness: float | None = None) -> np.ndarray:
    """Octaves of noise whose amplitude falls with frequency, about as in photographs (1/f)."""
    fall = rng.uniform(0.5, 0.85) if steepness is None else steepness
    picture = np.zeros((_SIDE, _SIDE), np.float32)
    for octave in range(1, 9):
        cells = 2**octave
        grid = rng.standard_normal((cells + 3, cells + 3), dtype=np.float32)
        fine = cv2.resize(grid, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
        picture += fall**octave * fine
    return picture / picture.std()


def _leaves(rng) -> np.ndarray:
    """Dead leaves: shapes of all sizes that hide each other, which gives the edges of natural pictures."""
    picture = 0.6 * _noise(rng, 0.5)
    for radius in np.sort(_SIDE * 0.5 * rng.uniform(0.004, 1, int(rng.integers(60, 250))) ** 1.5)[::-1]:
        centre, tone, turn = rng.uniform(0, _SIDE, 2), rng.normal(), rng.uniform(0, 360)
        shade = float(0.7 * tone)
        if rng.random() < 0.5:
            axes = (round(16 * radius), round(16 * radius * rng.uniform(0.2, 1)))
            where = tuple(int(16 * v) for v in centre)
            cv2.ellipse(picture, where, axes, turn, 0, 360, shade, -1, cv2.LINE_8, 4)
        else:
            angle = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))))
            points = centre + radius * np.column_stack([np.cos(angle), np.sin(angle)]) * rng.uniform(0.3, 1, (1, 2))
            cv2.fillPoly(picture, [np.rint(16 * points).astype(np.int32)], shade, cv2.LINE_8, 4)
    light = cv2.resize(rng.standard_normal((4, 4), dtype=np.float32), (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.6, 1.0))
    return picture + 0.4 * light + rng.uniform(0.05, 0.4) * _noise(rng, rng.uniform(0.7, 0.95))


def _stripes(rng) -> np.ndarray:
    """Bands with soft or hard edges, bent by noise."""
    rows, columns = np.mgrid[:_SIDE, :_SIDE].astype(np.float32)
    turn, period = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(8), np.log(120)))
    phase = (columns * np.cos(turn) + rows * np.sin(turn)) / period + rng.uniform(0, 0.6) * _noise(rng, 0.35)
    wave = np.tanh(rng.uniform(0.5, 3) * np.sin(2 * np.pi * phase).astype(np.float32))
    return wave + rng.uniform(0.1, 0.5) * _noise(rng)


def _spots(rng) -> np.ndarray:
    """Blots of one scale with soft or hard edges."""
    sigma = np.exp(rng.uniform(np.log(2), np.log(14)))
    field = cv2.GaussianBlur(rng.standard_normal((_SIDE, _SIDE), dtype=np.float32), (0, 0), sigma)
    field = np.tanh(rng.uniform(0.7, 4) * (field / field.std() - rng.uniform(-0.5, 1)))
    return field + rng.uniform(0.1, 0.6) * _noise(rng)
