import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import directed_hausdorff

from cpwc_keras.curves import distance_along, points_at
from cpwc_keras.errors import InputError
from cpwc_keras.evaluation.contours import contour_distances, distance_profile

ANGLE = np.linspace(np.pi, 2 * np.pi, 36)
ARCH = np.stack([100 + 40 * np.cos(ANGLE), 120 + 80 * np.sin(ANGLE)], -1)


def arc(radius, n=2001):
    angle = np.linspace(np.pi, 2 * np.pi, n)
    return radius * np.stack([np.cos(angle), np.sin(angle)], -1)


def line(*points):
    return np.array(points, np.float64)


def turned(points, angle, shift=(0, 0)):
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[c, s], [-s, c]]) + shift


def test_parallel_lines_are_as_far_apart_as_they_are():
    d_m, d_h = contour_distances(line((0, 0), (10, 0)), line((0, 3), (4, 3), (10, 3)))
    assert d_m == pytest.approx(3, abs=1e-12) and d_h == pytest.approx(3, abs=1e-12)


def test_a_contour_is_at_no_distance_from_itself_however_it_is_sampled():
    finer = np.insert(ARCH, range(1, 36), (ARCH[1:] + ARCH[:-1]) / 2, axis=0)
    assert contour_distances(ARCH, ARCH) == pytest.approx((0, 0), abs=1e-12)
    assert contour_distances(ARCH, finer[::-1]) == pytest.approx((0, 0), abs=1e-12)


def test_concentric_half_circles():
    """The inner one's ends are the nearest points to nobody else's: every point is one radius difference away."""
    assert contour_distances(arc(30), arc(33.5)) == pytest.approx((3.5, 3.5), abs=2e-5)


def test_a_longer_line_by_hand():
    """Half of the longer line is 0 away, the other half from 0 to 10: 2.5 on average, and 0 the other way."""
    short, long = line((0, 0), (10, 0)), line((0, 0), (20, 0))
    assert contour_distances(short, long) == pytest.approx((1.25, 10), abs=1e-6)
    assert contour_distances(long, short) == pytest.approx((1.25, 10), abs=1e-6)


def test_a_diagonal_by_hand():
    """Along (0,0)-(4,4), the distance to the x axis rises evenly to 4; back, (x, 0) is x / sqrt 2 from the diagonal."""
    d_m, d_h = contour_distances(line((0, 0), (4, 4)), line((0, 0), (4, 0)))
    assert d_m == pytest.approx((2 + 4 / np.sqrt(2) / 2) / 2, abs=1e-9)
    assert d_h == pytest.approx(4, abs=1e-12)


def test_the_largest_distance_may_lie_between_nodes():
    """Three sides of a square each; the middle of the side that the other one lacks is 5 away, all nodes are 0."""
    square = line((0, 0), (10, 0), (10, 10), (0, 10))
    d_m, d_h = contour_distances(square, np.roll(square, 1, axis=0))
    assert d_h == pytest.approx(5, abs=0.5 * 30 / 2000)
    assert d_m == pytest.approx(2.5 / 3, abs=1e-5)


def test_anisotropic_spacing():
    across, below = line((0, 0), (10, 0)), line((0, 2), (10, 2))
    assert contour_distances(across, below, (0.5, 0.2)) == pytest.approx((1, 1), abs=1e-12)
    assert contour_distances(across[:, ::-1], below[:, ::-1], (0.5, 0.2)) == pytest.approx((0.4, 0.4), abs=1e-12)


def test_the_mean_runs_evenly_along_the_curve_whatever_its_nodes():
    """Nodes crowded at one end must not count more."""
    crowded = line(*[(x, 0) for x in np.r_[np.linspace(0, 0.1, 50), 10]])
    assert contour_distances(crowded, line((0, 0), (10, 10)))[0] == pytest.approx(
        contour_distances(line((0, 0), (10, 0)), line((0, 0), (10, 10)))[0], abs=1e-9
    )


def test_repeated_points_change_nothing():
    repeated = np.repeat(ARCH, 3, axis=0)
    assert contour_distances(repeated, ARCH + 2) == pytest.approx(contour_distances(ARCH, ARCH + 2), abs=1e-12)


