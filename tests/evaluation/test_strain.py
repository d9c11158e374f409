import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpwc_keras.errors import InputError
from cpwc_keras.evaluation.strain import (
    SEGMENTS,
    apical_length,
    arc_length,
    cavity_area,
    estimate_es,
    longitudinal_strain,
    mapse,
    peak_systolic,
    segmental_strain,
    systole_start,
)

ANGLE = np.linspace(np.pi, 2 * np.pi, 181)
ARCH = np.stack([100 + 40 * np.cos(ANGLE), 120 + 80 * np.sin(ANGLE)], -1)


def about(centre, contour, factor):
    return centre + factor * (contour - centre)


@pytest.mark.parametrize("spacing", [None, (0.3, 0.3), (0.5, 0.2)])
def test_a_contour_shrunk_by_a_fifth_has_minus_20_percent(spacing):
    contours = np.stack([ARCH, about([100, 120], ARCH, 0.8), about([30, -7], ARCH, 0.8), ARCH])
    np.testing.assert_allclose(longitudinal_strain(contours, spacing), [0, -20, -20, 0], atol=1e-10)
    np.testing.assert_allclose(mapse(contours, spacing), [0, -20, -20, 0], atol=1e-10)
    np.testing.assert_allclose(longitudinal_strain(contours, spacing, reference=1), [25, 0, 0, 25], atol=1e-10)


def test_lengths_honour_anisotropic_spacing():
    across, down = np.array([[10.0, 5], [20, 5]]), np.array([[10.0, 5], [10, 15]])
    assert arc_length(across, (0.5, 0.2)) == pytest.approx(2.0)
    assert arc_length(down, (0.5, 0.2)) == pytest.approx(5.0)
    assert arc_length(down) == pytest.approx(10.0)


def test_strain_depends_on_the_shape_of_pixels():
    """Half as high, equally wide: the more a pixel is tall, the more is lost."""
    flat = ARCH * [1, 0.5]
    tall, square = (longitudinal_strain(np.stack([ARCH, flat]), s)[1] for s in ((2.0, 1.0), (1.0, 1.0)))
    assert tall < square < 0
    assert longitudinal_strain(np.stack([ARCH, flat]), None)[1] == square


def test_half_ellipse_against_quadrature_and_formula():
    step = np.linspace(np.pi, 2 * np.pi, 200_001)
    expected = np.trapezoid(np.hypot(40 * np.sin(step), 80 * np.cos(step)), step)
    assert arc_length(ARCH) == pytest.approx(expected, rel=1e-4)
    assert cavity_area(ARCH, (0.5, 0.2)) == pytest.approx(np.pi * 40 * 80 / 2 * 0.1, rel=1e-3)


def test_mapse_follows_the_apex_as_a_material_point():
    moved = ARCH.copy()
    moved[[0, -1]] -= [0, 16]  # the base comes 16 px towards the apex
    moved[60, 1] = -500  # another point is now furthest away; the apex stays what it was
    np.testing.assert_allclose(apical_length(np.stack([ARCH, moved])), [80, 64], atol=1e-10)
    np.testing.assert_allclose(mapse(np.stack([ARCH, moved])), [0, -20], atol=1e-10)


def test_peak_systolic_lies_between_ed_and_es():
    strain = np.array([-30.0, 0, -5, -12, -10, -4, -40])
    assert peak_systolic(strain, 1, 4) == -12
    assert peak_systolic(strain, 1, 2) == -5
    with pytest.raises(InputError, match=r"End-systole \(frame 1\) lies before end-diastole \(frame 4\)"):
        peak_systolic(strain, 4, 1)


TENT = np.array([[0, 0], [0, -6], [6, -12], [12, -6], [12, 0]], np.float64)
"""Two equal walls of 6 + sqrt(72), the apex at (6, -12)."""

WALL = 6 + np.sqrt(72)


