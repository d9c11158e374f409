"""What tracks a pair of images: anything that maps two batches of images to a batch of flows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from cpwc_keras.errors import InputError

Tracker = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""``tracker(first, second)``: two (B, H, W) float32 in [0, 1] → flow (B, H, W, 2) in pixels, first to second."""


class NetworkTracker:
    """A Keras model as a tracker, on whichever backend Keras runs.

    Args:
        model: called as ``model([image1, image2])`` with two (B, H, W, 1) float32; returns (B, H, W, 2) in pixels.
        name: what results call it.
    """

    def __init__(self, model, name: str = "NetworkTracker"):
        self.model = model
        self.__name__ = name  # where functions, the other trackers, have theirs

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The flow from the first images to the second, as `Tracker`."""
        images = [np.ascontiguousarray(images[..., None], np.float32) for images in (first, second)]
        return np.asarray(self.model.predict_on_batch(images), np.float32)


def as_tracker(tracker: Tracker | str | Path | None) -> tuple[Tracker, str]:
    """A tracker and its name, from whatever names one.

    Args:
        tracker: a callable; the name of a baseline (`zero`, `farneback`, `dis`) or of a preset; or a weights
            file; None for the default preset.

    Raises:
        InputError: no baseline or preset has this name, and it is no weights file.
    """
    if callable(tracker):
        return tracker, getattr(tracker, "__name__", type(tracker).__name__)
    from cpwc_keras.baselines.optical_flow import BASELINES

    if str(tracker) in BASELINES:
        return BASELINES[str(tracker)], str(tracker)
    from cpwc_keras.models.presets import (  # brings Keras, which the baselines do not need
        DEFAULT_PRESET,
        list_presets,
        load_model,
    )

    source = DEFAULT_PRESET if tracker is None else str(tracker)
    if source not in list_presets() and not Path(source).exists():
        known = ", ".join([*BASELINES, *list_presets()])
        raise InputError(f"{source}: neither a tracker ({known}) nor a weights file.")
    name = Path(source).name
    return NetworkTracker(load_model(source), name), name


def estimate(tracker: Tracker, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Run a tracker and check what it returns.

    Args:
        tracker: as `Tracker`.
        first: (B, H, W) float32.
        second: (B, H, W) float32.

    Returns:
        (B, H, W, 2) float32.

    Raises:
        ValueError: the tracker returns another shape.
        InputError: the flow is not finite, as that of weights gone astray.
    """
    flow = np.asarray(tracker(first, second), np.float32)
    if flow.shape != (*first.shape, 2):
        raise ValueError(f"the tracker returned {flow.shape} for images {first.shape}, expected {(*first.shape, 2)}")
    if not np.isfinite(flow).all():
        raise InputError("The tracker returned NaN or infinite motion; its weights are damaged or do not fit.")
    return flow
