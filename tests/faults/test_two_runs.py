"""Two runs in one folder: the second is told, the first is not disturbed."""

from types import SimpleNamespace

import pytest
from small_commands import COMMANDS, provide

from cpwc_keras.errors import InputError
from cpwc_keras.files import atomic_path, locked_folder

LOCKED = [name for name in COMMANDS if name != "contour"]  # which writes its two files in a moment, each whole
NAMES = [pytest.param(name, marks=pytest.mark.slow) if name == "pretrain" else name for name in LOCKED]


@pytest.mark.parametrize("name", NAMES)
def test_the_second_run_is_told(name, command, tmp_path):
    provide(tmp_path)
    with locked_folder(tmp_path / "out") as folder, atomic_path(folder / "begun.h5") as begun:
        begun.write_bytes(b"half")
        before = sorted(folder.iterdir())
        done = command(name, *COMMANDS[name], folder=tmp_path)
        assert done.returncode == 2 and "another run is writing to this folder" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1 and sorted(folder.iterdir()) == before
    assert (tmp_path / "out" / "begun.h5").read_bytes() == b"half"


def test_what_a_living_process_writes_without_the_lock_is_left_alone(tmp_path):
    """As a notebook does with `result.save` while a command works in the same folder."""
    with atomic_path(tmp_path / "strain.csv") as beside:
        beside.write_text("half")
        with locked_folder(tmp_path):
            assert beside.exists()
    assert (tmp_path / "strain.csv").read_text() == "half"


def test_a_run_in_a_folder_around_another_leaves_it_alone(tmp_path):
    """What lies half-written in the inner folder belongs to a run that is alive."""
    outer, inner = tmp_path / "runs", tmp_path / "runs" / "a" / "b"
    with locked_folder(inner), atomic_path(inner / "sub" / "weights.h5") as beside:
        beside.write_bytes(b"half")
        (outer / "a" / ".old.h5.4194305.partial.h5").touch()
        with locked_folder(outer):
            assert not (outer / "a" / ".old.h5.4194305.partial.h5").exists() and beside.exists()
    assert (inner / "sub" / "weights.h5").read_bytes() == b"half"


def test_folders_that_no_command_makes_are_not_searched(tmp_path):
    """The output folder may be somebody's home."""
    deep, secret = tmp_path / "a/b/c/d/e", tmp_path / ".cache"
    for folder in (deep, secret):
        folder.mkdir(parents=True)
        (folder / ".x.h5.4194305.partial.h5").touch()
    with locked_folder(tmp_path):
        pass
    assert (deep / ".x.h5.4194305.partial.h5").exists() and (secret / ".x.h5.4194305.partial.h5").exists()


def test_a_second_export_of_the_same_name(tmp_path):
    from cpwc_keras.models.export import export_network

    network = SimpleNamespace(image_channels=1)  # nothing else of it is asked for so early
    with locked_folder(tmp_path / ".a.onnx.export"), pytest.raises(InputError, match="another run is writing"):
        export_network(network, tmp_path / "a.onnx", "onnx")


def test_a_second_ablation(tmp_path):
    from cpwc_keras.studies.ablation_run import Plan, run

    work = Plan(ablation=None, folder=tmp_path / "table", trainings=(), cases=(), test_recordings=0)
    with locked_folder(work.folder), pytest.raises(InputError, match="another run is writing"):
        run(work)
