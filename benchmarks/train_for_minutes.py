"""Train for a given number of minutes, as on a machine that is lent for so long, and leave weights in small files.

KERAS_BACKEND=jax python benchmarks/train_for_minutes.py --minutes 9 --config hearts --weights START.h5 -o OUT
cat OUT/weights.h5.part* > OUT/run/network.h5

How many steps fit is measured first, so that the learning rate comes down in time; where they do not after all, the run
ends after the step under way. Hearts are simulated on the spot, on all cores but one.

`OUT/run` is a run as `cpwc-keras transfer` leaves it. Its network stands beside it a second time, in half precision and
in pieces of at most 15 MiB, which put together may take the place of `OUT/run/network.h5` where that was too large to
be carried along.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import h5py

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.files import atomic_path, output_folder
from cpwc_keras.models.weights_file import NETWORKS, load_network, read_card, save_network
from cpwc_keras.training.checkpoints import list_checkpoints, restore_checkpoint
from cpwc_keras.training.experiment import HEARTS, Experiment, load_experiment
from cpwc_keras.training.phases import run
from cpwc_keras.training.schedule import SCHEDULES, Adam

PIECE = 15 * 2**20
_WARM_UP, _TIMED = 20, 60  # steps: the first compile the step and fill the window of scenes
_TAIL_S = 45
"""Kept for writing the weights."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    try:
        train_for_minutes(options)
    except InputError as error:
        parser.exit(2, f"Error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "Interrupted.\n")


def train_for_minutes(options) -> None:
    """Measure the time of a step, train for as many as fit, write the weights.

    Raises:
        InputError: an option cannot be used, or the time is too short, or the folder holds an earlier run.
    """
    if not 60 * options.minutes > _TAIL_S:
        raise InputError(f"{options.minutes:g} minutes: {_TAIL_S} s are kept for writing the weights; give it more.")
    deadline = time.monotonic() + 60 * options.minutes - _TAIL_S
    folder = options.output / "run"
    if (folder / "log.jsonl").exists() or list_checkpoints(folder):
        # Its number of steps was another one, so that it cannot be taken up.
        raise bad_file(folder, "an earlier run", "none", "choose another output folder")
    changes = {"weights": options.weights, "batch_size": options.batch_size, "learning_rate": options.learning_rate}
    changes |= {"crop": options.crop and tuple(options.crop), "seed": options.seed, "validation_pairs": 16}

    def experiment(**others) -> Experiment:
        return load_experiment("transfer", options.config, options.data_root, **changes | others)

    trial = experiment(steps=_WARM_UP + _TIMED)
    if set(trial.datasets) <= set(HEARTS):
        changes["simulation"] = {**trial.simulation, "processes": max(1, (os.cpu_count() or 2) - 1)}
    output_folder(options.output)
    with tempfile.TemporaryDirectory() as scratch:
        seconds = _seconds_a_step(experiment(steps=_WARM_UP + _TIMED, validation_pairs=0), Path(scratch))
    steps = int(0.9 * (deadline - time.monotonic()) / seconds)
    if steps < 1:
        raise InputError(f"{seconds:.2f} s a step: nothing fits into what is left of {options.minutes:g} minutes.")
    print(f"{1000 * seconds:.0f} ms a step: {steps:,} steps", flush=True)
    whole = options.output / "weights.h5"
    for piece in options.output.glob(f"{whole.name}.part*"):  # of an earlier run: never to be mixed with this one's
        piece.unlink()
    trained = train_until(deadline, experiment(steps=steps), folder)
    card = read_card(trained)
    if "planned_steps" in card:
        print(f"Time was up after {card['steps']:,} of them.", flush=True)
    save_network(load_network(trained), whole, dtype="float16", card=card)
    cut(whole)


def _seconds_a_step(experiment: Experiment, folder: Path) -> float:
    times = []
    run(experiment, folder, lambda step, total, log: times.append(time.monotonic()))
    return (times[-1] - times[_WARM_UP]) / (len(times) - 1 - _WARM_UP)


def train_until(deadline: float, experiment: Experiment, folder: Path) -> Path:
    """Run an experiment, but no longer than to a moment.

    Args:
        deadline: of `time.monotonic`; the step under way is finished.
        experiment: what to do; it has a number of steps.
        folder: of the run.

    Returns:
        Path of `network.h5`.

    Raises:
        InputError: as `run`.
        KeyboardInterrupt: after Ctrl-C.
    """
    out_of_time = False

    def on_step(step, total, log):
        nonlocal out_of_time
        if step < total and not out_of_time and time.monotonic() > deadline:
            out_of_time = True
            signal.raise_signal(signal.SIGINT)  # the loop ends after this step, with a checkpoint

    try:
        return run(experiment, folder, on_step)
    except KeyboardInterrupt:
        if not out_of_time:
            raise
    return network_of_checkpoint(list_checkpoints(folder)[-1], experiment, folder)


def network_of_checkpoint(checkpoint: Path, experiment: Experiment, folder: Path) -> Path:
    """Write the `network.h5` of a run that ended early: the averaged weights, where it keeps any.

    Args:
        checkpoint: the run's last.
        experiment: of the run.
        folder: of the run.

    Returns:
        Path of `network.h5`. Its card says how many steps were done, and how many were planned.

    Raises:
        InputError: the checkpoint is damaged, or of another network.
    """
    network = NETWORKS[experiment.network](weight_decay=experiment.weight_decay, **experiment.network_options)
    optimizer = Adam(
        SCHEDULES[experiment.schedule](experiment.learning_rate, experiment.steps),
        clipnorm=experiment.clipnorm,
        use_ema=experiment.ema is not None,
        ema_momentum=0.99 if experiment.ema is None else experiment.ema,
    )
    optimizer.build(network.trainable_variables)
    with h5py.File(checkpoint, "r") as file:
        identity = json.loads(file.attrs["identity"])
    steps = restore_checkpoint(checkpoint, network, optimizer, identity)
    if optimizer.use_ema:
        optimizer.finalize_variable_values(network.trainable_variables)
    card = {"steps": steps, "planned_steps": experiment.steps, "settings": identity}
    save_network(network, folder / "network.h5", card=card)
    return folder / "network.h5"


def cut(path: Path) -> None:
    """The file in pieces beside it, which put together are it; the file itself goes."""
    content = path.read_bytes()
    for number, start in enumerate(range(0, len(content), PIECE)):
        with atomic_path(path.with_name(f"{path.name}.part{number:02d}")) as beside:
            beside.write_bytes(content[start : start + PIECE])
    path.unlink()


if __name__ == "__main__":
    main()