points = st.lists(st.tuples(st.integers(-60, 60), st.integers(-60, 60)), min_size=2, max_size=8)
curves = points.map(lambda p: np.array(p, np.float64)).filter(lambda c: np.ptp(c, axis=0).max() > 0)


def dense(curve, n=3000):
    distance = distance_along(curve)
    return np.concatenate([curve, points_at(curve, distance, np.linspace(0, distance[-1], n))])


@settings(max_examples=25, deadline=None)
@given(curves, curves)
def test_hausdorff_against_scipy(a, b):
    p, q = dense(a), dense(b)
    expected = max(directed_hausdorff(p, q)[0], directed_hausdorff(q, p)[0])
    step = max(distance_along(a)[-1], distance_along(b)[-1]) / 2000
    assert contour_distances(a, b)[1] == pytest.approx(expected, abs=step)


@settings(max_examples=25, deadline=None)
@given(curves, curves, st.floats(0, 6.3), st.floats(-500, 500), st.floats(0.05, 3))
def test_symmetric_rigid_motion_does_not_matter_and_spacing_scales(a, b, angle, shift, scale):
    d = contour_distances(a, b)
    assert d[0] <= d[1] + 1e-9
    assert contour_distances(b, a) == pytest.approx(d, abs=1e-9)
    moved = (turned(c, angle, (shift, -2 * shift)) for c in (a, b))
    assert contour_distances(*moved) == pytest.approx(d, abs=1e-8)
    assert contour_distances(a, b, (scale, scale)) == pytest.approx(np.multiply(d, scale), abs=1e-8)


@settings(max_examples=25, deadline=None)
@given(curves, curves, curves)
def test_hausdorff_obeys_the_triangle_inequality(a, b, c):
    step = max(distance_along(x)[-1] for x in (a, b, c)) / 2000
    assert contour_distances(a, c)[1] <= contour_distances(a, b)[1] + contour_distances(b, c)[1] + step


@settings(max_examples=25, deadline=None)
@given(curves, st.tuples(st.floats(-50, 50), st.floats(-50, 50)))
def test_a_shift_moves_no_point_further_than_itself(curve, shift):
    assert contour_distances(curve, curve + shift)[1] <= np.hypot(*shift) + 1e-9


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((5, 2)), r"no length: all of its 5 points"),
        (np.zeros((1, 2)), "no length"),
        (np.zeros((0, 2)), "no length"),
        (np.zeros((5, 3)), r"shape \(5, 3\)"),
        (np.zeros(4), r"shape \(4,\)"),
        (np.array([[0, 0], [np.nan, 1]]), "not finite"),
        (np.array([[0, 0], [np.inf, 1]]), "not finite"),
    ],
)
def test_what_is_no_contour_is_refused(bad, message):
    with pytest.raises(InputError, match=rf"^The contour .*{message}"):
        contour_distances(bad, ARCH)
    with pytest.raises(InputError, match=rf"^The reference contour .*{message}"):
        contour_distances(ARCH, bad)


def test_profile_of_equal_contours_is_zero():
    loop = np.stack([ARCH, ARCH * 0.9, ARCH + 5])
    np.testing.assert_allclose(distance_profile(loop, loop), np.zeros(101), atol=1e-10)


def test_profile_of_a_shift_is_the_shift_all_along():
    loop = np.stack([ARCH] * 3)
    moved = loop + np.array([[0, 0], [3, 4], [0, 1]])[:, None]
    np.testing.assert_allclose(distance_profile(moved, loop), np.full(101, 3), atol=1e-9)
    np.testing.assert_allclose(distance_profile(moved, loop, (2.0, 1.0), n=7), (np.hypot(3, 8) + 2) / 2, atol=1e-9)


def test_frames_but_the_first_are_averaged_whichever_is_first():
    moved = ARCH + np.array([[0, 4], [0, 0], [0, 2]])[:, None]
    assert distance_profile(moved, np.stack([ARCH] * 3), reference_frame=1) == pytest.approx(np.full(101, 3), abs=1e-9)


