"""Exported networks compute what the network computes, in each program, and nothing is left behind otherwise."""

import json
from functools import cache

import keras
import numpy as np
import pytest

from cpwc_keras import __version__
from cpwc_keras.errors import InputError
from cpwc_keras.models import PWCNet, export
from cpwc_keras.models.export import SUFFIXES, export_network
from cpwc_keras.tracking.pair import as_tracker

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="networks are exported from TensorFlow")

ABOUT = {"weights": 'a "b" <c> é.h5', "weights_sha256": "0" * 64, "licence": "CC BY 4.0 & more"}
NEEDS = {"savedmodel": "tensorflow", "onnx": "tf2onnx", "openvino": "openvino", "litert": "tensorflow"}


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return PWCNet(skip_connections=False, finest_level=5, context_levels=(5,), search_range=1, weight_decay=0.0)


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    """Exports to a format, once: the folder, the files, the largest difference found."""

    @cache
    def of(kind):
        folder = tmp_path_factory.mktemp(kind)
        size = (64, 128) if kind == "litert" else None
        return folder, *export_network(network, folder / f"net{SUFFIXES[kind]}", kind, size, 1 if size else None, ABOUT)

    return of


@pytest.mark.parametrize("kind", list(NEEDS))
@pytest.mark.filterwarnings("ignore")
def test_it_computes_the_same(kind, exported):
    pytest.importorskip(NEEDS[kind])
    folder, files, difference = exported(kind)
    assert difference < 1e-3
    assert set(files) == set(folder.iterdir())


def _record_of(path, kind) -> dict:
    """Read by the format's own library."""
    if kind == "savedmodel":
        return json.loads((path / "assets.extra" / "cpwc_keras.json").read_text(encoding="utf-8"))
    if kind == "onnx":
        import onnx
        import onnxruntime

        model = onnx.load(str(path))
        assert (model.producer_name, model.producer_version) == ("cpwc-keras", __version__)
        return onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map
    if kind == "openvino":
        import openvino

        model = openvino.Core().read_model(str(path))
        return {name: model.get_rt_info(["cpwc_keras", name]).value for name in ("made_with", "network", *ABOUT)}
    from tensorflow.lite.tools.flatbuffer_utils import read_model

    model = read_model(str(path))
    (entry,) = [entry for entry in model.metadata if entry.name == b"cpwc_keras"]
    return json.loads(bytes(model.buffers[entry.buffer].data))


@pytest.mark.parametrize("kind", list(NEEDS))
@pytest.mark.filterwarnings("ignore")
def test_it_says_what_it_was_made_with(kind, exported):
    pytest.importorskip(NEEDS[kind])
    folder, _, _ = exported(kind)
    record = _record_of(folder / f"net{SUFFIXES[kind]}", kind)
    assert record == {"made_with": f"cpwc-keras {__version__}", "network": "PWCNet"} | ABOUT


@pytest.mark.filterwarnings("ignore")
def test_an_exported_onnx_file_is_a_tracker_for_any_size(network, exported):
    pytest.importorskip("tf2onnx")
    tracker, name = as_tracker(str(exported("onnx")[0] / "net.onnx"))
    assert name == "net.onnx"
    images = np.random.default_rng(0).random((2, 2, 70, 90), dtype=np.float32)
    np.testing.assert_allclose(tracker(*images), network.predict_on_batch(list(images[..., None])), atol=1e-3)


def test_what_computes_something_else_is_not_handed_over(network, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_runner", lambda path, kind: lambda one, other: np.zeros((*one.shape[:3], 2)) + 5)
    with pytest.raises(InputError, match=r"px off, expected 0.01 at most; nothing was written"):
        export_network(network, tmp_path / "net", "savedmodel")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("net.h5", "onnx", "found the suffix '.h5', expected '.onnx'"),
        ("net.onnx", "savedmodel", "expected a folder's name without one"),
        ("net.onnx", "torch", "'torch' is unknown; choose one of savedmodel, onnx"),
        ("net.tflite", "litert", "LiteRT needs images of one size"),
    ],
)
def test_what_cannot_be_exported_is_refused(name, kind, words, network, tmp_path):
    with pytest.raises(InputError, match=words):
        export_network(network, tmp_path / name, kind)


def test_nothing_is_overwritten(network, tmp_path):
    (tmp_path / "net.onnx").write_text("mine")
    with pytest.raises(InputError, match="a file or folder of this name"):
        export_network(network, tmp_path / "net.onnx", "onnx")
    assert (tmp_path / "net.onnx").read_text() == "mine"
