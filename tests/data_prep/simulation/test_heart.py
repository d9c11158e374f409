"""Procedural hearts: plausible anatomy for every seed, and templates that the pipeline accepts."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpwc_keras.data_prep.simulation.heart import contract, draw_anatomy, procedural_template, sector_grid
from cpwc_keras.data_prep.simulation.template_check import check_template
from cpwc_keras.evaluation.strain import longitudinal_strain
from cpwc_keras.mesh import inverted_triangles

SEEDS = st.integers(0, 2**31)


@pytest.fixture(scope="module")
def template():
    return procedural_template(seed=0, index=0, load_seed=0, frames=6)


@given(seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_anatomy_of_any_seed_is_plausible(seed):
    rng = np.random.default_rng(seed)
    anatomy = draw_anatomy(rng)
    assert not inverted_triangles(anatomy.mesh).any()
    assert 110 <= anatomy.depth_mm <= 200 and 60 - 1e-9 <= anatomy.sector_deg <= 90 + 1e-9

    mesh = anatomy.grid.to_mm(anatomy.mesh)
    radius, angle = np.hypot(mesh[..., 0], mesh[..., 1]), np.arctan2(mesh[..., 0], mesh[..., 1])
    assert ((radius < anatomy.depth_mm) & (np.abs(angle) < np.deg2rad(anatomy.sector_deg) / 2)).mean() > 0.9
    assert mesh[17:19, -1, 1].max() < mesh[[0, -1], :, 1].min(), "the apex is at the top"
    assert mesh[0, 0, 0] < mesh[-1, 0, 0], "the septum is on the left"
    thickness = np.linalg.norm(mesh[:, 0] - mesh[:, -1], axis=-1)
    assert thickness.min() > 4 and thickness.max() < 16
    assert 35 < np.linalg.norm(mesh[:18, 0] - mesh[:17:-1, 0], axis=-1).max() < 75


@given(seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_contraction_thickens_the_wall_and_draws_the_base_to_the_apex(seed):
    rng = np.random.default_rng(seed)
    anatomy = draw_anatomy(rng)
    contracted = contract(anatomy, rng)
    assert not inverted_triangles(contracted).any()
    before, after = anatomy.grid.to_mm(anatomy.mesh), anatomy.grid.to_mm(contracted)
    apex, base = (np.linalg.norm((after - before)[rows, -1].mean(0)) for rows in ([17, 18], [0, -1]))
    assert apex < 2 and 6 < base < 18
    thin, thick = (np.linalg.norm(mesh[:, 0] - mesh[:, -1], axis=-1) for mesh in (before, after))
    assert (thick > thin).all()
    strain = longitudinal_strain(np.stack([anatomy.mesh[:, 0], contracted[:, 0]]), anatomy.grid.spacing_mm)[1]
    assert -32 < strain < -8


@given(seed=SEEDS, index=st.integers(0, 10**6), load_seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_any_template_can_be_simulated(seed, index, load_seed):
    template = procedural_template(seed, index, load_seed, frames=2)
    check_template(template, template.scan())
    assert template.frames.dtype == template.mesh.dtype == np.float32
    assert not template.frames[:, ~template.grid.sector(template.scan())].any()


def test_same_seeds_give_the_same_heart(template):
    again = pickle.loads(pickle.dumps(procedural_template(0, 0, 0, 6)))
    assert np.array_equal(again.frames, template.frames) and np.array_equal(again.mesh, template.mesh)
    assert (again.grid, again.es, again.patient) == (template.grid, template.es, template.patient)


def test_load_seed_changes_the_beat_but_not_the_anatomy(template):
    other = procedural_template(0, 0, 1, 6)
    assert other.grid == template.grid and np.array_equal(other.mesh[0], template.mesh[0])
    assert np.array_equal(other.frames[0], template.frames[0])
    assert not np.allclose(other.mesh[2], template.mesh[2], atol=0.1)


def test_hearts_differ(template):
    assert procedural_template(0, 1, 0, 2).depth_mm != template.depth_mm
    assert procedural_template(1, 0, 0, 2).depth_mm != template.depth_mm


def test_end_systole_is_the_shortest_endocardium(template):
    strain = longitudinal_strain(template.mesh[:, :, 0], template.grid.spacing_mm)
    assert template.ed == 0 and template.es == strain.argmin() > 0
    assert -30 < strain.min() < -5 and template.frame_rate_hz > 0


def test_sector_grid_holds_the_sector():
    grid = sector_grid(depth_mm=120.0, half_angle=np.deg2rad(40), step_mm=0.4)
    x, y = grid.to_pixels(120 * np.array([[-np.sin(0.698), np.cos(0.698)], [0, 1], [np.sin(0.698), np.cos(0.698)]])).T
    assert x[0] > 2 and x[2] < grid.shape[1] - 3 and y[1] < grid.shape[0] - 3
    assert x[0] + x[2] == pytest.approx(grid.shape[1] - 1), "the probe is in the middle"
