"""Convolutions that see an even number of channels in bfloat16.

oneDNN, which calculates TensorFlow's convolutions on the CPU, takes the channels of bfloat16 in pairs. Where their
number is odd and large enough it reads one number beyond the end of its input and multiplies it by zero: NaN, if what
lies there happens to be NaN or infinite. A channel of zeros more costs nothing that can be measured.

The layers have the names of those of Keras, since Keras' own weights files name what they hold by them.

Where weights are to be read from a file (`weights_to_come`), none are drawn before: that takes half a second on
TensorFlow, and half a minute on JAX, which compiles the drawing of each of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import keras
import numpy as np
from keras import layers, ops

_to_come: ContextVar[bool] = ContextVar("weights_to_come", default=False)


@contextmanager
def weights_to_come() -> Iterator[None]:
    """Convolutions built within it begin with zeros: their weights are about to be read."""
    token = _to_come.set(True)
    try:
        yield
    finally:
        _to_come.reset(token)


def join(maps: list):
    """Feature maps side by side, with a channel of zeros where bfloat16 would be left with an odd number.

    Args:
        maps: (B, H, W, ·) each, of one dtype.

    Returns:
        (B, H, W, sum of their channels, or one more).
    """
    return _even(ops.concatenate(maps, axis=-1) if len(maps) > 1 else maps[0])


class _Convolution:
    """What both kinds have in common; it goes before the layer of Keras."""

    def build(self, input_shape):
        drawn = self.kernel_initializer
        if _to_come.get():
            self.kernel_initializer = _zeros
        try:
            super().build(input_shape)
        finally:
            self.kernel_initializer = drawn
        self.input_spec = None  # it allows no further channel


class Conv2D(_Convolution, layers.Conv2D):
    """`keras.layers.Conv2D`, which also takes what `join` returns: a channel of zeros beyond those of its kernel."""

    def convolution_op(self, inputs, kernel):
        inputs = _even(inputs)
        return super().convolution_op(inputs, _widened(kernel, inputs.shape[-1], axis=2))


class Conv2DTranspose(_Convolution, layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` in the same way: linear, with a bias, as the networks here have it."""

    def build(self, input_shape):
        if self.activation is not keras.activations.linear or not self.use_bias or self.output_padding is not None:
            raise ValueError("only linear layers with a bias and without output_padding are supported")
        super().build(input_shape)

    def call(self, inputs):
        inputs = _even(inputs)
        kernel = _widened(self.kernel, inputs.shape[-1], axis=3)
        return ops.conv_transpose(inputs, kernel, strides=self.strides, padding=self.padding) + self.bias


def _zeros(shape, dtype=None) -> np.ndarray:
    """From NumPy: nothing to compile."""
    return np.zeros(shape, dtype or "float32")


def _even(maps):
    odd = maps.shape[-1] % 2 and keras.backend.standardize_dtype(maps.dtype) == "bfloat16"
    return ops.pad(maps, [(0, 0)] * (len(maps.shape) - 1) + [(0, 1)]) if odd else maps


def _widened(kernel, channels: int, axis: int):
    """The kernel, with zeros for one channel more where there is one; any other number the backend refuses."""
    one_more = channels == kernel.shape[axis] + 1
    return ops.pad(kernel, [(0, int(at == axis)) for at in range(len(kernel.shape))]) if one_more else kernel
