import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))
from affine_hearts import write

COMMAND = Path(sys.executable).with_name("cpwc-keras")
TRACKERS = Path(__file__).parents[1] / "studies" / "affine_hearts.py"


@pytest.fixture
def evaluate(command, tmp_path):
    """Standard output and standard error of the command, given in the test's own folder."""

    def run(*arguments, code=0):
        return checked(command("evaluate", *arguments, folder=tmp_path), code)

    return run


def checked(done, code=0):
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def test_a_table_and_a_report(evaluate, tmp_path):
    write(tmp_path / "data", seeds=(0, 1, 2), variants=("clean", "reverberation"))
    options = ("zero", f"truth={TRACKERS}:truth", "--dataset", "sequences=data", "-o", "out")
    wide = {**os.environ, "COLUMNS": "200"}
    shell = subprocess.run(
        [COMMAND, "evaluate", *options], cwd=tmp_path, env=wide, capture_output=True, text=True, check=False
    )
    out, _ = checked(shell)
    assert "2 trackers on 6 recordings of 3 patients" in out and "zero" in out and "c-PWC-Net-60A" in out
    folder = tmp_path / "out"
    assert {"report.html", "table.md", "results.csv", "timing.csv", "results", "figures", "videos"} <= {
        path.name for path in folder.iterdir()
    }
    with open(folder / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert all(abs(float(row["epe_mm"])) < 1e-4 for row in rows if row["tracker"] == "truth")
    before = (folder / "results.csv").read_bytes()
    out, _ = evaluate(*options, "--no-videos", "--workers", 2)
    assert "12 were there already" in out and (folder / "results.csv").read_bytes() == before
    assert not list(folder.rglob("*.partial*")) and not (folder / ".cpwc-keras.lock").exists()


@pytest.mark.parametrize("metrics", ["epe", "contours", "strain", "segments"])
def test_one_metric_alone_has_its_report(evaluate, tmp_path, metrics):
    write(tmp_path / "data", seeds=(0,))
    evaluate("zero", "--dataset", "sequences=data", "-o", "out", "--metrics", metrics)
    assert (tmp_path / "out/report.html").is_file() and list((tmp_path / "out/videos").glob("*.mp4"))


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_evaluation_goes_on(evaluate, tmp_path, signal_number):
    write(tmp_path / "data", seeds=(0, 1, 2))
    options = (f"truth={TRACKERS}:slow", "--dataset", "sequences=data", "--no-videos", "-o")
    command = [COMMAND, "evaluate", *options, "out"]
    slowly = {**os.environ, "SECONDS_A_PAIR": "0.2"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=slowly, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob("results/truth/p*.h5")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal_number)
    _, err = process.communicate(timeout=30)
    if signal_number == signal.SIGINT:
        assert process.returncode == 130 and "the same command goes on" in err and "Traceback" not in err
    out, _ = evaluate(*options, "out")
    assert "were there already" in out
    evaluate(*options, "whole")
    assert (tmp_path / "out/results.csv").read_bytes() == (tmp_path / "whole/results.csv").read_bytes()


def test_failures_are_said_and_counted(evaluate, tmp_path):
    write(tmp_path / "data", seeds=(0,))
    arguments = ("zero", f"lost={TRACKERS}:nowhere", "--dataset", "sequences=data", "-o", "out", "--no-videos")
    out, err = evaluate(*arguments, code=2)
    assert err.startswith("Error: lost on p0_clean: ") and len(err.strip().splitlines()) == 1
    assert "1 failed" in out and "1 failed" in (tmp_path / "out/table.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("zero", "--dataset", "sequences"), "expected NAME=FOLDER"),
        (("zero", "--dataset", "chairs=data"), "cannot be measured on"),
        (("zero", "--dataset", "sequences=absent"), "absent"),
        (("zero", "--dataset", "sequences=data", "--variants", "fog"), "'fog'"),
        (("zero", "--dataset", "sequences=data", "--beat", "1"), "beat"),
        (("zero", "--dataset", "sequences=data", "--spacing", "0", "1"), "spacing"),
        (("zero", "--dataset", "sequences=data", "--metrics", "beauty"), "'beauty' is no metric"),
        (("zero", "--dataset", "sequences=data", "--metrics", "epe,closure"), "'closure' needs real loops"),
        (("nonsense", "--dataset", "sequences=data"), "neither a tracker"),
        (("zero", "zero", "--dataset", "sequences=data"), "called 'zero'"),
    ],
)
def test_a_mistake_is_one_sentence(evaluate, tmp_path, arguments, said):
    write(tmp_path / "data", seeds=(0,))
    _, err = evaluate(*arguments, "-o", "out", code=2)
    assert said in err and not (tmp_path / "out").exists()
    assert err.startswith("Usage") or len(err.strip().splitlines()) == 1
