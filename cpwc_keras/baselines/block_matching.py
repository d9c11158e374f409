"""FFT-Xcorr: block matching by normalised cross-correlation, the paper's classical reference (III-B.1).

It differs from `pymust.sptrack` in three points, each of which draws displacements to whole pixels where speckle moves
by fractions of one. Windows are correlated with every place of the second image, where `sptrack` tapers both and lets
them wrap around. A paraboloid is fitted to 3 × 3 lags, where a parabola along each axis takes the axes of a slanted
peak for those of the image. And at the last scale the correlation is the mean of both directions, since from one image
to the other it is lopsided even if they are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import fft

from cpwc_keras.baselines.smoothing import smooth
from cpwc_keras.compiled import njit
from cpwc_keras.errors import InputError
from cpwc_keras.fields import pixel_grid, sample_field

SEARCHES = ((32, 16), (16, 8), (8, 2))
"""(window, radius of the search) of each scale in pixels. Half a window is how far a circular correlation of two
windows reaches; the smallest windows hold too little speckle to be told from more places than a quarter."""

_STEPS = 4
"""From one window to the next is a quarter of it: 75 % overlap."""
_BLUR = 1.0
"""Standard deviation in pixels of the Gaussian that smooths both images. It is not in the paper. Simulated speckle has
detail up to the pixels' Nyquist frequency, so that its correlation peaks are narrower than what a paraboloid is fitted
to: without it, `benchmarks/block_matching.py` finds displacements drawn to whole pixels by up to 0.08, with it 0.01."""
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
    pixel by a paraboloid. At the last scale the correlation is the mean of both directions. The displacements of a
    scale are then smoothed by an unsupervised robust spline, weighted by the correlation; windows without texture, and
    windows whose correlation has no maximum inside the search and the image, weigh nothing and are filled in. Those of
    the last scale are interpolated bilinearly at every pixel. Before all that, both images are smoothed by a pixel.

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


@dataclass(frozen=True)
class _Windows:
    """All windows of an image, by their top left corners; the arrays have a margin of zeros as wide as the search.

    Attributes:
        pixels: of the image.
        mean: of each window.
        gain: one over the norm of a window less its mean; 0 where it shows nothing or leaves the image.
    """

    pixels: np.ndarray
    mean: np.ndarray
    gain: np.ndarray

    @classmethod
    def of(cls, image: np.ndarray, window: int, margin: int) -> _Windows:
        mean, square = (
            average(image, cv2.CV_64F, (window, window), anchor=(0, 0))[: 1 - window, : 1 - window]
            for average in (cv2.boxFilter, cv2.sqrBoxFilter)
        )
        deviation = np.sqrt(np.maximum(square - mean**2, 0))
        gain = np.where(deviation > _TEXTURE, 1 / (window * np.maximum(deviation, _TEXTURE)), 0)
        return cls(*(np.pad(array.astype(np.float32), margin) for array in (image, mean, gain)))


def _flow(first, second) -> np.ndarray:
    first, second = (cv2.GaussianBlur(image, (0, 0), _BLUR) for image in (first, second))
    coarser: tuple[_Grid, np.ndarray] | None = None
    for window, radius in SEARCHES:
        grid = _Grid.over(first.shape, window)
        guess = np.zeros(grid.corners.shape) if coarser is None else coarser[0].interpolate(coarser[1], grid.centres)
        both_ways = (window, radius) == SEARCHES[-1]  # of the scales before, only whole pixels are used
        flow, _ = smooth(*_match(first, second, grid, guess, radius, both_ways), tolerance=_TOLERANCE)
        coarser = grid, flow
    return grid.interpolate(flow, pixel_grid(first.shape))


def _match(first, second, grid, guess, radius, both_ways) -> tuple[np.ndarray, np.ndarray]:
    """One scale: the displacement (rows, columns, 2) of every window and its correlation (rows, columns)."""
    last = np.array(first.shape[::-1]) - grid.window
    first, second = (_Windows.of(image, grid.window, radius) for image in (first, second))
    shows = first.gain[np.ix_(grid.rows + radius, grid.columns + radius)] > 0
    here = grid.corners[shows]
    there = np.clip(here + np.rint(guess[shows]).astype(np.int64), 0, last)
    peaks = np.zeros((len(here), 3), np.float32)
    batch = max(_BATCH // (grid.window + 2 * radius) ** 2, 1)
    for start in range(0, len(here), batch):
        part = slice(start, start + batch)
        scores = _correlate(first, second, here[part], there[part], grid.window, radius)
        if both_ways:
            scores += _correlate(second, first, there[part], here[part], grid.window, radius)[:, ::-1, ::-1]
            scores /= 2
        _find_peaks(scores, there[part] - here[part], peaks[part])
    found = np.zeros((*shows.shape, 3), np.float32)
    found[shows] = peaks
    return found[..., :2], found[..., 2]


def _correlate(first, second, here, there, window, radius) -> np.ndarray:
    """Normalised cross-correlation of the windows `here` in the first image with those around `there` in the second.

    Returns:
        (windows, lags, lags), from -radius to radius along y and x; -inf where one of both windows shows nothing.
    """
    size = window + 2 * radius  # no lag wraps around in a transform so wide
    cut = np.zeros((2, len(here), size, size), np.float32)
    _cut(first.pixels, first.mean, second.pixels, here, there, window, radius, cut)
    templates, regions = fft.rfft2(cut)
    products = fft.irfft2(np.conj(templates, out=templates) * regions, s=(size, size))
    scores = np.empty((len(here), 2 * radius + 1, 2 * radius + 1), np.float32)
    _normalise(products, first.gain, second.gain, here, there, scores)
    return scores


@njit()
def _cut(first, mean, second, here, there, window, radius, cut):
    """Copy the windows of the first image, less their mean, and the regions of the second to search in."""
    size = window + 2 * radius
    for n in range(len(here)):
        x, y = here[n, 0] + radius, here[n, 1] + radius
        for row in range(window):
            for column in range(window):
                cut[0, n, row, column] = first[y + row, x + column] - mean[y, x]
        x, y = there[n]
        for row in range(size):
            for column in range(size):
                cut[1, n, row, column] = second[y + row, x + column]


@njit()
def _normalise(products, first_gain, second_gain, here, there, scores):
    lags = scores.shape[1]
    radius = lags // 2
    for n in range(len(here)):
        gain = first_gain[here[n, 1] + radius, here[n, 0] + radius]
        x, y = there[n]
        for row in range(lags):
            for column in range(lags):
                both = gain * second_gain[y + row, x + column]
                scores[n, row, column] = products[n, row, column] * both if both > 0 else -np.inf


@njit()
def _find_peaks(scores, displacement, peaks):
    """Where each correlation is highest, (dx, dy), and how high; 0 where that is no peak."""
    lags = scores.shape[1]
    for n in range(len(scores)):
        best, row, column = np.float32(0), 0, 0
        for i in range(lags):
            for j in range(lags):
                if scores[n, i, j] > best:
                    best, row, column = scores[n, i, j], i, j
        if not (0 < row < lags - 1 and 0 < column < lags - 1):
            continue
        around = scores[n, row - 1 : row + 2, column - 1 : column + 2]
        if around.min() == -np.inf:
            continue
        dx, dy = _vertex(around)
        if abs(dx) <= 1 and abs(dy) <= 1:
            peaks[n, 0] = displacement[n, 0] + column - lags // 2 + dx
            peaks[n, 1] = displacement[n, 1] + row - lags // 2 + dy
            peaks[n, 2] = min(best, np.float32(1))


@njit(keep=False)
def _vertex(score):
    """Maximum (dx, dy) of the paraboloid fitted to the 3 × 3 lags around a peak; infinite where it has none."""
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
