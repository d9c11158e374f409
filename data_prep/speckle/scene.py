"""A field of view in the scan plane, and the two images of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpwc_keras.data_prep.speckle.anatomy import echogenicity, in_cavity
from cpwc_keras.data_prep.speckle.beams import BeamSpace
from cpwc_keras.data_prep.speckle.display import Display
from cpwc_keras.data_prep.speckle.motion import Motion
from cpwc_keras.types import FramePair

DENSITY_PER_MM2 = 4.0
"""Scatterers: above five in the smallest resolution cell used here, which speckle statistics need; the paper's 10 per
square wavelength are 26 per mm²."""

MAXIMUM_SCATTERERS = 90_000
"""Bound on time and memory; fields of view beyond 150 mm come to it, and their speckle is thinner."""


@dataclass(frozen=True)
class SpeckleSettings:
    """What is drawn at random, and within which bounds.

    Attributes:
        size: (height, width) of the images in pixels.
        spacing_mm: bounds of the pixel size.
        depth_mm: bounds of the sector's depth.
        opening_deg: bounds of the sector's full angle.
        motion_mm: scale of the motion between the images; most pairs move by about this at their fastest.
        decorrelation: upper bound of the share of scatterers replaced between the images (motion out of the plane).
    """

    size: tuple[int, int] = (128, 128)
    spacing_mm: tuple[float, float] = (0.3, 1.1)
    depth_mm: tuple[float, float] = (110.0, 180.0)
    opening_deg: tuple[float, float] = (60.0, 90.0)
    motion_mm: float = 1.5
    decorrelation: float = 0.15


@dataclass(frozen=True)
class Scene:
    """A field of view, tissue and its motion, in mm: x to the right, z away from the probe at the origin."""

    size: tuple[int, int]
    spacing: float
    origin: np.ndarray  # (x, z) of the top left pixel
    depth: float
    half_angle: float
    heart: np.ndarray  # apex x, z; axis x, z (unit, apex to base); length; half width; wall thickness
    motion: Motion
    decorrelation: float

    @classmethod
    def draw(cls, settings: SpeckleSettings, rng: np.random.Generator) -> Scene:
        spacing = rng.uniform(*settings.spacing_mm)
        depth = rng.uniform(*settings.depth_mm)
        half_angle = np.deg2rad(rng.uniform(*settings.opening_deg) / 2)
        extent = np.array(settings.size[::-1]) * spacing

        tilt = rng.normal(0, 0.25)
        axis = np.array([np.sin(tilt), np.cos(tilt)])
        length = rng.uniform(0.45, 0.68) * depth
        apex = np.array([rng.normal(0, 8), rng.uniform(0.08, 0.22) * depth])
        heart = np.array([*apex, *axis, length, rng.uniform(0.2, 0.36) * length, rng.uniform(6, 14)])

        # Look where the walls are, and keep most of the view inside the sector.
        along, side = rng.uniform(0.0, 1.05), rng.choice([-1, 0, 1])
        across = np.array([axis[1], -axis[0]])
        centre = apex + axis * along * length + across * side * heart[5] * rng.uniform(0.6, 1.1)
        centre += rng.normal(0, 6, 2)
        radius = np.clip(np.hypot(*centre), 15, depth - 0.3 * extent[1])
        angle = np.clip(np.arctan2(*centre), -0.9 * half_angle, 0.9 * half_angle)
        centre = radius * np.array([np.sin(angle), np.cos(angle)])
        return cls(
            size=settings.size,
            spacing=spacing,
            origin=centre - extent / 2,
            depth=depth,
            half_angle=half_angle,
            heart=heart,
            motion=Motion.draw(settings.motion_mm, heart, centre, extent.max(), rng),
            decorrelation=rng.uniform(0, settings.decorrelation) * rng.integers(0, 2),
        )

    def grid(self) -> np.ndarray:
        """(H, W, 2) positions of the pixels in mm."""
        height, width = self.size
        x = self.origin[0] + np.arange(width) * self.spacing
        z = self.origin[1] + np.arange(height) * self.spacing
        return np.stack(np.meshgrid(x, z), axis=-1)

    def render(self, rng: np.random.Generator, name: str) -> FramePair:
        """Both images and the flow between them."""
        grid = self.grid()
        flow = (self.motion(grid.reshape(-1, 2)).reshape(grid.shape) / self.spacing).astype(np.float32)
        radius, angle = np.hypot(grid[..., 0], grid[..., 1]), np.arctan2(grid[..., 0], grid[..., 1])
        mask = ((radius < self.depth) & (radius > 2) & (np.abs(angle) < self.half_angle)).astype(np.float32)
        flow *= mask[..., None]

        beams = BeamSpace.draw(self.spacing, self.depth, self.half_angle, flow, radius, angle, rng)
        scatterers, amplitude = self.scatterers(beams, rng)
        display = Display.draw(beams, rng)

        replaced = rng.random(len(scatterers)) < np.where(in_cavity(scatterers, self.heart), 1.0, self.decorrelation)
        fresh = np.where(replaced, rng.standard_normal(len(scatterers)) * np.abs(amplitude), amplitude)
        echo1 = beams.spread(scatterers, amplitude)
        echo2 = beams.spread(scatterers + self.motion(scatterers), fresh)
        if display.persistence:
            # Frame averaging leaves a trace of the frame before; before the motion is, nearly, minus the motion.
            echo0 = beams.spread(scatterers - self.motion(scatterers), amplitude)
            echoes = display.averaged(echo0, echo1, echo2, rng)
        else:
            echoes = [display.envelope(echo1, rng), display.envelope(echo2, rng)]
        image1, image2 = (display.image(envelope, beams, mask) for envelope in display.normalised(echoes))
        return FramePair(image1, image2, flow, mask, (self.spacing, self.spacing), name)

    def scatterers(self, beams: BeamSpace, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Positions (N, 2) in mm and signed amplitudes (N,) in and around the field of view."""
        low = self.origin - beams.margin
        high = self.origin + np.array(self.size[::-1]) * self.spacing + beams.margin
        count = int(min(MAXIMUM_SCATTERERS, DENSITY_PER_MM2 * float(np.prod(high - low))))
        position = rng.uniform(low, high, (count, 2))
        return position, rng.standard_normal(count) * echogenicity(position, self.heart, rng)
