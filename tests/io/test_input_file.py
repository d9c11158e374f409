"""What is said of broken JSON, and of a folder in place of a loop."""

import shutil

import numpy as np
import pytest
from pydicom import examples

import cpwc_keras
from cpwc_keras.errors import InputError
from cpwc_keras.io.contour_import import import_contour
from cpwc_keras.io.contours import read_contour
from cpwc_keras.io.input_file import read_json

CONTOUR = '{\n "format": "cpwc-keras contour",\n "points": [[1, 2], [3, 4]]\n}\n'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "an empty file"),
        ("{", "line 1, column 2: expecting property name enclosed in double quotes, found the end of the file"),
        (CONTOUR.replace('contour",', 'contour"'), "line 3, column 2: expecting ',' delimiter, found '\"'"),
        (CONTOUR.replace("[1, 2]", "[1 2]"), "line 3, column 16: expecting ',' delimiter, found '2'"),
        (CONTOUR.replace("4]]", "4],]"), "line 3, column 28: expecting value, found ']'"),
        (CONTOUR.replace('contour"', "contour"), "line 2, column 32: invalid control character"),
        (CONTOUR.replace('"', "'"), 'line 2, column 2: expecting property name enclosed in double quotes, found "\'"'),
        (CONTOUR + "x", "line 5, column 1: extra data"),
        ("\ufeff[1,", "line 1, column 4: expecting value, found the end of the file"),
        ('["a', "line 1, column 2: unterminated string"),
        ("[" * 100_000, "lists within lists without end"),
        ("9" * 5000, "a number of thousands of digits"),
    ],
)
def test_broken_json_is_told_where(tmp_path, text, fault):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    for read in (import_contour, read_contour, lambda path: read_json(path, "a contour")):
        with pytest.raises(InputError) as error:
            read(path)
        assert str(error.value).startswith(f"{path}: found no valid JSON ({fault}), expected ")


def _told(folder):
    with pytest.raises(InputError, match=r"found a folder, expected one file with a cine loop; ") as error:
        cpwc_keras.read(folder)
    return str(error.value).partition("cine loop; ")[2]


def test_a_folder_of_dicoms_names_one(tmp_path):
    for name in (".hidden", "DICOMDIR", "IM_0002"):
        shutil.copy(examples.get_path("ybr_color"), tmp_path / name)
    (tmp_path / "a.mp4").touch()
    assert _told(tmp_path) == f"give its DICOM file, {tmp_path / 'IM_0002'}."
    shutil.copy(tmp_path / "IM_0002", tmp_path / "IM_0001")
    assert _told(tmp_path) == f"give one of its 2 DICOM files, such as {tmp_path / 'IM_0001'}."


def test_a_camus_patient_names_its_sequence(tmp_path):
    for name in ("4CH_ED", "4CH_ED_gt", "4CH_ES", "4CH_ES_gt"):
        (tmp_path / f"patient0001_{name}.nii.gz").touch()
    assert "`cpwc-keras prepare camus`" in _told(tmp_path)
    sequence = tmp_path / "patient0001_4CH_half_sequence.nii.gz"
    sequence.touch()
    (tmp_path / "patient0001_4CH_half_sequence_gt.nii.gz").touch()
    assert _told(tmp_path) == f"give its sequence, {sequence}."


def test_what_is_given_instead_is_read(shared_data):
    told = _told(shared_data / "camus" / "half_sequence_2ch")
    path = told.removeprefix("give its sequence, ").removesuffix(".")
    assert len(cpwc_keras.read(path)) == 15


def test_other_folders(tmp_path):
    assert _told(tmp_path) == "give one file; this folder holds none that is a loop."
    (tmp_path / "below").mkdir()
    assert _told(tmp_path) == "give one file; this folder holds only further folders, such as below."
    for number in range(3):
        (tmp_path / f"{number}.png").touch()
    assert _told(tmp_path) == "make one film of its single pictures and give that."
    np.save(tmp_path / "a.npy", np.zeros(3))
    (tmp_path / "b.h5").touch()
    assert _told(tmp_path) == f"give its loop, {tmp_path / 'b.h5'}."
    (tmp_path / "a.mp4").touch()
    assert _told(tmp_path) == f"give one of its 2 loops, such as {tmp_path / 'a.mp4'}."
