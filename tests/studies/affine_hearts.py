"""Recordings whose motion is one affine map a frame, and trackers that know it."""

from __future__ import annotations

import os
import time

import numpy as np

from cpwc_keras.fields import pixel_grid
from cpwc_keras.io.sequence_file import write_sequence
from cpwc_keras.types import CineLoop, Sequence

SHAPE = (104, 120)
CENTRE = np.array([59.5, 55.0])
SPACING = (0.5, 0.4)
FRAMES, ES = 7, 3
VERTICAL, LATERAL = 0.12, 0.06
"""How much shorter the heart is at end-systole."""


def affine(frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and offset that carry a point (x, y) of frame 0 to this frame."""
    phase = np.sin(np.pi * frame / (2 * ES))
    matrix = np.diag([1 - LATERAL * phase, 1 - VERTICAL * phase])
    return matrix, CENTRE - matrix @ CENTRE + np.array([1.5, -2.0]) * phase


def moved(points: np.ndarray, here: int, there: int) -> np.ndarray:
    """Points of one frame where they are in another."""
    (one, shift), (other, onward) = affine(here), affine(there)
    at_rest = (points - shift) @ np.linalg.inv(one).T
    return at_rest @ other.T + onward


def mesh_at_rest() -> np.ndarray:
    """(36, 5, 2): a horseshoe open downwards, from left over the top to the right."""
    angle = np.deg2rad(np.linspace(-20, 200, 36))[:, None]
    radius = np.linspace(15, 27, 5)[None]
    return np.stack([CENTRE[0] - radius * np.cos(angle), CENTRE[1] - radius * np.sin(angle)], -1)


def frames(seed: int = 0, count: int = FRAMES) -> np.ndarray:
    """(T, H, W) float32, no two alike, of whole gray levels, so that files keep them."""
    levels = np.random.default_rng(seed).integers(0, 256, (count, *SHAPE))
    return levels.astype(np.float32) / np.float32(255)


def sequence(seed: int = 0, **changes) -> Sequence:
    """A sequence with the mesh's true trajectory."""
    mesh = np.stack([moved(mesh_at_rest(), 0, t) for t in range(FRAMES)]).astype(np.float32)
    about = {"spacing_mm": SPACING, "frame_rate_hz": 40.0, "ed": 0, "es": ES, "view": "A4C", "patient": f"p{seed}"}
    return Sequence(CineLoop(frames(seed), **(about | changes)), mesh=mesh, vendor="GE", variant="clean")


def write(folder, seeds=(0, 1), variants=("clean",), **changes) -> None:
    """Sequence files as `simulate` leaves them."""
    for seed in seeds:
        for number, variant in enumerate(variants):
            made = sequence(seed + 100 * number, patient=f"p{seed}", **changes)
            kept = Sequence(made.loop, mesh=made.mesh, vendor=made.vendor, variant=variant)
            attributes = {"split": "test" if seed else "train", "motion": "ground truth"}
            write_sequence(folder / f"p{seed}_{variant}.h5", kept, attributes)


class Knowing:
    """Returns the true flow between any two frames it has been shown before."""

    __name__ = "truth"

    def __init__(self, *loops: np.ndarray):
        self.number = {frame.tobytes(): t for loop in loops for t, frame in enumerate(np.float32(loop))}

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        grid = pixel_grid(SHAPE).astype(np.float64)
        numbers = [[self.number[frame.tobytes()] for frame in images] for images in (first, second)]
        return np.stack([moved(grid, a, b) - grid for a, b in zip(*numbers, strict=True)]).astype(np.float32)


def truth(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The true flow between frames of the seeds 0 to 3 and their variants; for the command line."""
    return Knowing(*(frames(seed) for seed in (*range(4), *range(100, 104))))(first, second)


def slow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The truth, in as much time as the environment says."""
    time.sleep(float(os.environ.get("SECONDS_A_PAIR", "0")))
    return truth(first, second)


def nowhere(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """A tracker gone astray."""
    return np.full((*first.shape, 2), np.nan, np.float32)
