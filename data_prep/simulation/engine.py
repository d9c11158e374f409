"""What an engine is: scatterers in, beamformed I/Q signals of a scan out, linear in the scatterers' amplitude."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from cpwc_keras.data_prep.simulation.transducer import SectorScan, Transducer
from cpwc_keras.errors import InputError


class Engine(Protocol):
    """What makes I/Q signals."""

    @property
    def transducer(self) -> Transducer:
        """The probe."""

    @property
    def scan(self) -> SectorScan:
        """The beams."""

    @property
    def memory(self) -> int:
        """Bytes it needs while it works, about."""

    def iq(self, points_mm: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
        """(N, 2) scatterers (x, z) and (N,) coefficients -> (ranges, beams) complex64."""


def checked_scatterers(points_mm: np.ndarray, amplitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What an engine is given, as float32.

    Raises:
        InputError: the arrays do not fit together or are not finite.
    """
    points_mm, amplitude = np.asarray(points_mm, np.float32), np.asarray(amplitude, np.float32)
    if points_mm.ndim != 2 or points_mm.shape[1] != 2:
        raise InputError(f"The scatterers' points have shape {points_mm.shape}; expected (N, 2) as (x, z) in mm.")
    if amplitude.shape != points_mm.shape[:1]:
        raise InputError(
            f"The amplitude has shape {amplitude.shape}; expected one for each of {len(points_mm)} points."
        )
    if not (np.isfinite(points_mm).all() and np.isfinite(amplitude).all()):
        raise InputError("Scatterers must be finite; found NaN or infinite points or amplitudes.")
    return points_mm, amplitude
