"""The mesh, its exact motion, and the contours it is made from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpwc_keras.errors import InputError
from cpwc_keras.mesh import (
    TRIANGLES,
    carry_points,
    dense_flow,
    inverted_triangles,
    mesh_from_contours,
    mesh_from_labels,
)
from cpwc_keras.segmentation import contours_from_labels
from cpwc_keras.types import MESH_SHAPE

SHAPE = (160, 150)


def horseshoe_mesh(centre=(75.3, 70.2), inner=30.4, outer=50.7, legs=60.1):
    """Half a ring for the apex with two straight legs; nodes off the pixel grid."""
    turn = np.linspace(np.pi, 2 * np.pi, MESH_SHAPE[0] - 16)
    radius = np.linspace(inner, outer, MESH_SHAPE[1])[None, :, None]
    arc = np.stack([np.cos(turn), np.sin(turn)], -1)[:, None] * radius + centre
    down = np.linspace(legs, legs / 8, 8)[:, None, None] * [0.0, 1.0]
    return np.concatenate([arc[:1] + down, arc, arc[-1:] + down[::-1]]).astype(np.float32)


def horseshoe_labels(inner=30, outer=50, legs=60, shape=SHAPE):
    """Cavity, wall and atrium of the same shape; septum on the left."""
    y, x = np.indices(shape)
    distance = np.hypot(x - 75, np.minimum(y - 70, 0))
    labels = np.zeros(shape, np.uint8)
    ventricle = y <= 70 + legs
    labels[(distance <= outer) & ventricle] = 2
    labels[(distance <= inner) & ventricle] = 1
    labels[(distance <= inner) & ~ventricle] = 3
    return labels


def polygon_area(mesh):
    edge = np.concatenate([mesh[:, 0], mesh[-1, 1:], mesh[::-1, -1][1:], mesh[0, ::-1][1:-1]]).astype(float)
    x, y = edge.T
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


def perimeter(mesh):
    edge = np.concatenate([mesh[:, 0], mesh[-1, 1:], mesh[::-1, -1][1:], mesh[0, ::-1][1:]])
    return np.linalg.norm(np.diff(edge, axis=0), axis=1).sum()


def test_280_triangles_of_one_orientation_tile_the_wall():
    mesh = horseshoe_mesh()
    assert TRIANGLES.shape == (280, 3)
    assert set(TRIANGLES.ravel()) == set(range(180))
    assert not inverted_triangles(mesh).any()
    assert not inverted_triangles(mesh * [-1, 1]).any()  # mirrored, not folded
    folded = mesh.copy()
    folded[10, 2] = folded[10, 4] + (folded[10, 4] - folded[10, 2])
    assert inverted_triangles(folded).any()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_an_affine_motion_is_reproduced_exactly_up_to_the_border(seed):
    rng = np.random.default_rng(seed)
    linear, shift = np.eye(2) + rng.uniform(-0.2, 0.2, (2, 2)), rng.uniform(-15, 15, 2)
    mesh = horseshoe_mesh()
    flow, mask = dense_flow(mesh, mesh @ linear.T + shift, SHAPE)
    y, x = np.nonzero(mask)
    points = np.stack([x, y], -1)
    np.testing.assert_allclose(flow[y, x], points @ (linear - np.eye(2)).T + shift, atol=1e-4)
    assert not flow[mask == 0].any()


def test_the_mask_is_the_wall_without_gaps():
    mesh = horseshoe_mesh()
    _, mask = dense_flow(mesh, mesh, SHAPE)
    assert abs(mask.sum() - polygon_area(mesh)) < 0.5 * perimeter(mesh)
    # Line by line across the left leg: one run of pixels, no hole between triangles.
    for row in mask[75:125, :75]:
        assert np.count_nonzero(np.diff(row)) == 2


def test_edges_through_pixel_centres_leave_no_gap():
    x, y = np.meshgrid(np.arange(36) * 2.0, np.arange(5) * 3.0, indexing="ij")
    mesh = np.stack([x, y], -1)
    _, mask = dense_flow(mesh, mesh + 1, (13, 71))
    assert mask.all()


def test_forward_then_backward_returns_every_point():
    mesh = horseshoe_mesh()
    rng = np.random.default_rng(1)
    moved = mesh + rng.uniform(-1.2, 1.2, mesh.shape)
    assert not inverted_triangles(moved).any()
    nodes = mesh.reshape(-1, 2)
    np.testing.assert_allclose(carry_points(mesh, moved, nodes), moved.reshape(-1, 2), atol=1e-4)
    y, x = np.nonzero(dense_flow(mesh, moved, SHAPE)[1])
    points = np.stack([x, y], -1)
    there = carry_points(mesh, moved, points)
    np.testing.assert_allclose(carry_points(moved, mesh, there), points, atol=1e-4)


def test_the_dense_flow_and_the_carried_points_are_one_motion():
    mesh = horseshoe_mesh()
    moved = mesh + np.random.default_rng(2).uniform(-1, 1, mesh.shape)
    flow, mask = dense_flow(mesh, moved, SHAPE)
    y, x = np.nonzero(mask)
    points = np.stack([x, y], -1)
    np.testing.assert_allclose(carry_points(mesh, moved, points) - points, flow[y, x], atol=1e-4)


def test_points_are_carried_through_a_whole_trajectory_and_nan_outside():
    mesh = horseshoe_mesh()
    trajectory = np.stack([mesh, mesh + 3, mesh - 2])
    moved = carry_points(mesh, trajectory, np.array([mesh[5, 2], [75, 100]]))
    assert moved.shape == (3, 2, 2)
    np.testing.assert_allclose(moved[:, 0], mesh[5, 2] + np.array([[0], [3], [-2]]), atol=1e-4)
    assert np.isnan(moved[:, 1]).all()  # in the cavity


@pytest.mark.parametrize("frame", [0, 1])
def test_nan_nodes_take_only_their_own_triangles_away(frame):
    meshes = [horseshoe_mesh(), horseshoe_mesh() + 2]
    _, whole = dense_flow(*meshes, SHAPE)
    meshes[frame][20, 2] = np.nan
    flow, mask = dense_flow(*meshes, SHAPE)
    assert 0 < whole.sum() - mask.sum() < 0.05 * whole.sum()
    np.testing.assert_allclose(flow[mask > 0], 2, atol=1e-4)
    meshes[frame][:] = np.nan
    assert not dense_flow(*meshes, SHAPE)[1].any()


def test_the_mesh_of_contours_follows_figure_1():
    turn = np.linspace(np.pi, 2 * np.pi, 201)
    ring = np.stack([np.cos(turn), np.sin(turn)], -1)
    mesh = mesh_from_contours(30 * ring + 75, 50 * ring + 75)
    assert mesh.shape == (*MESH_SHAPE, 2)
    assert not inverted_triangles(mesh).any()
    angle = np.arctan2(mesh[..., 0] - 75, 75 - mesh[..., 1])  # clockwise from the apex
    np.testing.assert_allclose(angle, np.broadcast_to(angle[:, :1], angle.shape), atol=2e-2)  # perpendicular
    np.testing.assert_allclose(np.diff(angle[:, 4]), np.pi / 35, atol=1e-3)  # evenly along the epicardium
    np.testing.assert_allclose(np.linalg.norm(mesh - 75, axis=-1), np.tile(np.linspace(30, 50, 5), (36, 1)), atol=0.05)
    np.testing.assert_allclose(mesh[:, :, 0] + mesh[::-1, :, 0], 150, atol=0.2)  # the apex midway


def test_perpendicular_means_perpendicular_in_millimetres():
    turn = np.linspace(np.pi, 2 * np.pi, 201)
    ring = np.stack([np.cos(turn), np.sin(turn)], -1)
    spacing = (0.25, 0.5)
    in_mm = mesh_from_contours(30 * ring + 75, 50 * ring + 75)
    in_px = mesh_from_contours((30 * ring + 75) / spacing[::-1], (50 * ring + 75) / spacing[::-1], spacing)
    np.testing.assert_allclose(in_px * spacing[::-1], in_mm, atol=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_ragged_walls_still_give_a_mesh_without_folds(seed):
    """Perpendiculars of such walls cross in most draws."""
    rng = np.random.default_rng(seed)
    turn = np.linspace(np.pi, 2 * np.pi, 150)
    ring = np.stack([np.cos(turn), 1.5 * np.sin(turn)], -1)
    waves = np.sin(np.outer(turn - np.pi, [3, 5, 7, 9, 13]))
    endo = ring * (25 + waves @ rng.uniform(-1.5, 1.5, 5))[:, None]
    epi = ring * (46 + waves @ rng.uniform(-1.5, 1.5, 5))[:, None]
    mesh = mesh_from_contours(endo, epi)
    assert not inverted_triangles(mesh).any()
    np.testing.assert_allclose(mesh[[0, -1], 0], endo[[0, -1]], atol=1e-3)


def test_the_contours_of_labels_are_subpixel_and_end_at_the_corners():
    endo, epi = contours_from_labels(horseshoe_labels())
    for curve, radius in ((endo, 30), (epi, 50)):
        apex = curve[curve[:, 1] < 60]
        assert np.abs(np.hypot(*(apex - [75, 70]).T) - radius).max() < 0.45
        np.testing.assert_allclose(curve[0], [75 - radius - 0.5, 130.5], atol=2.0)
        np.testing.assert_allclose(curve[-1], [75 + radius + 0.5, 130.5], atol=2.0)


def test_the_mesh_of_labels_covers_the_myocardium():
    labels = horseshoe_labels()
    mesh = mesh_from_labels(labels)
    assert mesh[0, 0, 0] < mesh[-1, 0, 0]  # septum on the left
    _, mask = dense_flow(mesh, mesh, SHAPE)
    wall = labels == 2
    assert 2 * (mask * wall).sum() / (mask.sum() + wall.sum()) > 0.97
    speck = labels.copy()
    speck[5, 5] = 2
    np.testing.assert_array_equal(mesh_from_labels(speck), mesh)


def _without_wall(labels):
    labels[labels == 2] = 0


def _without_cavity(labels):
    labels[labels == 1] = 0


def _cut_in_two(labels):
    labels[100:110, :60][labels[100:110, :60] == 2] = 0


def _closed_base(labels):
    labels[131:140, 20:130] = 2


def _hole_in_the_wall(labels):
    labels[90:110, :50][labels[90:110, :50] == 2] = 0
    labels[90:110, 25:27] = 2


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_without_wall, "no myocardium"),
        (_without_cavity, "no cavity"),
        (_cut_in_two, "in 2 parts"),
        (_closed_base, "on all sides"),
        (_hole_in_the_wall, "more than one place"),
    ],
)
def test_labels_that_are_not_a_ventricle_are_refused(damage, message):
    labels = horseshoe_labels()
    damage(labels)
    with pytest.raises(InputError, match=message):
        mesh_from_labels(labels)


def test_contours_that_are_not_a_wall_are_refused():
    turn = np.linspace(np.pi, 2 * np.pi, 50)
    ring = np.stack([np.cos(turn), np.sin(turn)], -1)
    whole = np.linspace(0, 2 * np.pi, 50)
    closed = np.stack([np.cos(whole), np.sin(whole)], -1)
    for endo, epi, message in [
        (30 * ring, 50 * ring[::-1], "against"),
        (30 * closed, 50 * ring, "closed"),
        (30 * ring[:1], 50 * ring, "1 distinct"),
        (30 * ring + np.nan, 50 * ring, "finite"),
        (50 * ring, 30 * ring, "around"),
        (30 * ring, 30 * ring * [1.6, 0.8], "without folds"),
    ]:
        with pytest.raises(InputError, match=message):
            mesh_from_contours(endo, epi)


def test_real_segmentations_give_sound_meshes(shared_data):
    sitk = pytest.importorskip("SimpleITK")
    files = sorted((shared_data / "camus" / "database_nifti").glob("*/*_4CH_E[DS]_gt.nii.gz"))[::15]
    if not files:
        pytest.skip("no CAMUS segmentations at hand")
    for file in files:
        image = sitk.ReadImage(str(file))
        labels = sitk.GetArrayFromImage(image).astype(np.uint8)
        mesh = mesh_from_labels(labels, image.GetSpacing()[::-1])
        assert not inverted_triangles(mesh).any(), file.name
        _, mask = dense_flow(mesh, mesh, labels.shape)
        wall = labels == 2
        assert 2 * (mask * wall).sum() / (mask.sum() + wall.sum()) > 0.98, file.name
