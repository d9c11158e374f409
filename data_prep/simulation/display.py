"""From I/Q signals to the picture on the screen: depth gain, envelope, compression, scan conversion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.polynomial import chebyshev

from cpwc_keras.data_prep.simulation.engine import Engine
from cpwc_keras.data_prep.simulation.scan_conversion import FINER, brightness, gray_scale, lanczos, to_pixels
from cpwc_keras.data_prep.simulation.transducer import ImageGrid
from cpwc_keras.errors import InputError

_BLOCKS = (40, 8)  # number of blocks of ranges, and beams in a block, over which power is averaged for the fit
_DEGREE = (8, 4)
_LEAST_SCATTERERS = 150_000


@dataclass(frozen=True)
class Display:
    """The gray scale, and its inverse: the echo amplitude that comes out at a wanted brightness.

    An amplitude of 1 is white.

    Attributes:
        compression: "gamma" (brightness = amplitude ** gamma; the inverse is the paper's reflection coefficient,
            II-A.1) or "log" (brightness falls linearly with the decibels, to 0 at -`dynamic_range_db`).
        gamma: exponent of "gamma".
        dynamic_range_db: of "log".

    Raises:
        InputError: a value that no display has.
    """

    compression: str = "gamma"
    gamma: float = 0.4
    dynamic_range_db: float = 60.0

    def __post_init__(self):
        if self.compression not in ("gamma", "log"):
            raise InputError(f"The display's compression is {self.compression!r}; expected 'gamma' or 'log'.")
        if not 0.1 <= self.gamma <= 2:
            raise InputError(f"The display's gamma is {self.gamma}; expected 0.1 to 2.")
        if not 10 <= self.dynamic_range_db <= 120:
            raise InputError(f"The display's dynamic range is {self.dynamic_range_db} dB; expected 10 to 120.")

    def compress(self, amplitude: np.ndarray) -> np.ndarray:
        """Amplitude >= 0 -> brightness in [0, 1], float32."""
        if self.compression == "gamma":
            return np.clip(amplitude, 0, 1).astype(np.float32) ** np.float32(self.gamma)
        decibel = 20 * np.log10(np.maximum(amplitude, 1e-9))
        return np.clip(1 + decibel / self.dynamic_range_db, 0, 1).astype(np.float32)

    def reflectivity(self, brightness: np.ndarray) -> np.ndarray:
        """Brightness in [0, 1] -> amplitude, float32; black is no echo at all."""
        brightness = np.asarray(brightness, np.float32)
        if self.compression == "gamma":
            return brightness ** np.float32(1 / self.gamma)
        amplitude = 10 ** ((brightness - 1) * np.float32(self.dynamic_range_db / 20))
        return np.where(brightness > 0, amplitude, 0).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Imager:
    """Pictures from the I/Q signals of one engine.

    Attributes:
        engine: whose sensitivity is taken out.
        grid: the pixels.
        display: the gray scale.
    """

    engine: Engine
    grid: ImageGrid
    display: Display

    def normalise(self, iq: np.ndarray) -> np.ndarray:
        """Take out how the sensitivity changes with range and beam, as a scanner's gain does.

        Afterwards scatterers of unit variance at `DENSITY` give a mean power of 1 everywhere.

        Args:
            iq: (ranges, beams) complex64.

        Returns:
            (ranges, beams) complex64.
        """
        return iq * self.gain

    def image(self, iq: np.ndarray) -> np.ndarray:
        """Normalised I/Q (ranges, beams) -> (H, W) float32 in [0, 1], 0 outside of the sector."""
        return to_pixels(brightness(iq, lanczos(), self._scale), *self.places)

    @cached_property
    def gain(self) -> np.ndarray:
        """(ranges, beams) float32: what `normalise` multiplies by."""
        return (1 / np.sqrt(sensitivity(self.engine))).astype(np.float32)  # type: ignore[arg-type]

    @cached_property
    def _scale(self) -> np.ndarray:
        return gray_scale(self.display.compress)

    @cached_property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """For each pixel its place among the ranges, negative outside of the sector, and among the finer beams."""
        scan = self.engine.scan
        radius, angle = self.grid.polar()
        row = (radius - scan.ranges_mm[0]) / scan.range_step_mm
        column = (angle - scan.angles[0]) / (scan.angles[1] - scan.angles[0]) * FINER
        row = np.where(self.grid.sector(scan), np.clip(row, 0, len(scan.ranges_mm) - 1), -1)
        return row.astype(np.float32), np.clip(column, 0, FINER * (scan.beams - 1)).astype(np.float32)


@lru_cache(maxsize=64)
def sensitivity(engine: Engine) -> np.ndarray:
    """Mean power of the I/Q signals of scatterers of unit variance at `DENSITY`.

    Measured on one simulated phantom that fills the sector, always the same, and smoothed: a polynomial of range and
    angle (even in the angle) is fitted to the logarithm of block averages.

    Args:
        engine: any engine; equal engines share the result.

    Returns:
        (ranges, beams) float64 > 0.
    """
    power = _phantom_power(engine)
    ranges, beams = max(len(power) // _BLOCKS[0], 1), max(power.shape[1] // _BLOCKS[1], 1)
    rows, columns = power.shape[0] // ranges, power.shape[1] // beams
    blocks = power[: rows * ranges, : columns * beams].reshape(rows, ranges, columns, beams).mean((1, 3))
    row = (np.arange(rows) + 0.5) * ranges - 0.5
    column = (np.arange(columns) + 0.5) * beams - 0.5
    degree = (min(_DEGREE[0], rows // 5), min(_DEGREE[1], columns - 1))
    basis = _basis(row, column, power.shape, degree)
    # Sums by einsum: those of BLAS round differently with the number of threads.
    normal = np.einsum("rcm,rcn->mn", basis, basis)
    fit = np.linalg.solve(normal, np.einsum("rcm,rc->m", basis, np.log(blocks)))
    # No further than the outermost averages: a polynomial goes astray beyond its data.
    row = np.clip(np.arange(power.shape[0]), row[0], row[-1])
    column = np.clip(np.arange(power.shape[1]), column[0], column[-1])
    return np.exp(np.einsum("rcm,m->rc", _basis(row, column, power.shape, degree), fit))


def _phantom_power(engine: Engine) -> np.ndarray:
    """(ranges, beams) float64: power over uniform phantoms, as many as make a full-sized one's worth of speckle."""
    scan = engine.scan
    rng = np.random.default_rng(0)
    count = max(scan.scatterers(engine.transducer), 1)
    phantoms = -(-_LEAST_SCATTERERS // count)
    power = np.zeros((len(scan.ranges_mm), scan.beams))
    for _ in range(phantoms):
        points = scan.draw_points(count, rng)
        power += np.abs(engine.iq(points, rng.standard_normal(count))).astype(np.float64) ** 2 / phantoms
    return (power + power[:, ::-1]) / 2  # a symmetric probe


def _basis(row, column, shape, degree):
    """(rows, columns, terms): Chebyshev polynomials of log range × even ones of the beam."""
    log_range = np.log1p(row / 20) / np.log1p((shape[0] - 1) / 20) * 2 - 1
    across = column / (shape[1] - 1) * 2 - 1
    one = chebyshev.chebvander(log_range, degree[0])
    other = chebyshev.chebvander(across, degree[1])[:, ::2]
    return (one[:, None, :, None] * other[None, :, None, :]).reshape(len(row), len(column), -1)
