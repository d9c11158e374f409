"""The shipped presets, and what a damaged installation gets."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from cpwc_keras.errors import InputError
from cpwc_keras.models import CPWCNet, presets
from cpwc_keras.models.weights_file import save_network
from cpwc_keras.tracking.familiarity import RANGES
from cpwc_keras.tracking.pair import as_tracker

SMALL = {"skip_connections": False, "context_levels": (3,), "finest_level": 3, "search_range": 1}
CARD = {"network": "CPWCNet", "parameters": 1, "licence": "Apache-2.0", "saw": "nothing", "sha256": "0" * 64}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A small network, and the bytes of its file in half precision."""
    keras.utils.set_random_seed(5)
    network = CPWCNet(**SMALL)
    path = tmp_path_factory.mktemp("tiny") / "tiny.h5"
    save_network(network, path, dtype="float16")
    return network, path.read_bytes()


@pytest.fixture
def folder(tmp_path, monkeypatch, tiny):
    """A folder of presets of its own: one, `tiny`, in half precision."""
    network, content = tiny
    (tmp_path / "tiny.h5").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (tmp_path / "tiny.json").write_text(json.dumps(CARD | {"sha256": digest, "ranges": {"pixel_spacing_mm": [1, 2]}}))
    (tmp_path / "tiny.curve.json").write_text('{"stages": []}')
    monkeypatch.setattr(presets, "presets_folder", lambda: tmp_path)
    presets.list_presets.cache_clear()
    yield tmp_path, network
    presets.list_presets.cache_clear()


def complaint(call, *arguments):
    presets.list_presets.cache_clear()
    with pytest.raises(InputError) as error:
        call(*arguments)
    assert "\n" not in str(error.value) and str(error.value).endswith((".", "?"))
    return str(error.value)


def test_what_a_file_made_with_weights_says_of_them(folder, tmp_path):
    path, network = folder
    digest = hashlib.sha256((path / "tiny.h5").read_bytes()).hexdigest()
    known = {"weights": "tiny", "weights_sha256": digest, "licence": "Apache-2.0"}
    assert presets.about_weights("tiny") == known
    own = tmp_path / "patient Jane" / "mine.h5"
    save_network(network, own, card={"licence": "CC BY 4.0"})
    digest = hashlib.sha256(own.read_bytes()).hexdigest()
    assert presets.about_weights(own) == {"weights": "mine.h5", "weights_sha256": digest, "licence": "CC BY 4.0"}
    network.save(tmp_path / "a.keras")
    assert set(presets.about_weights(tmp_path / "a.keras")) == {"weights", "weights_sha256"}
    assert "cannot be opened" in complaint(presets.about_weights, tmp_path / "absent.h5")


def test_every_card_says_what_a_user_needs():
    cards = presets.list_presets()
    assert presets.DEFAULT_PRESET in cards
    for name, card in cards.items():
        path = presets.presets_folder() / f"{name}.h5"
        assert path.stat().st_size < 30e6, name
        for key in ("licence", "saw", "intended_use", "versions", "metrics"):
            assert card[key], (name, key)
        for stage in card["stages"]:
            assert {"command", "steps", "seed", "hours", "machine"} <= stage.keys(), name
        for key, (low, high) in card["ranges"].items():
            assert key in RANGES and 0 <= low <= high, (name, key)


def test_half_precision_is_loaded_into_single(folder):
    _, network = folder
    again = presets.load_preset("tiny")
    for before, after in zip(network.get_weights(), again.get_weights(), strict=True):
        assert after.dtype == np.float32
        np.testing.assert_array_equal(after, before.astype(np.float16).astype(np.float32))


def test_curves_are_no_cards(folder):
    assert list(presets.list_presets()) == ["tiny"]


def test_a_tracker_knows_what_its_network_saw(folder):
    path, network = folder
    assert as_tracker("tiny")[0].ranges == {"pixel_spacing_mm": [1, 2]}
    save_network(network, path / "own.h5", card={"ranges": {"image_size_px": [64, 64]}})
    assert as_tracker(path / "own.h5")[0].ranges == {"image_size_px": [64, 64]}
    for number, card in enumerate((None, {"ranges": 3})):
        save_network(network, path / f"{number}.h5", card=card)
        assert as_tracker(path / f"{number}.h5")[0].ranges is None
    save_network(network, path / "list.h5", card=[1])
    assert "list.h5: found a card that is a list" in complaint(as_tracker, path / "list.h5")
    network.save(path / "own.keras")
    assert as_tracker(path / "own.keras")[0].ranges is None


def test_an_unknown_preset_lists_the_known_ones(folder):
    assert complaint(presets.load_preset, "absent") == "There is no preset called 'absent'; the presets are: tiny."
    assert "'../tiny'" in complaint(presets.load_preset, "../tiny")
    assert "neither a preset (tiny) nor a weights file" in complaint(presets.load_model, "absent")


def test_changed_or_missing_weights_are_refused(folder):
    path, _ = folder
    with open(path / "tiny.h5", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    assert "tiny.h5: found SHA-256 " in (found := complaint(presets.load_preset, "tiny"))
    assert found.endswith("as its card says; reinstall cpwc-keras.")
    (path / "tiny.h5").unlink()
    assert "tiny.h5: found no file, expected the weights of the preset" in complaint(presets.load_preset, "tiny")


def test_a_missing_card_is_named(folder):
    path, _ = folder
    (path / "tiny.json").unlink()
    assert "tiny.json: found no file, expected the card of tiny.h5" in complaint(presets.load_preset, "tiny")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "text that is not JSON"),
        ("{", "text that is not JSON"),
        ("[" * 100_000, "text that is not JSON"),
        ("\udce4".encode("utf-8", "surrogateescape"), "text that is not JSON"),
        ("[1]", "a list"),
        (json.dumps({key: value for key, value in CARD.items() if key != "sha256"}), "no 'sha256'"),
        (json.dumps({key: value for key, value in CARD.items() if key != "licence"}), "no 'licence'"),
        (json.dumps(CARD | {"sha256": 7}), "'sha256': '7', expected a value of type str"),
    ],
)
def test_a_broken_card_gets_one_sentence(folder, text, found):
    path, _ = folder
    (path / "tiny.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    for call, arguments in ((presets.list_presets, ()), (presets.load_preset, ("tiny",)), (as_tracker, ("tiny",))):
        sentence = complaint(call, *arguments)
        assert f"tiny.json: found {found}" in sentence and "reinstall" in sentence


def test_cards_are_read_without_keras():
    program = (
        "import sys; from cpwc_keras.models.presets import list_presets, load_preset, load_model, DEFAULT_PRESET;"
        "assert DEFAULT_PRESET in list_presets();"
        "print([m for m in ('keras', 'tensorflow', 'jax') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


def test_no_name_of_a_preset_stands_in_the_package():
    """The default is one constant, and all else follows from the files."""
    package = Path(presets.__file__).parents[1]
    sources = [*package.rglob("*.py"), *(package.parent / "data_prep").rglob("*.py")]
    for path in sources:
        text = path.read_text()
        for name in presets.list_presets():
            assert text.count(name) == (path == Path(presets.__file__) and name == presets.DEFAULT_PRESET), path
