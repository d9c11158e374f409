"""Forward-backward composition: motion of points from both directions, and how far the two disagree (II-B.5)."""

from __future__ import annotations

import numpy as np

from cpwc_keras.fields import sample_field


def sample_flow(flow: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The flow at points between pixels, bilinear. A point outside of the image gets the flow of the nearest border.

    Args:
        flow: (H, W, 2) in pixels.
        points: (..., 2) (x, y) in pixels.

    Returns:
        (..., 2) float32 in pixels.
    """
    height, width = flow.shape[:2]
    return sample_field(flow, np.clip(points, 0, [width - 1, height - 1]))[0]


def compose(forward: np.ndarray, backward: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The motion of points as the mean of both directions, d = (F_f(p) − F_b(p + F_f(p))) / 2.

    Args:
        forward: (H, W, 2) F_f, from image 1 to image 2, in pixels.
        backward: (H, W, 2) F_b, from image 2 to image 1, in pixels.
        points: (..., 2) p, (x, y) in image 1.

    Returns:
        displacement: (..., 2) d, in pixels.
        disagreement: (..., 2) F_f(p) + F_b(p + F_f(p)), in pixels: where there and back again misses p. Its length is
            zero where the two directions agree.
    """
    there = sample_flow(forward, points)
    back = sample_flow(backward, points + there)
    return (there - back) / 2, there + back
