"""Warnings on images unlike those a network saw: painted hearts first, then the real ones, as they are and spoilt."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cpwc_keras
from cpwc_keras.io.contours import read_contour
from cpwc_keras.segmentation import contours_from_labels
from cpwc_keras.tracking.cine import track
from cpwc_keras.tracking.familiarity import brightness, unfamiliar
from cpwc_keras.tracking.pair import NetworkTracker
from cpwc_keras.types import CineLoop

RANGES = {
    "pixel_spacing_mm": [0.25, 1.1],
    "image_size_px": [192, 384],
    "mean_brightness": [0.12, 0.6],
    "dark_fraction": [0.05, 0.7],
}
ANGLE = np.linspace(np.pi, 2 * np.pi, 36)
ARCH = np.stack([128 + 35 * np.cos(ANGLE), 170 + 90 * np.sin(ANGLE)], -1)


def heart(cavity=0.1, wall=0.4, tissue=0.25, background=0.0):
    """A sector with a dark cavity in a bright wall, 256 × 256."""
    image = np.full((256, 256), background, np.float32)
    cv2.ellipse(image, (128, 10), (240, 240), 0, 50, 130, tissue, -1)
    for grow, value in ((14, wall), (0, cavity)):
        cv2.ellipse(image, (128, 170), (35 + grow, 90 + grow), 0, 180, 360, value, -1)
    return CineLoop(np.stack([image] * 3), (0.5, 0.5))


def warnings(loop, contour=ARCH, ranges=RANGES, frame=0):
    found = unfamiliar(loop, contour, ranges, frame)
    for sentence in found:
        assert sentence.endswith(".") and "\n" not in sentence
    return found


def only(sentences, *parts):
    assert len(sentences) == 1, sentences
    for part in parts:
        assert part in sentences[0]


def test_a_heart_like_those_it_saw_gets_no_warning():
    assert warnings(heart()) == []
    mesh = np.stack([ARCH - np.array([0, k]) for k in range(5)], 1)
    assert warnings(heart(), mesh) == []


@pytest.mark.parametrize(
    "ranges", [None, {}, {"other": [1, 2]}, {"pixel_spacing_mm": "0.3 mm"}, {"image_size_px": [1]}]
)
def test_nothing_is_said_where_nothing_is_known(ranges):
    assert warnings(replace(heart(), frames=1 - heart().frames, spacing_mm=(9, 9)), ranges=ranges) == []


def test_the_size_of_a_pixel_is_named():
    for spacing in ((0.05, 0.05), (3.0, 3.0)):
        only(warnings(replace(heart(), spacing_mm=spacing)), f"A pixel is {spacing[0]:.2g} mm", "0.25 to 1.1 mm")
    only(warnings(replace(heart(), spacing_mm=(0.5, 3.0))), "0.5 mm high and 3 mm wide")
    assert warnings(replace(heart(), spacing_mm=(0.2, 1.3))) == [], "a little outside of the range is no warning"


def test_an_unknown_pixel_is_judged_by_the_size_of_a_ventricle():
    assert warnings(replace(heart(), spacing_mm=None)) == []
    narrow = {"pixel_spacing_mm": [0.01, 0.02]}
    only(warnings(replace(heart(), spacing_mm=None), ranges=narrow), "The contour is 90 px long", "0.01 to 0.02 mm")


def test_a_small_image_is_named():
    frames = np.stack([cv2.resize(heart().frames[0], (60, 60), interpolation=cv2.INTER_AREA)] * 3)
    only(warnings(CineLoop(frames, (1.0, 1.0)), ARCH * 60 / 256), "px, and the network needs 64 px")


def test_inverted_gray_is_named_whatever_shows_it():
    inverted = replace(heart(), frames=1 - heart().frames)
    only(warnings(inverted), "background of the images is bright (1.00 of 1")
    sector = heart().frames[0] > 0
    only(warnings(replace(inverted, sector=sector)), "background of the images is bright")
    inside = replace(heart(), frames=np.where(heart().frames > 0, 0.7 - heart().frames, 0).astype(np.float32))
    only(warnings(inside), "cavity is brighter than the wall", "(0.60 against 0.30 of 1)")


def test_a_mirrored_contour_has_its_wall_outside_as_well():
    assert warnings(heart(), ARCH[::-1]) == []
    only(warnings(heart(cavity=0.5, wall=0.3), ARCH[::-1]), "cavity is brighter")


def test_dark_bright_and_saturated_images_are_named():
    loop = heart()
    only(warnings(replace(loop, frames=loop.frames * np.float32(0.02))), "black around the contour")
    only(warnings(replace(loop, frames=loop.frames * np.float32(0.15))), "images are dark", "saw 0.12 to 0.6")
    only(warnings(replace(loop, frames=np.minimum(loop.frames * 20, 1))), "are saturated: 100%")
    only(warnings(heart(cavity=0.9, wall=0.95, tissue=0.9)), "images are bright")
    speck = np.where(np.indices((256, 256)).sum(0) % 16 == 0, loop.frames, 0)
    only(warnings(replace(loop, frames=speck)), "% of the image around the contour is black")


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from([(1, 1, 1), (1, 2, 300), (3, 300, 2), (4, 80, 90)]),
    st.integers(0, 5),
    st.floats(-50, 400),
    st.floats(0, 1),
)
def test_any_image_and_contour_are_judged_without_failing(shape, frame, shift, level):
    loop = CineLoop(np.full(shape, level, np.float32))
    warnings(loop, ARCH + shift, frame=frame)
    warnings(loop, np.zeros((4, 2)), frame=frame)


def test_brightness_of_lit_and_dark_pixels():
    assert brightness(np.array([[0.0, 0.01], [0.5, 0.7]])) == pytest.approx((0.6, 0.5))
    assert brightness(np.zeros((2, 2))) == (0.0, 1.0)


class Still:
    """A network that sees no motion."""

    def predict_on_batch(self, images):
        return np.zeros((*images[0].shape[:-1], 2))


def test_the_warnings_reach_the_notes_of_a_result():
    loop = replace(heart(), spacing_mm=(3.0, 3.0), notes=("Said by the reader.",))
    notes = track(loop, ARCH, NetworkTracker(Still(), "still", RANGES), es=1).notes
    assert notes[0] == "Said by the reader." and notes[1].startswith("A pixel is 3 mm")
    for without in (NetworkTracker(Still()), "zero"):
        notes = track(loop, ARCH, without, es=1).notes
        assert notes[0] == "Said by the reader." and not any(note.startswith("A pixel is") for note in notes)


def spoilt(loop, contour, frame):
    """The same recording in ways that no network was trained on: (loop, contour, frame)."""
    frames = loop.frames
    yield replace(loop, frames=1 - frames), contour, frame
    yield replace(loop, frames=np.where(frames > 0, 1 - frames, 0)), contour, frame
    yield replace(loop, frames=frames * np.float32(0.02)), contour, frame
    yield replace(loop, frames=np.minimum(frames * 20, 1)), contour, frame
    for factor in (0.1, 10):
        kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        still = cv2.resize(frames[frame], None, fx=factor, fy=factor, interpolation=kind)
        yield CineLoop(still[None], tuple(size / factor for size in loop.spacing_mm)), contour * factor, 0


def check(loop, contour, frame):
    assert warnings(loop, contour, frame=frame) == []
    assert warnings(replace(loop, spacing_mm=None), contour, frame=frame) == []
    for changed in spoilt(loop, contour, frame):
        assert warnings(*changed[:2], frame=changed[2])


def test_the_demo_is_familiar_and_spoilt_it_is_not():
    from pydicom import examples

    from cpwc_keras.cli.track import demo_contour

    contour = demo_contour()
    check(cpwc_keras.read(examples.get_path("ybr_color")), contour.points, contour.frame)


def test_a_real_loop_is_familiar_and_spoilt_it_is_not(shared_data, request):
    path = shared_data / "sonosite_a4c" / "color3d_jpeg_baseline.dcm"
    contour = read_contour(request.config.rootpath / "tests" / "data" / "sonosite_a4c_contour.json")
    loop = cpwc_keras.read(path)
    some = replace(loop, frames=loop.frames[contour.frame :: 20], ed=None, es=None)
    check(some, contour.points, 0)


def test_real_stills_are_familiar_and_spoilt_they_are_not(shared_data):
    from cpwc_keras.data.camus import find

    items = [item for item in find(shared_data / "camus") if item.variant == "ED-ES"]
    for item in items[::15]:
        loop = item.read()
        endocardium, _ = contours_from_labels(loop.labels[loop.ed])
        check(loop, endocardium, loop.ed)
