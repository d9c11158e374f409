"""Who simulates: this process, several processes, or the workers of a Dask cluster.

Each way is a generator of (job, result): `result()` returns what `pipeline.simulate` does, or raises what went wrong
with that job. What goes wrong with the way itself is raised by the generator. Closing it ends all that it started.
"""

from __future__ import annotations

import functools
import logging
import re
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from cpwc_keras import __version__
from cpwc_keras.data_prep.simulation.memory import available_memory
from cpwc_keras.data_prep.simulation.pipeline import Job, simulate
from cpwc_keras.errors import InputError
from cpwc_keras.processes import AHEAD, CONTEXT, hand_out, in_processes

Outcomes = Generator[tuple[Job, Callable[[], dict[str, bytes]]], None, None]
Advance = Callable[[int, int], None]

_CONNECT_S = 5

_one_at_a_time = threading.Lock()
"""A job uses all threads of its process, and Dask may give a process several jobs."""


def on_this_process(jobs: Sequence[Job], store: Callable[[Job], Path], advance: Advance) -> Outcomes:
    """One after the other, here, with all cores.

    Args:
        jobs: what to simulate.
        store: where the finished frames of a job are kept until it is done.
        advance: called with the number of images made, and of those found in a store, since the last call.
    """
    for job in jobs:
        yield job, functools.partial(simulate, job, store(job), lambda is_new: advance(is_new, not is_new))


def on_processes(jobs: Sequence[Job], store: Callable[[Job], Path], workers: int, advance: Advance) -> Outcomes:
    """In several processes, each with its share of the cores and of the memory. Arguments as `on_this_process`.

    Raises:
        InputError: a process was killed.
    """
    images = CONTEXT.Array("q", 2)  # made, found
    reported = (0, 0)

    def report():
        nonlocal reported
        now = tuple(images.get_obj())  # unlocked: a killed process may hold the lock for ever
        advance(now[0] - reported[0], now[1] - reported[1])
        reported = now

    share = available_memory() // max(1, min(workers, len(jobs)))
    outcomes = in_processes(
        jobs, _work, lambda job: (job, store(job)), workers, prepare=_prepare, prepare_with=(images, share),
        on_poll=report,
    )  # fmt: skip
    with closing(outcomes):
        for job, future in outcomes:
            yield job, future.result


def on_cluster(jobs: Sequence[Job], address: str) -> Outcomes:
    """On the workers of a Dask cluster; what a lost worker had in work is done again by another.

    Args:
        jobs: what to simulate.
        address: of the scheduler ("tcp://host:8786").

    Raises:
        InputError: Dask is not installed, the scheduler cannot be reached, or has no workers, or was lost.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise InputError(
            "A scheduler needs Dask, which is not installed: pip install 'cpwc-keras[cluster]'."
        ) from error
    if not re.fullmatch(r"[a-z]+://[^/]+:\d+", address):
        raise InputError(f"{address!r} is not the address of a scheduler; expected one like tcp://host:8786.")
    with _silent_dask():
        try:
            client = Client(address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError, TypeError, ImportError) as error:
            raise InputError(
                f"{address}: no Dask scheduler could be reached there within {_CONNECT_S} s; start one with `dask "
                "scheduler` and give the address it prints, like tcp://host:8786."
            ) from error
        with client:
            workers = len(client.nthreads())
            if not workers:
                raise InputError(f"{address}: the scheduler has no workers; start some with `dask worker {address}`.")

            def watch():
                if client.status != "running":
                    raise InputError(
                        f"{address}: the scheduler was lost; the same command goes on with what is missing."
                    )

            executor = client.get_executor(pure=False)
            submit = functools.partial(executor.submit, _work_remotely)
            for job, future in hand_out(jobs, lambda job: submit(job, __version__), AHEAD * workers, watch):
                try:
                    failure = future.exception()
                except CancelledError:
                    watch()
                    raise
                if isinstance(failure, KilledWorker):
                    failure = InputError("the cluster lost every worker that tried it, perhaps because memory ran out.")
                yield job, functools.partial(_raise, failure) if failure else future.result


def _raise(error: BaseException):
    raise error


@contextmanager
def _silent_dask() -> Iterator[None]:
    """What matters of its log becomes a sentence."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "distributed.core", "tornado")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


_images: Any = None  # of a worker process: what it shares with the one that started it
_memory = 0


def _prepare(images, memory: int) -> None:
    global _images, _memory
    _images, _memory = images, memory


def _work(job: Job, store: Path) -> dict[str, bytes]:
    def count(is_new: bool):
        with _images.get_lock():
            _images[0 if is_new else 1] += 1

    return simulate(job, store, count, _memory)


def _work_remotely(job: Job, version: str) -> dict[str, bytes]:
    if version != __version__:
        raise InputError(f"a worker has cpwc-keras {__version__} where {version} is asked for; install the same.")
    with _one_at_a_time:
        return simulate(job)
