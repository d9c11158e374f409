"""Motion that is known exactly, tracked by trackers that are exact; then real loops with real trackers."""

import warnings

import numpy as np
import pytest
from pydicom import examples
from scipy import ndimage

import cpwc_keras
from cpwc_keras.errors import InputError
from cpwc_keras.fields import pixel_grid
from cpwc_keras.io.contours import Contour
from cpwc_keras.types import CineLoop

ANGLE = np.linspace(np.pi, 2 * np.pi, 25)
ARCH = np.stack([60 + 20 * np.cos(ANGLE), 70 + 40 * np.sin(ANGLE)], -1)
CENTRE = np.array([60.0, 50.0])


def loop(frames=7, spacing=None, **fields):
    """Each frame holds its own index, so that a tracker can know which pair it is given."""
    index = np.arange(frames, dtype=np.float32)[:, None, None] / 100
    return CineLoop(np.broadcast_to(index, (frames, 100, 120)).copy(), spacing, **fields)


class Exact:
    """The flow of x -> M^t (x - centre) + centre + t * offset between any two instants t."""

    def __init__(self, matrix=None, offset=(0, 0)):
        self.matrix, self.offset = np.eye(2) if matrix is None else np.asarray(matrix), np.asarray(offset, float)

    def place(self, points, time):
        return (points - CENTRE) @ np.linalg.matrix_power(self.matrix, time).T + CENTRE + time * self.offset

    def __call__(self, first, second):
        flows = []
        for a, b in zip(first[:, 0, 0], second[:, 0, 0], strict=True):
            here, there = round(float(a) * 100), round(float(b) * 100)
            power = np.linalg.matrix_power(self.matrix, abs(there - here))
            power = power if there > here else np.linalg.inv(power)
            centred = pixel_grid(first.shape[1:]) - CENTRE - here * self.offset
            flows.append(centred @ (power.T - np.eye(2)) + (there - here) * self.offset)
        return np.stack(flows).astype(np.float32)


TURN = 0.03
MOTIONS = {
    "shift": Exact(offset=(1.25, -0.75)),
    "stretch": Exact(np.diag([0.97, 1.02])),
    "rotation": Exact([[np.cos(TURN), -np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]]),
    "shear and shift": Exact([[1, 0.02], [-0.01, 0.99]], (0.5, 0.25)),
}


@pytest.mark.parametrize("reach", [1, 3, 10])
@pytest.mark.parametrize("composition", [True, False])
@pytest.mark.parametrize("name", MOTIONS)
def test_known_motion_is_recovered_forward_and_backward_from_ed(name, composition, reach):
    motion = MOTIONS[name]
    start = motion.place(ARCH, 3)
    result = cpwc_keras.track(loop(), start, motion, composition, frame=3, es=6, n_points=None, reach=reach)
    assert result.reach == reach
    expected = np.stack([_at(motion, start, 3, t) for t in range(7)])
    np.testing.assert_allclose(result.points, expected, atol=2e-3)
    np.testing.assert_allclose(result.disagreement, 0, atol=2e-3)


def _at(motion, points, here, there):
    """Where points of instant `here` are at instant `there`."""
    power = np.linalg.matrix_power(motion.matrix, abs(there - here))
    power = power if there >= here else np.linalg.inv(power)
    centred = points - CENTRE - here * motion.offset
    return centred @ power.T + CENTRE + there * motion.offset


@pytest.mark.parametrize("spacing", [None, (0.4, 0.4), (0.6, 0.3)])
def test_a_heart_that_shrinks_by_20_percent_has_a_gls_of_minus_20(spacing):
    shrink = Exact(np.eye(2) * 0.8 ** (1 / 5))
    result = cpwc_keras.track(loop(6, spacing), ARCH, shrink, es=5)
    assert result.gls == pytest.approx(-20, abs=0.01) and result.peak_mapse == pytest.approx(-20, abs=0.01)
    assert result.unit == ("px" if spacing is None else "mm")
    assert result.annular_excursion == pytest.approx(0.2 * 40 * (1 if spacing is None else spacing[0]), rel=3e-3)
    assert not result.es_estimated


