from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from cpwc_keras.baselines.block_matching import fft_xcorr
from cpwc_keras.errors import InputError

INSIDE = slice(24, -24)


def scatter(shape=(160, 176), seed=0, margin=20):
    """Places (x, y) and complex amplitudes of fully developed speckle, a margin beyond the image included."""
    rng = np.random.default_rng(seed)
    count = (shape[0] + 2 * margin) * (shape[1] + 2 * margin) // 2
    places = rng.uniform(-margin, np.array(shape[::-1]) + margin, (count, 2))
    return places, rng.normal(size=count) + 1j * rng.normal(size=count)


def speckle(shift=(0, 0), shape=(160, 176), seed=0, sigma=(1.6, 2.4)):
    """Compressed envelope of Gaussian point spreads at scatterers moved by (dx, dy): sigma is (rows, columns)."""
    margin, finer = 20, 4
    places, amplitudes = scatter(shape, seed, margin)
    size = [(length + 2 * margin) * finer for length in shape]
    index = np.rint((places + shift + margin) * finer).astype(int)[:, ::-1]
    inside = ((index >= 0) & (index < size)).all(axis=1)
    canvas = np.zeros(size, complex)
    np.add.at(canvas, tuple(index[inside].T), amplitudes[inside])
    spread = [finer * s for s in sigma]
    envelope = np.hypot(ndimage.gaussian_filter(canvas.real, spread), ndimage.gaussian_filter(canvas.imag, spread))
    rows, columns = (slice(margin * finer, -margin * finer, finer) for _ in range(2))
    envelope = envelope[rows, columns]
    return np.clip(0.4 * (envelope / envelope.mean()) ** 0.4, 0, 1).astype(np.float32)


def track(first, second):
    return fft_xcorr(first[None], second[None])[0]


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-7, 11), (14, 0)])
def test_a_shift_by_whole_pixels_is_exact(shift):
    image = speckle(shape=(200, 220))
    dx, dy = shift
    flow = track(image[20:-20, 20:-20], np.roll(image, (dy, dx), (0, 1))[20:-20, 20:-20])
    assert flow.dtype == np.float32
    core = flow[48:-48, 48:-48]  # what leaves the image is not found
    np.testing.assert_allclose(core, np.broadcast_to(shift, core.shape), atol=0.02)


@pytest.mark.parametrize("shift", [(0.25, 0.75), (0.5, 0.5), (0.75, 0.25), (-3.25, 6.75), (7.25, 3.5)])
def test_a_shift_of_scatterers_is_found_without_bias(shift):
    error = track(speckle(), speckle(shift))[INSIDE, INSIDE] - np.float32(shift)
    assert np.abs(error.mean(axis=(0, 1))).max() < 0.03
    assert np.linalg.norm(error, axis=-1).mean() < 0.15


def test_a_stretch_is_followed():
    rows, columns = np.indices((160, 176), np.float32)
    truth = np.stack([0.04 * (columns - 88), -0.06 * (rows - 80)], -1)
    first = speckle()
    before = [80 + (rows - 80) / 0.94, 88 + (columns - 88) / 1.04]
    second = ndimage.map_coordinates(first, before, order=5, mode="nearest")
    error = np.linalg.norm(track(first, second.astype(np.float32)) - truth, axis=-1)[INSIDE, INSIDE]
    assert error.mean() < 0.1 < 0.5 * np.linalg.norm(truth, axis=-1).mean()


def test_gain_and_offset_make_no_difference():
    first, second = speckle(), speckle((1.25, -0.5))
    np.testing.assert_allclose(track(first, 0.5 * second + 0.3), track(first, second), atol=0.01)


@pytest.mark.parametrize("background", [0.0, 0.7])
def test_what_shows_nothing_is_filled_in_from_beside(background):
    image = speckle(shape=(200, 220))
    image[:, :80] = background
    image[80:120, 130:170] = background
    flow = track(image[20:-20, 20:-20], np.roll(image, (-1, 2), (0, 1))[20:-20, 20:-20])
    np.testing.assert_allclose(flow[10:-10, 80:-10], np.broadcast_to((2, -1), flow[10:-10, 80:-10].shape), atol=0.05)
    np.testing.assert_allclose(flow[10:-10, 30:60], np.broadcast_to((2, -1), flow[10:-10, 30:60].shape), atol=0.5)


