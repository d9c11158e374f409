"""A few damaged and all hostile files for every reader; `python tests/fuzz/campaign.py` does thousands."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).with_name("campaign.py")
LIGHT = (
    "dicom", "nifti, metaimage", "sequence", "tracking", "contour import", "flow", "image", "mat", "experiment",
    "record", "dataset",
)  # fmt: skip
"""Those that start no programs and build no networks."""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox needs Linux")


def _run(readers, *options, timeout):
    chosen = [word for reader in readers for word in ("--reader", reader)]
    command = [sys.executable, str(CAMPAIGN), *chosen, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
    return done.stdout


def test_readers_accept_or_refuse(tmp_path):
    figures = tmp_path / "figures.json"
    table = _run(LIGHT, "--inputs", "10", "--small", "--json", str(figures), timeout=900)
    assert table.count("\n| ") >= len(LIGHT)
    tallies = json.loads(figures.read_text())
    assert [tally["reader"] for tally in tallies] == list(LIGHT)
    assert all(sum(tally["counts"].values()) == tally["inputs"] > 10 for tally in tallies)


@pytest.mark.slow
def test_all_readers_accept_or_refuse_more():
    _run((), "--inputs", "150", "--seed", "1", timeout=7200)
