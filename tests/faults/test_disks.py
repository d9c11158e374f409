"""Disks that are full or may not be written to: one sentence, nothing half-written, and the same command goes on."""

import subprocess

import pytest
from small_commands import COMMANDS, hidden, provide

from cpwc_keras.data_prep.simulation.frame_store import FrameStore
from cpwc_keras.files import WriteError
from cpwc_keras.training.events import Events

NAMES = [pytest.param(name, marks=pytest.mark.slow) if name == "pretrain" else name for name in COMMANDS]


@pytest.fixture
def disk(tmp_path):
    """Mounts a small disk on `out`, and changes it: a function of the mount's options."""
    folder = tmp_path / "out"
    folder.mkdir()

    def mount(options):
        return subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
        )

    try:
        works = mount("size=16k").returncode == 0
    except FileNotFoundError:
        works = False
    if not works:
        pytest.skip("no file system can be mounted here")
    yield lambda options: mount(f"remount,{options}")
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_and_then_room(name, command, disk, tmp_path):
    provide(tmp_path)
    done = command(name, *COMMANDS[name], folder=tmp_path)
    assert done.returncode == 2 and "free some space" in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert all(name.endswith(".frames") for name in hidden(tmp_path / "out"))  # in which `simulate` keeps finished ones
    disk("size=64m")
    done = command(name, *COMMANDS[name], folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert hidden(tmp_path / "out") == []


@pytest.mark.parametrize("name", NAMES)
def test_a_read_only_disk(name, command, disk, tmp_path):
    provide(tmp_path)
    disk("ro,size=64m")
    done = command(name, *COMMANDS[name], folder=tmp_path)
    assert done.returncode == 2 and "the file system is read-only" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and list((tmp_path / "out").iterdir()) == []


def test_events_on_a_full_disk_are_refused_at_once(disk, tmp_path):
    """TensorBoard's own writer has a thread, which ended with a traceback, and the run with another error."""
    events = Events(tmp_path / "out")
    with pytest.raises(WriteError, match="disk is full"):
        for step in range(1000):
            events.scalars(step, {"loss": 1.0})
    events.close()


def test_a_file_that_is_too_large_for_the_limit(tmp_path):
    """The file's size is limited by the shell; the system then ends what does not ignore its signal."""
    resource = pytest.importorskip("resource")
    import numpy as np

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with (
            pytest.raises(WriteError, match="larger than the file system or your limit allows"),
            FrameStore(tmp_path / "store", b"key", (30, 30)) as store,
        ):
            for _ in range(3):
                store.append(np.ones((30, 30), np.uint8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with FrameStore(tmp_path / "store", b"key", (30, 30)) as store:
        assert len(store) == 1
