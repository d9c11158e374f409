"""Classical trackers with the network's interface: no motion, Farnebäck, DIS (OpenCV).

Each takes two (B, H, W) float32 images in [0, 1] and returns the flow (B, H, W, 2) float32 in pixels, first to second.
"""

from __future__ import annotations

import cv2
import numpy as np


def zero(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """No motion: the floor that every tracker has to beat."""
    return np.zeros((*first.shape, 2), np.float32)


def farneback(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Polynomial expansion (Farnebäck, SCIA 2003), `cv2.calcOpticalFlowFarneback`.

    Four pyramid levels of a half each; a Gaussian window of 21 pixels, wide since speckle decorrelates; 5 iterations;
    polynomials over 7 pixels with σ = 1.5, the values OpenCV advises for that size.
    """
    return _by_pair(
        first,
        second,
        lambda a, b: cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 4, 21, 5, 7, 1.5, cv2.OPTFLOW_FARNEBACK_GAUSSIAN),
    )


def dis(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Dense inverse search (Kroeger et al., ECCV 2016), `cv2.DISOpticalFlow` with the preset MEDIUM.

    The finest scale is the full image instead of MEDIUM's half, since motion between frames is of a pixel or two.
    """
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    estimator.setFinestScale(0)
    return _by_pair(first, second, lambda a, b: estimator.calc(a, b, None))


def _by_pair(first, second, flow_of) -> np.ndarray:
    levels = [np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8) for images in (first, second)]
    return np.stack([flow_of(a, b) for a, b in zip(*levels, strict=True)]).astype(np.float32, copy=False)
