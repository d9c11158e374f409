from dataclasses import dataclass

import numpy as np
import pytest

from cpwc_keras.data_prep.simulation.display import Display, Imager, sensitivity
from cpwc_keras.data_prep.simulation.engines import ENGINES, make_engine
from cpwc_keras.data_prep.simulation.transducer import ImageGrid, SectorScan, Transducer
from cpwc_keras.errors import InputError

SCAN = SectorScan(depth_mm=60, sector_deg=60, beams=64)
PROBE = Transducer(elements=32)


@pytest.mark.parametrize("display", [Display(), Display(gamma=0.7), Display("log"), Display("log", 0.4, 40.0)])
def test_reflectivity_is_the_inverse_of_compression(display):
    brightness = np.linspace(0, 1, 101, dtype=np.float32)
    np.testing.assert_allclose(display.compress(display.reflectivity(brightness)), brightness, atol=1e-5)
    assert display.reflectivity(np.zeros(1)) == 0
    np.testing.assert_allclose(display.compress(np.array([0.0, 1.0, 50.0])), [0, 1, 1], atol=1e-6)


def test_compression_by_hand():
    assert Display("log", dynamic_range_db=60).compress(np.array([0.1])) == pytest.approx(1 - 20 / 60)
    assert Display("gamma", gamma=0.5).compress(np.array([0.25])) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "arguments, message",
    [(("linear",), "'gamma' or 'log'"), (("gamma", 0.0), "gamma is 0"), (("log", 0.4, 5.0), "dynamic range is 5")],
)
def test_impossible_displays(arguments, message):
    with pytest.raises(InputError, match=message):
        Display(*arguments)


def test_unknown_engine():
    with pytest.raises(InputError, match="exact, surrogate"):
        make_engine("simus", PROBE, SCAN)


@pytest.mark.parametrize("name", ENGINES)
def test_normalised_power_is_one_everywhere(name):
    imager = Imager(make_engine(name, PROBE, SCAN), ImageGrid((220, 220), (0.3, 0.3), (110.0, 2.0)), Display())
    rng = np.random.default_rng(7)
    power = 0
    for _ in range(3):
        points = SCAN.draw_points(SCAN.scatterers(PROBE), rng)
        power += np.abs(imager.normalise(imager.engine.iq(points, rng.standard_normal(len(points))))) ** 2 / 3
    for zone in (power[67:150], power[150:250], power[250:350]):  # from 10 to 52 mm
        assert zone[:, 8:-8].mean() == pytest.approx(1, abs=0.15)
    assert (sensitivity(imager.engine) > 0).all()


@dataclass(frozen=True)
class Painted:
    """An engine that needs no scatterers: the tests give the signal themselves."""

    transducer: Transducer
    scan: SectorScan

    def iq(self, points_mm, amplitude):
        return np.ones((len(self.scan.ranges_mm), self.scan.beams), np.complex64)


def test_scan_conversion_puts_a_ring_and_a_ray_where_they_are():
    grid = ImageGrid((260, 300), (0.25, 0.25), (150.0, 4.0))
    imager = Imager(Painted(PROBE, SCAN), grid, Display("gamma", gamma=1.0))
    radius, angle = grid.polar()
    iq = np.zeros((len(SCAN.ranges_mm), SCAN.beams), np.complex64)
    iq[199:202] = 0.8  # 30 to 30.3 mm
    ring = imager.image(iq)
    assert radius[ring > 0.4] == pytest.approx(30.15, abs=0.35)
    assert (ring > 0.4).sum() * 0.25**2 == pytest.approx(30.15 * SCAN.angles[-1] * 2 * 0.45, rel=0.25)
    iq[:] = 0
    iq[:, 40] = 0.8
    ray = imager.image(iq)
    assert np.rad2deg(angle[ray > 0.4]) == pytest.approx(np.rad2deg(SCAN.angles[40]), abs=0.8)
    assert not imager.image(np.ones_like(iq))[~grid.sector(SCAN)].any()
