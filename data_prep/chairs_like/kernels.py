"""One layer drawn over an image: every pixel looks up where it lies on the object and on its texture."""

from __future__ import annotations

import numpy as np

from cpwc_keras.compiled import njit


@njit(error_model="numpy")
def draw_layer(image, flow, box, matrix, bumps, texture, to_texture, tone, mask, to_mask):
    """Blend a layer into an image, and put its motion where it covers a pixel by half or more.

    Args:
        image: (H, W) float32, drawn on.
        flow: (H, W, 2) float32, written to; (0, 0, 2) for image 2, which has none.
        box: (4,) int, first and last column, first and last row that the layer can reach.
        matrix: (2, 3) affine part of the motion from this image to image 2.
        bumps: (K, 5) deformation, as in `Motion`.
        texture: (h, w) uint8, mirrored beyond its borders.
        to_texture: (2, 3) from image 2 to the texture.
        tone: (2,) factor and offset from the texture's values to gray.
        mask: (h, w) uint8 coverage, nothing beyond its borders; (0, 0) for a layer without end.
        to_mask: (2, 3) from image 2 to the mask.
    """
    for y in range(box[2], box[3] + 1):
        for x in range(box[0], box[1] + 1):
            qx = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
            qy = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
            for k in range(len(bumps)):
                ax, ay = x - bumps[k, 0], y - bumps[k, 1]
                weight = np.exp(-(ax * ax + ay * ay) * bumps[k, 2])
                qx += weight * bumps[k, 3]
                qy += weight * bumps[k, 4]
            cover = 1.0
            if mask.shape[0]:
                cover = _coverage(
                    mask,
                    to_mask[0, 0] * qx + to_mask[0, 1] * qy + to_mask[0, 2],
                    to_mask[1, 0] * qx + to_mask[1, 1] * qy + to_mask[1, 2],
                )
                if cover == 0.0:
                    continue
            gray = _sample(
                texture,
                to_texture[0, 0] * qx + to_texture[0, 1] * qy + to_texture[0, 2],
                to_texture[1, 0] * qx + to_texture[1, 1] * qy + to_texture[1, 2],
            )
            gray = min(max(tone[0] * gray + tone[1], 0.0), 1.0)
            image[y, x] += cover * (gray - image[y, x])
            if flow.shape[0] and cover >= 0.5:
                flow[y, x, 0] = qx - x
                flow[y, x, 1] = qy - y


@njit(keep=False)
def _coverage(mask, u, v):
    """Bilinear, 0 outside, in [0, 1]."""
    if not (0.0 <= u < mask.shape[1] - 1 and 0.0 <= v < mask.shape[0] - 1):
        return 0.0
    j, i = int(u), int(v)
    u -= j
    v -= i
    above = (1.0 - u) * mask[i, j] + u * mask[i, j + 1]
    below = (1.0 - u) * mask[i + 1, j] + u * mask[i + 1, j + 1]
    return ((1.0 - v) * above + v * below) / 255.0


@njit(keep=False)
def _mirrored(index, size):
    """Index on an axis that goes back and forth."""
    index = abs(index) % (2 * size - 2)
    return index if index < size else 2 * size - 2 - index


@njit(keep=False)
def _weights(t):
    """Catmull-Rom's cubic between the second and the third of four samples."""
    return (
        ((2.0 - t) * t - 1.0) * t * 0.5,
        (t * t * (3.0 * t - 5.0) + 2.0) * 0.5,
        ((4.0 - 3.0 * t) * t + 1.0) * t * 0.5,
        (t - 1.0) * t * t * 0.5,
    )


@njit(keep=False)
def _sample(texture, u, v):
    """Bicubic, mirrored at the borders; the range of uint8 as [0, 1]."""
    height, width = texture.shape
    j, i = int(np.floor(u)), int(np.floor(v))
    wx, wy = _weights(u - j), _weights(v - i)
    if 1 <= j < width - 2 and 1 <= i < height - 2:
        j0, j1, j2, j3 = j - 1, j, j + 1, j + 2
        i0, i1, i2, i3 = i - 1, i, i + 1, i + 2
    else:
        j0, j1, j2, j3 = _mirrored(j - 1, width), _mirrored(j, width), _mirrored(j + 1, width), _mirrored(j + 2, width)
        i0, i1, i2, i3 = (
            _mirrored(i - 1, height), _mirrored(i, height), _mirrored(i + 1, height), _mirrored(i + 2, height),
        )  # fmt: skip
    value = wy[0] * (
        wx[0] * texture[i0, j0] + wx[1] * texture[i0, j1] + wx[2] * texture[i0, j2] + wx[3] * texture[i0, j3]
    )
    value += wy[1] * (
        wx[0] * texture[i1, j0] + wx[1] * texture[i1, j1] + wx[2] * texture[i1, j2] + wx[3] * texture[i1, j3]
    )
    value += wy[2] * (
        wx[0] * texture[i2, j0] + wx[1] * texture[i2, j1] + wx[2] * texture[i2, j2] + wx[3] * texture[i2, j3]
    )
    value += wy[3] * (
        wx[0] * texture[i3, j0] + wx[1] * texture[i3, j1] + wx[2] * texture[i3, j2] + wx[3] * texture[i3, j3]
    )
    return value / 255.0
