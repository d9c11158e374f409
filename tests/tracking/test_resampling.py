"""Loops with pixels that a network never saw are shown to it on another grid, and results come back on their own."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpwc_keras.tracking.cine import track
from cpwc_keras.tracking.familiarity import familiar_spacing
from cpwc_keras.tracking.pair import NetworkTracker
from cpwc_keras.tracking.resampling import resampled
from cpwc_keras.types import CineLoop

RANGES = {"pixel_spacing_mm": (0.25, 1.0)}
ARCH = np.array([[20.0, 60], [22, 30], [40, 15], [58, 30], [60, 60]])


def loop(spacing, frames=3, shape=(80, 96)):
    index = np.arange(frames, dtype=np.float32)[:, None, None] / 10
    return CineLoop(np.broadcast_to(index, (frames, *shape)).copy(), spacing)


@pytest.mark.parametrize(
    "spacing, expected",
    [
        ((0.2, 0.2), None),
        ((1.25, 0.3), None),
        (None, None),
        ((0.1, 0.1), 0.5),
        ((1.3, 1.3), 0.5),
        ((0.5, 1.4), 0.5),
        ((3.0, 3.0), 1.0),
    ],
)
def test_pixels_that_a_network_should_be_shown(spacing, expected):
    assert familiar_spacing(spacing, RANGES) == (expected and pytest.approx(expected))
    assert familiar_spacing(spacing, None) is None


def test_a_familiar_loop_is_the_same_one():
    given_loop = loop((0.5, 0.5))
    grid = resampled(given_loop, None)
    assert grid.loop is given_loop and not grid.changed
    assert grid.points(ARCH) is ARCH and grid.points_back(ARCH) is ARCH


@settings(max_examples=30, deadline=None)
@given(
    spacing=st.tuples(st.floats(0.1, 3), st.floats(0.1, 3)),
    pixel_mm=st.floats(0.1, 3),
    points=st.lists(st.tuples(st.floats(-50, 150), st.floats(-50, 150)), min_size=1, max_size=5),
)
def test_there_and_back(spacing, pixel_mm, points):
    points = np.array(points)
    original = loop(spacing)
    grid = resampled(original, pixel_mm)
    np.testing.assert_allclose(grid.points_back(grid.points(points)), points, atol=1e-9)
    extent = np.array(grid.loop.frames.shape[1:]) * grid.loop.spacing_mm
    np.testing.assert_allclose(extent, np.array(original.frames.shape[1:]) * spacing)
    assert grid.loop.frames.dtype == np.float32 and 0 <= grid.loop.frames.min() <= grid.loop.frames.max() <= 1


def test_points_lie_where_the_image_went():
    """A disc's centre of mass moves as its centre does."""
    frames = np.zeros((1, 81, 97), np.float32)
    cv2.circle(frames[0], (40, 30), 12, 1.0, -1, cv2.LINE_AA)
    for pixel_mm in (0.4, 1.7):
        grid = resampled(CineLoop(frames, (1.0, 1.0)), pixel_mm)
        image = grid.loop.frames[0]
        centre = np.array([np.average(axis, weights=image) for axis in np.indices(image.shape)[::-1]])
        np.testing.assert_allclose(centre, grid.points(np.array([40.0, 30.0])), atol=0.02)


class Constant:
    """A network that sees the same shift in its own pixels, whatever it is shown."""

    def __init__(self):
        self.shapes = set()

    def predict_on_batch(self, images):
        first, second = (batch[:, 0, 0, 0] for batch in images)
        self.shapes.add(images[0].shape[1:3])
        shift = np.sign(second - first)[:, None, None, None] * np.array([2.0, -1.0])
        return np.broadcast_to(shift, (*images[0].shape[:3], 2)).copy()


@pytest.mark.parametrize("keep_flow", [False, True])
def test_motion_comes_back_in_the_pixels_of_the_loop(keep_flow):
    model = Constant()
    tracker = NetworkTracker(model, "constant", RANGES)
    result = track(loop((1.5, 1.5)), ARCH, tracker, n_points=None, es=1, reach=1, keep_flow=keep_flow)
    expected = ARCH + np.arange(3)[:, None, None] * np.array([2.0, -1.0]) / 3
    np.testing.assert_allclose(result.points, expected, atol=1e-4)
    assert result.spacing_mm == (1.5, 1.5)
    assert "for it, the images were resampled to 0.5 mm." in result.notes[0]
    if keep_flow:
        assert model.shapes == {(240, 288)} and result.flows.shape == (2, 80, 96, 2)
        np.testing.assert_allclose(result.flows, np.broadcast_to([2 / 3, -1 / 3], result.flows.shape), atol=1e-5)


def test_other_trackers_see_the_loop_as_it_is():
    seen = set()

    def tracker(first, second):
        seen.add(first.shape[1:])
        return np.zeros((*first.shape, 2), np.float32)

    result = track(loop((1.5, 1.5)), ARCH, tracker, es=1)
    assert seen == {(80, 96)} and result.notes == ()
