"""A left ventricle with a known base, as points and as masks."""

import numpy as np

SEPTAL, LATERAL = (35.0, 100.0), (75.0, 104.0)
SHAPE = (130, 120)


def endocardium(n=40, scale=1.0):
    """(n, 2) from the septal base over the apex to the lateral base: half an ellipse on a slanted base."""
    angle = np.linspace(np.pi, 2 * np.pi, n)
    middle, half = (np.array(SEPTAL) + LATERAL) / 2, (np.array(LATERAL) - SEPTAL) / 2
    return middle + scale * (np.cos(angle)[:, None] * half + np.sin(angle)[:, None] * [0, 80])


def fill(polygon, shape=SHAPE):
    """(H, W) bool, the pixel centres inside of a polygon, by counting crossings."""
    y, x = np.indices(shape)
    inside = np.zeros(shape, bool)
    for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, 0), strict=True):
        if y1 != y2:
            inside ^= ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return inside


def labels():
    """(H, W) uint8 as in CAMUS: cavity 1 within myocardium 2."""
    return np.where(fill(endocardium(200)), 1, 2 * fill(endocardium(200, 1.3)) * (np.indices(SHAPE)[0] < 103)).astype(
        np.uint8
    )
