"""Which beat the indices are of: a heart whose every length is known, with end-diastole and end-systole anywhere."""

import re
from dataclasses import replace

import numpy as np
import pytest

import cpwc_keras
from cpwc_keras.io.contours import Contour
from cpwc_keras.types import CineLoop

ANGLE = np.linspace(np.pi, 2 * np.pi, 25)
CENTRE = np.array([60.0, 50.0])
ARCH = np.stack([60 + 20 * np.cos(ANGLE), 70 + 40 * np.sin(ANGLE)], -1)
PERIOD, SYSTOLE = 20, 8
SHORTENING = (0.15, 0.20, 0.18, 0.16)
"""Of the first to the fourth beat, against end-diastole."""


def course(frames, shift=0):
    """(frames,) length against end-diastole, which is frame `shift`; shortest at 8 of 20 frames, slowly longer."""
    beat, phase = np.divmod(np.arange(frames) - shift, PERIOD)
    most = np.array(SHORTENING)[beat % len(SHORTENING)]
    shortened = np.where(phase < SYSTOLE, np.sin(np.pi * phase / 16), np.cos(np.pi * (phase - SYSTOLE) / 24))
    return 1 - most * shortened


class Beating:
    """The motion of a plane that is as large as `course` says, about `CENTRE`; frames hold their index."""

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, first, second):
        y, x = np.mgrid[: first.shape[1], : first.shape[2]]
        grid = np.stack([x, y], -1) - CENTRE
        here, there = (np.round(images[:, 0, 0] * 100).astype(int) for images in (first, second))
        return ((self.scale[there] / self.scale[here] - 1)[:, None, None, None] * grid).astype(np.float32)


def tracked(frames, ed, es=None, shift=0, change=None, **marks):
    """A contour drawn on frame `ed` and followed through a loop of so many frames."""
    scale = course(frames, shift) * (1 if change is None else change)
    index = np.arange(frames, dtype=np.float32)[:, None, None] / 100
    loop = CineLoop(np.broadcast_to(index, (frames, 100, 120)).copy(), (0.5, 0.5), **marks)
    contour = CENTRE + scale[ed] * (ARCH - CENTRE)
    return cpwc_keras.track(loop, contour, Beating(scale), frame=ed, es=es, reach=1), 100 * (scale / scale[ed] - 1)


@pytest.mark.parametrize(
    ("frames", "ed", "es", "shift", "peak"),
    [
        (20, 0, 8, 0, 8),  # one beat
        (20, 0, None, 0, 8),
        (60, 20, 28, 0, 28),  # the second of three
        (60, 20, None, 0, 28),
        (50, 0, None, 0, 8),  # the second is deeper, and another
        (30, 20, 8, 0, 8),  # end-systole given before end-diastole
        (24, 20, None, 0, 8),  # the loop ends too early after end-diastole
        (24, 15, 3, 15, 3),  # and begins within the systole before it
        (17, 15, None, 15, 3),
        (60, 40, 8, 0, 8),  # two beats before
        (60, 0, 28, 0, 28),  # the beat after
    ],
)
def test_gls_is_of_the_systole_that_ends_at_end_systole(frames, ed, es, shift, peak):
    result, strain = tracked(frames, ed, es, shift)
    np.testing.assert_allclose(result.strain, strain, atol=0.01)
    assert result.es == peak and result.es_estimated == (es is None)
    assert result.gls == pytest.approx(strain[peak], abs=0.01) and result.gls_frame == peak
    assert result.peak_mapse == pytest.approx(strain[peak], abs=0.01)
    assert result.systole_start <= peak


def test_shortening_after_end_systole_is_no_systolic_strain():
    """The wall is shortest two frames after end-systole, in a loop whose contour was drawn on the next end-diastole."""
    after = np.ones(22)
    after[9:13] = 0.95
    result, strain = tracked(22, 20, 8, change=after)
    assert strain.argmin() == 9 and strain[9] < strain[8] - 3
    assert result.gls == pytest.approx(strain[8], abs=0.01)


@pytest.mark.parametrize(
    ("frames", "ed", "es", "shift", "said"),
    [
        (20, 0, 8, 0, []),
        (60, 20, 28, 0, []),
        (60, 40, 28, 0, ["before end-diastole: GLS and MAPSE are those of the systole .* 20 to 28 against frame 40"]),
        (24, 15, 3, 15, ["frames 0 to 3 .the loop begins there, perhaps within that systole. against frame 15"]),
        (60, 0, 48, 0, ["the cavity empties twice: .* frames 40 to 48 against frame 0"]),
        (6, 0, None, 0, ["smallest in frame 5, at the loop's edge: the loop may end before end-systole"]),
    ],
)
def test_the_notes_say_which_beat_it_is(frames, ed, es, shift, said):
    result, _ = tracked(frames, ed, es, shift, frame_rate_hz=50)
    notes = "\n".join(result.notes)
    assert len(result.notes) == len(said)
    for words in said:
        assert re.search(words, notes), notes


def test_the_notes_doubt_a_contour_in_another_frame_than_end_diastole():
    result, _ = tracked(20, 2, 8)
    percent = (1 / course(20)[2] ** 2 - 1) * 100
    assert f"{percent:.0f} % larger in frame 0 than in the contour's frame 2" in "\n".join(result.notes)
    change = np.ones(20)
    change[19] = 1.01 / course(20)[19]
    assert not tracked(20, 0, 8, change=change)[0].notes, "within 3 % it may be chance"


def test_the_notes_doubt_a_contour_from_right_to_left_and_pixels_of_an_impossible_size():
    loop = CineLoop(np.zeros((3, 100, 120), np.float32), (0.5, 0.5))
    for points, spacing, said in (
        (ARCH, 0.5, None),
        (ARCH[::-1], 0.5, "begins on the right of the image"),
        (ARCH, 22.0, "With pixels of 22 × 22 mm the endocardium is 2130 mm long"),
        (ARCH, 0.1, "check the size of a pixel"),
        (ARCH, None, None),
    ):
        result = cpwc_keras.track(
            replace(loop, spacing_mm=spacing and (spacing, spacing)), points, "zero", frame=0, es=2
        )
        assert any(said in note for note in result.notes) if said else not result.notes, (spacing, result.notes)


@pytest.mark.parametrize(
    ("contour", "marks", "frame", "es", "estimated"),
    [
        (Contour(ARCH, 20, es_frame=28), {}, None, 28, False),
        (Contour(ARCH, 20, es_frame=28), {}, 22, 28, False),  # nearly the same end-diastole
        (Contour(ARCH, 20, es_frame=28), {}, 40, 48, True),  # another beat's: its own end-systole is sought
        (Contour(ARCH, 20, es_frame=28), {}, 0, 8, True),
        (Contour(ARCH, 40), {"ed": 0, "es": 8}, None, 48, True),  # the loop's mark is of its first beat
        (Contour(ARCH, 0), {"ed": 0, "es": 7}, None, 7, False),
        (Contour(ARCH, 20), {"es": 8}, None, 8, False),  # only end-systole is known
    ],
)
def test_a_mark_of_another_beat_is_not_taken(contour, marks, frame, es, estimated):
    scale = course(60)
    index = np.arange(60, dtype=np.float32)[:, None, None] / 100
    loop = CineLoop(np.broadcast_to(index, (60, 100, 120)).copy(), (0.5, 0.5), **marks)
    result = cpwc_keras.track(loop, contour, Beating(scale), frame=frame, reach=1)
    assert (result.es, result.es_estimated) == (es, estimated)
