"""One piece of work at a time, which can be cancelled, and whose end deletes what it left."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from cpwc_keras.errors import InputError

_BUSY = "Something is still running here; wait for its end or cancel it."


class Exclusive(ABC):
    """Holds for whoever works on it, and is closed once nobody does.

    Attributes:
        cancel: set to stop what runs; cleared by who starts the next.
        used: when it was last used, of `time.monotonic`.
    """

    def __init__(self):
        self.cancel = threading.Event()
        self.used = time.monotonic()
        self._lock, self._closed = threading.Lock(), False

    @abstractmethod
    def delete(self) -> None:
        """Delete all there is: called by `close`, once nothing runs."""

    @property
    def busy(self) -> bool:
        """Whether something runs."""
        return self._lock.locked()

    def require_idle(self) -> None:
        """Raise unless nothing runs: what a tracking began with must not change under it.

        Raises:
            InputError: something runs.
        """
        if self.busy:
            raise InputError(_BUSY)

    @property
    def given_up(self) -> bool:
        """Whether what runs shall stop: the visitor has cancelled it, or has left."""
        return self._closed or self.cancel.is_set()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Hold it for one piece of work.

        Raises:
            InputError: another one runs, or it was closed.
        """
        if not self._lock.acquire(blocking=False):
            raise InputError(_BUSY)
        try:
            if self._closed:
                raise InputError("This visit has ended; reload the page.")
            yield
        finally:
            self.used = time.monotonic()
            self._lock.release()
            if self._closed:
                self.delete()

    def close(self) -> None:
        """Stop what runs and delete everything; where something runs, as soon as it has stopped."""
        self._closed = True
        self.cancel.set()
        if not self.busy:
            self.delete()

    def wait(self, seconds: float) -> None:
        """Wait so long at the most for what runs."""
        if self._lock.acquire(timeout=max(0.0, seconds)):
            self._lock.release()