TENT = line((0, 0), (0, -10), (5, -20), (10, -10), (10, 0))
"""Septal base, up to the apex (5, -20), down to the lateral base; the sides are equally long."""


def test_the_profile_begins_at_the_lateral_base_and_ends_at_the_septal_one():
    """Only the lateral wall's lower half is moved aside, by 1."""
    wide = TENT.copy()
    wide[[3, 4], 0] += 1
    moved = [wide, wide]
    profile = distance_profile(moved, [TENT, TENT])
    assert profile[0] == pytest.approx(1, abs=1e-9)
    assert profile[-1] == pytest.approx(0, abs=1e-9)
    assert profile[:40].min() > profile[60:].max()


def test_the_apex_is_where_the_reference_axis_crosses_the_contour():
    """The estimate's own furthest point lies aside; the axis, upright through its mid-base, crosses it lower."""
    skewed = line((0, 0), (0, -10), (2, -24), (10, -8), (10, 0))
    crossing = np.array([5, -18.0])  # on (2, -24)-(10, -8) above x = 5
    profile = distance_profile([TENT, skewed], [TENT, TENT])
    assert profile[50] == pytest.approx(np.linalg.norm(crossing - [5, -20]), abs=1e-9)


def test_the_parameter_is_even_in_arc_length_on_each_wall():
    """Both contours on one straight septal wall: points at the same parameter, apexes 10 apart."""
    low, high = line((0, 0), (5, -20), (10, 0)), line((0, 0), (5, -30), (10, 0))
    profile = distance_profile([high, high], [low, low], n=5)
    np.testing.assert_allclose(profile, [0, 5, 10, 5, 0], atol=1e-9)


def test_of_several_crossings_the_one_furthest_from_the_base_is_the_apex():
    folded = line((0, 0), (0, -30), (8, -28), (8, -20), (2, -20), (2, -12), (10, -12), (10, 0))
    assert distance_profile([TENT, folded], [TENT, TENT])[50] == pytest.approx(20 - 28.75 + 2 * 8.75, abs=1e-9)


def test_a_contour_that_its_axis_misses_takes_its_point_furthest_along():
    """The axis through the mid-base, upwards, meets nothing: the contour crosses its line below the base only."""
    below = line((0, 0), (-4, -9), (-4, 6), (10, 0))
    assert distance_profile([TENT, below], [TENT, TENT])[50] == pytest.approx(np.hypot(4 + 5, -9 + 20), abs=1e-9)


def test_references_may_have_other_numbers_of_points():
    along = distance_along(ARCH)
    finer = [points_at(ARCH, along, np.union1d(along, np.linspace(0, along[-1], n))) for n in (40, 57)]
    np.testing.assert_allclose(distance_profile(np.stack([ARCH, ARCH]), finer), 0, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 6.3), st.floats(-300, 300), st.floats(0.5, 1.5))
def test_profile_of_a_moved_and_turned_pair_is_the_same(angle, shift, factor):
    leaning = ARCH @ [[1, 0], [-0.1, 1]]  # no two of its points are equally far from the base
    estimate, reference = np.stack([leaning, leaning * [1, factor]]), np.stack([leaning, leaning])
    expected = distance_profile(estimate, reference)
    moved = (turned(loop, angle, (shift, shift / 3)) for loop in (estimate, reference))
    np.testing.assert_allclose(distance_profile(*moved), expected, atol=1e-7)


def test_bad_loops_are_refused():
    loop = np.stack([ARCH, ARCH])
    with pytest.raises(InputError, match=r"2 tracked contours but 1 reference"):
        distance_profile(loop, loop[:1])
    with pytest.raises(InputError, match="at least one frame besides"):
        distance_profile(loop[:1], loop[:1])
    with pytest.raises(InputError, match="Frame 2 is not one of the 2"):
        distance_profile(loop, loop, reference_frame=2)
    with pytest.raises(InputError, match="reference contour of frame 1 has no length"):
        distance_profile(loop, [ARCH, ARCH[:1]])
    with pytest.raises(InputError, match="The contour of frame 1 holds"):
        distance_profile(loop * [[[1]], [[np.nan]]], loop)
