"""Delays of the transmitted beams, and delay-and-sum of what the elements receive (paper, II-A.1 and its [28])."""

from __future__ import annotations

import numpy as np
from numba import prange

from cpwc_keras.compiled import njit
from cpwc_keras.data_prep.simulation.kernel import TAPS
from cpwc_keras.data_prep.simulation.transducer import SectorScan, Transducer


def transmit_delays(transducer: Transducer, scan: SectorScan) -> np.ndarray:
    """When each element fires so that all waves meet in the beam's focus.

    Returns:
        (beams, elements) float64 µs; the first element of each beam fires at 0.
    """
    focus = scan.transmit_focus_mm
    x, z = focus * np.sin(scan.angles)[:, None], focus * np.cos(scan.angles)[:, None]
    distance = np.hypot(x - transducer.element_x_mm, z)
    return (distance.max(1, keepdims=True) - distance) / scan.speed_of_sound


def transmit_time_zero(transducer: Transducer, scan: SectorScan) -> np.ndarray:
    """(beams,) float64 µs after the first element fired at which a beam's wave leaves the probe's centre.

    The part of the wave on the beam's axis travels from there at the speed of sound, before the focus and after it.
    """
    focus = scan.transmit_focus_mm
    x, z = focus * np.sin(scan.angles)[:, None], focus * np.cos(scan.angles)[:, None]
    return (np.hypot(x - transducer.element_x_mm, z).max(1) - focus) / scan.speed_of_sound


@njit(parallel=True)
def delay_and_sum(received, rate, table, element_x, sines, zero, ranges, speed, frequency, out):
    """Sum what the elements received from each point of the beams, at the time its echo arrives there.

    Args:
        received: (beams, elements, samples) complex64: I/Q, demodulated at `frequency`, starting at 0 µs.
        rate: samples a µs.
        table: the interpolation kernel's.
        element_x: (elements,) mm.
        sines: (beams,) of the beams' angles.
        zero: (beams,) µs, see `transmit_time_zero`.
        ranges: (ranges,) mm.
        speed: of sound, mm/µs.
        frequency: of demodulation, MHz.
        out: (beams, ranges) complex64, to be filled.
    """
    beams, elements, samples = received.shape
    phases = len(table)
    for b in prange(beams):
        for n in range(len(ranges)):
            out[b, n] = 0
        for e in range(elements):
            x = element_x[e]
            signal = received[b, e]
            for n in range(len(ranges)):
                r = ranges[n]
                back = np.sqrt(r * r - 2 * r * x * sines[b] + x * x)
                place = int(((r + back) / speed + zero[b]) * rate * phases + 0.5)
                first = place // phases
                if first < 1 or first + TAPS - 1 > samples:
                    continue
                weights = table[place - first * phases]
                value = signal[first - 1] * weights[0]
                for k in range(1, TAPS):
                    value += signal[first - 1 + k] * weights[k]
                turn = np.float32(2 * np.pi * frequency * ((back - r) / speed + zero[b]))
                out[b, n] += value * np.complex64(complex(np.cos(turn), np.sin(turn)))
