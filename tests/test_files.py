"""Nothing is ever half-written."""

import errno
import os
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from cpwc_keras.data_prep.simulation.frame_store import FrameStore
from cpwc_keras.errors import InputError
from cpwc_keras.files import atomic_hdf5, atomic_path, lock_file, locked_folder, output_folder


def test_the_file_appears_whole_and_at_once(tmp_path):
    target = tmp_path / "deep" / "weights.tar.gz"
    with atomic_path(target) as beside:
        assert beside.parent == target.parent and beside.name.endswith(".tar.gz")
        beside.write_bytes(b"abc")
        assert not target.exists()
    assert target.read_bytes() == b"abc" and list(target.parent.iterdir()) == [target]


def test_a_failure_leaves_the_old_file_alone(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT])
def test_the_systems_refusal_becomes_one_sentence(tmp_path, number):
    with pytest.raises(InputError, match=r"a\.h5: cannot be written") as error, atomic_path(tmp_path / "a.h5"):
        raise OSError(number, os.strerror(number))
    assert "\n" not in str(error.value) and list(tmp_path.iterdir()) == []


def test_h5py_hides_the_number_in_its_message(tmp_path):
    with pytest.raises(InputError, match="disk is full"), atomic_path(tmp_path / "a.h5"):
        raise OSError("[Errno 28] Unable to write (file write failed: errno = 28, error message = 'No space left')")


def test_hdf5_survives_a_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with atomic_hdf5(tmp_path / "a.h5") as file:
        file["x"] = np.arange(5)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["x"][()].tolist() == [0, 1, 2, 3, 4]
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="disk is full"), atomic_hdf5(tmp_path / "b.h5") as file:
        file["x"] = np.arange(5)
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_other_errors_of_the_system_are_not_dressed_up(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a"):
        raise FileNotFoundError(errno.ENOENT, "something else")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="stands where the folder should be"):
        output_folder(tmp_path / "file")
    with pytest.raises(InputError, match="not a folder"):
        output_folder(tmp_path / "file" / "run")


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="needs a folder nobody can write to")
def test_an_unwritable_folder_is_found_before_work_starts():
    with pytest.raises(InputError, match="choose another output folder"):
        output_folder("/proc/cpwc")


def test_a_folder_is_locked_for_one_run_at_a_time(tmp_path):
    folder = tmp_path / "deep" / "run"
    with locked_folder(folder) as held:
        assert held == folder
        with pytest.raises(InputError, match="another run is writing"), locked_folder(folder):
            pass
    assert list(folder.iterdir()) == []
    with pytest.raises(RuntimeError), locked_folder(folder):
        raise RuntimeError
    with locked_folder(folder):
        pass


def test_a_killed_run_leaves_neither_lock_nor_fragments(tmp_path):
    program = (
        "import os, sys; from cpwc_keras.files import atomic_path, locked_folder\n"
        "with locked_folder(sys.argv[1]) as folder, atomic_path(folder / 'a' / 'b.h5') as beside:\n"
        "    beside.write_bytes(b'half'); print('writing', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout.readline() == "writing\n"
        with pytest.raises(InputError, match="another run is writing"), locked_folder(tmp_path):
            pass
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert len(list((tmp_path / "a").iterdir())) == 1
    (tmp_path / ".notes.partial.txt").touch()  # not one of ours
    with locked_folder(tmp_path):
        assert list((tmp_path / "a").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [".notes.partial.txt", "a"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, None])
def test_without_locks_in_the_file_system_the_folder_is_used_all_the_same(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    if number is None:  # Windows
        monkeypatch.setattr("cpwc_keras.files.fcntl", None)
    else:
        monkeypatch.setattr("fcntl.flock", refuse)
    with locked_folder(tmp_path) as folder:
        assert list(folder.iterdir()) == []
    with FrameStore(tmp_path / "store", b"key", (2,)) as store:
        store.append(np.ones(2, np.uint8))
    with FrameStore(tmp_path / "store", b"key", (2,)) as store:
        assert len(store) == 1


def test_a_locked_file_belongs_to_one(tmp_path):
    with open(tmp_path / "a", "wb") as first, open(tmp_path / "a", "ab") as second:
        assert lock_file(first)
        with pytest.raises(BlockingIOError):
            lock_file(second)
