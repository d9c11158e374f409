"""The point spread of a scan, measured on the exact engine.

In the sine of the angle, the echo of a scatterer has a spectrum that is as wide as the aperture, no wider: a lateral
frequency belongs to one sum of the places of a transmitting and a receiving element. At each lateral frequency the echo
is a short pulse along range, whose shape changes slowly with the depth of the scatterer (focus, wavefront, attenuation)
and with the sine of its angle (a narrower aperture). So the whole scan is a short filter along range for each lateral
frequency: nothing is assumed of the pulse and the lateral shape being separable. Sidelobes are kept as far as
`_WINDOW` cells.

The exact engine hears single scatterers at some depths, on the axis and near the sector's edge, from beams that lie
close enough to see all lateral frequencies. Between the depths a spline interpolates, across the sector a parabola.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import scipy.fft
from scipy.interpolate import CubicSpline

from cpwc_keras.data_prep.simulation.exact import ExactEngine
from cpwc_keras.data_prep.simulation.transducer import SectorScan, Transducer

ORDERS = 3
"""Powers 0, 1, 2 of the sine of a scatterer's angle, by which the response varies across the sector."""

ZONE = 4
"""Samples along range that share one response."""

BLOCK = 32
"""Rows of the grid that are filled together; the grid has a whole number of such blocks."""

_FINEST = 0.26  # wavelengths a row: an echo moved by linear interpolation between such rows keeps its shape
_LATERAL = 1.5  # columns for each that the aperture needs, for the same reason
_FAR_MM = 10.0  # how far apart measured depths are
_BEND = 10.0  # the same close by: how much the wavefront's curvature changes, in wavelengths / aperture²
_NEAREST = 0.1  # apertures: the least depth that is measured
_WINDOW = 8.0  # lateral resolution cells to each side of a scatterer
_MARGIN = 4.0  # the same, of scatterers heard beyond the sector's edges
_LOST = 3e-4  # of the energy, by leaving out the weakest ends of the response
_STEEPEST = np.sin(np.deg2rad(75))


