import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cpwc_keras.cli.contour import contour
from cpwc_keras.cli.main import main
from cpwc_keras.io.contours import read_contour
from cpwc_keras.io.sequence_file import write_sequence
from cpwc_keras.types import CineLoop, Sequence

ANGLE = np.linspace(np.pi, 2 * np.pi, 13)
ARCH = np.stack([40 + 20 * np.cos(ANGLE), 60 + 40 * np.sin(ANGLE)], -1)


@pytest.fixture
def inputs(tmp_path):
    frames = np.random.default_rng(0).random((4, 80, 90), np.float32)
    loop = CineLoop(frames, (0.5, 0.25))
    write_sequence(tmp_path / "loop.h5", Sequence(loop, mesh=np.zeros((4, 36, 5, 2), np.float32)))
    np.savetxt(tmp_path / "Jane_Doe.csv", ARCH, delimiter=",", header="x,y", comments="")
    np.savetxt(tmp_path / "mm.csv", ARCH * [0.25, 0.5], delimiter=",", header="x,y", comments="")
    angle = np.linspace(0, 2 * np.pi, 60)
    np.savetxt(tmp_path / "circle.csv", 40 + 20 * np.stack([np.cos(angle), np.sin(angle)], -1), delimiter=",")
    return tmp_path


def run(inputs, source, *options, output="ed.json"):
    arguments = [str(inputs / source), "-o", str(inputs / output), *options]
    return CliRunner().invoke(contour, arguments, catch_exceptions=False)


def test_points_become_a_contour_with_a_preview(inputs):
    result = run(inputs, "Jane_Doe.csv", "--loop", str(inputs / "loop.h5"), "--frame", "2")
    assert result.exit_code == 0 and "13 points on frame 2" in result.output
    read = read_contour(inputs / "ed.json")
    np.testing.assert_allclose(read.points, ARCH, atol=1e-3)
    assert read.frame == 2 and read.image_size == (80, 90)
    assert "Jane" not in (inputs / "ed.json").read_text(), "file names of a hospital can be names of patients"
    assert max(Image.open(inputs / "ed_preview.png").size) == 800


def test_options_arrive(inputs):
    result = run(inputs, "mm.csv", "--mm", "--spacing", "0.5", "0.25")
    assert "frame was not given" in result.output and not (inputs / "ed_preview.png").exists()
    np.testing.assert_allclose(read_contour(inputs / "ed.json").points, ARCH, atol=1e-3)
    assert "image_size" not in json.loads((inputs / "ed.json").read_text())
    run(inputs, "mm.csv", "--mm", "--loop", str(inputs / "loop.h5"))
    np.testing.assert_allclose(read_contour(inputs / "ed.json").points, ARCH, atol=1e-3)
    run(inputs, "circle.csv", "--base", "52", "56", "28", "56")
    np.testing.assert_allclose(read_contour(inputs / "ed.json").points[[0, -1]], [[52, 56], [28, 56]], atol=0.5)
    np.savetxt(inputs / "back.csv", ARCH[::-1], delimiter=",")
    assert "reversed" in run(inputs, "back.csv").output
    run(inputs, "back.csv", "--keep-order")
    np.testing.assert_allclose(read_contour(inputs / "ed.json").points, ARCH[::-1], atol=1e-3)
    shapes = [{"label": name, "points": (ARCH + k).tolist()} for k, name in enumerate(("epi", "endo"))]
    (inputs / "labelme.json").write_text(json.dumps({"shapes": shapes}))
    run(inputs, "labelme.json", "--label", "endo")
    np.testing.assert_allclose(read_contour(inputs / "ed.json").points, ARCH + 1, atol=1e-3)


def fails(monkeypatch, capfd, *arguments):
    """Exit code 2, one sentence on standard error, nothing on standard output."""
    monkeypatch.setattr(sys, "argv", ["cpwc-keras", "contour", *map(str, arguments)])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    out, error = capfd.readouterr()
    assert out == "" and error.startswith("Error: ") and error.count("\n") == 1
    return error


def test_bad_input_is_one_sentence_and_leaves_nothing_behind(inputs, monkeypatch, capfd):
    np.savetxt(inputs / "outside.csv", ARCH + np.array([60, 0]), delimiter=",")
    before = sorted(inputs.iterdir())
    source, loop, out = inputs / "Jane_Doe.csv", ("--loop", inputs / "loop.h5"), ("-o", inputs / "ed.json")
    for arguments, found in (
        ((inputs / "absent.csv", *out), "cannot be opened"),
        ((inputs / "outside.csv", *out, *loop), "within the image"),
        ((inputs / "circle.csv", *out), "--base"),
        ((source, *out, *loop, "--frame", 4), "frame 4"),
        ((source, *out, "--loop", inputs / "absent.dcm"), "cannot be opened"),
        ((source, *out, "--mm"), "size of a pixel"),
        ((source, *out, "--spacing", 1, 1), "--mm"),
        ((source, "-o", inputs / "ed.csv"), "ends in .json"),
        ((source, "-o", source / "deeper" / "ed.json"), "file"),
    ):
        assert found in fails(monkeypatch, capfd, *arguments)
        assert sorted(inputs.iterdir()) == before


def test_help_says_what_is_read():
    text = " ".join(CliRunner().invoke(contour, ["--help"]).output.split())
    for word in ("CAMUS", "EchoNet-Dynamic", "LabelMe", "VIA", "COCO", "docs/contours.md", "--base", "septum"):
        assert word in text
