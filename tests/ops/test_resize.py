"""Padding, cropping, and flow at other resolutions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from cpwc_keras.ops import crop_to, downsample_masked_flow, pad_to_multiple, upsample_flow


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 130), st.integers(1, 130), st.sampled_from([1, 2, 64]))
def test_padding_is_undone_by_cropping(height, width, multiple):
    images = np.random.default_rng(0).random((1, height, width, 2), dtype=np.float32)
    padded = np.asarray(pad_to_multiple(images, multiple))
    assert padded.shape[1] % multiple == padded.shape[2] % multiple == 0
    assert padded.shape[1] - height < multiple and padded.shape[2] - width < multiple
    np.testing.assert_array_equal(crop_to(padded, height, width), images)


def test_upsampling_keeps_a_linear_field():
    """At cell centres (i + 1/2) 4 − 1/2 of the fine grid, an affine flow is reproduced exactly inside."""
    y, x = np.mgrid[:8, :10].astype(np.float32)
    fine_y, fine_x = np.mgrid[:32, :40].astype(np.float32)

    def field(u, v):
        return np.stack([0.3 * u - 0.1 * v + 2, 0.2 * v + 0.05 * u - 1], axis=-1)[None]

    coarse = field((x + 0.5) * 4 - 0.5, (y + 0.5) * 4 - 0.5)
    fine = np.asarray(upsample_flow(coarse, 4))
    np.testing.assert_allclose(fine[:, 2:-2, 2:-2], field(fine_x, fine_y)[:, 2:-2, 2:-2], atol=1e-4)
    np.testing.assert_array_equal(upsample_flow(coarse, 1), coarse)


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_upsampling_is_the_bilinear_one_of_keras(factor):
    flow = np.random.default_rng(1).random((2, 5, 7, 2), dtype=np.float32)
    expected = ops.image.resize(flow, (5 * factor, 7 * factor), interpolation="bilinear")
    np.testing.assert_allclose(upsample_flow(flow, factor), expected, atol=1e-6)


def test_masked_downsampling_averages_what_is_known():
    flow = np.zeros((1, 4, 4, 2), np.float32)
    mask = np.zeros((1, 4, 4, 1), np.float32)
    flow[0, 0, 0], mask[0, 0, 0] = (3, -2), 1
    flow[0, 1, 1], mask[0, 1, 1] = (5, 0), 1
    flow[0, 0, 1] = (1000, 1000)  # unknown, whatever it says
    small, weight = (np.asarray(a) for a in downsample_masked_flow(flow, mask, 2))
    np.testing.assert_allclose(small[0, 0, 0], [4, -1])
    np.testing.assert_allclose(weight[0, ..., 0], [[0.5, 0], [0, 0]])
    np.testing.assert_array_equal(small[0, 1, 1], [0, 0])


def test_up_undoes_down_for_a_constant():
    flow = np.broadcast_to(np.float32([1.5, -2]), (1, 64, 64, 2))
    small, weight = downsample_masked_flow(flow, np.ones((1, 64, 64, 1), np.float32), 16)
    np.testing.assert_allclose(upsample_flow(small, 16), flow)
    np.testing.assert_array_equal(weight, 1)


def test_wrong_channels_are_named():
    with pytest.raises(ValueError, match=r"flow .*2.*\(1, 4, 4, 3\)"):
        upsample_flow(np.zeros((1, 4, 4, 3), np.float32), 2)
