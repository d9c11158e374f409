"""A short campaign of kills and resumes; `python benchmarks/faults.py` is the long one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "faults.py"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("name", ["simulate", "prepare", "train", "evaluate", "track"])
def test_killed_and_taken_up_again(name, tmp_path):
    command = [sys.executable, SCRIPT, "--kills", "4", "--commands", name, "--work", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert json.loads(lines[-1])["kills"] == 4 and json.loads(lines[-1])["faults"] == []
