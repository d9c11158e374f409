"""What fully developed speckle looks like: contrast, size of its cells, agreement of two signals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpwc_keras.data_prep.simulation.transducer import SectorScan

RAYLEIGH_SNR = 1.9131
"""Mean over standard deviation of a Rayleigh distribution, √(π / (4 - π)): speckle of infinitely many scatterers.

With the paper's 10 normally distributed scatterers per square wavelength a resolution cell holds some 15 (near) to 100
(far), and the excess of their echoes lowers it by 1 to 4 %.
"""

_MARGIN = 0.1  # of the beams on each side


@dataclass(frozen=True)
class Speckle:
    """Statistics of a region.

    Attributes:
        snr: mean over standard deviation of the envelope.
        axial_mm: full width at half maximum of the signal's autocorrelation along the beams.
        lateral_deg: the same across the beams.
    """

    snr: float
    axial_mm: float
    lateral_deg: float


def measure(iq: np.ndarray, scan: SectorScan, zone_mm: tuple[float, float]) -> Speckle:
    """Statistics of a uniform medium between two ranges.

    Args:
        iq: (ranges, beams) complex, its sensitivity taken out (`Imager.normalise`).
        scan: its ranges and beams.
        zone_mm: from and to.
    """
    part = _part(iq, scan, zone_mm)
    envelope = np.abs(part)
    step = scan.angles[1] - scan.angles[0]
    return Speckle(
        snr=float(envelope.mean() / envelope.std()),
        axial_mm=_width(part, 0) * scan.range_step_mm,
        lateral_deg=float(np.rad2deg(_width(part, 1) * step)),
    )


def correlation(one: np.ndarray, other: np.ndarray, scan: SectorScan, zone_mm: tuple[float, float]) -> float:
    """Pearson correlation of the envelopes of two I/Q signals (ranges, beams) between two ranges, pixel by pixel."""
    parts = [np.abs(_part(iq, scan, zone_mm)).ravel() for iq in (one, other)]
    return float(np.corrcoef(*parts)[0, 1])


def _part(iq, scan, zone_mm):
    """The zone without the outermost beams, where the medium ends."""
    rows = (scan.ranges_mm >= zone_mm[0]) & (scan.ranges_mm <= zone_mm[1])
    margin = int(np.ceil(_MARGIN * scan.beams))
    return iq[rows, margin : scan.beams - margin].astype(np.complex128)


def _width(part, axis):
    """Full width at half maximum of the magnitude of the autocorrelation, in samples."""
    part = np.moveaxis(part, axis, 0)
    lags = range(min(len(part) // 2, 60))
    values = np.array([abs(np.vdot(part[: len(part) - k], part[k:])) / (part[k:].size) for k in lags])
    values /= values[0]
    below = int(np.flatnonzero(values < 0.5)[0])
    return 2 * (below - 1 + (values[below - 1] - 0.5) / (values[below - 1] - values[below]))
