"""Backward warping: sign, borders, sub-pixel places, gradients."""

import cv2
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from cpwc_keras.ops import warp


def test_the_flow_points_from_image_1_to_image_2():
    image1 = np.zeros((1, 9, 9, 1), np.float32)
    image1[0, 4, 3] = 1
    image2 = np.zeros_like(image1)
    image2[0, 6, 4] = 1  # moved right by 1, down by 2
    flow = np.broadcast_to(np.float32([1, 2]), (1, 9, 9, 2))
    np.testing.assert_array_equal(warp(image2, flow), image1)


def test_zero_flow_is_the_identity():
    maps = np.random.default_rng(0).standard_normal((2, 5, 7, 3)).astype(np.float32)
    np.testing.assert_array_equal(warp(maps, np.zeros((2, 5, 7, 2), np.float32)), maps)


def test_outside_is_zero_and_the_border_fades():
    ones = np.ones((1, 4, 6, 1), np.float32)

    def at(dx, dy):
        return np.asarray(warp(ones, np.broadcast_to(np.float32([dx, dy]), (1, 4, 6, 2))))[0, :, :, 0]

    np.testing.assert_array_equal(at(100, 0), 0)
    np.testing.assert_array_equal(at(0, -100), 0)
    np.testing.assert_array_equal(at(1e30, -1e30), 0)
    np.testing.assert_allclose(at(0.25, 0)[:, -1], 0.75)
    np.testing.assert_allclose(at(-0.25, -0.5)[0, 0], 0.75 * 0.5)


@settings(max_examples=20, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 12), st.integers(1, 12), st.integers(1, 4)),
    reach=st.floats(0.1, 20),
    seed=st.integers(0, 2**31),
)
def test_equals_opencv(shape, reach, seed):
    rng = np.random.default_rng(seed)
    maps = rng.standard_normal(shape).astype(np.float32)
    # cv2.remap rounds places to 1/32 pixel; so does this flow.
    flow = (np.round(rng.uniform(-reach, reach, (*shape[:3], 2)) * 32) / 32).astype(np.float32)
    x, y = np.meshgrid(np.arange(shape[2], dtype=np.float32), np.arange(shape[1], dtype=np.float32))
    for item, field, ours in zip(maps, flow, np.asarray(warp(maps, flow)), strict=True):
        theirs = cv2.remap(item, x + field[..., 0], y + field[..., 1], cv2.INTER_LINEAR, borderValue=[0, 0, 0, 0])
        np.testing.assert_allclose(ours, theirs.reshape(ours.shape), atol=1e-5)


def test_gradients_are_the_numerical_ones():
    rng = np.random.default_rng(3)
    maps = rng.standard_normal((1, 5, 6, 2))
    flow = rng.integers(-3, 3, (1, 5, 6, 2)) + rng.uniform(0.1, 0.9, (1, 5, 6, 2))
    weights = rng.standard_normal((1, 5, 6, 2)).astype(np.float32)

    def loss(m, f):
        return ops.sum(warp(m, f) * weights)

    tensors = [ops.convert_to_tensor(a, "float32") for a in (maps, flow)]
    if keras.backend.backend() == "jax":
        import jax

        ours = jax.grad(loss, argnums=(0, 1))(*tensors)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = loss(*tensors)
        ours = [tf.convert_to_tensor(g) for g in tape.gradient(value, tensors)]
    for position, gradient in enumerate(ours):
        arrays = [maps, flow]
        for index in np.ndindex(arrays[position].shape):
            values = []
            for sign in (1, -1):
                moved = [array.copy() for array in arrays]
                moved[position][index] += sign * 1e-2
                values.append(float(loss(*(m.astype(np.float32) for m in moved))))
            # Both arguments enter linearly within a cell: a large step is exact, and beats float32 rounding.
            assert np.asarray(gradient)[index] == pytest.approx((values[0] - values[1]) / 2e-2, abs=5e-3)


@pytest.mark.parametrize(
    ("maps", "flow", "message"),
    [
        ((1, 4, 4, 3), (1, 4, 4, 3), r"flow .*2.*\(1, 4, 4, 3\)"),
        ((1, 4, 4, 3), (1, 4, 5, 2), r"\(1, 4, 4\) and \(1, 4, 5\)"),
        ((4, 4, 3), (1, 4, 4, 2), r"maps .*\(4, 4, 3\)"),
    ],
)
def test_errors_name_the_shapes(maps, flow, message):
    with pytest.raises(ValueError, match=message):
        warp(ops.zeros(maps), ops.zeros(flow))
