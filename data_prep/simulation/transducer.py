"""The probe, how it scans a sector, and where the pixels of an image lie before it.

Lengths are millimetres, times microseconds and frequencies megahertz throughout the simulation. Points of the scan
plane are (x, z): x to the right of the probe's centre, z away from the probe.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cpwc_keras.errors import InputError

DENSITY = 10.0
"""Scatterers per square wavelength (paper, II-A.1)."""


@dataclass(frozen=True)
class Transducer:
    """A phased array. The default is the paper's probe (II-A.2): 64 elements at 2.5 MHz.

    Attributes:
        elements: number of elements, in a row along x.
        pitch_mm: distance of neighbouring elements' centres.
        width_mm: width of an element.
        centre_frequency_mhz: of the probe and of the transmitted pulse.
        bandwidth: pulse-echo width of the probe's response at -6 dB, as a fraction of the centre frequency.
        pulse_cycles: length of the transmitted tone burst, in periods.
        baffle: "soft" (sensitivity falls with the cosine of the angle to the element's normal) or "rigid".

    Raises:
        InputError: a value that no probe has.
    """

    elements: int = 64
    pitch_mm: float = 0.30
    width_mm: float = 0.25
    centre_frequency_mhz: float = 2.5
    bandwidth: float = 0.75
    pulse_cycles: float = 1.0
    baffle: str = "soft"

    def __post_init__(self):
        _whole("elements", self.elements, 2, 256)
        _within("centre_frequency_mhz", self.centre_frequency_mhz, 0.2, 30.0, "MHz")
        _within("pitch_mm", self.pitch_mm, 0.01, 5.0, "mm")
        _within("width_mm", self.width_mm, 0.005, self.pitch_mm, "mm (at most the pitch)")
        _within("bandwidth", self.bandwidth, 0.05, 1.9, "of the centre frequency")
        _within("pulse_cycles", self.pulse_cycles, 0.5, 50.0, "periods")
        if self.baffle not in ("soft", "rigid"):
            raise InputError(f"The transducer's baffle is {self.baffle!r}; expected 'soft' or 'rigid'.")

    @property
    def element_x_mm(self) -> np.ndarray:
        """(elements,) float64: the elements' centres."""
        return (np.arange(self.elements) - (self.elements - 1) / 2) * self.pitch_mm


@dataclass(frozen=True)
class SectorScan:
    """Focused beams that leave the probe's centre at evenly spread angles (II-A.1).

    Attributes:
        depth_mm: range of the image; the paper's are 110 to 200.
        sector_deg: full opening angle; the paper's are 60 to 90.
        beams: number of transmitted beams, from left to right.
        focus_mm: range of the transmit focus; None: half the depth, as in the paper.
        range_step_mm: distance of the samples along a beam.
        speed_of_sound: mm/µs.
        attenuation: dB/cm/MHz, one way.

    Raises:
        InputError: a value that no scan of the heart has.
    """

    depth_mm: float = 150.0
    sector_deg: float = 75.0
    beams: int = 128
    focus_mm: float | None = None
    range_step_mm: float = 0.15
    speed_of_sound: float = 1.54
    attenuation: float = 0.0

    def __post_init__(self):
        _within("depth_mm", self.depth_mm, 10.0, 300.0, "mm")
        _within("sector_deg", self.sector_deg, 5.0, 150.0, "degrees")
        _whole("beams", self.beams, 2, 1024)
        if self.focus_mm is not None:
            _within("focus_mm", self.focus_mm, 5.0, 1000.0, "mm")
        _within("range_step_mm", self.range_step_mm, 0.01, 2.0, "mm")
        _within("speed_of_sound", self.speed_of_sound, 1.0, 2.0, "mm/µs")
        _within("attenuation", self.attenuation, 0.0, 3.0, "dB/cm/MHz")

    @property
    def transmit_focus_mm(self) -> float:
        """Range of the transmit focus."""
        return self.depth_mm / 2 if self.focus_mm is None else self.focus_mm

    @cached_property
    def angles(self) -> np.ndarray:
        """(beams,) float64 radians from the probe's axis, left (negative) to right."""
        half = np.deg2rad(self.sector_deg) / 2
        return np.linspace(-half, half, self.beams)

    @cached_property
    def ranges_mm(self) -> np.ndarray:
        """(ranges,) float64: `range_step_mm`, 2 `range_step_mm`, … up to the depth."""
        return np.arange(1, int(self.depth_mm / self.range_step_mm + 1e-9) + 1) * self.range_step_mm

    @property
    def area_mm2(self) -> float:
        """Area of the sector."""
        return np.deg2rad(self.sector_deg) / 2 * self.depth_mm**2

    def holds(self, points_mm: np.ndarray) -> np.ndarray:
        """Whether points (..., 2) in mm (x, z) lie within the sector, its border included: (...) bool."""
        x, z = points_mm[..., 0], points_mm[..., 1]
        return (np.hypot(x, z) <= self.depth_mm) & (np.abs(np.arctan2(x, z)) <= np.deg2rad(self.sector_deg) / 2)

    def draw_points(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """(count, 2) float32 mm (x, z), uniform in the sector."""
        radius = self.depth_mm * np.sqrt(rng.random(count))
        angle = np.deg2rad(self.sector_deg) * (rng.random(count) - 0.5)
        return np.stack([radius * np.sin(angle), radius * np.cos(angle)], -1).astype(np.float32)

    def scatterers(self, transducer: Transducer, density: float = DENSITY) -> int:
        """How many scatterers fill the sector at so many per square wavelength."""
        return int(density * self.area_mm2 / self.wavelength_mm(transducer) ** 2)

    def wavelength_mm(self, transducer: Transducer) -> float:
        """Wavelength at the transducer's centre frequency."""
        return self.speed_of_sound / transducer.centre_frequency_mhz


@dataclass(frozen=True)
class ImageGrid:
    """Where the pixels of a scan-converted image lie before the probe.

    Attributes:
        shape: (H, W).
        spacing_mm: (row_mm, col_mm) of a pixel.
        probe: (x, y) pixels of the probe's centre, where all beams meet; it may lie outside of the image.

    Raises:
        InputError: an image without pixels, or without a size.
    """

    shape: tuple[int, int]
    spacing_mm: tuple[float, float]
    probe: tuple[float, float]

    def __post_init__(self):
        for name, length in zip(("height", "width"), self.shape, strict=True):
            _whole(f"image {name}", length, 16, 8192)
        for name, step in zip(("row spacing", "column spacing"), self.spacing_mm, strict=True):
            _within(name, step, 0.01, 5.0, "mm")
        if not np.isfinite(self.probe).all():
            raise InputError(f"The probe lies at {self.probe}; expected finite pixels (x, y).")

    def to_mm(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) as pixels (x, y) -> mm (x, z) before the probe."""
        return (np.asarray(points) - self.probe) * self.spacing_mm[::-1]

    def to_pixels(self, points_mm: np.ndarray) -> np.ndarray:
        """Points (..., 2) as mm (x, z) before the probe -> pixels (x, y)."""
        return np.asarray(points_mm) / self.spacing_mm[::-1] + self.probe

    def polar(self) -> tuple[np.ndarray, np.ndarray]:
        """Range in mm and angle in radians from the axis of each pixel, (H, W) float64 each."""
        x, z = np.moveaxis(self._pixels_mm(), -1, 0)
        return np.hypot(x, z), np.arctan2(x, z)

    def sector(self, scan: SectorScan) -> np.ndarray:
        """(H, W) bool: the pixels within the scan's sector."""
        return scan.holds(self._pixels_mm())

    def _pixels_mm(self) -> np.ndarray:
        rows, columns = np.indices(self.shape)
        return self.to_mm(np.stack([columns, rows], -1))


def _within(name: str, value: float, low: float, high: float, unit: str) -> None:
    if not low <= value <= high:  # NaN fails too
        raise InputError(f"{name} is {value}; expected {low:g} to {high:g} {unit}.")


def _whole(name: str, value: int, low: int, high: int) -> None:
    if value != int(value) or not low <= value <= high:
        raise InputError(f"{name} is {value}; expected a whole number from {low} to {high}.")
