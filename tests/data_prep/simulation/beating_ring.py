"""A template whose motion is known in closed form, for the tests of the simulation."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from cpwc_keras.data_prep.simulation.template import Template, TemplateItem
from cpwc_keras.data_prep.simulation.transducer import ImageGrid


def grid(size: int = 1) -> ImageGrid:
    """An image of `size` times 40 mm depth."""
    return ImageGrid(shape=(104 * size, 120 * size), spacing_mm=(0.4, 0.4), probe=(60.0 * size - 0.5, 0.0))


GRID = grid()


def ring(scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    """(36, 5, 2) pixels of `GRID`: a horseshoe that is open downwards, its apex towards the probe."""
    angle = np.deg2rad(np.linspace(-20, 200, 36))[:, None]
    radius = scale * np.linspace(15, 27, 5)[None]
    return np.stack([59.5 - radius * np.cos(angle) + shift, 55 - radius * np.sin(angle)], -1)


def beating_ring(frames: int = 4, motion: float = 0.1, brightness=0.5, size: int = 1, **changes) -> Template:
    """A ring that shrinks by `motion` of its size until mid-cycle, in uniform tissue or an image of your own."""
    phase = np.sin(np.pi * np.arange(frames) / frames)
    mesh = np.stack([ring(1 - motion * p, 3 * motion * p) for p in phase])
    mesh = ((mesh - GRID.probe) * size + grid(size).probe).astype(np.float32)
    images = np.broadcast_to(np.float32(brightness), (frames, *grid(size).shape)).copy()
    template = Template(
        images, mesh, grid(size), depth_mm=40.0 * size, sector_deg=70.0, frame_rate_hz=40.0, ed=0, es=frames // 2,
        view="A4C", patient="ring", source="a beating ring", licence="CC0", split="train",
    )  # fmt: skip
    return replace(template, **changes)


def ring_item(name: str = "ring", **changes) -> TemplateItem:
    """One of 120 mm depth, made when it is needed, even in another process."""
    return TemplateItem(name, name, "train", "procedural", functools.partial(_load, name, changes))


def _load(name: str, changes: dict, seed: int, frames: int) -> Template:
    return beating_ring(frames, **{"brightness": _tissue(frames, seed), "size": 3, "patient": name, **changes})


def _tissue(frames: int, seed: int) -> np.ndarray:
    """Brightness that is not uniform and changes from frame to frame."""
    rows, columns = np.indices(grid(3).shape)
    waves = [0.5 + 0.3 * np.sin(rows / 27 + 0.3 * t + seed) * np.cos(columns / 33) for t in range(frames)]
    return np.stack(waves).astype(np.float32)
