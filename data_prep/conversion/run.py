"""A whole dataset as sequence files: planned, made by several processes, taken up again after an interruption."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cpwc_keras.data_prep.conversion.origins import ORIGINS
from cpwc_keras.data_prep.conversion.recordings import sequence_of
from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.files import locked_folder
from cpwc_keras.io.sequence_file import sequence_header, write_sequence
from cpwc_keras.processes import in_processes
from cpwc_keras.record import versions, write_json
from cpwc_keras.types import DatasetItem, Sequence

_SAMPLE = 8
"""Recordings that are converted on trial to learn how much the disk has to hold."""

_OVERHEAD = 20_000
"""Bytes of a sequence file beside its arrays."""


@dataclass(frozen=True)
class Job:
    """One recording to be converted.

    Attributes:
        item: the recording.
        path: of the sequence file.
        attributes: what is written into it beside the sequence.
    """

    item: DatasetItem
    path: Path
    attributes: dict[str, str]


@dataclass(frozen=True)
class Plan:
    """What a conversion will do.

    Attributes:
        dataset: its name.
        root: its folder.
        folder: of the sequence files.
        jobs: recordings to be converted.
        kept: names of those whose files are there already.
        need_bytes: what the jobs' files will take, estimated.
        free_bytes: what the disk has.
    """

    dataset: str
    root: Path
    folder: Path
    jobs: tuple[Job, ...]
    kept: tuple[str, ...]
    need_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Skipped:
    """A recording that was left out.

    Attributes:
        name: of the recording.
        reason: one sentence.
        broken: its files cannot be read; otherwise they can, and are not enough for a sequence.
    """

    name: str
    reason: str
    broken: bool


def plan(items: list[DatasetItem], root: str | Path, folder: str | Path, overwrite: bool = False) -> Plan:
    """Decide what is to be done, and prove that the disk has room for it. Nothing is written.

    A file that is there, whole and of the same recording is kept. One that is broken, or was made by another version or
    with another split, is made anew.

    Args:
        items: from `recordings.select`, at least one.
        root: folder of the dataset.
        folder: for the sequence files; it must not lie in the dataset, which stays as it was published.
        overwrite: make all files anew.

    Raises:
        InputError: the folder lies in the dataset or holds other sequences of the same names, or the disk is too small.
    """
    root, folder = Path(root), Path(folder).absolute()
    if folder.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{folder}: lies in the dataset itself; choose an output folder outside of {root}.")
    jobs, kept = [], []
    for item in items:
        job = Job(item, folder / f"{item.name}.h5", _attributes(item))
        if _is_made(job) and not overwrite:
            kept.append(item.name)
        else:
            jobs.append(job)
    need = _estimate(jobs)
    free = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
    if need > free:
        raise InputError(
            f"{folder}: about {size_text(need)} are needed and {size_text(free)} are free; free some space, choose "
            "another output folder, or ask for fewer patients."
        )
    return Plan(items[0].dataset, root.absolute(), folder, tuple(jobs), tuple(kept), need, free)


def convert(work: Plan, workers: int = 1, on_file: Callable[[], None] | None = None) -> list[Skipped]:
    """Write the sequence files of a plan, and record.json of this run beside them.

    The files do not depend on the number of workers. A run that was interrupted is taken up by planning it again.

    Args:
        work: from `plan`.
        workers: processes; each holds one recording in memory.
        on_file: called after each recording.

    Returns:
        the recordings that were left out, in order of their names.

    Raises:
        InputError: the folder cannot be written to, another run writes to it, or a worker was killed.
    """
    with locked_folder(work.folder) as folder:
        skipped = []
        for result in _in_processes(work.jobs, workers):
            if result is not None:
                skipped.append(result)
            if on_file:
                on_file()
        skipped.sort(key=lambda entry: entry.name)
        write_json(folder / "record.json", _record(work, skipped))
    return skipped


def size_text(size: int) -> str:
    """A number of bytes in MB, from a thousand of them in GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _attributes(item: DatasetItem) -> dict[str, str]:
    origin = ORIGINS[item.dataset]
    attributes = {
        "source": f"{origin.title}, {item.name}",
        "licence": origin.licence,
        "citation": origin.citation,
        "motion": origin.motion,
    }
    return attributes | ({"split": item.split} if item.split else {})


def _is_made(job: Job) -> bool:
    """Whether the job's file is there, whole and up to date.

    Raises:
        InputError: a sequence of another source stands in its place.
    """
    if not job.path.exists():
        return False
    try:
        header = sequence_header(job.path)
    except InputError:
        return False
    source = header.attributes.get("source", "elsewhere")
    if source != job.attributes["source"]:
        expected = f"one from {job.attributes['source']!r}"
        raise bad_file(job.path, f"a sequence from {source!r}", expected, "choose another output folder")
    return header.attributes == job.attributes and job.item.n_frames in (0, header.shape[0])


def _estimate(jobs: list[Job]) -> int:
    """Bytes that the jobs' files will take, by those of a few, evenly spaced over the list."""
    total, frames = 0, 0
    for job in jobs[:: max(1, len(jobs) // _SAMPLE)][:_SAMPLE]:
        sequence = _read(job.item)
        if isinstance(sequence, Sequence):
            total, frames = total + _stored_bytes(sequence), frames + len(sequence)
    return total * sum(job.item.n_frames for job in jobs) // max(frames, 1)


def _stored_bytes(sequence: Sequence) -> int:
    """What the arrays take in a sequence file, which shuffles and deflates them just so."""
    frames = np.rint(sequence.loop.frames * 255).astype(np.uint8)
    masks = None if sequence.masks is None else sequence.masks.astype(np.uint8)
    arrays = [frames, sequence.loop.labels, sequence.mesh, sequence.flows, masks]
    shuffled = (array.reshape(-1, 1).view(np.uint8).T.tobytes() for array in arrays if array is not None)
    return _OVERHEAD + sum(len(zlib.compress(values, 4)) for values in shuffled)


def _in_processes(jobs: tuple[Job, ...], workers: int) -> Iterator[Skipped | None]:
    """Do the jobs, results as they come."""
    workers = min(workers, len(jobs))
    if workers <= 1:
        yield from map(_make, jobs)
        return
    with closing(in_processes(jobs, _make, lambda job: (job,), workers)) as outcomes:
        for _, future in outcomes:
            yield future.result()


def _make(job: Job) -> Skipped | None:
    """Convert one recording; None when its file is written.

    Raises:
        InputError: it cannot be written, which concerns all the others, too.
    """
    sequence = _read(job.item)
    if isinstance(sequence, Skipped):
        return sequence
    write_sequence(job.path, sequence, job.attributes)
    return None


def _read(item: DatasetItem) -> Sequence | Skipped:
    try:
        recording = item.read()
    except InputError as error:
        return Skipped(item.name, str(error), broken=True)
    try:
        return sequence_of(recording, item)
    except InputError as error:
        return Skipped(item.name, str(error), broken=False)


def _record(work: Plan, skipped: list[Skipped]) -> dict:
    left_out = {entry.name: entry.reason for entry in skipped}
    made = [job.item.name for job in work.jobs if job.item.name not in left_out]
    return {
        "dataset": work.dataset,
        "root": work.root,
        **asdict(ORIGINS[work.dataset]),
        "sequences": sorted([*work.kept, *made]),
        "skipped": left_out,
        "versions": versions(),
    }
