"""What tracks a pair of images: anything that maps two batches of images to a batch of flows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cpwc_keras.baselines.catalog import BASELINES
from cpwc_keras.baselines.external import last_line, onnx_tracker, python_tracker
from cpwc_keras.errors import InputError, did_you_mean
from cpwc_keras.tracking.engines import engine_model, require_engine

Tracker = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""``tracker(first, second)``: two (B, H, W) float32 in [0, 1] → flow (B, H, W, 2) in pixels, first to second."""


class NetworkTracker:
    """A Keras model as a tracker, on whichever backend Keras runs.

    Args:
        model: called as ``model([image1, image2])`` with two (B, H, W, 1) float32; returns (B, H, W, 2) in pixels.
        name: what results call it.
        ranges: what it was trained on, as its card says (`cpwc_keras.tracking.familiarity`), or None.
        weights_sha256: SHA-256 of the file that its weights came from, or None.
    """

    def __init__(
        self,
        model: Any,
        name: str = "NetworkTracker",
        ranges: dict | None = None,
        weights_sha256: str | None = None,
    ):
        self.model = model
        self.ranges = ranges
        self.weights_sha256 = weights_sha256
        self.__name__ = name  # where functions, the other trackers, have theirs

    def both_ways(self, here: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Forward and backward flow (H, W, 2) of two (H, W) images; features of the last images are kept."""
        if not hasattr(self.model, "flow_between"):  # a stranger's
            forward, backward = self(np.stack([here, there]), np.stack([there, here]))
            return forward, backward
        return self._both_ways(here, there)

    @cached_property
    def _both_ways(self):
        from cpwc_keras.tracking.both_ways import BothWays

        return BothWays(self.model)

    @property
    def precision(self) -> str | None:
        """In which the model calculates, as Keras calls it: "float32", "bfloat16"."""
        return getattr(self.model, "compute_dtype", None)

    @property
    def engine(self) -> str:
        """What runs the model, one of `cpwc_keras.tracking.engines.ENGINES`."""
        return getattr(self.model, "engine", "keras")

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The flow from the first images to the second, as `Tracker`."""
        images = [np.ascontiguousarray(images[..., None], np.float32) for images in (first, second)]
        return np.asarray(self.model.predict_on_batch(images), np.float32)


def as_tracker(
    tracker: Tracker | str | Path | None, precision: str = "float32", engine: str = "keras"
) -> tuple[Tracker, str]:
    """A tracker and its name, from whatever names one.

    Args:
        tracker: a callable; the name of a baseline (`zero`, `fft-xcorr`, `farneback`, `dis`) or of a preset; a weights
            file; an ONNX model (`….onnx`); a Python callable (`module:function`, `file.py:function`); or None for the
            default preset.
        precision: in which a network named so calculates, one of `cpwc_keras.models.precision.PRECISIONS`.
        engine: what runs it, one of `cpwc_keras.tracking.engines.ENGINES`.

    Raises:
        InputError: no baseline or preset has this name, and it is no weights file; or what it names cannot be used; or
            the precision or the engine is unknown or cannot be used.
    """
    if callable(tracker):
        return tracker, getattr(tracker, "__name__", type(tracker).__name__)
    require_engine(engine, precision)
    if not names_network(tracker):
        spec = str(tracker)
        if spec in BASELINES:
            return BASELINES[spec], spec
        make = onnx_tracker if spec.lower().endswith(".onnx") else python_tracker
        return make(spec), Path(spec).name
    from cpwc_keras.models.presets import DEFAULT_PRESET, about_weights, list_presets, load_model

    source = DEFAULT_PRESET if tracker is None else str(tracker)
    if source.endswith(".py"):
        raise InputError(f"{source}: which function of it? Name it: {source}:flow.")
    if source not in list_presets() and not Path(source).exists():
        known = [*BASELINES, *list_presets()]
        raise InputError(
            f"{source}: neither a tracker ({', '.join(known)}), a weights file, an ONNX model (.onnx) nor a Python "
            f"function (module:function).{did_you_mean(source, known)}"
        )
    name = Path(source).name
    model = load_model(source, precision) if engine == "keras" else engine_model(source, engine, precision)
    return NetworkTracker(model, name, _ranges(source), about_weights(source)["weights_sha256"]), name


def load_tracker(
    tracker: Tracker | str | Path | None = None, precision: str = "float32", engine: str = "keras"
) -> Tracker:
    """A tracker that is loaded once and used often, by `track` or `estimate_flow`.

    Args:
        tracker: as for `as_tracker`.
        precision: likewise.
        engine: likewise.

    Raises:
        InputError: as `as_tracker`.
    """
    return as_tracker(tracker, precision, engine)[0]


def _ranges(source: str) -> dict | None:
    """What a preset or the network of a weights file was trained on, where its card says so."""
    from cpwc_keras.models.presets import card_of

    ranges = card_of(source).get("ranges")
    return ranges if isinstance(ranges, dict) else None


def names_network(tracker: str | Path | None) -> bool:
    """Whether this names a preset or weights, which need Keras, and not a baseline or a stranger's tracker.

    Args:
        tracker: as for `as_tracker`.
    """
    spec = str(tracker)
    if spec in BASELINES or spec.lower().endswith(".onnx"):
        return False
    module, _, function = spec.rpartition(":")
    return not (module and function.isidentifier()) or Path(spec).exists()


def estimate_flow(
    image1: np.ndarray, image2: np.ndarray, tracker: Tracker | str | Path | None = None, precision: str = "float32"
) -> np.ndarray:
    """The dense motion from one image to another.

    Args:
        image1: (H, W), float in [0, 1] or uint8; any size.
        image2: of the same size.
        tracker: as for `as_tracker`; one that is named is loaded in each call (`load_tracker` does so once).
        precision: likewise.

    Returns:
        (H, W, 2) float32 pixels, (dx right, dy down): what is at (x, y) in image 1 is at (x + dx, y + dy) in image 2.

    Raises:
        InputError: the images are none or differ in size, the tracker is unknown or fails.
    """
    pair = [_gray(image, name) for image, name in ((image1, "first"), (image2, "second"))]
    if pair[0].shape != pair[1].shape:
        raise InputError(f"The images must have the same size, got {pair[0].shape} and {pair[1].shape}.")
    return estimate(load_tracker(tracker, precision), pair[0][None], pair[1][None])[0]


def _gray(image: np.ndarray, name: str) -> np.ndarray:
    """An image as (H, W) float32 in [0, 1]."""
    image = np.asarray(image)
    if image.ndim != 2 or 0 in image.shape:
        raise InputError(f"The {name} image has the shape {image.shape}, expected (height, width), gray.")
    if image.dtype == np.uint8:
        return image.astype(np.float32) / 255
    if not np.issubdtype(image.dtype, np.floating) or not (image.min() >= 0 and image.max() <= 1):
        numbers = np.issubdtype(image.dtype, np.number)
        found = f"{image.dtype} from {image.min()} to {image.max()}" if numbers else str(image.dtype)
        raise InputError(f"The {name} image holds {found}, expected fractions from 0 to 1, or uint8.")
    return image.astype(np.float32)


def estimate(tracker: Tracker, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Run a tracker, which may be a stranger's code, and check what it returns.

    Args:
        tracker: as `Tracker`.
        first: (B, H, W) float32.
        second: (B, H, W) float32.

    Returns:
        (B, H, W, 2) float32.

    Raises:
        InputError: the tracker raised an exception, or returned anything but a finite flow of this shape.
    """
    # Copies of their own: a tracker may write into its input, and some libraries refuse reversed views.
    pair = (np.array(images, np.float32, order="C") for images in (first, second))
    return _checked(tracker, lambda: tracker(*pair), first.shape)


def estimate_both(tracker: Tracker, here: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both directions of a pair, checked as by `estimate`.

    Args:
        tracker: as `Tracker`.
        here: (H, W) float32.
        there: (H, W) float32.

    Returns:
        forward: (H, W, 2) float32 px, from `here` to `there`.
        backward: (H, W, 2) float32 px, from `there` to `here`.

    Raises:
        InputError: as `estimate`.
    """
    if isinstance(tracker, NetworkTracker):
        forward, backward = _checked(tracker, lambda: np.stack(tracker.both_ways(here, there)), (2, *here.shape))
    else:
        pair = np.stack([here, there])
        forward, backward = estimate(tracker, pair, pair[::-1])
    return forward, backward


def _checked(tracker: Tracker, call: Callable[[], object], shape: tuple[int, ...]) -> np.ndarray:
    """What a call of the tracker returns for images of this shape, as a finite flow (…, 2) float32."""
    try:
        returned = call()
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise InputError(f"The tracker failed with {last_line(error)}.") from error
    expected = (*shape, 2)
    try:
        flow = np.asarray(returned, np.float32)
    except MemoryError:
        raise
    except Exception as error:  # tensors on a device, ragged lists, text
        kind = type(returned).__name__
        raise InputError(
            f"The tracker returned {kind}, which is no array ({last_line(error)}), expected {expected}."
        ) from error
    if flow.shape != expected:
        kind = type(returned).__name__
        raise InputError(f"The tracker returned {kind} of shape {flow.shape} for images {shape}, expected {expected}.")
    if bad := int((~np.isfinite(flow)).any(-1).sum()):
        why = "; its weights are damaged or do not fit" if isinstance(tracker, NetworkTracker) else ""
        found = f"NaN or infinite motion at {bad:,} of {flow[..., 0].size:,} pixels"
        raise InputError(f"The tracker returned {found}{why}.")
    return flow
