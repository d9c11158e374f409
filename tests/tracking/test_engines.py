"""The same network run by other programs."""

import json

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

import keras

from cpwc_keras.errors import InputError
from cpwc_keras.models import CPWCNet
from cpwc_keras.models.weights_file import save_network
from cpwc_keras.tracking import engines
from cpwc_keras.tracking.pair import as_tracker

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


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_flows_are_those_of_keras(engine, weights):
    expected = as_tracker(weights)[0](*PAIR)
    assert np.abs(expected).max() > 0.5
    tracker, name = as_tracker(weights, engine=engine)
    assert name == "small.h5" and tracker.precision == "float32"
    np.testing.assert_allclose(tracker(*PAIR), expected, atol=1e-2)
    forward, backward = tracker.both_ways(PAIR[0][0], PAIR[1][0])
    np.testing.assert_allclose(forward, expected[0], atol=1e-2)
    np.testing.assert_allclose(backward, as_tracker(weights)[0](PAIR[1], PAIR[0])[0], atol=1e-2)


def test_a_network_is_exported_once(weights, monkeypatch):
    engines.engine_model(weights, "onnx")

    def never(*arguments):
        raise AssertionError("it is there already")

    monkeypatch.setattr(engines, "_make", never)
    engines.engine_model(weights, "onnx")


def test_what_was_changed_in_the_cache_is_made_anew(weights, cache):
    expected = engines.engine_model(weights, "onnx").predict_on_batch([images[..., None] for images in PAIR])
    (path,) = cache.glob("engines/*-onnx/network.onnx")
    path.write_bytes(path.read_bytes()[:-100])
    found = engines.engine_model(weights, "onnx").predict_on_batch([images[..., None] for images in PAIR])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    listed = path.parent / "whole.json"
    for text in ("", "[]", "{}", "null", '{"network.onnx": 3}', json.dumps({"../../x": "00"})):
        listed.write_text(text)
        assert not engines._whole(path.parent)


def test_a_cache_that_cannot_be_written_is_replaced_by_a_temporary_one(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CPWC_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match="for this time"):
        folder = engines.cache_folder()
    assert folder.is_dir()


def test_what_cannot_be_is_refused(weights, monkeypatch):
    with pytest.raises(InputError, match="'tensorrt' is unknown; choose one of keras, openvino, onnx"):
        as_tracker(weights, engine="tensorrt")
    with pytest.raises(InputError, match="onnx calculates in float32, not bfloat16"):
        as_tracker(weights, "bfloat16", "onnx")
    monkeypatch.setitem(engines._MODULES, "openvino", "no_such_module")
    with pytest.raises(InputError, match="pip install 'cpwc-keras\\[export\\]'"):
        as_tracker(weights, engine="openvino")
