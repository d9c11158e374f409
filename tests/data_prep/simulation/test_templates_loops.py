"""Loops with a mesh in every frame as templates."""

from dataclasses import replace

import numpy as np
import pytest
from sector_loops import DEPTH_MM, apical_loop, contraction

from cpwc_keras.data_prep.conversion.recordings import CONTOURS_NOTE, sequence_of
from cpwc_keras.data_prep.simulation.loops import SMOOTHED_NOTE, template_from_contours, template_from_motion
from cpwc_keras.data_prep.simulation.template_check import check_template
from cpwc_keras.errors import InputError
from cpwc_keras.mesh import inverted_triangles
from cpwc_keras.types import DatasetItem, Sequence

ITEM = DatasetItem("patient001", "ted", 12, None, "patient001", "GE")


@pytest.fixture(scope="module")
def contours():
    return sequence_of(apical_loop(contraction(12), frame_rate_hz=50.0), ITEM)


def test_frames_stay_and_the_mesh_is_smoothed(contours):
    template = template_from_contours(contours)
    check_template(template, template.scan())
    assert template.frames is contours.loop.frames
    assert (template.frame_rate_hz, template.ed, template.es, template.vendor) == (50.0, 0, contours.loop.es, "GE")
    assert template.depth_mm == pytest.approx(DEPTH_MM, abs=1)
    assert SMOOTHED_NOTE in template.notes and CONTOURS_NOTE not in template.notes
    before, after = (np.abs(np.diff(mesh, 2, axis=0)).mean() for mesh in (contours.mesh, template.mesh))
    assert 0 < after < 0.8 * before
    assert np.abs(template.mesh - contours.mesh).mean() < 0.5  # pixels


def test_trembling_contours_are_calmed_and_their_motion_kept(contours):
    slow = np.repeat(contours.mesh[:1], 40, 0) + 6 * np.sin(2 * np.pi * np.arange(40) / 40)[:, None, None, None]
    noise = np.random.default_rng(0).normal(0, 0.5, slow.shape)
    loop = apical_loop([0] * 40)
    mesh = template_from_contours(Sequence(loop, mesh=(slow + noise).astype(np.float32))).mesh
    inner = np.s_[3:-3]
    assert np.std((mesh - slow)[inner]) < 0.65 * 0.5
    assert np.abs((mesh - slow)[inner].mean((1, 2, 3))).max() < 0.15


def test_smoothing_gives_way_where_it_would_fold_the_mesh(contours):
    """A mesh that turns around within two frames: the average of both ways has no area."""
    centre = contours.mesh[0].mean((0, 1))
    turned = 2 * centre - contours.mesh[0]
    mesh = np.stack([contours.mesh[0], turned] * 6)
    template = template_from_contours(replace(contours, mesh=mesh))
    assert not inverted_triangles(template.mesh).any()


def test_a_true_mesh_stays_as_it_is(contours):
    template = template_from_motion(contours)
    assert template.mesh is contours.mesh and template.frames is contours.loop.frames
    assert template.notes == contours.loop.notes


def test_a_frame_whose_mask_gives_no_mesh_is_named():
    loop = apical_loop(contraction(6), source="somewhere")
    loop.labels[3][loop.labels[3] == 2] = 0
    with pytest.raises(InputError, match=r"somewhere: 1 of 6 frames have no mesh, .* frame 3; .* no myocardium"):
        template_from_contours(sequence_of(loop, ITEM))


def test_dense_fields_are_no_template(contours):
    shape = contours.loop.frames.shape
    flows = Sequence(contours.loop, flows=np.zeros((11, *shape[1:], 2)), masks=np.ones((11, *shape[1:])))
    with pytest.raises(InputError, match="dense fields"):
        template_from_motion(flows)
