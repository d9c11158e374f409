"""A beat between two stills: the picture stays with the wall, and everything follows from the seed."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from sector_loops import BRIGHTNESS, apical_loop, sector_mask

from cpwc_keras.data_prep.conversion.recordings import CONTOURS_NOTE, sequence_of
from cpwc_keras.data_prep.simulation.stills import DRAWN_NOTE, cycle_of_stills, extend_motion, template_from_stills
from cpwc_keras.data_prep.simulation.template_check import check_template
from cpwc_keras.errors import InputError
from cpwc_keras.types import DatasetItem

ITEM = DatasetItem("patient0001_4CH_ED-ES", "camus", 2, None, "patient0001", "GE", "ED-ES")
BACKGROUND, CAVITY, WALL, _ = BRIGHTNESS


def stills_of(**changes):
    return sequence_of(apical_loop(**changes), ITEM)


@pytest.fixture(scope="module")
def stills():
    return stills_of()


@pytest.fixture(scope="module")
def template(stills):
    return template_from_stills(stills, "one", 20, 0)


def sample(image, points):
    x, y = np.float32(points).reshape(-1, 2).T
    return cv2.remap(image, x[:, None], y[:, None], cv2.INTER_LINEAR)[:, 0]


def test_it_can_be_simulated(template):
    check_template(template, template.scan())
    assert template.frames.dtype == np.float32
    assert not template.frames[:, cv2.dilate(sector_mask()[0].astype(np.uint8), np.ones((5, 5))) == 0].any()
    assert (template.ed, template.view, template.patient, template.vendor) == (0, "A4C", "patient0001", "GE")
    assert 0 < template.es < 20
    assert template.frame_rate_hz == pytest.approx(20 / (60 / 72), rel=0.3)
    assert DRAWN_NOTE in template.notes and CONTOURS_NOTE not in template.notes


def test_the_first_frame_is_the_end_diastolic_still(stills, template):
    np.testing.assert_array_equal(template.mesh[0], stills.mesh[0])
    inside = cv2.erode(sector_mask()[0].astype(np.uint8), np.ones((9, 9))) > 0
    blurred = cv2.GaussianBlur(stills.loop.frames[0], (0, 0), 0.6 / 0.7)
    np.testing.assert_allclose(template.frames[0][inside], blurred[inside], atol=1e-3)


def test_wall_and_cavity_keep_their_place_in_the_mesh(template):
    for frame, mesh in zip(template.frames, template.mesh, strict=True):
        assert sample(frame, mesh[2:-2, 2]).min() > 0.9 * WALL
        cavity = mesh[6:-6, 0].mean(0)
        assert sample(frame, cavity) == pytest.approx(CAVITY, abs=0.02)
        # Halfway between both at the very border: the picture's endocardium is the mesh's.
        border = sample(frame, mesh[4:-4, 0])
        assert np.median(border) == pytest.approx((WALL + CAVITY) / 2, abs=0.12)


def test_it_does_not_flicker(template):
    """From frame to frame no more changes than the border's motion makes."""
    brightness = template.frames.mean((1, 2))
    assert np.abs(np.diff(brightness)).max() < 0.01
    mesh_step = np.linalg.norm(np.diff(template.mesh, axis=0), axis=-1).max((1, 2))
    image_step = np.abs(np.diff(template.frames, axis=0)).mean((1, 2))
    assert (image_step < 0.002 + 0.02 * mesh_step).all()


def test_far_from_the_heart_both_stills_stay_where_they_are():
    loop = apical_loop()
    rows, columns = np.indices(loop.frames.shape[1:])
    inside = sector_mask()[0]
    pattern = np.float32(0.5 + 0.3 * np.sin(columns / 4)) * inside
    template = template_from_stills(sequence_of(replace(loop, frames=np.stack([pattern, pattern])), ITEM), "one", 8, 0)
    top = (rows < 8) & (cv2.erode(inside.astype(np.uint8), np.ones((5, 5))) > 0)
    assert np.abs(template.frames[:, top] - template.frames[0][top]).max() < 0.05


def test_the_beat_follows_from_seed_and_name_alone(stills, template):
    again = template_from_stills(stills, "one", 20, 0)
    np.testing.assert_array_equal(again.frames, template.frames)
    np.testing.assert_array_equal(cycle_of_stills(stills, "one", 20, 0).mesh, template.mesh)
    for name, seed in (("two", 0), ("one", 1)):
        assert not np.array_equal(cycle_of_stills(stills, name, 20, seed).mesh, template.mesh)


def test_end_systole_may_come_first_in_the_file(stills, template):
    turned = stills_of(contracted=(8, 0), ed=1, es=0)
    np.testing.assert_array_equal(template_from_stills(turned, "one", 20, 0).frames, template.frames)


def test_the_extension_of_a_motion_takes_its_values_and_fades():
    rng = np.random.default_rng(0)
    nodes, values = rng.uniform(20, 60, (30, 2)), rng.normal(size=(30, 4))
    np.testing.assert_allclose(extend_motion(nodes, values, nodes), values, atol=1e-6)
    far = np.array([[0.0, 0.0], [40.0, 125.0], [-130.0, 40.0]])
    np.testing.assert_allclose(extend_motion(nodes, values, far), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"es": None}, "which frame is end-diastolic"), ({"spacing_mm": None}, "the size of its pixels is not known")],
)
def test_stills_that_lack_something_are_refused(changes, sentence):
    with pytest.raises(InputError, match=f"somewhere: .*{sentence}"):
        cycle_of_stills(stills_of(source="somewhere", **changes), "one", 20, 0)


def test_stills_without_a_mesh_are_refused(stills):
    broken = replace(stills, mesh=np.full_like(stills.mesh, np.nan))
    with pytest.raises(InputError, match="has no mesh at end-diastole or end-systole"):
        template_from_stills(broken, "one", 20, 0)
