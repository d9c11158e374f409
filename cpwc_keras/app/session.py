"""One visitor's work: the loop, the contour, the result, and the folder that holds the files."""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cpwc_keras.app.drawing import Drawing
from cpwc_keras.app.limits import Limits
from cpwc_keras.app.reading import read_bounded, read_contour_bounded
from cpwc_keras.errors import InputError
from cpwc_keras.io.contours import Contour, check_against
from cpwc_keras.io.input_file import sha256
from cpwc_keras.io.outline import thinned
from cpwc_keras.tracking.cine import TrackingResult
from cpwc_keras.types import CineLoop


class Session:
    """A visitor's work. Nothing of it is shared with another's.

    Args:
        folder: its own, made here, deleted by `close`.
        limits: what the visitor may ask for.

    Attributes:
        loop: what is open, or None.
        sha256: of the file it came from.
        drawing: the contour on the frame `ed`.
        ed: index of the end-diastolic frame, None until the contour is begun.
        es: index of the end-systolic frame, or None: to be estimated.
        result: of the last tracking, or None.
        files: name → path of what can be downloaded.
        choices: `work.Choices` of the result.
        cancel: set to stop what runs; cleared by who starts the next.
        tracker: (choice, tracker) of the last tracking: its network is loaded once.
    """

    def __init__(self, folder: Path, limits: Limits):
        folder.mkdir(parents=True, mode=0o700)
        self.folder, self.limits = folder, limits
        self.cancel = threading.Event()
        self.used, self.begun = time.monotonic(), time.time()
        self.tracker: tuple | None = None
        self._lock, self._closed = threading.Lock(), False
        self._uploads = 0
        self._forget_loop()

    def _forget_loop(self) -> None:
        self.loop: CineLoop | None = None
        self.file: Path | None = None
        self.sha256 = ""
        self.drawing = Drawing((1, 1))
        self.ed: int | None = None
        self.es: int | None = None
        self.forget_result()

    def forget_result(self) -> None:
        """Drop the result, which no longer belongs to the contour."""
        self.result: TrackingResult | None = None
        self.files: dict[str, Path] = {}
        self.choices = None

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
            raise InputError("Something is still running here; wait for its end or cancel it.")

    @property
    def given_up(self) -> bool:
        """Whether what runs shall stop: the visitor has cancelled it, or has left."""
        return self._closed or self.cancel.is_set()

    @contextmanager
    def working(self):
        """Hold the session for one piece of work.

        Raises:
            InputError: another one runs, or the session was closed.
        """
        if not self._lock.acquire(blocking=False):
            raise InputError("Something is still running here; wait for its end or cancel it.")
        try:
            if self._closed:
                raise InputError("This visit has ended; reload the page.")
            yield
        finally:
            self.used = time.monotonic()
            self._lock.release()
            if self._closed:
                self._delete()

    def close(self) -> None:
        """Stop what runs and delete every file; where something runs, as soon as it has stopped."""
        self._closed = True
        self.cancel.set()
        if not self.busy:
            self._delete()

    def _delete(self) -> None:
        self._forget_loop()
        self.tracker = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def open(self, path: Path, spacing_mm=None, frame_rate_hz: float | None = None) -> None:
        """Open a loop; what was open before is deleted once this one is read.

        Args:
            path: the uploaded file. A copy without its name, which may be a patient's, is kept.
            spacing_mm: (row_mm, col_mm), where the file has none.
            frame_rate_hz: likewise.

        Raises:
            InputError: it cannot be read or is beyond the limits.
        """
        with self.working():
            self._uploads += 1
            kept = self.folder / f"loop-{self._uploads}{_suffix(path)}"
            try:
                shutil.copyfile(path, kept)
            except OSError as error:
                raise InputError("The upload is no longer there; choose the file once more.") from error
            try:
                loop = read_bounded(kept, self.folder, self.limits, spacing_mm, frame_rate_hz)
                digest = sha256(kept)
            except BaseException:
                kept.unlink(missing_ok=True)
                raise
            if self.file is not None:
                self.file.unlink(missing_ok=True)
            self._forget_loop()
            self.loop, self.file, self.sha256 = loop, kept, digest
            self.drawing = Drawing(loop.frames.shape[1:])
            self.ed, self.es = loop.ed, loop.es

    def reopen(self, spacing_mm=None, frame_rate_hz: float | None = None) -> None:
        """Read the open file again with another spacing or rate; the contour stays, the result goes."""
        loop = self.require_loop()
        with self.working():
            again = read_bounded(self.file, self.folder, self.limits, spacing_mm, frame_rate_hz)
            if again.frames.shape != loop.frames.shape:
                raise InputError("The file has changed; open it once more.")
            self.loop = again
            self.forget_result()

    def open_contour(self, path: Path) -> tuple[str, ...]:
        """Take the contour of a file: the project's own, a mask, or what another tool has drawn.

        Returns:
            what was decided on the way, one sentence each.

        Raises:
            InputError: it cannot be read, or does not fit the loop.
        """
        loop = self.require_loop()
        self.require_idle()
        contour, notes = read_contour_bounded(path, loop, self.limits)
        self.take_contour(contour)
        return notes

    def take_contour(self, contour: Contour) -> None:
        """Draw on from this contour.

        Raises:
            InputError: it does not fit the loop.
        """
        self.require_idle()
        check_against(contour, self.require_loop())
        self.drawing.three_clicks = True  # so that a stray click adds nothing at the end
        self.drawing.replace(thinned(contour.points, 40))
        self.ed = contour.frame
        self.es = self.es if contour.es_frame is None else contour.es_frame
        self.es = None if self.es == self.ed else self.es
        self.forget_result()

    def edit(self, kind: str, frame: int, index: int = -1, x: float = 0.0, y: float = 0.0) -> None:
        """Change the drawing as a click or drag says.

        Args:
            kind: "add", "move", "delete", "undo" or "clear".
            frame: that is shown.
            index: of the point.
            x: pixels.
            y: pixels.

        Raises:
            InputError: the contour belongs to another frame.
        """
        self.require_idle()
        loop = self.require_loop()
        if not len(self.drawing.points):
            self.ed = int(np.clip(frame, 0, len(loop) - 1))
            self.es = None if self.es == self.ed else self.es
        elif frame != self.ed and kind in ("add", "move", "delete"):
            raise InputError(
                f"The contour belongs to frame {self.ed}; go there, or press “Frame is ED” to move it to this one."
            )
        if kind == "add":
            self.drawing.add(x, y)
        elif kind == "move":
            self.drawing.move(index, x, y)
        elif kind == "delete":
            self.drawing.delete(index)
        elif kind == "undo":
            self.drawing.undo()
        elif kind == "clear":
            self.drawing.replace(np.zeros((0, 2)))
        self.forget_result()

    def contour(self) -> Contour:
        """The contour as it is drawn.

        Raises:
            InputError: it cannot be tracked.
        """
        loop = self.require_loop()
        self.drawing.check()
        return Contour(thinned(self.drawing.points, 128), self.ed, loop.frames.shape[1:], self.es)

    def require_loop(self) -> CineLoop:
        """The open loop.

        Raises:
            InputError: there is none.
        """
        self.used = time.monotonic()
        if self.loop is None:
            raise InputError("Open a loop first.")
        return self.loop

    def mark_ed(self, frame: int) -> None:
        """Say which frame is end-diastole: the contour belongs to it.

        Raises:
            InputError: as `require_frame`.
        """
        self.require_idle()
        self.ed = self.require_frame(frame)
        self.es = None if self.es == self.ed else self.es
        self.forget_result()

    def require_frame(self, frame: int) -> int:
        """The frame itself.

        Raises:
            InputError: it lies beyond the loop, or there is none.
        """
        loop = self.require_loop()
        if not 0 <= frame < len(loop):
            raise InputError(f"The frame must be one of the loop's, 0-{len(loop) - 1}, got {frame}.")
        return int(frame)


def _suffix(path: Path) -> str:
    """The end of a name by which readers know the format; the rest may hold a patient's name."""
    from cpwc_keras.io.cine import SEQUENCE_SUFFIXES
    from cpwc_keras.io.medical import MEDICAL_SUFFIXES
    from cpwc_keras.io.video import VIDEO_SUFFIXES

    name = path.name.lower()
    known = sorted((*SEQUENCE_SUFFIXES, *MEDICAL_SUFFIXES, *VIDEO_SUFFIXES, ".dcm", ".dicom"), key=len, reverse=True)
    return next((suffix for suffix in known if name.endswith(suffix)), "")
