"""The exact engine: the physics of SIMUS (the paper's simulator, II-A.1) by another algorithm.

SIMUS adds the echo of every scatterer at every element and frequency, anew for each transmitted beam. Here, with the
directivity taken at the centre frequency as SIMUS does by default, the echo of transmitting with element i and
receiving with element j is a train of weighted impulses, one at the two-way delay of each scatterer. These trains are
the same for (i, j) and (j, i) and for every beam: they are deposited once, by a non-uniform Fourier transform, and each
beam is then a small matrix product per frequency. Nothing is left out but what that transform rounds.

Memory does not grow with the number of scatterers (`ExactEngine.memory`): 150 MB for the default probe and scan.

References:
    Garcia, SIMUS: an open-source simulator for medical ultrasound imaging. Part I: theory & examples, Computer Methods
    and Programs in Biomedicine 218, 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft
from numba import get_num_threads
from numpy.polynomial import chebyshev

from cpwc_keras.data_prep.simulation.beamform import delay_and_sum, transmit_delays, transmit_time_zero
from cpwc_keras.data_prep.simulation.element_pairs import BLOCK, deposit, paths, transmit
from cpwc_keras.data_prep.simulation.engine import checked_scatterers
from cpwc_keras.data_prep.simulation.kernel import KaiserBessel
from cpwc_keras.data_prep.simulation.transducer import SectorScan, Transducer
from cpwc_keras.errors import InputError

_SAMPLES_PER_PERIOD = 16
_LOWEST_DB = -80.0
_BEYOND_MM = 10.0
_CELL_MM = 0.5
_CHUNK = 64  # blocks whose delays are computed together
_PAIRS = 256  # transformed together
_BEAMS = 16  # beamformed together
_ATTENUATION_NODES = 12


@dataclass(frozen=True)
class ExactEngine:
    """Focused beams of a phased array, exactly.

    Scatterers behind the probe, or more than 10 mm beyond the depth of the scan, are not heard.

    Attributes:
        transducer: the probe.
        scan: the beams.

    Raises:
        InputError: the scan is too deep for the frequency, or the elements are wider than the shortest wavelength.
    """

    transducer: Transducer
    scan: SectorScan

    def __post_init__(self):
        probe = self.transducer
        shortest = self.scan.wavelength_mm(probe) / (1 + probe.bandwidth / 2)
        if probe.width_mm > shortest:  # SIMUS would split the elements here
            raise InputError(
                f"Elements {probe.width_mm:g} mm wide are wider than the shortest wavelength, {shortest:.3g} mm; "
                "choose narrower elements or a lower frequency."
            )
        if self._samples >= 1 << 16:
            raise InputError(
                f"A depth of {self.scan.depth_mm:g} mm at {self.transducer.centre_frequency_mhz:g} MHz is "
                f"{self._samples:,} samples; expected fewer than 65,536: choose a smaller depth or a lower frequency."
            )

    def iq(self, points_mm: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
        """Beamformed I/Q signals of the beams.

        Args:
            points_mm: (N, 2) scatterers (x, z).
            amplitude: (N,) their reflection coefficients.

        Returns:
            (ranges, beams) complex64, linear in `amplitude`.

        Raises:
            InputError: the arrays do not fit together or are not finite.
        """
        spectra = self.spectra(points_mm, amplitude)
        first, last = self._band
        middle = self._samples // _SAMPLES_PER_PERIOD  # the bin of the centre frequency
        reach = max(middle - first, last - middle)
        length = scipy.fft.next_fast_len(int(1.4 * 2 * reach))
        kernel = KaiserBessel(reach / length)
        place = np.arange(first, last) - middle
        spectra *= (2 * length / self._samples / kernel.transform(place / length)).astype(np.float32)[:, None]
        delays = transmit_delays(self.transducer, self.scan)
        zero = transmit_time_zero(self.transducer, self.scan)
        out = np.empty((self.scan.beams, len(self.scan.ranges_mm)), np.complex64)
        for start in range(0, self.scan.beams, _BEAMS):
            part = slice(start, start + _BEAMS)
            received = self._receive(spectra, delays[part], place % length, length)
            received = scipy.fft.ifft(received, axis=-1, overwrite_x=True, workers=get_num_threads())
            delay_and_sum(
                received, length * self._frequency_step, kernel.table, self.transducer.element_x_mm,
                np.sin(self.scan.angles[part]), zero[part], self.scan.ranges_mm, self.scan.speed_of_sound,
                self.transducer.centre_frequency_mhz, out[part],
            )  # fmt: skip
        return np.ascontiguousarray(out.T)

    def rf(self, points_mm: np.ndarray, amplitude: np.ndarray, beams: np.ndarray) -> np.ndarray:
        """What each element receives from some of the beams, as SIMUS gives it.

        Args:
            points_mm: (N, 2) scatterers (x, z).
            amplitude: (N,) their reflection coefficients.
            beams: (K,) indices of the beams.

        Returns:
            (K, elements, samples) float32 at 16 samples a period of the centre frequency, from the firing of each
            beam's first element on.
        """
        spectra = self.spectra(points_mm, amplitude)
        delays = transmit_delays(self.transducer, self.scan)[beams]
        received = self._receive(spectra, delays, np.arange(*self._band), self._samples // 2 + 1)
        return scipy.fft.irfft(received, self._samples, axis=-1, workers=get_num_threads())

    @property
    def memory(self) -> int:
        """Bytes it needs while it works, about: the trains of all pairs, their spectra, and what is beamformed."""
        elements, bins = self.transducer.elements, self._band[1] - self._band[0]
        pairs = elements * (elements + 1) // 2
        return 4 * pairs * self._samples + 16 * pairs * bins + 8 * elements * (_CHUNK * BLOCK + 4 * _BEAMS * bins)

    def spectra(self, points_mm: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
        """The response of every pair of elements: (frequencies, pairs) complex64, pairs (i, j >= i) in order of i."""
        x, z, weight = self._audible(points_mm, amplitude)
        elements = self.transducer.elements
        wavelength = self.scan.wavelength_mm(self.transducer)
        impulses = np.zeros((elements * (elements + 1) // 2, self._samples), np.float32)
        for start in range(0, len(x), _CHUNK * BLOCK):
            part = slice(start, start + _CHUNK * BLOCK)
            delays, sensitivity = paths(
                x[part], z[part], self.transducer.element_x_mm, self._rate / self.scan.speed_of_sound,
                np.pi * self.transducer.width_mm / wavelength, self.transducer.baffle == "soft", wavelength / 2,
            )  # fmt: skip
            deposit(delays, sensitivity, weight[part], self._kernel.table, impulses)
        first, last = self._band
        out = np.empty((last - first, len(impulses)), np.complex64)
        for start in range(0, len(impulses), _PAIRS):
            part = slice(start, start + _PAIRS)
            out[:, part] = self._transform(impulses[part]).T
        return out

    def _audible(self, points_mm, amplitude):
        """The scatterers that matter, those that are close together next to each other."""
        points_mm, amplitude = checked_scatterers(points_mm, amplitude)
        x, z = points_mm.T
        radius = np.hypot(x, z)
        heard = np.flatnonzero((z >= 0) & (radius < self._reach_mm) & (amplitude != 0))
        cell = (radius[heard] / _CELL_MM).astype(np.uint16)
        order = heard[np.argsort(cell, kind="stable")]
        return x[order], z[order], amplitude[order]

    def _transform(self, impulses):
        """Spectra (pairs, frequencies) of trains of impulses, with the pulse, the probe and the attenuation."""
        if not self.scan.attenuation:
            return self._spectrum(impulses) * self._response
        # A loss that grows with time and frequency, interpolated in frequency: a sum of products of functions of each.
        first, last = self._band
        frequencies = np.arange(first, last) * self._frequency_step
        x = np.linspace(-1, 1, last - first)
        nodes = chebyshev.chebpts1(_ATTENUATION_NODES)
        path_cm = np.arange(self._samples) / self._rate * self.scan.speed_of_sound / 10
        weights = chebyshev.chebvander(x, len(nodes) - 1) @ np.linalg.inv(chebyshev.chebvander(nodes, len(nodes) - 1))
        total = 0
        for frequency, weight in zip(np.interp(nodes, x, frequencies), weights.T, strict=True):
            loss = 10 ** (-self.scan.attenuation * frequency * path_cm / 20)
            total = total + self._spectrum(impulses * loss.astype(np.float32)) * weight.astype(np.float32)
        return total * self._response

    def _spectrum(self, impulses):
        return scipy.fft.rfft(impulses, axis=-1, workers=get_num_threads())[:, slice(*self._band)]

    def _receive(self, spectra, delays, slots, length):
        """(beams, elements, length) complex64 spectra of what each element receives; zero outside of `slots`."""
        out = np.zeros((len(delays), self.transducer.elements, length), np.complex64)
        turns = -2 * np.pi * self._frequency_step * np.ascontiguousarray(delays.T)
        transmit(spectra, turns, self._band[0], slots, out)
        return out

    @property
    def _rate(self) -> float:
        return _SAMPLES_PER_PERIOD * self.transducer.centre_frequency_mhz

    @property
    def _reach_mm(self) -> float:
        return self.scan.depth_mm + _BEYOND_MM

    @cached_property
    def _samples(self) -> int:
        aperture = np.ptp(self.transducer.element_x_mm)
        last = (2 * self._reach_mm + aperture) / self.scan.speed_of_sound
        last += transmit_delays(self.transducer, self.scan).max()
        pulse_periods = 2 * self.transducer.pulse_cycles + 4 / self.transducer.bandwidth
        # Whole periods, so that the centre frequency, at which the signals are demodulated, is one of the bins.
        periods = last * self.transducer.centre_frequency_mhz + pulse_periods
        return _SAMPLES_PER_PERIOD * scipy.fft.next_fast_len(int(np.ceil(periods)), real=True)

    @property
    def _frequency_step(self) -> float:
        return self._rate / self._samples

    @cached_property
    def _two_way(self) -> np.ndarray:
        """Spectrum of the transmitted pulse and the probe, there and back, at all bins up to twice the centre."""
        centre = self.transducer.centre_frequency_mhz
        frequency = np.arange(2 * centre / self._frequency_step) * self._frequency_step
        cycles = self.transducer.pulse_cycles / centre
        pulse = np.sinc(cycles * (frequency - centre)) - np.sinc(cycles * (frequency + centre))
        order = np.log(126) / np.log(2 / self.transducer.bandwidth)
        width = self.transducer.bandwidth * centre / 2 / np.log(2) ** (1 / order)
        return pulse * np.exp(-((np.abs(frequency - centre) / width) ** order))

    @cached_property
    def _band(self) -> tuple[int, int]:
        level = np.abs(self._two_way)
        loud = np.flatnonzero(level > level.max() * 10 ** (_LOWEST_DB / 20))
        return int(loud[0]), int(loud[-1]) + 1

    @cached_property
    def _kernel(self) -> KaiserBessel:
        return KaiserBessel(self._band[1] / self._samples)

    @cached_property
    def _response(self) -> np.ndarray:
        """(frequencies,) complex64: what one impulse becomes."""
        bins = np.arange(*self._band)
        response = -1j * self._two_way[bins] / self._kernel.transform(bins / self._samples)
        return (self.transducer.width_mm * response).astype(np.complex64)
