"""Dense flow of a pair of frames from the mesh trajectory, against SciPy's interpolation on the same triangles."""

from __future__ import annotations

import numpy as np
from timing import best_seconds, row

from cpwc_keras.mesh import dense_flow

SHAPE = (512, 512)


def horseshoe(contraction: float) -> np.ndarray:
    """A ventricle-like mesh (36, 5, 2) in the middle of the image, in pixels."""
    angle = np.linspace(-0.75 * np.pi, 0.75 * np.pi, 36)[:, None] - np.pi / 2
    radius = np.linspace(110, 160, 5)[None] * (1 - contraction)
    return np.stack([256 + radius * np.cos(angle), 256 + 1.3 * radius * np.sin(angle)], axis=-1)


def run(quick: bool) -> list[dict]:
    """One row."""
    from scipy.interpolate import LinearNDInterpolator
    from scipy.spatial import Delaunay

    first, second = horseshoe(0.0), horseshoe(0.1)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    # SciPy's triangles also bridge the cavity, which costs it nothing; building them is not timed.
    triangles = Delaunay(first.reshape(-1, 2))
    motion = (second - first).reshape(-1, 2)
    seconds = best_seconds(
        {
            "dense_flow": lambda: dense_flow(first, second, SHAPE),
            "SciPy LinearNDInterpolator": lambda: LinearNDInterpolator(triangles, motion)(x, y),
        },
        rounds=3 if quick else 10,
    )
    return [row("dense flow and mask of a frame pair, 512×512", seconds, "dense_flow", "SciPy LinearNDInterpolator")]
