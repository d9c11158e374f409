import errno
import json
import os
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import cpwc_keras
from cpwc_keras.cli.main import main
from cpwc_keras.cli.track import demo, track
from cpwc_keras.io.contours import Contour, write_contour
from cpwc_keras.io.sequence_file import write_sequence
from cpwc_keras.types import CineLoop, Sequence

ANGLE = np.linspace(np.pi, 2 * np.pi, 13)
ARCH = np.stack([40 + 20 * np.cos(ANGLE), 60 + 40 * np.sin(ANGLE)], -1)
FILES = {"tracking.h5", "strain.csv", "summary.json", "overlay.mp4", "overlay.png", "strain.png"}


@pytest.fixture
def inputs(tmp_path):
    """A loop without spacing and a contour that fits it."""
    rng = np.random.default_rng(0)
    frames = np.stack([rng.random((80, 90), np.float32)] * 4) * np.linspace(0.8, 1, 4, dtype=np.float32)[:, None, None]
    write_sequence(tmp_path / "loop.h5", Sequence(CineLoop(frames), mesh=np.zeros((4, 36, 5, 2), np.float32)))
    write_contour(tmp_path / "ed.json", Contour(ARCH, 0, (80, 90), note="By nobody."))
    return tmp_path


def run(inputs, *options, loop="loop.h5", contour="ed.json", output="out"):
    paths = [str(inputs / loop), "--contour", str(inputs / contour), "-o", str(inputs / output)]
    return [*paths, "--tracker", "farneback", *options]


def test_demo_writes_everything_and_says_who_drew_the_contour(tmp_path):
    result = CliRunner().invoke(demo, ["-o", str(tmp_path / "demo"), "--tracker", "farneback"], catch_exceptions=False)
    assert result.exit_code == 0
    assert {path.name for path in (tmp_path / "demo").iterdir()} == FILES
    for word in ("drawn by eye", "GLS", "MAPSE", "mm", "640×480", "summary.json"):
        assert word in result.output
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert summary["ed_frame"] == 22 and summary["es_estimated"] and summary["tracker"] == "farneback"


def test_track_without_spacing_is_in_pixels_and_warns(inputs):
    result = CliRunner().invoke(track, run(inputs, "--es", "2"), catch_exceptions=False)
    assert result.exit_code == 0 and "lengths are in pixels" in " ".join(result.output.split())
    assert "annular_excursion_px" in json.loads((inputs / "out" / "summary.json").read_text())


def test_options_arrive(inputs):
    options = [
        "--spacing",
        "0.5",
        "0.25",
        "--frame-rate",
        "40",
        "--ed",
        "1",
        "--es",
        "3",
        "--no-composition",
        "--reach",
        "2",
        "--dense-flow",
    ]
    result = CliRunner().invoke(track, run(inputs, *options), catch_exceptions=False)
    assert result.exit_code == 0
    summary = json.loads((inputs / "out" / "summary.json").read_text())
    assert summary["spacing_mm"] == [0.5, 0.25] and summary["frame_rate_hz"] == 40
    assert (summary["ed_frame"], summary["es_frame"], summary["es_estimated"]) == (1, 3, False)
    assert summary["reach_frames"] == 2 and summary["settings"]["engine"] is None
    assert summary["composition"] is False and summary["settings"]["dense_flow"] is True
    assert summary["input_sha256"] == cpwc_keras.io.input_file.sha256(inputs / "loop.h5")


def fails(monkeypatch, capfd, arguments):
    """Exit code 2, one sentence on standard error, nothing on standard output."""
    monkeypatch.setattr(sys, "argv", ["cpwc-keras", *arguments])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    out, error = capfd.readouterr()
    assert out == "" and error.startswith("Error: ") and error.count("\n") == 1
    return error


def test_bad_input_is_one_sentence_and_leaves_nothing_behind(inputs, monkeypatch, capfd):
    write_contour(inputs / "outside.json", Contour(ARCH + np.array([60, 0])))
    write_contour(inputs / "other.json", Contour(ARCH, image_size=(480, 640)))
    around = {"format": "cpwc-keras contour", "version": 1, "points": [*ARCH.tolist(), ARCH[0].tolist()]}
    (inputs / "closed.json").write_text(json.dumps(around))
    (inputs / "one.json").write_text('{"format": "cpwc-keras contour", "version": 1, "points": [[1, 2]]}')
    (inputs / "damaged.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(90))
    before = sorted(inputs.iterdir())
    cases = [
        (run(inputs, contour="outside.json"), "within the image"),
        (run(inputs, contour="one.json"), "one point"),
        (run(inputs, contour="absent.json"), "cannot be opened"),
        (run(inputs, loop="absent.dcm"), "cannot be opened"),
        (run(inputs, "--ed", "9"), "Error: --ed 9 is out of range: the loop has 4 frames, 0 to 3; "),
        (run(inputs, "--es", "-1"), "Error: --es -1 is out of range: "),
        (run(inputs, "--spacing", "0", "1"), "must be positive"),
        (run(inputs, "--es", "4"), "or leave --es out."),
        (run(inputs, contour="closed.json"), "`cpwc-keras contour` opens it"),
        (run(inputs, "--ed", "2", "--es", "2"), "Error: --ed and --es: end-systole and end-diastole are both frame 2"),
        (run(inputs, "--es", "0"), "Error: --es: end-systole and end-diastole are both frame 0"),
        (run(inputs, contour="other.json"), "480×640"),
        (run(inputs, "--frame-rate", "-1"), "must be positive"),
        (run(inputs, "--tracker", "nonsense"), "nonsense"),
        (run(inputs, "--tracker", str(inputs / "damaged.h5")), "damaged.h5"),
        (run(inputs, output="loop.h5"), "file"),
    ]
    for arguments, found in cases:
        assert found in fails(monkeypatch, capfd, ["track", *arguments])
        assert sorted(inputs.iterdir()) == before


def test_the_output_folder_is_proven_before_the_long_work(inputs, monkeypatch, capfd):
    monkeypatch.setattr("cpwc_keras.tracking.cine.track", None)  # calling it would be another error
    assert "loop.h5/deeper" in fails(monkeypatch, capfd, ["track", *run(inputs, output="loop.h5/deeper")])


def test_demo_with_an_unknown_tracker_leaves_nothing_behind(tmp_path, monkeypatch, capfd):
    assert "nonsense" in fails(monkeypatch, capfd, ["demo", "-o", str(tmp_path / "demo"), "--tracker", "nonsense"])
    assert not (tmp_path / "demo").exists()


def test_a_full_disk_is_named(inputs, monkeypatch, capsys):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(sys, "argv", ["cpwc-keras", "track", *run(inputs)])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "disk is full" in capsys.readouterr().err
    assert not list((inputs / "out").iterdir())


def test_help_says_what_is_needed():
    text = CliRunner().invoke(track, ["--help"]).output
    for word in ("DICOM", "MP4", "basal septal", '"format": "cpwc-keras contour"', "--spacing", "strain.csv"):
        assert word in text
