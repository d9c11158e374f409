import numpy as np
import pytest
from scipy import ndimage

from cpwc_keras.data_prep.simulation.speckle_statistics import RAYLEIGH_SNR, correlation, measure
from cpwc_keras.data_prep.simulation.transducer import SectorScan

SCAN = SectorScan(depth_mm=150, beams=256)


def smoothed_noise(seed, sigma=(3.0, 2.0)):
    rng = np.random.default_rng(seed)
    real, imaginary = rng.standard_normal((2, len(SCAN.ranges_mm), SCAN.beams))
    return ndimage.gaussian_filter(real, sigma) + 1j * ndimage.gaussian_filter(imaginary, sigma)


def test_gaussian_noise_is_fully_developed_speckle_of_known_cells():
    found = measure(smoothed_noise(0), SCAN, (5, 150))
    # The autocorrelation of Gaussian-smoothed noise is a Gaussian, √2 wider: its width is 2 √(2 ln 2) √2 sigma.
    width = 2 * np.sqrt(2 * np.log(2)) * np.sqrt(2)
    assert found.snr == pytest.approx(RAYLEIGH_SNR, abs=0.05)
    assert found.axial_mm == pytest.approx(3.0 * width * SCAN.range_step_mm, rel=0.05)
    assert found.lateral_deg == pytest.approx(2.0 * width * SCAN.sector_deg / 255, rel=0.05)


def test_correlation_of_one_and_of_two_fields():
    one, other = smoothed_noise(1), smoothed_noise(2)
    assert correlation(one, 3 * one, SCAN, (5, 150)) == pytest.approx(1)
    assert correlation(one, other, SCAN, (5, 150)) == pytest.approx(0, abs=0.1)
    mixed = correlation(one, one + 0.5 * other, SCAN, (5, 150))
    assert 0.6 < mixed < 0.95
