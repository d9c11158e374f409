"""A loop on another grid of pixels, for a network that never saw pixels of its size, and the way back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from cpwc_keras.types import CineLoop


@dataclass(frozen=True, eq=False)
class Grid:
    """A loop as a tracker is shown it.

    Attributes:
        loop: the images, of whatever size.
        factor: (2,) (x, y): how many of its pixels go into one of the original.
        shape: (H, W) of the original.
    """

    loop: CineLoop
    factor: np.ndarray
    shape: tuple[int, int]

    def points(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) (x, y) pixels of the original → pixels here."""
        return (points + 0.5) * self.factor - 0.5 if self.changed else points

    def points_back(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) (x, y) pixels here → pixels of the original."""
        return (points + 0.5) / self.factor - 0.5 if self.changed else points

    def flow_back(self, flow: np.ndarray) -> np.ndarray:
        """(H', W', 2) px here → (H, W, 2) px of the original."""
        if not self.changed:
            return flow
        return cv2.resize(flow, self.shape[::-1], interpolation=cv2.INTER_LINEAR) / np.float32(self.factor)

    @property
    def changed(self) -> bool:
        """Whether it is another grid than the original."""
        return self.loop.frames.shape[1:] != self.shape


def resampled(loop: CineLoop, pixel_mm: float | None) -> Grid:
    """The loop with square pixels of this size; None leaves it as it is.

    Args:
        loop: of a known pixel size, unless `pixel_mm` is None.
        pixel_mm: side of a pixel, up to what makes whole numbers of them.
    """
    rows, columns = shape = (loop.frames.shape[1], loop.frames.shape[2])
    if pixel_mm is None or loop.spacing_mm is None:
        return Grid(loop, np.ones(2), shape)
    row_mm, column_mm = loop.spacing_mm
    height, width = max(1, round(rows * row_mm / pixel_mm)), max(1, round(columns * column_mm / pixel_mm))
    finer = height * width > rows * columns
    kind = cv2.INTER_CUBIC if finer else cv2.INTER_AREA
    frames = np.stack([cv2.resize(frame, (width, height), interpolation=kind) for frame in loop.frames])
    spacing = (row_mm * rows / height, column_mm * columns / width)
    shown = replace(loop, frames=np.clip(frames, 0, 1), spacing_mm=spacing, labels=None, sector=None)
    return Grid(shown, np.array([width / columns, height / rows]), shape)
