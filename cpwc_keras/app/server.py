"""Serving the page: at which address, what it may load, and that it ends clean."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cpwc_keras.app.limits import Limits
from cpwc_keras.app.scratch import scratch_folder
from cpwc_keras.app.visits import Sessions
from cpwc_keras.errors import InputError
from cpwc_keras.io.contours import Contour

_SWEEP_S = 60.0

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
"""Browsers load nothing from anywhere else, whatever Gradio's own page asks for."""


def require_gradio() -> None:
    """Have Gradio, without its telemetry.

    Raises:
        InputError: it is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise InputError(
            "The page needs Gradio, which is not installed; run: pip install 'cpwc-keras[app]'."
        ) from error


@contextmanager
def serving(
    example: Callable[[], tuple[Path, Contour]],
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
        InputError: Gradio is not installed, the port is taken, or the address is not one of this machine.
    """
    require_gradio()
    from cpwc_keras.app.layout import looks
    from cpwc_keras.app.page import build_page

    limits = limits or Limits()
    require_address(host, port)
    with scratch_folder() as root, _uploads_in(root):
        sessions = Sessions(root, limits)
        ended = threading.Event()
        page = None
        try:
            page = build_page(sessions, example)
            page.queue(default_concurrency_limit=8, max_size=64, api_open=True)
            try:
                _, address, _ = page.launch(
                    server_name=host, server_port=port, inbrowser=open_browser, share=False, prevent_thread_lock=True,
                    quiet=True, show_error=False, max_file_size=limits.upload_bytes, footer_links=[], pwa=False,
                    ssr_mode=False, enable_monitoring=False, run_history=False, mcp_server=False,
                    app_kwargs={"middleware": [_watch(sessions)]}, **looks(),
                )  # fmt: skip
            except OSError as error:
                raise _unusable(host, port) from error
            threading.Thread(target=_sweep, args=(sessions, ended), daemon=True).start()
            yield address, sessions
        finally:
            ended.set()
            try:
                sessions.close()
            finally:
                if page is not None and page.is_running:
                    page.close(verbose=False)


def require_address(host: str, port: int | None) -> None:
    """Raise unless this machine can listen there. Gradio would try a hundred ports before it says that it cannot.

    Args:
        host: name or address.
        port: or None for any.

    Raises:
        InputError: it cannot.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host.strip("[]"), port or 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            if os.name == "posix":  # a port that was in use a moment ago is free; on Windows even one in use would be
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(place)
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise _unusable(host, port) from error
        raise InputError(
            f"This machine has no address {host!r}; leave --host out, or give one of its own (0.0.0.0: all of them)."
        ) from error


def _unusable(host: str, port: int | None) -> InputError:
    if port is None:
        return InputError(f"No port of {host} from 7860 on is free; end another page, or choose a port with --port.")
    return InputError(f"The port {port} of {host} is in use or not allowed; choose another one with --port.")


@contextmanager
def _uploads_in(root: Path) -> Iterator[None]:
    """Gradio keeps uploads in this folder; what lies in it already it serves without a copy of its own."""
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(root)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("GRADIO_TEMP_DIR", None)
        else:
            os.environ["GRADIO_TEMP_DIR"] = before


def _sweep(sessions: Sessions, ended: threading.Event) -> None:
    while not ended.wait(_SWEEP_S):
        sessions.sweep()


def _watch(sessions: Sessions):
    from starlette.middleware import Middleware

    class Watch:
        """Adds the headers to every answer, and removes what an upload leaves that was broken off."""

        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            async def with_headers(message):
                if message["type"] == "http.response.start":
                    extra = {"content-security-policy": _POLICY, "referrer-policy": "no-referrer",
                             "x-content-type-options": "nosniff"}  # fmt: skip
                    message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in extra.items())]
                await send(message)

            if scope["type"] == "http" and scope["path"].endswith("/upload"):
                with sessions.uploading():
                    await self.app(scope, receive, with_headers)
            else:
                await self.app(scope, receive, with_headers)

    return Middleware(Watch)
