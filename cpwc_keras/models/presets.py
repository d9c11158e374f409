"""Weights that come with the package."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.resources import files
from pathlib import Path

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.models.pwc_net import PWCNet
from cpwc_keras.models.weights_file import load_network

DEFAULT_PRESET = "c_pwc_net_speckle_provisional"


@cache
def list_presets() -> dict[str, dict]:
    """Name → card of every shipped preset. A card says what the network saw and how well it does."""
    folder = files("cpwc_keras.models") / "presets"
    if not folder.is_dir():
        return {}
    cards = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".json")), key=lambda e: e.name)
    return {card.name.removesuffix(".json"): json.loads(card.read_text()) for card in cards}


def load_preset(name: str) -> PWCNet:
    """The network of a shipped preset; its file is checked against the SHA-256 of its card.

    Raises:
        InputError: there is no such preset, or its file is not the one the card describes.
    """
    cards = list_presets()
    if name not in cards:
        raise InputError(f"There is no preset called {name!r}; the presets are: {', '.join(cards) or 'none'}.")
    path = Path(str(files("cpwc_keras.models") / "presets" / f"{name}.h5"))
    if not path.is_file():
        raise bad_file(path, "no file", "the weights of the preset", "reinstall cpwc-keras")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != cards[name]["sha256"]:
        raise bad_file(
            path, f"SHA-256 {digest[:12]}…", f"{cards[name]['sha256'][:12]}… as its card says", "reinstall cpwc-keras"
        )
    return load_network(path)


def load_model(name_or_path: str | Path) -> PWCNet:
    """A preset by name, or a network from a weights file.

    Raises:
        InputError: it is neither, or cannot be read.
    """
    name = str(name_or_path)
    if name in list_presets():
        return load_preset(name)
    if not Path(name).exists():
        raise InputError(
            f"{name}: neither a preset ({', '.join(list_presets()) or 'none are shipped'}) nor a weights file."
        )
    return load_network(name)
