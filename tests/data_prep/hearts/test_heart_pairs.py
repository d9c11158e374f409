"""Simulated hearts for training: their motion is the images' motion, and each pair follows from its index alone."""

import functools
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "simulation"))
from beating_ring import beating_ring

from cpwc_keras.data.pairs import PairPolicy
from cpwc_keras.data_prep.hearts import HeartPairs, SceneSettings
from cpwc_keras.data_prep.hearts.scene import _scan, simulate_scene
from cpwc_keras.data_prep.simulation.surrogate import widest_pitch_mm
from cpwc_keras.data_prep.simulation.template import TemplateItem
from cpwc_keras.errors import InputError
from cpwc_keras.fields import pixel_grid
from cpwc_keras.mesh import carry_points

CLEAN = SceneSettings(
    frames=4, frames_per_beat=(12, 16), artifacts=0.0, decorrelation=0.0, replacement=0.0, noise=(1e-5, 2e-5)
)


def small_ring(seed, frames):
    """A ring 40 mm deep that gets smaller by a quarter, in tissue of the brightness that `seed` draws."""
    level = 0.3 + 0.3 * np.random.default_rng(seed).random()
    return beating_ring(frames, motion=0.25, brightness=level)


def item(name="ring"):
    return TemplateItem(name, name, "train", "procedural", small_ring)


def pairs(**changes):
    changes = {
        "settings": CLEAN,
        "crop": (64, 64),
        "pixel_mm": (0.3, 0.5),
        "window": 3,
        "pairs_per_scene": 4,
        **changes,
    }
    return HeartPairs(([item("one"), item("two")],), **changes)


def warped_difference(pair):
    """Mean absolute difference in the wall between image 1 and image 2 as it is, and brought back by the flow."""
    places = (pixel_grid(pair.mask.shape) + pair.flow).astype(np.float32)
    back = cv2.remap(pair.image2, places, None, cv2.INTER_LINEAR)
    inner = cv2.erode(pair.mask, np.ones((5, 5)), borderValue=0) > 0
    inner &= (places > 2).all(-1) & (places < 61).all(-1)
    return np.abs(pair.image2 - pair.image1)[inner], np.abs(back - pair.image1)[inner]


def test_warping_by_the_flow_brings_the_second_image_to_the_first():
    stream, before, after = pairs(seed=3, shaken=0.5), [], []
    for index in range(24):
        one, other = warped_difference(stream.sample(index))
        before.append(one)
        after.append(other)
    before, after = np.concatenate(before).mean(), np.concatenate(after).mean()
    assert after < 0.55 * before


