"""Pictures of dense motion: colours and arrows."""

from __future__ import annotations

import cv2
import numpy as np

_ARCS = (15, 6, 4, 11, 13, 6)
"""Steps from red to yellow, green, cyan, blue, magenta and back: as many as the eye tells apart (Baker et al.)."""


def color_wheel() -> np.ndarray:
    """The colours of the directions, from right (red) over down (yellow), as in Baker et al., IJCV 2011.

    Returns:
        (55, 3) float32 RGB in [0, 1].
    """
    corners = np.array([(1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1), (1, 0, 0)], np.float32)
    arcs = [
        start + (end - start) * (np.arange(steps, dtype=np.float32) / steps)[:, None]
        for start, end, steps in zip(corners[:-1], corners[1:], _ARCS, strict=True)
    ]
    return np.concatenate(arcs)


def flow_to_color(flow: np.ndarray, largest: float | None = None) -> np.ndarray:
    """Direction as hue, length as saturation: white is no motion.

    Args:
        flow: (H, W, 2) in pixels; unknown (not finite) motion is drawn black.
        largest: length in pixels that is fully saturated; by default the longest. Longer motion is drawn darker.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    known = np.isfinite(flow).all(axis=-1)
    dx, dy = np.moveaxis(np.where(known[..., None], flow, 0).astype(np.float32), -1, 0)
    length = np.hypot(dx, dy)
    largest = float(length.max()) if largest is None else largest
    radius = (length / largest if largest > 0 else length)[..., None]
    wheel = color_wheel()
    position = np.arctan2(dy, dx) / (2 * np.pi) % 1 * len(wheel)
    index = position.astype(int) % len(wheel)
    fraction = (position - np.floor(position))[..., None]
    hue = (1 - fraction) * wheel[index] + fraction * wheel[(index + 1) % len(wheel)]
    color = np.where(radius <= 1, 1 - radius * (1 - hue), hue * 0.75)
    return np.where(known[..., None], color * 255, 0).round().astype(np.uint8)


def draw_arrows(
    image: np.ndarray, flow: np.ndarray, mask: np.ndarray | None = None, step: int = 12, scale: float = 4.0
) -> np.ndarray:
    """Arrows of the motion on the image, coloured as `flow_to_color`, drawn at four times its size.

    Args:
        image: (H, W) float32 in [0, 1].
        flow: (H, W, 2) in pixels.
        mask: (H, W), arrows are drawn where it is above 0.5; everywhere if None.
        step: pixels between arrows.
        scale: how many times longer than the motion they are.

    Returns:
        (4H, 4W, 3) uint8 RGB.
    """
    size = 4
    canvas = np.repeat((np.clip(image, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=-1)
    canvas = cv2.resize(canvas, None, fx=size, fy=size, interpolation=cv2.INTER_CUBIC)
    colors = flow_to_color(flow)
    for y in range(step // 2, image.shape[0], step):
        for x in range(step // 2, image.shape[1], step):
            if (mask is not None and mask[y, x] <= 0.5) or not np.isfinite(flow[y, x]).all():
                continue
            tail = (np.array([x, y]) + 0.5) * size
            head = tail + flow[y, x] * (scale * size)
            start, end = (tuple(round(float(v) * 16) for v in point) for point in (tail, head))
            color = tuple(int(v) for v in colors[y, x])
            cv2.arrowedLine(canvas, start, end, color, 1, cv2.LINE_AA, shift=4, tipLength=0.2)
    return canvas
