"""Checkpoints: everything a run needs to go on as if it had never stopped, in one file."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cpwc_keras.errors import bad_file
from cpwc_keras.files import atomic_hdf5
from cpwc_keras.io.hdf5_input import open_hdf5, own_object
from cpwc_keras.models.weights_file import read_variables, write_variables

FORMAT = "cpwc-keras checkpoint"
EXTENDED = "extended from"
"""Key of an identity: the steps that a run was first planned for, and ended with, before it was made longer."""

_LENGTH = ("steps", "epochs", "total steps")
KEPT = 2
_NAME = re.compile(r"checkpoint-(\d{8})\.h5")


def save_checkpoint(folder: Path, network, optimizer, identity: dict) -> Path:
    """Write network, optimiser and step; the last `KEPT` checkpoints stay.

    The step (`optimizer.iterations`) is also the position in the data, since example n is a pure function of n.

    Args:
        folder: of the run.
        network: the network.
        optimizer: its optimiser, built.
        identity: what a run must share to go on from here (network, data, seed, schedule), JSON-serialisable.

    Raises:
        InputError: the folder cannot be written to.
    """
    step = int(np.asarray(optimizer.iterations))
    path = folder / f"checkpoint-{step:08d}.h5"
    with atomic_hdf5(path) as file:
        file.attrs.update(format=FORMAT, step=step, identity=json.dumps(identity, sort_keys=True))
        write_variables(file.create_group("network"), network.variables)
        write_variables(file.create_group("optimizer"), optimizer.variables)
    for old in list_checkpoints(folder)[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def list_checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints of a run, oldest first. (Incomplete ones have other names and are never listed.)"""
    return sorted(path for path in folder.glob("checkpoint-*.h5") if _NAME.fullmatch(path.name))


def step_of(path: Path) -> int:
    """The step after which a checkpoint was written."""
    return int(_NAME.fullmatch(path.name)[1])  # type: ignore[index]


def require_same_run(path: Path, identity: dict, longer: bool = False) -> list[int]:
    """Raise unless the checkpoint is of the run that `identity` describes: going on would mix the two in silence.

    Args:
        path: of the checkpoint.
        identity: what the run is known by.
        longer: whether the run may be a finished one that shall be made longer.

    Returns:
        The steps for which the run was planned, and that it ended with, before each time it was made longer.

    Raises:
        InputError: damaged, or of a run with other settings, or one that has not ended and would be made longer.
    """
    with _opened(path) as file:
        saved = json.loads(file.attrs["identity"])
    if not isinstance(saved, dict):
        raise bad_file(path, "a damaged file", "a checkpoint", "delete it to go on from the one before")
    before = saved.pop(EXTENDED, [])
    asked = {key: value for key, value in identity.items() if key != EXTENDED}
    different = sorted(key for key in saved.keys() | asked.keys() if saved.get(key) != asked.get(key))
    if not different:
        return before
    planned, wanted = saved.get("total steps"), asked.get("total steps")
    more = isinstance(planned, int) and isinstance(wanted, int) and wanted > planned
    if longer and more and set(different) <= set(_LENGTH):
        if step_of(path) == planned:
            return [*before, planned]
        raise bad_file(
            path,
            f"a run of {planned:,} steps that has not ended",
            f"one of {wanted:,}",
            "let it end with its own settings, then make it longer, or choose another output folder",
        )
    key = different[0]
    raise bad_file(
        path,
        f"a run with {key} = {saved.get(key)!r}",
        f"{key} = {asked.get(key)!r}",
        "choose another output folder or the same settings",
    )


def restore_checkpoint(path: Path, network, optimizer, identity: dict) -> int:
    """Put a checkpoint's values into `network` and `optimizer`.

    Returns:
        The step it was written at.

    Raises:
        InputError: damaged, or of a run with other settings.
    """
    require_same_run(path, identity, longer=EXTENDED in identity)
    with _opened(path) as file:
        read_variables(own_object(file, "network"), network.variables, path)
        read_variables(own_object(file, "optimizer"), optimizer.variables, path)
        return int(file.attrs["step"])


@contextmanager
def _opened(path: Path):
    with open_hdf5(path, "a checkpoint", "delete it to go on from the one before") as file:
        if file.attrs.get("format") != FORMAT:
            raise bad_file(path, "another kind of HDF5 file", "a checkpoint")
        yield file
