"""Dense fields against analytic motion and SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from cpwc_keras.fields import compose_flows, fill_triangles, invert_flow, pixel_grid, sample_field

SHAPE = (48, 60)


def affine_flow(linear, shift, shape=SHAPE):
    grid = pixel_grid(shape).astype(np.float64)
    centre = np.array([shape[1], shape[0]]) / 2
    return ((grid - centre) @ (np.asarray(linear) - np.eye(2)).T + shift).astype(np.float32)


def wavy_flow(amplitude=2.0, shape=SHAPE):
    x, y = np.moveaxis(pixel_grid(shape), -1, 0)
    return amplitude * np.stack([np.sin(y / 15), np.cos(x / 17)], -1)


def test_sampling_agrees_with_scipy():
    rng = np.random.default_rng(0)
    field = rng.normal(size=(20, 30, 3)).astype(np.float32)
    points = rng.uniform([0, 0], [29, 19], (7, 11, 2))
    values, weight = sample_field(field, points)
    expected = [ndimage.map_coordinates(field[..., c], [points[..., 1], points[..., 0]], order=1) for c in range(3)]
    np.testing.assert_allclose(values, np.stack(expected, -1), atol=1e-5)
    np.testing.assert_allclose(weight, 1, atol=1e-6)


def test_sampling_at_the_border_of_the_known_uses_only_what_is_known():
    field = np.full((4, 6, 1), np.nan, np.float32)
    mask = np.zeros((4, 6), np.float32)
    field[:, :3], mask[:, :3] = 7.0, 1.0
    points = np.array([[1.5, 1.0], [2.25, 1.0], [2.75, 1.5], [3.0, 1.0], [-0.25, 0.0], [-3.0, 0.0], [np.nan, 1.0]])
    values, weight = sample_field(field, points, mask)
    np.testing.assert_allclose(weight, [1, 0.75, 0.25, 0, 0.75, 0, 0], atol=1e-6)
    np.testing.assert_allclose(values[:, 0], [7, 7, 7, 0, 7, 0, 0], atol=1e-5)


def test_composing_two_affine_flows_is_their_product():
    linear1, shift1 = np.array([[1.02, 0.03], [-0.02, 0.97]]), np.array([1.5, -1])
    linear2, shift2 = np.array([[0.98, 0], [0.05, 1]]), np.array([-2, 0.5])
    first, second = affine_flow(linear1, shift1), affine_flow(linear2, shift2)
    linear, shift = linear2 @ linear1, linear2 @ shift1 + shift2
    flow, mask = compose_flows(first, second)
    inside = mask > 0
    assert 0.8 < inside.mean() < 1
    # Only the outermost landing pixels are continued rather than interpolated.
    ends = pixel_grid(SHAPE) + first
    interior = inside & (ends >= 0).all(-1) & (ends <= [SHAPE[1] - 1, SHAPE[0] - 1]).all(-1)
    np.testing.assert_allclose(flow[interior], affine_flow(linear, shift)[interior], atol=1e-4)
    assert not flow[~inside].any()


def test_composition_is_unknown_where_either_flow_is():
    first = np.zeros((*SHAPE, 2), np.float32)
    first[..., 0] = 5
    mask1, mask2 = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    mask1[10:30, 10:40], mask2[:, :30] = 1, 1
    _, mask = compose_flows(first, first, mask1, mask2)
    expected = np.zeros(SHAPE)
    expected[10:30, 10:25] = 1
    np.testing.assert_array_equal(mask, expected)


@settings(max_examples=20, deadline=None)
@given(st.floats(-0.15, 0.15), st.floats(-0.15, 0.15), st.floats(0.85, 1.15), st.floats(-6, 6), st.floats(-6, 6))
def test_inverse_of_an_affine_flow_is_exact(shear, turn, stretch, dx, dy):
    linear = np.array([[stretch, shear - turn], [turn, 1.0]])
    inverse = np.linalg.inv(linear)
    flow, mask = invert_flow(affine_flow(linear, [dx, dy]))
    assert mask.mean() > 0.4
    expected = affine_flow(inverse, -inverse @ [dx, dy])
    np.testing.assert_allclose(flow[mask > 0], expected[mask > 0], atol=1e-4)
    assert not flow[mask == 0].any()


def test_a_flow_followed_by_its_inverse_returns_every_point():
    flow = wavy_flow()
    back, known = invert_flow(flow)
    there_and_back, mask = compose_flows(flow, back, None, known)
    assert mask.mean() > 0.85
    assert np.abs(there_and_back).max() < 0.55 * 2 / 15  # half a pixel beyond the known, at the flow's gradient
    interior = ndimage.binary_erosion(mask > 0, iterations=2)
    assert np.abs(there_and_back[interior]).max() < 0.005  # the flow's curvature within a pixel


def test_inverting_a_large_motion_of_a_thin_band():
    """A fixed-point iteration started at the pixel itself would find nothing known there."""
    flow, mask = np.zeros((*SHAPE, 2), np.float32), np.zeros(SHAPE, np.float32)
    flow[10:15, 5:50], mask[10:15, 5:50] = (3.0, 20.0), 1
    back, known = invert_flow(flow, mask)
    expected = np.zeros(SHAPE)
    expected[30:35, 8:53] = 1
    np.testing.assert_array_equal(known, expected)
    np.testing.assert_allclose(back[known > 0], np.broadcast_to([-3.0, -20.0], (5 * 45, 2)), atol=1e-5)


def test_an_upright_triangle_wins_over_a_folded_one():
    nodes = np.array([[0, 0], [10, 0], [0, 10], [20, 20], [40, 20], [20, 40], [5, 5]], float)
    triangles = np.array([[3, 4, 5], [0, 1, 2], [0, 6, 1]])  # the last lies over the second, turned over
    values = np.zeros((7, 2))
    values[6] = 100
    for order in ([0, 1, 2], [2, 1, 0]):
        field, _ = fill_triangles(nodes, values, triangles[order], (41, 41))
        assert not field.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_nodes_that_are_nowhere_are_left_out_and_do_no_harm(bad):
    nodes = np.array([[0, 0], [10, 0], [0, 10], [bad, bad]])
    field, mask = fill_triangles(nodes, np.ones((4, 2)), np.array([[0, 1, 2], [1, 3, 2]]), (12, 12))
    assert mask.sum() >= 66
    assert np.isfinite(field).all()
    if not np.isfinite(bad):
        assert mask.sum() == 66  # 11 + 10 + … + 1 pixel centres, the border included


def test_a_triangle_off_the_image_or_without_area_fills_nothing():
    nodes = np.array([[-50, -50], [-40, -50], [-45, -40], [3, 3], [5, 3], [9, 3]], float)
    _, mask = fill_triangles(nodes, np.zeros((6, 2)), np.array([[0, 1, 2], [3, 4, 5]]), (12, 12))
    assert not mask.any()
