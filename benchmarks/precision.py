"""What bfloat16 changes: the error of a preset's flow on simulated pairs, and the time, against float32.

python benchmarks/precision.py SEQUENCES [PRESET] [--limit N]
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from preset_on_sequences import main
from timing import best_seconds
from training_choices import forward_and_composed, neighbouring_pairs

from cpwc_keras.data.catalog import open_dataset
from cpwc_keras.evaluation.motion import endpoint_error
from cpwc_keras.tracking.pair import as_tracker

_SIZE = 384, 448


def _compare(sequences: str, preset: str, limit: int) -> None:
    trackers = {precision: as_tracker(preset, precision)[0] for precision in ("float32", "bfloat16")}
    pairs = neighbouring_pairs(open_dataset("sequences", sequences))
    pairs = [pairs[i] for i in np.linspace(0, len(pairs) - 1, min(limit, len(pairs))).astype(int)]
    motion = {name: [forward_and_composed(tracker, pair)[1] for pair in pairs] for name, tracker in trackers.items()}
    errors = {
        name: np.mean([
            endpoint_error(flow, pair.flow, pair.mask, pair.spacing_mm)
            for flow, pair in zip(flows, pairs, strict=True)
        ])
        for name, flows in motion.items()
    }  # fmt: skip
    changes = [
        endpoint_error(half, whole, pair.mask, pair.spacing_mm)
        for half, whole, pair in zip(motion["bfloat16"], motion["float32"], pairs, strict=True)
    ]
    images = np.random.default_rng(0).random((2, 1, *_SIZE), dtype=np.float32)
    seconds = best_seconds({name: lambda tracker=tracker: tracker(*images) for name, tracker in trackers.items()}, 5)
    for name in trackers:
        print(f"{name:9} EPE {errors[name]:.4f} mm, {seconds[name]:.3f} s a flow of {_SIZE[0]}×{_SIZE[1]}")
    ratio = errors["bfloat16"] / errors["float32"]
    print(
        f"{len(pairs)} pairs: EPE {100 * (ratio - 1):+.2f} %, the flow moves by {np.mean(changes):.4f} mm in the mean"
    )


if __name__ == "__main__":
    main(__doc__, _compare, limit=24, of="pairs")
