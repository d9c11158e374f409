"""The polar grid of a phased array and its point spread."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cpwc_keras.compiled import njit

WAVELENGTH_MM = 0.616
"""2.5 MHz in tissue (1,540 m/s), the paper's probe."""


@dataclass(frozen=True)
class BeamSpace:
    """The polar grid of beams and ranges that covers the field of view, and the point spread on it."""

    r0: float
    dr: float
    a0: float
    da: float
    shape: tuple[int, int]  # ranges, beams
    kernel_r: np.ndarray
    kernel_a: np.ndarray
    map_beam: np.ndarray  # (H, W) float32: where each pixel lies on the grid
    map_range: np.ndarray
    margin: float

    @classmethod
    def draw(cls, spacing, depth, half_angle, flow: np.ndarray, radius, angle, rng) -> BeamSpace:
        """A grid that covers the pixels at `radius` (mm) and `angle` (rad), (H, W) each, with room for the motion."""
        dr, da = 0.25, np.deg2rad(rng.uniform(0.45, 0.8))
        sigma_r, sigma_a = rng.uniform(0.25, 0.6), np.deg2rad(rng.uniform(0.45, 1.1))
        margin = float(np.abs(flow).max()) * spacing + 4 * sigma_r + 1
        r0, r1 = max(radius.min() - margin, 1.0), min(radius.max(), depth) + margin
        room = margin / max(r0, 15.0) + 4 * sigma_a
        a0 = max(angle.min(), -half_angle) - room
        a1 = min(angle.max(), half_angle) + room
        shape = (int((r1 - r0) / dr) + 2, int((a1 - a0) / da) + 2)
        return cls(
            r0, dr, a0, da, shape,
            _gaussian(sigma_r / dr), _gaussian(sigma_a / da),
            ((angle - a0) / da).astype(np.float32), ((radius - r0) / dr).astype(np.float32),
            margin,
        )  # fmt: skip

    def spread(self, points: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
        """Complex echo (ranges, beams) of scatterers at points (N, 2) mm."""
        parts = _deposit(points, amplitude, self.r0, self.dr, self.a0, self.da, *self.shape)
        real, imaginary = (cv2.sepFilter2D(part, cv2.CV_32F, self.kernel_a, self.kernel_r) for part in parts)
        return real + 1j * imaginary

    def to_pixels(self, values: np.ndarray) -> np.ndarray:
        """Scan conversion of (ranges, beams) float32 to (H, W)."""
        return cv2.remap(values, self.map_beam, self.map_range, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _gaussian(sigma: float) -> np.ndarray:
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return kernel / np.sqrt((kernel**2).sum())


@njit(fastmath=True)
def _deposit(points, amplitude, r0, dr, a0, da, ranges, beams):
    """Scatterers on the polar grid with linear weights, each with the phase of its two-way travel."""
    parts = np.zeros((2, ranges, beams), dtype=np.float32)
    wavenumber = 4.0 * np.pi / WAVELENGTH_MM
    for n in range(len(points)):
        x, z = points[n, 0], points[n, 1]
        r = np.sqrt(x * x + z * z)
        row, column = (r - r0) / dr, (np.arctan2(x, z) - a0) / da
        i, j = int(np.floor(row)), int(np.floor(column))
        if i < 0 or j < 0 or i >= ranges - 1 or j >= beams - 1:
            continue
        u, v = row - i, column - j
        c, s = amplitude[n] * np.cos(wavenumber * r), amplitude[n] * np.sin(wavenumber * r)
        for a in range(2):
            for b in range(2):
                w = (u if a else 1 - u) * (v if b else 1 - v)
                parts[0, i + a, j + b] += w * c
                parts[1, i + a, j + b] += w * s
    return parts
