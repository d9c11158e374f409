"""The page's wiring: which event calls what in `actions`; tracking, which takes long, is followed here."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path

import gradio as gr

from cpwc_keras.app import pictures, work
from cpwc_keras.app.actions import Actions, Shown
from cpwc_keras.app.choices import Choices
from cpwc_keras.app.layout import Parts, layout
from cpwc_keras.app.session import Session
from cpwc_keras.app.visits import Sessions
from cpwc_keras.app.words import status, time_left
from cpwc_keras.errors import InputError
from cpwc_keras.io.contours import Contour

_log = logging.getLogger(__name__)
_POLL_S = 0.2
_TRACKINGS = 2
"""At a time, of all visitors."""

_IN_TURN = {"trigger_mode": "multiple", "concurrency_limit": 1, "concurrency_id": "edit"}
"""Of events of which none may be left out, and each needs what the one before has made."""

_PRESS_SAVE = "() => { setTimeout(() => document.querySelector('#save-file').click(), 150); }"
_TO_RESULTS = """() => { setTimeout(() => { if (document.querySelector('#status .done'))
  document.querySelector('#results')?.scrollIntoView({behavior: 'smooth', block: 'start'}); }, 300); }"""
_TELLING = "Setting end-systole …"
_BROKEN = "Something went wrong inside the program; what it was stands in the terminal it was started from."


def build_page(sessions: Sessions, example: Callable[[], tuple[Path, Contour]]) -> gr.Blocks:
    """The page.

    Args:
        sessions: of the visitors.
        example: gives a loop's file and its `Contour`.

    Returns:
        not yet launched.
    """
    with gr.Blocks(title="cpwc-keras", analytics_enabled=False, fill_width=True) as page:
        ui = layout()
        actions = Actions(ui, example)
        _wire(ui, sessions, actions)
        _wire_tracking(ui, sessions, actions)

        def leave(request: gr.Request):
            sessions.drop(request.session_hash or "")

        page.unload(leave)
    return page


def _wire(ui: Parts, sessions: Sessions, do: Actions) -> None:
    def handler(function):
        """Give it the visitor's session first; a mistake of the visitor becomes the status line."""

        @wraps(function)
        def handle(request, *values):
            try:
                return function(sessions.of(request.session_hash or ""), *values)
            except InputError as error:
                return {ui["status"]: status(str(error), error=True)}
            except Exception:
                _log.exception("%s failed", function.__name__)
                return {ui["status"]: status(_BROKEN, error=True)}

        return handle

    def on(listener, function, inputs=(), outputs=(), name=None, **options):
        handle, count = handler(function), len(inputs)

        def call(request: gr.Request, *values):  # Gradio fills in what is annotated so, first
            return handle(request, *values[:count])

        return listen(listener, call, inputs, outputs, name, **options)

    def listen(listener, call, inputs, outputs, name, show_progress="hidden", meanwhile="", **options):
        if meanwhile:  # it takes seconds
            first = listener(lambda: status(meanwhile), None, [ui["status"]], queue=False, api_name=False,
                             show_progress="hidden")  # fmt: skip
            listener = first.then
        return listener(
            call, list(inputs), [*outputs, ui["status"]], api_name=name or False, show_progress=show_progress, **options
        )

    def on_upload(name, function, outputs, api_name):
        handle = handler(function)

        def call(request: gr.Request, path):
            try:
                with sessions.upload(path) as taken:
                    shown = handle(request, taken)
            except InputError as error:
                shown = {ui["status"]: status(str(error), error=True)}
            return {**shown, ui[name]: None}  # else its name stays on the page, and no other can be dropped there

        return listen(ui[name].upload, call, [ui[name]], [*outputs, ui[name]], api_name, meanwhile="Reading the file …")

    frame, drawn, opened, told = [ui["frame"]], do.drawn, do.opened, do.told
    for event in (
        on_upload("file", do.open_file, opened, "open"),
        on(ui["example"].click, do.open_example, [], opened, "example", meanwhile="Reading the example …"),
    ):
        on(event.then, do.film, [], [ui["film"]])
    on_upload("contour_file", do.open_contour, opened, "contour")
    on(ui["close"].click, do.close, [], opened, "close")
    given = [ui["row_mm"], ui["col_mm"], ui["rate"]]
    on(ui["apply"].click, do.apply, given, opened, "apply", meanwhile="Reading the file again …")
    on(ui["frame"].input, do.step, frame, [ui["editor"]], trigger_mode="always_last")
    on(ui["mode"].input, do.choose_mode, [ui["mode"], ui["frame"]], drawn)
    for kind in ("undo", "clear"):
        on(ui[kind].click, do.change(kind), frame, drawn, **_IN_TURN)
    on(ui["is_ed"].click, do.is_ed, frame, drawn, "is_ed")
    on(ui["is_es"].click, do.is_es, frame, [*drawn, *told], "is_es", meanwhile=_TELLING)
    on(ui["auto_es"].click, do.auto_es, frame, [*drawn, *told, *frame], "auto_es", meanwhile=_TELLING)
    on(ui["go_ed"].click, do.go_ed, [], [*drawn, *frame])
    on(ui["go_es"].click, do.go_es, [], [*drawn, *frame])
    # A download button gives away what it held when it was pressed: it is pressed once it holds the new file.
    on(ui["save"].click, do.save, frame, [ui["save_file"]]).then(None, js=_PRESS_SAVE)
    on(ui["motion_frame"].input, do.show_motion, [ui["motion_frame"]], [ui["motion"]], trigger_mode="always_last",
       show_progress="minimal", show_progress_on=[ui["motion"]])  # fmt: skip

    edited = handler(do.edit)

    def on_edit(request: gr.Request, event: gr.EventData, shown):
        return edited(request, int(shown), str(event.kind), int(event.index), float(event.x), float(event.y))

    listen(ui["editor"].edit, on_edit, frame, drawn, None, **_IN_TURN)


