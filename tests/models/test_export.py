"""A network with both ops leaves Keras: SavedModel and ONNX give the same flow."""

import keras
import numpy as np
import pytest

from cpwc_keras.models import CPWCNet

if keras.backend.backend() != "tensorflow":
    pytest.skip("exported with TensorFlow", allow_module_level=True)


@pytest.fixture(scope="module")
def case():
    keras.utils.set_random_seed(4)
    network = CPWCNet(skip_connections=False, context_levels=(4,), finest_level=4, search_range=2)
    # Larger flow heads than at the start of training, so that the warp has something to do.
    for level in network.levels:
        network.heads[str(level)].kernel.assign(network.heads[str(level)].kernel * 100)
    pair = list(np.random.default_rng(0).random((2, 2, 128, 128, 1), dtype=np.float32))
    flow = np.asarray(network(pair))
    assert np.abs(flow).max() > 0.5
    return network, pair, flow


def test_saved_model(case, tmp_path):
    import tensorflow as tf

    network, pair, flow = case
    shape = (None, 128, 128, 1)
    signature = [[keras.InputSpec(shape=shape, dtype="float32")] * 2]
    network.export(tmp_path / "saved", format="tf_saved_model", input_signature=signature, verbose=False)
    loaded = tf.saved_model.load(tmp_path / "saved")
    served = loaded.serve(pair)
    np.testing.assert_allclose(np.asarray(served), flow, atol=1e-4)


def test_onnx(case, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    network, pair, flow = case
    signature = [[keras.InputSpec(shape=(None, 128, 128, 1), dtype="float32")] * 2]
    network.export(tmp_path / "network.onnx", format="onnx", input_signature=signature, verbose=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "network.onnx"), providers=["CPUExecutionProvider"])
    inputs = {node.name: array for node, array in zip(session.get_inputs(), pair, strict=True)}
    (served,) = session.run(None, inputs)
    np.testing.assert_allclose(served, flow, atol=1e-3)
