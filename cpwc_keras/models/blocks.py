"""The parts of PWC-Net: feature pyramid, flow estimator, context network."""

from __future__ import annotations

import keras
from keras import layers, ops

from cpwc_keras.models.convolutions import Conv2D, Conv2DTranspose

PYRAMID_FILTERS = (16, 32, 64, 96, 128, 196)
ESTIMATOR_FILTERS = (128, 128, 96, 64, 32)
CONTEXT_FILTERS = (128, 128, 128, 96, 64, 32)
CONTEXT_DILATIONS = (1, 2, 4, 8, 16, 1)
LEAKY_SLOPE = 0.1


def leaky_relu(x):
    """The activation of the whole network."""
    return ops.leaky_relu(x, negative_slope=LEAKY_SLOPE)


def convolution(filters: int, *, strides: int = 1, dilation: int = 1, weight_decay: float, name: str):
    """3×3 convolution, LeakyReLU 0.1, He initialisation (III-C.2), L2 on the kernel (eq. (1))."""
    return Conv2D(
        filters,
        3,
        strides=strides,
        dilation_rate=dilation,
        padding="same",
        activation=leaky_relu,
        kernel_initializer="he_normal",
        kernel_regularizer=_decay(weight_decay),
        name=name,
    )


def flow_head(*, weight_decay: float, name: str):
    """3×3 convolution to two channels, linear.

    In float32 under any precision policy: half precision would round a flow of 20 px to the next 0.1 px. Initialised
    near zero, so that the first warps leave the features where they are rather than scatter them (`docs/decisions.md`).
    """
    return Conv2D(
        2,
        3,
        padding="same",
        kernel_initializer=keras.initializers.RandomNormal(stddev=1e-3),
        kernel_regularizer=_decay(weight_decay),
        dtype="float32",
        name=name,
    )


def upsampling(*, weight_decay: float, name: str, kernel_initializer="he_normal", dtype=None):
    """4×4 transposed convolution to two channels at twice the size, linear."""
    return Conv2DTranspose(
        2,
        4,
        strides=2,
        padding="same",
        kernel_initializer=kernel_initializer,
        kernel_regularizer=_decay(weight_decay),
        dtype=dtype,
        name=name,
    )


def flow_upsampling(*, weight_decay: float, name: str):
    """Transposed convolution that starts as bilinear interpolation of each component; float32 as the `flow_head`."""
    return upsampling(weight_decay=weight_decay, name=name, kernel_initializer=bilinear_kernel, dtype="float32")


def bilinear_kernel(shape, dtype=None):
    """The 4×4 kernel, (4, 4, channels, channels), by which a stride-2 transposed convolution interpolates linearly."""
    taps = ops.convert_to_tensor([0.25, 0.75, 0.75, 0.25], dtype=dtype)
    return (taps[:, None] * taps)[..., None, None] * ops.eye(*shape[2:], dtype=dtype)


def _decay(weight: float):
    return keras.regularizers.L2(weight) if weight else None


class FeaturePyramid(layers.Layer):
    """Six levels, each half the size of the one before: three 3×3 convolutions, the first with stride 2 (III-C.1).

    Call with (B, H, W, C), H and W multiples of 64; returns the list of six feature maps, level 1 first.
    """

    def __init__(self, *, weight_decay: float, **kwargs):
        super().__init__(**kwargs)
        self.levels = [
            [
                convolution(filters, strides=strides, weight_decay=weight_decay, name=f"level{level}_{part}")
                for part, strides in (("down", 2), ("a", 1), ("b", 1))
            ]
            for level, filters in enumerate(PYRAMID_FILTERS, start=1)
        ]

    def build(self, input_shape):
        shape = tuple(input_shape)
        for level in self.levels:
            for layer in level:
                layer.build(shape)
                shape = (*shape[:-1], layer.filters)
        self.built = True

    def call(self, images):
        features, pyramid = images, []
        for level in self.levels:
            for layer in level:
                features = layer(features)
            pyramid.append(features)
        return pyramid


class FlowEstimator(layers.Layer):
    """Convolutions 128, 128, 96, 64, 32; with `skip_connections` each sees its input and all earlier outputs (Fig. 4).

    Returns the features the flow is read from: 32 channels, or 448 more than the input with skip connections.
    """

    def __init__(self, *, skip_connections: bool, weight_decay: float, **kwargs):
        super().__init__(**kwargs)
        self.skip_connections = skip_connections
        self.convolutions = [
            convolution(filters, weight_decay=weight_decay, name=f"conv{i}")
            for i, filters in enumerate(ESTIMATOR_FILTERS)
        ]

    def output_channels(self, input_channels: int) -> int:
        """Channels that come out for `input_channels` in."""
        return input_channels + sum(ESTIMATOR_FILTERS) if self.skip_connections else ESTIMATOR_FILTERS[-1]

    def build(self, input_shape):
        channels = input_shape[-1]
        for layer in self.convolutions:
            layer.build((*input_shape[:-1], channels))
            channels = channels + layer.filters if self.skip_connections else layer.filters
        self.built = True

    def call(self, features):
        for layer in self.convolutions:
            new = layer(features)
            features = ops.concatenate([new, features], axis=-1) if self.skip_connections else new
        return features


class ContextNetwork(layers.Layer):
    """Dilated convolutions that see far, ending in a correction of the flow ([12]; at every level in c-PWC-Net)."""

    def __init__(self, *, weight_decay: float, **kwargs):
        super().__init__(**kwargs)
        self.convolutions = [
            convolution(filters, dilation=dilation, weight_decay=weight_decay, name=f"conv{i}")
            for i, (filters, dilation) in enumerate(zip(CONTEXT_FILTERS, CONTEXT_DILATIONS, strict=True))
        ]
        self.head = flow_head(weight_decay=weight_decay, name="flow")

    def build(self, input_shape):
        shape = tuple(input_shape)
        for layer in self.convolutions:
            layer.build(shape)
            shape = (*shape[:-1], layer.filters)
        self.head.build(shape)
        self.built = True

    def call(self, features):
        for layer in self.convolutions:
            features = layer(features)
        return self.head(features)
