"""What a scanner does between echo and picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cpwc_keras.data_prep.speckle.beams import BeamSpace


@dataclass(frozen=True)
class Display:
    """What the scanner does between echo and picture."""

    gain: np.ndarray  # (ranges, beams): depth gain, shadows
    clutter: np.ndarray  # (ranges, beams) complex: static echoes and haze
    noise: float
    persistence: float
    dynamic_range_db: float
    level_db: float
    gamma: float
    blur: float
    sharpen: float

    @classmethod
    def draw(cls, beams: BeamSpace, rng: np.random.Generator) -> Display:
        ranges, count = beams.shape
        r = np.linspace(0, 1, ranges)[:, None]
        a = np.arange(count)[None]
        gain_db = rng.normal(0, 5) * (r - 0.5) + rng.normal(0, 3) * np.sin(np.pi * r * rng.uniform(0.5, 2))
        gain_db = gain_db + np.zeros((1, count))
        for _ in range(rng.choice(3, p=[0.6, 0.3, 0.1])):  # ribs and lung shade whole beams
            centre, width = rng.uniform(0, count), rng.uniform(2, 0.15 * count + 3)
            gain_db -= rng.uniform(3, 25) * np.exp(-0.5 * ((a - centre) / width) ** 2)

        clutter = np.zeros(beams.shape, np.complex64)
        if rng.random() < 0.4:
            field = rng.normal(0, 1, (2, *beams.shape)).astype(np.float32)
            real, imaginary = (cv2.sepFilter2D(part, cv2.CV_32F, beams.kernel_a, beams.kernel_r) for part in field)
            spots = np.full(beams.shape, 10 ** rng.uniform(-3.0, -1.5))
            for _ in range(rng.integers(0, 4)):
                ci, cj = rng.uniform(0, ranges), rng.uniform(0, count)
                si, sj = rng.uniform(0.02, 0.25) * ranges, rng.uniform(0.03, 0.3) * count
                spot = np.exp(-0.5 * (((np.arange(ranges)[:, None] - ci) / si) ** 2 + ((a - cj) / sj) ** 2))
                spots = spots + 10 ** rng.uniform(-1.7, -0.1) * spot
            clutter = ((real + 1j * imaginary) * spots).astype(np.complex64)
        return cls(
            gain=(10 ** (gain_db / 20)).astype(np.float32),
            clutter=clutter,
            noise=10 ** rng.uniform(-3.5, -1.0),
            persistence=rng.uniform(0.05, 0.5) if rng.random() < 0.4 else 0.0,
            dynamic_range_db=rng.uniform(35, 75),
            level_db=rng.uniform(-22, 5),
            gamma=rng.uniform(0.7, 1.5),
            blur=rng.uniform(0.3, 1.3) if rng.random() < 0.6 else 0.0,
            sharpen=rng.uniform(0.3, 1.0) if rng.random() < 0.2 else 0.0,
        )

    def envelope(self, echo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Detected signal (ranges, beams), with clutter and thermal noise scaled to the tissue."""
        scale = np.sqrt(np.mean(np.abs(echo) ** 2)) + 1e-12
        noise = rng.standard_normal((2, *echo.shape), dtype=np.float32) * (self.noise * scale)
        return np.abs((echo + self.clutter * scale) * self.gain + noise[0] + 1j * noise[1]).astype(np.float32)

    def averaged(self, echo0, echo1, echo2, rng) -> list[np.ndarray]:
        """The two envelopes after frame averaging: each frame keeps a share of the one before."""
        before, first, second = (self.envelope(echo, rng) for echo in (echo0, echo1, echo2))
        first = self.persistence * before + (1 - self.persistence) * first
        return [first, self.persistence * first + (1 - self.persistence) * second]

    @staticmethod
    def normalised(envelopes: list[np.ndarray]) -> list[np.ndarray]:
        """Both by the same reference, as a scanner's gain does not change within a beat."""
        reference = np.quantile(envelopes[0], 0.95) + 1e-12
        return [envelope / reference for envelope in envelopes]

    def image(self, envelope: np.ndarray, beams: BeamSpace, mask: np.ndarray) -> np.ndarray:
        """(H, W) float32 in [0, 1] with the 256 levels of a display."""
        decibel = 20 * np.log10(envelope + 1e-6) + self.level_db
        gray = np.clip(1 + decibel / self.dynamic_range_db, 0, 1) ** self.gamma
        picture = beams.to_pixels(gray.astype(np.float32))
        if self.blur:
            picture = cv2.GaussianBlur(picture, (0, 0), self.blur)
        if self.sharpen:
            picture = picture + self.sharpen * (picture - cv2.GaussianBlur(picture, (0, 0), 1.5))
        picture = np.clip(picture, 0, 1) * mask
        return (np.round(picture * 255) / 255).astype(np.float32)
