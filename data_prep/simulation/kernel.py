"""The Kaiser-Bessel kernel that puts values between the samples of a grid, and takes them from there.

Spreading points with it and dividing the spectrum by its transform is a non-uniform Fourier transform (Fessler and
Sutton, IEEE TSP 51(2), 2003): four taps are enough where the grid is at least 1.4 times finer than the band needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

TAPS = 4
PHASES = 2048
"""Places between two samples for which the kernel is tabulated; the nearest one is taken."""


@dataclass(frozen=True)
class KaiserBessel:
    """A kernel of `TAPS` samples for a band of frequencies.

    Attributes:
        band: highest frequency of the band in cycles a sample, below 0.5.
    """

    band: float

    @property
    def _beta(self) -> float:
        return np.pi * TAPS * (1 - self.band)

    @cached_property
    def table(self) -> np.ndarray:
        """(PHASES, TAPS) float32: the weights of samples -1, 0, 1, 2 for a point at phase / PHASES after sample 0."""
        distance = np.arange(-1, 3) - np.arange(PHASES)[:, None] / PHASES
        inside = np.clip(1 - (2 * distance / TAPS) ** 2, 0, None)
        return np.i0(self._beta * np.sqrt(inside)).astype(np.float32)

    def transform(self, frequency: np.ndarray) -> np.ndarray:
        """Its Fourier transform at frequencies in cycles a sample, by which a spectrum is divided."""
        root = np.sqrt(np.asarray(self._beta**2 - (np.pi * TAPS * np.asarray(frequency)) ** 2, dtype=complex))
        return (TAPS * np.sinh(root) / root).real