def test_six_segments_shrink_alike_with_the_whole():
    contours = np.stack([ARCH, about([30, -7], ARCH, 0.8), about([0, 0], ARCH, 1.1)])
    strain = segmental_strain(contours, (0.5, 0.2))
    assert strain.shape == (3, len(SEGMENTS))
    np.testing.assert_allclose(strain, np.repeat([[0], [-20], [10]], 6, axis=1), atol=1e-9)


def test_each_segment_has_the_strain_of_its_own_piece():
    """Along a flattened heart of evenly spaced points, every third of a wall is stretched by its own factor."""
    wall = np.linspace(0, 12, 13)
    height, factors = np.r_[wall, wall[-2::-1]], np.array([0.7, 0.8, 0.9, 1.1, 1.2, 1.3])
    steps = np.repeat(factors, 4)
    stretched = np.r_[0, np.cumsum(steps * np.sign(np.diff(height)))]
    contours = np.stack([np.stack([np.zeros(25), -h], -1) for h in (height, stretched)])
    np.testing.assert_allclose(segmental_strain(contours)[1], (factors - 1) * 100, atol=1e-9)
    assert SEGMENTS[0] == "basal inferoseptal" and SEGMENTS[-1] == "basal anterolateral"


def test_a_cut_between_two_points_is_a_material_point():
    """The cuts lie at WALL / 3 = 4.83 of the first side, 6 long, and at 3.66 of the second, 8.49 long."""
    pulled = TENT.copy()
    pulled[0, 1] += 3  # the first side is half as long again: all of the basal, 1.17 of the mid segment's 4.83
    basal, mid = 50.0, 50 * (6 - WALL / 3) / (WALL / 3)
    np.testing.assert_allclose(segmental_strain(np.stack([TENT, pulled]))[1], [basal, mid, 0, 0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(
        segmental_strain(np.stack([pulled, TENT])[:, ::-1], reference=1)[0], [0, 0, 0, 0, mid, basal], atol=1e-9
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(5, 60), st.integers(0, 2**31), st.sampled_from([None, (0.3, 0.3), (0.5, 0.2)]))
def test_segments_weighted_by_length_add_up_to_the_whole(count, seed, spacing):
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(np.pi, 2 * np.pi, count))
    contours = np.stack([100 + 40 * np.cos(angle), 120 + 80 * np.sin(angle)], -1) + rng.normal(0, 3, (4, count, 2))
    from_base = (contours[2] - (contours[2, 0] + contours[2, -1]) / 2) * (spacing or (1, 1))[::-1]
    apex = np.argmax(np.linalg.norm(from_base, axis=-1))
    if 0 < apex < count - 1:
        walls = [arc_length(contours[2, : apex + 1], spacing), arc_length(contours[2, apex:], spacing)]
        whole = segmental_strain(contours, spacing, reference=2) @ np.repeat(walls, 3) / 3 / sum(walls)
        np.testing.assert_allclose(whole, longitudinal_strain(contours, spacing, reference=2), atol=1e-9)


def test_a_heart_without_a_wall_has_no_segments():
    flat = np.array([[0, 0], [1, 0.1], [9, 0]], np.float64)
    with pytest.raises(InputError, match="needs two walls"):
        segmental_strain(np.stack([flat, flat]))


def beats(frames, period, shift=0, shrink=0.5):
    """Cavity area of a heart that beats: largest at `shift`, smallest 40 % of a beat later."""
    phase = ((np.arange(frames) - shift) / period) % 1
    course = np.where(phase < 0.4, np.sin(np.pi * phase / 0.8), np.cos(np.pi * (phase - 0.4) / 1.2))
    return 100 * (1 - shrink * course)


def test_es_is_in_the_first_beat_even_if_a_later_one_is_smaller():
    area = beats(60, 20)
    area[20:] *= 0.95
    assert estimate_es(area, 0) == 8
    assert estimate_es(area, 20) == 28


def test_es_before_ed_where_the_loop_ends_too_early():
    assert estimate_es(beats(24, 20, shift=20), 20) == 8
    assert estimate_es(beats(21, 20, shift=20), 20) == 8


def test_es_of_a_cavity_that_never_falls_is_ed():
    assert estimate_es(np.ones(5), 2) == 2
    assert estimate_es(np.array([1.0, 2, 3]), 0) == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(1, 1000), min_size=1, max_size=40), st.data())
