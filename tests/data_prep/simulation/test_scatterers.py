"""Scatterers: their number, their power across the wall's border, and that the mesh carries them."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from beating_ring import GRID, beating_ring, ring

from cpwc_keras.data_prep.simulation.display import Display
from cpwc_keras.data_prep.simulation.scatterers import Medium, ScattererSettings
from cpwc_keras.data_prep.simulation.template_check import check_template
from cpwc_keras.data_prep.simulation.transducer import SectorScan, Transducer
from cpwc_keras.errors import InputError
from cpwc_keras.mesh import carry_points

DISPLAY = Display()
WAVELENGTH = SectorScan().wavelength_mm(Transducer())


def medium(template=None, seed=0, memory=None, **settings):
    template = template or beating_ring()
    settings = ScattererSettings(**{"annulus_mm": 0.0, **settings})
    return Medium(template, template.scan(), WAVELENGTH, DISPLAY, settings, [seed], memory)


def in_wall(points_mm, mesh):
    """Which points lie in a mesh, by the reference implementation."""
    return np.isfinite(carry_points(mesh, mesh, GRID.to_pixels(points_mm))).all(-1)


def split(template, **settings):
    """Points and amplitude (frame by frame) of the background and of the myocardium alone."""
    frames = list(medium(template, **settings).frames())
    still = medium(template, **settings)
    still._wall_count = 0
    background = list(still.frames())
    wall = [(p[len(q) :], a[len(q) :]) for (p, a), (q, _) in zip(frames, background, strict=True)]
    return background, wall


def test_the_paper_s_sector_has_the_paper_s_number_of_scatterers():
    scan = SectorScan(depth_mm=150, sector_deg=75)
    assert int(10 * scan.area_mm2 / WAVELENGTH**2) == 388_087


def test_density_is_uniform_in_the_sector():
    template = beating_ring()
    points, _ = next(split(template)[0][i] for i in [0])
    scan = template.scan()
    drawn = medium(template)
    assert drawn._still_count == int(10 * scan.area_mm2 / WAVELENGTH**2)
    radius, angle = np.hypot(*points.T), np.arctan2(*points.T)
    assert radius.max() <= scan.depth_mm and np.abs(angle).max() <= np.deg2rad(35) + 1e-6
    outside = ~in_wall(points, template.mesh[0]) & (np.abs(angle) < np.deg2rad(34))
    ring_area = (40**2 - 36**2) * np.deg2rad(34)  # a part of the sector without wall
    assert (outside & (radius > 36)).sum() == pytest.approx(10 / WAVELENGTH**2 * ring_area, rel=0.03)


def test_expected_power_is_the_same_on_both_sides_of_the_border():
    """Uniform brightness: the summed squares of both populations, by layers across the wall, are all alike."""
    template, power, count = beating_ring(frames=2, motion=0.0, brightness=0.6), 0.0, 0
    centre, edges = np.array([59.5, 55.0]), np.arange(10, 33, 1.0)
    for seed in range(12):
        points, amplitude = next(medium(template, seed, border=0.3).frames())
        radius = np.hypot(*(GRID.to_pixels(points) - centre).T)
        above = GRID.to_pixels(points)[:, 1] < 50  # away from the open base
        power = power + np.histogram(radius[above], edges, weights=amplitude[above] ** 2)[0]
        count = count + np.histogram(radius[above], edges)[0]
    area = [_half_disc(b) - _half_disc(a) for a, b in pairwise(edges)]
    density = power / area / power.sum() * np.sum(area)
    assert np.abs(density - 1).max() < 0.08  # about 600 squared normals a bin
    assert count[10] / area[10] == pytest.approx(count[0] / area[0], rel=0.05)  # the core has one population, not two


def _half_disc(radius):
    """Area of the part of a disc that lies 5 or more above its centre."""
    return radius**2 * np.arccos(5 / radius) - 5 * np.sqrt(radius**2 - 25)


def test_background_fades_in_the_wall_and_nowhere_else():
    template = beating_ring(frames=3)
    for index, (points, amplitude) in enumerate(split(template)[0]):
        wall = in_wall(points, template.mesh[index])
        share = np.mean(amplitude[wall] ** 2) / np.mean(amplitude[~wall] ** 2)
        assert share == pytest.approx(0.5, rel=0.15)  # the mean of a squared cosine from 1 to 0
        radius = np.hypot(*(GRID.to_pixels(points) - [59.5 + 3 * 0.1 * np.sin(np.pi * index / 3), 55]).T)
        scale = 1 - 0.1 * np.sin(np.pi * index / 3)
        core = (np.abs(radius / scale - 21) < 3) & (GRID.to_pixels(points)[:, 1] < 50)
        assert not core.any()  # those without amplitude are not handed to the engine


def test_myocardial_scatterers_are_carried_by_their_cell_and_keep_their_amplitude():
    template = beating_ring(frames=5, brightness=np.linspace(0.3, 0.8, 5)[:, None, None])
    wall = split(template)[1]
    start = GRID.to_pixels(wall[0][0])
    expected = carry_points(template.mesh[0], template.mesh, start)
    for index, (points, amplitude) in enumerate(wall):
        np.testing.assert_allclose(GRID.to_pixels(points), expected[index], atol=2e-4)
        np.testing.assert_array_equal(amplitude, wall[0][1])
    assert np.abs(expected[2] - expected[0]).max() > 1  # it moved


def test_background_stays_and_takes_the_brightness_of_each_frame():
    template = beating_ring(frames=3, motion=0.0, brightness=np.array([0.2, 0.4, 0.8])[:, None, None])
    background = split(template)[0]
    for index, value in enumerate([0.2, 0.4, 0.8]):
        np.testing.assert_array_equal(background[index][0], background[0][0])
        ratio = DISPLAY.reflectivity(np.float32([value])) / DISPLAY.reflectivity(np.float32([0.2]))
        np.testing.assert_allclose(background[index][1], background[0][1] * ratio, rtol=1e-4)


def test_wall_that_comes_into_view_is_as_bright_as_the_wall_beside_it():
    """A ring that lies half beyond the sector's right edge, where the template is black, and moves to its middle."""
    template = beating_ring(2, motion=0.0)
    mesh = np.stack([template.mesh[0] + [18, 0], template.mesh[0]]).astype(np.float32)
    seen = template.grid.sector(template.scan())
    template = replace(template, mesh=mesh, frames=template.frames * seen)
    _, (points, amplitude) = medium(template, border=0.01).frames()
    power = [np.mean(amplitude[in_wall(points, mesh[1]) & side] ** 2) for side in (points[:, 0] < -4, points[:, 0] > 4)]
    assert power[1] == pytest.approx(power[0], rel=0.2)