@dataclass(frozen=True, eq=False)
class PointSpread:
    """How scatterers on a grid of `rows` ranges × `columns` sines of the angle are heard.

    Attributes:
        row_mm: distance of the rows; row 0 is the probe's face.
        stride: rows for each sample of a beam: sample n lies at row (n + 1) × stride.
        row_weight: (rows,) float32, echoes become weaker with range.
        column_weight: (orders, columns) float32: directivity × a power of the sine.
        sine_step: distance of the columns; column `columns / 2` is the axis.
        frequencies: (K,) int: which elements of a Fourier transform over the columns count.
        response: (zones, orders, taps, K) complex64: what zone z hears of each order, `reach` - tap rows further away;
            0 beyond the few taps that matter there.
        steering: (K, beams) complex64: how a lateral frequency is heard by each beam.
    """

    row_mm: float
    stride: int
    row_weight: np.ndarray
    column_weight: np.ndarray
    sine_step: float
    frequencies: np.ndarray
    response: np.ndarray
    steering: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the grid."""
        return len(self.row_weight), self.column_weight.shape[1]

    @property
    def reach(self) -> int:
        """Rows that an echo spreads to each side."""
        return self.response.shape[2] // 2


@lru_cache(maxsize=8)
def measure_point_spread(transducer: Transducer, scan: SectorScan) -> PointSpread:
    """Calibrate on the exact engine, with some four of its calls.

    Args:
        transducer: the probe.
        scan: the beams.
    """
    wavelength = scan.wavelength_mm(transducer)
    cell = wavelength / (transducer.elements * transducer.pitch_mm)  # lateral resolution, of the sine
    highest = (1 + 0.6 * transducer.bandwidth) / cell
    edge = np.sin(np.deg2rad(scan.sector_deg) / 2)
    period = 2 * (edge + _MARGIN * cell)
    columns = 2 * scipy.fft.next_fast_len(int(_LATERAL * highest * period))
    sine_step = period / columns
    stride = int(np.ceil(scan.range_step_mm / (_FINEST * wavelength)))
    row_mm = scan.range_step_mm / stride

    reach = int(np.ceil((transducer.pulse_cycles + 2 / transducer.bandwidth) * wavelength / row_mm))
    last = 8 * int(highest * period / 8)
    frequencies = np.arange(-last, last + 1)
    node = np.sqrt(3) / 2 * edge
    depths = _depths(transducer, scan, row_mm)
    response = _measure(transducer, scan, row_mm, reach, frequencies, period, depths, node)

    # What linear interpolation between rows and columns takes away is given back.
    pulse = scipy.fft.fft(response, 4 * reach, axis=2)
    pulse /= np.sinc(scipy.fft.fftfreq(4 * reach))[:, None] ** 2
    response = scipy.fft.ifft(pulse, axis=2)[:, :, : 2 * reach + 1] / np.sinc(frequencies / columns) ** 2 / period
    power = (np.abs(response) ** 2).sum(1)
    power = (power / power.sum((1, 2), keepdims=True)).mean(0)
    half = _half_width(power.sum(1))
    response = response[:, :, reach - half : reach + half + 1]
    half = min(8 * -(-_half_width(power.sum(0)) // 8), frequencies[-1])
    middle = len(frequencies) // 2
    response, frequencies = response[..., middle - half : middle + half], frequencies[middle - half : middle + half]

    rows = -(-(len(scan.ranges_mm) * stride + reach + 2) // BLOCK) * BLOCK

    sine = (np.arange(columns) - columns // 2) * sine_step
    return PointSpread(
        row_mm=row_mm,
        stride=stride,
        row_weight=_spreading(transducer, np.arange(rows) * row_mm).astype(np.float32),
        column_weight=(_directivity(transducer, wavelength, sine) * (sine / node) ** np.arange(ORDERS)[:, None]).astype(
            np.float32
        ),
        sine_step=sine_step,
        # The transform counts columns from the first, the sine from the axis.
        frequencies=frequencies % columns,
        response=_by_zone(response, depths, transducer, scan, row_mm),
        steering=np.exp(
            2j * np.pi * frequencies[:, None] * (np.sin(scan.angles) / period + columns // 2 / columns)
        ).astype(np.complex64),
    )


def _coordinate(transducer, scan, range_mm):
    """A function of range along which the response changes evenly: far away by the way, close by the curvature."""
    curvature = _BEND * scan.wavelength_mm(transducer) / (transducer.elements * transducer.pitch_mm) ** 2
    return range_mm / _FAR_MM - _spreading(transducer, range_mm) / curvature


def _depths(transducer, scan, row_mm):
    """(D,) int rows at which scatterers are measured."""
    nearest = min(_NEAREST * transducer.elements * transducer.pitch_mm, scan.depth_mm / 3)
    fine = np.linspace(nearest, scan.depth_mm, 10000)
    place = _coordinate(transducer, scan, fine)
    steps = max(8, int(np.ceil(place[-1] - place[0])))
    depths = np.interp(np.linspace(place[0], place[-1], steps + 1), place, fine)
    return np.unique(np.maximum(np.round(depths / row_mm), 1).astype(int))


def _measure(transducer, scan, row_mm, reach, frequencies, period, depths, node):
    """(D, orders, taps, K) complex128 response at the lateral frequencies, without `_spreading` and `_directivity`."""
    wavelength = scan.wavelength_mm(transducer)
    half = _WINDOW * wavelength / (transducer.elements * transducer.pitch_mm)
    widest = np.arcsin(min(node + half, _STEEPEST))
    spreading = _spreading(transducer, depths * row_mm)
    turn = np.exp(4j * np.pi * depths * row_mm / wavelength)
    response = np.zeros((2, len(depths), 2 * reach + 1, len(frequencies)), complex)
    for some in _apart(depths, 2 * reach + 1):
        # No deeper than it must be: the engine's time grows with the depth.
        listener = ExactEngine(
            transducer,
            replace(
                scan,
                depth_mm=min(max((depths[some[-1]] + reach + 1) * row_mm, 10.0), 300.0),
                sector_deg=2 * np.rad2deg(widest),
                beams=min(1024, int(4 * widest * frequencies[-1] / period) + 2),
                focus_mm=scan.transmit_focus_mm,
                range_step_mm=row_mm,
            ),
        )
        heard = np.sin(listener.scan.angles)
        spacing = np.cos(listener.scan.angles) * (listener.scan.angles[1] - listener.scan.angles[0])
        for sines in [(0.0, node)] if half <= 0.6 * node else [(0.0,), (node,)]:
            points = [depths[some, None] * row_mm * (sine, np.sqrt(1 - sine**2)) for sine in sines]
            iq = listener.iq(np.concatenate(points), np.ones(len(sines) * len(some)))
            iq = np.pad(iq, ((reach, reach), (0, 0)))
            for sine in sines:
                away = heard - sine
                near = np.flatnonzero(np.abs(away) < half)
                fade = np.sin(np.pi / 2 * np.clip(2.5 * (1 - np.abs(away[near]) / half), 0, 1)) ** 2
                weight = fade * spacing[near] / _directivity(transducer, wavelength, sine)
                transform = weight[:, None] * np.exp(-2j * np.pi / period * away[near, None] * frequencies)
                for d in some:
                    pulse = iq[depths[d] - 1 : depths[d] + 2 * reach, near]
                    # Not by BLAS: that rounds differently with the number of threads.
                    response[int(sine > 0), d] = turn[d] / spreading[d] * np.einsum("nb,bk->nk", pulse, transform)
    axis, right = response
    left = right[..., ::-1]  # the probe is symmetric
    return np.stack([axis, (right - left) / 2, (right + left) / 2 - axis], axis=1)


def _apart(depths, distance):
    """Indices of the depths, in as few groups as needed so that those of a group are so many rows apart."""
    groups = []
    for d, depth in enumerate(depths):
        for group in groups:
            if depth - depths[group[-1]] >= distance:
                group.append(d)
                break
        else:
            groups.append([d])
    return groups


def _by_zone(response, depths, transducer, scan, row_mm):
    """(zones, orders, taps, K) complex64: the response for the samples of each zone, from scatterers where they lie."""
    zones = -(-len(scan.ranges_mm) // ZONE)
    middle = (np.arange(zones) * ZONE + (ZONE + 1) / 2) * scan.range_step_mm / row_mm
    place = _coordinate(transducer, scan, depths * row_mm)
    out = np.empty((zones, *response.shape[1:]), np.complex64)
    for tap in range(out.shape[2]):
        row = np.clip(middle + out.shape[2] // 2 - tap, depths[0], depths[-1])
        out[:, :, tap] = CubicSpline(place, response[:, :, tap])(_coordinate(transducer, scan, row * row_mm))
    power = (np.abs(out) ** 2).sum((1, 3))
    away = np.abs(np.arange(out.shape[2]) - out.shape[2] // 2)
    for zone in range(zones):
        out[zone, :, away > _half_width(power[zone])] = 0
    return out


def _half_width(power):
    """How many values to each side of the middle hold, with it, all but `_LOST` of the power."""
    half = len(power) // 2
    kept = np.cumsum(np.concatenate([power[half : half + 1], power[half + 1 :] + power[:half][::-1]]))
    return int(np.searchsorted(kept, (1 - _LOST) * power.sum()))


def _spreading(transducer, range_mm):
    """How echoes become weaker with range, there and back, roughly: the response tells the rest."""
    return 1 / np.hypot(range_mm, transducer.elements * transducer.pitch_mm / 3)


def _directivity(transducer, wavelength, sine):
    """How echoes become weaker with the angle, there and back."""
    one_way = np.sinc(transducer.width_mm / wavelength * sine)
    if transducer.baffle == "soft":
        one_way = one_way * np.sqrt(np.clip(1 - np.square(sine), 0, None))
    return one_way**2
