"""Networks on disk, and what damaged or foreign files get."""

import json
import os
import zipfile

import h5py
import keras
import numpy as np
import pytest

from cpwc_keras.errors import InputError
from cpwc_keras.models import CPWCNet, PWCNet
from cpwc_keras.models import presets as presets_module
from cpwc_keras.models.weights_file import load_network, read_card, save_network

SMALL = {"skip_connections": False, "context_levels": (3,), "finest_level": 3, "search_range": 1}


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(3)
    return CPWCNet(**SMALL)


def weights_equal(a, b, atol=0.0):
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(x, y, atol=atol)


def test_round_trip_rebuilds_the_architecture(network, tmp_path):
    save_network(network, tmp_path / "n.h5", card={"steps": 3})
    again = load_network(tmp_path / "n.h5")
    assert type(again) is CPWCNet and again.get_config()["finest_level"] == 3
    weights_equal(network, again)
    assert read_card(tmp_path / "n.h5") == {"steps": 3}


def test_half_precision_is_half_the_size(network, tmp_path):
    save_network(network, tmp_path / "32.h5")
    save_network(network, tmp_path / "16.h5", dtype="float16")
    assert (tmp_path / "16.h5").stat().st_size < 0.6 * (tmp_path / "32.h5").stat().st_size
    weights_equal(network, load_network(tmp_path / "16.h5"), atol=2e-3)


def test_keras_files_are_read_too(network, tmp_path):
    network.save(tmp_path / "n.keras")
    weights_equal(network, load_network(tmp_path / "n.keras"))
    network.save_weights(tmp_path / "n.weights.h5")
    weights_equal(network, load_network(tmp_path / "n.weights.h5", CPWCNet(**SMALL)))


def test_no_half_written_file_is_left(network, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", _disk_full)
    with pytest.raises(InputError, match="disk is full"):
        save_network(network, tmp_path / "n.h5")
    assert list(tmp_path.iterdir()) == []


def _disk_full(*_):
    raise OSError(28, "No space left on device")


def test_weights_of_another_architecture_are_refused(network, tmp_path):
    other = CPWCNet(**SMALL | {"context_levels": (), "search_range": 2})
    save_network(network, tmp_path / "n.h5")
    with pytest.raises(InputError, match=r"n\.h5: found weights of CPWCNet, expected weights of PWCNet"):
        load_network(tmp_path / "n.h5", PWCNet(**SMALL))
    with pytest.raises(InputError, match=r"n\.h5: found \d+ weight arrays"):
        load_network(tmp_path / "n.h5", other)
    network.save_weights(tmp_path / "bare.weights.h5")
    with pytest.raises(InputError, match=r"bare\.weights\.h5: found a file that cannot be read as weights"):
        load_network(tmp_path / "bare.weights.h5", other)


@pytest.mark.parametrize("content", [b"", b"not HDF5 at all", b"\x89HDF\r\n\x1a\n" + b"\0" * 600])
@pytest.mark.parametrize("name", ["n.h5", "n.keras"])
def test_damaged_files_get_one_sentence(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name.replace(".", r"\.")) as error:
        load_network(tmp_path / name)
    assert "\n" not in str(error.value)


def test_truncated_files_get_one_sentence(network, tmp_path):
    save_network(network, tmp_path / "n.h5")
    whole = (tmp_path / "n.h5").read_bytes()
    for share in (0.3, 0.9, 0.999):
        (tmp_path / "n.h5").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError, match=r"n\.h5"):
            load_network(tmp_path / "n.h5")


def test_a_file_may_not_name_other_classes(network, tmp_path):
    save_network(network, tmp_path / "n.h5")
    with h5py.File(tmp_path / "n.h5", "r+") as file:
        file.attrs["network"] = "os.system"
    with pytest.raises(InputError, match=r"'os\.system', expected one of CPWCNet"):
        load_network(tmp_path / "n.h5")


@pytest.mark.parametrize("damage", ["no HDF5", "a link"])
def test_what_is_wrong_within_a_keras_file_is_said_of_that_file(network, tmp_path, damage):
    """Not of the temporary one that its weights are taken out to."""
    network.save(tmp_path / "n.keras")
    with zipfile.ZipFile(tmp_path / "n.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = tmp_path / "model.weights.h5"
    weights.write_bytes(members["model.weights.h5"] if damage == "a link" else b"PK")
    if damage == "a link":
        with h5py.File(weights, "r+") as file:
            file["more"] = h5py.ExternalLink("/etc/passwd", "/")
    with zipfile.ZipFile(tmp_path / "n.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, weights.read_bytes() if name == "model.weights.h5" else content)
    with pytest.raises(InputError) as error:
        load_network(tmp_path / "n.keras")
    assert str(error.value).startswith(f"{tmp_path / 'n.keras'}: found ") and "model.weights" not in str(error.value)


def test_code_in_a_keras_file_is_not_executed(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Lambda(lambda x: x)])
    model.save(tmp_path / "lambda.keras")
    with pytest.raises(InputError, match=r"lambda\.keras"):
        load_network(tmp_path / "lambda.keras")


def test_missing_file_and_unknown_preset(tmp_path):
    with pytest.raises(InputError, match="no such weights file"):
        load_network(tmp_path / "absent.h5")
    with pytest.raises(InputError, match="neither a preset"):
        presets_module.load_model("absent")
    with pytest.raises(InputError, match="no preset called 'absent'"):
        CPWCNet.from_preset("absent")


def test_shipped_presets_match_their_cards():
    cards = presets_module.list_presets()
    assert presets_module.DEFAULT_PRESET in cards
    for name, card in cards.items():
        assert type(presets_module.load_preset(name)).__name__ == card["network"]


def test_a_preset_with_another_hash_is_refused(monkeypatch):
    name = presets_module.DEFAULT_PRESET
    cards = json.loads(json.dumps(presets_module.list_presets()))
    cards[name]["sha256"] = "0" * 64
    monkeypatch.setattr(presets_module, "list_presets", lambda: cards)
    with pytest.raises(InputError, match="SHA-256"):
        presets_module.load_preset(name)
