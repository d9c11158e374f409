"""The cost volume's training step against plain automatic differentiation; a pair against OpenCV's optical flow."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from timing import best_seconds, row

from cpwc_keras.ops import cost_volume


def run(quick: bool) -> list[dict]:
    """Rows for the cost volume, and for tracking a pair."""
    if keras.backend.backend() != "tensorflow":
        return []
    rounds = 3 if quick else 10
    return [*_cost_volume(rounds), *_pair(rounds)]


def _cost_volume(rounds: int) -> list[dict]:
    import tensorflow as tf

    def plain(first, second, r=4):
        height, width = first.shape[1:3]
        padded = tf.pad(second, [[0, 0], [r, r], [r, r], [0, 0]])
        products = [
            tf.reduce_mean(first * padded[:, dy : dy + height, dx : dx + width], axis=-1)
            for dy in range(2 * r + 1)
            for dx in range(2 * r + 1)
        ]
        return tf.stack(products, axis=-1)

    maps = [tf.constant(a) for a in np.random.default_rng(0).standard_normal((2, 1, 96, 112, 32)).astype(np.float32)]

    def step(op):
        @tf.function
        def gradients(first, second):
            with tf.GradientTape() as tape:
                tape.watch([first, second])
                loss = tf.reduce_sum(tf.square(op(first, second)))
            return tape.gradient(loss, [first, second])

        return lambda: gradients(*maps)

    names = {"cost_volume": cost_volume, "81 sliced products, automatic gradient": plain}
    seconds = best_seconds({name: step(op) for name, op in names.items()}, rounds)
    return [row("cost volume and both gradients, 96×112×32, r = 4", seconds, *names)]


def _pair(rounds: int) -> list[dict]:
    from cpwc_keras.baselines.catalog import BASELINES
    from cpwc_keras.models import CPWCNet
    from cpwc_keras.tracking.pair import NetworkTracker

    pair = np.random.default_rng(0).random((2, 1, 384, 448), dtype=np.float32)
    network = NetworkTracker(CPWCNet())
    peers = {name: BASELINES[name] for name in ("farneback", "dis")}
    calls = {"c-PWC-Net": lambda: network(*pair)} | {
        f"OpenCV {name}": lambda tracker=tracker: tracker(*pair) for name, tracker in peers.items()
    }
    seconds = best_seconds(calls, rounds)
    return [row("flow of a pair, 384×448", seconds, "c-PWC-Net", peer) for peer in calls if peer != "c-PWC-Net"]
