"""The surrogate engine: the exact engine's point spread, measured once, applied to all scatterers together.

Scatterers are put on a fine grid of range × sine of the angle, with the phase of their echo. The grid is transformed
along the sine; each lateral frequency is filtered along range and then heard by the beams (see `point_spread`).
Unlike a convolution with a separable kernel (COLE; Gao et al., IEEE TUFFC 56(2), 2009) this assumes nothing of
the echo's shape. Left out is what lies further aside than 8 lateral resolution cells, and grating lobes with it (scans
that have them are refused). Nearer to the probe than its own width, the response differs from the exact one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft
from numba import get_num_threads

from cpwc_keras.data_prep.simulation.engine import checked_scatterers
from cpwc_keras.data_prep.simulation.exact import ExactEngine
from cpwc_keras.data_prep.simulation.point_spread import PointSpread, measure_point_spread
from cpwc_keras.data_prep.simulation.surrogate_kernels import deposit, gather, sort_by_block, spread
from cpwc_keras.data_prep.simulation.transducer import SectorScan, Transducer
from cpwc_keras.errors import InputError

_LOBE_CELLS = 1.6  # half the width of a grating lobe, in lateral resolution cells


def widest_pitch_mm(transducer: Transducer, scan: SectorScan) -> float:
    """How far apart a probe's elements may be for the grating lobes of one edge of a sector not to reach the other."""
    edge, wavelength = np.sin(np.deg2rad(scan.sector_deg) / 2), scan.wavelength_mm(transducer)
    aperture = transducer.elements * transducer.pitch_mm
    return float(wavelength / (2 * edge + _LOBE_CELLS * wavelength / aperture))


@dataclass(frozen=True)
class SurrogateEngine:
    """Focused beams of a phased array, nearly exactly and some hundred times faster.

    The first call measures the point spread. Equal engines of one process share it; a pickled engine takes it along.
    Scatterers behind the probe, beyond the scan's depth or more than 4 beam widths beside the sector are not heard.

    Attributes:
        transducer: the probe.
        scan: the beams.

    Raises:
        InputError: as the exact engine, or grating lobes lie within the sector.
    """

    transducer: Transducer
    scan: SectorScan

    def __post_init__(self):
        widest = widest_pitch_mm(self.transducer, self.scan)
        if self.transducer.pitch_mm > widest:
            raise InputError(
                f"Elements {self.transducer.pitch_mm:g} mm apart have grating lobes within {self.scan.sector_deg:g}°, "
                f"which the surrogate engine does not know; use the exact engine, or at most {widest:.3g} mm."
            )
        ExactEngine(self.transducer, self.scan)  # refuses what cannot be measured

    @property
    def memory(self) -> int:
        """Bytes it needs while it works, about: mostly those of the exact engine, on which it is calibrated."""
        return ExactEngine(self.transducer, self.scan).memory

    def iq(self, points_mm: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
        """Beamformed I/Q signals of the beams. The result does not depend on the number of threads.

        Args:
            points_mm: (N, 2) scatterers (x, z).
            amplitude: (N,) their reflection coefficients.

        Returns:
            (ranges, beams) complex64, linear in `amplitude`.

        Raises:
            InputError: the arrays do not fit together or are not finite.
        """
        points_mm, amplitude = map(np.ascontiguousarray, checked_scatterers(points_mm, amplitude))
        psf = self.point_spread
        rows, columns = psf.shape
        rows_per_mm = np.float32(1 / psf.row_mm)
        steepest = np.float32((columns // 2 - 2) * psf.sine_step)
        scatterers, starts = sort_by_block(points_mm, amplitude, rows_per_mm, steepest, rows)
        grid = deposit(
            scatterers, starts, rows_per_mm, 2 / self.scan.wavelength_mm(self.transducer),
            np.float32(1 / psf.sine_step), psf.row_weight, psf.column_weight,
        )  # fmt: skip
        # The number of lines is a multiple of 96. Each thread gets a multiple of 8: none does its last lines otherwise.
        workers = max(n for n in (1, 2, 3, 4, 6, 12) if n <= get_num_threads())
        spectra = scipy.fft.fft(grid.view(np.complex64), overwrite_x=True, workers=workers)
        spectra = gather(spectra, psf.frequencies, psf.reach)
        out = np.empty((len(self.scan.ranges_mm), self.scan.beams), np.complex64)
        spread(spectra, *self._filters, psf.stride, out)
        return out

    @cached_property
    def point_spread(self) -> PointSpread:
        """Measured on the exact engine."""
        return measure_point_spread(self.transducer, self.scan)

    @cached_property
    def _filters(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Response, spans and steering as `spread` wants them."""
        response, steering = self.point_spread.response, self.point_spread.steering
        heard = np.asarray(response.any((1, 3)))
        spans = np.stack([heard.argmax(1), heard.shape[1] - heard[:, ::-1].argmax(1)], axis=1)
        return np.stack([response.real, response.imag], axis=-2), spans, np.stack([steering.real, steering.imag])
