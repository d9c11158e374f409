"""Procedural speckle: repeatable, statistically speckle, and moving as its flow says."""

import numpy as np
import pytest

from cpwc_keras.data_prep.speckle import SpecklePairs, SpeckleSettings
from cpwc_keras.data_prep.speckle.beams import BeamSpace
from cpwc_keras.data_prep.speckle.scene import DENSITY_PER_MM2, Scene
from cpwc_keras.ops import warp


@pytest.fixture(scope="module")
def pairs():
    source = SpecklePairs(SpeckleSettings(size=(96, 128)), seed=5)
    return [source.sample(index) for index in range(24)]


def test_a_pair_is_a_pure_function_of_seed_and_index(pairs):
    again = SpecklePairs(SpeckleSettings(size=(96, 128)), seed=5).sample(7)
    for name in ("image1", "image2", "flow", "mask"):
        np.testing.assert_array_equal(getattr(again, name), getattr(pairs[7], name))
    other = SpecklePairs(SpeckleSettings(size=(96, 128)), seed=6).sample(7)
    assert not np.array_equal(other.image1, again.image1)


def test_pairs_keep_the_conventions(pairs):
    for pair in pairs:
        assert pair.image1.shape == (96, 128) and pair.flow.shape == (96, 128, 2)
        for array in (pair.image1, pair.image2, pair.flow, pair.mask):
            assert array.dtype == np.float32 and np.isfinite(array).all()
        for image in (pair.image1, pair.image2):
            assert image.min() >= 0 and image.max() <= 1
        assert set(np.unique(pair.mask)) <= {0, 1} and pair.mask.mean() > 0.05
        assert (pair.flow[pair.mask == 0] == 0).all() and (pair.image1[pair.mask == 0] == 0).all()


def test_the_flow_is_the_motion_of_the_speckle(pairs):
    """In the pairs that move, warping image 2 by the flow makes it more like image 1; by its opposite, less."""
    gains, losses = [], []
    for pair in pairs:
        known = pair.mask > 0
        known[:8] = known[-8:] = known[:, :8] = known[:, -8:] = False
        if known.sum() < 500 or np.hypot(*pair.flow[known].T).mean() < 0.7:
            continue

        def likeness(image, pair=pair, known=known):
            return np.corrcoef(pair.image1[known], image[known])[0, 1]

        def warped(sign, pair=pair):
            return np.asarray(warp(pair.image2[None, ..., None], sign * pair.flow[None]))[0, ..., 0]

        gains.append(likeness(warped(1)) - likeness(pair.image2))
        losses.append(likeness(warped(-1)) - likeness(pair.image2))
    assert len(gains) >= 8
    assert np.mean(gains) > 0.02 > -0.02 > np.mean(losses)


def test_the_flow_is_the_displacement_of_the_scatterers():
    """The dense flow is the closed form that moves the scatterers, in pixels: no interpolation in between."""
    rng = np.random.default_rng(0)
    scene = Scene.draw(SpeckleSettings(size=(32, 32)), rng)
    pair = scene.render(rng, "")
    inside = np.argwhere(pair.mask > 0)[::37]
    place = scene.grid()[tuple(inside.T)]
    np.testing.assert_allclose(pair.flow[tuple(inside.T)] * scene.spacing, scene.motion(place), atol=1e-4)


def test_tissue_is_fully_developed_speckle():
    """Rayleigh envelope: mean over standard deviation 1.91."""
    settings = SpeckleSettings(size=(64, 64), spacing_mm=(0.5, 0.5))
    ratios = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        scene = Scene.draw(settings, rng)
        grid = scene.grid()
        radius, angle = np.hypot(grid[..., 0], grid[..., 1]), np.arctan2(grid[..., 0], grid[..., 1])
        beams = BeamSpace.draw(
            scene.spacing, scene.depth, scene.half_angle, np.zeros((64, 64, 2), np.float32), radius, angle, rng
        )
        low, high = scene.origin - beams.margin, scene.origin + 32 + beams.margin
        points = rng.uniform(low, high, (int(DENSITY_PER_MM2 * np.prod(high - low)), 2))
        envelope = beams.to_pixels(np.abs(beams.spread(points, rng.standard_normal(len(points)))).astype(np.float32))
        # Depth changes the number of scatterers in a beam; a small patch does not see it.
        patch = envelope[16:48, 16:48][radius[16:48, 16:48] > 20]
        if patch.size:
            ratios.append(patch.mean() / patch.std())
    assert np.mean(ratios) == pytest.approx(1.91, abs=0.15)


def test_zero_motion_gives_zero_flow():
    source = SpecklePairs(SpeckleSettings(size=(64, 64), motion_mm=0.0), seed=1)
    for index in range(4):
        assert np.abs(source.sample(index).flow).max() == 0
