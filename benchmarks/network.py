"""The cost volume's training step against plain automatic differentiation; a pair against OpenCV's optical flow."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

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

    draw = np.random.default_rng(0).standard_normal
    maps = [tf.constant(draw((1, 96, 112, 32), np.float32)) for _ in range(2)]
    upstream = tf.constant(draw((1, 96, 112, 81), np.float32))

    # On the CPU a graph's call returns when its tensors are there; taking them out of it would be timing a copy.
    def values(op):
        graph = tf.function(op)
        return lambda: graph(*maps)

    def gradients(op):
        # The graph keeps what the gradients need, and nothing else of the forward pass.
        graph = tf.function(lambda *given: tf.gradients(op(*given), given, upstream))
        return lambda: graph(*maps)

    names = {"cost_volume": cost_volume, "81 sliced products": plain}
    what = "96×112×32, r = 4"
    forward = best_seconds({name: values(op) for name, op in names.items()}, rounds, calls=10)
    rows = [row(f"cost volume, {what}", forward, *names)]
    if (peer := _tfa_seconds(10 * rounds)) is not None:
        seconds = {"cost_volume": forward["cost_volume"], "tensorflow-addons 0.23": peer}
        rows.append(row(f"cost volume, {what}", seconds, *seconds))
    backward = best_seconds({name: gradients(op) for name, op in names.items()}, rounds, calls=3)
    return [*rows, row(f"both gradients of it, {what}", backward, *names)]


def _tfa_seconds(rounds: int) -> float | None:
    """Of tensorflow-addons' op in its own environment, right after ours; None where `make oracle` has not made one."""
    python = Path(__file__).parents[1] / ".oracle" / "bin" / "python"
    if not python.is_file():
        return None
    command = [str(python), str(Path(__file__).with_name("peer_tfa.py")), str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return float(done.stdout.split()[-1]) / 1e3 if done.returncode == 0 else None


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