def test_a_mesh_is_carried_whole():
    radial = np.linspace(1, 1.4, 5)
    arch = np.stack([np.interp(np.linspace(0, 24, 36), np.arange(25), ARCH[:, i]) for i in range(2)], -1)
    mesh = CENTRE + (arch - CENTRE)[:, None] * radial[:, None]
    motion = MOTIONS["stretch"]
    result = cpwc_keras.track(loop(), mesh, motion, es=3)
    assert result.points.shape == (7, 36, 5, 2) and result.disagreement.shape == (7, 36, 5)
    np.testing.assert_allclose(result.points[6], _at(motion, mesh, 0, 6), atol=2e-3)
    np.testing.assert_allclose(result.contours, result.points[:, :, 0])


def test_composition_halves_an_error_of_the_forward_direction_alone():
    def biased(first, second):
        flow = np.zeros((*first.shape, 2), np.float32)
        flow[first[:, 0, 0] < second[:, 0, 0]] = (1, 0)
        return flow

    both = cpwc_keras.track(loop(5, (0.5, 0.2)), ARCH, biased, n_points=None, es=1, reach=1)
    alone = cpwc_keras.track(loop(5), ARCH, biased, composition=False, n_points=None, es=1, reach=1)
    np.testing.assert_allclose(both.points[4] - ARCH, np.broadcast_to([2, 0], ARCH.shape), atol=1e-6)
    np.testing.assert_allclose(alone.points[4] - ARCH, np.broadcast_to([4, 0], ARCH.shape), atol=1e-6)
    np.testing.assert_allclose(both.disagreement[1:], 0.2, atol=1e-6)
    assert both.median_disagreement == pytest.approx(0.2) and alone.median_disagreement == pytest.approx(1)
    assert not both.disagreement[0].any()


def test_repeated_frames_do_not_move_anything():
    repeated = loop(5)
    repeated.frames[3] = repeated.frames[2]

    def constant(first, second):
        assert not np.array_equal(first[0], second[0])
        return np.where(first[:, :1, :1, None] < second[:, :1, :1, None], 1, -1) * np.ones((*first.shape, 2))

    result = cpwc_keras.track(repeated, ARCH, constant, n_points=None, es=1, reach=1)
    np.testing.assert_allclose(result.points[:, 0, 0] - ARCH[0, 0], [0, 1, 2, 2, 3], atol=1e-6)


def test_dense_flow_is_the_one_from_each_frame_to_the_next():
    motion = MOTIONS["shear and shift"]
    result = cpwc_keras.track(loop(), ARCH, motion, frame=4, es=1, keep_flow=True)
    assert result.flows.shape == (6, 100, 120, 2)
    frames = loop().frames
    np.testing.assert_allclose(result.flows, motion(frames[:-1], frames[1:]), atol=1e-4)


def test_progress_counts_every_pair():
    seen = []
    cpwc_keras.track(loop(), ARCH, "zero", frame=3, es=1, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 6) for n in range(1, 7)]


def test_es_is_estimated_where_nobody_says():
    shrink = Exact(np.eye(2) * 0.95)
    back = loop(9)
    back.frames[5:] = back.frames[3::-1]
    result = cpwc_keras.track(back, ARCH, shrink)
    assert result.es_estimated and result.es == 4
    assert cpwc_keras.track(loop(9, ed=0, es=7), ARCH, shrink).es == 7
    assert cpwc_keras.track(loop(9, ed=0, es=7), Contour(ARCH, 1, es_frame=6), shrink).es == 6


@pytest.mark.parametrize(
    ("contour", "options", "found"),
    [
        (ARCH + np.array([50, 0]), {}, "within the image.*`cpwc-keras contour` makes one .*`cpwc-keras app` lets"),
        (ARCH[:1], {}, "one point"),
        (np.full((3, 2), np.nan), {}, "NaN"),
        (ARCH, {"frame": 7}, "^frame 7 is out of range: the loop has 7 frames, 0 to 6; .* or leave frame out"),
        (ARCH, {"frame": -1}, "^frame -1 is out of range"),
        (ARCH, {"es": 7}, "^es 7 is out of range"),
        (Contour(ARCH, 7), {}, "end-diastolic frame 7"),
        (Contour(ARCH, 0, es_frame=7), {}, "end-systolic frame 7"),
        (np.vstack([ARCH, ARCH[:1]]), {}, "closed contour.*`cpwc-keras contour` opens it, `cpwc-keras app`"),
        (ARCH, {"frame": 2, "es": 2}, "both frame 2"),
        (Contour(ARCH, image_size=(480, 640)), {}, "480×640.*`cpwc-keras contour` makes one .*`cpwc-keras app` lets"),
        (np.full((36, 5, 2), np.nan), {}, "NaN"),
        ("absent.json", {}, "cannot be opened"),
        (ARCH, {"tracker": "nonsense"}, "nonsense"),
        (ARCH, {"tracker": lambda a, b: np.full((*a.shape, 2), np.nan)}, "NaN or infinite motion"),
    ],
)
def test_what_does_not_fit_is_one_sentence(contour, options, found):
    with pytest.raises(InputError, match=found):
        cpwc_keras.track(loop(), contour, **{"tracker": "zero", **options})


