"""The inner loops of the exact engine: scatterers to impulse trains of element pairs, and those to beams."""

from __future__ import annotations

import numpy as np
from numba import config, prange

from cpwc_keras.compiled import njit

# Numba leaves LLVM's vectorizer of straight-line code off, which makes the four taps of a deposit one instruction each.
config.SLP_VECTORIZE = 1  # type: ignore[attr-defined]

BLOCK = 1024
"""Scatterers deposited together: their delays and weights stay in the second-level cache."""

_FRACTION = 16
"""Bits of a delay after the point."""


@njit(parallel=True)
def paths(x, z, element_x, samples_per_mm, half_width, soft, nearest):
    """One-way delays as fixed-point samples (blocks, elements, BLOCK), and what each element hears of each scatterer.

    The far field of an element in the scan plane: sinc directivity at the centre frequency, the cosine of a soft
    baffle, cylindrical spreading. `half_width` is the argument of the sinc at 90°, at most π.
    """
    blocks = (len(x) + BLOCK - 1) // BLOCK
    delays = np.zeros((blocks, len(element_x), BLOCK), np.int32)
    sensitivity = np.zeros((blocks, len(element_x), BLOCK), np.float32)
    unit = samples_per_mm * (1 << _FRACTION)
    for block in prange(blocks):
        first = np.int64(block) * BLOCK
        for e in range(len(element_x)):
            for n in range(min(BLOCK, len(x) - first)):
                across, along = np.float64(x[first + n]) - element_x[e], np.float64(z[first + n])
                distance = np.sqrt(across * across + along * along) + 1e-9
                sine, cosine = across / distance, along / distance
                q = (half_width * sine) ** 2
                # sin(a) / a as a series in a², which vectorizes; the next term is below 1e-8 for a up to π.
                directivity = 1 - q / 6 * (1 - q / 20 * (1 - q / 42 * (1 - q / 72 * (
                    1 - q / 110 * (1 - q / 156 * (1 - q / 210 * (1 - q / 272)))))))  # fmt: skip
                distance = max(distance, nearest)
                delays[block, e, n] = np.int32(distance * unit + 0.5)
                sensitivity[block, e, n] = directivity * (cosine if soft else 1.0) / np.sqrt(distance)
    return delays, sensitivity


@njit(parallel=True)
def deposit(delays, sensitivity, weight, table, impulses):
    """Add every scatterer's echo to the train of every pair of elements.

    A thread owns whole rows of pairs, so that no two write to the same place and the sums do not depend on how many
    threads there are. Row i has elements - i pairs: rows i and elements - 1 - i together are equal work.
    """
    elements = delays.shape[1]
    for task in prange((elements + 1) // 2):
        i = np.int64(task)
        _deposit_row(i, delays, sensitivity, weight, table, impulses)
        if elements - 1 - i != i:
            _deposit_row(elements - 1 - i, delays, sensitivity, weight, table, impulses)


@njit(fastmath=True, keep=False)
def _deposit_row(i, delays, sensitivity, weight, table, impulses):
    blocks, elements, size = delays.shape
    phase_bits = int(np.log2(len(table)) + 0.5)
    row = i * elements - i * (i + 1) // 2
    shift, half = np.uint32(_FRACTION - phase_bits), np.uint32(1 << (_FRACTION - phase_bits - 1))
    last_phase = np.uint32(len(table) - 1)
    zero, one, two, three = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(3)
    echo = np.empty(size, np.float32)
    for block in range(blocks):
        count = min(size, len(weight) - block * size)
        for n in range(count):
            echo[n] = sensitivity[block, i, n] * weight[block * size + n]
        for j in range(i, elements):
            train = impulses[row + j]
            for n in range(count):
                # Unsigned, so that no check for negative indices stands in the innermost loop.
                place = np.uint32(delays[block, i, n]) + np.uint32(delays[block, j, n]) + half
                first = np.uint64(place >> np.uint32(_FRACTION))
                phase = np.uint64((place >> shift) & last_phase)
                value = echo[n] * sensitivity[block, j, n]
                # All loads before all stores: only then can the four taps be one vector instruction each.
                a = train[first - one] + value * table[phase, zero]
                b = train[first] + value * table[phase, one]
                c = train[first + one] + value * table[phase, two]
                d = train[first + two] + value * table[phase, three]
                train[first - one], train[first], train[first + one], train[first + two] = a, b, c, d


@njit(parallel=True)
def transmit(spectra, turns, first_bin, slots, out):
    """Fire all elements of each beam: out[beam, j, slots[f]] = Σ over i of pair (i, j) × exp(√-1 turns[i, beam] f)."""
    elements, beams = turns.shape
    groups = (len(spectra) + 7) // 8
    for group in prange(groups):
        real, imaginary = np.empty((elements, beams), np.float32), np.empty((elements, beams), np.float32)
        sums = np.zeros((8, 2, elements, beams), np.float32)
        count = min(8, len(spectra) - group * 8)
        for k in range(count):
            f = group * 8 + k
            for i in range(elements):
                for b in range(beams):
                    turn = turns[i, b] * (first_bin + f)
                    real[i, b], imaginary[i, b] = np.cos(turn), np.sin(turn)
            pair = 0
            for i in range(elements):
                for j in range(i, elements):
                    a, c = spectra[f, pair].real, spectra[f, pair].imag
                    pair += 1
                    for b in range(beams):
                        sums[k, 0, j, b] += a * real[i, b] - c * imaginary[i, b]
                        sums[k, 1, j, b] += a * imaginary[i, b] + c * real[i, b]
                    if i != j:
                        for b in range(beams):
                            sums[k, 0, i, b] += a * real[j, b] - c * imaginary[j, b]
                            sums[k, 1, i, b] += a * imaginary[j, b] + c * real[j, b]
        for b in range(beams):
            for j in range(elements):
                for k in range(count):
                    out[b, j, slots[group * 8 + k]] = complex(sums[k, 0, j, b], sums[k, 1, j, b])
