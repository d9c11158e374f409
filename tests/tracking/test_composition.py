import numpy as np
import pytest

from cpwc_keras.fields import invert_flow, pixel_grid
from cpwc_keras.tracking.composition import compose, sample_flow

RNG = np.random.default_rng(0)
SHAPE = (60, 80)


def affine_flow(matrix, offset):
    grid = pixel_grid(SHAPE)
    return (grid @ (np.asarray(matrix).T - np.eye(2)) + offset).astype(np.float32)


MATRICES = {
    "shift": np.eye(2),
    "stretch": np.diag([1.05, 0.93]),
    "rotation": np.array([[np.cos(0.05), -np.sin(0.05)], [np.sin(0.05), np.cos(0.05)]]),
    "shear": np.array([[1, 0.08], [-0.03, 1]]),
}


def test_bilinear_sampling_is_exact_for_affine_flow_and_clamped_outside():
    flow = affine_flow(MATRICES["shear"], (1.5, -0.5))
    points = RNG.uniform([0, 0], [79, 59], (200, 2))
    expected = points @ (MATRICES["shear"].T - np.eye(2)) + (1.5, -0.5)
    np.testing.assert_allclose(sample_flow(flow, points), expected, atol=1e-4)
    np.testing.assert_allclose(sample_flow(flow, np.array([[-9.0, 30], [200, 99]])), flow[[30, 59], [0, 79]], atol=1e-6)


@pytest.mark.parametrize("name", MATRICES)
def test_a_field_and_its_exact_inverse_compose_to_the_identity(name):
    matrix, offset = MATRICES[name], np.array([2.0, -1.0])
    inverse = np.linalg.inv(matrix)
    forward, backward = affine_flow(matrix, offset), affine_flow(inverse, -inverse @ offset)
    points = RNG.uniform([25, 20], [55, 40], (50, 2))
    displacement, disagreement = compose(forward, backward, points)
    np.testing.assert_allclose(disagreement, 0, atol=1e-4)
    np.testing.assert_allclose(points + displacement, points @ matrix.T + offset, atol=1e-4)


def test_inverse_of_a_smooth_nonlinear_field():
    grid = pixel_grid(SHAPE)
    forward = np.stack([2 * np.sin(grid[..., 1] / 12), 1.5 * np.cos(grid[..., 0] / 15)], -1).astype(np.float32)
    backward, mask = invert_flow(forward)
    points = RNG.uniform([20, 15], [60, 45], (50, 2))
    assert sample_flow(mask[..., None], points).min() > 0.999
    displacement, disagreement = compose(forward, backward, points)
    np.testing.assert_allclose(disagreement, 0, atol=0.02)
    np.testing.assert_allclose(displacement, sample_flow(forward, points), atol=0.01)


def test_an_error_in_one_direction_is_halved_and_shown():
    forward, backward = np.zeros((*SHAPE, 2), np.float32), np.zeros((*SHAPE, 2), np.float32)
    forward[...] = (3, 1)
    backward[...] = (-1, -1)
    displacement, disagreement = compose(forward, backward, np.array([[40.0, 30.0]]))
    np.testing.assert_allclose(displacement, [[2, 1]])
    np.testing.assert_allclose(disagreement, [[2, 0]])


def test_any_leading_shape():
    flow = affine_flow(MATRICES["rotation"], (0, 0))
    mesh = RNG.uniform(20, 40, (36, 5, 2))
    displacement, disagreement = compose(flow, -flow, mesh)
    assert displacement.shape == disagreement.shape == (36, 5, 2)
