"""The folder of the page: gone with it, however it ends; never that of another one."""

import subprocess
import sys
import tempfile
import threading

import pytest

from cpwc_keras.app.scratch import LOCK, remove_leftovers, scratch_folder

PAGE = """
from cpwc_keras.app.scratch import scratch_folder
with scratch_folder() as root:
    (root / "visit").mkdir()
    (root / "visit" / "Doe^Jane.dcm").touch()
    print(root, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def temporary(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_it_is_this_users_alone_and_gone_afterwards(temporary):
    with pytest.raises(KeyboardInterrupt), scratch_folder() as root:
        assert root.parent == temporary and root.stat().st_mode & 0o777 == 0o700
        (root / "visit").mkdir()
        (root / "visit" / "file").touch()
        raise KeyboardInterrupt
    assert not list(temporary.iterdir())


def test_what_a_killed_page_left_is_deleted_by_the_next(temporary):
    with subprocess.Popen([sys.executable, "-c", PAGE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as page:
        root = temporary / page.stdout.readline().decode().strip()
        remove_leftovers()
        assert (root / "visit" / "Doe^Jane.dcm").exists(), "while it is served"
        page.kill()
    assert (root / "visit" / "Doe^Jane.dcm").exists()
    with scratch_folder() as other:
        assert list(temporary.iterdir()) == [other]


def test_what_only_looks_like_a_page_s_stays(temporary):
    (temporary / "cpwc-keras-app-mine").mkdir()
    (temporary / "cpwc-keras-app-mine" / "thesis").touch()
    (temporary / "cpwc-keras-app-empty").mkdir()
    remove_leftovers()
    assert (temporary / "cpwc-keras-app-mine" / "thesis").exists()
    assert not (temporary / "cpwc-keras-app-empty").exists(), "a page was killed before it began"


def test_pages_that_start_and_end_at_once_leave_each_other_alone(temporary):
    """Each makes its folder and then locks it; between the two the others take it for a leftover."""
    lost, start = [], threading.Barrier(6)

    def page():
        start.wait()
        for _ in range(60):
            with scratch_folder() as root:
                (root / "visit").mkdir()
                remove_leftovers()
                if not ((root / LOCK).exists() and (root / "visit").exists()):
                    lost.append(root)

    pages = [threading.Thread(target=page) for _ in range(6)]
    for thread in pages:
        thread.start()
    for thread in pages:
        thread.join()
    assert not lost and not list(temporary.iterdir())
