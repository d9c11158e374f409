"""The page's wiring; what its buttons do is in `session` and `work`."""

from __future__ import annotations

import html
import logging
import queue
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from cpwc_keras.app import pictures, work
from cpwc_keras.app.layout import MODES, Parts, layout
from cpwc_keras.app.session import Session
from cpwc_keras.app.visits import Sessions
from cpwc_keras.errors import InputError

_log = logging.getLogger(__name__)
_POLL_S = 0.2
_IN_TURN = {"trigger_mode": "multiple", "concurrency_limit": 1, "concurrency_id": "edit"}
"""Of events of which none may be left out, and each needs what the one before has made."""

_PRESS_SAVE = "() => { setTimeout(() => document.querySelector('#save-file').click(), 150); }"
_BROKEN = "Something went wrong inside the program; what it was stands in the terminal it was started from."


def build_page(gradio, sessions: Sessions, example: Callable):
    """The page.

    Args:
        gradio: the module.
        sessions: of the visitors.
        example: gives a loop's file and its `Contour`.

    Returns:
        a `gradio.Blocks`, not yet launched.
    """
    with gradio.Blocks(title="cpwc-keras", analytics_enabled=False, fill_width=True) as page:
        ui = layout(gradio)
        _wire(gradio, page, ui, sessions, example)
    return page


