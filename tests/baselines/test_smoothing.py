import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cpwc_keras.baselines.smoothing import smooth

ONES = np.ones((60, 80), np.float32)


def waves(shape=(60, 80)):
    rows, columns = np.indices(shape) / 10
    return np.stack([np.sin(columns) + rows, 2 * np.cos(0.7 * rows + 0.3 * columns)], -1).astype(np.float32)


def noisy(sigma, seed=0):
    return waves() + np.random.default_rng(seed).normal(0, sigma, (60, 80, 2)).astype(np.float32)


def length(field):
    return np.sqrt((field**2).sum(-1).mean())


def test_a_constant_stays_as_it_is():
    smoothed, _ = smooth(np.full((60, 80, 2), (3.0, -7.5)), ONES)
    assert smoothed.dtype == np.float32
    np.testing.assert_allclose(smoothed, np.broadcast_to((3.0, -7.5), smoothed.shape), rtol=1e-6)


@pytest.mark.parametrize("shape", [(60, 80), (61, 83)])
def test_a_plane_stays_as_it_is(shape):
    rows, columns = np.indices(shape)
    plane = np.stack([0.5 * columns - 0.2 * rows, 0.1 * columns + 3], -1)
    np.testing.assert_allclose(smooth(plane, np.ones(shape))[0], plane, atol=1e-4)


def test_clean_data_are_smoothed_little_and_noisy_data_more():
    levels = [smooth(noisy(sigma), ONES, robust=False)[1] for sigma in (0, 0.05, 0.5)]
    assert levels[0] < 2e-3 < 0.1 < levels[1] < levels[2]
    assert np.abs(smooth(noisy(0), ONES, robust=False)[0] - waves()).max() < 1e-3


def test_noise_is_reduced_to_near_what_the_best_smoothness_could():
    field = noisy(0.5)
    smoothed, smoothness = smooth(field, ONES, robust=False)
    best = min(length(spline(field, ONES, smoothness * factor) - waves()) for factor in (0.1, 0.3, 1, 3, 10))
    assert length(smoothed - waves()) < 1.1 * best < 0.3 * length(field - waves())


def test_outliers_are_ignored():
    rng = np.random.default_rng(1)
    field, hit = noisy(0.1), rng.random((60, 80)) < 0.05
    field[hit] += rng.normal(0, 20, (hit.sum(), 2))
    clean = length(smooth(noisy(0.1), ONES)[0] - waves())
    assert length(smooth(field, ONES)[0] - waves()) < 1.5 * clean
    assert length(smooth(field, ONES, robust=False)[0] - waves()) > 5 * clean


def test_missing_data_are_filled_whatever_stands_there():
    field, weights = noisy(0.05), ONES.copy()
    weights[20:30, 30:40] = 0
    field[20:30, 30:40] = np.nan
    smoothed, _ = smooth(field, weights)
    assert np.abs(smoothed - waves())[20:30, 30:40].max() < 0.3
    field[20:30, 30:40] = 1e6
    np.testing.assert_array_equal(smooth(field, weights)[0], smoothed)


def test_nothing_known_gives_zero():
    smoothed, _ = smooth(np.full((60, 80, 2), np.nan), 0 * ONES)
    assert smoothed.shape == (60, 80, 2) and not smoothed.any()


def without_plane(field, weights):
    design = np.stack([np.ones(weights.shape), *np.indices(weights.shape)], -1).reshape(-1, 3)
    scale = np.sqrt(weights.reshape(-1, 1), dtype=np.float64)
    plane = np.linalg.lstsq(design * scale, field.reshape(len(design), -1) * scale)[0]
    return field - (design @ plane).reshape(field.shape)


def spline(values, weights, smoothness):
    """The minimum of Σ w |y − z|² + s Σ |Δz|², by a sparse direct solver."""

    def second_difference(size):
        return sparse.diags(
            [np.ones(size - 1), np.r_[-1, np.full(size - 2, -2), -1], np.ones(size - 1)], offsets=[-1, 0, 1]
        )

    laplacian = sparse.kronsum(*(second_difference(size) for size in weights.shape[::-1]))
    flat = weights.ravel().astype(np.float64)
    matrix = sparse.diags(flat) + smoothness * laplacian @ laplacian
    right = flat[:, None] * values.reshape(len(flat), -1)
    return sparse.linalg.spsolve(matrix.tocsc(), right).reshape(values.shape)


def test_it_is_the_minimum_of_the_penalised_squares():
    weights = np.random.default_rng(2).random((60, 80)).astype(np.float32)
    field = without_plane(noisy(0.5), weights)
    smoothed, smoothness = smooth(field, weights, robust=False, tolerance=1e-6)
    np.testing.assert_allclose(smoothed, spline(field, weights, smoothness), atol=2e-4)


@pytest.mark.parametrize("weighted", [False, True])
def test_it_agrees_with_pymust(weighted):
    """Robust only: otherwise `smoothn` ends after one iteration, since it compares z with itself."""
    pymust = pytest.importorskip("pymust")
    rng = np.random.default_rng(3)
    weights = (0.5 + 0.5 * rng.random((60, 80)) if weighted else ONES).astype(np.float32)
    field, hit = noisy(0.2), rng.random((60, 80)) < 0.03
    field[hit] += rng.normal(0, 5, (hit.sum(), 2))
    plane = field - without_plane(field, weights)
    field = (field - plane).astype(np.float32)
    theirs, their_smoothness, _ = pymust.smoothn(list(np.moveaxis(field, -1, 0)), weights, isrobust=True)
    theirs = np.moveaxis(theirs, 0, -1)
    ours, smoothness = smooth(field, weights)
    assert length(ours - theirs) < 0.05 * length(theirs + plane - waves())
    assert abs(np.log10(smoothness / their_smoothness)) < 0.05


@settings(max_examples=20, deadline=None)
@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    components=st.integers(1, 3),
    kept=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_any_grid_gives_a_finite_field(rows, columns, components, kept, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, columns, components))
    weights = rng.random((rows, columns)) * (rng.random((rows, columns)) < kept)
    smoothed, smoothness = smooth(values, weights)
    assert smoothed.shape == values.shape and np.isfinite(smoothed).all() and smoothness > 0
