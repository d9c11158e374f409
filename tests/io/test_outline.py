import numpy as np
import pytest
from ventricle import LATERAL, SEPTAL, endocardium

from cpwc_keras.errors import InputError
from cpwc_keras.io.outline import open_at_base, thinned

BASE = np.array([SEPTAL, LATERAL])


def turned(points, degrees):
    a = np.radians(degrees)
    return (points - [60, 60]) @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) + [60, 60]


@pytest.mark.parametrize("roll", [0, 7, 20, 39])
@pytest.mark.parametrize("direction", [1, -1])
def test_the_longest_side_of_a_clicked_polygon_is_its_base(roll, direction):
    clicked = np.roll(endocardium(), roll, axis=0)[::direction]
    np.testing.assert_allclose(open_at_base(clicked), endocardium(), atol=1e-9)
    np.testing.assert_allclose(open_at_base(np.vstack([clicked, clicked[:1]])), endocardium(), atol=1e-9)


@pytest.mark.parametrize("degrees", [0, 25, -25, 180])
def test_the_straight_part_between_corners_is_the_base_of_a_traced_outline(degrees):
    """Also where the display is turned; the base is traced as densely as the rest."""
    traced = np.vstack([endocardium(200), np.linspace(LATERAL, SEPTAL, 30)[1:-1]])
    expected = turned(endocardium(200), degrees)
    if expected[0, 0] > expected[-1, 0]:
        expected = expected[::-1]
    contour = open_at_base(turned(np.roll(traced, 55, axis=0), degrees))
    np.testing.assert_allclose(contour[[0, -1]], expected[[0, -1]], atol=2)
    assert abs(len(contour) - 200) < 8


def test_a_given_base_is_taken_in_the_given_order():
    angle = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    circle = np.stack([50 + 40 * np.cos(angle), 50 + 40 * np.sin(angle)], -1)
    right, left = (75.0, 82.0), (25.0, 81.0)
    contour = open_at_base(circle, np.array([right, left]))
    np.testing.assert_allclose(contour[0], right, atol=1)
    np.testing.assert_allclose(contour[-1], left, atol=1.5)
    np.testing.assert_allclose(np.hypot(*(contour - 50).T), 40, atol=0.1)
    assert contour[:, 1].min() < 10.1, "over the apex, not along the base"


def complaint(outline, base=None):
    with pytest.raises(InputError) as error:
        open_at_base(outline, base)
    return str(error.value)


def test_what_cannot_be_told_is_asked():
    angle = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    ellipse = np.stack([50 + 30 * np.cos(angle), 50 + 45 * np.sin(angle)], -1)
    assert "--base X1 Y1 X2 Y2" in complaint(ellipse)
    assert "--base" in complaint(np.array([[0.0, 0], [50, 0], [50, 50], [0, 50]]))
    assert "(200, 50) is not on the outline" in complaint(ellipse, np.array([[200.0, 50], [50, 95]]))
    assert "two ends" in complaint(ellipse, np.array([[50.0, 95], [50, 95]]))
    assert "at least 4" in complaint(ellipse[:3])


def test_thinning_keeps_the_ends_and_the_curve():
    curve = endocardium(2000)
    thin = thinned(curve)
    assert thin.shape == (128, 2) and thinned(curve[:128]) is not None
    np.testing.assert_allclose(thin[[0, -1]], curve[[0, -1]], atol=1e-9)
    distance = np.linalg.norm(thin[:, None] - curve, axis=-1).min(1)
    assert distance.max() < 0.1
    np.testing.assert_array_equal(thinned(curve[:100]), curve[:100])


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_camus_cavities_open_where_their_myocardium_ends(shared_data, every):
    """Without the myocardium, the base is found within 15 % of its own length, or it is asked for (6 of 300)."""
    from cpwc_keras.io.medical import read_image_stack
    from cpwc_keras.segmentation import contours_from_labels, outline

    errors, asked = [], 0
    for path in sorted((shared_data / "camus" / "database_nifti").glob("*/*_4CH_E[DS]_gt.nii.gz"))[::every]:
        labels = read_image_stack(path)[0][0]
        truth = contours_from_labels(labels)[0][[0, -1]]
        try:
            found = open_at_base(outline(labels == 1))[[0, -1]]
        except InputError:
            asked += 1
            continue
        errors.append(np.linalg.norm(found - truth, axis=1).mean() / np.linalg.norm(truth[1] - truth[0]))
    assert asked <= 6 and len(errors) + asked == -(-300 // every)
    assert np.median(errors) < 0.015 and np.sort(errors)[-2] < 0.04 and max(errors) < 0.15


def test_corners_are_the_points_that_were_drawn():
    """Eight clicks whose base is not by far the longest side: no point is invented beside them."""
    clicks = np.array([[245.0, 243], [236, 206], [232, 160], [250, 110], [285, 95], [315, 120], [325, 180], [326, 239]])
    np.testing.assert_allclose(open_at_base(clicks), clicks)


@pytest.mark.filterwarnings("error")
def test_an_outline_without_any_straight_part_has_no_base():
    """Round and round: not even one candidate to compare with."""
    around = np.tile([[0.0, 0], [4, 3], [1, 7], [-3, 2]], (25, 1)) + np.arange(100)[:, None] * 0.001
    with pytest.raises(InputError, match="cannot be told where the outline's base is"):
        open_at_base(around)