def _wire(gr, page, ui: Parts, sessions: Sessions, example: Callable) -> None:
    def handler(function):
        """Give it the visitor's session first; a mistake of the visitor becomes the status line."""

        @wraps(function)
        def handle(*values, request, event=None):
            try:
                session = sessions.of(request.session_hash or "")
                return function(session, *values) if event is None else function(session, *values, event)
            except InputError as error:
                return {ui.status: _status(str(error), error=True)}
            except Exception:
                _log.exception("%s failed", function.__name__)
                return {ui.status: _status(_BROKEN, error=True)}

        return handle

    def on(listener, function, inputs=(), outputs=(), name=None, **options):
        handle, count = handler(function), len(inputs)

        def call(request: gr.Request, *values):  # Gradio fills in what is annotated so, first
            return handle(*values[:count], request=request)

        call.__annotations__["request"] = gr.Request
        return listener(
            call, list(inputs), [*outputs, ui.status], api_name=name or False, show_progress="hidden", **options
        )

    drawn = [ui.editor]
    opened = [ui.editor, ui.frame, ui.marks, ui.facts, ui.results, ui.mode]
    told = [ui.headline, ui.curves, ui.regions, ui.table, ui.video, ui.mind, *(ui[name] for name in work.DOWNLOADS)]

    def show_opened(session: Session, frame: int, message: str = "") -> dict:
        loop = session.loop
        return {
            ui.editor: pictures.frame_view(session, frame),
            ui.frame: gr.Slider(0, len(loop) - 1, frame, step=1, visible=True),
            ui.marks: gr.Row(visible=True),
            ui.facts: pictures.loop_facts(loop) + pictures.notes_list(loop.notes),
            ui.results: gr.Column(visible=False),
            ui.mode: gr.Radio(value=MODES[session.drawing.three_clicks]),
            ui.status: _status(message),
        }

    def show_drawn(session: Session, frame: int, message: str = "") -> dict:
        shown = {ui.editor: pictures.frame_view(session, int(frame)), ui.status: _status(message)}
        return shown if session.result is not None else {**shown, ui.results: gr.Column(visible=False)}

    def show_result(session: Session, frame: int) -> dict:
        result = session.result
        return {
            ui.headline: pictures.headline(result),
            ui.curves: pictures.curves_picture(result),
            ui.regions: pictures.regions_picture(result),
            ui.table: pictures.table(result),
            ui.video: str(session.files["MP4"]),
            ui.mind: pictures.notes_list(result.notes),
            **{ui[name]: gr.DownloadButton(value=str(path)) for name, path in session.files.items()},
            ui.editor: pictures.frame_view(session, int(frame)),
        }

    def open_file(session, path):
        if path is None:
            return {ui.status: ""}
        try:
            session.open(Path(path))
        finally:
            Path(path).unlink(missing_ok=True)  # it lies there under its own name
        return {**show_opened(session, session.ed or 0), ui.file: None}

    def open_example(session):
        path, contour = example()
        session.open(path)
        session.take_contour(contour)
        return show_opened(session, session.ed, "The example comes with pydicom; its contour was drawn by eye.")

    def apply(session, row, column, rate):
        if (row is None) != (column is None):
            raise InputError("Give both the row and the column spacing, or neither.")
        session.reopen((row, column) if row is not None else None, rate)
        return show_opened(session, session.ed or 0)

    def open_contour(session, path):
        try:
            notes = session.open_contour(Path(path))
        finally:
            Path(path).unlink(missing_ok=True)
        return show_opened(session, session.ed, " ".join(notes))

    def choose_mode(session, mode, frame):
        session.drawing.three_clicks = mode == MODES[True]
        return show_drawn(session, frame) if session.loop is not None else {ui.status: ""}

    def is_ed(session, frame):
        session.mark_ed(int(frame))
        return show_drawn(session, frame)

    def mark_es(session, frame):
        work.mark_es(session, None if frame is None else int(frame))
        frame = session.es if frame is None else frame
        shown = show_drawn(session, session.ed or 0 if frame is None else frame)
        return {**shown, **show_result(session, session.result.es)} if session.result is not None else shown

    def save(session, frame):
        from cpwc_keras.io.contours import write_contour

        path = session.folder / "contour.json"
        try:
            write_contour(path, session.contour())
        except InputError as error:  # the button that follows must not give away what was saved before
            return {ui.save_file: gr.DownloadButton(value=None), ui.status: _status(str(error), error=True)}
        return {ui.save_file: gr.DownloadButton(value=str(path)), ui.status: ""}

    def show_motion(session, frame):
        flow = work.motion(session, int(frame))
        return {ui.motion: pictures.motion_picture(session.loop, session.result, flow, int(frame)), ui.status: ""}

    def edit(session, frame, event):
        try:
            session.edit(str(event.kind), int(frame), int(event.index), float(event.x), float(event.y))
        except InputError as error:  # the point goes back to where it was
            shown = {ui.editor: pictures.frame_view(session, int(frame))} if session.loop is not None else {}
            return {**shown, ui.status: _status(str(error), error=True)}
        return show_drawn(session, frame)

    on(ui.file.upload, open_file, [ui.file], [*opened, ui.file], "open")
    on(ui.example.click, open_example, [], opened, "example")
    on(ui.apply.click, apply, [ui.row_mm, ui.col_mm, ui.rate], opened, "apply")
    on(ui.contour_file.upload, open_contour, [ui.contour_file], opened, "contour")
    on(ui.frame.input, lambda s, f: show_drawn(s, f), [ui.frame], [*drawn, ui.results], trigger_mode="always_last")
    on(ui.mode.input, choose_mode, [ui.mode, ui.frame], [*drawn, ui.results])
    for name in ("undo", "clear"):

        def change(session, frame, kind=name):
            session.edit(kind, int(frame))
            return show_drawn(session, frame)

        on(ui[name].click, change, [ui.frame], [*drawn, ui.results], **_IN_TURN)
    on(ui.is_ed.click, is_ed, [ui.frame], [*drawn, ui.results], "is_ed")
    on(ui.is_es.click, mark_es, [ui.frame], [*drawn, ui.results, *told], "is_es")
    on(ui.auto_es.click, lambda session: mark_es(session, None), [], [*drawn, ui.results, *told], "auto_es")
    on(ui.go_ed.click, lambda s: {ui.frame: s.ed or 0, **show_drawn(s, s.ed or 0)}, [], [*drawn, ui.frame, ui.results])
    # A download button gives away what it held when it was pressed: it is pressed once it holds the new file.
    on(ui.save.click, save, [ui.frame], [ui.save_file]).then(None, js=_PRESS_SAVE)
    on(ui.motion_frame.input, show_motion, [ui.motion_frame], [ui.motion], trigger_mode="always_last")

    edited = handler(edit)

    def on_edit(request: gr.Request, event: gr.EventData, frame):
        return edited(frame, request=request, event=event)

    on_edit.__annotations__.update(event=gr.EventData, request=gr.Request)
    ui.editor.edit(
        on_edit, [ui.frame], [*drawn, ui.results, ui.status], api_name=False, show_progress="hidden", **_IN_TURN
    )

    def track(request: gr.Request, frame, *values):
        def waiting(message, fraction):
            return {ui.status: _status(message, fraction), ui.track: gr.Button(interactive=False),
                    ui.cancel: gr.Button(interactive=True)}  # fmt: skip

        ready = {ui.track: gr.Button(interactive=True), ui.cancel: gr.Button(interactive=False)}
        session = None
        try:
            session = sessions.of(request.session_hash or "")
            choices = work.Choices(*values)
            session.require_idle()
            session.cancel.clear()
            session.contour()
            yield waiting("Preparing", 0.0)
            for message, fraction in _in_thread(session, choices):
                yield waiting(message, fraction)
            result = session.result
            lively = work.liveliest_frame(result)
            flow = work.motion(session, lively)
            yield {
                **ready,
                **show_result(session, frame),
                ui.results: gr.Column(visible=True),
                ui.motion: pictures.motion_picture(session.loop, result, flow, lively),
                ui.motion_frame: gr.Slider(0, len(result) - 2, lively, step=1),
                ui.status: _status("Done."),
            }
        except work.Cancelled:
            yield {**ready, ui.status: _status("Cancelled. Nothing was kept of this run.")}
        except InputError as error:
            yield {**ready, ui.status: _status(str(error), error=True)}
        except Exception:
            _log.exception("tracking failed")
            yield {**ready, ui.status: _status(_BROKEN, error=True)}

    track.__annotations__["request"] = gr.Request
    ui.track.click(
        track,
        [ui.frame, ui.tracker, ui.composition, ui.reach, ui.precision, ui.dense],
        [ui.editor, ui.results, ui.motion, ui.motion_frame, ui.track, ui.cancel, ui.status, *told],
        api_name="track", show_progress="hidden", concurrency_limit=2,
    )  # fmt: skip

    def cancel(session):
        session.cancel.set()
        return {ui.status: _status("Cancelling …")}

    on(ui.cancel.click, cancel, [], [], "cancel", queue=False)

    def leave(request: gr.Request):
        sessions.drop(request.session_hash or "")

    leave.__annotations__["request"] = gr.Request
    page.unload(leave)


def _in_thread(session: Session, choices: work.Choices):
    """Track in a thread; yields (message, fraction) as it goes on. Closing the generator stops the work."""
    news: queue.Queue = queue.Queue()
    failed: list[BaseException] = []

    def run():
        try:
            work.track_session(session, choices, lambda *what: news.put(what))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_POLL_S)
            latest = None
            while not news.empty():
                latest = news.get()
            if latest is not None:
                yield latest
    finally:
        if thread.is_alive():
            session.cancel.set()
    if failed:
        raise failed[0]


def _status(message: str, fraction: float | None = None, error: bool = False) -> str:
    if not message:
        return ""
    bar = "" if fraction is None else f"<div class='bar'><i style='width: {100 * fraction:.0f}%'></i></div>"
    return f"<div class='status{' error' if error else ''}' role='status'>{html.escape(message)}{bar}</div>"
