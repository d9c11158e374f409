"""Many simulated sequences: in this process, in several, or on a Dask cluster, with the same bytes each time.

The same, that is, on processors of one kind: others round differently.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from cpwc_keras.data_prep.simulation.pipeline import Job
from cpwc_keras.data_prep.simulation.workers import on_cluster, on_processes, on_this_process
from cpwc_keras.errors import InputError
from cpwc_keras.files import WriteError, atomic_path, locked_folder
from cpwc_keras.io.sequence_file import sequence_header
from cpwc_keras.record import versions, write_json

RECORD_NAME = "record.json"


@dataclass
class Report:
    """What a run did.

    Attributes:
        made: the sequence files that it made.
        kept: those that it was asked for, but that were finished before.
        images: how many images it made, without those that an interrupted run had left.
        seconds: how long it took.
        refused: name of a job -> why it cannot be simulated, one sentence.
        broken: name of a job -> the traceback of an error that is not the user's.
        unshown: name of a file -> why `on_file` refused it, one sentence.
    """

    made: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    images: int = 0
    seconds: float = 0.0
    refused: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    unshown: dict[str, str] = field(default_factory=dict)


def run(
    jobs: Sequence[Job],
    output: str | Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_file: Callable[[Path], None] = lambda path: None,
) -> Report:
    """Simulate the jobs whose files are not there yet; one that fails does not stop the others.

    A killed run leaves whole files and, hidden beside them, the finished frames of those begun; the same call goes on
    from there. On a cluster, which need not share this disk, unfinished sequences are begun anew. The folder gets a
    `record.json` too.

    Args:
        jobs: what to simulate.
        output: folder of the sequence files; made if it does not exist.
        workers: number of processes; 1: this process, with all cores.
        scheduler: address of a Dask scheduler, whose workers do the work instead.
        overwrite: make everything anew, also what was made with other settings.
        on_progress: called with the number of images there are so far and in all.
        on_file: called with each finished file, also those finished before; its `InputError` goes to the report.

    Raises:
        InputError: the folder cannot be written to, is in use by another run or holds files of other settings; the
            disk is full; the scheduler cannot be used; a worker process was killed.
    """
    twice = [name for name, count in Counter(job.name for job in jobs).items() if count > 1]
    if twice:
        raise InputError(f"Two templates would be written to files named {twice[0]!r}; simulate them one by one.")
    if scheduler is not None and workers != 1:
        raise InputError("Workers are processes on this machine and a scheduler has its own; give one of the two.")
    report, begun = Report(), time.monotonic()
    with locked_folder(output) as folder:
        pending, hashes = [], _known_hashes(folder)
        for job in jobs:
            names = [job.file_name(variant) for variant in job.settings.variants]
            finished = not overwrite and all([job.is_done(folder, variant) for variant in job.settings.variants])
            if not finished:
                pending.append(job)
                hashes = {name: digest for name, digest in hashes.items() if name not in names}
            if finished or overwrite:  # a run may have been killed after its last file
                _store(folder, job).unlink(missing_ok=True)
            report.kept += [folder / name for name in names if finished]
        _show(report.kept, on_file, report)
        progress = _Progress(pending, on_progress)
        if scheduler is not None:
            outcomes = on_cluster(pending, scheduler)
        elif workers > 1:
            outcomes = on_processes(pending, lambda job: _store(folder, job), workers, progress.advance)
        else:
            outcomes = on_this_process(pending, lambda job: _store(folder, job), progress.advance)
        with closing(outcomes):
            for job, result in outcomes:
                images = 0
                try:
                    contents = result()
                except WriteError:  # every other job would meet it, too
                    raise
                except InputError as error:
                    report.refused[job.name] = str(error)
                except MemoryError:
                    report.refused[job.name] = "memory ran out; use fewer workers, or a lower density or depth."
                except Exception as error:
                    if _interrupted(error):
                        raise KeyboardInterrupt from error
                    report.broken[job.name] = "".join(traceback.format_exception(error))
                else:
                    paths = [folder / name for name in contents]
                    for path, content in zip(paths, contents.values(), strict=True):
                        _write(path, content)
                        hashes[path.name] = hashlib.sha256(content).hexdigest()
                    _store(folder, job).unlink(missing_ok=True)
                    images = sum(sequence_header(path).shape[0] for path in paths)
                    report.made += paths
                    _show(paths, on_file, report)
                progress.settle(job, images, live=scheduler is None)
        report.images, report.seconds = progress.made, time.monotonic() - begun
        for path in report.kept:
            if path.name not in hashes:
                hashes[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        processor = _processor() if scheduler is None else None
        how = {"workers": workers, "scheduler": scheduler, "processor": processor}
        _write_record(folder, jobs, report, hashes, how)
    return report


class _Progress:
    """Images so far and in all; how many a recorded loop gives is known only when it is done."""

    def __init__(self, jobs: Sequence[Job], on_progress: Callable[[int, int], None]):
        self.made, self._found, self._on_progress = 0, 0, on_progress
        self._expected = {job.name: job.settings.frames * len(job.settings.variants) for job in jobs}

    def advance(self, made: int, found: int) -> None:
        self.made += made
        self._found += found
        done = self.made + self._found
        self._on_progress(done, max(done, sum(self._expected.values())))

    def settle(self, job: Job, images: int, live: bool) -> None:
        self._expected[job.name] = images
        self.advance(0 if live else images, 0)


def _show(paths: Iterable[Path], on_file: Callable[[Path], None], report: Report) -> None:
    for path in paths:
        try:
            on_file(path)
        except InputError as error:
            report.unshown[path.name] = str(error)


def _interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: within a compiled function it comes out as a SystemError."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _store(folder: Path, job: Job) -> Path:
    return folder / f".{job.name}.frames"


def _write(path: Path, content: bytes) -> None:
    with atomic_path(path) as beside:
        beside.write_bytes(content)


def _processor() -> str:
    """Its name, or what is known of it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _known_hashes(folder: Path) -> dict[str, str]:
    """File name -> SHA-256 from the record of an earlier run, for the files that are still there."""
    try:
        files = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))["files"]
        return {name: str(digest) for name, digest in files.items() if (folder / name).is_file()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):  # none, or not ours
        return {}


def _write_record(folder: Path, jobs: Sequence[Job], report: Report, hashes: dict[str, str], how: dict) -> None:
    origin = {name: value for name, value in jobs[0].origin("reverberation").items() if name != "template"}
    record = {
        "command": "simulate",
        "versions": versions(),
        "settings": {**origin, "variants": jobs[0].settings.variants, **how},
        "made": len(report.made),
        "kept": len(report.kept),
        "images": report.images,
        "seconds": round(report.seconds, 1),
        "refused": report.refused,
        "broken": report.broken,
        "unshown": report.unshown,
        "files": dict(sorted(hashes.items())),
    }
    write_json(folder / RECORD_NAME, record)