def test_a_tracker_of_the_wrong_shape_is_one_sentence():
    with pytest.raises(InputError, match=r"returned ndarray of shape \(2, 1, 1, 2\)"):
        cpwc_keras.track(loop(), ARCH, lambda a, b: np.zeros((2, 1, 1, 2)), es=1)


def test_speckle_that_shrinks_is_measured_by_farneback():
    """Images and an estimated motion, not an exact one: strain to within one percentage point (bicubic images)."""
    rng = np.random.default_rng(0)
    texture = ndimage.gaussian_filter(rng.normal(size=(160, 180)), 1.5)
    texture = (texture - texture.min()) / np.ptp(texture)
    grid = pixel_grid(texture.shape).astype(float)
    frames = []
    for t in range(6):
        source = (grid - [90, 80]) / 0.8 ** (t / 5) + [90, 80]
        frames.append(ndimage.map_coordinates(texture, [source[..., 1], source[..., 0]], order=3, mode="reflect"))
    result = cpwc_keras.track(
        CineLoop(np.clip(frames, 0, 1).astype(np.float32)), ARCH + np.array([30, 20]), "farneback", es=5
    )
    assert result.gls == pytest.approx(-20, abs=1)


def test_pydicoms_loop_over_a_beat():
    """The base comes towards the apex in systole by a plausible way, and the contour stays a ventricle."""
    from importlib.resources import files

    contour = files("cpwc_keras.cli") / "assets" / "demo_contour.json"
    result = cpwc_keras.track(cpwc_keras.read(examples.get_path("ybr_color")), str(contour), "farneback")
    assert (result.ed, len(result), result.unit) == (22, 30, "mm")
    assert 2 <= result.es <= 7, "the mitral valve opens between frames 6 and 7"
    assert -25 < result.gls < -8 and 8 < result.annular_excursion < 20
    np.testing.assert_array_equal(result.points[10], result.points[11])


def test_sonosite_at_full_size_over_a_beat(shared_data):
    from dataclasses import replace
    from pathlib import Path

    loop = cpwc_keras.read(shared_data / "sonosite_a4c" / "color3d_jpeg_baseline.dcm")
    contour = Path(__file__).parents[1] / "data" / "sonosite_a4c_contour.json"
    result = cpwc_keras.track(replace(loop, frames=loop.frames[14:34]), contour, "farneback", frame=8)
    assert -22 < result.gls < -8 and 14 <= result.es <= 19


def test_a_result_that_means_nothing_says_so():
    """No shortening: end-systole cannot be told from end-diastole. Threefold length: the contour was lost."""
    loop = CineLoop(np.random.default_rng(0).random((4, 64, 64), dtype=np.float32))
    arch = np.array([[20.0, 40], [24, 28], [32, 24], [40, 28], [44, 40]])

    def frame_of(image):
        return int(np.argmin([np.abs(frame - image).sum() for frame in loop.frames]))

    def growing(first, second):
        y, x = np.mgrid[:64, :64]
        field = 0.3 * np.stack([x - 32, y - 32], axis=-1).astype(np.float32)
        forward = [frame_of(a) < frame_of(b) for a, b in zip(first, second, strict=True)]
        return np.stack([field if ahead else -field / 1.3 for ahead in forward])

    with pytest.warns(cpwc_keras.TrackingWarning, match="Do not use these numbers.*the contour was lost") as warned:
        result = cpwc_keras.track(loop, arch, growing)
    assert len(warned) == 1 and warned[0].filename == __file__
    assert "CONTOUR LOST" in repr(result) and "Do not use these numbers" in result._repr_html_()
    assert result.es == result.ed and any("no end-systole was found" in note for note in result.notes)
    assert any("the contour was lost" in note for note in result.notes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        still = cpwc_keras.track(loop, arch, lambda a, b: np.zeros((*a.shape, 2), np.float32), es=2)
    assert not still.notes and "LOST" not in repr(still) and "Do not use" not in still._repr_html_()
