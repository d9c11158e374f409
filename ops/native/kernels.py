"""Cost volume and its gradients on the CPU, compiled by Numba when they are first used and kept on disk.

Numbers come and go as their bits: float32 as uint32, bfloat16 as uint16. Inside everything is float32, so bfloat16 is
rounded once, at the end. The functions release the GIL and work on a range of rows, which `threads` shares out; every
number is summed by one thread in one order, so the result does not depend on their count.
"""

from __future__ import annotations

import numpy as np

from cpwc_keras.compiled import njit
from cpwc_keras.ops.native.vectors import LANES, accumulator, transpose_tile

_COLUMNS = 8
"""Neighbouring pixels whose gradients are summed together."""

_ROWS = 2 if LANES == 16 else 1
"""Rows of image 1 that are matched together, so that what is read of image 2 serves both.

Their 18 sums need the 32 registers of AVX-512; with 16 they would be kept in memory, and nothing is won.
"""


_nine = accumulator([(0, j) for j in range(9)], spread=False)
_nine_of_two_rows = accumulator([(i, j) for j in range(9) for i in range(2)], spread=False)
_one = accumulator([(0, 0)], spread=False)
_columns = accumulator([(i, i) for i in range(_COLUMNS)], spread=True)


@njit(inline="always")
def _wide(bits, shift):
    """The bits of a float32, from those of a number whose upper ones alone are kept (bfloat16: shift 16)."""
    return np.uint32(bits) << shift


@njit(inline="always")
def _narrow(bits, shift):
    """The reverse, rounded to the nearest, ties to even, as TensorFlow and JAX do (`vectors` has it for a vector)."""
    if shift == 0:
        return bits
    if (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000):  # NaN: rounding could make it infinite
        return (bits >> shift) | np.uint32(0x40)
    return (bits + np.uint32(0x7FFF) + ((bits >> shift) & np.uint32(1))) >> shift


@njit(keep=False)
def _transpose(source, target, shift_in, shift_out):
    """``target[j, i] = source[i, j]``, widened or narrowed by so many bits."""
    rows, columns = source.shape
    whole_rows, whole_columns = rows - rows % LANES, columns - columns % LANES
    for i in range(0, whole_rows, LANES):
        for j in range(0, whole_columns, LANES):
            transpose_tile(source, i, j, target)
    for i in range(rows):
        for j in range(whole_columns if i < whole_rows else 0, columns):
            target[j, i] = _narrow(_wide(source[i, j], shift_in), shift_out)


