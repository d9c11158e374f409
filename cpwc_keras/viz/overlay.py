"""A tracked contour drawn on its frame."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

_GAMMA = 0.6
"""Echo is dark on a screen in daylight; pictures are lifted a little, data are not."""

_SUBPIXEL = 4  # bits
_SCALE_COLORS = ((70, 200, 190), (250, 205, 90), (240, 85, 75))
"""Teal, amber, red: from agreement to disagreement."""


def disagreement_colors(values: np.ndarray, largest: float) -> np.ndarray:
    """Colours of the forward-backward disagreement.

    Args:
        values: (N,) not negative.
        largest: value that is fully red.

    Returns:
        (N, 3) uint8 RGB.
    """
    position = np.clip(values / largest if largest > 0 else np.zeros_like(values), 0, 1)
    stops = np.linspace(0, 1, len(_SCALE_COLORS))
    channels = [np.interp(position, stops, [color[c] for color in _SCALE_COLORS]) for c in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def enlarge(image: np.ndarray, scale: float) -> np.ndarray:
    """A gray image as an enlarged RGB picture.

    Args:
        image: (H, W) float32 in [0, 1].
        scale: ≥ 1.

    Returns:
        (round(H × scale), round(W × scale), 3) uint8.
    """
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    large = cv2.resize(np.clip(image, 0, 1).astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    gray = (np.clip(large, 0, 1) ** _GAMMA * 255).round().astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=-1)


def draw_contour(
    canvas: np.ndarray, points: np.ndarray, scale: float, colors: np.ndarray, width: int = 2, base: bool = True
) -> np.ndarray:
    """Draw a contour with a soft dark edge, each segment in its own colour, its base as a thin line.

    Args:
        canvas: (H', W', 3) uint8 RGB from `enlarge`; changed in place.
        points: (N, 2) (x, y) in pixels of the original image.
        scale: of the canvas.
        colors: (N, 3) uint8 RGB, one for each point, or (3,) for all.
        width: of the line in pixels of the canvas.
        base: whether the ends are joined.

    Returns:
        the canvas.
    """
    colors = np.broadcast_to(colors, (len(points), 3)).astype(int)
    at = np.round(((np.asarray(points) + 0.5) * scale - 0.5) * (1 << _SUBPIXEL)).astype(np.int32)
    if base:
        ends = at[[0, -1]][None]
        cv2.polylines(canvas, ends, False, (150, 150, 150), max(1, width // 2), cv2.LINE_AA, _SUBPIXEL)
    cv2.polylines(canvas, at[None], False, (15, 15, 15), width + 2, cv2.LINE_AA, _SUBPIXEL)
    for index in range(len(at) - 1):
        color = tuple(int(v) for v in (colors[index] + colors[index + 1]) // 2)
        cv2.line(canvas, at[index].tolist(), at[index + 1].tolist(), color, width, cv2.LINE_AA, _SUBPIXEL)
    return canvas


def write_text(
    canvas: np.ndarray, text: str, x: int, y: int, size: int, color=(235, 235, 235), anchor="la"
) -> np.ndarray:
    """Write text.

    Args:
        canvas: (H, W, 3) uint8 RGB; changed in place.
        text: one line.
        x: column of the anchor.
        y: row of the anchor.
        size: in pixels.
        color: RGB.
        anchor: which corner of the text (x, y) is, as Pillow names them ("la": left, top).

    Returns:
        the canvas.
    """
    from PIL import Image, ImageDraw

    picture = Image.fromarray(canvas)
    ImageDraw.Draw(picture).text(
        (x, y), text, fill=color, font=_font(size), anchor=anchor, stroke_width=2, stroke_fill=(15, 15, 15)
    )  # with an edge: legible on bright tissue too
    canvas[:] = np.asarray(picture)
    return canvas


def color_bar(canvas: np.ndarray, x: int, y: int, width: int, height: int, label: str, largest: str) -> np.ndarray:
    """Draw the scale of `disagreement_colors` with its name above and its ends beside it.

    Args:
        canvas: (H, W, 3) uint8 RGB; changed in place.
        x: column of its left end.
        y: row of its top.
        width: in pixels.
        height: in pixels.
        label: what it shows.
        largest: what its right end means.

    Returns:
        the canvas.
    """
    canvas[y : y + height, x : x + width] = disagreement_colors(np.linspace(0, 1, width), 1.0)[None]
    size = max(11, height * 2)
    write_text(canvas, label, x, y - height, size, (190, 190, 190), "ls")
    write_text(canvas, "0", x, y + height + 3, size, (190, 190, 190), "la")
    return write_text(canvas, largest, x + width, y + height + 3, size, (190, 190, 190), "ra")


@cache
def _font(size: int):
    from PIL import ImageFont

    return ImageFont.load_default(size)
