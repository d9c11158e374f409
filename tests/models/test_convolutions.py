"""Convolutions of bfloat16 maps with an odd number of channels."""

import re

import h5py
import keras
import numpy as np
import pytest
from keras import ops

from cpwc_keras.models import CPWCNet
from cpwc_keras.models.convolutions import Conv2D, Conv2DTranspose, join, weights_to_come
from cpwc_keras.models.weights_file import load_network, save_network

LAYERS = {
    "convolution": lambda dtype: Conv2D(8, 3, padding="same", dtype=dtype),
    "transposed": lambda dtype: Conv2DTranspose(2, 4, strides=2, padding="same", dtype=dtype),
}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("channels", [1, 4, 5])
def test_a_channel_of_zeros_changes_nothing(kind, channels):
    maps = np.random.default_rng(0).standard_normal((2, 6, 7, channels)).astype(np.float32)
    layer = LAYERS[kind]("float32")
    expected = np.asarray(layer(maps))
    half = LAYERS[kind]("mixed_bfloat16")
    half.build(maps.shape)
    half.set_weights(layer.get_weights())
    given = ops.cast(maps, "bfloat16")
    joined = join([given])
    assert joined.shape[-1] == channels + channels % 2
    for one in (given, joined):
        np.testing.assert_allclose(np.asarray(ops.cast(half(one), "float32")), expected, atol=0.03)
    whole = LAYERS[kind]("float32")  # as the heads of the flow, which see what bfloat16 layers left
    whole.build(maps.shape)
    whole.set_weights(layer.get_weights())
    np.testing.assert_allclose(np.asarray(whole(ops.cast(joined, "float32"))), expected, atol=0.03)


def test_a_wrong_number_of_channels_is_refused():
    layer = LAYERS["convolution"]("float32")
    layer.build((1, 6, 6, 4))
    with pytest.raises(ValueError, match=r"channels|depth"):
        layer(np.ones((1, 6, 6, 7), np.float32))


def test_keras_weights_files_name_what_they_hold_as_ever(tmp_path):
    """Keras goes by the names of classes; files saved with `keras.layers.Conv2D` are to be read for good."""
    network = CPWCNet(finest_level=5)
    network.save_weights(tmp_path / "network.weights.h5")
    with h5py.File(tmp_path / "network.weights.h5") as file:
        names = []
        file.visit(names.append)
    held = {part for name in names for part in name.split("/") if part.startswith("conv") and part != "convolutions"}
    assert held and all(re.fullmatch(r"conv2d(_transpose)?(_\d+)?", name) for name in held), held


def test_what_the_transposed_convolution_leaves_out_is_refused():
    with pytest.raises(ValueError, match="only linear layers with a bias"):
        Conv2DTranspose(2, 4, strides=2, activation="relu").build((1, 4, 4, 3))


@pytest.mark.parametrize("channels", [629, 661])
def test_nothing_beyond_the_maps_is_read(channels):
    """On processors that multiply bfloat16, `keras.layers.Conv2D` returns NaN here."""
    rng = np.random.default_rng(0)
    maps = rng.standard_normal((3, 24, 24, channels)).astype(np.float32)
    maps[2] = np.nan
    both = ops.cast(maps, "bfloat16")[:2]  # TensorFlow shares the memory: the next numbers are NaN
    layer = Conv2D(128, 3, padding="same", dtype="mixed_bfloat16")
    assert np.isfinite(np.asarray(ops.cast(layer(both), "float32"))).all()


def test_convolutions_of_the_network_see_even_numbers(monkeypatch):
    seen = []
    original = keras.layers.Conv2D.convolution_op

    def spy(layer, inputs, kernel):
        seen.append((keras.backend.standardize_dtype(inputs.dtype), inputs.shape[-1], kernel.shape[-2]))
        return original(layer, inputs, kernel)

    monkeypatch.setattr(keras.layers.Conv2D, "convolution_op", spy)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = CPWCNet()
        network([np.zeros((1, 64, 64, 1), np.float32)] * 2)
    finally:
        keras.config.set_dtype_policy(policy)
    half = [entry for entry in seen if entry[0] == "bfloat16"]
    assert len(half) > 60
    assert all(channels % 2 == 0 and channels == kernel for _, channels, kernel in half)


@pytest.mark.parametrize("kind", LAYERS)
def test_where_weights_are_to_come_none_are_drawn(kind):
    with weights_to_come():
        coming = LAYERS[kind]("float32")
        coming.build((1, 4, 4, 3))
    drawn = LAYERS[kind]("float32")
    drawn.build((1, 4, 4, 3))
    assert not np.any(coming.kernel)
    assert np.any(drawn.kernel)
    assert coming.get_config()["kernel_initializer"] == drawn.get_config()["kernel_initializer"]


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_that_could_not_be_built_draws_later(kind, monkeypatch):
    layer = LAYERS[kind]("float32")
    with weights_to_come(), monkeypatch.context() as patch:
        patch.setattr(keras.layers.Layer, "add_weight", lambda *given, **options: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            layer.build((1, 4, 4, 3))
    layer.build((1, 4, 4, 3))
    assert np.any(layer.kernel)


def test_a_network_that_is_loaded_draws_nothing(tmp_path, monkeypatch):
    save_network(CPWCNet(finest_level=5, context_levels=()), tmp_path / "network.h5")
    monkeypatch.setattr(keras.initializers.HeNormal, "__call__", lambda *given, **options: 1 / 0)
    load_network(tmp_path / "network.h5")
