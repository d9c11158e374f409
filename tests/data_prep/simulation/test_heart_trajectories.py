"""Templates painted around published motion: geometry, unknown nodes, and the real files."""

from functools import partial

import numpy as np
import pytest
from scipy.io import savemat

from cpwc_keras.data import alessandrini
from cpwc_keras.data_prep.simulation.template_check import check_template
from cpwc_keras.data_prep.simulation.trajectories import mend, trajectory_template
from cpwc_keras.errors import InputError
from cpwc_keras.mesh import inverted_triangles
from cpwc_keras.types import DatasetItem, Trajectory

LEFT, RIGHT, DEPTH = np.deg2rad(42.0), np.deg2rad(36.0), 100.0
WIDTH = DEPTH * (np.sin(LEFT) + np.sin(RIGHT))
SECTOR = {"t0": np.pi / 2 + LEFT, "tf": np.pi / 2 - RIGHT, "radius": DEPTH, "width": WIDTH, "rf": 0.1}
SHAPE = (201, 261)
SPACING = (DEPTH / (SHAPE[0] - 1), WIDTH / (SHAPE[1] - 1))


def mesh_mm(frames: int = 3) -> np.ndarray:
    """(T, 36, 5, 2) mm (x, z) from the image's top left: a horseshoe that shrinks."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 36)[:, None]
    thickness = np.linspace(8, 0, 5)
    meshes = [
        np.stack([65 + (22 - thickness) * s * np.sin(angle), 75 - (58 - thickness) * s * np.cos(angle)], -1)
        for s in 1 - 0.05 * np.arange(frames)
    ]
    return np.stack(meshes).astype(np.float32)


def item(folder, mesh: np.ndarray, sector: dict | None = None) -> DatasetItem:
    info = folder / "info.mat"
    savemat(info, {"USInfo": SECTOR if sector is None else sector})
    trajectory = Trajectory(mesh, SPACING, SHAPE, ed=0, es=2)
    files = (folder / "motion.mat", info)
    return DatasetItem("GE/A4C/normal", "alessandrini", len(mesh), partial(_same, trajectory), files=files)


def _same(trajectory):
    return trajectory


def test_geometry_is_the_vendors(tmp_path):
    template = trajectory_template(item(tmp_path, mesh_mm()), seed=0)
    assert template.depth_mm == DEPTH and template.sector_deg == pytest.approx(84)
    assert template.grid.spacing_mm == SPACING and template.grid.shape == SHAPE
    # Both edges leave the probe for the lower corners of what the image is wide.
    corners = template.grid.to_pixels(DEPTH * np.array([[-np.sin(LEFT), np.cos(LEFT)], [np.sin(RIGHT), np.cos(RIGHT)]]))
    assert np.allclose(corners[:, 0], [0, SHAPE[1] - 1], atol=1e-3)
    assert np.allclose(template.grid.to_pixels([0, DEPTH])[1], SHAPE[0] - 1)
    _, angle = template.grid.polar()
    assert not template.frames[:, angle > RIGHT + 1e-6].any(), "black beyond the vendor's own right edge"
    assert template.frames[:, (angle < -0.95 * RIGHT) & (angle > -LEFT)].mean() > 0.005
    assert (template.ed, template.es, template.view) == (0, 2, "A4C")
    check_template(template, template.scan())


def test_seed_changes_the_paint_alone(tmp_path):
    one, same, other = (trajectory_template(item(tmp_path, mesh_mm()), seed) for seed in (0, 0, 1))
    assert np.array_equal(one.frames, same.frames) and not np.array_equal(one.frames, other.frames)
    assert np.array_equal(one.mesh, other.mesh)


def test_unknown_nodes_are_filled_in_and_named(tmp_path):
    mesh = mesh_mm()
    gaps = mesh.copy()
    gaps[1:, 33:35, 0] = np.nan
    template = trajectory_template(item(tmp_path, gaps), seed=0)
    scale = np.array(SPACING[::-1])
    assert np.allclose(template.mesh * scale, mesh, atol=1e-3)  # evenly spread on a straight line here
    assert any("2 of 3 frames" in note and "33/0, 34/0" in note for note in template.notes)
    assert np.isnan(gaps[1, 33, 0]).all(), "what was read is left alone"


def test_mesh_without_gaps_stays_as_it_is():
    mesh = mesh_mm()
    mended, notes = mend(mesh)
    assert np.array_equal(mended, mesh) and notes == ()


def test_too_many_gaps_are_an_error(tmp_path):
    mesh = mesh_mm()
    mesh[1, 5, :4] = np.nan
    with pytest.raises(InputError, match="frame 1"):
        trajectory_template(item(tmp_path, mesh), seed=0)


@pytest.mark.parametrize(
    "change", [{"t0": 0.3}, {"tf": 2.0}, {"radius": np.nan}, {"width": -1.0}, {"t0": np.array([1.0, 2.0])}]
)
def test_impossible_sector_is_an_error(tmp_path, change):
    with pytest.raises(InputError, match=r"info\.mat.*no sector"):
        trajectory_template(item(tmp_path, mesh_mm(), SECTOR | change), seed=0)


def test_real_sectors_hold_their_meshes(shared_data):
    items = alessandrini.find_motion(shared_data / "alessandrini2018")
    assert len(items) == 105
    mended = 0
    for one in items:
        trajectory, sector = one.read(), alessandrini.read_sector(one.files[1])
        height, width = trajectory.image_shape
        row_mm, col_mm = trajectory.spacing_mm
        # The depth reaches the last row, and from both sides the probe is found at the same place.
        assert sector.depth_mm == pytest.approx((height - 1) * row_mm, abs=0.1)
        assert sector.depth_mm * np.sin(sector.left) == pytest.approx(sector.probe_mm, abs=0.5)
        assert sector.depth_mm * np.sin(sector.right) == pytest.approx((width - 1) * col_mm - sector.probe_mm, abs=0.5)
        mesh, notes = mend(trajectory.mesh_mm)
        mended += bool(notes)
        assert np.isfinite(mesh).all() and not inverted_triangles(mesh).any()
        x, z = mesh[..., 0] - sector.probe_mm, mesh[..., 1]
        angle = np.arctan2(x, z)
        inside = (np.hypot(x, z) < sector.depth_mm) & (angle > -sector.left) & (angle < sector.right)
        assert inside.mean((1, 2)).min() > 0.9, one.name
    assert mended == 11


def test_filling_in_is_right_where_the_nodes_are_known(shared_data):
    items = alessandrini.find_motion(shared_data / "alessandrini2018")
    mesh = next(one for one in items if one.name == "Philips Medical Systems/A4C/normal").read().mesh_mm
    gaps = mesh.copy()
    gaps[:, [1, 33, 34], 0] = np.nan
    error = np.linalg.norm(mend(gaps)[0] - mesh, axis=-1)[:, [1, 33, 34], 0]
    assert np.median(error) < 0.25 and error.max() < 1.0


def test_real_motion_becomes_a_template(shared_data):
    one = next(i for i in alessandrini.find_motion(shared_data / "alessandrini2018") if i.name.endswith("A4C/lcx"))
    template = trajectory_template(one, seed=0)
    check_template(template, template.scan())
