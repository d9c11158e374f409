"""What each choice of the training is worth: networks trained alike but for one choice, for equally many steps.

python benchmarks/training_choices.py OUT --test SEQUENCES [--fixed SEQUENCES] [--camus DIR] [--alessandrini DIR]
                                      [--photos DIR] [--steps 1000] [--start WEIGHTS] [--only NAME ...] [--json FILE]
python benchmarks/training_choices.py --test SEQUENCES --trackers NAME|FILE ... [--json FILE]

`--test` are simulated sequences none of whose patients are trained on; `--fixed` the training part as finished
sequences, as in the paper (`cpwc-keras simulate --templates camus --split train`). With `--start` the second phases
start from these weights, which must not have seen the patients of the test, instead of a first phase of as many steps,
and the choices of the first phase are left out. An interrupted run goes on with the same command. `--trackers` trains
nothing, but measures presets, weights files and baselines on the same pairs.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from cpwc_keras.baselines.catalog import BASELINES
from cpwc_keras.data.catalog import open_dataset
from cpwc_keras.data.pairs import pair_from_sequence
from cpwc_keras.data.splits import require_disjoint_patients
from cpwc_keras.data_prep.simulation.templates import find_templates
from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.evaluation.motion import endpoint_error
from cpwc_keras.fields import pixel_grid
from cpwc_keras.models.weights_file import load_network
from cpwc_keras.record import write_json
from cpwc_keras.tracking.composition import compose
from cpwc_keras.tracking.pair import NetworkTracker, as_tracker, estimate
from cpwc_keras.training.experiment import load_experiment
from cpwc_keras.training.phases import run
from cpwc_keras.types import DatasetItem, FramePair, Sequence

PAIRS_A_SEQUENCE = 6

_EMA = 0.99
"""The average of the configs reaches back further than these runs are long, to the weights they began with."""


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
    return {name: changes for name, changes in found.items() if not (options.start and "first" in changes)}


def main():
    parser, options = _options()
    try:
        if options.trackers:
            _measure_trackers(options)
        else:
            _train_choices(options)
    except InputError as error:
        parser.exit(2, f"Error: {error}\n")


def _measure_trackers(options) -> None:
    trackers = {name: as_tracker(name)[0] for name in options.trackers}
    test = neighbouring_pairs(open_dataset("sequences", options.test))
    table = {name: _measured(tracker, test) for name, tracker in trackers.items()}
    print(f"{len(test)} pairs")
    _show(table)
    if options.json:
        write_json(options.json, {"pairs": len(test), "epe_mm": table})


def _train_choices(options) -> None:
    chosen = choices(options)
    if unknown := [name for name in options.only or () if name not in chosen]:
        raise InputError(f"--only {unknown[0]!r} is no choice; with these folders there are {', '.join(chosen)}.")
    chosen = {name: changes for name, changes in chosen.items() if not options.only or name in options.only}
    items = open_dataset("sequences", options.test)
    require_unseen(items, dict(entry for changes in chosen.values() for entry in changes["datasets"].items()))
    test = neighbouring_pairs(items)
    table = {"zero": _measured(BASELINES["zero"], test)}
    for name, changes in chosen.items():
        changes = dict(changes)
        first = changes.pop("first", "speckle")
        weights = options.start or (str(_first_phase(first, options)) if first else "")
        folder = options.output / name.replace(" ", "_").replace(",", "")
        path = _trained("transfer", "hearts", folder, options, weights=weights, **changes)
        table[name] = _measured(NetworkTracker(load_network(path)), test)
        _show(table)
    if options.json:
        write_json(options.json, {"steps": options.steps, "start": options.start, "pairs": len(test), "epe_mm": table})


def require_unseen(test: list[DatasetItem], datasets: dict[str, str]) -> None:
    """Refuse to test on patients who are trained on.

    Procedural hearts are drawn from streams apart from those of `cpwc-keras simulate`.

    Args:
        test: sequences to test on.
        datasets: name → folder, of an experiment.

    Raises:
        InputError: a patient of the test is in the training part of a dataset, or a folder is not that dataset.
    """
    for name, root in datasets.items():
        if name == "procedural":
            continue
        templates = name.endswith("-templates")
        found = find_templates(name.removesuffix("-templates"), root) if templates else open_dataset(name, root)
        require_disjoint_patients([item for item in found if item.split in ("", "train")], test)


def _first_phase(config: str, options) -> Path:
    datasets = {"chairs-like": options.photos} if config == "chairs_like" and options.photos else None
    return _trained("pretrain", config, options.output / f"first_{config}", options, datasets=datasets)


def _trained(phase: str, config: str, folder: Path, options, **changes) -> Path:
    short = {"steps": options.steps, "validation_pairs": 0, "checkpoint_every": 250, "ema": _EMA}
    experiment = load_experiment(phase, config, seed=options.seed, **short, **changes)
    return run(
        experiment, folder, lambda step, total, log: step % 100 or print(f"{folder.name} {step}/{total}", flush=True)
    )


def neighbouring_pairs(items: list[DatasetItem]) -> list[FramePair]:
    """Pairs of neighbouring frames, evenly spread over each sequence; those without any known motion are left out.

    Raises:
        InputError: a recording has no motion, no pixel size or a single frame, or no pair is left.
    """
    pairs = []
    for item in items:
        sequence = item.read()
        if not isinstance(sequence, Sequence) or len(sequence) < 2 or sequence.loop.spacing_mm is None:
            raise bad_file(item.files[0], "no motion between frames of a known pixel size", "a simulated sequence")
        for first in np.linspace(0, len(sequence) - 2, PAIRS_A_SEQUENCE).astype(int):
            pair = pair_from_sequence(sequence, first, first + 1)
            pairs += [pair] if pair.mask.any() else []
    if not pairs:
        raise InputError(f"There is no known motion in any of {len(items)} sequences, so that nothing can be measured.")
    return pairs


def forward_and_composed(tracker, pair: FramePair) -> tuple[np.ndarray, np.ndarray]:
    """Flow (H, W, 2) px of the forward direction alone, and of both directions composed."""
    both = np.stack([pair.image1, pair.image2])
    forward, backward = estimate(tracker, both, both[::-1])
    return forward, compose(forward, backward, pixel_grid(pair.mask.shape))[0]


def _measured(tracker, test: list[FramePair]) -> dict[str, float]:
    """Mean endpoint error in mm, with composition and without."""
    errors = []
    for pair in test:
        flows = forward_and_composed(tracker, pair)
        errors.append([endpoint_error(flow, pair.flow, pair.mask, pair.spacing_mm) for flow in flows])
    forward, composed = np.mean(errors, axis=0).tolist()
    return {"composition": composed, "forward": forward}


def _show(table: dict) -> None:
    width = max(map(len, table))
    print(f"{'EPE in mm':{width}}  composition  forward")
    for name, values in table.items():
        print(f"{name:{width}}  {values['composition']:11.4f}  {values['forward']:7.4f}", flush=True)


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, nargs="?", metavar="OUT", help="folder of the runs")
    parser.add_argument("--test", required=True)
    parser.add_argument("--fixed")
    parser.add_argument("--camus")
    parser.add_argument("--alessandrini")
    parser.add_argument("--photos")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--start", metavar="WEIGHTS", help="preset or file that every second phase starts from")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--json", type=Path)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--only", nargs="+", metavar="NAME", help="of the choices")
    what.add_argument("--trackers", nargs="+", metavar="NAME|FILE", help="to measure instead of training")
    options = parser.parse_args()
    if not (options.output or options.trackers):
        parser.error("name the folder OUT of the runs, or --trackers")
    return parser, options


if __name__ == "__main__":
    main()