def _wire_tracking(ui: Parts, sessions: Sessions, do: Actions) -> None:
    def buttons(busy: bool, line: str) -> Shown:
        return {ui["track"]: gr.Button(interactive=not busy), ui["cancel"]: gr.Button(interactive=busy),
                ui["status"]: line}  # fmt: skip

    def track(request: gr.Request, frame, *values):
        session = None
        try:
            session = sessions.of(request.session_hash or "")
            choices = Choices(*values)
            session.require_idle()
            session.contour()
            yield buttons(True, status("Preparing", 0.0))
            for message, fraction in _in_thread(session, choices):
                yield buttons(True, status(message, fraction))
            result = session.require_outcome().result
            lively = work.liveliest_frame(result)
            flow = work.motion(session, lively)
            line = status("Done. Watch the overlay before you use the numbers.", done=True)
            yield {
                **do.show_result(session, int(frame)),
                **buttons(False, line),
                ui["motion"]: pictures.motion_picture(session.require_loop(), result, flow, lively),
                ui["motion_frame"]: gr.Slider(0, len(result) - 2, lively, step=1),
            }
        except work.Cancelled:
            yield buttons(False, status("Cancelled. Nothing was kept of this run."))
        except InputError as error:
            yield buttons(False, status(str(error), error=True))
        except Exception:
            _log.exception("tracking failed")
            yield buttons(False, status(_BROKEN, error=True))
        finally:
            if session is not None and not session.busy:
                session.cancel.clear()

    def cancel(request: gr.Request):
        sessions.of(request.session_hash or "").cancel.set()
        return status("Cancelling …")

    inputs = [ui[name] for name in ("frame", "tracker", "composition", "reach", "precision", "dense")]
    changed = [ui[name] for name in ("motion", "motion_frame", "track", "cancel", "status")]
    # Others may be tracking: what waits for its turn says so.
    wait = ui["track"].click(
        lambda: buttons(True, status("Waiting for a free place", 0.0)), None, [ui["track"], ui["cancel"], ui["status"]],
        queue=False, api_name=False, show_progress="hidden",
    )  # fmt: skip
    wait.then(
        track, inputs, [*do.drawn, *do.told, *changed], api_name="track", show_progress="hidden",
        concurrency_limit=_TRACKINGS,
    ).then(None, js=_TO_RESULTS)  # fmt: skip
    ui["cancel"].click(cancel, None, [ui["status"]], queue=False, api_name="cancel", show_progress="hidden")


def _in_thread(session: Session, choices: Choices) -> Iterator[tuple[str, float]]:
    """Track in a thread; yields (message, fraction) as it goes on. Closing the generator stops the work."""
    news: queue.Queue[tuple[str, float]] = queue.Queue()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work.track_session(session, choices, lambda *what: news.put(what))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    began = time.monotonic()
    try:
        while thread.is_alive():
            thread.join(_POLL_S)
            latest = None
            while not news.empty():
                latest = news.get()
            if latest is not None:
                message, fraction = latest
                yield message + time_left(time.monotonic() - began, fraction), fraction
    finally:
        if thread.is_alive():
            session.cancel.set()
    if failed:
        raise failed[0]
