"""Augmented pairs keep their truth: analytic images under analytic affine flows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpwc_keras.data.augmentation import ChairsAugmentation, EchoAugmentation, transform_pair
from cpwc_keras.errors import InputError
from cpwc_keras.fields import pixel_grid, sample_field
from cpwc_keras.types import FramePair

SHAPE = (150, 200)
LINEAR, SHIFT = np.array([[1.03, 0.02], [-0.04, 0.97]]), np.array([2.5, -1.5])


def texture(points):
    x, y = points[..., 0], points[..., 1]
    return (0.5 + 0.2 * np.sin(x / 9 + y / 31) + 0.2 * np.cos(y / 11 - x / 23)).astype(np.float32)


@pytest.fixture(scope="module")
def pair():
    """Image 2 shows image 1 moved by an affine motion."""
    grid = pixel_grid(SHAPE).astype(np.float64)
    flow = (grid @ LINEAR.T + SHIFT - grid).astype(np.float32)
    image2 = texture((grid - SHIFT) @ np.linalg.inv(LINEAR).T)
    return FramePair(texture(grid), image2, flow, np.ones(SHAPE, np.float32), (0.3, 0.3), "affine")


def warp_error(pair):
    """Mean and largest difference between image 1 and image 2 sampled where the flow leads; image 2 in view."""
    warped, weight = sample_field(pair.image2[..., None], pixel_grid(pair.mask.shape) + pair.flow)
    seen = (weight > 0.999) & (pair.mask > 0)
    assert seen.mean() > 0.5
    error = np.abs(warped[..., 0] - pair.image1)[seen]
    return error.mean(), error.max()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_flownet_geometry_keeps_the_pair_warp_consistent(pair, seed):
    geometry = ChairsAugmentation(crop=(120, 140), brightness=0, contrast=(1, 1), noise=0)
    result = geometry.apply(pair, np.random.default_rng(seed))
    assert result.mask.shape == (120, 140)
    assert result.mask.all()  # no invented border is seen
    mean, largest = warp_error(result)
    assert mean < 5e-4
    assert largest < 3e-3


def test_the_flow_is_transformed_to_the_letter(pair):
    """Against the product of the three affine maps."""
    angle = np.deg2rad(30)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    first = np.column_stack([rotation * [-0.7, 0.6], [120, 30]])  # mirrored, turned, magnified
    second = np.column_stack([rotation @ np.diag([-0.72, 0.6]), [121, 28]])
    result = transform_pair(pair, first, second, (80, 90))
    grid = pixel_grid((80, 90)).astype(np.float64)
    source = grid @ first[:, :2].T + first[:, 2]
    ends = (source @ LINEAR.T + SHIFT - second[:, 2]) @ np.linalg.inv(second[:, :2]).T
    known = result.mask > 0
    assert known.mean() > 0.3
    inside = known & (source >= 0).all(-1) & (source <= [SHAPE[1] - 1, SHAPE[0] - 1]).all(-1)
    np.testing.assert_allclose(result.flow[inside], (ends - grid)[inside], atol=1e-3)
    np.testing.assert_allclose(result.image1[inside], texture(source)[inside], atol=1e-3)


def test_an_unknown_flow_stays_unknown_and_does_not_leak(pair):
    mask = np.zeros(SHAPE, np.float32)
    mask[40:100, 50:150] = 1
    flow = np.where(mask[..., None] > 0, np.float32([3, 4]), 0)
    part = FramePair(pair.image1, pair.image2, flow, mask)
    half = np.column_stack([np.eye(2) * 0.5, [30, 30]])
    result = transform_pair(part, half, half, (150, 200))
    known = result.mask > 0
    np.testing.assert_allclose(result.flow[known], np.broadcast_to([6.0, 8.0], (known.sum(), 2)), atol=1e-4)
    assert not result.flow[~known].any()
    # Source pixel centre 50 stands at 40 in the result; the border lies half a source pixel further out.
    assert known[100, 40] and known[100, 39] and not known[100, 38]


def test_nothing_changes_when_nothing_is_asked(pair):
    still = EchoAugmentation(brightness=0, contrast=(1, 1)).apply(pair, np.random.default_rng(0))
    np.testing.assert_allclose(still.image1, pair.image1, atol=1e-6)
    np.testing.assert_array_equal(still.flow, pair.flow)
    plain = ChairsAugmentation(
        crop=SHAPE, translation=0, rotation_degrees=0, scale=(1, 1), flip=False, relative_translation=0,
        relative_rotation_degrees=0, relative_scale=1, brightness=0, contrast=(1, 1), noise=0,
    )  # fmt: skip
    same = plain.apply(pair, np.random.default_rng(0))
    np.testing.assert_allclose(same.image2, pair.image2, atol=1e-6)
    np.testing.assert_allclose(same.flow, pair.flow, atol=1e-4)


@pytest.mark.parametrize("augmentation", [ChairsAugmentation(crop=(120, 140)), EchoAugmentation(crop=(64, 64))])
def test_pure_in_the_generator_bounded_and_without_side_effects(pair, augmentation):
    before = pair.image1.copy()
    one, two, other = (augmentation.apply(pair, np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.image1, two.image1)
    np.testing.assert_array_equal(one.flow, two.flow)
    assert not np.array_equal(one.image1, other.image1)
    np.testing.assert_array_equal(pair.image1, before)
    for result in (one, other):
        for image in (result.image1, result.image2):
            assert image.dtype == np.float32
            assert 0 <= image.min() <= image.max() <= 1
        assert result.flow.dtype == result.mask.dtype == np.float32


def test_echo_changes_both_frames_alike_and_keeps_the_geometry(pair):
    result = EchoAugmentation(brightness=0.02, contrast=(0.8, 1.2)).apply(pair, np.random.default_rng(3))
    assert result.flow is pair.flow
    assert result.spacing_mm == pair.spacing_mm
    assert np.abs(result.image1 - pair.image1).max() > 1e-3
    # One straight line takes the grays of both frames to their new ones.
    slope, offset = np.polyfit(pair.image1.ravel(), result.image1.ravel(), 1)
    np.testing.assert_allclose(slope * pair.image2 + offset, result.image2, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 149), st.integers(0, 199))
def test_the_echo_crop_always_holds_some_of_the_mask(seed, row, column):
    flow, mask = np.zeros((*SHAPE, 2), np.float32), np.zeros(SHAPE, np.float32)
    mask[row, column], flow[row, column] = 1, (3, 4)
    image = np.random.default_rng(seed).random(SHAPE, np.float32)
    crop = EchoAugmentation(brightness=0, contrast=(1, 1), crop=(64, 48))
    result = crop.apply(FramePair(image, image, flow, mask), np.random.default_rng(seed))
    assert result.mask.shape == (64, 48)
    assert result.mask.sum() == 1
    np.testing.assert_array_equal(result.flow[result.mask > 0], [[3, 4]])
    np.testing.assert_allclose(result.image1[result.mask > 0], image[row, column], atol=1e-6)


def test_the_echo_crop_of_a_small_image_is_continued_in_black(pair):
    crop = EchoAugmentation(brightness=0, contrast=(1, 1), crop=(192, 128))
    result = crop.apply(pair, np.random.default_rng(0))
    assert result.image1.shape == (192, 128)
    np.testing.assert_allclose(result.image1[150:], 0, atol=1e-6)
    assert not result.mask[150:].any()
    assert result.mask[:150].all()


def test_the_echo_crop_without_a_mask_is_still_a_crop(pair):
    empty = FramePair(pair.image1, pair.image2, np.zeros_like(pair.flow), np.zeros_like(pair.mask))
    assert EchoAugmentation(crop=(64, 64)).apply(empty, np.random.default_rng(0)).mask.shape == (64, 64)


def test_images_smaller_than_the_pretraining_crop_are_refused(pair):
    with pytest.raises(InputError, match=r"200×150 pixels are smaller than the training crop of 448×384"):
        ChairsAugmentation().apply(pair, np.random.default_rng(0))
