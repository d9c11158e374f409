"""The page, served and driven over HTTP as a browser drives it."""

import builtins
import re
import shutil
import socket
import time
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cpwc_keras.app.limits import Limits
from cpwc_keras.app.server import require_address, require_gradio, serving
from cpwc_keras.cli.app import app
from cpwc_keras.errors import InputError
from cpwc_keras.io.contours import Contour, write_contour
from cpwc_keras.io.video import write_video

gradio_client = pytest.importorskip("gradio_client", reason="the page needs Gradio (the extra `app`)")
SHAPE = (96, 112)
ANGLE = np.linspace(np.pi, 2 * np.pi, 9)
ARCH = np.stack([56 + 20 * np.cos(ANGLE), 70 + 45 * np.sin(ANGLE)], -1)
STATUS = -1  # of what a listener returns, the last value


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uploads")
    rng = np.random.default_rng(0)
    frames = np.kron(rng.integers(0, 255, (3, 24, 28)), np.ones((4, 4))).astype(np.uint8)
    write_video(folder / "Doe^Jane.mp4", np.repeat(frames[..., None], 3, -1), 25)
    write_contour(folder / "contour.json", Contour(ARCH, 0, SHAPE))
    (folder / "Doe^Jane.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"nonsense")
    return folder


@pytest.fixture(scope="module")
def page(files):
    with serving(lambda: (files / "Doe^Jane.mp4", Contour(ARCH, 0, SHAPE)), limits=Limits(reading_s=300)) as served:
        yield served


def visit(page):
    return gradio_client.Client(page[0], verbose=False, download_files=False)


def upload(client, name, path):
    return client.predict(gradio_client.handle_file(str(path)), api_name=name)


def track(client):
    """What the page shows in the end; before, it shows the progress."""
    for answer in client.submit(0, "zero", True, 3, "float32", False, api_name="/track"):  # noqa: B007
        pass
    return str(answer)


def test_a_bad_file_is_one_sentence_and_a_good_one_ends_in_files(page, files):
    client = visit(page)
    answer = upload(client, "/open", files / "Doe^Jane.dcm")
    assert "error" in answer[STATUS] and "Jane" not in answer[STATUS] and "Traceback" not in answer[STATUS]
    answer = track(client)
    assert "Open a loop first" in answer

    answer = str(upload(client, "/open", files / "Doe^Jane.mp4"))
    assert "<dd>3 (0.1 s)</dd>" in answer and "112 × 96 px" in answer
    assert "lateral base" in str(upload(client, "/contour", files / "contour.json"))
    answer = track(client)
    assert "Done." in answer and "GLS" in answer
    csv = re.search(r"/[^'\"=]*/strain\.csv", answer)[0]
    with urllib.request.urlopen(f"{page[0]}gradio_api/file={csv}") as download:
        assert download.read().startswith(b"frame,time_s,length_px")

    other = visit(page)
    answer = track(other)
    assert "Open a loop first" in answer, "another visitor has another loop"
    assert "is_error" not in str(other.predict(api_name="/example")) and len(page[1]) == 2
    names = [path.name for folder in Path(page[1].root).glob("visit-*") for path in folder.rglob("*")]
    assert names and not any("Jane" in name for name in names)


def test_nothing_is_loaded_from_elsewhere_and_nothing_beyond_the_page_is_served(page):
    with urllib.request.urlopen(page[0]) as answer:
        policy, text = answer.headers["content-security-policy"], answer.read().decode()
    assert "default-src 'self'" in policy and "http" not in policy
    assert not re.search(r"<(script|link)[^>]+https?://(?!127\.0\.0\.1)", text)
    for path in (__file__, "/etc/passwd"):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{page[0]}gradio_api/file={path}")


def test_everything_is_deleted_at_the_end(files, monkeypatch):
    with serving(lambda: None) as (_, sessions):
        root = sessions.root
        session = sessions.of("a")
        shutil.copy(files / "contour.json", session.folder)
    assert not root.exists() and len(sessions) == 0


def test_an_address_that_cannot_be_used_is_one_sentence(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"^The port {port} of 127.0.0.1 is in use or not allowed; choose another"):
            require_address("127.0.0.1", port)
        require_address("127.0.0.1", None)
        monkeypatch.setattr("gradio.http_server.INITIAL_PORT_VALUE", port)
        monkeypatch.setattr("gradio.http_server.TRY_NUM_PORTS", 1)
        with pytest.raises(InputError, match=r"^No port of 127\.0\.0\.1 from 7860 on is free; "), serving(lambda: None):
            pass
    for host in ("203.0.113.7", "no-such-host.invalid"):  # an address of nobody (RFC 5737), a name of nobody
        with pytest.raises(InputError, match=f"^This machine has no address '{host}'; "):
            require_address(host, None)


def test_an_upload_that_breaks_off_leaves_nothing(page):
    root, place = page[1].root, urllib.parse.urlsplit(page[0])
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="Doe^Jane.dcm"\r\n\r\n' + b"x" * 100_000
    head = "POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    with socket.create_connection((place.hostname, place.port)) as connection:
        connection.sendall(f"{head}Content-Length: 999999\r\n\r\n".encode() + part)
        wait_for(lambda: any(path.stat().st_size for path in root.glob("tmp*")))
    wait_for(lambda: not list(root.glob("tmp*")))


def wait_for(condition):
    while not condition():
        time.sleep(0.02)


def test_without_gradio_it_says_what_to_install(monkeypatch):
    known = builtins.__import__

    def missing(name, *arguments, **options):
        if name.split(".")[0] == "gradio":
            raise ImportError(name)
        return known(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(InputError, match=r"pip install 'cpwc-keras\[app\]'"):
        require_gradio()
    result = CliRunner().invoke(app, [])
    assert isinstance(result.exception, InputError)
