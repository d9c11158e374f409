"""The sector of a recorded image: found within the pixel, or refused with a sentence."""

from dataclasses import replace

import numpy as np
import pytest
from beating_ring import beating_ring
from hypothesis import given, settings
from hypothesis import strategies as st
from sector_loops import DEPTH_MM, PROBE, SECTOR_DEG, SPACING, apical_loop, sector_mask

from cpwc_keras.data import camus
from cpwc_keras.data_prep.simulation.sector_geometry import find_sector, with_sector
from cpwc_keras.errors import InputError
from cpwc_keras.types import CineLoop


def loop_of(image, spacing=SPACING):
    return CineLoop(np.float32(image)[None], spacing_mm=spacing)


def lit(mask, seed=0):
    """Speckle, whose darkest tenth is black."""
    return np.maximum(np.random.default_rng(seed).random(mask.shape) - 0.1, 0) * mask


def assert_found(sector, probe=PROBE, depth_mm=DEPTH_MM, sector_deg=SECTOR_DEG, spacing=SPACING):
    off_mm = (np.array(sector.grid.probe) - probe) * spacing[::-1]
    assert np.abs(off_mm).max() < 1.2
    assert sector.depth_mm == pytest.approx(depth_mm, abs=1.2)
    assert sector.sector_deg == pytest.approx(sector_deg, abs=1.0)


@settings(max_examples=20, deadline=None)
@given(
    st.floats(45, 115),
    st.floats(85, 220),
    st.floats(0.35, 0.8),
    st.floats(0.35, 0.8),
    st.floats(-9.0, 6.0),
    st.floats(2.0, 8.0),
    st.integers(0, 1000),
)
def test_any_sector_is_found(sector_deg, depth_mm, row_mm, col_mm, top, margin, seed):
    half_width = depth_mm * np.sin(np.deg2rad(sector_deg) / 2) / col_mm
    shape = (int(depth_mm / row_mm + top + margin) + 1, int(2 * (half_width + margin)) + 1)
    geometry = {"spacing": (row_mm, col_mm), "probe": (half_width + margin, top), "depth_mm": depth_mm,
                "sector_deg": sector_deg}  # fmt: skip
    sector = find_sector(loop_of(lit(sector_mask(shape, **geometry)[0], seed), (row_mm, col_mm)))
    assert_found(sector, **geometry)
    assert sector.overlap > 0.97
    assert (sector.mask == sector_mask(shape, **geometry)[0]).mean() > 0.98


def test_dark_tissue_at_the_edges_and_marks_beside_the_image_do_no_harm():
    mask, radius, angle = sector_mask()
    image = lit(mask)
    image[(angle < np.deg2rad(-33)) & (radius > 30) & (radius < 80)] = 0
    image[(angle > np.deg2rad(20)) & (radius > 95)] = 0
    image[5:15, 5:60] = 1
    image[150:165, 215:235] = 1
    assert_found(find_sector(loop_of(image)))


def test_the_wider_side_counts_where_one_is_dark():
    mask, _, angle = sector_mask()
    assert_found(find_sector(loop_of(lit(mask) * (angle > np.deg2rad(-36)))))


def test_all_frames_count():
    mask, _, angle = sector_mask()
    left, right = lit(mask) * (angle < 0.2), lit(mask) * (angle > -0.2)
    assert_found(find_sector(CineLoop(np.float32([left, right]), spacing_mm=SPACING)))


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.zeros((100, 100)), "it is black"),
        (np.ones((100, 100)), "no straight sides"),
        (lit(sector_mask()[0])[::-1], "no straight sides|part downwards|angle"),
        (np.eye(100), "no straight sides|part downwards|angle"),
        (np.pad(np.ones((100, 60)), 20), "no straight sides|part downwards|angle"),
    ],
)
def test_what_is_no_sector_is_refused(image, sentence):
    with pytest.raises(InputError, match=f"no sector was found, since .*({sentence}).*; expected one lit sector"):
        find_sector(loop_of(image))


@pytest.mark.parametrize("part", [np.s_[:110], np.s_[:, :150], np.s_[:, 60:180]])
def test_a_part_of_a_sector_is_refused(part):
    with pytest.raises(InputError, match=r"shows \d+% of its sector .*uncropped"):
        find_sector(loop_of(lit(sector_mask()[0])[part]))


def test_the_size_of_the_pixels_must_be_known_and_plausible():
    with pytest.raises(InputError, match="patient7: the size of its pixels is not known"):
        find_sector(apical_loop(spacing_mm=None, source="patient7"))
    with pytest.raises(InputError, match="its depth would be 16 mm, which is not 80 to 250 mm"):
        find_sector(loop_of(lit(sector_mask()[0]), (0.1, 0.1)))


def test_a_smaller_sector_of_the_same_probe():
    template = beating_ring()
    smaller = with_sector(template, sector_deg=60.0, depth_mm=38.0)
    assert (smaller.sector_deg, smaller.depth_mm, smaller.grid) == (60.0, 38.0, template.grid)
    assert with_sector(template, depth_mm=38.0).sector_deg == template.sector_deg
    for larger in ({"sector_deg": 71.0}, {"depth_mm": 41.0}, {"sector_deg": np.nan}, {"depth_mm": 0.0}):
        with pytest.raises(InputError, match=r"its images show a sector of 70.0° and 40.0 mm, asked for"):
            with_sector(replace(template, source="ring"), **larger)


def test_the_depths_of_real_recordings_are_whole_centimetres(shared_data):
    for item in camus.find(shared_data / "camus")[::6]:
        sector = find_sector(item.read())
        assert sector.overlap > 0.995, item.name
        assert abs(sector.depth_mm / 10 - round(sector.depth_mm / 10)) < 0.03, item.name
        assert abs(sector.grid.probe[1]) < 1.5, item.name
