import warnings
from dataclasses import FrozenInstanceError, astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cpwc_keras.errors import InputError
from cpwc_keras.evaluation.agreement import agreement, mann_whitney, wilcoxon


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_by_hand():
    """Differences 1, -1, 3, 1: mean 1, squares about it 0 + 4 + 4 + 0 over 3."""
    found = agreement(np.array([-17.0, -21, -12, -9]), np.array([-18.0, -20, -15, -10]))
    sd = np.sqrt(8 / 3)
    assert found.n == 4
    assert found.bias == pytest.approx(1, abs=1e-12)
    assert found.sd == pytest.approx(sd, abs=1e-12)
    assert found.mae == pytest.approx(1.5, abs=1e-12)
    assert found.mae_sd == pytest.approx(1, abs=1e-12)
    assert (found.lower, found.upper) == pytest.approx((1 - 1.96 * sd, 1 + 1.96 * sd), abs=1e-12)


def test_the_truth_agrees_with_itself():
    truth = np.array([-18.0, -20, -15, -10])
    assert astuple(agreement(truth, truth)) == pytest.approx((4, 0, 0, 0, 0, 1, 0, 0), abs=1e-12)


def test_a_constant_shift_is_bias_alone():
    truth = np.array([-18.0, -20, -15, -10])
    assert astuple(agreement(truth + 2.5, truth)) == pytest.approx((4, 2.5, 0, 2.5, 0, 1, 2.5, 2.5), abs=1e-12)


def test_bias_is_estimate_minus_reference():
    assert agreement([-15.0, -14], [-20.0, -19]).bias == 5


def test_pairs_with_nan_are_left_out_and_counted():
    nan = np.nan
    found = agreement([1.0, nan, 3, 4, 7], [1.5, 2, nan, 3, 5])
    assert found == agreement([1.0, 4, 7], [1.5, 3, 5])
    assert found.n == 3


@pytest.mark.parametrize("n", [0, 1, 2])
def test_nan_where_there_are_too_few(n):
    found = agreement(np.arange(n) + 1.0, np.arange(n) * 2.0)
    assert found.n == n
    assert np.isnan([found.bias, found.mae]).all() == (n < 1)
    assert np.isnan([found.sd, found.mae_sd, found.lower, found.upper]).all() == (n < 2)
    assert np.isnan(found.r)


def test_nothing_correlates_with_a_constant():
    assert np.isnan(agreement([0.0, 0, 0], [1.0, 2, 3]).r)
    assert np.isnan(agreement([1.0, 2, 3], [5.0, 5, 5]).r)


def test_agreement_is_frozen():
    with pytest.raises(FrozenInstanceError):
        agreement([1.0], [1.0]).n = 2


values = st.lists(st.tuples(st.floats(-40, 5), st.floats(-40, 5)), min_size=4, max_size=30)


@settings(max_examples=40, deadline=None)
@given(values)
def test_properties(pairs):
    a, b = np.array(pairs).round(3).T
    found, other = agreement(a, b), agreement(b, a)
    assert abs(found.bias) <= found.mae + 1e-12
    assert (other.bias, other.lower) == pytest.approx((-found.bias, -found.upper), abs=1e-9)
    assert (other.mae, other.sd) == pytest.approx((found.mae, found.sd), abs=1e-9)
    assert np.mean((a - b) ** 2) == pytest.approx(found.bias**2 + found.sd**2 * (len(a) - 1) / len(a), abs=1e-8)
    if np.ptp(a) and np.ptp(b):
        assert found.r == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-6)
        assert found.r == pytest.approx(other.r, abs=1e-9)


def test_wilcoxon_exact_by_counting():
    """All six differences positive: 1 of the 64 sign patterns on either side."""
    assert wilcoxon([1.0, 2, 3, 4, 5, 6], np.zeros(6)) == pytest.approx(2 / 64, abs=1e-12)
    assert wilcoxon(np.zeros(6), [1.0, 2, 3, 4, 5, 6]) == pytest.approx(2 / 64, abs=1e-12)


def test_mann_whitney_exact_by_counting():
    """Complete separation of 3 and 4: 1 of 35 orders on either side."""
    assert mann_whitney([1.0, 2, 3], [4.0, 5, 6, 7]) == pytest.approx(2 / 35, abs=1e-12)


def test_pairing_makes_the_difference():
    patients = np.linspace(0, 50, 20)
    method = patients + 0.1 + 0.001 * np.arange(20)
    assert wilcoxon(method, patients) < 1e-4
    assert mann_whitney(method, patients) > 0.7


def test_identical_samples_speak_for_no_difference():
    same = np.array([1.0, 2, 3, 4])
    assert wilcoxon(same, same) == 1
    assert mann_whitney(same, same) == pytest.approx(1)
    assert mann_whitney(np.ones(3), np.ones(5)) == 1


def test_tests_leave_out_nan():
    nan = np.nan
    a, b = [1.0, 2, 3, nan, 5, 6, 7], [0.5, 0, 0.2, 0.1, nan, 0.4, 0.3]
    assert wilcoxon(a, b) == wilcoxon([1.0, 2, 3, 6, 7], [0.5, 0, 0.2, 0.4, 0.3])
    assert mann_whitney(a, b) == mann_whitney([1.0, 2, 3, 5, 6, 7], [0.5, 0, 0.2, 0.1, 0.4, 0.3])


def test_nan_p_value_where_there_are_too_few():
    assert np.isnan(wilcoxon([], [])) and np.isnan(wilcoxon([1.0], [2.0]))
    assert np.isnan(wilcoxon([1.0, np.nan], [2.0, 3]))
    assert np.isnan(mann_whitney([1.0], [2.0, 3])) and np.isnan(mann_whitney([1.0, 2, 3], [np.nan, 3]))


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40))
def test_p_values_of_tied_samples_are_probabilities_and_symmetric(pairs):
    a, b = np.array(pairs, np.float64).T
    for test in (wilcoxon, mann_whitney):
        assert 0 <= test(a, b) <= 1
        assert test(a, b) == pytest.approx(test(b, a), abs=1e-9)


def test_samples_of_other_shapes_are_refused():
    with pytest.raises(InputError, match=r"equally long, found 2 and 3"):
        agreement([1.0, 2], [1.0, 2, 3])
    with pytest.raises(InputError, match=r"equally long"):
        wilcoxon([1.0, 2], [1.0])
    with pytest.raises(InputError, match=r"row of numbers, found an array of shape \(2, 2\)"):
        mann_whitney(np.ones((2, 2)), [1.0])