def test_images_that_show_nothing_do_not_move():
    blank = np.full((2, 64, 48), 0.5, np.float32)
    assert not fft_xcorr(blank, blank).any()
    assert not fft_xcorr(blank, np.stack([speckle(shape=(64, 48))] * 2)).any()


def test_a_batch_is_its_pairs_one_by_one_on_any_thread():
    first = np.stack([speckle(seed=seed) for seed in range(3)])
    second = np.stack([speckle((seed, -0.5), seed=seed) for seed in range(3)])
    together = fft_xcorr(first, second)
    with ThreadPoolExecutor(3) as pool:
        singles = list(pool.map(track, first, second))
    np.testing.assert_array_equal(together, np.stack(singles))


@settings(max_examples=10, deadline=None)
@given(height=st.integers(32, 90), width=st.integers(32, 90))
def test_any_size_from_the_largest_window_up(height, width):
    first, second = (image[:height, :width] for image in (speckle(), speckle((1, 1))))
    flow = track(first, second)
    assert flow.shape == (height, width, 2) and np.isfinite(flow).all()
    if min(height, width) >= 48:
        np.testing.assert_allclose(np.median(flow, axis=(0, 1)), (1, 1), atol=0.1)


def test_correlation_agrees_with_opencv():
    from cpwc_keras.baselines.block_matching import _Grid, _match

    first, second = speckle(), speckle((2.25, 1.5))
    grid = _Grid.over(first.shape, 16)
    guess = np.zeros(grid.corners.shape)
    found, correlation = _match(first, second, grid, guess, 8, both_ways=False)
    for row, column in ((4, 5), (20, 18), (30, 33)):
        x, y = grid.corners[row, column]
        scores = cv2.matchTemplate(
            second[y - 8 : y + 24, x - 8 : x + 24], first[y : y + 16, x : x + 16], cv2.TM_CCOEFF_NORMED
        )
        peak = np.array(np.unravel_index(scores.argmax(), scores.shape))[::-1] - 8
        assert correlation[row, column] == pytest.approx(scores.max(), abs=1e-4)
        assert np.abs(found[row, column] - peak).max() <= 1


def test_it_agrees_with_pymust_and_is_closer_to_the_truth():
    pymust = pytest.importorskip("pymust")
    shift = np.float32((2.25, -1.5))
    first, second = speckle(shape=(96, 96)), speckle(shift, shape=(96, 96))
    parameters = pymust.utils.Param()
    parameters.update(winsize=np.array([[32, 32], [16, 16], [8, 8]]), overlap=75)
    dx, dy, x, y = pymust.sptrack(np.stack([first, second], -1), parameters)
    theirs = np.stack([dx, dy], -1)
    ours = track(first, second)[np.ix_(y[:, 0].astype(int), x[0].astype(int))]
    core = (slice(10, -10), slice(10, -10))
    apart, our_error, their_error = (
        np.linalg.norm(difference[core], axis=-1).mean() for difference in (ours - theirs, ours - shift, theirs - shift)
    )
    assert apart < 0.4 and our_error < their_error


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (np.zeros((1, 31, 64)), np.zeros((1, 31, 64)), r"31 × 64 pixels, expected at least 32 × 32"),
        (np.zeros((1, 64, 64)), np.zeros((1, 64, 65)), r"twice the same"),
        (np.zeros((64, 64)), np.zeros((64, 64)), r"twice the same"),
        (np.full((1, 64, 64), np.nan), np.zeros((1, 64, 64)), r"NaN"),
    ],
)
def test_what_cannot_be_tracked_is_refused(first, second, message):
    with pytest.raises(InputError, match=message):
        fft_xcorr(first, second)
