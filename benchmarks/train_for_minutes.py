"""Train for a given number of minutes, as on a machine that is lent for so long, and leave weights in small files.

KERAS_BACKEND=jax python benchmarks/train_for_minutes.py --minutes 9 --config hearts --weights START.h5 -o OUT
cat OUT/weights.h5.part* > weights.h5

How many steps fit is measured first, so that the learning rate comes down in time. Hearts are simulated on the spot, on
all cores but one. Weights are stored in half precision, in pieces of at most 15 MiB; log and record stand beside.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from cpwc_keras.errors import InputError
from cpwc_keras.models.weights_file import load_network, read_card, save_network
from cpwc_keras.training.checkpoints import list_checkpoints
from cpwc_keras.training.experiment import HEARTS, load_experiment
from cpwc_keras.training.phases import run

PIECE = 15 * 2**20
_WARM_UP, _TIMED = 20, 60  # steps: the first compile the step and fill the window of scenes
_TAIL_S = 45
"""Kept for writing the weights."""


def main():
    options = _options()
    deadline = time.monotonic() + 60 * options.minutes
    changes = {"weights": options.weights, "batch_size": options.batch_size, "crop": options.crop}
    changes |= {"learning_rate": options.learning_rate, "seed": options.seed, "validation_pairs": 16}
    experiment = load_experiment("transfer", options.config, options.data_root, steps=_WARM_UP + _TIMED, **changes)
    if set(experiment.datasets) <= set(HEARTS):
        changes["simulation"] = {**experiment.simulation, "processes": max(1, (os.cpu_count() or 2) - 1)}
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        seconds = _seconds_a_step(load_experiment(
            "transfer", options.config, options.data_root,
            **{**changes, "steps": _WARM_UP + _TIMED, "validation_pairs": 0},
        ), Path(scratch))  # fmt: skip
    left = deadline - time.monotonic() - _TAIL_S
    steps = int(0.9 * left / seconds)
    if steps < 1:
        raise SystemExit(f"{seconds:.2f} s a step: nothing fits into what is left of {options.minutes:g} minutes.")
    print(f"{1000 * seconds:.0f} ms a step: {steps:,} steps", flush=True)
    folder = options.output / "run"
    experiment = load_experiment("transfer", options.config, options.data_root, **{**changes, "steps": steps})
    network = load_network(_train(experiment, folder, deadline - _TAIL_S))
    whole = options.output / "weights.h5"
    save_network(network, whole, dtype="float16", card={"steps": steps, **read_card(folder / "network.h5")})
    _cut(whole)
    for name in ("log.jsonl", "experiment.json"):
        shutil.copy(folder / name, options.output / name)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--config", default="hearts")
    parser.add_argument("--data-root", default="datasets")
    parser.add_argument("--weights")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--crop", type=int, nargs=2)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    options.crop = options.crop and tuple(options.crop)
    return options


def _seconds_a_step(experiment, folder: Path) -> float:
    times = []
    run(experiment, folder, lambda step, total, log: times.append(time.monotonic()))
    return (times[-1] - times[_WARM_UP]) / (len(times) - 1 - _WARM_UP)


def _train(experiment, folder: Path, deadline: float) -> Path:
    """The trained network, or its newest checkpoint's where time was up before its last step."""

    def on_step(step, total, log):
        if time.monotonic() > deadline:
            raise TimeoutError

    try:
        return run(experiment, folder, on_step)
    except TimeoutError:
        checkpoints = list_checkpoints(folder)
        if not checkpoints:
            raise InputError(f"{folder}: time was up before the first checkpoint.") from None
        return _from_checkpoint(checkpoints[-1], folder)


def _from_checkpoint(checkpoint: Path, folder: Path) -> Path:
    import h5py

    from cpwc_keras.models.c_pwc_net import CPWCNet
    from cpwc_keras.models.weights_file import read_variables

    network = CPWCNet()
    with h5py.File(checkpoint, "r") as file:
        read_variables(file["network"], network.variables, checkpoint)
    save_network(network, folder / "network.h5", card={"stopped": checkpoint.name})
    return folder / "network.h5"


def _cut(path: Path) -> None:
    """The file in pieces beside it, which put together are it; the file itself goes."""
    content = path.read_bytes()
    for number, start in enumerate(range(0, len(content), PIECE)):
        path.with_name(f"{path.name}.part{number}").write_bytes(content[start : start + PIECE])
    path.unlink()


if __name__ == "__main__":
    main()
