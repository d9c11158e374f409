"""The cost volume: its definition, its gradients, its errors."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from cpwc_keras.ops import cost_volume, standardize


def by_definition(first, second, r):
    """The formula of the docstring, loop by loop."""
    batch, height, width, _ = first.shape
    out = np.zeros((batch, height, width, (2 * r + 1) ** 2), np.float64)
    for y in range(height):
        for x in range(width):
            for dy in range(-r, r + 1):
                for dx in range(-r, r + 1):
                    if 0 <= y + dy < height and 0 <= x + dx < width:
                        product = first[:, y, x].astype(np.float64) * second[:, y + dy, x + dx]
                        out[:, y, x, (dy + r) * (2 * r + 1) + dx + r] = product.mean(axis=-1)
    return out


@settings(max_examples=15, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(1, 33)),
    r=st.integers(0, 5),
    seed=st.integers(0, 2**31),
)
def test_equals_its_definition(shape, r, seed):
    first, second = np.random.default_rng(seed).standard_normal((2, *shape)).astype(np.float32)
    np.testing.assert_allclose(cost_volume(first, second, r), by_definition(first, second, r), atol=1e-5)


def test_a_shifted_map_matches_at_its_shift():
    rng = np.random.default_rng(0)
    first = rng.standard_normal((1, 24, 24, 16)).astype(np.float32)
    second = np.roll(first, shift=(2, -3), axis=(1, 2))  # content moves down 2, left 3
    volume = np.asarray(cost_volume(standardize(first), standardize(second), 4))
    best = volume[0, 6:-6, 6:-6].argmax(axis=-1)
    assert (best == (2 + 4) * 9 + (-3 + 4)).all()
    np.testing.assert_allclose(volume[0, 6:-6, 6:-6].max(axis=-1), 1.0, atol=1e-4)


def test_standardized_volume_is_a_correlation_coefficient():
    rng = np.random.default_rng(1)
    first, second = rng.normal(3, 5, (2, 1, 5, 5, 12)).astype(np.float32)
    volume = np.asarray(cost_volume(standardize(first), standardize(second), 0))[0, ..., 0]
    expected = [[np.corrcoef(first[0, y, x], second[0, y, x])[0, 1] for x in range(5)] for y in range(5)]
    np.testing.assert_allclose(volume, expected, atol=1e-5)


def test_gradients_are_the_numerical_ones():
    rng = np.random.default_rng(2)
    first, second = rng.standard_normal((2, 1, 4, 5, 3))
    upstream = rng.standard_normal((1, 4, 5, 25))

    def loss(a, b):
        return float((by_definition(a, b, 2) * upstream).sum())

    ours = _gradients(lambda a, b: ops.sum(cost_volume(a, b, 2) * upstream.astype(np.float32)), first, second)
    for position, gradient in enumerate(ours):
        numerical = np.zeros_like(first)
        for index in np.ndindex(first.shape):
            step = np.zeros_like(first)
            step[index] = 1e-4
            moved = [(first + s * step, second) if position == 0 else (first, second + s * step) for s in (1, -1)]
            numerical[index] = (loss(*moved[0]) - loss(*moved[1])) / 2e-4
        np.testing.assert_allclose(gradient, numerical, atol=1e-4)


def _gradients(function, *arrays):
    arrays = [ops.convert_to_tensor(array, "float32") for array in arrays]
    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(function, argnums=tuple(range(len(arrays))))(*arrays)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(arrays)
        value = function(*arrays)
    return tape.gradient(value, arrays)


def test_half_precision_stays_half_precision():
    maps = ops.ones((1, 4, 4, 3), "bfloat16")
    assert keras.backend.standardize_dtype(cost_volume(maps, maps, 1).dtype) == "bfloat16"
    assert keras.backend.standardize_dtype(standardize(maps).dtype) == "bfloat16"


@pytest.mark.parametrize(
    ("first", "second", "r", "message"),
    [
        ((1, 4, 4, 3), (1, 4, 5, 3), 1, r"\(1, 4, 4, 3\) and \(1, 4, 5, 3\)"),
        ((1, 4, 4, 3), (1, 4, 4, 2), 1, r"\(1, 4, 4, 3\) and \(1, 4, 4, 2\)"),
        ((4, 4, 3), (4, 4, 3), 1, r"\(4, 4, 3\)"),
        ((1, 4, 4, 3), (1, 4, 4, 3), -1, "search_range"),
    ],
)
def test_errors_name_the_shapes(first, second, r, message):
    with pytest.raises(ValueError, match=message):
        cost_volume(ops.zeros(first), ops.zeros(second), r)
