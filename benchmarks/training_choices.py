"""What each choice of the training is worth: networks trained alike but for one choice, for equally many steps.

python benchmarks/training_choices.py OUT --test SEQUENCES [--fixed SEQUENCES] [--camus DIR] [--alessandrini DIR]
                                      [--photos DIR] [--steps 1000] [--only NAME ...] [--json FILE]

`--test` are simulated sequences none of whose patients are trained on; `--fixed` the training part as finished
sequences, as in the paper (`cpwc-keras simulate --templates camus --split train`). An interrupted run goes on with the
same command.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from cpwc_keras.data.catalog import open_dataset
from cpwc_keras.data.pairs import pair_from_sequence
from cpwc_keras.evaluation.motion import endpoint_error
from cpwc_keras.fields import pixel_grid
from cpwc_keras.models.weights_file import load_network
from cpwc_keras.tracking.composition import compose
from cpwc_keras.tracking.pair import NetworkTracker
from cpwc_keras.training.experiment import load_experiment
from cpwc_keras.training.phases import run

PAIRS_A_SEQUENCE = 6


def choices(options) -> dict[str, dict]:
    """Name → what sets the second phase apart from the first of them; `first` names its first phase."""
    hearts = {"procedural": ""}
    if options.camus:
        hearts["camus-templates"] = options.camus
    if options.alessandrini:
        hearts["alessandrini-templates"] = options.alessandrini
    found = {
        "hearts on the fly": {"datasets": hearts},
        "still surroundings, wall alone": {"datasets": hearts, "simulation": {"moving": 0.0}},
        "without artifacts": {"datasets": hearts, "simulation": {"artifacts": 0.0}},
        "neighbours, forward": {"datasets": hearts, "spacings": (0,), "directions": "forward"},
        "neighbours, both directions": {"datasets": hearts, "spacings": (0,)},
        "no first phase": {"datasets": hearts, "first": ""},
        "natural images first": {"datasets": hearts, "first": "chairs_like"},
    }
    if options.fixed:
        found["fixed sequences"] = {"datasets": {"sequences": options.fixed}}
    return found


def main():
    options = _options()
    test = test_pairs(options.test)
    table = {"zero": _measured(lambda one, other: np.zeros((*one.shape, 2), np.float32), test)}
    for name, changes in choices(options).items():
        if options.only and name not in options.only:
            continue
        changes = dict(changes)
        first = changes.pop("first", "speckle")
        weights = str(_first_phase(first, options)) if first else ""
        folder = options.output / name.replace(" ", "_").replace(",", "")
        path = _trained("transfer", "hearts", folder, options, weights=weights, **changes)
        table[name] = _measured(NetworkTracker(load_network(path)), test)
        _show(table)
    if options.json:
        options.json.write_text(json.dumps({"steps": options.steps, "epe_mm": table}, indent=2) + "\n")


def _first_phase(config: str, options) -> Path:
    datasets = {"chairs-like": options.photos} if config == "chairs_like" and options.photos else None
    return _trained("pretrain", config, options.output / f"first_{config}", options, datasets=datasets)


def _trained(phase: str, config: str, folder: Path, options, **changes) -> Path:
    experiment = load_experiment(
        phase, config, steps=options.steps, seed=options.seed, validation_pairs=0, checkpoint_every=250, **changes
    )
    return run(
        experiment, folder, lambda step, total, log: step % 100 or print(f"{folder.name} {step}/{total}", flush=True)
    )


def test_pairs(root: str) -> list[tuple]:
    """(pair, mm of its pixels) of neighbouring frames, evenly spread over each sequence."""
    pairs = []
    for item in open_dataset("sequences", root):
        sequence = item.read()
        for first in np.linspace(0, len(sequence) - 2, PAIRS_A_SEQUENCE).astype(int):
            pairs.append((pair_from_sequence(sequence, first, first + 1), float(np.mean(sequence.loop.spacing_mm))))
    return pairs


def _measured(tracker, test) -> dict[str, float]:
    """Mean endpoint error in mm, with composition and without."""
    errors = {"composition": [], "forward": []}
    for pair, mm in test:
        forward = tracker(pair.image1[None], pair.image2[None])[0]
        backward = tracker(pair.image2[None], pair.image1[None])[0]
        both = compose(forward, backward, pixel_grid(pair.mask.shape))[0]
        errors["forward"].append(mm * endpoint_error(forward, pair.flow, pair.mask))
        errors["composition"].append(mm * endpoint_error(both, pair.flow, pair.mask))
    return {name: float(np.mean(values)) for name, values in errors.items()}


def _show(table: dict) -> None:
    width = max(map(len, table))
    print(f"{'EPE in mm':{width}}  composition  forward")
    for name, values in table.items():
        print(f"{name:{width}}  {values['composition']:11.4f}  {values['forward']:7.4f}", flush=True)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--test", required=True)
    parser.add_argument("--fixed")
    parser.add_argument("--camus")
    parser.add_argument("--alessandrini")
    parser.add_argument("--photos")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
