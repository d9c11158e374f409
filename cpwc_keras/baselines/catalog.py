"""The trackers without a network, by the names the command line gives them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np


def _loaded_when_called(module: str, name: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The tracker of a module of this package. SciPy and OpenCV take half a second, which a network need not wait."""

    def tracker(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return getattr(import_module(f"cpwc_keras.baselines.{module}"), name)(first, second)

    tracker.__name__ = name
    return tracker


BASELINES = {
    "zero": _loaded_when_called("optical_flow", "zero"),
    "fft-xcorr": _loaded_when_called("block_matching", "fft_xcorr"),
    "farneback": _loaded_when_called("optical_flow", "farneback"),
    "dis": _loaded_when_called("optical_flow", "dis"),
}
"""Name on the command line → tracker."""
