import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpwc_keras.errors import InputError
from cpwc_keras.io.contours import Contour, check_against, check_points, read_contour, resample, write_contour
from cpwc_keras.types import CineLoop

ARCH = np.array([[20.0, 80.0], [15.0, 40.0], [40.0, 10.0], [65.0, 40.0], [60.0, 80.0]])
VALID = {"format": "cpwc-keras contour", "version": 1, "frame": 2, "image_size": [100, 90], "points": ARCH.tolist()}


def loop(frames=5, height=100, width=90):
    return CineLoop(np.zeros((frames, height, width), np.float32))


def test_round_trip(tmp_path):
    write_contour(tmp_path / "c.json", Contour(ARCH, 3, (100, 90), 4, "by eye"))
    read = read_contour(tmp_path / "c.json")
    np.testing.assert_array_equal(read.points, ARCH)
    assert (read.frame, read.image_size, read.es_frame, read.note) == (3, (100, 90), 4, "by eye")
    assert json.loads((tmp_path / "c.json").read_text())["closed"] is False


def test_optional_keys_may_be_absent(tmp_path):
    minimal = {key: VALID[key] for key in ("format", "version", "points")}
    (tmp_path / "c.json").write_text(json.dumps(minimal))
    read = read_contour(tmp_path / "c.json")
    assert (read.frame, read.image_size, read.es_frame, read.note) == (0, None, None, "")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"points": [[1, 2]]}, "one point"),
        ({"points": []}, "shape"),
        ({"points": [[1, 2], [float("nan"), 3]]}, "NaN"),
        ({"points": [[1, 2], [3]]}, "no list of points"),
        ({"points": [[1, "x"], [3, 4]]}, "no list of points"),
        ({"points": [[1, 2, 3], [4, 5, 6]]}, "shape"),
        ({"points": [[0, 0], [10, 10], [10, 0], [0, 10]]}, "crosses itself"),
        ({"points": [[0, 0], [0, 0], [10, 0]]}, "same point twice"),
        ({"points": None}, "shape|no list"),
        ({"closed": True}, "closed contour.*`cpwc-keras contour` opens it"),
        ({"points": [*ARCH.tolist(), ARCH[0].tolist()]}, "closed contour.*`cpwc-keras contour` opens it"),
        ({"format": "other"}, "'other'"),
        ({"version": 2}, "version 2"),
        ({"frame": -1}, "frame -1"),
        ({"frame": 1.5}, "frame 1.5"),
        ({"es_frame": "x"}, "es_frame"),
        ({"image_size": [1]}, "image_size"),
    ],
)
def test_bad_content_is_one_sentence(tmp_path, change, found):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(VALID | change))
    with pytest.raises(InputError, match=found) as error:
        read_contour(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe\x00", b"[" * 100_000, b" " * (1 << 21)])
def test_files_that_are_no_contour(tmp_path, content):
    (tmp_path / "c.json").write_bytes(content)
    with pytest.raises(InputError):
        read_contour(tmp_path / "c.json")


@pytest.mark.parametrize(
    ("contour", "found"),
    [
        (Contour(ARCH + np.array([30, 0])), r"point 4 at \(95, 40\)"),
        (Contour(ARCH - [16, 0]), r"point 2 at \(-1, 40\)"),
        (Contour(ARCH, frame=5), "end-diastolic frame 5"),
        (Contour(ARCH, es_frame=9), "end-systolic frame 9"),
        (Contour(ARCH, image_size=(480, 640)), "480×640"),
    ],
)
def test_contour_and_loop_must_fit(contour, found):
    with pytest.raises(InputError, match=found):
        check_against(contour, loop())


def test_a_fitting_contour_passes():
    check_against(Contour(ARCH, 4, (100, 90), 0), loop())


def test_resample_of_a_circle_stays_on_it_at_equal_distances():
    angle = np.linspace(np.pi, 2 * np.pi, 13)
    points = resample(np.stack([50 + 40 * np.cos(angle), 60 + 40 * np.sin(angle)], -1), 37)
    np.testing.assert_allclose(np.hypot(*(points - [50, 60]).T), 40, atol=0.12)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert steps.max() / steps.min() < 1.01


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(2, 80), st.integers(0, 1000))
def test_resample_keeps_the_ends_and_the_count(given_points, wanted, seed):
    points = np.random.default_rng(seed).uniform(0, 100, (given_points, 2))
    result = resample(points, wanted)
    assert result.shape == (wanted, 2) and np.isfinite(result).all()
    np.testing.assert_allclose(result[[0, -1]], points[[0, -1]], atol=1e-9)


def test_two_points_are_a_straight_line():
    np.testing.assert_allclose(resample(np.array([[0.0, 0], [10, 20]]), 5), np.linspace([0, 0], [10, 20], 5), atol=1e-9)


def test_nothing_is_written_for_a_bad_contour(tmp_path):
    with pytest.raises(InputError):
        write_contour(tmp_path / "c.json", Contour(ARCH[:1]))
    assert list(tmp_path.iterdir()) == []


def test_a_closed_contour_has_no_base():
    with pytest.raises(InputError, match="closed contour"):
        check_points(np.array([[0.0, 10], [0, 0], [10, 0], [10, 10], [0.1, 10]]))
