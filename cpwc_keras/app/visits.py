"""Who is here: every visitor's session, and the end of it."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from pathlib import Path

from cpwc_keras.app.limits import Limits
from cpwc_keras.app.session import Session
from cpwc_keras.errors import InputError


class Sessions:
    """Every visitor's `Session`, by the key that the server knows the visitor by.

    Args:
        root: folder in which theirs are made.
        limits: of each.
    """

    def __init__(self, root: Path, limits: Limits):
        self.root, self.limits = root, limits
        self._known: dict[str, Session] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def of(self, key: str) -> Session:
        """The visitor's session, new where there is none.

        Raises:
            InputError: too many visitors are here.
        """
        if not key:  # all of these would share one
            raise InputError("Nobody can tell whose visit this is; give a session_hash.")
        self.sweep()
        with self._lock:
            if key not in self._known:
                if len(self._known) >= self.limits.sessions:
                    raise InputError(f"{len(self._known)} people work here already; try again in some minutes.")
                self._known[key] = Session(self.root / f"visit-{secrets.token_hex(16)}", self.limits)
            return self._known[key]

    def drop(self, key: str) -> None:
        """End a visit: its work stops, its files are deleted."""
        with self._lock:
            session = self._known.pop(key, None)
        if session is not None:
            session.close()

    def sweep(self) -> None:
        """End the visits of those who have long done nothing, and delete uploads that nobody opened."""
        now = time.monotonic()
        with self._lock:
            idle = [k for k, s in self._known.items() if not s.busy and now - s.used > self.limits.idle_s]
            live = {session.folder for session in self._known.values()}
            # Copies of results lie beside the visits: those that a visitor here may have made stay.
            oldest = min((session.begun for session in self._known.values()), default=float("inf"))
        for key in idle:
            self.drop(key)
        try:
            folders = list(self.root.iterdir())
        except OSError:  # somebody has cleaned up
            folders = []
        for folder in folders:
            try:
                made = folder.stat().st_mtime
            except OSError:  # gone meanwhile
                continue
            old = time.time() - made > self.limits.idle_s and made < oldest
            if old and folder not in live and folder.name != "serving.lock":
                shutil.rmtree(folder, ignore_errors=True) if folder.is_dir() else folder.unlink(missing_ok=True)

    def close(self) -> None:
        """End every visit."""
        for key in list(self._known):
            self.drop(key)
