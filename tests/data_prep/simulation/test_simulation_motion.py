from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from cpwc_keras.data import camus
from cpwc_keras.data_prep.simulation.motion import MotionSettings, draw_cycle
from cpwc_keras.evaluation.strain import longitudinal_strain
from cpwc_keras.mesh import inverted_triangles, mesh_from_labels

SPACING = (0.3, 0.3)
CALM = MotionSettings(disease=0.0, dyssynchrony=0.0, sliding=(0.0, 0.0))


def horseshoe(length, width, wall):
    """A ventricle (36, 5, 2) with its apex up, in pixels: half an ellipse of these sizes."""
    angle = np.linspace(np.pi, 0, 36)[:, None]
    thickness = np.linspace(0, wall, 5)[None]
    x = 200 + (width + thickness) * -np.cos(np.pi - angle)
    y = 300 - (length + thickness) * np.sin(angle)
    return np.stack([x, y], -1)


ED, ES = horseshoe(220, 80, 28), horseshoe(190, 60, 40) + np.array([0, -30])


def strain_of(mesh):
    return longitudinal_strain(mesh[:, :, 0].astype(float), SPACING)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), frames=st.integers(2, 60))
def test_any_beat_starts_at_end_diastole_folds_nowhere_and_closes(seed, frames):
    cycle = draw_cycle(ED, ES, SPACING, frames, MotionSettings(), default_rng(seed))
    assert cycle.mesh.shape == (frames, 36, 5, 2)
    np.testing.assert_allclose(cycle.mesh[0], ED, atol=1e-4)
    assert not inverted_triangles(cycle.mesh).any()
    assert 0 < cycle.es < frames
    if frames > 20:
        steps = np.linalg.norm(np.diff(np.concatenate([cycle.mesh, cycle.mesh[:1]]), axis=0), axis=-1).max((1, 2))
        assert steps[-1] <= steps.max() * 1.01
        assert 0.25 < cycle.es / frames < 0.6
        assert frames * 55 / 60 <= cycle.frame_rate_hz <= frames * 90 / 60


@pytest.mark.parametrize("wanted", [-12.0, -20.0, -26.0])
def test_the_drawn_strain_is_reached(wanted):
    drawn = replace(CALM, gls_percent=(wanted, 0.0))
    cycle = draw_cycle(ED, ES, SPACING, 100, drawn, default_rng(1))
    assert strain_of(cycle.mesh).min() == pytest.approx(wanted, abs=0.2)


@pytest.mark.parametrize("given", [-0.2, 0.0, 0.1, 1.0])
def test_the_drawn_strain_is_reached_from_stills_that_hardly_move(given):
    cycle = draw_cycle(ED, ED + given * (ES - ED), SPACING, 100, replace(CALM, gls_percent=(-20, 0)), default_rng(0))
    assert strain_of(cycle.mesh).min() == pytest.approx(-20, abs=0.2)
    wall = np.linalg.norm(cycle.mesh[cycle.es, :, 0] - cycle.mesh[cycle.es, :, -1], axis=-1)
    assert np.median(wall) > np.median(np.linalg.norm(ED[:, 0] - ED[:, -1], axis=-1))  # it thickens


def test_systole_is_shorter_than_diastole_which_pauses_before_the_atrial_kick():
    cycle = draw_cycle(ED, ES, SPACING, 200, CALM, default_rng(3))
    strain = strain_of(cycle.mesh)
    speed = np.abs(np.gradient(strain))
    assert cycle.es < 100
    filling = cycle.es + speed[cycle.es : cycle.es + 60].argmax()
    kick = 150 + speed[150:].argmax()
    assert speed[filling:kick].min() < 0.2 * min(speed[filling], speed[kick])


def segment_strain(mesh):
    """Strain of each of 35 steps of the mid-wall between the first frame and the one of the largest motion."""
    length = np.linalg.norm(np.diff(mesh[:, :, 2], axis=1), axis=-1)
    return length[length.sum(1).argmin()] / length[0] - 1


def test_disease_stills_a_part_of_the_wall():
    ill = replace(CALM, disease=1.0, disease_motion=(0.0, 0.0))
    healthy = segment_strain(draw_cycle(ED, ES, SPACING, 60, CALM, default_rng(5)).mesh)
    akinetic = segment_strain(draw_cycle(ED, ES, SPACING, 60, ill, default_rng(5)).mesh)
    assert np.abs(akinetic).min() < 0.25 * np.abs(healthy).max()
    assert np.abs(healthy).min() > 0.25 * np.abs(healthy).max()


def test_delays_move_the_walls_apart_in_time_and_sliding_moves_tissue_along_them():
    late = replace(CALM, dyssynchrony=1.0, largest_delay=0.06)
    moved = draw_cycle(ED, ES, SPACING, 200, late, default_rng(2)).mesh
    way = np.linalg.norm(moved - moved[0], axis=-1)[:, :, 0]
    assert np.ptp(way.argmax(0)) >= 3
    slid = draw_cycle(ED, ES, SPACING, 60, replace(CALM, sliding=(0.4, 0.4)), default_rng(2)).mesh
    still = draw_cycle(ED, ES, SPACING, 60, CALM, default_rng(2)).mesh
    assert np.abs(slid - still).max() > 0.3
    np.testing.assert_allclose(slid[:, [0, -1]], still[:, [0, -1]], atol=2.0)


def test_the_strain_of_real_hearts_covers_the_papers(shared_data):
    peaks = []
    for number, item in enumerate([item for item in camus.find(shared_data / "camus") if "4CH" in item.name][:40]):
        loop = item.read()
        meshes = [mesh_from_labels(loop.labels[t], loop.spacing_mm) for t in (loop.ed, loop.es)]
        cycle = draw_cycle(*meshes, loop.spacing_mm, 30, MotionSettings(), default_rng(number))
        assert not inverted_triangles(cycle.mesh).any()
        peaks.append(longitudinal_strain(cycle.mesh[:, :, 0], loop.spacing_mm).min())
    assert -30 < min(peaks) < -22
    assert -14 < max(peaks) < 0
    assert -21 < np.mean(peaks) < -15
