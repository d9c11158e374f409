"""The two engines by name. Both turn scatterers into beamformed I/Q signals of a scan, and both are linear."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from cpwc_keras.data_prep.simulation.transducer import SectorScan, Transducer
from cpwc_keras.errors import InputError

ENGINES = ("exact", "surrogate")


class Engine(Protocol):
    """What makes I/Q signals."""

    transducer: Transducer
    scan: SectorScan

    def iq(self, points_mm: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
        """(N, 2) scatterers (x, z) and (N,) coefficients -> (ranges, beams) complex64."""


def make_engine(name: str, transducer: Transducer, scan: SectorScan) -> Engine:
    """The engine of that name, ready to use.

    Args:
        name: "exact" (the physics of SIMUS) or "surrogate" (a calibrated point spread, some hundred times faster).
        transducer: the probe.
        scan: the beams.

    Raises:
        InputError: there is no such engine.
    """
    if name == "exact":
        from cpwc_keras.data_prep.simulation.exact import ExactEngine

        return ExactEngine(transducer, scan)
    if name == "surrogate":
        from cpwc_keras.data_prep.simulation.surrogate import SurrogateEngine

        return SurrogateEngine(transducer, scan)
    raise InputError(f"{name!r} is not an engine; choose one of {', '.join(ENGINES)}.")


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