def test_each_pair_follows_from_seed_and_index_alone():
    forwards, backwards = pairs(seed=1), pairs(seed=1)
    first = [forwards.sample(index) for index in range(9)]
    second = [backwards.sample(index) for index in reversed(range(9))][::-1]
    for one, other in zip(first, second, strict=True):
        for name in ("image1", "image2", "flow", "mask"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    other_seed = pairs(seed=2).sample(0)
    assert (other_seed.image1 != first[0].image1).any()
    assert {pair.name.split()[0] for pair in first} == {"one", "two"}


def test_other_processes_give_the_same_pairs():
    here, there = pairs(seed=5), replace(pairs(seed=5), processes=1)
    for index in (0, 7):
        np.testing.assert_array_equal(here.sample(index).image2, there.sample(index).image2)


def test_flow_is_that_of_the_mesh_when_nothing_is_turned():
    """Crops of one scale: the flow at a pixel is the displacement the mesh gives it, scaled."""
    stream = pairs(seed=4, pixel_mm=(0.2, 0.2), turn_deg=0.0, shaken=0.0, policy=PairPolicy((1,), "forward"))
    pair = stream.sample(0)
    scenes = [stream.scene(number) for number in range(2)]
    rows, columns = np.nonzero(cv2.erode(pair.mask, np.ones((9, 9)), borderValue=0))
    length = np.linalg.norm(pair.flow[rows, columns], axis=-1)
    possible = []
    for scene in scenes:
        for first, second in ((0, 2), (1, 3)):
            # 0.4 mm to 0.2 mm pixels: twice the displacement.
            moved = np.linalg.norm(scene.mesh[second] - scene.mesh[first], axis=-1) * 2
            possible.append((moved.min() - 1e-3 <= length.min()) and (length.max() <= moved.max() + 1e-3))
    assert any(possible)
    assert pair.spacing_mm == (0.2, 0.2)


@pytest.mark.parametrize("moving", [0.0, 1.0])
def test_beside_the_wall_its_motion_is_taught_where_nothing_else_is_known(moving):
    settings = replace(CLEAN, moving=moving)
    for index in (0, 5):
        alone, beside = (pairs(seed=6, settings=settings, beyond_mm=width).sample(index) for width in (0.0, 3.0))
        np.testing.assert_array_equal(beside.image1, alone.image1)
        known, band = alone.mask > 0, (beside.mask > 0) & (alone.mask == 0)
        np.testing.assert_array_equal(beside.flow[known], alone.flow[known])
        assert (beside.mask[known] == 1).all() and (moving or band.any())
        wall = np.argwhere(known)
        for place in np.argwhere(band)[::37]:
            away = np.linalg.norm(wall - place, axis=1)
            assert away.min() * alone.spacing_mm[0] < 3.2
            nearest = alone.flow[tuple(wall[away < away.min() + 1.5].T)]  # the distance is that of a 5 × 5 mask
            assert np.linalg.norm(nearest - beside.flow[tuple(place)], axis=1).min() < 1e-5


def test_a_scene_shows_its_mesh_and_the_wall_beyond_the_annulus():
    scene = simulate_scene(item(), CLEAN, [0])
    assert scene.frames.dtype == np.uint8 and scene.frames.shape[0] == 4
    assert scene.mesh.shape[1] > 36  # atrial wall at both ends
    beyond = (scene.mesh.shape[1] - 36) // 2
    ring = scene.mesh[:, beyond : beyond + 36]
    assert np.isfinite(carry_points(ring[0], ring[1], ring[0, 5:30, 2])).all()
    assert not scene.frames[:, ~scene.sector].any()


def test_artifacts_stand_still_and_losses_change_the_speckle():
    """With a still template, frames differ by noise alone; with losses by more."""
    still = TemplateItem("still", "still", "train", "procedural", functools.partial(_still))
    same = simulate_scene(still, replace(CLEAN, artifacts=1.0), [1])
    lossy = [simulate_scene(still, replace(CLEAN, decorrelation=0.5), [seed]) for seed in range(6)]
    assert np.quantile(_change(same), 0.9) <= 1
    assert max(_change(scene).mean() for scene in lossy) > 20 * _change(same).mean()  # half of them lose some


def test_plain_scenes_are_the_paper_s():
    """Speckle that lasts, no noise, the paper's gray scale: only the wall's motion changes anything."""
    still = TemplateItem("still", "still", "train", "procedural", functools.partial(_still))
    wild = replace(CLEAN, decorrelation=0.5, replacement=0.5, noise=(0.01, 0.02), moving=0.0)
    for seed in range(3):
        plain = simulate_scene(still, replace(wild, plain=1.0), [seed])
        assert np.abs(np.diff(plain.frames.astype(int), axis=0)).max() <= 1
        assert _change(simulate_scene(still, wild, [seed])).mean() > 1


def _change(scene):
    return np.abs(np.diff(scene.frames.astype(int), axis=0))[:, _core(scene)]


def _core(scene):
    """(H, W) bool: the middle of the wall, away from the blood, whose speckle may change in any scene."""
    nodes = scene.mesh[0, :, 2:4].reshape(-1, 2).round().astype(int)
    core = np.zeros(scene.sector.shape, bool)
    inside = (nodes >= 0).all(-1) & (nodes < scene.sector.shape[::-1]).all(-1)
    core[nodes[inside, 1], nodes[inside, 0]] = True
    return core & scene.sector


def _still(seed, frames):
    return beating_ring(frames, motion=0.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"groups": ()}, "no heart"),
        ({"groups": ([],)}, "no heart"),
        ({"settings": SceneSettings(frames=3), "policy": PairPolicy((0, 2))}, "scenes of 4 frames"),
    ],
)
def test_what_cannot_be_drawn_is_refused(changes, words):
    with pytest.raises(InputError, match=words):
        HeartPairs(**{"groups": ([item()],), **changes})


def _broken(seed, frames):
    raise InputError("it holds nothing.")


def test_a_heart_that_cannot_be_simulated_gives_place_to_another():
    broken = TemplateItem("broken", "broken", "train", "procedural", _broken)
    stream = replace(pairs(), groups=([item("whole"), broken],))
    with pytest.warns(UserWarning, match="broken is left out: it holds nothing"):
        names = {stream.scene(number).name for number in range(6)}
    assert names == {"whole"}
    with pytest.warns(UserWarning), pytest.raises(InputError, match="holds nothing"):
        replace(pairs(), groups=([broken],)).scene(0)


def test_wide_sectors_get_a_probe_without_grating_lobes():
    for depth in range(60, 300, 10):
        for sector in range(40, 126, 5):
            wide = replace(small_ring(0, 1), depth_mm=float(depth), sector_deg=float(sector))
            scan, transducer = _scan(wide)
            assert transducer.pitch_mm <= widest_pitch_mm(transducer, scan)
