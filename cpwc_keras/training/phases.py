"""The two phases of training: pretraining on natural (or procedural) pairs, transfer to ultrasound (II-B.3)."""

from __future__ import annotations

import dataclasses
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import keras

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.files import atomic_path, output_folder
from cpwc_keras.models.presets import load_model
from cpwc_keras.models.weights_file import NETWORKS
from cpwc_keras.training.distribution import all_devices
from cpwc_keras.training.experiment import Experiment
from cpwc_keras.training.loop import LoopSettings, fit
from cpwc_keras.training.sources import make_source


def run(experiment: Experiment, folder: str | Path, on_step=None) -> Path:
    """Train as the experiment says; takes up what an interrupted run left in `folder`.

    Writes `experiment.json` (everything resolved, with versions) beside what `cpwc_keras.training.loop.fit` writes.

    Args:
        experiment: what to do.
        folder: of the run; made if it does not exist.
        on_step: called after each step with the step, the total, and the newest log.

    Returns:
        Path of the trained network.

    Raises:
        InputError: unusable data, weights or folder.
    """
    # The data first: a mistyped dataset should not leave an empty folder behind.
    source = make_source(experiment, Path(folder))
    folder = output_folder(folder)
    total = experiment.steps or max(1, experiment.epochs * source.training.epoch_size // experiment.batch_size)
    settings = LoopSettings(
        steps=total,
        **{
            spec.name: getattr(experiment, spec.name)
            for spec in dataclasses.fields(LoopSettings)
            if spec.name != "steps"
        },
    )
    write_record(folder / "experiment.json", {"experiment": dataclasses.asdict(experiment), "data": source.record})

    keras.config.set_dtype_policy(experiment.precision)
    keras.utils.set_random_seed(experiment.seed)
    with all_devices(experiment.data_parallel):
        return fit(
            _build_network(experiment),
            source.training,
            settings,
            folder,
            identity=experiment.identity(),
            validation=source.validation,
            on_step=None if on_step is None else lambda step, log: on_step(step, total, log),
        )


def _build_network(experiment: Experiment):
    options = {"weight_decay": experiment.weight_decay, **experiment.network_options}
    try:
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


def write_record(path: Path, values: dict) -> None:
    """JSON with the versions of what computed it."""
    packages = ("cpwc-keras", "keras", "tensorflow", "jax", "numpy", "numba")
    record = {**values, "versions": {"python": platform.python_version()} | _versions(packages)}
    with atomic_path(path) as beside:
        beside.write_text(json.dumps(record, indent=2, default=str) + "\n")


def _versions(packages) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
