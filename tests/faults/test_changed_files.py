"""Files that change, shrink or vanish while they are read."""

import json
import shutil

import pytest
from small_commands import COMMANDS, provide, write

from cpwc_keras.data.augmentation import EchoAugmentation
from cpwc_keras.data.catalog import open_dataset
from cpwc_keras.data.pairs import PairPolicy
from cpwc_keras.data.pipeline import PairSampler
from cpwc_keras.errors import InputError
from cpwc_keras.io.input_file import sha256

TRACKER = """
import numpy as np
from pathlib import Path

def flow(first, second):
    path, once = Path("data/p0_clean.h5"), Path("once")
    if once.exists():
        once.unlink()
        {change}
    return np.zeros((*first.shape, 2), np.float32)
"""
REPLACE = "path.write_bytes(Path('other.h5').read_bytes())"


@pytest.fixture
def inputs(tmp_path):
    provide(tmp_path)
    write(tmp_path / "spare", seeds=(7,))
    (tmp_path / "once").touch()
    shutil.copy(tmp_path / "spare" / "p7_clean.h5", tmp_path / "other.h5")
    return tmp_path


@pytest.mark.parametrize("change", ["path.unlink()", REPLACE])
def test_a_loop_that_changes_while_it_is_tracked(change, command, inputs):
    """The hours of tracking are not lost, and the summary names what was tracked."""
    (inputs / "mine.py").write_text(TRACKER.format(change=change))
    tracked = sha256(inputs / "data" / "p0_clean.h5")
    options = [option if option != "farneback" else "mine.py:flow" for option in COMMANDS["track"]]
    done = command("track", *options, folder=inputs)
    assert done.returncode == 0, done.stderr
    assert json.loads((inputs / "out" / "summary.json").read_text())["input_sha256"] == tracked


def test_a_recording_that_changes_while_it_is_measured_is_not_kept_for_the_old_one(command, inputs):
    old = (inputs / "data" / "p0_clean.h5").read_bytes()
    (inputs / "mine.py").write_text(TRACKER.format(change=REPLACE))
    options = ("evaluate", "mine.py:flow", "--dataset", "sequences=data", "--no-videos", "-o", "out")
    done = command(*options, folder=inputs)
    assert done.returncode == 2 and "its files have changed since the evaluation began" in done.stderr
    assert not list((inputs / "out" / "results").rglob("*.h5"))
    (inputs / "data" / "p0_clean.h5").write_bytes(old)  # as it was: nothing of the other one may be reported for it
    done = command(*options, folder=inputs)
    assert done.returncode == 0 and "there already" not in done.stdout


@pytest.mark.parametrize("change", ["gone", "shortened", "another"])
def test_training_data_that_change_end_the_run_with_a_sentence(change, inputs):
    items = open_dataset("sequences", inputs / "data")
    sampler = PairSampler(items, PairPolicy(), EchoAugmentation(crop=(64, 64)))
    path = items[0].files[0]
    if change == "gone":
        path.unlink()
    elif change == "shortened":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.write_bytes(b"something else")
    with pytest.raises(InputError, match=r"p0_clean\.h5"):
        sampler.sample(0)
