"""Surroundings that move along with the wall: its motion at its nodes, none far away, and scatterers carried by it."""

import numpy as np
import pytest
from beating_ring import beating_ring

from cpwc_keras.data_prep.simulation.display import Display
from cpwc_keras.data_prep.simulation.scatterers import Medium, ScattererSettings
from cpwc_keras.data_prep.simulation.surroundings import surrounding_motion
from cpwc_keras.data_prep.simulation.transducer import SectorScan, Transducer
from cpwc_keras.errors import InputError
from cpwc_keras.fields import fill_triangles

SCAN = SectorScan(depth_mm=120, sector_deg=80)


def wall(shift=(0.0, 0.0), scale=1.0):
    """(36, 5, 2) mm: a horseshoe around (0, 60)."""
    angle = np.deg2rad(np.linspace(-20, 200, 36))[:, None]
    radius = scale * np.linspace(20, 30, 5)[None]
    return np.stack([-radius * np.cos(angle) + shift[0], 60 - radius * np.sin(angle) + shift[1]], -1)


def test_it_moves_as_the_wall_where_the_wall_is_and_not_far_from_it():
    mesh = np.stack([wall(), wall((2.0, -3.0)), wall(scale=0.9)])
    around = surrounding_motion(mesh, SCAN)
    for frame in (1, 2):
        at_wall = around.moved(mesh[0].reshape(-1, 2), frame)
        # The grid is coarser than the nodes: it rounds off the wall's deformation, not its way.
        np.testing.assert_allclose(at_wall, mesh[frame].reshape(-1, 2), atol=0.25)
        far = np.array([[0.0, 0.5], [-75.0, 118.0], [75.0, 118.0]])
        np.testing.assert_allclose(around.moved(far, frame), far, atol=0.15)


def test_its_triangles_and_its_scatterers_tell_the_same_motion():
    mesh = np.stack([wall(), wall((3.0, -4.0), 0.95)])
    around = surrounding_motion(mesh, SCAN)
    shape = (121, 161)  # one pixel a millimetre
    start, stop = (np.add(around.places(frame), [80, 0]) for frame in (0, 1))
    flow, mask = fill_triangles(start, stop - start, around.triangles, shape)
    rows, columns = np.nonzero(mask[:118, 10:150])
    points = np.stack([columns + 10 - 80, rows], -1).astype(float)
    moved = around.moved(points, 1) - points
    np.testing.assert_allclose(flow[rows, columns + 10], moved, atol=0.05)
    one, other = (stop[around.triangles[:, k]] - stop[around.triangles[:, 0]] for k in (1, 2))
    area = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    assert (np.sign(area) == np.sign(area[0])).all()  # nothing is folded


def test_a_rigid_motion_of_everything_moves_all_scatterers_near_the_wall():
    template = beating_ring(frames=2, motion=0.1)
    places = {}
    for kind in ("still", "moving"):
        settings = ScattererSettings(surroundings=kind)
        wavelength = SectorScan().wavelength_mm(Transducer())
        medium = Medium(template, template.scan(), wavelength, Display(), settings, [0])
        first, second = (set(map(tuple, points.round(4))) for points, _ in medium.frames())
        places[kind] = len(first & second) / len(first)
    assert places["moving"] < 0.02 < 0.4 < places["still"]


def test_what_moves_away_from_the_sector_s_edge_leaves_no_gap():
    template = beating_ring(frames=4, motion=0.4)
    scan = template.scan()
    settings = ScattererSettings(surroundings="moving")
    medium = Medium(template, scan, SectorScan().wavelength_mm(Transducer()), Display(), settings, [0])

    def at_the_edge(points):
        x, z = points.T
        beside = np.hypot(x, z) * (np.deg2rad(scan.sector_deg) / 2 - np.abs(np.arctan2(x, z)))
        return (((beside < 1) | (np.hypot(x, z) > scan.depth_mm - 1)) & (z > 10)).sum()

    counts = [at_the_edge(points) for points, _ in medium.frames()]
    assert min(counts) > 0.8 * max(counts)  # stretched tissue has fewer in a square millimetre


def test_other_words_are_refused():
    with pytest.raises(InputError, match="'waving'"):
        ScattererSettings(surroundings="waving")
