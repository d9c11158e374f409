"""`cpwc-keras app`."""

from __future__ import annotations

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS",
              help="Address to listen at. The default is this machine alone; there are no passwords.")  # fmt: skip
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port to listen at.  [default: the first free one from 7860]"
)
@click.option("--open/--no-open", "open_browser", default=False, show_default=True,
              help="Show the page in the browser.")  # fmt: skip
@click.option("--max-upload", type=click.IntRange(1), default=512, show_default=True, metavar="MIB",
              help="Largest file that is taken.")  # fmt: skip
def app(host, port, open_browser, max_upload):
    """Open a loop, draw its contour and track it in the browser.

    What was measured is shown and can be downloaded. Everything stays on this machine: nothing is sent anywhere, and
    what was uploaded is deleted when its page is closed, at the latest an hour after it was last used or when this
    command ends (Ctrl-C).

    Needs Gradio: pip install 'cpwc-keras[app]'.
    """
    import signal
    import sys
    import threading
    import warnings
    from dataclasses import replace

    from cpwc_keras.app.limits import Limits
    from cpwc_keras.app.server import require_gradio, serving
    from cpwc_keras.errors import TrackingWarning

    require_gradio()
    warnings.simplefilter("ignore", TrackingWarning)  # the visitor is told, not who has started this
    limits = replace(Limits(), upload_bytes=max_upload << 20)
    for name in ("SIGTERM", "SIGHUP"):  # so that the visitors' files are deleted then, too
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _: sys.exit(128 + number))
    with serving(_example, host, port, limits, open_browser) as (address, _):
        click.echo(f"The page is at {address} (Ctrl-C ends it).")
        if host not in ("127.0.0.1", "localhost", "::1"):
            click.echo("Mind: others in the network can reach it, and there are no passwords.", err=True)
        threading.Event().wait()


def _example():
    from pathlib import Path

    from pydicom import examples

    from cpwc_keras.cli.track import demo_contour

    return Path(examples.get_path("ybr_color")), demo_contour()
