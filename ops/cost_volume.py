"""The cost volume: how well each pixel of one feature map matches its neighbourhood in the other."""

from __future__ import annotations

from keras import ops

from cpwc_keras.ops import native
from cpwc_keras.ops.shapes import require_maps, require_same_shape

STANDARDIZE_EPSILON = 1e-6


def standardize(features):
    """Features with zero mean and unit variance over the channels of each pixel.

    The channel mean of the product of two maps treated so is their correlation coefficient: the "normalized
    cross-correlation" of the paper (II-B.1). A pixel whose channels are all equal becomes zero.

    Args:
        features: (B, H, W, C).

    Returns:
        (B, H, W, C), computed in float32 and returned in the dtype of `features`: in half precision the variance of
        nearly constant channels is all rounding.
    """
    dtype = features.dtype
    features = ops.cast(features, "float32")
    centred = features - ops.mean(features, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
    return ops.cast(centred * ops.rsqrt(variance + STANDARDIZE_EPSILON), dtype)


def cost_volume(features1, features2, search_range: int = 4):
    """Correlation of every pixel of `features1` with its neighbours in `features2`.

    ``out[b, y, x, (dy + r) * (2r + 1) + dx + r] = mean_c features1[b, y, x, c] * features2[b, y + dy, x + dx, c]`` for
    dy, dx in −r … r, and 0 where the neighbour lies outside. The same as tensorflow-addons' ``CorrelationCost`` with
    ``kernel_size=1, stride_1=1, stride_2=1, pad=max_displacement=r``.

    Differentiation keeps only the two feature maps: the 81 products of the default range are made again, not stored.
    On TensorFlow without a GPU, values and gradients come from compiled code (`cpwc_keras.ops.native`).

    Args:
        features1: (B, H, W, C), any float dtype; batch, height and width may be dynamic.
        features2: like `features1`.
        search_range: r >= 0, in pixels of the feature maps.

    Returns:
        (B, H, W, (2r + 1)²), in the dtype of `features1`.

    Raises:
        ValueError: the shapes differ, are not 4-D, or `search_range` is negative.
    """
    require_maps("features1", features1.shape)
    require_same_shape("features1", features1.shape, "features2", features2.shape)
    if search_range < 0:
        raise ValueError(f"search_range must be 0 or more pixels, got {search_range}")
    if native.takes(features1) and native.takes(features2) and features1.dtype == features2.dtype:
        return native.cost_volume(features1, features2, search_range)
    return _correlate(search_range)(features1, features2)


def _displacements(r: int) -> list[tuple[int, int]]:
    return [(dy, dx) for dy in range(2 * r + 1) for dx in range(2 * r + 1)]


def _pad(maps, r: int):
    return ops.pad(maps, [[0, 0], [r, r], [r, r], [0, 0]])


def _correlate(r: int):
    """The correlation of range `r` with its gradient by recomputation."""

    def forward(features1, features2):
        height, width = ops.shape(features1)[1:3]
        padded = _pad(features2, r)
        return ops.stack(
            [
                ops.mean(features1 * padded[:, dy : dy + height, dx : dx + width], axis=-1)
                for dy, dx in _displacements(r)
            ],
            axis=-1,
        )

    @ops.custom_gradient
    def correlate(features1, features2):
        def gradient(*arguments, upstream=None):
            # TensorFlow passes the upstream gradient by position, JAX and PyTorch by keyword.
            (upstream,) = arguments if upstream is None else (upstream,)
            height, width = ops.shape(features1)[1:3]
            channels = ops.shape(features1)[-1]
            upstream = upstream / ops.cast(channels, upstream.dtype)
            padded2 = _pad(features2, r)
            # The neighbour at +d of image 1 sees image 1 at −d: the second gradient is the first with the maps swapped
            # and the displacements reversed, so both are sums of shifted slices and neither needs a scatter.
            padded1, padded_upstream = _pad(features1, r), _pad(upstream, r)
            gradient1, gradient2 = 0.0, 0.0
            for k, (dy, dx) in enumerate(_displacements(r)):
                gradient1 = gradient1 + upstream[..., k : k + 1] * padded2[:, dy : dy + height, dx : dx + width]
                ey, ex = 2 * r - dy, 2 * r - dx
                window = (slice(None), slice(ey, ey + height), slice(ex, ex + width))
                gradient2 = gradient2 + padded_upstream[(*window, slice(k, k + 1))] * padded1[window]
            return gradient1, gradient2

        return forward(features1, features2), gradient

    return correlate
