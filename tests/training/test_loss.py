"""Eq. (1) on cases computed by hand."""

import keras
import numpy as np
import pytest
from keras import ops

from cpwc_keras.models.pwc_net import FLOW_SCALE
from cpwc_keras.training.loss import LEVEL_WEIGHTS, endpoint_error, multi_scale_loss

SIZE = 64


def at_level(vector, level, batch=1):
    """A constant flow in pixels, in the network's units at a level."""
    cells = SIZE // 2**level
    return np.broadcast_to(np.float32(vector) / FLOW_SCALE, (batch, cells, cells, 2)).copy()


def constant_truth(vector, batch=1):
    flow = np.broadcast_to(np.float32(vector), (batch, SIZE, SIZE, 2)).copy()
    return flow, np.ones((batch, SIZE, SIZE, 1), np.float32)


@pytest.mark.parametrize("batch", [1, 3])
def test_each_level_counts_its_pixels_times_alpha(batch):
    flow, mask = constant_truth((0, 0), batch)
    for level, alpha in LEVEL_WEIGHTS.items():
        loss = multi_scale_loss([at_level((3, 4), level, batch)], flow, mask, [level])
        expected = alpha * (SIZE // 2**level) ** 2 * 5 / FLOW_SCALE  # ‖(3, 4)‖ = 5, the mean over the batch
        assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_the_truth_has_no_loss():
    flow, mask = constant_truth((7, -2))
    levels = range(6, 0, -1)
    loss = multi_scale_loss([at_level((7, -2), level) for level in levels], flow, mask, levels)
    assert float(loss) < 2e-3  # 1e-6 of each of 1,365 cells, from the smoothed norm


def test_outside_of_the_mask_nothing_counts():
    flow, mask = constant_truth((1, 1))
    mask[:, :, SIZE // 2 :] = 0
    flow[:, :, SIZE // 2 :] = 1e6
    estimate = at_level((1, 1), 2)
    estimate[:, :, SIZE // 8 :] = 99
    assert float(multi_scale_loss([estimate], flow, mask, [2])) < 1e-3
    empty = multi_scale_loss([estimate], flow, np.zeros_like(mask), [2])
    assert float(empty) == 0


def test_a_cell_counts_by_its_known_fraction():
    flow, mask = constant_truth((0, 0))
    mask[:] = 0
    mask[0, :4, :3] = 1  # three quarters of the first cell of level 2
    loss = multi_scale_loss([at_level((3, 4), 2)], flow, mask, [2])
    assert float(loss) == pytest.approx(0.75 * LEVEL_WEIGHTS[2] * 5 / FLOW_SCALE, rel=1e-5)


def test_the_gradient_is_finite_at_the_truth():
    flow, mask = constant_truth((0, 0))
    estimate = ops.convert_to_tensor(at_level((0, 0), 2))
    if keras.backend.backend() == "jax":
        import jax

        gradient = jax.grad(lambda e: multi_scale_loss([e], flow, mask, [2]))(estimate)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(estimate)
            loss = multi_scale_loss([estimate], flow, mask, [2])
        gradient = tape.gradient(loss, estimate)
    np.testing.assert_array_equal(np.asarray(gradient), 0)


def test_endpoint_error_is_in_pixels():
    flow, mask = constant_truth((1, 2))
    error, known = endpoint_error(at_level((4, 6), 2), flow, mask, 2)
    assert float(error / known) == pytest.approx(5, rel=1e-5)
