"""FFT-Xcorr: block matching by normalised cross-correlation, the paper's classical reference (III-B.1)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from scipy import fft

from cpwc_keras.baselines.smoothing import smooth
from cpwc_keras.errors import InputError
from cpwc_keras.fields import pixel_grid, sample_field

SEARCHES = ((32, 16), (16, 8), (8, 2))
"""(window, radius of the search) of each scale in pixels. Half a window is how far a circular correlation of two
windows reaches; the smallest windows hold too little speckle to be told from more places than a quarter."""

_STEPS = 4
"""From one window to the next is a quarter of it: 75 % overlap."""
_BLUR = 0.7
"""Standard deviation of the Gaussian, in pixels, that both images are smoothed with. It is not in the paper. Speckle as
fine as the simulated one has detail up to the pixels' Nyquist frequency; its correlation peak is then narrower than the
three lags a parabola needs, and displacements are drawn to whole pixels by 0.1."""
_TEXTURE = 1e-3
"""Standard deviation of a window that shows nothing: the rounding of 8-bit images (1 / 255 / √12)."""
_BATCH = 2**16
"""Pixels that are transformed at once: they stay in the processor's cache."""
_TOLERANCE = 0.01
"""Pixels to which the smoothing is carried."""


def fft_xcorr(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Multi-scale block matching with windows of 32, 16 and 8 pixels and 75 % overlap (paper, III-B.1).

    Every window of the first image is sought in the second, around where the scale before has found it (rounded to
    pixels): its displacement is where the normalised cross-correlation has its maximum, refined to a fraction of a
    pixel by a paraboloid. The displacements of a scale are then smoothed by an unsupervised robust spline, weighted by
    the correlation; windows without texture, and windows whose correlation has no maximum inside the search and the
    image, weigh nothing and are filled in. Those of the last scale are interpolated bilinearly at every pixel.

    Args:
        first: (B, H, W) images in [0, 1], H and W at least 32.
        second: (B, H, W) likewise.

    Returns:
        (B, H, W, 2) float32 flow (dx, dy) in pixels, first to second.

    Raises:
        InputError: the shapes differ, the images are smaller than the largest window, or a pixel is not finite.
    """
    least = SEARCHES[0][0]
    if first.ndim != 3 or first.shape != second.shape:
        raise InputError(
            f"fft-xcorr: found images {first.shape} and {second.shape}, expected twice the same (B, H, W)."
        )
    if min(first.shape[1:]) < least:
        height, width = first.shape[1:]
        raise InputError(f"fft-xcorr: found images of {height} × {width} pixels, expected at least {least} × {least}.")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InputError("fft-xcorr: found pixels that are NaN or infinite, expected finite images.")
    flow = np.empty((*first.shape, 2), np.float32)
    for index, pair in enumerate(zip(first, second, strict=True)):
        flow[index] = _flow(*(np.ascontiguousarray(image, np.float32) for image in pair))
    return flow


@dataclass(frozen=True)
class _Grid:
    """Windows in rows and columns, as many as fit, in the middle of the image."""

    window: int
    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def over(cls, shape: tuple[int, int], window: int) -> _Grid:
        step = window // _STEPS
        return cls(window, *(np.arange((size - window) % step // 2, size - window + 1, step) for size in shape))

    @property
    def corners(self) -> np.ndarray:
        """(rows, columns, 2) pixels (x, y), top left."""
        return np.stack(np.meshgrid(self.columns, self.rows), -1)

    @property
    def centres(self) -> np.ndarray:
        return self.corners + (self.window - 1) / 2

    def interpolate(self, field: np.ndarray, points: np.ndarray) -> np.ndarray:
        """A field known at the centres, at points (x, y) in pixels; beyond the outermost centres as there."""
        last = np.array([len(self.columns), len(self.rows)]) - 1
        places = (points - self.centres[0, 0]) / (self.window // _STEPS)
        return sample_field(field, np.clip(places, 0, last))[0]


def _flow(first, second) -> np.ndarray:
    first, second = (cv2.GaussianBlur(image, (0, 0), _BLUR) for image in (first, second))
    flow, coarser = None, None
    for window, radius in SEARCHES:
        grid = _Grid.over(first.shape, window)
        guess = np.zeros(grid.corners.shape) if flow is None else coarser.interpolate(flow, grid.centres)
        flow, _ = smooth(*_match(first, second, grid, guess, radius), tolerance=_TOLERANCE)
        coarser = grid
    return grid.interpolate(flow, pixel_grid(first.shape))


def _match(first, second, grid, guess, radius) -> tuple[np.ndarray, np.ndarray]:
    """One scale: the displacement (rows, columns, 2) of every window and its correlation (rows, columns)."""
    window, size = grid.window, grid.window + 2 * radius  # no lag of the search wraps around in a transform so wide
    mean, gain = _mean_and_gain(first, window)
    second_gain = np.pad(_mean_and_gain(second, window)[1], radius)
    second = np.pad(second, radius)
    shows = gain[np.ix_(grid.rows, grid.columns)] > 0
    corners = grid.corners[shows]
    furthest = np.array(gain.shape[::-1]) - 1
    guess = np.clip(corners + np.rint(guess[shows]).astype(np.int64), 0, furthest) - corners
    peaks = np.zeros((len(corners), 3), np.float32)
    batch = max(_BATCH // size**2, 1)
    for start in range(0, len(corners), batch):
        part = slice(start, start + batch)
        cut = np.zeros((2, len(corners[part]), size, size), np.float32)
        _cut(first, mean, second, corners[part], guess[part], window, cut)
        templates, regions = fft.rfft2(cut)
        correlation = fft.irfft2(np.conj(templates, out=templates) * regions, s=(size, size))
        _find_peaks(correlation, gain, second_gain, corners[part], guess[part], radius, peaks[part])
    found = np.zeros((*shows.shape, 3), np.float32)
    found[shows] = peaks
    return found[..., :2], found[..., 2]


def _mean_and_gain(image, window) -> tuple[np.ndarray, np.ndarray]:
    """Of the window with each corner: its mean, and one over the norm of the rest, or 0 where it shows nothing."""
    filters = (cv2.boxFilter, cv2.sqrBoxFilter)
    mean, square = (
        each(image, cv2.CV_64F, (window, window), anchor=(0, 0))[: 1 - window, : 1 - window] for each in filters
    )
    variance = np.maximum(square - mean**2, 0)
    gain = np.where(variance > _TEXTURE**2, 1 / (window * np.sqrt(np.maximum(variance, _TEXTURE**2))), 0)
    return mean.astype(np.float32), gain.astype(np.float32)


@njit(nogil=True, cache=True)
def _cut(first, mean, second, corners, guess, window, cut):
    """Fill `cut` with the windows of the first image, less their mean, and the regions of the second to search in."""
    size = cut.shape[2]
    for n in range(len(corners)):
        x, y = corners[n]
        middle = mean[y, x]
        for row in range(window):
            for column in range(window):
                cut[0, n, row, column] = first[y + row, x + column] - middle
        x, y = x + guess[n, 0], y + guess[n, 1]
        for row in range(size):
            for column in range(size):
                cut[1, n, row, column] = second[y + row, x + column]


@njit(nogil=True, cache=True)
def _find_peaks(correlation, gain, second_gain, corners, guess, radius, peaks):
    """Fill `peaks` with the displacement (dx, dy) of most normalised correlation, and that; 0 where it is no peak."""
    lags = 2 * radius + 1
    score = np.empty((lags, lags), np.float32)
    for n in range(len(corners)):
        x, y = corners[n]
        left, top = x + guess[n, 0], y + guess[n, 1]
        best, row, column = np.float32(0), 0, 0
        for i in range(lags):
            for j in range(lags):
                score[i, j] = correlation[n, i, j] * gain[y, x] * second_gain[top + i, left + j]
                if score[i, j] > best:
                    best, row, column = score[i, j], i, j
        if not (0 < row < lags - 1 and 0 < column < lags - 1):
            continue
        if second_gain[top + row - 1 : top + row + 2, left + column - 1 : left + column + 2].min() == 0:
            continue
        dx, dy = _vertex(score[row - 1 : row + 2, column - 1 : column + 2])
        if abs(dx) <= 1 and abs(dy) <= 1:
            peaks[n, 0] = guess[n, 0] + column - radius + dx
            peaks[n, 1] = guess[n, 1] + row - radius + dy
            peaks[n, 2] = min(best, np.float32(1))


@njit(nogil=True, cache=True)
def _vertex(score):
    """Where the paraboloid fitted to the 3 × 3 lags around a peak has its maximum (dx, dy); infinite where it has none.

    One parabola along each axis (as in `pymust.sptrack`) takes the peak's axes for those of the image; over slanted
    speckle that costs four times the error.
    """
    slope_x = slope_y = bend_x = bend_y = np.float32(0)
    for k in range(3):
        slope_x += (score[k, 2] - score[k, 0]) / 6
        slope_y += (score[2, k] - score[0, k]) / 6
        bend_x += (score[k, 0] - 2 * score[k, 1] + score[k, 2]) / 3
        bend_y += (score[0, k] - 2 * score[1, k] + score[2, k]) / 3
    twist = (score[0, 0] - score[0, 2] - score[2, 0] + score[2, 2]) / 4
    determinant = bend_x * bend_y - twist**2
    if determinant <= 0 or bend_x >= 0:  # a ridge or a saddle, whose vertex is no maximum
        return np.float32(np.inf), np.float32(np.inf)
    return (twist * slope_y - bend_y * slope_x) / determinant, (twist * slope_x - bend_x * slope_y) / determinant
