"""Clicks are simulated as the events that Matplotlib would send."""

import json

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.backend_bases import KeyEvent, MouseEvent, NavigationToolbar2

from cpwc_keras.errors import InputError
from cpwc_keras.io.contour_import import click_contour, contour_from_clicks
from cpwc_keras.types import CineLoop

ANGLE = np.linspace(np.pi, 2 * np.pi, 7)
ARCH = np.stack([60 + 30 * np.cos(ANGLE), 80 + 60 * np.sin(ANGLE)], -1)
FRAMES = np.random.default_rng(0).random((4, 100, 120), np.float32)


@pytest.fixture(autouse=True)
def agg():
    with mpl.rc_context():
        pyplot.switch_backend("agg")
        yield
        pyplot.close("all")


def send(clicks, kind, at, button=1, offset=(0, 0)):
    canvas = clicks.figure.canvas
    x, y = clicks.axes.transData.transform(at) + offset
    canvas.callbacks.process(f"{kind}_event", MouseEvent(f"{kind}_event", canvas, x, y, button))


def click(clicks, at, button=1, offset=(0, 0)):
    send(clicks, "button_press", at, button, offset)
    send(clicks, "button_release", at, button, offset)


def press(clicks, key):
    clicks.figure.canvas.callbacks.process("key_press_event", KeyEvent("key_press_event", clicks.figure.canvas, key))


def drawn(points=ARCH, loop=FRAMES[0], frame=None):
    clicks = click_contour(loop, frame)
    clicks.figure.canvas.draw()  # lays out the axes
    for point in points:
        click(clicks, point)
    return clicks


def test_clicks_are_points_in_pixels_and_the_curve_grows():
    clicks = drawn((), CineLoop(FRAMES, ed=2))
    assert clicks.points.shape == (0, 2) and clicks.frame == 2 and "septal base" in clicks.axes.get_title()
    lengths = []
    for point in ARCH:
        click(clicks, point)
        lengths.append(len(clicks.axes.lines[0].get_xdata()))
    np.testing.assert_allclose(clicks.points, ARCH, atol=1e-6)
    assert lengths == [0, *[200] * 6]
    curve = np.stack(clicks.axes.lines[0].get_data(), -1)
    ellipse = ((curve - [60, 80]) / [30, 60]) ** 2
    np.testing.assert_allclose(ellipse.sum(-1), 1, atol=0.05)
    np.testing.assert_allclose(curve[[0, -1]], ARCH[[0, -1]], atol=1e-6)


def test_dragging_moves_a_point_and_adds_none():
    clicks = drawn()
    send(clicks, "button_press", ARCH[3], offset=(4, -3))
    send(clicks, "motion_notify", [62.0, 15.0])
    send(clicks, "motion_notify", [63.0, 12.0])
    send(clicks, "button_release", [63.0, 12.0])
    send(clicks, "motion_notify", [20.0, 20.0])
    assert len(clicks.points) == 7
    np.testing.assert_allclose(clicks.points[3], [63, 12], atol=1e-6)


def test_right_click_and_backspace_remove():
    clicks = drawn()
    click(clicks, ARCH[2], button=3, offset=(5, 5))
    np.testing.assert_allclose(clicks.points, np.delete(ARCH, 2, axis=0), atol=1e-6)
    click(clicks, [100.0, 20.0], button=3)
    press(clicks, "a")
    assert len(clicks.points) == 6
    for left in (5, 4, 3, 2, 1, 0, 0):
        press(clicks, "backspace")
        assert len(clicks.points) == left


def test_clicks_outside_and_those_of_the_toolbar_are_not_taken():
    clicks = drawn()
    click(clicks, [-300.0, 50.0])
    toolbar = NavigationToolbar2(clicks.figure.canvas)
    toolbar.pan()
    click(clicks, [100.0, 20.0])
    assert len(clicks.points) == 7
    toolbar.pan()
    click(clicks, [119.4, -0.4])
    np.testing.assert_allclose(clicks.points[-1], [119, 0], atol=1e-6)


def test_what_is_saved_is_a_contour_file(tmp_path):
    clicks = drawn(loop=CineLoop(FRAMES, ed=1), frame=3)
    clicks.save(tmp_path / "ed.json")
    content = json.loads((tmp_path / "ed.json").read_text())
    assert content["frame"] == 3 and content["image_size"] == [100, 120] and content["note"] == "Drawn by clicks."
    np.testing.assert_allclose(content["points"], ARCH, atol=1e-3)
    assert contour_from_clicks(clicks).frame == 3


def test_too_few_clicks_and_a_crossing_are_one_sentence(tmp_path):
    for points, found in ((ARCH[:1], "one point"), ([[20, 20], [80, 80], [80, 20], [20, 80]], "crosses itself")):
        with pytest.raises(InputError, match=found):
            drawn(points).save(tmp_path / "ed.json")
    assert not list(tmp_path.iterdir())


def test_pixels_have_the_shape_of_the_tissue():
    assert click_contour(CineLoop(FRAMES, (0.6, 0.3))).axes.get_aspect() == pytest.approx(2)


def test_a_frame_beyond_the_loop_and_a_stack_without_a_loop():
    with pytest.raises(InputError, match="no frame 4: the loop has the frames 0-3"):
        click_contour(CineLoop(FRAMES), 4)
    with pytest.raises(InputError, match=r"got an array of shape \(4, 100, 120\)"):
        click_contour(FRAMES)
