"""What Numba's vectoriser does not do by itself, written in LLVM's own vectors, for whichever processor this is.

It does not keep nine accumulators in registers, and does not transpose in them.

Numba keeps compiled kernels by the date of the file they are in, not of this one: after a change here, remove the
`__pycache__` beside it. Kernels that have become wrong are noticed before their first use (`ops.native`).
"""

from __future__ import annotations

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 8
"""Floats in a vector: with it nine accumulators and their operands fit into the registers."""


def accumulator(pairs: list[tuple[int, int]], spread: bool):
    """An innermost loop: ``out[i, j] += a[i, n] * b[j, n]``, summed over n, for vectors `out` held in registers.

    Args:
        pairs: (i, j) of the vectors that are summed at once.
        spread: `a` is one number for each i, rather than a vector.
    """
    firsts, seconds = ({pair[side] for pair in pairs} for side in (0, 1))

    @intrinsic
    def accumulate(context, a, a_start, a_i, a_n, b, b_start, b_j, b_n, out, out_start, out_i, out_j, steps):
        # Arrays are given with the index of the first number and the strides over i, j and n, in numbers.
        integers = [types.intp] * 3
        signature = types.void(a, *integers, b, *integers, out, *integers, types.intp)

        def generate(context, builder, signature, arguments):
            vector = ir.VectorType(ir.FloatType(), LANES)
            integer = arguments[1].type
            a, b, out = (
                context.make_array(signature.args[place])(context, builder, arguments[place]).data
                for place in (0, 4, 8)
            )
            a_start, a_i, a_n = arguments[1:4]
            b_start, b_j, b_n = arguments[5:8]
            out_start, out_i, out_j, steps = arguments[9:13]

            def times(stride, i):
                return builder.mul(stride, ir.Constant(integer, i))

            def at(array, start, *further):
                for offset in further:
                    start = builder.add(start, offset)
                return builder.gep(array, [start])

            def load(pointer):
                return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=4)

            multiply_add = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{LANES}f32"
            )
            pointers = [at(out, out_start, times(out_i, i), times(out_j, j)) for i, j in pairs]
            before = [load(pointer) for pointer in pointers]
            entry = builder.block
            head, body, end = (builder.append_basic_block(name) for name in ("head", "body", "end"))
            builder.branch(head)

            builder.position_at_end(head)
            n = builder.phi(integer)
            n.add_incoming(ir.Constant(integer, 0), entry)
            sums = [builder.phi(vector) for _ in pairs]
            for total, value in zip(sums, before, strict=True):
                total.add_incoming(value, entry)
            builder.cbranch(builder.icmp_signed("<", n, steps), body, end)

            builder.position_at_end(body)
            a_now, b_now = (
                builder.add(start, builder.mul(n, stride)) for start, stride in ((a_start, a_n), (b_start, b_n))
            )
            if spread:
                a_loaded = {i: _spread(builder, builder.load(at(a, a_now, times(a_i, i))), vector) for i in firsts}
            else:
                a_loaded = {i: load(at(a, a_now, times(a_i, i))) for i in firsts}
            b_loaded = {j: load(at(b, b_now, times(b_j, j))) for j in seconds}
            added = [
                builder.call(multiply_add, [a_loaded[i], b_loaded[j], total])
                for (i, j), total in zip(pairs, sums, strict=True)
            ]
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


@intrinsic
def transpose_tile(context, source, row, column, target):
    """``target[column + j, row + i] = source[row + i, column + j]`` for i and j below LANES.

    Numbers of 16 bits become the upper half of those of 32; the other way round, they are rounded.
    """
    signature = types.void(source, types.intp, types.intp, target)

    def generate(context, builder, signature, arguments):
        given, wanted = (context.make_array(signature.args[at])(context, builder, arguments[at]) for at in (0, 3))
        bits_in, bits_out = (signature.args[at].dtype.bitwidth for at in (0, 3))
        full = ir.VectorType(ir.IntType(32), LANES)
        integer = arguments[1].type

        def row_of(array, i, start_i, start_j, bits):
            """Pointer to a vector of the `i`-th row of the tile."""
            stride = cgutils.unpack_tuple(builder, array.strides)[0]
            offset = builder.mul(builder.add(start_i, ir.Constant(integer, i)), stride)
            offset = builder.add(offset, builder.mul(start_j, ir.Constant(integer, bits // 8)))
            pointer = builder.gep(builder.bitcast(array.data, ir.IntType(8).as_pointer()), [offset])
            return builder.bitcast(pointer, ir.VectorType(ir.IntType(bits), LANES).as_pointer())

        def shuffled(first, second, lanes):
            return builder.shuffle_vector(first, second, ir.Constant(full, lanes))

        rows = []
        for i in range(LANES):
            bits = builder.load(row_of(given, i, arguments[1], arguments[2], bits_in), align=bits_in // 8)
            rows.append(bits if bits_in == 32 else _widened(builder, bits, full))
        # Blocks of 1, 2, 4 … numbers off the diagonal change places.
        for width in (2**power for power in range(LANES.bit_length() - 1)):
            for i in (i for i in range(LANES) if not i & width):
                upper = [lane + LANES - width if lane & width else lane for lane in range(LANES)]
                lower = [lane + LANES if lane & width else lane + width for lane in range(LANES)]
                pair = rows[i], rows[i + width]
                rows[i], rows[i + width] = shuffled(*pair, upper), shuffled(*pair, lower)
        for j, bits in enumerate(rows):
            kept = bits if bits_out == 32 else _narrowed(builder, bits, full)
            builder.store(kept, row_of(wanted, j, arguments[2], arguments[1], bits_out), align=bits_out // 8)
        return context.get_dummy_value()

    return signature, generate


def _widened(builder, bits, full):
    return builder.shl(builder.zext(bits, full), ir.Constant(full, [16] * LANES))


def _narrowed(builder, bits, full):
    """To the nearest, ties to even, as TensorFlow and JAX round (`kernels` has it for a single number)."""

    def every(number):
        return ir.Constant(full, [number] * LANES)

    upper = builder.lshr(bits, every(16))
    odd = builder.and_(upper, every(1))
    rounded = builder.lshr(builder.add(builder.add(bits, every(0x7FFF)), odd), every(16))
    no_number = builder.icmp_unsigned(">", builder.and_(bits, every(0x7FFFFFFF)), every(0x7F800000))
    # Rounding could make NaN infinite.
    kept = builder.select(no_number, builder.or_(upper, every(0x40)), rounded)
    return builder.trunc(kept, ir.VectorType(ir.IntType(16), LANES))
