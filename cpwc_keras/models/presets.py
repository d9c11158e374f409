"""Weights that come with the package: a file ``NAME.h5`` and its card ``NAME.json`` each, in the folder ``presets``.

Listing them reads the cards alone and needs no Keras; a network is built by `load_preset` and `load_model`.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from cpwc_keras.errors import InputError, bad_file, did_you_mean
from cpwc_keras.io.input_file import read_json, require_file, sha256

if TYPE_CHECKING:
    from cpwc_keras.models.pwc_net import PWCNet

DEFAULT_PRESET = "c_pwc_net_procedural"

CARD_KEYS = {"network": str, "parameters": int, "licence": str, "saw": str, "sha256": str}
"""What each card must say, and in which type."""

CURVE_SUFFIX = ".curve.json"
"""A preset's recorded learning curve lies beside its card under this suffix (`cpwc_keras.studies.learning_curve`)."""

_REMEDY = "reinstall cpwc-keras"


def presets_folder() -> Path:
    """Where the presets lie."""
    return Path(str(files("cpwc_keras.models") / "presets"))


@cache
def list_presets() -> dict[str, dict]:
    """Name → card of every shipped preset. A card says what the network saw and how well it does.

    Raises:
        InputError: a card is not JSON, or lacks something.
    """
    cards = sorted(path for path in presets_folder().glob("*.json") if not path.name.endswith(CURVE_SUFFIX))
    return {path.stem: _read_card(path) for path in cards}


def load_preset(name: str) -> PWCNet:
    """The network of a shipped preset; its file is checked against the SHA-256 of its card.

    Raises:
        InputError: there is no such preset, its card is missing or broken, or its file is not the one the card
            describes.
    """
    cards = list_presets()
    path = presets_folder() / f"{name}.h5"
    if name not in cards:
        # A name, not a path: what lies elsewhere is no preset.
        if Path(name).name == name and path.is_file():
            raise bad_file(path.with_suffix(".json"), "no file", f"the card of {path.name}", _REMEDY)
        raise InputError(
            f"There is no preset called {name!r}; the presets are: {', '.join(cards) or 'none'}."
            f"{did_you_mean(name, cards)}"
        )
    if not path.is_file():
        raise bad_file(path, "no file", "the weights of the preset", _REMEDY)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    expected = cards[name]["sha256"]
    if digest != expected:
        raise bad_file(path, f"SHA-256 {digest[:12]}…", f"{expected[:12]}… as its card says", _REMEDY)
    from cpwc_keras.models.weights_file import load_network

    return load_network(path)


def load_model(name_or_path: str | Path, precision: str | None = None) -> PWCNet:
    """A preset by name, or a network from a weights file.

    Args:
        name_or_path: of either.
        precision: one of `cpwc_keras.models.precision.PRECISIONS`; None leaves Keras' policy as it is.

    Raises:
        InputError: it is neither, or cannot be read, or there is no such precision.
    """
    if precision is not None:
        from cpwc_keras.models.precision import building_in

        with building_in(precision):
            return load_model(name_or_path)
    name = str(name_or_path)
    if name in list_presets():
        return load_preset(name)
    if not Path(name).exists():
        raise InputError(
            f"{name}: neither a preset ({', '.join(list_presets()) or 'none are shipped'}) nor a weights file."
            f"{did_you_mean(name, list_presets())}"
        )
    from cpwc_keras.models.weights_file import load_network

    return load_network(name)


def about_weights(name_or_path: str | Path) -> dict[str, str]:
    """What a file made with these weights says of them: their name, SHA-256 and, where it is known, licence.

    Args:
        name_or_path: of a preset, or a weights file; of a path only the file's name is told.

    Raises:
        InputError: it is neither, or cannot be read.
    """
    name, card = str(name_or_path), card_of(name_or_path)
    shipped = name in list_presets()
    about = {"weights": Path(name).name, "weights_sha256": card["sha256"] if shipped else sha256(name)}
    return about | ({"licence": card["licence"]} if isinstance(card.get("licence"), str) else {})


def card_of(name_or_path: str | Path) -> dict:
    """The card of a preset, or the one in a weights file; empty for files without one, such as Keras' own.

    Args:
        name_or_path: of either.

    Raises:
        InputError: it is neither, or cannot be read.
    """
    name = str(name_or_path)
    if name in list_presets():
        return list_presets()[name]
    import h5py

    from cpwc_keras.models.weights_file import read_card

    require_file(name)
    return read_card(name) if h5py.is_hdf5(name) else {}


def _read_card(path: Path) -> dict:
    expected = f"the card of a preset with {', '.join(CARD_KEYS)}"
    try:
        card = read_json(path, expected)
    except InputError as error:
        raise bad_file(path, "text that is not JSON", expected, _REMEDY) from error
    if not isinstance(card, dict):
        raise bad_file(path, f"a {type(card).__name__}", expected, _REMEDY)
    for key, kind in CARD_KEYS.items():
        if key not in card:
            raise bad_file(path, f"no {key!r}", expected, _REMEDY)
        if type(card[key]) is not kind:
            raise bad_file(path, f"{key!r}: {str(card[key])[:40]!r}", f"a value of type {kind.__name__}", _REMEDY)
    return card
