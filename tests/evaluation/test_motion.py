import numpy as np
import pytest

from cpwc_keras.evaluation.motion import endpoint_error


def test_mean_over_the_mask_alone():
    flow, mask = np.zeros((4, 5, 2), np.float32), np.zeros((4, 5), np.float32)
    truth = np.full((4, 5, 2), 1e6, np.float32)
    truth[1, 1], truth[2, 3] = (3, 4), (0, 1)
    mask[1, 1] = mask[2, 3] = 1
    assert endpoint_error(flow, truth, mask) == pytest.approx(3)


def test_mm_with_anisotropic_spacing():
    flow, mask = np.zeros((2, 2, 2), np.float32), np.ones((2, 2), np.float32)
    assert endpoint_error(flow, flow + np.array([10, 0]), mask, (0.5, 0.2)) == pytest.approx(2)
    assert endpoint_error(flow, flow + np.array([0, 10]), mask, (0.5, 0.2)) == pytest.approx(5)


def test_an_empty_mask_has_no_error():
    assert np.isnan(endpoint_error(np.zeros((2, 2, 2)), np.ones((2, 2, 2)), np.zeros((2, 2))))
