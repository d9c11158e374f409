"""Points followed from key frames further away than the frame before."""

import numpy as np
import pytest

import cpwc_keras
from cpwc_keras.errors import InputError
from cpwc_keras.tracking.carry import carry
from cpwc_keras.types import CineLoop

POINTS = np.stack([np.linspace(20, 40, 9), np.linspace(30, 20, 9)], -1)
SPEED, BIAS = 2.0, 0.5


def loop(frames: int) -> CineLoop:
    """Each frame holds its own index, so that a tracker can know which pair it is given."""
    index = np.arange(frames, dtype=np.float32)[:, None, None] / 100
    return CineLoop(np.broadcast_to(index, (frames, 64, 64)).copy())


class Biased:
    """Moves everything to the right by `SPEED`, too short by `BIAS` whatever the pair, and remembers the pairs.

    Its two directions agree, but for pairs of which `wrong` says otherwise.
    """

    def __init__(self, wrong=lambda here, there: False):
        self.wrong, self.pairs = wrong, []

    def __call__(self, first, second):
        flows = []
        for a, b in zip(first[:, 0, 0], second[:, 0, 0], strict=True):
            here, there = round(float(a) * 100), round(float(b) * 100)
            sign = np.sign(there - here)
            moved = (there - here) * SPEED - sign * BIAS
            if self.wrong(here, there) and here > there:
                moved += 4
            flows.append(np.broadcast_to([moved, 0], (*first.shape[1:], 2)))
        self.pairs.append((round(float(first[0, 0, 0]) * 100), round(float(second[0, 0, 0]) * 100)))
        return np.stack(flows).astype(np.float32)


def off(carried, start=0):
    """How far the points are from where they should be, in px."""
    time = np.arange(len(carried)) - start
    return np.abs(carried[..., 0] - POINTS[:, 0] - SPEED * time[:, None]).max(axis=1)


@pytest.mark.parametrize("reach", [1, 2, 3, 6])
def test_errors_add_up_once_a_key_frame(reach):
    tracker = Biased()
    carried, missed = carry(loop(13), POINTS, tracker, reach=reach)
    steps = np.ceil(np.arange(13) / reach)
    np.testing.assert_allclose(off(carried), BIAS * steps, atol=1e-4)
    assert not missed.any() and len(tracker.pairs) == 12


def test_from_the_middle_of_a_loop_in_both_directions():
    tracker = Biased()
    carried, _ = carry(loop(9), POINTS, tracker, start=4, reach=3)
    np.testing.assert_allclose(off(carried, 4), BIAS * np.array([2, 1, 1, 1, 0, 1, 1, 1, 2]), atol=1e-4)
    assert tracker.pairs == [(4, 5), (4, 6), (4, 7), (7, 8), (4, 3), (4, 2), (4, 1), (1, 0)]


def test_pairs_that_disagree_are_followed_from_the_frame_before():
    tracker = Biased(lambda here, there: abs(there - here) > 1)
    found, missed = carry(loop(8), POINTS, tracker, reach=3)
    expected, _ = carry(loop(8), POINTS, Biased(), reach=1)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert not missed.any(), "those of the pairs that were followed"
    alone = Biased(lambda here, there: {here, there} == {0, 3})
    carried, _ = carry(loop(8), POINTS, alone, reach=3)
    assert alone.pairs == [(0, 1), (0, 2), (0, 3), (2, 3), (2, 4), (2, 5), (5, 6), (5, 7)]
    np.testing.assert_allclose(off(carried), BIAS * np.array([0, 1, 1, 2, 2, 2, 3, 3]), atol=1e-4)


def test_neighbours_are_estimated_too_where_they_are_asked_for():
    steps = []
    asked, _ = carry(
        loop(7), POINTS, Biased(), reach=3, neighbours=True, on_step=lambda step: steps.append((step.here, step.there))
    )
    plain, _ = carry(loop(7), POINTS, Biased(), reach=3)
    np.testing.assert_array_equal(asked, plain)
    assert {pair for pair in steps if pair[1] - pair[0] == 1} == {(t, t + 1) for t in range(6)}


def test_a_frame_that_repeats_the_one_before_stays_where_that_is():
    images, tracker = loop(7), Biased()
    images.frames[2] = images.frames[1]
    carried, _ = carry(images, POINTS, tracker, reach=3)
    np.testing.assert_array_equal(carried[2], carried[1])
    assert tracker.pairs == [(0, 1), (0, 3), (3, 4), (3, 5), (3, 6)]


def test_only_the_points_that_are_judged_decide():
    def half_wrong(first, second):
        flows = Biased()(first, second)
        if abs(float(first[0, 0, 0] - second[0, 0, 0])) > 0.015:
            flows[1, :, 32:] += 4  # the backward direction, on the right
        return flows

    left, right = POINTS - np.array([18, 0]), POINTS + np.array([14, 0])
    alone, _ = carry(loop(4), left, half_wrong, reach=3)
    judged, _ = carry(loop(4), np.concatenate([left, right]), half_wrong, reach=3, judged=slice(0, len(left)))
    all_of_them, _ = carry(loop(4), np.concatenate([left, right]), half_wrong, reach=3)
    np.testing.assert_allclose(judged[:, : len(left)], alone)
    assert np.abs(all_of_them[:, : len(left)] - alone).max() > BIAS


def test_without_points_the_pairs_are_estimated_all_the_same():
    tracker = Biased()
    carried, missed = carry(loop(5), np.zeros((0, 2)), tracker, reach=3)
    assert carried.shape == missed.shape == (5, 0, 2) and tracker.pairs == [(0, 1), (0, 2), (0, 3), (3, 4)]


def test_numpys_numbers_will_do():
    result = cpwc_keras.track(loop(4), POINTS, Biased(), reach=np.int64(2), es=1)
    assert type(result.reach) is int


@pytest.mark.parametrize("reach", [0, -1, 1.5, True, "3"])
def test_an_impossible_reach_is_refused(reach):
    with pytest.raises(InputError, match="reach"):
        cpwc_keras.track(loop(3), POINTS, Biased(), reach=reach)
