"""Serving the page: where its files lie, what it may load, and that it ends clean."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cpwc_keras.app.limits import Limits
from cpwc_keras.app.visits import Sessions
from cpwc_keras.errors import InputError
from cpwc_keras.files import lock_file

_SWEEP_S = 300.0
_PREFIX, _LOCK = "cpwc-keras-app-", "serving.lock"

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
"""Browsers load nothing from anywhere else, whatever Gradio's own page asks for."""


def require_gradio():
    """Gradio, without its telemetry.

    Raises:
        InputError: it is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import gradio
    except ImportError as error:
        raise InputError(
            "The page needs Gradio, which is not installed; run: pip install 'cpwc-keras[app]'."
        ) from error
    return gradio


@contextmanager
def serving(
    example: Callable[[], tuple[Path, object]],
    host: str = "127.0.0.1",
    port: int | None = None,
    limits: Limits | None = None,
    open_browser: bool = False,
) -> Iterator[tuple[str, Sessions]]:
    """Serve the page while the block runs; afterwards nothing of any visitor is left.

    Args:
        example: gives a loop's file and its `Contour`.
        host: address to listen at; the default is this machine alone.
        port: or None for the first free one from 7860.
        limits: of each visitor.
        open_browser: show the page in the browser.

    Yields:
        the address, and the visitors' sessions.

    Raises:
        InputError: Gradio is not installed, or the port is taken.
    """
    gradio = require_gradio()
    from cpwc_keras.app.layout import looks
    from cpwc_keras.app.page import build_page

    limits = limits or Limits()
    _remove_leftovers()
    root = Path(tempfile.mkdtemp(prefix=_PREFIX))  # for this user alone
    lock = open(root / _LOCK, "wb")  # noqa: SIM115 (held as long as the page is served)
    lock_file(lock)
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(root)
    sessions = Sessions(root, limits)
    ended = threading.Event()
    page = None
    try:
        page = build_page(gradio, sessions, example)
        page.queue(default_concurrency_limit=8, max_size=64, api_open=True)
        try:
            _, address, _ = page.launch(
                server_name=host, server_port=port, inbrowser=open_browser, share=False, prevent_thread_lock=True,
                quiet=True, show_error=False, max_file_size=limits.upload_bytes, footer_links=[], pwa=False,
                ssr_mode=False, enable_monitoring=False, run_history=False, mcp_server=False,
                app_kwargs={"middleware": [_policy()]}, **looks(gradio),
            )  # fmt: skip
        except OSError as error:
            raise InputError(f"The port {port} of {host} cannot be used; choose another one with --port.") from error
        sweeper = threading.Thread(target=_sweep, args=(sessions, ended), daemon=True)
        sweeper.start()
        yield address, sessions
    finally:
        ended.set()
        sessions.close()
        if page is not None and page.is_running:
            page.close(verbose=False)
        if before is None:
            os.environ.pop("GRADIO_TEMP_DIR", None)
        else:
            os.environ["GRADIO_TEMP_DIR"] = before
        shutil.rmtree(root, ignore_errors=True)
        lock.close()


def _remove_leftovers() -> None:
    """Delete what pages that were killed have left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            with open(folder / _LOCK, "rb+") as file:
                if lock_file(file):  # nobody serves from it
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # served by another process, or another user's
            continue


def _sweep(sessions: Sessions, ended: threading.Event) -> None:
    while not ended.wait(_SWEEP_S):
        sessions.sweep()


def _policy():
    from starlette.middleware import Middleware

    class Policy:
        """Adds the headers to every answer."""

        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            async def with_headers(message):
                if message["type"] == "http.response.start":
                    extra = {"content-security-policy": _POLICY, "referrer-policy": "no-referrer",
                             "x-content-type-options": "nosniff"}  # fmt: skip
                    message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in extra.items())]
                await send(message)

            await self.app(scope, receive, with_headers)

    return Middleware(Policy)
