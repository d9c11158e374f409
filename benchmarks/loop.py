"""A whole loop, tracked with both directions: ours against a plain Keras network called pair by pair; and the floor.

The floor is the network's multiplications at the rate of a large convolution of the same precision, in the same run.
"""

from __future__ import annotations

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from timing import best_seconds, row

from cpwc_keras.models.presets import DEFAULT_PRESET
from cpwc_keras.ops import native
from cpwc_keras.tracking.composition import compose
from cpwc_keras.tracking.pair import as_tracker
from cpwc_keras.types import CineLoop

SHAPE = (384, 448)
_GFLOP = 71.7
"""Of a flow at `SHAPE`: what TensorFlow's profiler counts."""


def loop(frames: int, shape: tuple[int, int] = SHAPE) -> tuple[CineLoop, np.ndarray]:
    """A beating texture and a contour as large in it as a ventricle is in an image of its size."""
    rng = np.random.default_rng(0)
    texture = keras.ops.convert_to_numpy(
        keras.ops.image.resize(rng.random((shape[0] // 4, shape[1] // 4, 1), np.float32), shape)
    )[..., 0]
    rolled = [np.roll(texture, round(4 * np.sin(2 * np.pi * t / 30)), 0) for t in range(frames)]
    angle = np.linspace(np.pi, 2 * np.pi, 36)
    height, width = shape
    contour = np.stack([width / 2 + 0.16 * width * np.cos(angle), 0.85 * height + 0.62 * height * np.sin(angle)], -1)
    return CineLoop(np.stack(rolled).astype(np.float32), (0.35, 0.35), 40.0), contour


def plain(network, images: CineLoop, contour: np.ndarray) -> np.ndarray:
    """The obvious way: whole images, pair by pair, each direction by itself. Points in every frame, the first given."""
    carried = [np.asarray(contour, np.float64)]
    for here, there in zip(images.frames[:-1], images.frames[1:], strict=True):
        flows = [
            np.asarray(network.predict_on_batch([one[None, ..., None], other[None, ..., None]]))[0]
            for one, other in ((here, there), (there, here))
        ]
        carried.append(carried[-1] + compose(*flows, carried[-1])[0])
    return np.stack(carried)


def peak_gflops(precision: str) -> float:
    """Rate of a large convolution: a billion multiplications and additions a second."""
    import tensorflow as tf

    maps, kernel = (tf.cast(tf.random.normal(shape), precision) for shape in ((1, 96, 112, 565), (3, 3, 565, 128)))
    convolve = tf.function(lambda maps: tf.nn.conv2d(maps, kernel, 1, "SAME"))
    seconds = best_seconds({"conv": lambda: convolve(maps).numpy()}, 10)["conv"]
    return 2 * 96 * 112 * 9 * 565 * 128 / seconds / 1e9


def run(quick: bool) -> list[dict]:
    """Rows for a loop, and for the distance to the floor."""
    if keras.backend.backend() != "tensorflow":
        return []
    from cpwc_keras.tracking.cine import track

    frames = 6 if quick else 30
    images, contour = loop(frames)
    ours = {precision: as_tracker(None, precision)[0] for precision in ("float32", "bfloat16")}
    with native.portable():
        theirs = as_tracker(DEFAULT_PRESET, "float32")[0].model
        plain(theirs, CineLoop(images.frames[:2], (0.35, 0.35)), contour)  # traced while `portable`
    peer = "plain Keras, pair by pair, float32"
    calls = {
        f"track, {precision}": lambda tracker=tracker: track(images, contour, tracker, frame=0)
        for precision, tracker in ours.items()
    } | {peer: lambda: plain(theirs, images, contour)}
    for tracker in ours.values():
        track(CineLoop(images.frames[:3], (0.35, 0.35)), contour, tracker, frame=0)
    seconds = {}
    for name, call in calls.items():
        start = time.perf_counter()
        call()
        seconds[name] = time.perf_counter() - start
    what = f"{frames} frames of {SHAPE[0]}×{SHAPE[1]}, both directions"
    rows = [row(what, seconds, name, peer) for name in calls if name != peer]
    pair = np.random.default_rng(1).random((2, *SHAPE), dtype=np.float32)
    floor = "its convolutions at full rate"
    for precision, tracker in ours.items():
        name = f"c-PWC-Net, {precision}"
        seconds = best_seconds({name: lambda tracker=tracker: tracker(pair[:1], pair[1:])}, 2 if quick else 5)
        seconds[floor] = _GFLOP / peak_gflops(precision)
        rows.append(row("a flow, against the floor", seconds, name, floor))
    return rows
