"""`cpwc-keras simulate`: what it writes, exit codes, one sentence for each mistake."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cpwc_keras.data.sequences import find

COMMAND = Path(sys.executable).with_name("cpwc-keras")
QUICK = ("--elements", 8, "--beams", 24, "--density", 1, "--frames", 3)


def start(*arguments, folder):
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.Popen(
        [COMMAND, "simulate", *map(str, arguments)], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.fixture
def simulate(command, tmp_path):
    """Standard output and standard error of the command, given in the test's own folder."""

    def run(*arguments, code=0):
        done = command("simulate", *arguments, folder=tmp_path)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout, done.stderr

    return run


@pytest.fixture
def sentence(simulate):
    def run(*arguments):
        _, err = simulate(*arguments, code=2)
        assert len(err.strip().splitlines()) == 1, err
        return err.strip()

    return run


def test_procedural_hearts_with_previews_and_again(simulate, tmp_path):
    options = ("--procedural", 2, *QUICK, "-o", "out", "--preview")
    process = start(*options, folder=tmp_path)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0 and "Traceback" not in err, err
    assert "4 files were made" in out and "images/s" in out
    items = find(tmp_path / "out")
    assert len(items) == 4 and {item.variant for item in items} == {"clean", "reverberation"}
    assert len({item.patient for item in items}) == 2
    for item in items:
        assert item.files[0].with_suffix(".png").stat().st_size > 1000
        assert item.files[0].with_suffix(".mp4").stat().st_size > 1000
        assert item.read().loop.frames.max() > 0.3
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert len(record["files"]) == 4 and record["settings"]["transducer"]["elements"] == 8
    out, _ = simulate(*options)
    assert "0 files were made, 4 were there already" in out


def test_what_was_simulated_can_be_trained_on(simulate, tmp_path):
    """Training itself is the matter of other tests: it sees nothing but the pairs of this source."""
    from cpwc_keras.training.experiment import load_experiment
    from cpwc_keras.training.sources import make_source

    options = ("--engine", "surrogate", "--frames", 3, "--elements", 32, "--beams", 48, "--depth", 110, "--sector", 60,
               "--focus", 60, "--attenuation", 0.5, "--bandwidth", 0.6, "--variants", "clean", "-o", "out")  # fmt: skip
    simulate("--procedural", 2, *options)
    folders = {"sequences": str(tmp_path / "out")}
    experiment = load_experiment("transfer", datasets=folders, steps=2, crop=(64, 64), validation_pairs=1)
    source = make_source(experiment, tmp_path / "run")
    assert source.record["sequences"]["found"] == 2
    pairs = [source.training.sample(index) for index in range(8)]
    assert any(pair.mask.any() and np.abs(pair.flow[pair.mask > 0]).max() > 0.5 for pair in pairs)
    assert all(pair.image1.shape == (64, 64) and np.isfinite(pair.flow).all() for pair in pairs)


def test_a_preview_that_cannot_be_written_is_reported_at_the_end(simulate, tmp_path):
    options = ("--procedural", 2, *QUICK, "--variants", "clean", "-o", "out", "--preview")
    (tmp_path / "out" / "procedural-0-0_clean.png").mkdir(parents=True)
    out, err = simulate(*options, code=2)
    assert "2 files were made" in out
    assert err.startswith("Error: procedural-0-0_clean.h5: ") and len(err.strip().splitlines()) == 1
    assert (tmp_path / "out" / "procedural-0-1_clean.mp4").is_file()


def test_ctrl_c_is_130_and_the_run_goes_on(tmp_path):
    options = ("--procedural", 30, "--elements", 24, "--beams", 24, "--frames", 10, "-o", "out", "--variants", "clean")
    process = start(*options, folder=tmp_path)
    deadline = time.monotonic() + 120
    while not any(path.stat().st_size > 500_000 for path in (tmp_path / "out").glob(".*.frames")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "interrupted; the same command goes on" in err and "Traceback" not in err
    assert not list((tmp_path / "out").glob("*.partial*"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--procedural", 1, "--variants", "fog"), "'fog'"),
        (("--procedural", 1, "--elements", 1), "elements is 1; expected a whole number from 2"),
        (("--procedural", 1, "--frequency", 0), "centre_frequency_mhz"),
        (("--procedural", 1, "--pitch", 0.1), "width_mm"),
        (("--procedural", 1, "--beams", 1), "beams is 1"),
        (("--procedural", 1, "--gamma", 9), "gamma"),
        (("--procedural", 1, "--dynamic-range", "nan"), "dynamic range"),
        (("--procedural", 1, "--density", 0), "density"),
        (("--procedural", 1, "--decorrelation", 2), "decorrelation"),
        (("--procedural", 1, "--artifact-structures", -1), "structures"),
        (("--procedural", 1, "--haze", 0, "--variants", "clean"), "Haze"),
        (("--procedural", 1, "--patients", "nobody"), "'nobody'"),
        (("--procedural", 1, "--views", "A2C"), "'A2C'; there are 'A4C'"),
        (("--templates", "camus", "--root", "absent"), "absent"),
        (("--procedural", 1, "--frequency", 5, "--pitch", 0.15, "--width", 0.1, "--density", 1000), "scatterers need"),
        (("--procedural", 1, "--seed", 2**63), "seed is"),
        (("--procedural", 1, "--bandwidth", 3), "bandwidth"),
        (("--procedural", 1, "--attenuation", -1), "attenuation"),
        (("--procedural", 1, "--focus", 1), "focus_mm"),
        (("--procedural", 1, "--sector", 1), "sector_deg"),
        (("--procedural", 1, "--depth", 300), "asked for are"),
        (("--procedural", 1, "--scheduler", "tcp://127.0.0.1:1"), "no Dask scheduler"),
    ],
)
def test_mistakes_are_one_sentence_and_write_no_sequence(options, said, sentence, tmp_path):
    assert said in sentence(*options, "-o", "out")
    assert not list(tmp_path.rglob("*.h5"))


def test_wrong_usage(simulate, tmp_path):
    for options in ((), ("--procedural", 1, "--templates", "camus"), ("--templates", "camus"), ("--procedural", 0)):
        _, err = simulate(*options, code=2)
        assert "Usage" in err
    assert not list(tmp_path.iterdir())


def test_other_settings_in_the_same_folder(simulate, sentence, tmp_path):
    options = ("--procedural", 1, *QUICK, "--variants", "clean", "-o", "out")
    simulate(*options)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.h5")}
    said = sentence(*options, "--decorrelation", 0.1)
    assert "decorrelation 0.0 instead of 0.1" in said and "overwrite" in said
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.h5")} == before
    simulate(*options, "--decorrelation", 0.1, "--overwrite")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.h5")} != before


def test_an_output_folder_that_cannot_be(sentence, tmp_path):
    (tmp_path / "file").write_text("")
    assert "file" in sentence("--procedural", 1, *QUICK, "-o", "file")
