"""The wall beyond the annulus: it goes on in its direction, follows the base, and leaves the mesh itself alone."""

import numpy as np
import pytest
from beating_ring import GRID, beating_ring
from hypothesis import given
from hypothesis import strategies as st

from cpwc_keras.data_prep.simulation.annulus import continued_beyond_annulus
from cpwc_keras.data_prep.simulation.display import Display
from cpwc_keras.data_prep.simulation.scatterers import Medium, ScattererSettings
from cpwc_keras.data_prep.simulation.transducer import SectorScan, Transducer
from cpwc_keras.mesh import inverted_triangles


def straight_walls(drop_mm):
    """Two upright walls 40 mm apart whose base comes down by `drop_mm` in the second frame; the apex stands still."""
    along = np.concatenate([np.linspace(80, 0, 18), np.linspace(0, 80, 18)])[:, None]
    across = np.concatenate([np.full(18, -20.0), np.full(18, 20.0)])[:, None]
    outwards = np.linspace(0, 10, 5) * np.sign(across)
    mesh = np.stack([across + outwards, np.broadcast_to(along, (36, 5)) + 20], -1)
    mesh[17:19, :, 1] -= np.linspace(0, 10, 5)  # the apex, outwards
    moved = mesh.copy()
    moved[..., 1] += drop_mm * along / 80
    return np.stack([mesh, moved])


def test_rows_go_on_straight_and_follow_the_base_less_and_less():
    mesh = straight_walls(drop_mm=-9.0)
    continued = continued_beyond_annulus(mesh, 20.0)
    assert continued.shape == (2, 36 + 10, 5, 2)
    np.testing.assert_array_equal(continued[:, 5:-5], mesh)
    # Row 5 is the base; the rows before it lie 4, 8, ... mm deeper in the first frame.
    for rows in (continued[:, 4::-1], continued[:, -5:]):
        np.testing.assert_allclose(rows[0, :, :, 1], 100 + np.arange(4, 21, 4)[:, None] * np.ones(5), atol=1e-9)
        np.testing.assert_allclose(
            rows[1, :, :, 1] - rows[0, :, :, 1], -9 * (1 - np.arange(4, 21, 4)[:, None] / 45) * np.ones(5), atol=1e-9
        )


def test_none_is_the_mesh_itself():
    mesh = straight_walls(drop_mm=5.0)
    assert continued_beyond_annulus(mesh, 0.0) is mesh


@given(st.floats(-20, 20), st.floats(0.5, 40), st.integers(0, 2**32 - 1))
def test_nothing_is_ever_folded(drop_mm, reach_mm, seed):
    mesh = straight_walls(drop_mm) + np.random.default_rng(seed).normal(0, 0.2, (1, 36, 5, 2))
    continued = continued_beyond_annulus(mesh, reach_mm)
    beyond = (continued.shape[1] - 36) // 2
    np.testing.assert_array_equal(continued[:, beyond : beyond + 36], mesh)
    assert inverted_triangles(continued).any() == inverted_triangles(mesh).any()


def test_scatterers_below_the_base_move_with_it():
    """Those that moved, of all that lie below both ends of the wall: none without, most with the continuation."""
    template = beating_ring(frames=2, motion=0.1)
    share = {}
    for reach in (0.0, 12.0):
        scan, settings = template.scan(), ScattererSettings(annulus_mm=reach)
        wavelength = SectorScan().wavelength_mm(Transducer())
        medium = Medium(template, scan, wavelength, Display(), settings, [0])
        first, second = (points for points, _ in medium.frames())
        below = [points[GRID.to_pixels(points)[:, 1] > template.mesh[..., 1].max() + 1] for points in (first, second)]
        still = set(map(tuple, below[0])) & set(map(tuple, below[1]))
        share[reach] = 1 - len(still) / len(below[0])
    assert share[0.0] < 0.01 < 0.03 < share[12.0]


@pytest.mark.parametrize("reach", [0.0, 20.0])
def test_expected_power_does_not_depend_on_it(reach):
    """Uniform brightness, no motion: the power of the whole sector is that of one population."""
    template, powers = beating_ring(frames=2, motion=0.0, brightness=0.6), []
    for seed in range(6):
        wavelength = SectorScan().wavelength_mm(Transducer())
        settings = ScattererSettings(annulus_mm=reach)
        _, amplitude = next(Medium(template, template.scan(), wavelength, Display(), settings, [seed]).frames())
        powers.append(np.sum(amplitude.astype(np.float64) ** 2))
    whole = Display().reflectivity(np.float32([0.6]))[0] ** 2 * 10 / wavelength**2 * template.scan().area_mm2
    assert np.mean(powers) == pytest.approx(whole, rel=0.02)
