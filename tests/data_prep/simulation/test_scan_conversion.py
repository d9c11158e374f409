"""Brightness on the polar grid, and pixels from it: against OpenCV and against the formula."""

import cv2
import numpy as np
import pytest

from cpwc_keras.data_prep.simulation.display import Display
from cpwc_keras.data_prep.simulation.scan_conversion import FINER, brightness, gray_scale, lanczos, to_pixels

DISPLAYS = [Display(), Display(gamma=0.1), Display(gamma=2.0), Display("log"), Display("log", dynamic_range_db=120.0)]


def signal(rows=90, beams=40, seed=0):
    rng = np.random.default_rng(seed)
    iq = rng.standard_normal((rows, beams, 2)).astype(np.float32).view(np.complex64)[..., 0]
    return iq * (10 ** -rng.uniform(0, 4, (rows, beams))).astype(np.float32)


@pytest.mark.parametrize("display", DISPLAYS)
def test_brightness_is_the_compressed_envelope_of_the_interpolated_signal(display):
    iq = signal()
    out = brightness(iq, lanczos(), gray_scale(display.compress))
    np.testing.assert_allclose(out[:, ::FINER], display.compress(np.abs(iq)), atol=2e-4)
    columns = FINER * (iq.shape[1] - 1) + 1
    row, column = np.indices((len(iq), columns)).astype(np.float32)
    parts = [
        cv2.remap(np.ascontiguousarray(part), column / FINER, row, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
        for part in (iq.real, iq.imag)
    ]
    np.testing.assert_allclose(out[:, :columns], display.compress(np.hypot(*parts)), atol=2e-3)


@pytest.mark.parametrize("display", DISPLAYS)
def test_gray_scale_over_the_whole_range(display):
    amplitude = np.append(np.logspace(-8, 1, 5000), 0).astype(np.float32)
    iq = np.repeat(amplitude[:, None], 2, axis=1).astype(np.complex64)
    out = brightness(iq, lanczos(), gray_scale(display.compress))
    np.testing.assert_allclose(out[:, 0], display.compress(amplitude), atol=2e-4)


def test_pixels_are_interpolated_bilinearly_and_black_outside():
    rng = np.random.default_rng(1)
    values = rng.random((30, 50), np.float32)
    row = rng.uniform(0, 29, (40, 60)).astype(np.float32)
    column = rng.uniform(0, 49, (40, 60)).astype(np.float32)
    row[0, :2], column[0, :2] = (0, 29), (0, 49)  # the corners themselves
    expected = cv2.remap(values, column, row, cv2.INTER_LINEAR)
    np.testing.assert_allclose(to_pixels(values, row, column), expected, atol=0.05)  # OpenCV has 32 places a pixel
    assert (
        to_pixels(values, row, column)[0, 0] == values[0, 0] and to_pixels(values, row, column)[0, 1] == values[29, 49]
    )
    plane = np.add.outer(2 * np.arange(30), 3 * np.arange(50)).astype(np.float32)
    np.testing.assert_allclose(to_pixels(plane, row, column), 2 * row + 3 * column, rtol=1e-5, atol=1e-4)
    assert not to_pixels(values, np.full_like(row, -1), column).any()
