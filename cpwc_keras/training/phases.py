"""The two phases of training: pretraining on natural (or procedural) pairs, transfer to ultrasound (II-B.3)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import keras

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.files import locked_folder
from cpwc_keras.models.convolutions import weights_to_come
from cpwc_keras.models.presets import about_weights, load_model
from cpwc_keras.models.weights_file import NETWORKS
from cpwc_keras.record import versions, write_json
from cpwc_keras.training.checkpoints import EXTENDED, list_checkpoints, require_same_run, step_of
from cpwc_keras.training.distribution import all_devices
from cpwc_keras.training.experiment import Experiment
from cpwc_keras.training.loop import LoopSettings, fit
from cpwc_keras.training.schedule import SCHEDULES
from cpwc_keras.training.sources import make_source


def run(
    experiment: Experiment, folder: str | Path, on_step=None, on_longer: Callable[[str], None] | None = None
) -> Path:
    """Train as the experiment says; takes up what an interrupted run left in `folder`.

    Writes `experiment.json` (everything resolved, with versions) beside what `cpwc_keras.training.loop.fit` writes.

    A run that has ended can be made longer, by an experiment that differs in `steps` or `epochs` alone. It goes on with
    its optimiser and with new pairs. Its learning rate is that of the longer schedule from there on, and so rises once
    more: it is not what a run of that length would have been. The network it had stays as ``network-STEPS.h5``, and
    `experiment.json` and the new network's card say where it was made longer.

    Args:
        experiment: what to do.
        folder: of the run; made if it does not exist.
        on_step: called after each step with the step, the total, and the newest log.
        on_longer: called with a sentence if the run is made longer; without it, that is refused.

    Returns:
        Path of the trained network.

    Raises:
        InputError: unusable data, weights or folder, or another run trains in it.
    """
    # Everything that can be wrong is found before the folder is made or anything in it changed.
    folder = Path(folder)
    source = make_source(experiment, folder)
    total = experiment.steps or max(1, experiment.epochs * source.training.epoch_size // experiment.batch_size)
    names = {spec.name for spec in dataclasses.fields(LoopSettings)} - {"steps"}
    settings = LoopSettings(steps=total, **{name: getattr(experiment, name) for name in names})
    identity = experiment.identity() | {"total steps": total, "recordings": source.fingerprint}
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(experiment.precision)
    try:
        keras.utils.set_random_seed(experiment.seed)
        with all_devices(experiment.data_parallel):
            network = _build_network(experiment)
            with locked_folder(folder):
                lengths = []
                for checkpoint in list_checkpoints(folder)[-1:]:
                    lengths = require_same_run(checkpoint, identity, longer=on_longer is not None)
                    if on_longer and step_of(checkpoint) in lengths:
                        _make_longer(folder, lengths[-1], settings, on_longer)
                extended = {EXTENDED: lengths} if lengths else {}
                identity |= extended
                record = {"experiment": dataclasses.asdict(experiment), "data": source.record, "versions": versions()}
                if experiment.weights:
                    record["start"] = about_weights(experiment.weights)
                write_json(folder / "experiment.json", record | extended)
                return fit(
                    network,
                    source.training,
                    settings,
                    folder,
                    identity=identity,
                    validation=source.validation,
                    on_step=None if on_step is None else lambda step, log: on_step(step, total, log),
                )
    finally:
        keras.config.set_dtype_policy(before)


def _make_longer(folder: Path, ended: int, settings: LoopSettings, tell: Callable[[str], None]) -> None:
    """Keep the network of the run that ended, and say what becomes of the learning rate."""
    network = folder / "network.h5"
    if network.exists():
        network.replace(folder / f"network-{ended}.h5")
    schedule, total = SCHEDULES[settings.schedule], settings.steps
    last, next_ = (float(schedule(settings.learning_rate, n)(step)) for n, step in ((ended, ended - 1), (total, ended)))
    tell(
        f"The run of {ended:,} steps goes on to {total:,}. Its learning rate ended at {last:.2g}; from here on it is "
        f"that of the schedule for {total:,} steps, {next_:.2g} now. The network it had is kept as network-{ended}.h5."
    )


def _build_network(experiment: Experiment):
    options = {"weight_decay": experiment.weight_decay, **experiment.network_options}
    try:
        with weights_to_come() if experiment.weights else nullcontext():
            network = NETWORKS[experiment.network](**options)
    except (TypeError, ValueError) as error:
        raise InputError(f"network_options {experiment.network_options}: {error}.") from error
    if experiment.weights:
        start = load_model(experiment.weights)
        if [v.shape for v in start.variables] != [v.shape for v in network.variables]:
            raise bad_file(
                experiment.weights,
                f"weights of {type(start).__name__} with {start.count_params():,} parameters",
                f"{experiment.network} with {network.count_params():,}",
            )
        network.set_weights(start.get_weights())
    return network
