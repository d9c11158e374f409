"""A compiled cost volume for the CPU, used by `cpwc_keras.ops.cost_volume` wherever it can be.

Numba compiles it when it is first needed, for the processor at hand, and keeps it on disk: no compiler is needed and
nothing is built at installation. Before it is trusted it has to agree with sums done by NumPy; if it does not, or
cannot be compiled, one warning says so and everything goes on as if it were not there.

The environment variable ``CPWC_NATIVE=0`` turns it off.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import keras
import numpy as np

_portable: ContextVar[bool] = ContextVar("portable", default=False)


@contextmanager
def portable() -> Iterator[None]:
    """Within it, networks are traced with the backend's own operations, for graphs that leave this process."""
    token = _portable.set(True)
    try:
        yield
    finally:
        _portable.reset(token)


def takes(maps) -> bool:
    """Whether the compiled cost volume can be given this, here and now.

    Args:
        maps: any backend's tensor. True needs TensorFlow without a GPU, float32 or bfloat16, and a known number of
            channels; symbolic tensors of Keras have no numbers.
    """
    if _portable.get() or os.environ.get("CPWC_NATIVE") == "0" or keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return (
        tf.is_tensor(maps)
        and maps.dtype in (tf.float32, tf.bfloat16)
        and maps.shape.rank == 4
        and maps.shape[-1] is not None
        and not tf.config.list_physical_devices("GPU")
        and _trusted()
    )


def cost_volume(features1, features2, search_range: int):
    """`cpwc_keras.ops.cost_volume` of two TensorFlow tensors that it `takes`, differentiable once."""
    import tensorflow as tf

    from cpwc_keras.ops.native import threads

    def call(function, tensors, shapes):
        """Arrays from arrays, now or when the graph runs."""
        if tf.executing_eagerly():
            return [tf.convert_to_tensor(array) for array in function(*map(np.asarray, tensors))]
        found = tf.numpy_function(function, tensors, [features1.dtype] * len(shapes), stateful=False)
        for value, shape in zip(found, shapes, strict=True):
            value.set_shape(shape)
        return found

    @tf.custom_gradient
    def correlate(features1, features2):
        def forward(*maps):
            return [threads.cost_volume(*maps, search_range)]

        def backward(*given):
            return threads.gradients(*given, search_range)

        def gradient(upstream):
            shapes = features1.shape, features2.shape
            return call(backward, [upstream, features1, features2], shapes)

        shape = [*features1.shape[:3], (2 * search_range + 1) ** 2]
        return call(forward, [features1, features2], [shape])[0], gradient

    return correlate(features1, features2)


@lru_cache(maxsize=1)
def _trusted() -> bool:
    """Compile, and compare with NumPy once in each process."""
    try:
        wrong = _largest_error()
    except Exception as error:  # whatever it is, the portable form goes on without it
        reason = f"cannot be compiled here ({type(error).__name__}: {error})"
    else:
        if wrong < 1e-5:
            return True
        reason = f"is off by {wrong:.2g} on this processor"
    warnings.warn(f"The compiled cost volume {reason}; the portable one is used, which is slower.", stacklevel=2)
    return False


def _largest_error() -> float:
    """Of values and gradients, on maps of which every kernel sees whole vectors and something left over.

    The numbers are such that bfloat16 holds them: in it, too, the values have to be right, but for their rounding.
    """
    from ml_dtypes import bfloat16  # TensorFlow's own

    from cpwc_keras.ops.native import threads
    from cpwc_keras.ops.native.vectors import LANES

    rng = np.random.default_rng(0)
    r, shape = 5, (1, 3, LANES + 5, LANES + 3)
    maps1, maps2 = (rng.integers(-8, 9, shape).astype(np.float32) / 4 for _ in range(2))
    upstream = rng.standard_normal((*shape[:3], (2 * r + 1) ** 2)).astype(np.float32)
    padded = np.pad(maps2, ((0, 0), (r, r), (r, r), (0, 0)))
    expected, expected1 = np.empty_like(upstream), np.zeros_like(maps1)
    expected2 = np.zeros_like(padded)
    for k, (dy, dx) in enumerate(np.ndindex(2 * r + 1, 2 * r + 1)):
        window = np.s_[:, dy : dy + shape[1], dx : dx + shape[2]]
        expected[..., k] = (maps1 * padded[window]).mean(-1)
        expected1 += upstream[..., k, None] * padded[window] / shape[-1]
        expected2[window] += upstream[..., k, None] * maps1 / shape[-1]
    found = threads.cost_volume(maps1, maps2, r), *threads.gradients(upstream, maps1, maps2, r)
    wanted = expected, expected1, expected2[:, r:-r, r:-r]
    rounded = threads.cost_volume(maps1.astype(bfloat16), maps2.astype(bfloat16), r).astype(np.float32)
    # A NaN anywhere is a NaN here, and below no limit.
    errors = [np.abs(one - other).max() for one, other in zip(found, wanted, strict=True)]
    return float(np.max([*errors, np.abs(rounded - found[0].astype(bfloat16).astype(np.float32)).max()]))
