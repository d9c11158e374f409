"""What a dataset holds, what it lacks, and which of its files are broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cpwc_keras.data.parallel import map_threads
from cpwc_keras.errors import InputError
from cpwc_keras.evaluation.strain import longitudinal_strain
from cpwc_keras.types import CineLoop, DatasetItem, FramePair, Trajectory
from cpwc_keras.types import Sequence as MotionSequence

_DATA_SUFFIXES = (".ppm", ".png", ".flo", ".pfm", ".mat", ".h5", ".mhd", ".nii", ".gz")


@dataclass(frozen=True)
class Range:
    """Smallest, median and largest of some values."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Measurement:
    """What one item shows when it is read.

    Attributes:
        size: (H, W) of the images.
        spacing_mm: (row_mm, col_mm), or None.
        frame_rate_hz: frames a second, or None.
        displacement_px: 99th percentile of the motion from frame to frame, or None without motion.
        displacement_mm: the same in mm, or None without spacing.
        strain_percent: lowest longitudinal strain of the endocardial layer against end-diastole, or None without mesh.
        notes: what the reader had to assume.
    """

    size: tuple[int, int]
    spacing_mm: tuple[float, float] | None
    frame_rate_hz: float | None
    displacement_px: float | None
    displacement_mm: float | None
    strain_percent: float | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Survey:
    """A dataset at a glance.

    Attributes:
        n_items: pairs, sequences or loops.
        n_patients: different patients; of pairs of images, the scenes that a split never parts.
        frames: of the items.
        vendors: items by vendor; likewise variants and splits.
        variants: items by variant.
        splits: items by the dataset's own split.
        n_measured: items that were read for what follows.
        sizes: images by "W×H".
        spacing_row_mm: distance of rows; likewise for columns.
        spacing_col_mm: distance of columns.
        frame_rate_hz: frames a second.
        displacement_px: per item, the 99th percentile of the motion between neighbouring frames.
        displacement_mm: the same in mm.
        strain_percent: per item, the lowest longitudinal strain of the endocardial layer.
        missing: files that an item needs and that are not there.
        orphans: files in the folder that belong to no item, of the kinds that items have.
        unreadable: items of those measured that could not be read, with the reason.
        notes: what the readers assumed, with the number of items.
    """

    n_items: int
    n_patients: int
    frames: Range | None
    vendors: dict[str, int]
    variants: dict[str, int]
    splits: dict[str, int]
    n_measured: int
    sizes: dict[str, int]
    spacing_row_mm: Range | None
    spacing_col_mm: Range | None
    frame_rate_hz: Range | None
    displacement_px: Range | None
    displacement_mm: Range | None
    strain_percent: Range | None
    missing: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)


def survey(
    items: Sequence[DatasetItem], root: str | Path, sample: int = 200, on_progress: Callable[[], None] | None = None
) -> Survey:
    """Count a dataset, and measure a sample of it, evenly spaced over the list.

    Args:
        items: from `catalog.list_dataset`.
        root: its folder, searched for files that belong to no item.
        sample: how many items to read; 0 reads all.
        on_progress: called after each item read.
    """
    step = max(len(items) / sample, 1) if sample else 1
    chosen = [items[int(i * step)] for i in range(int(len(items) / step))]
    measured, unreadable = [], {}
    for item, result in _read_all(chosen, measure):
        if isinstance(result, InputError):
            unreadable[item.name] = str(result)
        else:
            measured.append(result)
        if on_progress:
            on_progress()
    needed = {path for item in items for path in item.files}
    spacings = [m.spacing_mm for m in measured if m.spacing_mm]
    return Survey(
        n_items=len(items),
        n_patients=len({item.patient for item in items}),
        frames=_range(item.n_frames for item in items),
        vendors=_count(item.vendor for item in items),
        variants=_count(item.variant for item in items),
        splits=_count(item.split for item in items),
        n_measured=len(measured),
        sizes=_count(f"{m.size[1]}×{m.size[0]}" for m in measured),
        spacing_row_mm=_range(row for row, _ in spacings),
        spacing_col_mm=_range(col for _, col in spacings),
        frame_rate_hz=_range(m.frame_rate_hz for m in measured),
        displacement_px=_range(m.displacement_px for m in measured),
        displacement_mm=_range(m.displacement_mm for m in measured),
        strain_percent=_range(m.strain_percent for m in measured),
        missing=sorted(str(path) for path in needed if not path.is_file()),
        orphans=_orphans(Path(root), needed),
        unreadable=unreadable,
        notes=_count(note for m in measured for note in m.notes),
    )


