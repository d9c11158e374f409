"""A template: what a simulated sequence looks like and how its heart moves, wherever that is from (paper, II-A.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cpwc_keras.data_prep.simulation.transducer import ImageGrid, SectorScan


@dataclass(frozen=True, eq=False)
class Template:
    """Brightness and motion of a sequence to be simulated, on the pixels of its images.

    Attributes:
        frames: (T, H, W) float32 in [0, 1]: how bright the tissue is in each frame.
        mesh: (T, 36, 5, 2) float32 pixels: the myocardium in each frame.
        grid: where the pixels lie before the probe.
        depth_mm: range of the sector.
        sector_deg: full opening angle of the sector.
        frame_rate_hz: frames a second, or None.
        ed: index of the end-diastolic frame, or None.
        es: index of the end-systolic frame, or None.
        view: "A2C", "A3C", "A4C" or "".
        patient: pseudonym.
        vendor: maker of the scanner, or "".
        split: "train", "validation", "test" or "".
        source: where it came from: a dataset's name and the item, or "procedural".
        licence: of the data it came from, which what is made of it inherits, or "".
        notes: what had to be assumed, one sentence each.
    """

    frames: np.ndarray
    mesh: np.ndarray
    grid: ImageGrid
    depth_mm: float
    sector_deg: float
    frame_rate_hz: float | None = None
    ed: int | None = None
    es: int | None = None
    view: str = ""
    patient: str = ""
    vendor: str = ""
    split: str = ""
    source: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()

    def scan(self, beams: int = 128) -> SectorScan:
        """The scan whose sector is the template's, focused at half its depth."""
        return SectorScan(depth_mm=self.depth_mm, sector_deg=self.sector_deg, beams=beams)


@dataclass(frozen=True)
class TemplateItem:
    """A template that is known but not yet made. It can be pickled, for workers to make it.

    Attributes:
        name: unique within its source; file names can be made of it.
        patient: what must never stand on both sides of a split.
        split: "train", "validation", "test" or "".
        source: "camus", "ted", "alessandrini", "sequences" or "procedural".
        loader: makes the template from (seed, frames).
        files: everything `load` will open.
        view: "A2C", "A3C", "A4C", or "" where that is not known before it is loaded.
    """

    name: str
    patient: str
    split: str
    source: str
    loader: Callable[[int, int], Template] = field(repr=False, compare=False)
    files: tuple[Path, ...] = field(default=(), repr=False)
    view: str = ""

    def load(self, seed: int, frames: int) -> Template:
        """Read what there is to read and draw what is drawn at random.

        Args:
            seed: of all that is drawn; one seed serves all items, whose draws differ all the same.
            frames: over one beat, for stills and procedural hearts; recorded loops keep their own number.

        Raises:
            InputError: a file is missing or broken, or cannot be a template.
        """
        return self.loader(seed, frames)
