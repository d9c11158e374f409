"""`cpwc-keras prepare`: exit codes, one sentence, kill -9, two at once."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dataset_layouts import write_alessandrini, write_camus, write_medicaid, write_ted

COMMAND = Path(sys.executable).with_name("cpwc-keras")


def start(*arguments):
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.Popen(
        [COMMAND, *map(str, arguments)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def shell(*arguments):
    process = start(*arguments)
    output, errors = process.communicate()
    return subprocess.CompletedProcess(arguments, process.returncode, output, errors)


@pytest.fixture
def run(command):
    """What the command said: its complaint where it ends with code 2, or else its output."""

    def said(*arguments, code=0, run=command):
        done = run(*arguments)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr.strip() if code == 2 and done.stderr.strip() else done.stdout

    return said


@pytest.fixture(scope="module")
def camus(tmp_path_factory):
    root = tmp_path_factory.mktemp("camus")
    for number in range(1, 9):
        write_camus(root, f"patient{number:04d}", half_sequence=True)
    return root


def test_what_was_prepared_can_be_looked_at_and_verified(camus, run, tmp_path):
    out = tmp_path / "out"
    shown = run("prepare", "camus", "--root", camus, "-o", out, "--patients", "patient0001,patient0002", run=shell)
    assert "camus: 4 recordings to convert, about 0." in shown and "4 converted" in shown
    assert "files/s" in shown and "not ground truth" in shown
    record = json.loads((out / "record.json").read_text())
    assert record["sequences"][0] == "patient0001_4CH_ED-ES" and not record["skipped"]
    assert record["licence"].startswith("CC BY-NC-SA 4.0")
    survey = json.loads(run("info", "sequences", "--root", out, "--json", run=shell))
    assert (survey["n_items"], survey["n_patients"], survey["variants"]) == (4, 2, {"ED-ES": 2, "half sequence": 2})
    assert survey["strain_percent"]["low"] < 0 and not survey["unreadable"] and not survey["orphans"]
    assert "4 of 4 items" in run("verify", "sequences", "--root", out, run=shell)
    again = run("prepare", "camus", "--root", camus, "-o", out, "--patients", "patient0001,patient0002")
    assert "0 recordings to convert; 4 are there already." in again


def test_the_motion_datasets(run, tmp_path):
    write_medicaid(tmp_path / "medicaid/patient001")
    write_alessandrini(tmp_path / "alessandrini/GE/A4C/normal")
    write_ted(tmp_path / "ted")
    for dataset in ("medicaid", "alessandrini", "ted"):
        shown = run("prepare", dataset, "--root", tmp_path / dataset, "-o", tmp_path / "out" / dataset)
        assert "1 converted" in shown and ("not ground truth" in shown) == (dataset == "ted")
    assert "3 of 3 items" in run("verify", "sequences", "--root", tmp_path / "out")


def test_exit_codes_say_what_was_left_out(run, tmp_path):
    def erase(labels):
        labels[labels == 2] = 0

    write_camus(tmp_path / "in", "patient0001")
    write_camus(tmp_path / "in", "patient0002", damage=erase)
    command = ("prepare", "camus", "--root", tmp_path / "in", "-o", tmp_path / "out")
    shown = run(*command, code=1)
    assert "left out: patient0002_4CH_ED-ES: The mask of frame 0 gives no mesh. The segmentation has no myo" in shown
    assert "1 converted" in shown and "1 left out" in shown
    (tmp_path / "in/patient0001/patient0001_4CH_ED.nii.gz").write_bytes(b"")
    shown = run(*command, "--overwrite", code=2)
    assert "patient0001_4CH_ED.nii.gz: found" in shown and "2 left out" in shown
    assert len(json.loads((tmp_path / "out/record.json").read_text())["skipped"]) == 2


def test_mistakes_are_one_sentence_and_leave_nothing(camus, run, tmp_path):
    def sentence(dataset, root, *more):
        errors = run("prepare", dataset, "--root", root, "-o", tmp_path / "out", *more, code=2)
        assert errors.startswith("Error: ") and "\n" not in errors
        return errors

    (tmp_path / "empty").mkdir()
    for dataset in ("medicaid", "alessandrini", "camus", "ted"):
        assert "an empty folder, expected" in sentence(dataset, tmp_path / "empty")
    assert "found no such folder" in sentence("camus", tmp_path / "nowhere")
    assert "has no split 'train'" in sentence("camus", camus, "--split", "train")
    assert "has no patient 'x'" in sentence("camus", camus, "--patients", "x")
    assert "none of its 16 recordings" in sentence("camus", camus, "--view", "2CH")
    assert not (tmp_path / "out").exists()


def test_the_real_motion_without_images_points_to_the_simulation(shared_data, run, tmp_path):
    root = shared_data / "alessandrini2018"
    errors = run("prepare", "alessandrini", "--root", root, "-o", tmp_path / "out", code=2)
    assert "motion of 105 sequences but no images" in errors and "simulate --templates alessandrini" in errors


def test_the_real_camus(shared_data, run, tmp_path):
    shown = run("prepare", "camus", "--root", shared_data / "camus", "-o", tmp_path, "--patients", "patient0001")
    assert "1 converted" in shown
    assert "1 of 1 items" in run("verify", "sequences", "--root", tmp_path)


def test_killed_started_again_and_two_at_once(camus, run, tmp_path):
    command = ("prepare", "camus", "--root", camus, "-o", tmp_path / "out", "--workers", 2)
    first = start(*command)
    while first.poll() is None and not list((tmp_path / "out").glob("*.h5")):
        time.sleep(0.002)
    if first.poll() is None:
        first.send_signal(signal.SIGSTOP)
        second = run(*command, "--overwrite", code=2)
        assert "another run is writing to this folder" in second
        first.send_signal(signal.SIGKILL)
    first.communicate()  # its workers end with it, or this would wait for ever
    assert "are there already" in run(*command)
    run("prepare", "camus", "--root", camus, "-o", tmp_path / "straight", "--workers", 1)
    for folder in ("out", "straight"):
        assert len(list((tmp_path / folder).iterdir())) == 17
    for path in (tmp_path / "straight").iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
