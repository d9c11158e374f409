"""Cost volume and its gradients on the CPU, compiled by Numba when they are first used and kept on disk.

Numbers come and go as their bits: float32 as uint32, bfloat16 as uint16. Inside everything is float32, so bfloat16 is
rounded once, at the end. The functions release the GIL and work on a range of rows, which `threads` shares out; every
number is summed by one thread in one order, so the result does not depend on their count.

Numba's vectoriser does not keep nine accumulators in registers; the innermost loop is therefore written in LLVM's own
vectors, for whichever processor this is.
"""

from __future__ import annotations

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 8
"""Floats in a vector: with it nine accumulators and their operands fit into the registers."""

_COLUMNS = 8
"""Neighbouring pixels whose gradients are summed together."""


def _accumulator(count: int, spread: bool):
    """An innermost loop: ``out[i] += a[i, n] * b[i, n]``, summed over n, for `count` vectors `out` held in registers.

    Args:
        count: how many vectors are summed at once.
        spread: `a` is one number for each of the vectors, rather than one vector for all.
    """

    @intrinsic
    def accumulate(context, a, a_start, a_i, a_n, b, b_start, b_i, b_n, out, out_start, out_i, steps):
        # Arrays are given with the index of the first number and the strides over i and n, in numbers.
        integers = [types.intp] * 3
        signature = types.void(a, *integers, b, *integers, out, *integers)

        def generate(context, builder, signature, arguments):
            vector = ir.VectorType(ir.FloatType(), LANES)
            integer = arguments[1].type
            a, b, out = (
                context.make_array(signature.args[at])(context, builder, arguments[at]).data for at in (0, 4, 8)
            )
            a_start, a_i, a_n = arguments[1:4]
            b_start, b_i, b_n = arguments[5:8]
            out_start, out_i, steps = arguments[9:12]

            def at(array, start, stride, i):
                index = builder.add(start, builder.mul(stride, ir.Constant(integer, i)))
                return builder.gep(array, [index])

            def load(pointer):
                return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=4)

            multiply_add = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{LANES}f32"
            )
            pointers = [at(out, out_start, out_i, i) for i in range(count)]
            before = [load(pointer) for pointer in pointers]
            entry = builder.block
            head, body, end = (builder.append_basic_block(name) for name in ("head", "body", "end"))
            builder.branch(head)

            builder.position_at_end(head)
            n = builder.phi(integer)
            n.add_incoming(ir.Constant(integer, 0), entry)
            sums = [builder.phi(vector) for _ in range(count)]
            for total, value in zip(sums, before, strict=True):
                total.add_incoming(value, entry)
            builder.cbranch(builder.icmp_signed("<", n, steps), body, end)

            builder.position_at_end(body)
            a_now, b_now = (
                builder.add(start, builder.mul(n, stride)) for start, stride in ((a_start, a_n), (b_start, b_n))
            )
            shared = None if spread else load(builder.gep(a, [a_now]))
            added = []
            for i, total in enumerate(sums):
                factor = _spread(builder, builder.load(at(a, a_now, a_i, i)), vector) if spread else shared
                added.append(builder.call(multiply_add, [factor, load(at(b, b_now, b_i, i)), total]))
            n.add_incoming(builder.add(n, ir.Constant(integer, 1)), builder.block)
            for total, value in zip(sums, added, strict=True):
                total.add_incoming(value, builder.block)
            builder.branch(head)

            builder.position_at_end(end)
            for pointer, total in zip(pointers, sums, strict=True):
                builder.store(total, builder.bitcast(pointer, vector.as_pointer()), align=4)
            return context.get_dummy_value()

        return signature, generate

    return accumulate


def _spread(builder, number, vector):
    """A vector of one number, over and over."""
    nothing = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


_nine_displacements = _accumulator(9, spread=False)
_one_displacement = _accumulator(1, spread=False)
_columns = _accumulator(_COLUMNS, spread=True)


@njit(nogil=True, cache=True, inline="always")
def _wide(bits, shift):
    """The bits of a float32, from those of a number whose upper ones alone are kept (bfloat16: shift 16)."""
    return np.uint32(bits) << shift


@njit(nogil=True, cache=True, inline="always")
def _narrow(bits, shift):
    """The reverse, rounded to the nearest, ties to even, as TensorFlow and JAX do."""
    if shift == 0:
        return bits
    if (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000):  # NaN: rounding could make it infinite
        return (bits >> shift) | np.uint32(0x40)
    return (bits + np.uint32(0x7FFF) + ((bits >> shift) & np.uint32(1))) >> shift


@njit(nogil=True, cache=True, error_model="numpy")
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
    side = 2 * search_range + 1
    row = -(-width // LANES) * LANES
    wide = row + 2 * search_range
    scale = np.float32(1.0 / channels)
    # Channel by channel, so that a vector is of neighbouring pixels; the last rows of image 2 are kept.
    here = np.zeros((channels, row), np.float32)
    there = np.zeros((side, channels, wide), np.float32)
    sums = np.empty((side * side, row), np.float32)
    here_bits, there_bits, sum_bits = here.view(np.uint32), there.view(np.uint32), sums.view(np.uint32)
    known = start - search_range - 1
    for y in range(start, stop):
        for x in range(width):
            for c in range(channels):
                here_bits[c, x] = _wide(features1[y, x, c], shift)
        for new in range(known + 1, y + search_range + 1):
            kept = there_bits[new % side]
            if 0 <= new < height:
                for x in range(width):
                    for c in range(channels):
                        kept[c, x + search_range] = _wide(features2[new, x, c], shift)
            else:
                kept[:] = 0
        known = y + search_range
        sums[:] = 0
        for dy in range(side):
            first = ((y + dy - search_range) % side) * channels * wide
            for x in range(0, row, LANES):
                dx = 0
                while dx + 9 <= side:
                    to = (dy * side + dx) * row + x
                    _nine_displacements(here, x, 0, row, there, first + x + dx, 1, wide, sums, to, row, channels)
                    dx += 9
                while dx < side:
                    to = (dy * side + dx) * row + x
                    _one_displacement(here, x, 0, row, there, first + x + dx, 1, wide, sums, to, row, channels)
                    dx += 1
        for k in range(side * side):
            for x in range(width):
                sums[k, x] *= scale
        for x in range(width):
            for k in range(side * side):
                out[y, x, k] = _narrow(sum_bits[k, x], shift)


@njit(nogil=True, cache=True, error_model="numpy")
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
                    _columns(ups, a, count, ups_step, there, b, deep, maps_step, sums, x * deep + c, deep, side)
        for x in range(width):
            for c in range(channels):
                sums[x, c] *= scale
                out[y, x, c] = _narrow(sum_bits[x, c], shift)