@njit(error_model="numpy")
def cost_volume_rows(features1, features2, out, search_range, shift, start, stop):
    """Rows `start` to `stop` of the cost volume of one image.

    Args:
        features1: (H, W, C) bits.
        features2: (H, W, C) bits.
        out: (H, W, (2r + 1)²) bits, of which the rows are filled.
        search_range: r.
        shift: bits that a number has fewer than 32.
        start: first row.
        stop: row after the last.
    """
    height, width, channels = features1.shape
    r, side = search_range, 2 * search_range + 1
    row = -(-width // LANES) * LANES
    wide = row + 2 * r
    plane, square = channels * row, side * side * row
    scale = np.float32(1.0 / channels)
    # Channel by channel, so that a vector is of neighbouring pixels. Of image 2 the last rows are kept.
    here = np.zeros((_ROWS, channels, row), np.float32)
    there = np.zeros((side + _ROWS - 1, channels, wide), np.float32)
    sums = np.empty((_ROWS, side * side, row), np.float32)
    here_bits, there_bits, sum_bits = here.view(np.uint32), there.view(np.uint32), sums.view(np.uint32)
    known = start - r - 1
    for y in range(start, stop, _ROWS):
        rows = min(_ROWS, stop - y)
        for i in range(rows):
            _transpose(features1[y + i], here_bits[i], shift, 0)
        here *= scale
        for new in range(known + 1, y + rows + r):
            kept = there_bits[new % len(there)]
            if 0 <= new < height:
                _transpose(features2[new], kept[:, r : r + width], shift, 0)
            else:
                kept[:] = 0
        known = y + rows - 1 + r
        sums[:] = 0
        for line in range(side + rows - 1):
            # Row y + i sees this line of image 2 at the vertical displacement line − i − r.
            first, last = max(0, line - side + 1), min(rows - 1, line)
            seen = ((y + line - r) % len(there)) * channels * wide
            next_row = square - side * row  # from a sum of one row to that of the next with the same line
            for x in range(0, row, LANES):
                a, b, to = first * plane + x, seen + x, first * next_row + line * side * row + x
                dx = 0
                while dx + 9 <= side:
                    s = to + dx * row
                    if first < last:
                        _nine_of_two_rows(here, a, plane, row, there, b + dx, 1, wide, sums, s, next_row, row, channels)
                    else:
                        _nine(here, a, 0, row, there, b + dx, 1, wide, sums, s, 0, row, channels)
                    dx += 9
                while dx < side:
                    for i in range(last - first + 1):
                        s = to + dx * row + i * next_row
                        _one(here, a + i * plane, 0, row, there, b + dx, 1, wide, sums, s, 0, 0, channels)
                    dx += 1
        for i in range(rows):
            _transpose(sum_bits[i][:, :width], out[y + i], 0, shift)


@njit(error_model="numpy")
def gradient_rows(upstream, maps, out, search_range, second, shift, start, stop):
    """Rows `start` to `stop` of the gradient with respect to one of the two feature maps of one image.

    The neighbour at +d of image 1 sees image 1 at -d: the gradient of the second is that of the first with the maps
    swapped and the displacements reversed.

    Args:
        upstream: (H, W, (2r + 1)²) bits: gradient with respect to the cost volume.
        maps: (H, W, C) bits: the other feature maps.
        out: (H, W, C) bits, of which the rows are filled.
        search_range: r.
        second: whether the gradient is that of the second feature maps.
        shift: bits that a number has fewer than 32.
        start: first row.
        stop: row after the last.
    """
    height, width, channels = maps.shape
    side = 2 * search_range + 1
    count = side * side
    row = -(-width // _COLUMNS) * _COLUMNS
    wide = row + 2 * search_range
    deep = -(-channels // LANES) * LANES
    scale = np.float32(1.0 / channels)
    ups = np.zeros((side, wide, count), np.float32)
    there = np.zeros((side, wide, deep), np.float32)
    sums = np.empty((row, deep), np.float32)
    ups_bits, there_bits, sum_bits = ups.view(np.uint32), there.view(np.uint32), sums.view(np.uint32)
    # Where the displacement −r begins in the padded rows, and where the next one lies.
    ups_first, maps_first = (2 * search_range, 2 * search_range) if second else (search_range, 0)
    ups_step, maps_step = (1 - count, -deep) if second else (1, deep)
    known = start - search_range - 1
    for y in range(start, stop):
        for new in range(known + 1, y + search_range + 1):
            at = new % side
            if 0 <= new < height:
                for x in range(width):
                    for k in range(count):
                        ups_bits[at, x + search_range, k] = _wide(upstream[new, x, k], shift)
                    for c in range(channels):
                        there_bits[at, x + search_range, c] = _wide(maps[new, x, c], shift)
            else:
                ups_bits[at] = 0
                there_bits[at] = 0
        known = y + search_range
        sums[:] = 0
        for dy in range(side):
            other = (y + search_range - dy if second else y + dy - search_range) % side
            ups_row = (other if second else y % side) * wide * count + dy * side
            maps_row = other * wide * deep
            for x in range(0, row, _COLUMNS):
                a = ups_row + (x + ups_first) * count
                for c in range(0, deep, LANES):
                    b = maps_row + (x + maps_first) * deep + c
                    _columns(ups, a, count, ups_step, there, b, deep, maps_step, sums, x * deep + c, deep, 0, side)
        for x in range(width):
            for c in range(channels):
                sums[x, c] *= scale
                out[y, x, c] = _narrow(sum_bits[x, c], shift)
