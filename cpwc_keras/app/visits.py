"""Who is here: every visitor's session, what they upload, and the end of it."""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cpwc_keras.app.limits import Limits
from cpwc_keras.app.scratch import LOCK
from cpwc_keras.app.session import Session, suffix
from cpwc_keras.errors import InputError

_UNCLAIMED_S = 120.0
"""What nobody has opened so long after it was last written to is left over: an upload is opened when it has arrived."""

_VISIT = "visit-"


class Sessions:
    """Every visitor's `Session`, by the key that the server knows the visitor by.

    Args:
        root: folder in which theirs are made, and uploads arrive.
        limits: of each.
    """

    def __init__(self, root: Path, limits: Limits):
        self.root, self.limits = root, limits
        self._known: dict[str, Session] = {}
        self._lock = threading.Lock()
        self._uploads, self._ended = 0, False

    def __len__(self) -> int:
        return len(self._known)

    def of(self, key: str) -> Session:
        """The visitor's session, new where there is none.

        Raises:
            InputError: too many visitors are here, or the page is being ended.
        """
        if not key:  # all of these would share one
            raise InputError("Nobody can tell whose visit this is; give a session_hash.")
        self.sweep()
        with self._lock:
            if self._ended:
                raise InputError("This page has ended; start it again.")
            if key not in self._known:
                if len(self._known) >= self.limits.sessions:
                    raise InputError(f"{len(self._known)} people work here already; try again in some minutes.")
                self._known[key] = Session(self.root / f"{_VISIT}{secrets.token_hex(16)}", self.limits)
            return self._known[key]

    def drop(self, key: str) -> None:
        """End a visit: its work stops, its files are deleted."""
        with self._lock:
            session = self._known.pop(key, None)
            self._remove_parts()
        if session is not None:
            session.close()

    @contextmanager
    def upload(self, path: str | Path) -> Iterator[Path]:
        """Take an upload away from where it arrived, under its own name, which may be a patient's.

        Args:
            path: where it arrived.

        Yields:
            the file, whose name says nothing but its format; it is deleted when the block ends.

        Raises:
            InputError: there is no such upload.
        """
        arrived = Path(path).resolve()
        taken = self.root / f"upload-{secrets.token_hex(16)}{suffix(arrived, contours=True)}"
        # What a stranger names must be an upload: neither what else lies here nor another's work.
        if arrived.parent.parent != self.root.resolve() or arrived.parent.name.startswith(_VISIT):
            raise InputError("That is no upload; choose the file on the page.")
        try:
            os.replace(arrived, taken)
            os.utime(taken)
        except OSError as error:
            raise InputError("The upload is no longer there; choose the file once more.") from error
        with suppress(OSError):  # another one of the same content may have arrived meanwhile
            arrived.parent.rmdir()
        try:
            yield taken
        finally:
            taken.unlink(missing_ok=True)

    @contextmanager
    def uploading(self) -> Iterator[None]:
        """While something arrives. When nothing does any more, all that has not arrived whole is deleted."""
        with self._lock:
            self._uploads += 1
        try:
            yield
        finally:
            with self._lock:
                self._uploads -= 1
                self._remove_parts()

    def _remove_parts(self) -> None:
        if not self._uploads:
            for part in self.root.glob("tmp*"):  # by Python's `tempfile`, in which uploads arrive
                with suppress(OSError):
                    part.unlink()

    def sweep(self) -> None:
        """End the visits of those who have long done nothing, and delete uploads that nobody opened."""
        now = time.monotonic()
        with self._lock:
            idle = [k for k, s in self._known.items() if not s.busy and now - s.used > self.limits.idle_s]
        for key in idle:
            self.drop(key)
        with self._lock:
            live = {session.folder for session in self._known.values()}
            for entry in self._entries():
                with suppress(OSError):  # gone meanwhile
                    if entry not in live and time.time() - entry.stat().st_mtime > _UNCLAIMED_S:
                        shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink()

    def _entries(self) -> list[Path]:
        try:
            return [entry for entry in self.root.iterdir() if entry.name != LOCK]
        except OSError:  # somebody has cleaned up
            return []

    def close(self, wait_s: float = 10.0) -> None:
        """End every visit, and wait a little for what runs, lest it writes anew what is deleted."""
        with self._lock:
            self._ended = True
            known = dict(self._known)
        for key in known:
            self.drop(key)
        end = time.monotonic() + wait_s
        for session in known.values():
            session.wait(end - time.monotonic())
