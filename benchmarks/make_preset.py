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
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from cpwc_keras.data_prep.hearts import HeartPairs
from cpwc_keras.data_prep.speckle import SpecklePairs, SpeckleSettings
from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.models.presets import presets_folder
from cpwc_keras.studies.publish import INTENDED_USE, Stage, make_preset, measure_ranges, read_stages
from cpwc_keras.tracking.familiarity import RANGES

CHECK_SEED = 20_222
"""Half precision is checked on the speckle pairs of this stream."""


def speckle_images(count: int = 8, size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Two (B, H, W) batches to compare single and half precision on."""
    pairs = SpecklePairs(SpeckleSettings(size=(size, size)), seed=CHECK_SEED)
    samples = [pairs.sample(index) for index in range(count)]
    return np.stack([pair.image1 for pair in samples]), np.stack([pair.image2 for pair in samples])


def ranges_of(run: Path, count: int) -> dict:
    """What the network of a run saw, measured on pairs of its own training source.

    Args:
        run: its folder, with a record that `read_stages` has accepted.
        count: pairs to measure.

    Raises:
        InputError: the record is of another version of the package, or its data are not at hand.
    """
    from cpwc_keras.training.experiment import Experiment
    from cpwc_keras.training.sources import make_source

    path = run / "experiment.json"
    values = json.loads(path.read_text(encoding="utf-8"))["experiment"]
    values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    try:
        experiment = Experiment(**values | {"validation_pairs": 0})
    except TypeError as error:
        remedy = "measure with the version that trained, or give --ranges"
        raise bad_file(path, f"settings unknown here ({error})", "those of this version", remedy) from error
    training = of_many_scenes(make_source(experiment, run).training)
    pairs = [training.sample(index) for index in range(count)]
    return measure_ranges([pair.image1 for pair in pairs], [pair.spacing_mm for pair in pairs])


def of_many_scenes(training):
    """The source with two pairs of each scene.

    In training a hundred pairs show the same heart by the same scanner: the first few hundred would be of five.
    """
    return replace(training, pairs_per_scene=2, window=1) if isinstance(training, HeartPairs) else training


def read_object(path: Path, expected: str) -> dict:
    """A JSON object from a file.

    Raises:
        InputError: missing, or not one.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise bad_file(path, "no JSON that can be read", expected) from error
    if not isinstance(content, dict):
        raise bad_file(path, f"a {type(content).__name__}", expected)
    return content


def read_ranges(path: Path) -> dict:
    """Ranges as `measure_ranges` gives them, from a JSON file.

    Raises:
        InputError: missing, or not such a file.
    """
    expected = f"an object of [lowest, highest] under {', '.join(RANGES)}"
    ranges = read_object(path, expected)
    for name, pair in ranges.items():
        numbers = isinstance(pair, list) and [type(end) in (int, float) for end in pair] == [True, True]
        if name not in RANGES or not (numbers and pair[0] <= pair[1]):
            raise bad_file(path, f"{name}: {pair!r}", expected)
    return ranges


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
        card = _make(given)
    except InputError as error:
        parser.exit(2, f"Error: {error}\n")
    print(json.dumps(card, indent=2, ensure_ascii=False))


def _make(given) -> dict:
    stages = [Stage(Path(run), command, machine) for run, command, machine in given.stage]
    read_stages(given.name, stages, given.licence)  # before minutes are spent on the ranges
    metrics = read_object(given.metrics, "an object of figures") if given.metrics else None
    ranges = read_ranges(given.ranges) if given.ranges else ranges_of(stages[-1].run, given.pairs)
    if given.spacing:
        ranges = {"pixel_spacing_mm": given.spacing} | ranges
    return make_preset(
        given.name,
        stages,
        given.folder,
        licence=given.licence,
        saw=given.saw,
        ranges=ranges,
        images=speckle_images(),
        metrics=metrics,
        intended_use=given.intended_use,
    )


if __name__ == "__main__":
    main()
