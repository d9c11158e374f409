"""Endpoint error of a preset on speckle pairs it never saw, beside zero flow, Farneback and DIS.

python benchmarks/preset.py [PRESET_OR_WEIGHTS] [--pairs N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from cpwc_keras.baselines.catalog import BASELINES
from cpwc_keras.data_prep.speckle import SpecklePairs, SpeckleSettings
from cpwc_keras.evaluation.motion import endpoint_error
from cpwc_keras.models.presets import DEFAULT_PRESET, load_model
from cpwc_keras.tracking.pair import NetworkTracker

UNSEEN_SEED = 20_221
"""No training run of a shipped preset uses this stream."""


def measure(trackers: dict, count: int, size: int = 256) -> dict[str, float]:
    """Mean endpoint error in pixels of each tracker, every pair counting alike."""
    pairs = SpecklePairs(SpeckleSettings(size=(size, size)), seed=UNSEEN_SEED)
    errors = {name: [] for name in trackers}
    for index in range(count):
        pair = pairs.sample(index)
        if not pair.mask.any():
            continue
        for name, tracker in trackers.items():
            flow = tracker(pair.image1[None], pair.image2[None])[0]
            errors[name].append(endpoint_error(flow, pair.flow, pair.mask))
    return {name: float(np.mean(values)) for name, values in errors.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", nargs="?", default=DEFAULT_PRESET)
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    network = NetworkTracker(load_model(arguments.weights))
    result = measure({arguments.weights: network, **BASELINES}, arguments.pairs)
    print(f"Mean endpoint error on {arguments.pairs} unseen speckle pairs of 256×256, seed {UNSEEN_SEED}:")
    for name, error in sorted(result.items(), key=lambda item: item[1]):
        print(f"  {name:40} {error:.3f} px")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(result, file, indent=2)


if __name__ == "__main__":
    main()
