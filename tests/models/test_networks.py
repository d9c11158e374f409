"""PWC-Net, c-PWC-Net, EchoPWC-Net: sizes, options, shapes, serialisation."""

import keras
import numpy as np
import pytest

from cpwc_keras.models import CPWCNet, EchoPWCNet, PWCNet
from cpwc_keras.models.pwc_net import FLOW_SCALE


@pytest.mark.parametrize(
    ("build", "parameters"),
    [
        (lambda: CPWCNet().pyramid, 1_665_516),
        (lambda: PWCNet(image_channels=3), 9_374_274),  # NVlabs' published network
        (lambda: CPWCNet(), 14_078_762),  # the paper's "14M"
        (lambda: PWCNet(skip_connections=False), 4_704_776),
        (lambda: PWCNet(skip_connections=False, context_levels=()), 4_187_526),
        (lambda: CPWCNet(finest_level=1), 16_318_508),
    ],
)
def test_parameter_counts_settle_the_architecture(build, parameters):
    assert build().count_params() == parameters


@pytest.fixture(scope="module")
def small():
    """The smallest c-PWC-Net there is."""
    keras.utils.set_random_seed(0)
    return CPWCNet(skip_connections=False, context_levels=(3,), finest_level=3, search_range=1)


def images(height, width, batch=1):
    return list(np.random.default_rng(0).random((2, batch, height, width, 1), dtype=np.float32))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 130), (1, 1), (100, 63)])
def test_any_image_size_gives_a_flow_of_that_size(small, height, width):
    flow = small(images(height, width, batch=2))
    assert tuple(flow.shape) == (2, height, width, 2)
    assert keras.backend.standardize_dtype(flow.dtype) == "float32"


def test_the_output_is_the_finest_flow_in_pixels(small):
    pair = images(64, 128)
    flows = small.flow_pyramid(pair)
    assert [tuple(flow.shape[1:3]) for flow in flows] == [(1, 2), (2, 4), (4, 8), (8, 16)]
    # Away from the border, bilinear upsampling keeps the mean of a smooth field near that of its nodes.
    finest = np.asarray(flows[-1])[0] * FLOW_SCALE
    np.testing.assert_allclose(np.asarray(small(pair))[0].mean((0, 1)), finest.mean((0, 1)), rtol=0.05, atol=1e-3)


@pytest.mark.parametrize("finest_level", [1, 2])
def test_finest_level_and_all_contexts(finest_level):
    network = CPWCNet(finest_level=finest_level, skip_connections=False, search_range=1)
    assert network.context_levels == tuple(range(finest_level, 7))
    assert len(network.flow_pyramid(images(64, 64))) == 7 - finest_level


def test_echo_pwc_net_runs_and_does_not_warp(monkeypatch):
    import cpwc_keras.models.pwc_net as module

    monkeypatch.setattr(module, "warp", None)  # calling it would fail
    assert tuple(EchoPWCNet()(images(64, 64)).shape) == (1, 64, 64, 2)


def test_untrained_networks_start_near_zero_flow():
    """Small flow heads and bilinear upsampling: with He heads, the first warps would be off by 14 px."""
    keras.utils.set_random_seed(1)
    assert np.abs(np.asarray(CPWCNet()(images(64, 64)))).mean() < 1.5


def test_mixed_precision_keeps_the_flow_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = CPWCNet(skip_connections=False, context_levels=(4,), finest_level=4, search_range=1)
    finally:
        keras.config.set_dtype_policy("float32")
    assert keras.backend.standardize_dtype(network(images(64, 64)).dtype) == "float32"
    assert all(keras.backend.standardize_dtype(v.dtype) == "float32" for v in network.variables)


def test_keras_file_round_trip(small, tmp_path):
    pair = images(64, 96)
    small.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)
    assert again.get_config() == small.get_config()
    np.testing.assert_array_equal(np.asarray(again(pair)), np.asarray(small(pair)))


def test_config_round_trip():
    network = CPWCNet(skip_connections=False, context_levels=(3, 4), finest_level=2, search_range=2, weight_decay=0.0)
    again = CPWCNet.from_config(network.get_config())
    assert again.get_config() == network.get_config()
    assert again.count_params() == network.count_params()


def test_weight_decay_is_on_kernels_only():
    few = {"skip_connections": False, "context_levels": (6,), "finest_level": 6, "search_range": 1}
    network = PWCNet(**few, weight_decay=4e-4)
    kernels = [v for v in network.trainable_variables if v.name == "kernel"]
    expected = 4e-4 * sum(float((np.asarray(k) ** 2).sum()) for k in kernels)
    assert float(sum(network.losses)) == pytest.approx(expected, rel=1e-4)
    assert not PWCNet(**few, weight_decay=0.0).losses


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"finest_level": 0}, "finest_level"),
        ({"finest_level": 7, "context_levels": ()}, "finest_level"),
        ({"context_levels": (1,)}, "context_levels"),
        ({"search_range": -1}, "search_range"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PWCNet(**options)


def test_wrong_images_are_named(small):
    with pytest.raises(ValueError, match=r"\(1, 64, 64, 3\)"):
        small([np.zeros((1, 64, 64, 3), np.float32)] * 2)
    with pytest.raises(ValueError, match=r"\(1, 64, 64, 1\) and \(1, 64, 65, 1\)"):
        small([np.zeros((1, 64, 64, 1), np.float32), np.zeros((1, 64, 65, 1), np.float32)])


def test_images_of_one_size_after_another():
    """Keras gives up on fixed sizes after a few of them: the graph must not need to know any."""
    network = PWCNet(skip_connections=False, context_levels=(4,), finest_level=4, search_range=1)
    for size in ((64, 64), (64, 128), (100, 70)):
        images = np.random.default_rng(0).random((2, 1, *size, 1), dtype=np.float32)
        flow = network.predict_on_batch(list(images))
        assert flow.shape == (1, *size, 2)
        np.testing.assert_allclose(flow, network(list(images)), atol=1e-5)