def test_es_is_always_a_frame_not_larger_than_ed(values, data):
    ed = data.draw(st.integers(0, len(values) - 1))
    es = estimate_es(np.array(values), ed)
    assert 0 <= es < len(values) and values[es] <= values[ed]


@pytest.mark.parametrize(
    ("frames", "shift", "ed", "es", "start"),
    [
        (20, 0, 0, 8, 0),  # one beat
        (30, 5, 5, 13, 5),
        (60, 0, 20, 28, 20),  # several beats, the contour in one within
        (30, 0, 20, 8, 0),  # end-systole before end-diastole: the systole that began an end-diastole earlier
        (60, 0, 40, 28, 20),
        (70, 0, 60, 8, 0),
        (30, 15, 15, 3, 0),  # the loop begins within that systole
        (30, 12, 12, 0, 0),  # or at its end
        (60, 0, 0, 48, 40),  # end-systole of a later beat than the contour's
        (60, 0, 20, 48, 40),
        (60, 0, 0, 15, 0),  # marked in diastole: taken at its word
        (60, 0, 0, 19, 0),
    ],
)
@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_a_systole_begins_at_the_end_diastole_before_it(frames, shift, ed, es, start, noise):
    area = beats(frames, 20, shift)
    area += noise * np.ptp(area) * np.random.default_rng(0).uniform(-1, 1, frames)
    # In noise the largest cavity may be a neighbour of end-diastole; the frame of the contour stays what it is.
    assert abs(systole_start(area, ed, es) - start) <= (2 if noise and start != ed else 0)


def test_no_diastole_and_no_other_beat_is_searched_for_the_peak():
    """The wall shortens most after end-systole, and more in the second beat than in the others."""
    area = beats(70, 20)
    strain = -15 * (100 - area) / 50
    strain[[9, 10, 29, 30, 49, 50]] -= 8
    strain[25:35] -= 4
    assert peak_systolic(strain, systole_start(area, 0, 8), 8) == pytest.approx(-15)
    assert peak_systolic(strain, systole_start(area, 20, 8), 8) == pytest.approx(-15)
    assert peak_systolic(strain, systole_start(area, 60, 28), 28) == pytest.approx(-19)
    assert peak_systolic(strain, systole_start(area, 0, 48), 48) == pytest.approx(-15)


def test_a_stretch_within_systole_is_no_second_beat():
    """As in left bundle branch block: shortened early, stretched, shortened again. The early peak is the peak."""
    level = np.array([1.0, 0.6, 0.2, 0.0, 0.3, 0.5, 0.4, 0.2, 0.1, 0.3, 0.7, 1.0])
    assert systole_start(50 + 50 * level, 0, 8) == 0


def test_a_cavity_that_never_changes_has_no_systole():
    assert systole_start(np.ones(9), 2, 6) == 2
    assert systole_start(np.ones(9), 6, 2) == 0
    assert systole_start(np.ones(9), 4, 4) == 4


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1, 1000), min_size=1, max_size=40), st.data())
def test_a_systole_never_begins_after_its_end(area, data):
    ed, es = (data.draw(st.integers(0, len(area) - 1)) for _ in range(2))
    assert (ed if ed <= es else 0) <= systole_start(np.array(area), ed, es) <= es


def test_the_apex_of_drawn_contours_is_that_of_each_frame():
    """Points that slide along the wall from frame to frame change nothing."""
    angle = np.linspace(np.pi, 2 * np.pi, 61)
    first = np.stack([10 * np.cos(angle), 25 * np.sin(angle)], -1)
    slid = np.pi + np.pi * np.linspace(0, 1, 61) ** 2
    second = np.stack([10 * np.cos(slid), 20 * np.sin(slid)], -1)
    assert mapse(np.stack([first, second]), material=False)[1] == pytest.approx(-20, abs=0.1)
    assert mapse(np.stack([first, second]))[1] < -30
