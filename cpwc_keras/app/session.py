"""One visitor's work: the loop, the contour, the result, and the folder that holds the files."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cpwc_keras.app.drawing import Drawing, lit_box
from cpwc_keras.app.exclusive import Exclusive
from cpwc_keras.app.limits import Limits
from cpwc_keras.app.outcome import Outcome, remove_files
from cpwc_keras.app.reading import read_bounded, read_contour_bounded, suffix
from cpwc_keras.errors import InputError
from cpwc_keras.files import write_errors_named
from cpwc_keras.io.contours import HOW_TO_MAKE, Contour, check_against
from cpwc_keras.io.input_file import sha256
from cpwc_keras.io.outline import thinned
from cpwc_keras.tracking.result import TrackingResult
from cpwc_keras.types import CineLoop

if TYPE_CHECKING:
    from cpwc_keras.tracking.pair import Tracker


class Session(Exclusive):
    """A visitor's work. Nothing of it is shared with another's.

    Args:
        folder: its own, made here, deleted by `close`.
        limits: what the visitor may ask for.

    Attributes:
        loop: what is open, or None.
        number: of the loop; another one has another number.
        box: (left, top, width, height) px, the part of its image in which there is anything.
        sha256: of the file it came from.
        drawing: the contour on the frame `ed`.
        ed: index of the end-diastolic frame, None until the contour is begun.
        es: index of the end-systolic frame, or None: to be estimated.
        outcome: of the last tracking, or None where the contour is another one.
        tracker: (tracker and precision, what they name) of the last tracking: its network is loaded once.
    """

    def __init__(self, folder: Path, limits: Limits):
        super().__init__()
        folder.mkdir(parents=True, mode=0o700)
        self.folder, self.limits, self.number = folder, limits, 0
        self.tracker: tuple[tuple[str, str], Tracker] | None = None
        self._forget_loop()

    def _forget_loop(self) -> None:
        self.loop: CineLoop | None = None
        self.file: Path | None = None
        self.box = (0, 0, 1, 1)
        self.sha256 = ""
        self.drawing = Drawing((1, 1))
        self.ed: int | None = None
        self.es: int | None = None
        self.outcome: Outcome | None = None
        self._before: Outcome | None = None

    @property
    def result(self) -> TrackingResult | None:
        """Of the last tracking, or None."""
        return None if self.outcome is None else self.outcome.result

    def take(self, outcome: Outcome | None) -> None:
        """Make this the outcome; the files of those before go."""
        for old in (self.outcome, self._before):
            remove_files(old)
        self.outcome, self._before = outcome, None

    def _forget_result(self) -> None:
        """Drop the result, which does not belong to the contour any more; what takes that back brings it again."""
        self.outcome, self._before = None, self.outcome or self._before
        known = self._before
        if known is not None and known.result.ed == self.ed and np.array_equal(known.contour, self.drawing.points):
            self.outcome, self.es = known, known.es

    def delete(self) -> None:
        """Delete every file; see `close`."""
        self._forget_loop()
        self.tracker = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def open(self, path: Path) -> None:
        """Open a loop; what was open before is deleted once this one is read.

        Args:
            path: the file. A copy without its name, which may be a patient's, is kept.

        Raises:
            InputError: it cannot be read or is beyond the limits.
        """
        with self.working():
            kept = self.folder / f"loop-{self.number + 1}{suffix(path)}"
            try:
                with write_errors_named("The upload"):
                    shutil.copyfile(path, kept)
                loop = read_bounded(kept, self.folder, self.limits)
                digest = sha256(kept)
            except BaseException:
                kept.unlink(missing_ok=True)
                raise
            self._remove_loop()
            self.number += 1
            self.loop, self.file, self.sha256 = loop, kept, digest
            self.box = lit_box(loop.frames)
            self.drawing = Drawing(loop.frames.shape[1:])
            self.ed, self.es = loop.ed, loop.es

    def reopen(self, spacing_mm: tuple[float, float] | None = None, frame_rate_hz: float | None = None) -> None:
        """Read the open file again with another spacing or rate; the contour stays, the result goes.

        Args:
            spacing_mm: (row_mm, col_mm); None: as in the file.
            frame_rate_hz: likewise.

        Raises:
            InputError: nothing is open, or they are not positive.
        """
        loop = self.require_loop()
        with self.working():
            assert self.file is not None  # it comes with the loop
            again = read_bounded(self.file, self.folder, self.limits, spacing_mm, frame_rate_hz)
            if again.frames.shape != loop.frames.shape:
                raise InputError("The file has changed; open it once more.")
            self.loop = again
            self.take(None)

    def close_loop(self) -> None:
        """Forget what is open and delete its files.

        Raises:
            InputError: something runs.
        """
        with self.working():
            self._remove_loop()

    def _remove_loop(self) -> None:
        self.take(None)
        for path in self.folder.glob("film-*"):
            path.unlink(missing_ok=True)
        if self.file is not None:
            self.file.unlink(missing_ok=True)
        self._forget_loop()

    def open_contour(self, path: Path) -> tuple[str, ...]:
        """Take the contour of a file: the project's own, a mask, or what another tool has drawn.

        Returns:
            what was decided on the way, one sentence each.

        Raises:
            InputError: it cannot be read, or does not fit the loop.
        """
        loop = self.require_loop()
        self.require_idle()
        try:
            contour, notes = read_contour_bounded(path, loop, self.limits)
            self.take_contour(contour)
        except InputError as error:
            raise InputError(str(error).replace(HOW_TO_MAKE, "draw it here, or open another file")) from error
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
        self._forget_result()

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
                f"The contour belongs to frame {self.ed}; go there, or press “Set ED here” to move it to this one."
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
        self._forget_result()

    def contour(self) -> Contour:
        """The contour as it is drawn.

        Raises:
            InputError: it cannot be tracked.
        """
        loop = self.require_loop()
        self.drawing.check()
        assert self.ed is not None  # it comes with the first point
        height, width = loop.frames.shape[1:]
        return Contour(thinned(self.drawing.points, 128), self.ed, (height, width), self.es)

    def require_outcome(self) -> Outcome:
        """The outcome of the last tracking.

        Raises:
            InputError: there is none of this contour.
        """
        if self.outcome is None:
            raise InputError("Track the loop first.")
        return self.outcome

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
        self._forget_result()

    def require_frame(self, frame: int) -> int:
        """The frame itself.

        Raises:
            InputError: it lies beyond the loop, or there is none.
        """
        loop = self.require_loop()
        if not 0 <= frame < len(loop):
            raise InputError(f"The frame must be one of the loop's, 0-{len(loop) - 1}, got {frame}.")
        return int(frame)
