"""Networks on disk: one HDF5 file with the architecture beside the weights, and nothing that could be executed."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path

import h5py
import numpy as np

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.files import atomic_hdf5
from cpwc_keras.io.hdf5_input import load_dataset, open_hdf5, own_object, require_harmless
from cpwc_keras.models.c_pwc_net import CPWCNet
from cpwc_keras.models.convolutions import weights_to_come
from cpwc_keras.models.echo_pwc_net import EchoPWCNet
from cpwc_keras.models.pwc_net import PWCNet

FORMAT = "cpwc-keras network"
VERSION = 1
_CONFIG_BYTES, _WEIGHTS_BYTES = 1 << 20, 1 << 28
_LARGEST = 32
_OPTIONS = {
    "skip_connections", "context_levels", "finest_level", "search_range", "normalize_cost_volume", "image_channels",
    "weight_decay",
}  # fmt: skip
NETWORKS = {network.__name__: network for network in (CPWCNet, EchoPWCNet, PWCNet)}


def save_network(network: PWCNet, path: str | Path, *, dtype: str = "float32", card: dict | None = None) -> None:
    """Write architecture and weights.

    Args:
        network: one of `NETWORKS`.
        path: of the file, by habit ``*.h5``.
        dtype: of the weights on disk; "float16" halves the file, and costs about 3 digits.
        card: what a reader should know of these weights, JSON-serialisable.

    Raises:
        InputError: the file cannot be written.
    """
    config = network.get_config()
    config.pop("name", None), config.pop("dtype", None), config.pop("trainable", None)
    with atomic_hdf5(path) as file:
        file.attrs.update(
            format=FORMAT,
            version=VERSION,
            network=type(network).__name__,
            config=json.dumps(config),
            card=json.dumps(card or {}, sort_keys=True),
        )
        write_variables(file.create_group("weights"), network.variables, dtype)


def write_variables(group: h5py.Group, variables, dtype: str | None = None) -> None:
    """Variables in their order; the names are for the reader, the order is what counts."""
    for index, variable in enumerate(variables):
        value = np.asarray(variable)
        if dtype is not None and np.issubdtype(value.dtype, np.floating):
            value = value.astype(dtype)
        options = {"compression": "gzip", "compression_opts": 4, "shuffle": True} if value.size > 1024 else {}
        data = group.create_dataset(f"{index:04d}", data=value, **options)
        data.attrs["path"] = variable.path


def read_variables(group: h5py.Group, variables, path: Path) -> None:
    """Assign what `write_variables` wrote.

    Raises:
        InputError: number or shapes differ: another architecture, or a damaged file.
    """
    if not isinstance(group, h5py.Group) or len(group) != len(variables):
        if not isinstance(group, h5py.Group):
            raise bad_file(path, "no group of weights", "weights saved by cpwc-keras")
        raise bad_file(path, f"{len(group)} weight arrays", f"the {len(variables)} of this architecture")
    values = []
    for index, variable in enumerate(variables):
        data = own_object(group, f"{index:04d}")
        if not isinstance(data, h5py.Dataset) or tuple(data.shape) != tuple(variable.shape):
            found = "nothing" if data is None else f"shape {getattr(data, 'shape', 'unknown')}"
            raise bad_file(path, f"{found} for {variable.path}", f"shape {tuple(variable.shape)}")
        values.append(load_dataset(path, group, f"{index:04d}", None, "weights of real numbers"))
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def load_network(path: str | Path, network: PWCNet | None = None) -> PWCNet:
    """Read a network written by `save_network`, a Keras ``.keras`` file, or Keras weights (``.weights.h5``).

    Never executes code from the file: the class is one of `NETWORKS`, and of a ``.keras`` file only the numbers and
    options of one of them are read, here and not by Keras.

    Args:
        path: of the file.
        network: where to put the weights; None builds what the file says (a default `CPWCNet` for bare Keras weights).

    Raises:
        InputError: no such file, damaged, or weights of another architecture.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such weights file.")
    try:
        with weights_to_come():
            return _load(path, network)
    except InputError:
        raise
    except Exception as error:  # h5py and Keras raise many kinds for damaged or foreign files
        reason = str(error).strip().splitlines() or [type(error).__name__]
        name = type(network).__name__ if network is not None else "a cpwc_keras network"
        raise bad_file(
            path, f"a file that cannot be read as weights of {name} ({reason[0][:200]})", "weights saved by cpwc-keras"
        ) from error


def read_card(path: str | Path) -> dict:
    """The card beside the weights; empty for files without one.

    Raises:
        InputError: no HDF5 file, or its card is none.
    """
    with open_hdf5(path, "weights saved by cpwc-keras") as file:
        card = json.loads(file.attrs.get("card", "{}"))
        if not isinstance(card, dict):
            raise bad_file(path, f"a card that is a {type(card).__name__}", "weights saved by cpwc-keras")
        return card


def _load(path: Path, network: PWCNet | None) -> PWCNet:
    if path.suffix == ".keras":
        return _load_keras_model(path, network)
    with open_hdf5(path, "weights saved by cpwc-keras") as file:
        if file.attrs.get("format") == FORMAT:
            return _read(file, path, network)
    require_harmless(path, "weights saved by Keras")
    network = network or CPWCNet()
    network.load_weights(path)
    return network


def _read(file: h5py.File, path: Path, network: PWCNet | None) -> PWCNet:
    if file.attrs["version"] != VERSION:
        raise bad_file(path, f"format version {file.attrs['version']}", f"version {VERSION}", "update cpwc-keras")
    name = file.attrs["network"]
    if name not in NETWORKS:
        raise bad_file(path, f"a network called {name!r}", f"one of {', '.join(NETWORKS)}")
    if network is None:
        network = _build(path, name, json.loads(file.attrs["config"]))
    elif type(network).__name__ != name:
        raise bad_file(path, f"weights of {name}", f"weights of {type(network).__name__}")
    read_variables(own_object(file, "weights"), network.variables, path)
    return network


def _build(path: Path, name: str, config) -> PWCNet:
    """The network that a file describes, if it is one of ours and of a size that is built here."""
    options = set(config) if isinstance(config, dict) else {None}
    if not options <= _OPTIONS:
        raise bad_file(path, f"a network with the options {sorted(map(str, options))}", f"some of {sorted(_OPTIONS)}")
    if config.get("search_range", 0) > _LARGEST or config.get("image_channels", 0) > _LARGEST:
        raise bad_file(path, "a network of enormous size", f"a search range and image channels of at most {_LARGEST}")
    return NETWORKS[name](**config)


def _load_keras_model(path: Path, network: PWCNet | None) -> PWCNet:
    """Keras' own reader would look up whatever classes and functions the file names; this one knows ours alone."""
    with zipfile.ZipFile(path) as archive:
        content = json.loads(_member(path, archive, "config.json", _CONFIG_BYTES))
        name, config = content["class_name"], dict(content["config"])
        if name not in NETWORKS:
            raise bad_file(path, f"a model of class {str(name)[:80]}", f"one of {', '.join(NETWORKS)}")
        for of_keras in ("name", "trainable", "dtype"):
            config.pop(of_keras, None)
        network = network or _build(path, name, config)
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder) / "model.weights.h5"
            weights.write_bytes(_member(path, archive, "model.weights.h5", _WEIGHTS_BYTES))
            require_harmless(weights, "weights saved by Keras", within=path)
            network.load_weights(weights)
    return network


def _member(path: Path, archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """A member of a zip file, whatever size it claims, unless it has more bytes than that."""
    with archive.open(name) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise bad_file(path, f"more than {most:,} bytes of {name}", "a model saved by Keras")
    return content
