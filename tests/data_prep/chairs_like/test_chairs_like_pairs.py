"""Pairs like FlyingChairs': repeatable, moving exactly as their flow says, and distributed like the real ones."""

import cv2
import numpy as np
import pytest

from cpwc_keras.data import chairs
from cpwc_keras.data_prep.chairs_like import ChairsLikePairs, ChairsLikeSettings
from cpwc_keras.data_prep.chairs_like.scene import Scene
from cpwc_keras.errors import InputError
from cpwc_keras.fields import pixel_grid
from cpwc_keras.io.flow_files import read_flow
from cpwc_keras.io.images import read_image

EXPLAINED = 0.04
"""Largest difference of gray between a pixel and where its flow leads that counts as the same surface."""


def residuals(image1, image2, flow, known=None):
    """|image 2 at p + flow(p) - image 1 at p|, where that is inside."""
    place = pixel_grid(flow.shape[:2]) + flow
    warped = cv2.remap(image2, place[..., 0], place[..., 1], cv2.INTER_CUBIC)
    height, width = image1.shape
    inside = (place >= 0).all(-1) & (place[..., 0] <= width - 1) & (place[..., 1] <= height - 1)
    return np.abs(warped - image1)[inside if known is None else inside & known]


def statistics(image):
    """Mean, standard deviation, mean length of the gradient."""
    gradient = np.hypot(np.diff(image, axis=1)[:-1], np.diff(image, axis=0)[:, :-1])
    return np.array([image.mean(), image.std(), gradient.mean()])


@pytest.fixture(scope="module")
def pairs():
    source = ChairsLikePairs(ChairsLikeSettings(size=(192, 256)), seed=5)
    return [source.sample(index) for index in range(30)]


@pytest.fixture(scope="module")
def real(shared_data):
    return [item.read() for item in chairs.find(shared_data / "flyingchairs")]


def test_a_chairs_like_pair_is_a_pure_function_of_seed_and_index(pairs):
    again = ChairsLikePairs(ChairsLikeSettings(size=(192, 256)), seed=5).sample(7)
    for name in ("image1", "image2", "flow", "mask"):
        np.testing.assert_array_equal(getattr(again, name), getattr(pairs[7], name))
    other = ChairsLikePairs(ChairsLikeSettings(size=(192, 256)), seed=6).sample(7)
    assert not np.array_equal(other.image1, again.image1)


def test_chairs_like_pairs_keep_the_conventions(pairs):
    for pair in pairs:
        assert pair.image1.shape == (192, 256) and pair.flow.shape == (192, 256, 2) and (pair.mask == 1).all()
        for array in (pair.image1, pair.image2, pair.flow, pair.mask):
            assert array.dtype == np.float32 and np.isfinite(array).all()
        for image in (pair.image1, pair.image2):
            assert image.min() >= 0 and image.max() <= 1
            np.testing.assert_array_equal(image, np.rint(image * 255).astype(np.float32) / np.float32(255))


def test_the_flow_of_every_layer_is_its_motion():
    """At every pixel it is the closed form of one of them, bumps included."""
    scene = Scene.draw(ChairsLikeSettings(size=(96, 128), deforming=1.0, objects=(8, 8)), np.random.default_rng(3))
    grid = pixel_grid((96, 128)).reshape(-1, 2).astype(float)
    pair = scene.render("")
    found = np.zeros(len(grid), bool)
    for layer in scene.layers:
        found |= np.abs(layer.motion(grid) - grid - pair.flow.reshape(-1, 2)).max(-1) < 1e-3
    assert found.all()
    assert any(len(layer.motion.bumps) and layer.motion.reach > 0.5 for layer in scene.layers)


def test_without_objects_the_second_image_moved_by_the_flow_is_the_first():
    """Nothing hides anything: only interpolation remains."""
    source = ChairsLikePairs(ChairsLikeSettings(size=(128, 160), objects=(0, 0)), seed=2)
    for index in range(12):
        pair = source.sample(index)
        assert np.median(residuals(pair.image1, pair.image2, pair.flow)) < 0.012


def test_deforming_objects_do_not_fold():
    scenes = [
        Scene.draw(ChairsLikeSettings(deforming=1.0, deformation=1000.0), np.random.default_rng(seed))
        for seed in range(4)
    ]
    for layer in (layer for scene in scenes for layer in scene.layers[1:]):
        points = np.array(layer.centre) + np.random.default_rng(0).uniform(-100, 100, (400, 2))
        step = 1e-3
        right = (layer.motion(points + np.array([step, 0])) - layer.motion(points)) / step
        down = (layer.motion(points + np.array([0, step])) - layer.motion(points)) / step
        assert (right[:, 0] * down[:, 1] - right[:, 1] * down[:, 0]).min() > 0.1


