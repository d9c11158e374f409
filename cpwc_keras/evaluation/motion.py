"""Errors of dense motion."""

from __future__ import annotations

import numpy as np


def endpoint_error(flow: np.ndarray, truth: np.ndarray, mask: np.ndarray, spacing_mm=(1.0, 1.0)) -> float:
    """Mean endpoint error over the mask: √((u − u_gt)² + (v − v_gt)²) (III-D.1).

    Args:
        flow: (..., H, W, 2) estimate in pixels.
        truth: (..., H, W, 2) in pixels.
        mask: (..., H, W), weight of each pixel: 1 in the myocardium, 0 outside.
        spacing_mm: (row_mm, col_mm) for an error in mm; the default leaves it in pixels.

    Returns:
        pixels, or mm with a spacing; NaN where the mask is empty.
    """
    scale = np.array([spacing_mm[1], spacing_mm[0]], np.float32)
    error = np.linalg.norm((flow - truth) * scale, axis=-1)
    weight = mask.sum(dtype=np.float64)
    return float((error * mask).sum(dtype=np.float64) / weight) if weight else float("nan")
