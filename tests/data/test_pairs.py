"""Temporal pair sampling and the motion of spaced and backward pairs."""

from dataclasses import replace

import numpy as np
import pytest

from cpwc_keras.data.pairs import PairPolicy, enumerate_pairs, pair_from_sequence
from cpwc_keras.fields import pixel_grid, sample_field
from cpwc_keras.types import MESH_SHAPE, CineLoop, DatasetItem, FramePair, Sequence

SHAPE = (64, 72)


def item(n_frames, name="a"):
    return DatasetItem(name, "test", n_frames, loader=lambda: None)


def block_mesh():
    x, y = np.meshgrid(np.linspace(10, 60, MESH_SHAPE[0]), np.linspace(12, 50, MESH_SHAPE[1]), indexing="ij")
    return np.stack([x, y], -1)


def motion(t):
    """A contraction about the middle with a drift; `motion(0)` is the identity."""
    return np.array([[1 - 0.02 * t, 0.01 * t], [0.0, 1 - 0.01 * t]]), np.array([0.6 * t, -0.4 * t])


def move(points, t):
    linear, shift = motion(t)
    return (points - [36, 32]) @ linear.T + [36, 32] + shift


def move_back(points, t):
    linear, shift = motion(t)
    return (points - [36, 32] - shift) @ np.linalg.inv(linear).T + [36, 32]


def true_flow(first, second):
    grid = pixel_grid(SHAPE)
    return move(move_back(grid, first), second) - grid


def loop(n_frames):
    frames = np.arange(n_frames, dtype=np.float32)[:, None, None] / n_frames * np.ones(SHAPE, np.float32)
    return CineLoop(frames, spacing_mm=(0.3, 0.4), patient="p1")


@pytest.fixture
def mesh_sequence():
    return Sequence(loop(6), mesh=np.stack([move(block_mesh(), t) for t in range(6)]).astype(np.float32))


@pytest.fixture
def dense_sequence():
    flows = np.stack([true_flow(t, t + 1) for t in range(5)]).astype(np.float32)
    return Sequence(loop(6), flows=flows, masks=np.ones(flows.shape[:-1], np.float32))


def test_every_pair_of_the_policy_and_no_other():
    rows = enumerate_pairs([item(2), item(4)], PairPolicy(spacings=(0, 1)))
    assert {tuple(row) for row in rows[rows[:, 0] == 0, 1:]} == {(0, 1), (1, 0)}
    assert {tuple(row) for row in rows[rows[:, 0] == 1, 1:]} == {
        *((0, 1), (1, 2), (2, 3), (0, 2), (1, 3)),
        *((1, 0), (2, 1), (3, 2), (2, 0), (3, 1)),
    }
    assert len(rows) == 12
    forward = enumerate_pairs([item(2), item(4)], PairPolicy(spacings=(0,), directions="forward"))
    assert forward.tolist() == [[0, 0, 1], [1, 0, 1], [1, 1, 2], [1, 2, 3]]
    assert enumerate_pairs([], PairPolicy()).shape == enumerate_pairs([item(1)], PairPolicy()).shape == (0, 3)


@pytest.mark.parametrize("wrong", [{"spacings": ()}, {"spacings": (-1,)}, {"spacings": (0, 0)}, {"directions": "back"}])
def test_a_policy_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        PairPolicy(**wrong)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 3), (2, 5), (1, 0), (4, 2), (5, 2)])
@pytest.mark.parametrize("form", ["mesh_sequence", "dense_sequence"])
def test_motion_of_any_pair_is_exact(form, first, second, request):
    sequence = request.getfixturevalue(form)
    pair = pair_from_sequence(sequence, first, second)
    np.testing.assert_array_equal(pair.image1, sequence.loop.frames[first])
    np.testing.assert_array_equal(pair.image2, sequence.loop.frames[second])
    assert pair.spacing_mm == (0.3, 0.4)
    known = pair.mask > 0
    assert not pair.flow[~known].any()
    known[:6], known[-6:], known[:, :6], known[:, -6:] = False, False, False, False  # composing continues the border
    assert known.mean() > 0.3
    np.testing.assert_allclose(pair.flow[known], true_flow(first, second)[known], atol=2e-3)


def test_a_frame_without_a_mesh_gives_an_empty_mask(mesh_sequence):
    mesh_sequence.mesh[2] = np.nan
    for first, second in ((2, 3), (3, 2)):
        pair = pair_from_sequence(mesh_sequence, first, second)
        assert not pair.mask.any()
        assert not pair.flow.any()


def test_nothing_is_known_where_the_first_frame_shows_nothing(mesh_sequence):
    whole = pair_from_sequence(mesh_sequence, 1, 3)
    sector = np.arange(SHAPE[1]) < SHAPE[1] // 2
    loop = replace(mesh_sequence.loop, sector=np.broadcast_to(sector, SHAPE))
    seen = pair_from_sequence(replace(mesh_sequence, loop=loop), 1, 3)
    assert 0 < seen.mask.sum() < whole.mask.sum()
    np.testing.assert_array_equal(seen.mask, whole.mask * sector)
    np.testing.assert_array_equal(seen.flow, whole.flow * sector[:, None])


def test_a_single_pair_backward():
    flow = true_flow(0, 2).astype(np.float32)
    images = np.zeros((2, *SHAPE), np.float32)
    images[1] = 1
    pair = FramePair(*images, flow, np.ones(SHAPE, np.float32), name="00001")
    assert pair_from_sequence(pair, 0, 1) is pair
    back = pair_from_sequence(pair, 1, 0)
    assert back.image1.all()
    assert not back.image2.any()
    np.testing.assert_allclose(back.flow[back.mask > 0], true_flow(2, 0)[back.mask > 0], atol=1e-4)


def test_real_trajectory_forward_and_backward_agree(shared_data):
    from scipy.io import loadmat

    files = sorted((shared_data / "alessandrini2018" / "ground_truth").glob("*_A4C_ladprox.mat"))
    if not files:
        pytest.skip("no Alessandrini ground truth at hand")
    points = loadmat(files[0])["X_gt"][:, [0, 2]].reshape(36, 5, 2, -1, order="F")
    mesh = np.moveaxis(points, -1, 0).astype(np.float32) / 0.3
    height, width = np.ceil(np.nanmax(mesh, (0, 1, 2))[::-1]).astype(int) + 10
    sequence = Sequence(CineLoop(np.zeros((len(mesh), height, width), np.float32)), mesh=mesh)
    forward, backward = pair_from_sequence(sequence, 3, 6), pair_from_sequence(sequence, 6, 3)
    y, x = np.nonzero(forward.mask)
    there = np.stack([x, y], -1) + forward.flow[y, x]
    back, weight = sample_field(backward.flow, there, backward.mask)
    deep = weight > 0.999
    assert deep.mean() > 0.85
    residual = np.linalg.norm(forward.flow[y, x] + back, axis=-1)[deep]
    assert np.linalg.norm(forward.flow[y, x], axis=-1).mean() > 10 * residual.mean()
    assert residual.max() < 0.1
