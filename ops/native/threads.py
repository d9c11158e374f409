"""The compiled kernels on NumPy arrays, shared among threads."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np

from cpwc_keras.ops.native.kernels import cost_volume_rows, gradient_rows
from cpwc_keras.processes import available_cores

_WORTH_A_THREAD = 1_000_000
"""Multiplications below which waking another thread costs more than it saves."""

_ALIGNMENT = 64
"""Bytes: a tensor of TensorFlow begins at a multiple of them."""

_SHIFTS = {4: (np.uint32, 0), 2: (np.uint16, 16)}


def cost_volume(features1: np.ndarray, features2: np.ndarray, search_range: int) -> np.ndarray:
    """`cpwc_keras.ops.cost_volume` of arrays.

    Args:
        features1: (B, H, W, C) float32, or bfloat16 of ml_dtypes.
        features2: like `features1`.
        search_range: r.

    Returns:
        (B, H, W, (2r + 1)²), in the dtype of `features1`.
    """
    kind, shift = _SHIFTS[features1.dtype.itemsize]
    out = _empty((*features1.shape[:3], (2 * search_range + 1) ** 2), features1.dtype)
    first, second, bits = _given(features1, kind), _given(features2, kind), _bits(out, kind)

    def work(image: int, start: int, stop: int):
        cost_volume_rows(first[image], second[image], bits[image], search_range, shift, start, stop)

    _share(work, out.shape, features1.shape[-1])
    return out


def gradients(
    upstream: np.ndarray, features1: np.ndarray, features2: np.ndarray, search_range: int
) -> tuple[np.ndarray, np.ndarray]:
    """The gradients with respect to both feature maps.

    Args:
        upstream: (B, H, W, (2r + 1)²): gradient with respect to the cost volume, in the dtype of the features.
        features1: (B, H, W, C) float32, or bfloat16 of ml_dtypes.
        features2: like `features1`.
        search_range: r.

    Returns:
        two arrays like `features1`.
    """
    kind, shift = _SHIFTS[features1.dtype.itemsize]
    outs = [_empty(maps.shape, maps.dtype) for maps in (features1, features2)]
    given, maps = _given(upstream, kind), [_given(features2, kind), _given(features1, kind)]
    bits = [_bits(out, kind) for out in outs]

    def work(image: int, start: int, stop: int):
        for second in (False, True):
            gradient_rows(
                given[image], maps[second][image], bits[second][image], search_range, second, shift, start, stop
            )

    _share(work, upstream.shape, 2 * features1.shape[-1])
    return outs[0], outs[1]


def _empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array that begins where TensorFlow's tensors do: a graph takes it over without a copy."""
    size = math.prod(shape) * dtype.itemsize
    room = np.empty(size + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    return room[start : start + size].view(dtype).reshape(shape)


def _bits(array: np.ndarray, kind) -> np.ndarray:
    return np.ascontiguousarray(array).view(kind)


def _given(array: np.ndarray, kind) -> np.ndarray:
    """As `_bits`, to be read only: for Numba that is a type of its own, and arrays of eager tensors are of it."""
    bits = _bits(array, kind)
    bits.flags.writeable = False
    return bits


def _share(work, shape: tuple[int, ...], channels: int) -> None:
    """Call ``work(image, start, stop)`` for all rows of all images, from several threads where it pays."""
    images, height, width, displacements = shape
    cost = images * height * width * displacements * channels
    parts = max(1, min(height // 2, min(cost // _WORTH_A_THREAD, _threads()) // max(1, min(images, _threads()))))
    edges = [*(height * part // (2 * parts) * 2 for part in range(parts)), height]  # rows are matched in pairs
    pieces = [(image, *edges[part : part + 2]) for image in range(images) for part in range(parts)]
    if len(pieces) == 1 or cost < _WORTH_A_THREAD:
        for piece in pieces:
            work(*piece)
    else:
        # This thread has nothing else to do: it takes its share rather than wait.
        others = [_pool().submit(work, *piece) for piece in pieces[1:]]
        work(*pieces[0])
        for other in others:
            other.result()


_threads = lru_cache(maxsize=1)(available_cores)


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_threads(), thread_name_prefix="cost-volume")
