"""From I/Q signals on a polar grid to pixels.

Between beams the signal is interpolated, not its envelope: the beams sample the former well, the latter not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import prange

from cpwc_keras.compiled import njit

FINER = 4
"""Columns for each beam between which brightness is interpolated linearly."""

_TAPS = 8
_STEPS = 17  # bits of a power that its place in the gray scale leaves out: 64 places for each factor of 2


def lanczos() -> np.ndarray:
    """(FINER, 8) float32: the weights of beams -3 … 4 at each column from a beam on; the beams keep their values."""
    distance = np.arange(FINER)[:, None] / FINER - np.arange(_TAPS) + _TAPS // 2 - 1
    weights = np.sinc(distance) * np.sinc(distance * 2 / _TAPS)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def gray_scale(compress: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Tabulate a gray scale over the power: a float's leading bits, exponent and mantissa, count its logarithm.

    Args:
        compress: amplitudes in [0, 1] -> brightness.

    Returns:
        (P,) float32 brightness from power 0 to 1, for `brightness`.
    """
    last = int(np.float32(1).view(np.int32)) >> _STEPS
    power = (np.arange(last + 2, dtype=np.int32) << _STEPS).view(np.float32)
    return compress(np.minimum(np.sqrt(power), 1))


@njit(parallel=True)
def brightness(iq, weights, scale):
    """Envelope, compressed, on columns `FINER` times finer than the beams.

    Args:
        iq: (ranges, beams) complex64.
        weights: see `lanczos`.
        scale: see `gray_scale`.

    Returns:
        (ranges, FINER × beams) float32 in [0, 1]; the last FINER - 1 columns lie beyond the last beam.
    """
    out = np.empty((iq.shape[0], FINER * iq.shape[1]), np.float32)
    for n in prange(iq.shape[0]):
        _brightness_row(iq[n], weights, scale, out[n])
    return out


@njit(keep=False)
def _brightness_row(iq, weights, scale, out):
    beams = len(iq)
    before = _TAPS // 2 - 1
    real, imaginary = np.empty(beams + _TAPS, np.float32), np.empty(beams + _TAPS, np.float32)
    for b in range(beams + _TAPS):
        value = iq[min(max(b - before, 0), beams - 1)]  # beyond the outermost beams nothing changes
        real[b], imaginary[b] = value.real, value.imag
    power = np.empty(beams, np.float32)
    bits = power.view(np.int32)
    last = len(scale) - 2
    for phase in range(FINER):
        for b in range(beams):
            x = y = np.float32(0)
            for tap in range(_TAPS):
                x += weights[phase, tap] * real[b + tap]
                y += weights[phase, tap] * imaginary[b + tap]
            power[b] = x * x + y * y
        for b in range(beams):
            place = min(bits[b] >> _STEPS, last)
            share = np.float32(bits[b] & ((1 << _STEPS) - 1)) * np.float32(1 / (1 << _STEPS))
            out[b * FINER + phase] = scale[place] + share * (scale[place + 1] - scale[place])


@njit(parallel=True)
def to_pixels(values, row, column):
    """Bilinear interpolation at each pixel.

    Args:
        values: (rows, columns) float32.
        row: (H, W) float32 places, from 0 to rows - 1; below 0: outside, where the picture is 0.
        column: (H, W) float32 places, from 0 to columns - 1.

    Returns:
        (H, W) float32.
    """
    out = np.empty(row.shape, np.float32)
    for i in prange(row.shape[0]):
        _pixel_row(values, row[i], column[i], out[i])
    return out


@njit(keep=False)
def _pixel_row(values, row, column, out):
    rows, columns = values.shape
    for j in range(len(out)):
        if row[j] < 0:
            out[j] = 0
            continue
        r, c = min(int(row[j]), rows - 2), min(int(column[j]), columns - 2)
        down, right = row[j] - np.float32(r), column[j] - np.float32(c)
        above = values[r, c] + right * (values[r, c + 1] - values[r, c])
        below = values[r + 1, c] + right * (values[r + 1, c + 1] - values[r + 1, c])
        out[j] = above + down * (below - above)
