"""Loops of the surrogate engine. What they give does not depend on the number of threads.

A thread owns whole blocks of rows, and the scatterers of a block are added in the order in which they were given.
"""

from __future__ import annotations

import numpy as np
from numba import prange
from numpy.polynomial import chebyshev, polynomial

from cpwc_keras.compiled import njit
from cpwc_keras.data_prep.simulation.point_spread import BLOCK, ZONE

_CHUNK = 16384  # points whose blocks a thread finds at once
_BATCH = 512  # scatterers whose places are computed at once, in the first-level cache


def _series(function, terms):
    """Polynomial of y² for -0.5 <= y <= 0.5, close to `function` to 1e-7."""
    nodes = (chebyshev.chebpts1(40) + 1) / 8
    return tuple(np.float32(c) for c in polynomial.polyfit(nodes, function(np.sqrt(nodes)), terms - 1))


# Sine and cosine of a turn as polynomials: the compiler makes vector instructions of them.
_S0, _S1, _S2, _S3, _S4, _S5 = _series(lambda y: np.sin(2 * np.pi * y) / y, 6)
_C0, _C1, _C2, _C3, _C4, _C5, _C6 = _series(lambda y: np.cos(2 * np.pi * y), 7)


@njit(parallel=True)
def sort_by_block(points, amplitude, rows_per_mm, steepest, rows):
    """Bring scatterers of the same block of rows together.

    A scatterer between two blocks belongs to both. Those outside of the grid or without amplitude are left out.

    Args:
        points: (N, 2) float32 mm.
        amplitude: (N,) float32.
        rows_per_mm: of the grid.
        steepest: sine of the greatest angle.
        rows: of the grid.

    Returns:
        (3, M) float32 x, z, amplitude; (blocks + 1,) int64 where those of each block begin.
    """
    chunks, blocks = (len(points) + _CHUNK - 1) // _CHUNK, rows // BLOCK
    row = np.empty(len(points), np.int32)
    counts = np.zeros((chunks, blocks + 1), np.int64)
    for chunk in prange(chunks):
        first, last = chunk * _CHUNK, min((chunk + 1) * _CHUNK, len(points))
        for n in range(first, last):
            x, z = points[n, 0], points[n, 1]
            radius = np.sqrt(x * x + z * z)
            place = radius * rows_per_mm
            inside = (z >= 0) & (np.abs(x) < steepest * radius) & (place < rows - 1) & (amplitude[n] != 0)
            row[n] = np.int32(place) if inside else -1
        for n in range(first, last):
            if row[n] >= 0:
                counts[chunk, row[n] // BLOCK] += 1
                if row[n] % BLOCK == BLOCK - 1:
                    counts[chunk, row[n] // BLOCK + 1] += 1
    starts = np.zeros(blocks + 1, np.int64)
    total = 0
    for block in range(blocks):
        starts[block] = total
        for chunk in range(chunks):
            count = counts[chunk, block]
            counts[chunk, block] = total
            total += count
    starts[blocks] = total
    sorted_points = np.empty((3, total), np.float32)
    for chunk in prange(chunks):
        place = counts[chunk]
        for n in range(chunk * _CHUNK, min((chunk + 1) * _CHUNK, len(points))):
            if row[n] >= 0:
                block = row[n] // BLOCK
                for b in range(block, block + (2 if row[n] % BLOCK == BLOCK - 1 and block + 1 < blocks else 1)):
                    sorted_points[0, place[b]] = points[n, 0]
                    sorted_points[1, place[b]] = points[n, 1]
                    sorted_points[2, place[b]] = amplitude[n]
                    place[b] += 1
    return sorted_points, starts


@njit(parallel=True)
def deposit(scatterers, starts, rows_per_mm, turns_per_mm, columns_per_sine, row_weight, column_weight):
    """Put scatterers on the grid, each between two rows and two columns, with the phase of its echo.

    Returns:
        (orders, rows, 2 columns) float32: real and imaginary part of the grid × each of the column weights.
    """
    blocks = len(starts) - 1
    out = np.empty((len(column_weight), blocks * BLOCK, 2 * column_weight.shape[1]), np.float32)
    for task in prange((blocks + 1) // 2):  # a near block and a far one: equal work
        near = np.int64(task)
        for block in range(near, blocks - near, max(1, blocks - 1 - 2 * near)):
            _deposit_block(
                block, scatterers, starts[block], starts[block + 1], rows_per_mm, turns_per_mm, columns_per_sine,
                row_weight, column_weight, out,
            )  # fmt: skip
    return out


@njit(keep=False)
def _deposit_block(
    block, scatterers, start, stop, rows_per_mm, turns_per_mm, columns_per_sine, row_weight, column_weight, out
):
    columns = column_weight.shape[1]
    before, axis = np.float32(1 - block * BLOCK), np.float32(columns // 2)
    grid = np.zeros((BLOCK + 3, 2 * columns), np.float32)  # with a row before, one after, and one for rounding
    row, column = np.empty(_BATCH, np.int32), np.empty(_BATCH, np.int32)
    along, across = np.empty(_BATCH, np.float32), np.empty(_BATCH, np.float32)
    real, imaginary = np.empty(_BATCH, np.float32), np.empty(_BATCH, np.float32)
    for first in range(start, stop, _BATCH):
        count = min(_BATCH, stop - first)
        for n in range(count):
            x, z, amplitude = scatterers[0, first + n], scatterers[1, first + n], scatterers[2, first + n]
            radius = np.sqrt(x * x + z * z)
            place = radius * rows_per_mm + before
            row[n] = np.int32(place)
            along[n] = place - np.float32(row[n])
            place = x / radius * columns_per_sine + axis
            column[n] = np.int32(place)
            across[n] = place - np.float32(column[n])
            turns = np.float64(radius) * turns_per_mm
            y = np.float32(turns - np.float64(np.int32(turns)) - 0.5)
            q = y * y
            # Half a turn less changes both signs, and an echo's phase runs backwards.
            real[n] = -amplitude * (_C0 + q * (_C1 + q * (_C2 + q * (_C3 + q * (_C4 + q * (_C5 + q * _C6))))))
            imaginary[n] = amplitude * y * (_S0 + q * (_S1 + q * (_S2 + q * (_S3 + q * (_S4 + q * _S5)))))
        for n in range(count):
            r, c = np.uint64(row[n]), np.uint64(2 * column[n])
            for k in range(2):
                share = along[n] if k else 1 - along[n]
                right = share * across[n]
                left = share - right
                grid[r + np.uint64(k), c] += left * real[n]
                grid[r + np.uint64(k), c + np.uint64(1)] += left * imaginary[n]
                grid[r + np.uint64(k), c + np.uint64(2)] += right * real[n]
                grid[r + np.uint64(k), c + np.uint64(3)] += right * imaginary[n]
    for k in range(len(column_weight)):
        for n in range(BLOCK):
            weight = row_weight[block * BLOCK + n]
            for c in range(columns):
                out[k, block * BLOCK + n, 2 * c] = grid[n + 1, 2 * c] * (weight * column_weight[k, c])
                out[k, block * BLOCK + n, 2 * c + 1] = grid[n + 1, 2 * c + 1] * (weight * column_weight[k, c])


@njit(parallel=True)
def gather(spectra, frequencies, reach):
    """The frequencies that count: (orders, rows, columns) complex64 -> (orders, rows + 2 reach, 2, K) float32."""
    orders, rows, _ = spectra.shape
    out = np.empty((orders, rows + 2 * reach, 2, len(frequencies)), np.float32)
    for n in prange(rows + 2 * reach):
        for k in range(orders):
            if n < reach or n >= rows + reach:
                out[k, n] = 0
                continue
            for f in range(len(frequencies)):
                value = spectra[k, n - reach, frequencies[f]]
                out[k, n, 0, f], out[k, n, 1, f] = value.real, value.imag
    return out


@njit(parallel=True)
def spread(spectra, response, spans, steering, stride, out):
    """Filter along range at each lateral frequency, then hear that from each beam.

    Args:
        spectra: (3, rows + 2 reach, 2, K) float32, see `gather`.
        response: (zones, 3, taps, 2, K) float32.
        spans: (zones, 2) int: the first tap that is not zero, and the one after the last.
        steering: (2, K, beams) float32.
        stride: rows for each range.
        out: (ranges, beams) complex64, to be filled.
    """
    for zone in prange(len(response)):
        first = np.int64(zone) * ZONE
        samples = out[first : first + ZONE]
        _spread_zone(spectra, (first + 1) * stride, response[zone], spans[zone], steering, stride, samples)


@njit(keep=False)
def _spread_zone(spectra, row, response, span, steering, stride, out):
    """The samples of a zone, the first of which has rows `row` to `row` + taps of the spectra about it."""
    taps, frequencies = response.shape[1], response.shape[3]
    pulse = np.zeros((ZONE, 2, frequencies), np.float32)
    for tap in range(span[0], span[1]):
        for n in range(len(out)):
            r = row + n * stride + taps - 1 - tap
            for f in range(frequencies):  # all orders at once: fewer loads and stores
                a0, b0 = response[0, tap, 0, f], response[0, tap, 1, f]
                a1, b1 = response[1, tap, 0, f], response[1, tap, 1, f]
                a2, b2 = response[2, tap, 0, f], response[2, tap, 1, f]
                c0, d0 = spectra[0, r, 0, f], spectra[0, r, 1, f]
                c1, d1 = spectra[1, r, 0, f], spectra[1, r, 1, f]
                c2, d2 = spectra[2, r, 0, f], spectra[2, r, 1, f]
                pulse[n, 0, f] += a0 * c0 - b0 * d0 + a1 * c1 - b1 * d1 + a2 * c2 - b2 * d2
                pulse[n, 1, f] += a0 * d0 + b0 * c0 + a1 * d1 + b1 * c1 + a2 * d2 + b2 * c2
    heard = np.zeros((ZONE, 2, steering.shape[2]), np.float32)
    for f in range(frequencies):
        for n in range(len(out)):
            a, b = pulse[n, 0, f], pulse[n, 1, f]
            for beam in range(steering.shape[2]):
                heard[n, 0, beam] += a * steering[0, f, beam] - b * steering[1, f, beam]
                heard[n, 1, beam] += a * steering[1, f, beam] + b * steering[0, f, beam]
    for n in range(len(out)):
        for beam in range(steering.shape[2]):
            out[n, beam] = complex(heard[n, 0, beam], heard[n, 1, beam])
