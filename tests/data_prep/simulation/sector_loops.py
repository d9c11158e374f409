"""Recordings as scanners show them, a lit sector on black, with a horseshoe of myocardium, for tests of templates."""

from __future__ import annotations

import numpy as np
from test_mesh import horseshoe_labels

from cpwc_keras.types import CineLoop

SHAPE, SPACING = (170, 240), (0.7, 0.7)
PROBE, DEPTH_MM, SECTOR_DEG = (119.3, 1.2), 112.0, 80.0
BRIGHTNESS = np.float32([0.4, 0.1, 0.8, 0.2])
"""Of background, cavity, wall and atrium."""


def sector_mask(shape=SHAPE, spacing=SPACING, probe=PROBE, depth_mm=DEPTH_MM, sector_deg=SECTOR_DEG):
    """The pixels whose centres lie in the sector, and their ranges and angles (radians)."""
    y, x = np.indices(shape)
    x, z = (x - probe[0]) * spacing[1], (y - probe[1]) * spacing[0]
    radius, angle = np.hypot(x, z), np.arctan2(x, z)
    return (radius <= depth_mm) & (np.abs(angle) <= np.deg2rad(sector_deg) / 2), radius, angle


def contraction(frames: int, most: int = 8) -> np.ndarray:
    """(T,) whole pixels by which the horseshoe is drawn in: none at end-diastole, `most` in the middle."""
    return np.rint(most * np.sin(np.pi * np.arange(frames) / max(frames - 1, 1))).astype(int)


def apical_labels(contracted: int = 0) -> np.ndarray:
    """The horseshoe of tests/test_mesh.py, smaller by so many pixels, within the sector."""
    labels = horseshoe_labels(inner=26 - contracted, outer=38 - contracted // 2, legs=45 - contracted)
    return np.pad(labels, ((5, 5), (44, 46)))


def apical_loop(contracted=(0, 8), **changes) -> CineLoop:
    """A loop with labels; each tissue has one brightness."""
    labels = np.stack([apical_labels(c) for c in contracted])
    frames = BRIGHTNESS[labels] * sector_mask()[0]
    es = int(np.argmax(contracted))
    values = {"spacing_mm": SPACING, "labels": labels, "ed": 0, "es": es, "view": "A4C", "patient": "patient0001"}
    return CineLoop(frames.astype(np.float32), **{**values, **changes})
