"""Convolutions of bfloat16 maps with an odd number of channels."""

import keras
import numpy as np
import pytest
from keras import ops

from cpwc_keras.models import CPWCNet
from cpwc_keras.models.convolutions import Convolution, TransposedConvolution, join

LAYERS = {
    "convolution": lambda dtype: Convolution(8, 3, padding="same", dtype=dtype),
    "transposed": lambda dtype: TransposedConvolution(2, 4, strides=2, padding="same", dtype=dtype),
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


@pytest.mark.parametrize("channels", [629, 661])
def test_nothing_beyond_the_maps_is_read(channels):
    """On processors that multiply bfloat16, `keras.layers.Conv2D` returns NaN here."""
    rng = np.random.default_rng(0)
    maps = rng.standard_normal((3, 24, 24, channels)).astype(np.float32)
    maps[2] = np.nan
    both = ops.cast(maps, "bfloat16")[:2]  # TensorFlow shares the memory: the next numbers are NaN
    layer = Convolution(128, 3, padding="same", dtype="mixed_bfloat16")
    assert np.isfinite(np.asarray(ops.cast(layer(both), "float32"))).all()


def test_no_convolution_of_the_network_sees_an_odd_number(monkeypatch):
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
