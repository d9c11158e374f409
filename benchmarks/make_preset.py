"""Turn finished training runs into a preset: weights in half precision, a card, the learning curve.

python benchmarks/make_preset.py NAME --licence Apache-2.0 --saw "20,000 procedural …" \
    --stage runs/pretrain "cpwc-keras pretrain …" "one H100" --stage runs/transfer "cpwc-keras transfer …" "one H100" \
    [--metrics FILE.json] [--ranges FILE.json] [--spacing LOW HIGH]

What the network saw (pixel size, image size, brightness) is measured on pairs of the last run's own training source;
where that is not at hand, give it by --ranges. --spacing adds the pixel size where the pairs do not carry it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from cpwc_keras.data_prep.speckle import SpecklePairs, SpeckleSettings
from cpwc_keras.errors import InputError
from cpwc_keras.models.presets import presets_folder
from cpwc_keras.studies.publish import INTENDED_USE, Stage, make_preset, measure_ranges

CHECK_SEED = 20_222
"""Half precision is checked on the speckle pairs of this stream."""


def speckle_images(count: int = 8, size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Two (B, H, W) batches to compare single and half precision on."""
    pairs = SpecklePairs(SpeckleSettings(size=(size, size)), seed=CHECK_SEED)
    samples = [pairs.sample(index) for index in range(count)]
    return np.stack([pair.image1 for pair in samples]), np.stack([pair.image2 for pair in samples])


def ranges_of(run: Path, count: int) -> dict:
    """What the network of a run saw, measured on pairs of its own training source."""
    from cpwc_keras.training.experiment import Experiment
    from cpwc_keras.training.sources import make_source

    values = json.loads((run / "experiment.json").read_text())["experiment"]
    values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)} | {
        "validation_pairs": 0
    }
    training = make_source(Experiment(**values), run).training
    pairs = [training.sample(index) for index in range(count)]
    return measure_ranges([pair.image1 for pair in pairs], [pair.spacing_mm for pair in pairs])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--stage", nargs=3, action="append", required=True, metavar=("RUN", "COMMAND", "MACHINE"))
    parser.add_argument("--licence", required=True)
    parser.add_argument("--saw", required=True, help="the data, in a sentence")
    parser.add_argument("--intended-use", default=INTENDED_USE)
    parser.add_argument("--metrics", type=Path, help="JSON file of figures")
    parser.add_argument("--ranges", type=Path, help="JSON file; measured if not given")
    parser.add_argument("--spacing", type=float, nargs=2, metavar=("LOW", "HIGH"), help="pixel size in mm")
    parser.add_argument("--pairs", type=int, default=256, help="to measure the ranges on")
    parser.add_argument("--folder", type=Path, default=presets_folder())
    given = parser.parse_args()
    try:
        stages = [Stage(Path(run), command, machine) for run, command, machine in given.stage]
        ranges = json.loads(given.ranges.read_text()) if given.ranges else ranges_of(stages[-1].run, given.pairs)
        if given.spacing:
            ranges = {"pixel_spacing_mm": given.spacing} | ranges
        card = make_preset(
            given.name,
            stages,
            given.folder,
            licence=given.licence,
            saw=given.saw,
            ranges=ranges,
            images=speckle_images(),
            metrics=json.loads(given.metrics.read_text()) if given.metrics else None,
            intended_use=given.intended_use,
        )
    except InputError as error:
        sys.exit(f"Error: {error}")
    print(json.dumps(card, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
