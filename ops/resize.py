"""Sizes: padding to what the pyramid can halve, and flow at another resolution."""

from __future__ import annotations

from keras import ops

from cpwc_keras.ops.shapes import require_maps


def pad_to_multiple(images, multiple: int = 64):
    """Pad at the bottom and right with zeros, so that height and width are multiples of `multiple`.

    The top left corner stays where it is: coordinates do not change, and `crop_to` undoes it.

    Args:
        images: (B, H, W, C).
        multiple: 2 to the number of pyramid levels.

    Returns:
        (B, H', W', C) with H' >= H and W' >= W; the argument itself where nothing is missing.

    Raises:
        ValueError: `images` is not 4-D.
    """
    require_maps("images", images.shape)
    height, width = ops.shape(images)[1:3]
    # Of positive numbers alone: converters to other formats disagree about remainders of negative ones.
    down, right = ((multiple - length % multiple) % multiple for length in (height, width))
    if isinstance(down, int) and isinstance(right, int) and not down and not right:
        return images
    return ops.pad(images, [[0, 0], [0, down], [0, right], [0, 0]])


def crop_to(maps, height, width):
    """The top left `height` × `width` of (B, H', W', C): undoes `pad_to_multiple`."""
    require_maps("maps", maps.shape)
    return maps[:, :height, :width]


def upsample_flow(flow, factor: int):
    """Bilinear upsampling of a flow given in pixels of the full-resolution grid: the vectors keep their values.

    Args:
        flow: (B, h, w, 2).
        factor: how much larger, a power of two.

    Returns:
        (B, factor h, factor w, 2).

    Raises:
        ValueError: `flow` is not (B, h, w, 2).
    """
    require_maps("flow", flow.shape, channels=2)
    return flow if factor == 1 else _stretch(_stretch(flow, 1, factor), 2, factor)


def _stretch(maps, axis: int, factor: int):
    """Linear interpolation along an axis between the centres of its cells; half a cell at both ends is constant.

    Each of the `factor` phases has weights of its own, so that the size need not be known when the graph is built
    (`ops.image.resize` wants to know it).
    """
    size = ops.shape(maps)
    one = (slice(None),) * 4
    first, last, before, here, after = (
        (*one[:axis], part, *one[axis + 1 :])
        for part in (slice(0, 1), slice(-1, None), slice(None, -2), slice(1, -1), slice(2, None))
    )
    padded = ops.concatenate([maps[first], maps, maps[last]], axis=axis)
    offsets = [(phase + 0.5) / factor - 0.5 for phase in range(factor)]
    phases = [padded[here] * (1 - abs(t)) + padded[before if t < 0 else after] * abs(t) for t in offsets]
    return ops.reshape(ops.stack(phases, axis=axis + 1), (*size[:axis], size[axis] * factor, *size[axis + 1 :]))


def downsample_masked_flow(flow, mask, factor: int):
    """Mean of the known flow in each cell, and the known fraction of the cell.

    The ground truth at a pyramid level (eq. (1)): where the flow is known everywhere, the plain average; at the border
    of the myocardium, the average of what is known, which counts by how much that is.

    Args:
        flow: (B, H, W, 2), pixels.
        mask: (B, H, W, 1), 1 where the flow is known.
        factor: 2 to the level; must divide H and W.

    Returns:
        flow (B, H / factor, W / factor, 2), still in pixels of the full grid, 0 where nothing is known; and its weight
        (B, H / factor, W / factor, 1) in [0, 1].

    Raises:
        ValueError: shapes are not as above.
    """
    require_maps("flow", flow.shape, channels=2)
    require_maps("mask", mask.shape, channels=1)

    def cell_mean(maps):
        return ops.average_pool(maps, factor, strides=factor, padding="valid")

    weight = cell_mean(mask)
    return cell_mean(flow * mask) / ops.maximum(weight, 1e-6), weight
