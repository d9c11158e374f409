"""Errors of dense motion."""

from __future__ import annotations

import numpy as np

from cpwc_keras.errors import InputError


def endpoint_error(
    flow: np.ndarray, truth: np.ndarray, mask: np.ndarray, spacing_mm: tuple[float, float] = (1.0, 1.0)
) -> float:
    """Mean endpoint error over the mask: √((u − u_gt)² + (v − v_gt)²) (III-D.1).

    Args:
        flow: (..., H, W, 2) estimate in pixels.
        truth: (..., H, W, 2) in pixels.
        mask: (..., H, W), weight of each pixel: 1 in the myocardium, 0 outside.
        spacing_mm: (row_mm, col_mm) for an error in mm; the default leaves it in pixels.

    Returns:
        pixels, or mm with a spacing; NaN where the mask is empty.
    """
    return mean_length(flow - truth, spacing_mm, mask)


def mean_length(
    vectors: np.ndarray, spacing_mm: tuple[float, float] = (1.0, 1.0), weights: np.ndarray | None = None
) -> float:
    """Weighted mean length of vectors, Σ w |v| / Σ w.

    Args:
        vectors: (..., 2) in pixels.
        spacing_mm: (row_mm, col_mm) for mm; the default leaves it in pixels.
        weights: (...), not negative; by default all equal.

    Returns:
        pixels, or mm with a spacing; NaN where the weights sum to 0.
    """
    row_mm, col_mm = spacing_mm
    length = np.linalg.norm(vectors * np.array([col_mm, row_mm], vectors.dtype), axis=-1)
    weights = np.ones(length.shape) if weights is None else weights
    total = weights.sum(dtype=np.float64)
    return float((length * weights).sum(dtype=np.float64) / total) if total else float("nan")


def trajectory_error(
    points: np.ndarray,
    truth: np.ndarray,
    spacing_mm: tuple[float, float] = (1.0, 1.0),
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Mean distance of followed material points from where they truly are, in every frame: Σ w |p − p_gt| / Σ w.

    Errors of all steps since the points were placed have added up in it: read at end-systole, with points placed in the
    myocardium at end-diastole, it is the cumulative EPE between ED and ES (IV-A.3).

    Args:
        points: (T, K, 2) pixels, as a tracker carried them.
        truth: (T, K, 2) pixels; NaN where a point's place is not known, which leaves it out of that frame with its
            weight. A NaN in `points` is no such excuse: it makes the frame's error NaN.
        spacing_mm: (row_mm, col_mm) for errors in mm; the default leaves them in pixels.
        weights: (K,), not negative, such as the area of myocardium that each point stands for; by default all equal.

    Returns:
        (T,) in pixels, or mm with a spacing; NaN in frames without a known point of positive weight.

    Raises:
        InputError: the shapes do not agree, or a weight is negative.
    """
    points, truth = np.asarray(points, np.float64), np.asarray(truth, np.float64)
    if points.shape != truth.shape or points.ndim != 3 or points.shape[-1] != 2:
        raise InputError(f"Followed and true points must both be (T, K, 2), found {points.shape} and {truth.shape}.")
    weights = np.ones(points.shape[1]) if weights is None else np.asarray(weights, np.float64)
    if weights.shape != points.shape[1:2] or not (weights >= 0).all():
        raise InputError(f"Each of the {points.shape[1]} points needs a weight of at least 0, found {weights}.")
    weight = weights * np.isfinite(truth).all(axis=-1)
    row_mm, col_mm = spacing_mm
    error = np.where(weight > 0, np.linalg.norm((points - truth) * (col_mm, row_mm), axis=-1), 0)
    total = weight.sum(axis=1)
    return np.divide((weight * error).sum(axis=1), total, out=np.full(len(points), np.nan), where=total > 0)