def test_the_flow_explains_as_much_as_that_of_real_pairs(pairs, real, shared_data):
    """The share of pixels whose surface is where the flow says: the rest is hidden in image 2."""
    ours = [(residuals(p.image1, p.image2, p.flow) < EXPLAINED).mean() for p in pairs]
    chairs_share = [(residuals(p.image1, p.image2, p.flow) < EXPLAINED).mean() for p in real]
    middlebury = []
    for folder in ("Dimetrodon", "RubberWhale", "Venus"):
        root = shared_data / "middlebury" / folder
        flow, mask = read_flow(root / "flow10.flo")
        images = [read_image(root / name) for name in ("frame10.png", "frame11.png")]
        middlebury.append((residuals(*images, flow, mask > 0) < EXPLAINED).mean())
    assert min(np.mean(chairs_share), np.mean(middlebury)) - 0.06 < np.mean(ours) <= 1
    backwards = [(residuals(p.image1, p.image2, -p.flow) < EXPLAINED).mean() for p in pairs]
    assert np.mean(backwards) < np.mean(ours) - 0.15


def test_displacements_are_distributed_as_in_flyingchairs(real):
    source = ChairsLikePairs(ChairsLikeSettings(size=(96, 128)), seed=11)
    lengths = np.concatenate([np.hypot(*source.sample(n).flow[::2, ::2].reshape(-1, 2).T) for n in range(250)])
    lengths = lengths / source.settings.length_scale
    theirs = np.concatenate([np.hypot(*pair.flow.reshape(-1, 2).T) for pair in real])
    assert 9.5 < lengths.mean() < 15 and abs(lengths.mean() - theirs.mean()) < 4
    assert np.median(lengths) == pytest.approx(np.median(theirs), abs=2.5)
    assert 22 < np.percentile(lengths, 90) < 42
    assert 55 < np.percentile(lengths, 99) < 110
    assert 0.2 < (lengths < 2).mean() < 0.4  # real: 0.31


@pytest.mark.parametrize("with_photos", (False, True))
def test_images_have_the_statistics_of_real_ones(real, shared_data, with_photos):
    photos = str(shared_data / "photos") if with_photos else None
    source = ChairsLikePairs(ChairsLikeSettings(photos=photos), seed=1)
    ours = np.array([statistics(source.sample(n).image1) for n in range(20)])
    theirs = np.array([statistics(pair.image1) for pair in real])
    low, high = theirs.min(0), theirs.max(0)
    inside = ((ours.mean(0) > 0.6 * low) & (ours.mean(0) < 1.2 * high)).all()
    assert inside, (ours.mean(0), low, high)


def test_the_scene_scales_with_the_images():
    small = ChairsLikePairs(ChairsLikeSettings(size=(96, 128)), seed=4).sample(3)
    large = ChairsLikePairs(ChairsLikeSettings(size=(192, 256)), seed=4).sample(3)
    np.testing.assert_allclose(2 * np.median(small.flow, (0, 1)), np.median(large.flow, (0, 1)), atol=0.3)
    cropped = ChairsLikeSettings(size=(96, 128), scale=1.0)
    assert cropped.length_scale == 1 and ChairsLikeSettings(size=(96, 128)).length_scale == 0.25


def test_no_motion_gives_equal_images():
    source = ChairsLikePairs(ChairsLikeSettings(size=(64, 96), motion=0.0), seed=1)
    for index in range(4):
        pair = source.sample(index)
        assert np.abs(pair.flow).max() < 1e-4
        assert np.abs(pair.image1 - pair.image2).max() <= 1.01 / 255


def test_a_folder_of_photographs_that_cannot_be_used(tmp_path):
    def sample(folder):
        return ChairsLikePairs(ChairsLikeSettings(size=(64, 64), photos=str(folder))).sample(0)

    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/a.png").write_bytes(b"no picture")
    (tmp_path / "tiny").mkdir()
    cv2.imwrite(str(tmp_path / "tiny/a.png"), np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match=r"empty: found no picture, expected photographs"):
        sample(tmp_path / "empty")
    with pytest.raises(InputError, match=r"file: found a file, expected a folder"):
        sample(tmp_path / "file")
    with pytest.raises(InputError, match=r"nowhere: found no such folder"):
        sample(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"a\.png: found no image"):
        sample(tmp_path / "broken")
    with pytest.raises(InputError, match=r"a picture of 4×4 pixels"):
        sample(tmp_path / "tiny")


@pytest.mark.parametrize("wrong", ({"size": (8, 64)}, {"scale": 0.0}, {"objects": (5, 2)}, {"motion": -1.0}))
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=r"\.$"):
        ChairsLikeSettings(**wrong)