def verify(items: Sequence[DatasetItem], on_progress: Callable[[], None] | None = None) -> dict[str, str]:
    """Read every item.

    Returns:
        the names of those that cannot be read, each with one sentence that says why.
    """
    broken = {}
    for item, result in _read_all(items, lambda item: item.read() and None):
        if result is not None:
            broken[item.name] = str(result)
        if on_progress:
            on_progress()
    return broken


def measure(item: DatasetItem) -> Measurement:
    """Read one item and measure it.

    Raises:
        InputError: it cannot be read.
    """
    data = item.read()
    if isinstance(data, FramePair):
        motion = data.flow[data.mask > 0]
        return _measurement(data.image1.shape, data.spacing_mm, None, motion, None)
    if isinstance(data, CineLoop):
        return _measurement(data.frames.shape[1:], data.spacing_mm, data.frame_rate_hz, None, None, data.notes)
    if isinstance(data, Trajectory):
        motion, strain = np.diff(data.mesh, axis=0), _peak_strain(data.mesh, data.spacing_mm, data.ed)
        return _measurement(data.image_shape, data.spacing_mm, None, motion, strain)
    loop = data.loop
    motion, strain = _sequence_motion(data)
    return _measurement(loop.frames.shape[1:], loop.spacing_mm, loop.frame_rate_hz, motion, strain, loop.notes)


def _sequence_motion(data: MotionSequence) -> tuple[np.ndarray, float | None]:
    if data.mesh is not None:
        strain = _peak_strain(data.mesh, data.loop.spacing_mm or (1.0, 1.0), data.loop.ed)
        return np.diff(data.mesh, axis=0), strain
    return data.flows[data.masks > 0], None  # type: ignore[index, operator]  # one or the other is there


def _peak_strain(mesh: np.ndarray, spacing_mm: tuple[float, float], ed: int | None) -> float | None:
    strain = longitudinal_strain(mesh[:, :, 0], spacing_mm, reference=ed or 0)
    return float(np.nanmin(strain)) if np.isfinite(strain).any() else None


def _measurement(size, spacing_mm, rate, motion, strain, notes=()) -> Measurement:
    px = mm = None
    if motion is not None:
        px = _percentile(motion)
        mm = _percentile(motion * np.array(spacing_mm[::-1], np.float32)) if spacing_mm else None
    return Measurement(tuple(size), spacing_mm, rate, px, mm, strain, tuple(notes))


def _percentile(motion: np.ndarray) -> float | None:
    amplitude = np.linalg.norm(motion, axis=-1).ravel()
    amplitude = amplitude[np.isfinite(amplitude)]
    return float(np.percentile(amplitude, 99)) if amplitude.size else None


def _read_all(items: Sequence[DatasetItem], work: Callable) -> Iterator[tuple[DatasetItem, Any]]:
    """Work on the items in a few threads; yields each with its result, or with the `InputError` it raised."""

    def guarded(item: DatasetItem):
        try:
            return work(item)
        except InputError as error:
            return error

    yield from zip(items, map_threads(guarded, items), strict=True)


def _range(values: Iterable[float | None]) -> Range | None:
    known = [value for value in values if value is not None]
    return Range(float(min(known)), float(np.median(known)), float(max(known))) if known else None


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(value for value in values if value).most_common())


def _orphans(root: Path, needed: set[Path]) -> list[str]:
    kinds = {path.suffix.lower() for path in needed}.intersection(_DATA_SUFFIXES)  # previews are no data of sequences
    found = (path for path in root.rglob("*") if path.suffix.lower() in kinds and path.is_file())
    return sorted(str(path) for path in found if path not in needed)
