"""Brightness painted around a mesh: tissue goes where the mesh goes, and the cavity is where the mesh says."""

import numpy as np
import pytest

from cpwc_keras.data_prep.simulation.painting import motion_back, paint
from cpwc_keras.data_prep.simulation.tissue import draw_tissue, polygon, smooth_noise
from cpwc_keras.data_prep.simulation.transducer import ImageGrid
from cpwc_keras.fields import fill_triangles
from cpwc_keras.mesh import TRIANGLES, carry_points

GRID = ImageGrid(shape=(260, 300), spacing_mm=(0.5, 0.5), probe=(149.5, 0.0))
EDGES, DEPTH = (-0.7, 0.7), 128.0


def horseshoe(longer: float = 1.0, inwards: float = 0.0) -> np.ndarray:
    """(36, 5, 2) pixels: half an ellipse with its apex at (155, 40)."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 36)[:, None]
    share = np.linspace(1, 0, 5)
    across, along = 55 - share * (16 + inwards), 150 - share * (16 + inwards)
    return np.stack([155 + across * np.sin(angle), 190 - (1 - longer) * 60 - longer * along * np.cos(angle)], -1)


def beating(frames: int = 5) -> np.ndarray:
    phase = np.sin(np.pi * np.arange(frames) / (frames - 1))
    return np.stack([horseshoe(1 - 0.12 * p, 5 * p) for p in phase]).astype(np.float32)


def test_still_mesh_gives_still_brightness():
    frames = paint(np.repeat(horseshoe()[None], 3, 0), GRID, DEPTH, EDGES, "A4C", np.random.default_rng(0))
    assert np.array_equal(frames[0], frames[1]) and np.array_equal(frames[0], frames[2])
    assert np.array_equal(motion_back(horseshoe(), horseshoe(), GRID), np.zeros((*GRID.shape, 2)))


def test_motion_is_exact_in_the_wall_and_fades_around_it():
    mesh, shift = horseshoe(), np.array([3.0, -2.0])
    back = motion_back(mesh, mesh + shift, GRID)
    _, wall = fill_triangles((mesh + shift).reshape(-1, 2), np.zeros((180, 2)), TRIANGLES, GRID.shape)
    assert np.allclose(back[wall > 0], -shift, atol=1e-4)
    near, further = back[100, 206], back[100, 230]  # 2 and 14 mm to the right of the lateral wall
    assert np.allclose(near, -shift, rtol=0.1) and np.abs(further).max() < np.abs(near).max()
    assert np.abs(back[250, 5]).max() < 0.3, "far away nothing moves"
    steps = [np.abs(np.diff(back, axis=axis)).max() for axis in (0, 1)]
    assert max(steps) < 1, "the continuation has no jumps"


def test_motion_is_the_inverse_of_the_meshs():
    mesh, now = horseshoe(), horseshoe(0.9, 4)
    points = mesh[3:-3, 1:-1].reshape(-1, 2) + np.array([0.3, 0.2])
    arrived = carry_points(mesh, now, points)
    column, row = np.rint(arrived).astype(int).T
    back = motion_back(mesh, now, GRID)[row, column]
    assert np.abs(arrived + back - points).max() < 1.0  # half a pixel of rounding, stretched by the thickening


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("view", ["A4C", "A2C"])
def test_cavity_is_dark_in_every_frame_and_the_wall_is_not(seed, view):
    mesh = beating()
    frames = paint(mesh, GRID, DEPTH, EDGES, view, np.random.default_rng(seed))
    assert frames.dtype == np.float32 and frames.min() >= 0 and frames.max() <= 1
    _, angle = GRID.polar()
    middle = np.abs(angle) < 0.3
    for frame, now in zip(frames, mesh, strict=True):
        _, wall = fill_triangles(now.reshape(-1, 2), np.zeros((180, 2)), TRIANGLES, GRID.shape)
        centre = now[:, 0].mean(0)
        cavity = polygon(centre + 0.7 * (now[:, 0] - centre), GRID.shape) > 0
        assert frame[cavity & middle].mean() < 0.75 * frame[(wall > 0) & middle].mean()


def test_texture_goes_with_the_wall():
    mesh = beating()
    tissue = draw_tissue(mesh[0], GRID, "A4C", np.random.default_rng(1))
    frames = paint(mesh, GRID, DEPTH, EDGES, "A4C", np.random.default_rng(1))
    points = mesh[0, 2:-2, 1:-1].reshape(-1, 2) + np.random.default_rng(2).uniform(-2, 2, (32 * 3, 2))
    carried = carry_points(mesh[0], mesh, points)
    known = np.isfinite(carried).all((0, 2))
    column, row = np.rint(carried[:, known]).astype(int).transpose(2, 0, 1)
    seen = np.stack([frame[r, c] for frame, r, c in zip(frames, row, column, strict=True)])
    still = frames[2][row[0], column[0]]
    moved = np.corrcoef(seen[0], seen[2])[0, 1]
    assert moved > 0.8 and moved > np.corrcoef(seen[0], still)[0, 1] + 0.3
    assert np.corrcoef(tissue.wall[row[0], column[0]], seen[0])[0, 1] > 0.5


def test_black_outside_of_an_askew_sector():
    frames = paint(beating(2), GRID, 120.0, (-0.5, 0.65), "A3C", np.random.default_rng(3))
    radius, angle = GRID.polar()
    seen = (radius <= 120) & (angle >= -0.5) & (angle <= 0.65)
    assert not frames[:, ~seen].any() and (frames[:, seen] > 0).mean() > 0.95


def test_spacing_may_differ_between_rows_and_columns():
    grid = ImageGrid((130, 300), (1.0, 0.5), (149.5, 0.0))
    mesh = beating(2) * np.float32([1, 0.5])
    flat = paint(mesh, grid, DEPTH, EDGES, "A4C", np.random.default_rng(4))
    assert flat.shape == (2, 130, 300) and flat.std() > 0.03
    wide = motion_back(mesh[0], mesh[1], grid)
    square = motion_back(beating(2)[0], beating(2)[1], GRID)[::2]
    assert np.allclose(wide[..., 0], square[..., 0], atol=0.6)


def test_noise_has_unit_variance():
    noise = smooth_noise(GRID, 3.0, np.random.default_rng(5))
    assert noise.shape == GRID.shape and noise.std() == pytest.approx(1, abs=0.15)
