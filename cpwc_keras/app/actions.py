"""What the page's buttons do: each takes the visitor's session and what stands in the fields, and says what to show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gradio as gr

from cpwc_keras.app import pictures, view, work
from cpwc_keras.app.layout import MODES, Parts
from cpwc_keras.app.session import Session
from cpwc_keras.app.words import number, status
from cpwc_keras.errors import InputError
from cpwc_keras.io.contours import Contour

Shown = dict
"""Component → its new value or properties."""


class Actions:
    """Everything that can be done on the page but tracking, which takes long.

    Args:
        ui: the page's components.
        example: gives a loop's file and its `Contour`.
    """

    def __init__(self, ui: Parts, example: Callable[[], tuple[Path, Contour]]):
        self.ui, self.example = ui, example
        shown = ("editor", "results", "go_ed", "go_es")
        self.drawn = [ui[name] for name in shown]
        fields = ("row_mm", "col_mm", "rate")
        parts = (*shown, "frame", "marks", "facts", "mode", "scale", "scale_help", "close", "film", *fields)
        self.opened = [ui[name] for name in parts]
        told = ("headline", "curves", "regions", "table", "video", "speed", "mind", "tracks", *work.DOWNLOADS)
        self.told = [ui[name] for name in told]

    def show_drawn(self, session: Session, frame: int, message: str = "") -> Shown:
        """A frame with its contour, and what goes with the contour."""
        ui = self.ui
        es = session.es if session.result is None else session.result.es
        return {
            ui["editor"]: view.frame_view(session, int(frame)),
            ui["results"]: gr.Column(visible=session.result is not None),
            ui["go_ed"]: self._go_to("ED", session.ed),
            ui["go_es"]: self._go_to("ES", es),
            ui["status"]: status(message),
        }

    def _go_to(self, name: str, frame: int | None) -> object:
        known = frame is not None
        return gr.Button(f"Go to {name} ({frame})" if known else f"Go to {name}", interactive=known)

    def show_opened(self, session: Session, frame: int, message: str = "", keep: bool = False) -> Shown:
        """A loop that was opened, from a frame on. The fields for its spacing and rate are emptied unless `keep`."""
        ui, loop = self.ui, session.require_loop()
        fields = {} if keep else {ui[name]: "" for name in ("row_mm", "col_mm", "rate")}
        return fields | self.show_drawn(session, frame, message) | {
            ui["frame"]: gr.Slider(0, len(loop) - 1, frame, step=1, visible=True),
            ui["marks"]: gr.Row(visible=True),
            ui["facts"]: pictures.loop_facts(loop) + pictures.notes_list(loop.notes),
            ui["mode"]: gr.Radio(value=MODES[session.drawing.three_clicks]),
            ui["scale"]: gr.Accordion(open=loop.spacing_mm is None),
            ui["scale_help"]: pictures.scale_help(loop),
            ui["close"]: gr.Button(visible=True),
        }  # fmt: skip

    def show_result(self, session: Session, frame: int) -> Shown:
        """The result of a tracking in all its forms."""
        ui, outcome = self.ui, session.require_outcome()
        result = outcome.result
        return self.show_drawn(session, frame) | {
            ui["headline"]: pictures.headline(result),
            ui["curves"]: pictures.curves_picture(result),
            ui["regions"]: pictures.regions_picture(result),
            ui["table"]: pictures.table(result),
            ui["video"]: str(outcome.files["MP4"]),
            ui["speed"]: pictures.film_speed(result),
            ui["mind"]: pictures.notes_list([note for note in result.notes if note != result.lost]),
            ui["tracks"]: view.tracks(session),
            **{ui[name]: gr.DownloadButton(value=str(path)) for name, path in outcome.files.items()},
        }

    def open_file(self, session: Session, path: Path) -> Shown:
        """Open an upload."""
        session.open(path)
        return self.show_opened(session, session.ed or 0)

    def open_example(self, session: Session) -> Shown:
        """Open the example, with its contour."""
        path, contour = self.example()
        session.open(path)
        session.take_contour(contour)
        return self.show_opened(
            session, contour.frame, "The example comes with pydicom; its contour was drawn by eye. Press Track."
        )

    def film(self, session: Session) -> Shown:
        """The film of what was opened, for the browser to play."""
        return {self.ui["film"]: view.film(session)}

    def close(self, session: Session) -> Shown:
        """Close the loop; nothing of it is left."""
        ui = self.ui
        session.close_loop()
        hidden = {ui["frame"]: gr.Slider(visible=False), ui["marks"]: gr.Row(visible=False),
                  ui["close"]: gr.Button(visible=False), ui["facts"]: "", ui["film"]: {},
                  ui["scale"]: gr.Accordion(open=False)}  # fmt: skip
        return self.show_drawn(session, 0, "Closed; its files are deleted.") | hidden

    def apply(self, session: Session, row: str, column: str, rate: str) -> Shown:
        """Take the spacing and the frame rate that stand in the fields; the contour stays."""
        row_mm, column_mm = number(row, "row spacing"), number(column, "column spacing")
        if row_mm is None and column_mm is not None:
            raise InputError("Give the row spacing, too; the column's may be left out where pixels are square.")
        spacing = None if row_mm is None else (row_mm, row_mm if column_mm is None else column_mm)
        session.reopen(spacing, number(rate, "frame rate"))
        return self.show_opened(session, session.ed or 0, keep=True)

    def open_contour(self, session: Session, path: Path) -> Shown:
        """Take the contour of an uploaded file."""
        notes = session.open_contour(path)
        return self.show_opened(session, session.ed or 0, " ".join(notes), keep=True)

    def choose_mode(self, session: Session, mode: str, frame: int) -> Shown:
        """Draw in another way."""
        session.drawing.three_clicks = mode == MODES[True]
        return self.show_drawn(session, frame)

    def change(self, kind: str) -> Callable[[Session, int], Shown]:
        """What a button does that edits the contour; `kind` as for `Session.edit`."""

        def change(session: Session, frame: int) -> Shown:
            session.edit(kind, int(frame))
            return self.show_drawn(session, frame)

        return change

    def step(self, session: Session, frame: int) -> Shown:
        """Go to a frame."""
        session.require_frame(int(frame))
        return {self.ui["editor"]: view.frame_view(session, int(frame)), self.ui["status"]: ""}

    def is_ed(self, session: Session, frame: int) -> Shown:
        """The contour belongs to this frame."""
        session.mark_ed(int(frame))
        return self.show_drawn(session, frame)

    def is_es(self, session: Session, frame: int) -> Shown:
        """End-systole is this frame."""
        work.mark_es(session, int(frame))
        shown = self.show_drawn(session, frame)
        return shown if session.result is None else self.show_result(session, frame)

    def auto_es(self, session: Session, frame: int) -> Shown:
        """End-systole is where the tracked area is smallest."""
        work.mark_es(session, None)
        if session.result is None:
            return self.show_drawn(session, frame, "End-systole will be where the tracked area is smallest.")
        return {**self.show_result(session, session.result.es), self.ui["frame"]: session.result.es}

    def go_ed(self, session: Session) -> Shown:
        """Show end-diastole."""
        return {self.ui["frame"]: session.ed or 0, **self.show_drawn(session, session.ed or 0)}

    def go_es(self, session: Session) -> Shown:
        """Show end-systole."""
        es = (session.es if session.result is None else session.result.es) or 0
        return {self.ui["frame"]: es, **self.show_drawn(session, es)}

    def save(self, session: Session, frame: int) -> Shown:
        """Write the contour as a file to download."""
        from cpwc_keras.io.contours import write_contour

        path = session.folder / "contour.json"
        try:
            write_contour(path, session.contour())
        except InputError as error:  # the button that follows must not give away what was saved before
            button = gr.DownloadButton(value=None)
            return {self.ui["save_file"]: button, self.ui["status"]: status(str(error), error=True)}
        return {self.ui["save_file"]: gr.DownloadButton(value=str(path)), self.ui["status"]: ""}

    def show_motion(self, session: Session, frame: int) -> Shown:
        """The dense motion from a frame to the next."""
        flow, result = work.motion(session, int(frame)), session.require_outcome().result
        picture = pictures.motion_picture(session.require_loop(), result, flow, int(frame))
        return {self.ui["motion"]: picture, self.ui["status"]: ""}

    def edit(self, session: Session, frame: int, kind: str, index: int, x: float, y: float) -> Shown:
        """A click or drag on the picture."""
        try:
            session.edit(kind, frame, index, x, y)
        except InputError as error:  # the point goes back to where it was
            if session.loop is None:
                raise
            return {**self.show_drawn(session, frame), self.ui["status"]: status(str(error), error=True)}
        return self.show_drawn(session, frame)
