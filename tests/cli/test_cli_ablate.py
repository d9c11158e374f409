"""`cpwc-keras ablate`: a small table, interrupted and taken up again, and what mistakes get."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))
from vendor_hearts import CONFIG, write_vendors

COMMAND = Path(sys.executable).with_name("cpwc-keras")


def sentence(result):
    assert result.returncode == 2, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("Error: "), result.stderr
    return lines[0]


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    root = tmp_path_factory.mktemp("cli_hearts")
    write_vendors(root / "data")
    (root / "small.yaml").write_text(CONFIG)
    return root


def test_interrupted_and_gone_on(hearts, command):
    arguments = ["table1", "--dataset", "sequences=data", "--config", "small.yaml", "--rows", "1,2", "--steps", "60"]
    process = subprocess.Popen(
        [COMMAND, "ablate", *arguments], cwd=hearts, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    log = hearts / "runs/table1/forward-0/log.jsonl"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline and not (log.is_file() and log.stat().st_size):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130, complaint
    said = complaint.strip().splitlines()[-1]  # TensorFlow may have had its say before
    assert said == "runs/table1: interrupted; the same command goes on where it stopped."
    assert not (log.parent / "network.h5").exists() and not (hearts / "runs/table1/table.md").exists()

    result = command("ablate", *arguments, "--limit", 1, folder=hearts)
    assert result.returncode == 0, result.stderr
    assert "2 of 9 rows, measured on 1 of 2 test recordings" in result.stdout
    assert "Table I: temporal augmentation and composition (2 of 9 rows)" in result.stdout
    assert "+,0|composition" in (hearts / "runs/table1/table.csv").read_text()
    steps = [line.split(",")[0] for line in log.read_text().splitlines() if '"loss"' in line]
    assert steps == [f'{{"step": {step}' for step in range(1, 61)]


def test_mistakes_get_a_sentence_and_leave_nothing(hearts, command):
    def run(*arguments):
        return command("ablate", *arguments, folder=hearts)

    assert "table1 has no row 'x'; there are 1: +,0|none;" in sentence(run("table1", "--rows", "x"))
    assert "There is no table 'nope'" in sentence(run("nope"))
    assert "Give --dataset NAME=FOLDER" in run("table1", "--dataset", "data").stderr
    vendors = ("--test-vendor", "GE", "--validation-vendor", "Siemens")
    said = sentence(run("table1", "--dataset", "sequences=data", *vendors, "-o", "none"))
    assert "data: has no recordings of 'GE', the vendor for test" in said and "--test-vendor" in said
    assert not (hearts / "none").exists()


def test_the_rows_are_listed(hearts, command):
    result = command("ablate", "table2", "--list", folder=hearts)
    assert result.returncode == 0 and "skip=no,context=yes" in result.stdout and "0.06 ± 0.06" in result.stdout
