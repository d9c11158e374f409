import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpwc_keras.errors import InputError
from cpwc_keras.evaluation.motion import endpoint_error, trajectory_error


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


TRUTH = np.array([[[10, 20], [30, 40], [50, 60]], [[11, 20], [32, 40], [np.nan, np.nan]], [[np.nan, 1]] * 3])
KNOWN = np.nan_to_num(TRUTH)


def test_followed_points_that_are_right_have_no_error():
    np.testing.assert_array_equal(trajectory_error(KNOWN, TRUTH), [0, 0, np.nan])


def test_zero_motion_has_exactly_the_mean_motion():
    """Frame 1: one point has gone 1 px, one 2 px, one is not known. Frame 2: none is."""
    still = np.stack([TRUTH[0]] * 3)
    np.testing.assert_allclose(trajectory_error(still, TRUTH), [0, 1.5, np.nan], atol=1e-12)


def test_weights_of_unknown_points_leave_with_them():
    points = KNOWN + np.array([[3, 4], [0, 0], [0, 0]])[:, None]
    points[1, 0] += [0, 8]
    np.testing.assert_allclose(trajectory_error(points, TRUTH, weights=[1, 3, 4]), [5, 2, np.nan], atol=1e-12)
    np.testing.assert_allclose(trajectory_error(points, TRUTH, weights=[1, 0, 4]), [5, 8, np.nan], atol=1e-12)


def test_followed_points_in_mm_with_anisotropic_spacing():
    truth = TRUTH[:1]
    for shift, error in (((10, 0), 2), ((0, 10), 5)):
        np.testing.assert_allclose(trajectory_error(truth + np.array(shift), truth, (0.5, 0.2)), [error], atol=1e-12)


def test_a_lost_point_is_not_left_out():
    points = KNOWN.copy()
    points[0, 1] = np.nan
    np.testing.assert_array_equal(trajectory_error(points, TRUTH), [np.nan, 0, np.nan])
    np.testing.assert_array_equal(trajectory_error(points, TRUTH, weights=[1, 0, 1]), [0, 0, np.nan])


def test_points_of_another_shape_or_weight_are_refused():
    with pytest.raises(InputError, match=r"found \(3, 3, 2\) and \(2, 3, 2\)"):
        trajectory_error(KNOWN, TRUTH[:2])
    with pytest.raises(InputError, match=r"found \(3, 2\) and \(3, 2\)"):
        trajectory_error(KNOWN[0], TRUTH[0])
    for weights in ([1, 2], [1, 2, -1], [1, 2, np.nan]):
        with pytest.raises(InputError, match="Each of the 3 points needs a weight"):
            trajectory_error(KNOWN, TRUTH, weights=weights)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 9), st.integers(0, 2**31), st.floats(0.1, 9), st.floats(0.1, 9))
def test_cumulative_error_is_a_mean_that_scales(frames, count, seed, scale, factor):
    rng = np.random.default_rng(seed)
    points, truth = rng.uniform(0, 99, (2, frames, count, 2))
    weights = rng.uniform(0.1, 1, count)
    error = trajectory_error(points, truth, weights=weights)
    each = np.hypot(*(points - truth).T).T
    assert (each.min(axis=1) - 1e-9 <= error).all() and (error <= each.max(axis=1) + 1e-9).all()
    np.testing.assert_allclose(trajectory_error(points, truth, (scale, scale), weights * factor), error * scale)
    np.testing.assert_allclose(trajectory_error(truth, points, weights=weights), error)
