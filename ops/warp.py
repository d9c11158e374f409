"""Backward warping: an image looked up where the flow says it went."""

from __future__ import annotations

from keras import ops

from cpwc_keras.ops.shapes import require_maps, require_same_shape


def warp(maps, flow):
    """Bilinear look-up of `maps` at each pixel's own place plus its flow; 0 outside.

    ``out[y, x] = maps[y + flow[y, x, 1], x + flow[y, x, 0]]``: with the flow from image 1 to image 2,
    ``warp(image2, flow) ≈ image1``. A neighbour outside of the map counts as 0, so the value fades within one pixel of
    the border rather than jumping. Differentiable in both arguments. (tensorflow-addons' ``dense_image_warp`` has the
    opposite sign, (row, column) order and repeats the border.)

    Args:
        maps: (B, H, W, C), any float dtype; batch, height and width may be dynamic.
        flow: (B, H, W, 2), pixels, (dx, dy).

    Returns:
        (B, H, W, C), in the dtype of `maps`.

    Raises:
        ValueError: the shapes are not 4-D, `flow` has not 2 channels, or the sizes differ.
    """
    require_maps("maps", maps.shape)
    require_maps("flow", flow.shape, channels=2)
    require_same_shape("the (batch, height, width) of maps", maps.shape[:3], "of flow", flow.shape[:3])
    batch, height, width, channels = ops.shape(maps)

    # Coordinates in float32 whatever the dtype of the maps: bfloat16 cannot tell pixel 256 from 257.
    flow = ops.cast(flow, "float32")
    x = ops.reshape(ops.arange(width, dtype="float32"), (1, 1, width)) + flow[..., 0]
    y = ops.reshape(ops.arange(height, dtype="float32"), (1, height, 1)) + flow[..., 1]
    # A coordinate far outside (or infinite) would overflow the cast to int; past the border all places are alike.
    x0 = ops.floor(ops.clip(x, -2.0, ops.cast(width, "float32") + 1.0))
    y0 = ops.floor(ops.clip(y, -2.0, ops.cast(height, "float32") + 1.0))
    right, down = ops.clip(x - x0, 0.0, 1.0), ops.clip(y - y0, 0.0, 1.0)
    x0, y0 = ops.cast(x0, "int32"), ops.cast(y0, "int32")

    # One border of zeros makes every neighbour a plain look-up: index 0 and size + 1 are the outside.
    padded = ops.reshape(
        ops.pad(maps, [[0, 0], [1, 1], [1, 1], [0, 0]]), (batch * (height + 2) * (width + 2), channels)
    )
    image = ops.reshape(ops.arange(batch, dtype="int32") * ((height + 2) * (width + 2)), (batch, 1, 1))

    def neighbour(column, row, weight):
        column, row = ops.clip(column + 1, 0, width + 1), ops.clip(row + 1, 0, height + 1)
        values = ops.take(padded, image + row * (width + 2) + column, axis=0)
        return values * ops.cast(weight, maps.dtype)[..., None]

    return (
        neighbour(x0, y0, (1.0 - right) * (1.0 - down))
        + neighbour(x0 + 1, y0, right * (1.0 - down))
        + neighbour(x0, y0 + 1, (1.0 - right) * down)
        + neighbour(x0 + 1, y0 + 1, right * down)
    )