def test_without_motion_nothing_changes():
    frames = list(medium(beating_ring(motion=0.0)).frames())
    for points, amplitude in frames[1:]:
        np.testing.assert_array_equal(points, frames[0][0])
        np.testing.assert_array_equal(amplitude, frames[0][1])


def test_amplitudes_follow_the_brightness_at_their_place():
    brightness = np.tile(np.linspace(0, 1, GRID.shape[1], dtype=np.float32), (2, GRID.shape[0], 1))
    points, amplitude = next(medium(beating_ring(2, brightness=brightness)).frames())
    column = GRID.to_pixels(points)[:, 0]
    for low in (20, 50, 80, 100):
        here = (column >= low) & (column < low + 4)
        expected = DISPLAY.reflectivity(np.float32([(low + 1.5) / (GRID.shape[1] - 1)]))[0]
        assert np.sqrt(np.mean(amplitude[here] ** 2)) == pytest.approx(expected, rel=0.12)


@pytest.mark.parametrize("first", [1, 3])
@pytest.mark.parametrize("options", [{}, {"decorrelation": 0.2, "replacement": 0.1, "blood_decorrelation": 0.5}])
def test_frames_are_the_same_wherever_one_begins(first, options):
    whole = list(medium(**options).frames())
    again = medium(**options)
    next(again.frames())  # an earlier use leaves nothing behind
    for (points, amplitude), (p, a) in zip(again.frames(first), whole[first:], strict=True):
        np.testing.assert_array_equal(points, p)
        np.testing.assert_array_equal(amplitude, a)


def test_decorrelation_loses_what_it_says():
    wall = split(beating_ring(frames=3, motion=0.0), decorrelation=0.3)[1]
    first, second, third = (amplitude for _, amplitude in wall)
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.7, abs=0.05)
    assert np.corrcoef(first, third)[0, 1] == pytest.approx(0.49, abs=0.05)
    assert np.std(third) == pytest.approx(np.std(first), rel=0.05)


def test_replacement_moves_its_fraction_to_other_places_of_the_wall():
    template = beating_ring(frames=2, motion=0.0)
    first, second = (points for points, _ in split(template, replacement=0.2)[1])
    moved = (first != second).any(-1)
    assert moved.mean() == pytest.approx(0.2, abs=0.02)
    assert in_wall(second, template.mesh[0]).mean() > 0.999


def test_blood_changes_in_the_cavity_only():
    template = beating_ring(frames=2, motion=0.0)
    (points, first), (_, second) = split(template, blood_decorrelation=1.0)[0]
    changed = first != second
    radius = np.hypot(*(GRID.to_pixels(points) - [59.5, 55.0]).T)
    above = GRID.to_pixels(points)[:, 1] < 55
    assert changed[above & (radius < 14)].all() and not changed[radius > 16].any()
    assert abs(np.corrcoef(first[changed], second[changed])[0, 1]) < 0.1


def test_seeds_differ():
    one, other = (next(medium(seed=seed).frames())[0] for seed in (0, 1))
    assert len(one) != len(other) or not np.array_equal(one, other)


def refused(template):
    with pytest.raises(InputError) as error:
        check_template(template, template.scan())
    return str(error.value)


def test_templates_that_cannot_be_simulated_are_refused():
    check_template(beating_ring(), beating_ring().scan())
    mesh = beating_ring().mesh.copy()
    mesh[2, 5, 1] = np.nan
    assert "NaN in frame 2" in refused(beating_ring(mesh=mesh))
    mesh = beating_ring().mesh.copy()
    mesh[1:, 5, 1], mesh[1:, 5, 3] = mesh[1:, 5, 3], mesh[1:, 5, 1].copy()
    assert "folded in frames 1, 2, 3" in refused(beating_ring(mesh=mesh))
    assert "outside of the sector" in refused(beating_ring(mesh=beating_ring().mesh + np.float32(300)))
    assert "smaller than the sector" in refused(beating_ring(depth_mm=80.0))
    images = beating_ring().frames.copy()
    images[1] *= 255
    assert "brightness of frame 1" in refused(beating_ring(frames=4, brightness=images))
    assert "expected (T, 104, 120)" in refused(beating_ring(mesh=ring()[None].astype(np.float32)))


def test_more_scatterers_than_memory_says_how_many_fit():
    with pytest.raises(InputError, match=r"scatterers need about .* about 5,000 fit; lower the density"):
        medium(memory=1_000_000)


@pytest.mark.parametrize(
    "name", ["density", "border", "decorrelation", "replacement", "blood_decorrelation", "annulus_mm"]
)
@pytest.mark.parametrize("value", [-1.0, 1e9, float("nan")])
def test_impossible_settings(name, value):
    with pytest.raises(InputError, match=name):
        ScattererSettings(**{name: value})
