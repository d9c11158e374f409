"""Jobs in several processes of this machine, which end with the one that started them."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TypeVar

from cpwc_keras.errors import InputError

Job = TypeVar("Job")

CONTEXT = multiprocessing.get_context("spawn")
"""How processes start: afresh, since forked ones would share locks and the threads' state."""

AHEAD = 2
"""Jobs handed out for each worker: it need not wait, and few results wait for the disk."""

KILLED = "A worker process was killed, perhaps because memory ran out (fewer of them need less)"
"""What a `BrokenExecutor` means to a user."""

_THREADS = (
    "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS", "OPENCV_FOR_THREADS_NUM",
)  # fmt: skip
_POLL_S = 0.2


def in_processes(
    jobs: Sequence[Job],
    work: Callable,
    arguments: Callable[[Job], tuple],
    workers: int,
    *,
    prepare: Callable | None = None,
    prepare_with: tuple = (),
    on_poll: Callable[[], None] = lambda: None,
) -> Generator[tuple[Job, Future], None, None]:
    """Do jobs in several processes, each with its share of the cores; results as they come.

    Ctrl-C is left to this process; closing the generator ends the others, whatever they are doing.

    Args:
        jobs: what to do.
        work: a module's function, called in a process with the `arguments` of a job.
        arguments: of a job, picklable.
        workers: number of processes; no more are started than there are jobs.
        prepare: a module's function, called once in each process, or None.
        prepare_with: its arguments.
        on_poll: called a few times a second, here.

    Yields:
        each job with its finished future.

    Raises:
        InputError: a process was killed.
    """
    workers = max(1, min(workers, len(jobs)))
    pool = Workers(workers, prepare, prepare_with)
    try:
        submitted = hand_out(jobs, lambda job: pool.submit(work, *arguments(job)), AHEAD * workers, on_poll)
        for job, future in submitted:
            if isinstance(error := future.exception(), BrokenExecutor):
                raise error
            yield job, future
    except BrokenExecutor as error:
        raise InputError(f"{KILLED}; the same command goes on where it stopped.") from error
    finally:
        pool.close()


class Workers:
    """Processes of this machine that end with this one, leave Ctrl-C to it, and share its cores evenly.

    Args:
        count: how many.
        prepare: a module's function, called once in each of them, or None.
        prepare_with: its arguments.
    """

    def __init__(self, count: int, prepare: Callable | None = None, prepare_with: tuple = ()):
        ends_with_us, self._ours = CONTEXT.Pipe(duplex=False)
        self._threads = max(1, available_cores() // count)
        self._pool = ProcessPoolExecutor(count, CONTEXT, _start, (ends_with_us, prepare, prepare_with))

    def submit(self, work: Callable, *arguments) -> Future:
        """Call a module's function in one of the processes; all of it picklable."""
        with _thread_limit(self._threads):  # the processes start with the first jobs
            return self._pool.submit(work, *arguments)

    def close(self) -> None:
        """End them, whatever they are doing."""
        self._ours.close()
        self._pool.shutdown(wait=True, cancel_futures=True)


def hand_out(
    jobs: Sequence[Job], submit: Callable[[Job], Future], ahead: int, on_poll: Callable[[], None]
) -> Iterator[tuple[Job, Future]]:
    """Keep `ahead` jobs submitted; give back each that is done. `on_poll` is called a few times a second."""
    waiting = iter(jobs)
    running: dict[Future, Job] = {}
    while True:
        for job in itertools.islice(waiting, ahead - len(running)):
            running[submit(job)] = job
        if not running:
            return
        done, _ = wait(running, timeout=_POLL_S, return_when=FIRST_COMPLETED)
        on_poll()
        for future in done:
            yield running.pop(future), future


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _thread_limit(threads: int) -> Iterator[None]:
    """Processes started meanwhile use so many threads each."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _start(ends_with_parent: Connection, prepare: Callable | None, prepare_with: tuple) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    threading.Thread(target=_leave_with_parent, args=(ends_with_parent,), daemon=True).start()
    if prepare is not None:
        prepare(*prepare_with)


def _leave_with_parent(ends_with_parent: Connection) -> None:
    """The parent never sends anything: its end closes when it is done with us, or was killed itself."""
    ends_with_parent.poll(None)
    os._exit(1)
