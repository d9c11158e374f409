"""Procedural outlines of flying objects: polygons, blobs and things with legs, sometimes with holes."""

from __future__ import annotations

import cv2
import numpy as np

_SHIFT = 4  # OpenCV draws on a grid of 1/16 pixel
_FINE = 256  # objects up to this diameter in pixels are drawn at twice the resolution
_MARGIN = 4


def draw_shape(diameter: float, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """The coverage of one object.

    Returns:
        mask: (S, S) uint8, 255 inside, 0 outside and along the border; the object's centre is that of the array.
        resolution: pixels of the mask for a pixel of the image.
    """
    resolution = 2.0 if diameter <= _FINE else 1.0
    radius = 0.5 * diameter * resolution
    side = int(2 * radius) + 2 * _MARGIN + 1
    mask = np.zeros((side, side), np.uint8)
    centre = (side - 1) / 2
    kind = rng.choice(("polygon", "blob", "legs"), p=(0.3, 0.35, 0.35))
    if kind == "legs":
        _draw_legs(mask, centre, radius, rng)
    else:
        outline = _polygon(rng) if kind == "polygon" else _blob(rng)
        _fill(mask, centre + radius * outline, 255)
        if rng.random() < 0.3:
            for _ in range(rng.integers(1, 4)):
                place = rng.uniform(-0.35, 0.35, 2)
                _fill(mask, centre + radius * (place + rng.uniform(0.08, 0.3) * _blob(rng)), 0)
    if rng.random() < 0.25:  # slightly out of focus
        mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.4, 1.0) * resolution)
        mask[0] = mask[-1] = mask[:, 0] = mask[:, -1] = 0
    return mask, resolution


def _fill(mask, points, value) -> None:
    fixed = np.rint(points * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(mask, [fixed.reshape(-1, 1, 2)], value, cv2.LINE_AA, _SHIFT)


def _blob(rng) -> np.ndarray:
    """(96, 2) smooth closed curve in the unit disk."""
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    radius = np.ones(96)
    for order in range(1, 6):
        radius += rng.normal(0, 0.3 / order) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    return _in_unit_disk(np.maximum(radius, 0.15)[:, None] * _directions(angle), rng)


def _polygon(rng) -> np.ndarray:
    """(3 … 9, 2) corners, star-shaped, in the unit disk."""
    count = int(rng.integers(3, 10))
    angle = (np.arange(count) + rng.uniform(-0.35, 0.35, count)) * (2 * np.pi / count) + rng.uniform(0, 2 * np.pi)
    return _in_unit_disk(rng.uniform(0.4, 1, count)[:, None] * _directions(angle), rng)


def _in_unit_disk(points, rng) -> np.ndarray:
    """Stretched along a random direction by up to 2, then fitted into the disk."""
    turn = rng.uniform(0, np.pi)
    axis = np.array([np.cos(turn), np.sin(turn)])
    points = points + (rng.uniform(1, 2) - 1) * (points @ axis)[:, None] * axis
    return points / np.hypot(*points.T).max()


def _directions(angle) -> np.ndarray:
    return np.column_stack([np.cos(angle), np.sin(angle)])


def _draw_legs(mask, centre, radius, rng) -> None:
    """A seat, perhaps a back of bars, and thin legs, in any orientation: as thin as a chair's."""
    turn = rng.normal(0, 0.4) if rng.random() < 0.7 else rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    width, depth, skew = rng.uniform(0.35, 0.6), rng.uniform(0.08, 0.25), rng.uniform(-0.2, 0.2)
    level = rng.uniform(-0.1, 0.25)

    def place(points):
        return centre + 0.95 * radius * (np.asarray(points) @ rotation.T)

    seat = [
        (-width + skew, level - depth),
        (width + skew, level - depth),
        (width, level + depth),
        (-width, level + depth),
    ]
    _fill(mask, place(seat), 255)
    thick = max(1, round(radius * rng.uniform(0.04, 0.13)))
    splay, floor = rng.uniform(-0.1, 0.15), rng.uniform(0.6, 0.78)
    bars = [(corner, (corner[0] + np.sign(corner[0]) * splay, floor + corner[1] - level)) for corner in seat]
    top = rng.uniform(-0.85, -0.5)
    back = rng.random()
    if back < 0.4:
        _fill(mask, place([seat[0], seat[1], (width + skew, top), (-width + skew, top)]), 255)
        if rng.random() < 0.5:
            opening = np.array([seat[0], seat[1], (width + skew, top), (-width + skew, top)])
            _fill(mask, place(opening.mean(0) + rng.uniform(0.4, 0.75) * (opening - opening.mean(0))), 0)
    elif back < 0.85:
        for x in np.linspace(-width + skew, width + skew, int(rng.integers(2, 7))):
            bars.append(((x, level - depth), (x, top)))
        bars.append(((-width + skew, top), (width + skew, top)))
    for start, end in bars:
        ends = [tuple(int(v) for v in np.rint(p * (1 << _SHIFT))) for p in place([start, end])]
        cv2.line(mask, *ends, 255, thick, cv2.LINE_AA, _SHIFT)
    mask[:2] = mask[-2:] = mask[:, :2] = mask[:, -2:] = 0
