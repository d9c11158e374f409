import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpwc_keras.data_prep.simulation.transducer import ImageGrid, SectorScan, Transducer
from cpwc_keras.errors import InputError


def test_the_papers_case_has_the_papers_number_of_scatterers():
    scan = SectorScan(depth_mm=150, sector_deg=75)
    assert scan.scatterers(Transducer()) == 388_087


def test_elements_are_centred():
    x = Transducer(elements=64, pitch_mm=0.3).element_x_mm
    assert len(x) == 64
    assert x.sum() == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(np.diff(x), 0.3)


def test_beams_and_ranges():
    scan = SectorScan(depth_mm=110, sector_deg=60, beams=5, range_step_mm=0.2)
    np.testing.assert_allclose(np.rad2deg(scan.angles), [-30, -15, 0, 15, 30])
    assert scan.ranges_mm[0] == pytest.approx(0.2)
    assert scan.ranges_mm[-1] == pytest.approx(110)
    assert scan.transmit_focus_mm == 55
    assert SectorScan(focus_mm=80).transmit_focus_mm == 80


@given(x=st.floats(-500, 1500), y=st.floats(-500, 1500), row=st.floats(0.05, 2), column=st.floats(0.05, 2))
def test_pixels_to_mm_and_back(x, y, row, column):
    grid = ImageGrid((100, 120), (row, column), (60.5, -3.0))
    mm = grid.to_mm(np.array([x, y]))
    np.testing.assert_allclose(mm, [(x - 60.5) * column, (y + 3) * row])
    np.testing.assert_allclose(grid.to_pixels(mm), [x, y], atol=1e-6)


def test_points_are_drawn_evenly_within_the_sector():
    scan = SectorScan(depth_mm=100, sector_deg=80)
    points = scan.draw_points(100_000, np.random.default_rng(0))
    assert scan.holds(points).all()
    assert not scan.holds(points * 1.5)[np.hypot(*points.T) > 70].any()
    inner = np.hypot(*points.T) < 50
    assert inner.mean() == pytest.approx(0.25, abs=0.01)
    assert (points[:, 0] < 0).mean() == pytest.approx(0.5, abs=0.01)


def test_the_sector_has_its_area():
    scan, grid = SectorScan(depth_mm=100, sector_deg=80), ImageGrid((420, 560), (0.25, 0.25), (280.0, 5.0))
    assert grid.sector(scan).sum() * 0.25**2 == pytest.approx(scan.area_mm2, rel=2e-3)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Transducer(elements=1), "elements is 1"),
        (lambda: Transducer(elements=64.5), "whole number"),
        (lambda: Transducer(pitch_mm=float("nan")), "pitch_mm is nan"),
        (lambda: Transducer(width_mm=0.4), "width_mm is 0.4"),
        (lambda: Transducer(bandwidth=75), "bandwidth is 75"),
        (lambda: Transducer(centre_frequency_mhz=2.5e6), "centre_frequency_mhz is 2500000"),
        (lambda: Transducer(pulse_cycles=0), "pulse_cycles is 0"),
        (lambda: Transducer(baffle="hard"), "'soft' or 'rigid'"),
        (lambda: SectorScan(depth_mm=0.15), "depth_mm is 0.15"),
        (lambda: SectorScan(sector_deg=180), "sector_deg is 180"),
        (lambda: SectorScan(beams=0), "beams is 0"),
        (lambda: SectorScan(focus_mm=-1), "focus_mm is -1"),
        (lambda: SectorScan(range_step_mm=0), "range_step_mm is 0"),
        (lambda: SectorScan(speed_of_sound=1540), "speed_of_sound is 1540"),
        (lambda: SectorScan(attenuation=-0.5), "attenuation is -0.5"),
        (lambda: ImageGrid((0, 5), (0.3, 0.3), (0, 0)), "image height is 0"),
        (lambda: ImageGrid((50, 50), (0.3, 0), (0, 0)), "column spacing is 0"),
        (lambda: ImageGrid((50, 50), (0.3, 0.3), (np.nan, 0)), "probe lies at"),
    ],
)
def test_impossible_values_are_one_sentence(make, message):
    with pytest.raises(InputError, match=message) as error:
        make()
    assert "expected" in str(error.value)
    assert "\n" not in str(error.value)
