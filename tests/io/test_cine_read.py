import shutil

import numpy as np
import pytest
from pydicom import examples

import cpwc_keras
from cpwc_keras.errors import InputError
from cpwc_keras.io.sequence_file import write_sequence
from cpwc_keras.types import CineLoop, Sequence

RNG = np.random.default_rng(0)


def test_dicom_is_known_without_its_suffix(tmp_path):
    shutil.copy(examples.get_path("ybr_color"), tmp_path / "IM_0001")
    assert len(cpwc_keras.read(tmp_path / "IM_0001")) == 30


def test_given_spacing_and_rate_win_and_are_noted(tmp_path):
    loop = cpwc_keras.read(examples.get_path("ybr_color"), spacing_mm=(0.5, 0.25), frame_rate_hz=50, view="A4C")
    assert loop.spacing_mm == (0.5, 0.25) and loop.frame_rate_hz == 50 and loop.view == "A4C"
    assert any("0.5 × 0.25 mm was given" in note for note in loop.notes)


def test_unknown_spacing_is_noted(tmp_path):
    import SimpleITK as sitk

    frames = RNG.integers(0, 255, (3, 12, 10)).astype(np.uint8)
    image = sitk.GetImageFromArray(frames)
    sitk.WriteImage(image, str(tmp_path / "a.mhd"))
    loop = cpwc_keras.read(tmp_path / "a.mhd")
    np.testing.assert_allclose(loop.frames, frames / 255, atol=1e-6)
    assert loop.spacing_mm is None
    assert any("lengths are in pixels" in note for note in loop.notes)


def test_sequence_file(tmp_path):
    loop = CineLoop(RNG.random((3, 16, 12), np.float32), (0.3, 0.2), 40.0, ed=0, es=2)
    write_sequence(tmp_path / "a.h5", Sequence(loop, mesh=RNG.random((3, 36, 5, 2), np.float32)))
    read = cpwc_keras.read(tmp_path / "a.h5")
    assert read.spacing_mm == (0.3, 0.2) and (read.ed, read.es) == (0, 2) and read.frame_rate_hz == 40


@pytest.mark.parametrize("spacing", [(0, 1), (-1, 1), (float("nan"), 1), (float("inf"), 1)])
def test_spacing_must_be_positive(spacing):
    with pytest.raises(InputError, match="must be positive"):
        cpwc_keras.read(examples.get_path("ybr_color"), spacing_mm=spacing)


def test_frame_rate_must_be_positive():
    with pytest.raises(InputError, match="must be positive"):
        cpwc_keras.read(examples.get_path("ybr_color"), frame_rate_hz=0)


def test_unknown_files(tmp_path):
    (tmp_path / "a.docx").write_bytes(b"PK" * 200)
    with pytest.raises(InputError, match=r"docx.*cine loop"):
        cpwc_keras.read(tmp_path / "a.docx")
    with pytest.raises(InputError, match="a folder"):
        cpwc_keras.read(tmp_path)
    with pytest.raises(InputError, match="cannot be opened"):
        cpwc_keras.read(tmp_path / "absent.dcm")


def test_a_still_image_is_no_loop(tmp_path):
    import SimpleITK as sitk

    sitk.WriteImage(sitk.GetImageFromArray(RNG.integers(0, 255, (12, 10)).astype(np.uint8)), str(tmp_path / "a.nii.gz"))
    with pytest.raises(InputError, match=r"single frame.*a still has no motion to follow"):
        cpwc_keras.read(tmp_path / "a.nii.gz")
    (tmp_path / "a.PNG").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"found a still image, expected a cine loop .* no motion to follow"):
        cpwc_keras.read(tmp_path / "a.PNG")


def test_camus_half_sequence(shared_data):
    loop = cpwc_keras.read(shared_data / "camus" / "half_sequence_2ch" / "patient0500_2CH_half_sequence.nii.gz")
    assert loop.frames.shape == (15, 422, 512) and loop.spacing_mm == pytest.approx((0.308, 0.308), abs=1e-4)
    assert 0.5 < loop.frames.max() <= 1
