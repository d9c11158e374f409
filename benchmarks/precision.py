"""What bfloat16 changes: the error of a preset's flow on simulated pairs, and the time, against float32.

python benchmarks/precision.py SEQUENCES [PRESET] [--limit N]
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from timing import best_seconds
from training_choices import test_pairs

from cpwc_keras.evaluation.motion import endpoint_error
from cpwc_keras.fields import pixel_grid
from cpwc_keras.models.presets import DEFAULT_PRESET
from cpwc_keras.tracking.composition import compose
from cpwc_keras.tracking.pair import as_tracker, estimate


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sequences")
    parser.add_argument("preset", nargs="?", default=DEFAULT_PRESET)
    parser.add_argument("--limit", type=int, default=24, help="pairs")
    given = parser.parse_args()
    pairs = test_pairs(given.sequences)
    pairs = [pairs[i] for i in np.linspace(0, len(pairs) - 1, min(given.limit, len(pairs))).astype(int)]
    trackers = {precision: as_tracker(given.preset, precision)[0] for precision in ("float32", "bfloat16")}
    errors, motion = {}, {}
    for precision, tracker in trackers.items():
        motion[precision] = [_motion(tracker, pair) for pair, _ in pairs]
        errors[precision] = np.array(
            [
                mm * endpoint_error(flow, pair.flow, pair.mask)
                for flow, (pair, mm) in zip(motion[precision], pairs, strict=True)
            ]
        )
    changes = [
        mm * endpoint_error(half, whole, pair.mask)
        for half, whole, (pair, mm) in zip(motion["bfloat16"], motion["float32"], pairs, strict=True)
    ]
    size = 384, 448
    images = np.random.default_rng(0).random((2, 1, *size), dtype=np.float32)
    seconds = best_seconds({name: lambda tracker=tracker: tracker(*images) for name, tracker in trackers.items()}, 5)
    for precision in trackers:
        print(
            f"{precision:9} EPE {errors[precision].mean():.4f} mm, {seconds[precision]:.3f} s a flow of "
            f"{size[0]}×{size[1]}"
        )
    ratio = errors["bfloat16"].mean() / errors["float32"].mean()
    print(
        f"{len(pairs)} pairs: EPE {100 * (ratio - 1):+.2f} %, the flow moves by {np.mean(changes):.4f} mm in the mean"
    )


def _motion(tracker, pair):
    """(H, W, 2) px: both directions averaged."""
    both = np.stack([pair.image1, pair.image2])
    forward, backward = estimate(tracker, both, both[::-1])
    return compose(forward, backward, pixel_grid(pair.mask.shape))[0]


if __name__ == "__main__":
    main()
