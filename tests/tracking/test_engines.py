"""The same network run by other programs."""

import json
import os

import h5py
import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

import keras

from cpwc_keras.cli.track import track as track_command
from cpwc_keras.errors import InputError
from cpwc_keras.io.input_file import sha256
from cpwc_keras.models import CPWCNet
from cpwc_keras.models.weights_file import save_network
from cpwc_keras.tracking import engines
from cpwc_keras.tracking.cine import track
from cpwc_keras.tracking.pair import as_tracker
from cpwc_keras.types import CineLoop

rng = np.random.default_rng(0)
PAIR = [rng.random((2, 64, 128), dtype=np.float32) for _ in range(2)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    keras.utils.set_random_seed(0)
    network = CPWCNet(finest_level=5, context_levels=(5,), search_range=1, skip_connections=False)
    for head in network.heads.values():
        kernel, bias = head.get_weights()
        head.set_weights([kernel * 100, bias])  # initialised near zero, they would hide any difference
    path = tmp_path_factory.mktemp("network") / "small.h5"
    save_network(network, path)
    return str(path)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache, monkeypatch):
    monkeypatch.setenv("CPWC_CACHE", str(cache))


@pytest.fixture(scope="module")
def in_keras(weights):
    return as_tracker(weights)[0]


@pytest.fixture
def exported(weights, monkeypatch):
    """What is exported from now on is a copy of what was exported before: what matters is where it goes."""
    whole = engines._exported(weights, "onnx").read_bytes()

    def copy(network, path, kind, about):
        path.write_bytes(whole)
        return [path], 0.0

    monkeypatch.setattr("cpwc_keras.models.export.export_network", copy)


@pytest.mark.parametrize("engine", ["keras", "onnx", "openvino"])
def test_a_result_names_the_weights(engine, weights, tmp_path):
    tracker, _ = as_tracker(weights, engine=engine)
    frames = rng.random((3, 64, 128), dtype=np.float32)
    angle = np.linspace(np.pi, 2 * np.pi, 25)
    arch = np.stack([60 + 20 * np.cos(angle), 50 + 30 * np.sin(angle)], -1)
    loop = CineLoop(frames, (0.5, 0.5), 20.0)
    result = track(loop, arch, tracker, es=1)
    result.save(tmp_path, loop)
    digest = sha256(weights)
    assert json.loads((tmp_path / "summary.json").read_text())["weights_sha256"] == digest
    with h5py.File(tmp_path / "tracking.h5") as file:
        assert file.attrs["weights_sha256"] == digest


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_flows_are_those_of_keras(engine, weights, in_keras):
    expected = in_keras(*PAIR)
    assert np.abs(expected).max() > 0.5
    tracker, name = as_tracker(weights, engine=engine)
    assert name == "small.h5" and tracker.precision == "float32"
    np.testing.assert_allclose(tracker(*PAIR), expected, atol=1e-2)
    forward, backward = tracker.both_ways(PAIR[0][0], PAIR[1][0])
    np.testing.assert_allclose(forward, expected[0], atol=1e-2)
    np.testing.assert_allclose(backward, in_keras(PAIR[1], PAIR[0])[0], atol=1e-2)


def test_a_network_is_exported_once(weights, monkeypatch):
    engines.engine_model(weights, "onnx")

    def never(*arguments):
        raise AssertionError("it is there already")

    monkeypatch.setattr(engines, "_make", never)
    engines.engine_model(weights, "onnx")


def test_what_was_changed_in_the_cache_is_made_anew(weights, cache, exported):
    images = [image[..., None] for image in PAIR]
    expected = engines.engine_model(weights, "onnx").predict_on_batch(images)
    (path,) = cache.glob("engines/*-onnx/network.onnx")
    path.write_bytes(path.read_bytes()[:-100])
    found = engines.engine_model(weights, "onnx").predict_on_batch(images)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert engines._whole(path.parent, "onnx") and not list(cache.glob("engines/.making-*"))
    listed = path.parent / "whole.json"
    good = json.loads(listed.read_text())
    digest = engines.sha256(listed)
    bad = ["", "[]", "{}", "null", "[" * 100_000, '{"network.onnx": 3}', json.dumps(good | {"whole.json": digest})]
    bad.append(json.dumps({"../" + path.parent.name + "/network.onnx": good["network.onnx"]}))
    for text in bad:
        listed.write_text(text)
        assert not engines._whole(path.parent, "onnx"), text[:40]
    listed.write_text(json.dumps(good))
    assert engines._whole(path.parent, "onnx")


def test_the_first_of_two_runs_is_kept(weights, exported, monkeypatch):
    first = engines._exported(weights, "onnx")
    before = first.stat().st_ino

    whole, told = engines._whole, []

    def none_yet(*arguments):
        told.append(whole(*arguments))
        return len(told) > 1 and told[-1]

    monkeypatch.setattr(engines, "_whole", none_yet)
    assert engines._exported(weights, "onnx") == first and first.stat().st_ino == before


def test_what_a_killed_run_left_is_removed(cache):
    old, new = (cache / "engines" / f".making-{n}" for n in (1, 2))
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (1, 1))
    engines._writable()
    assert not old.exists() and new.exists()
    new.rmdir()


def test_a_cache_that_cannot_be_written_is_read_or_else_replaced_by_a_temporary_one(weights, tmp_path, monkeypatch):
    path = engines._exported(weights, "onnx")

    def refused(folder):
        raise InputError(f"{folder}: cannot be written.")

    monkeypatch.setattr(engines, "output_folder", refused)
    assert engines._exported(weights, "onnx") == path
    monkeypatch.setenv("CPWC_CACHE", str(tmp_path))
    with pytest.warns(UserWarning, match="for this time"):
        assert engines._writable().is_dir()


def test_openvino_in_bfloat16_is_close(weights, in_keras):
    half, _ = as_tracker(weights, "bfloat16", "openvino")
    expected = in_keras(*PAIR)
    assert np.abs(half(*PAIR) - expected).max() < 0.05 * np.abs(expected).max() + 0.05
    assert half.engine == "openvino" and half.precision in ("bfloat16", "float32")


def test_what_cannot_be_is_refused(weights, monkeypatch, tmp_path):
    with pytest.raises(InputError, match="'tensorrt' is unknown; choose one of keras, openvino, onnx"):
        as_tracker(weights, engine="tensorrt")
    with pytest.raises(InputError, match="'tensorrt' is unknown"):
        as_tracker("dis", engine="tensorrt")
    with pytest.raises(InputError, match="'float16' is unknown"):
        as_tracker(weights, "float16", "openvino")
    with pytest.raises(InputError, match="cannot be opened"):
        as_tracker(str(tmp_path), engine="onnx")
    with pytest.raises(InputError, match="onnx calculates in float32, not bfloat16"):
        as_tracker(weights, "bfloat16", "onnx")
    monkeypatch.setitem(engines._MODULES, "openvino", "no_such_module")
    with pytest.raises(InputError, match=r"pip install 'cpwc-keras\[export\]'"):
        as_tracker(weights, engine="openvino")


def test_the_command_line_offers_them_all():
    (option,) = (option for option in track_command.params if option.name == "engine")
    assert tuple(option.type.choices) == engines.ENGINES
