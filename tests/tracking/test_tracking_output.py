import csv
import errno
import json
import os
from dataclasses import replace

import h5py
import numpy as np
import pytest

import cpwc_keras
from cpwc_keras.errors import InputError
from cpwc_keras.io.input_file import sha256
from cpwc_keras.io.video import read_video
from cpwc_keras.tracking import output
from cpwc_keras.tracking.output import write_results
from cpwc_keras.types import CineLoop

ANGLE = np.linspace(np.pi, 2 * np.pi, 25)
ARCH = np.stack([40 + 20 * np.cos(ANGLE), 60 + 40 * np.sin(ANGLE)], -1)
NAMES = ["tracking.h5", "strain.csv", "overlay.png", "strain.png", "overlay.mp4", "summary.json"]


def tracked(spacing=(0.5, 0.25), rate=20.0, contour=ARCH, **options):
    frames = np.random.default_rng(0).random((5, 80, 90), np.float32)
    loop = CineLoop(frames, spacing, rate, source="/hospital/Jane_Doe.dcm", patient="Jane", notes=("Assumed.",))
    return loop, cpwc_keras.track(loop, contour, "farneback", es=3, **options)


def test_every_file_is_written_and_says_the_same(tmp_path):
    loop, result = tracked(keep_flow=True)
    seen = []
    written = write_results(result, loop, tmp_path, {"tracker": "farneback"}, "abc", on_file=seen.append)
    assert [path.name for path in written] == NAMES == [path.name for path in seen]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)

    with h5py.File(tmp_path / "tracking.h5") as file:
        np.testing.assert_allclose(file["points"][()], result.points, atol=1e-4)
        np.testing.assert_array_equal(file["flow"][()], result.flows)
        assert file["disagreement"].attrs["unit"] == "mm" and tuple(file.attrs["spacing_mm"]) == (0.5, 0.25)
    rows = list(csv.DictReader((tmp_path / "strain.csv").read_text().splitlines()))
    np.testing.assert_allclose([float(row["strain_percent"]) for row in rows], result.strain, atol=1e-5)
    np.testing.assert_allclose([float(row["length_mm"]) for row in rows], result.length, atol=1e-5)
    assert [float(row["time_s"]) for row in rows] == [0, 0.05, 0.1, 0.15, 0.2]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["gls_percent"] == result.gls and summary["input_sha256"] == "abc"
    assert summary["settings"] == {"tracker": "farneback"} and summary["notes"] == list(result.notes)
    assert summary["notes"][0] == "Assumed."
    assert summary["versions"]["cpwc-keras"] == cpwc_keras.__version__
    assert len(read_video(tmp_path / "overlay.mp4").frames) == 5


def test_no_file_names_patient_or_input(tmp_path):
    loop, result = tracked()
    for path in write_results(result, loop, tmp_path, {}, "abc"):
        assert b"Jane" not in path.read_bytes(), path.name


def test_without_spacing_and_time_units_are_pixels_and_frames(tmp_path):
    loop, result = tracked(None, None)
    write_results(result, loop, tmp_path, {}, "")
    row = next(csv.DictReader((tmp_path / "strain.csv").read_text().splitlines()))
    assert float(row["length_px"]) == pytest.approx(result.length[0], abs=1e-4) and row["time_s"] == ""
    assert "annular_excursion_px" in json.loads((tmp_path / "summary.json").read_text())


def test_a_mesh_is_written_and_drawn_too(tmp_path):
    arch = np.stack([np.interp(np.linspace(0, 24, 36), np.arange(25), ARCH[:, i]) for i in range(2)], -1)
    mesh = np.stack([arch + np.array([0, 2.0 * layer]) for layer in range(5)], axis=1)
    loop, result = tracked(contour=mesh)
    write_results(result, loop, tmp_path, {}, "")
    with h5py.File(tmp_path / "tracking.h5") as file:
        assert file["points"].shape == (5, 36, 5, 2)


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    loop, result = tracked()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="disk is full"):
        write_results(result, loop, tmp_path, {}, "")
    assert list(tmp_path.iterdir()) == []


def test_a_contour_that_no_step_led_to_has_a_colour_of_its_own(monkeypatch):
    given, drawn = tracked()[0], []
    loop = replace(given, frames=given.frames[[0, 1, 1, 2]])
    result = cpwc_keras.track(loop, ARCH, "farneback", es=3, reach=1)
    monkeypatch.setattr(output, "draw_contour", lambda canvas, points, scale, colors, **options: drawn.append(colors))
    for frame in range(4):
        output._picture(result, loop, frame, *output._view(result, loop), with_initial=False)
    assert [colors is output._UNTESTED for colors in drawn] == [True, False, True, False]


def test_sha256_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
