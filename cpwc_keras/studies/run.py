"""Many trackers on many cases: in one process or several, taken up again after an interruption."""

from __future__ import annotations

import hashlib
import json
import os
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

from cpwc_keras import __version__
from cpwc_keras.errors import InputError
from cpwc_keras.files import WriteError
from cpwc_keras.io.input_file import file_state
from cpwc_keras.processes import in_processes
from cpwc_keras.quiet import import_keras_quietly
from cpwc_keras.studies.cases import Case
from cpwc_keras.studies.measure import MeasureSettings, measure
from cpwc_keras.studies.results import FORMAT_VERSION, CaseResult, read_result, write_result
from cpwc_keras.studies.trackers import TrackerSpec, fingerprint, load
from cpwc_keras.tracking.pair import names_network

RESULTS = "results"
"""Folder of the results within that of an evaluation."""


@dataclass(frozen=True)
class Job:
    """One tracker on one case.

    Attributes:
        case: what is measured on.
        name: the tracker's in the tables.
        spec: what `as_tracker` takes.
        settings: how it is measured.
        path: of the result's file.
        key: what the result was made with: another key is measured anew.
        state: of the case's files when the key was made (`file_state`).
    """

    case: Case
    name: str
    spec: str
    settings: MeasureSettings
    path: Path
    key: str
    state: tuple[tuple[int, int] | None, ...]


@dataclass
class Evaluation:
    """What came of it.

    Attributes:
        results: of every tracker on every case, trackers in their order and cases in theirs; those that could not be
            measured say why.
        kept: how many of them were there already.
        broken: tracker and case → the traceback of an error that is not the user's.
    """

    results: list[CaseResult] = field(default_factory=list)
    kept: int = 0
    broken: dict[str, str] = field(default_factory=dict)


def plan(cases: Sequence[Case], trackers: Sequence[TrackerSpec], folder: Path, settings: MeasureSettings) -> list[Job]:
    """A job for each tracker and case; nothing is measured or written.

    Raises:
        InputError: a tracker cannot be loaded, or has no file for a vendor.
    """
    # Each tracker is loaded once here, so that a mistake is found before any work.
    for spec in dict.fromkeys(
        t.of_vendor(c.info.vendor) for t in trackers for c in (cases if t.by_vendor else cases[:1])
    ):
        load(spec, settings.precision)
    jobs = []
    for tracker in trackers:
        for case in cases:
            spec = tracker.of_vendor(case.info.vendor)
            how = settings if names_network(spec) else replace(settings, precision="float32")
            path = folder / RESULTS / _file_name(tracker.name) / f"{_file_name(case.info.name)}.h5"
            state = tuple(map(file_state, case.item.files))
            content = {
                "version": (__version__, FORMAT_VERSION),
                "tracker": fingerprint(spec),
                "case": asdict(case.info),
                "files": _content(case.item.files),
                "settings": asdict(how),
            }
            key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
            jobs.append(Job(case, tracker.name, spec, how, path, key, state))
    paths = [job.path for job in jobs]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise InputError(f"Two results would be written to {twice}; name the trackers or the cases apart.")
    return jobs


def evaluate(
    jobs: Sequence[Job],
    workers: int = 1,
    on_result: Callable[[CaseResult], None] = lambda result: None,
    again: bool = False,
) -> Evaluation:
    """Measure what has not been measured yet; a case that fails does not stop the others.

    The results do not depend on the number of workers; only the seconds do, and networks to rounding: with another
    number of threads they may sum in another order.

    Args:
        jobs: of `plan`, in a folder that this run holds (`files.locked_folder`).
        workers: processes; 1: this process, with all cores.
        on_result: called with each result as it comes, those that were there first.
        again: measure everything anew.

    Raises:
        InputError: a file cannot be written, or a worker was killed.
    """
    outcome = Evaluation()
    kept = ((job.path, None if again else read_result(job.path, job.key)) for job in jobs)
    found = {path: result for path, result in kept if result is not None and not result.error}  # failures: once more
    outcome.kept = len(found)
    for result in found.values():
        on_result(result)
    waiting = [job for job in jobs if job.path not in found]
    with closing(_outcomes(waiting, workers)) as outcomes:
        for job, result_of in outcomes:
            try:
                result = result_of()
            except WriteError:  # every other job would meet it, too
                raise
            except MemoryError:
                result = _failed(job, "memory ran out; use fewer workers.")
            except Exception as error:
                outcome.broken[f"{job.name} on {job.case.info.name}"] = "".join(traceback.format_exception(error))
                result = _failed(job, f"failed unexpectedly ({type(error).__name__}: {error})")
            found[job.path] = result
            on_result(result)
    outcome.results = [found[job.path] for job in jobs]
    return outcome


def _outcomes(jobs: Sequence[Job], workers: int) -> Generator[tuple[Job, Callable[[], CaseResult]], None, None]:
    """Each job with what returns its result, or raises what went wrong."""
    if workers <= 1:
        yield from ((job, partial(_work, job)) for job in jobs)
        return
    prepare = import_keras_quietly if any(names_network(job.spec) for job in jobs) else None
    with closing(in_processes(jobs, _work, lambda job: (job,), workers, prepare=prepare)) as outcomes:
        for job, future in outcomes:
            yield job, future.result


def _work(job: Job) -> CaseResult:
    """Measure and keep the result, failed or not; one of files that have changed meanwhile would be kept for others."""
    result = measure(job.case, load(job.spec, job.settings.precision), job.name, job.settings)
    if not result.error and tuple(map(file_state, job.case.item.files)) != job.state:
        return _failed(job, "its files have changed since the evaluation began; start it again.")
    write_result(job.path, result, job.key)
    return result


def _failed(job: Job, reason: str) -> CaseResult:
    return CaseResult(job.name, job.case.info, error=reason)


def _content(paths: tuple[Path, ...]) -> str:
    """Fingerprint of what files hold."""
    total = hashlib.sha256()
    for path in paths:
        total.update(_sha256(path).encode())
    return total.hexdigest()


def _sha256(path: Path) -> str:
    try:
        state = path.stat()
        return _sha256_of(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error


@lru_cache(maxsize=4096)
def _sha256_of(path: Path, mtime_ns: int, size: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file_name(name: str) -> str:
    """A name that any file system takes; different names stay different."""
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name).lstrip(".")
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    return plain if plain == name and len(name) < 100 else f"{plain[:80]}-{digest}"
