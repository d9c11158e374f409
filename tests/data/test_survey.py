"""The catalog, what `info` and `verify` compute, and the two commands."""

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from cpwc_keras.cli.dataset import DATASET_NAMES, info, verify
from cpwc_keras.data.catalog import DATASETS, TRAINABLE, list_dataset, open_dataset
from cpwc_keras.data.survey import survey
from cpwc_keras.data.survey import verify as read_all
from cpwc_keras.errors import InputError
from cpwc_keras.io.flow_files import write_flow
from cpwc_keras.io.sequence_file import write_sequence
from cpwc_keras.types import CineLoop, Sequence


@pytest.fixture
def shrinking(tmp_path):
    """A folder of one sequence: a straight mesh of 35 segments of 2 px, 10 % shorter in the second frame."""
    mesh = np.zeros((2, 36, 5, 2), np.float32)
    mesh[0, ..., 0] = 2 * np.arange(36)[:, None]
    mesh[1] = 0.9 * mesh[0]
    loop = CineLoop(np.zeros((2, 8, 80), np.float32), (0.3, 0.5), 50.0, patient="p1", ed=0, notes=("Assumed.",))
    write_sequence(tmp_path / "a.h5", Sequence(loop, mesh=mesh, vendor="GE", variant="clean"))
    return tmp_path


@pytest.fixture
def pairs(tmp_path):
    for number in range(4):
        for part in ("img1", "img2"):
            cv2.imwrite(str(tmp_path / f"{number:05d}_{part}.ppm"), np.zeros((6, 8, 3), np.uint8))
        write_flow(tmp_path / f"{number:05d}_flow.flo", np.full((6, 8, 2), [3.0 * number, 4.0 * number]))
    return tmp_path


def test_catalog_names_are_those_of_the_commands(tmp_path):
    assert tuple(DATASETS) == DATASET_NAMES
    assert set(TRAINABLE) < set(DATASETS)
    with pytest.raises(InputError, match="'kitti' is not a dataset; choose one of chairs, things"):
        list_dataset("kitti", tmp_path)


def test_a_dataset_with_a_broken_header_is_listed_but_not_opened(shrinking):
    assert len(open_dataset("sequences", shrinking)) == 1
    (shrinking / "b.h5").write_bytes(b"rubbish")
    assert len(list_dataset("sequences", shrinking)) == 2
    with pytest.raises(InputError, match=r"b\.h5"):
        open_dataset("sequences", shrinking)


def test_survey_measures_motion_and_strain(shrinking):
    result = survey(list_dataset("sequences", shrinking), shrinking)
    assert (result.n_items, result.n_patients, result.n_measured) == (1, 1, 1)
    assert result.sizes == {"80×8": 1} and result.vendors == {"GE": 1} and result.variants == {"clean": 1}
    assert (result.spacing_row_mm.median, result.spacing_col_mm.median) == (0.3, 0.5)
    assert result.frame_rate_hz.median == 50
    assert result.strain_percent.low == pytest.approx(-10, abs=1e-3)
    assert result.displacement_px.high == pytest.approx(7, abs=0.01)  # the far end moves by 10 % of 70 px
    assert result.displacement_mm.high == pytest.approx(3.5, abs=0.01)
    assert result.notes == {"Assumed.": 1}
    assert not result.missing and not result.orphans and not result.unreadable


def test_survey_of_pairs_and_what_is_missing(pairs):
    (pairs / "00002_img2.ppm").unlink()
    (pairs / "00003_flow.flo").unlink()
    result = survey(list_dataset("chairs", pairs), pairs)
    assert (result.n_items, result.n_measured, result.frames.high) == (3, 2, 2)
    assert (result.displacement_px.low, result.displacement_px.high) == (0, 5)
    assert result.displacement_mm is result.strain_percent is result.spacing_row_mm is None
    assert result.missing == [str(pairs / "00002_img2.ppm")]
    assert result.orphans == [str(pairs / "00003_img1.ppm"), str(pairs / "00003_img2.ppm")]
    assert list(result.unreadable) == ["00002"]


def test_a_sample_is_spread_over_the_list(pairs):
    result = survey(list_dataset("chairs", pairs), pairs, sample=2)
    assert (result.n_items, result.n_measured) == (4, 2)
    assert (result.displacement_px.low, result.displacement_px.high) == (0, 10)  # pairs 0 and 2


def test_verify_names_every_broken_file(pairs):
    calls = []
    assert read_all(list_dataset("chairs", pairs), lambda: calls.append(1)) == {}
    assert len(calls) == 4
    (pairs / "00001_flow.flo").write_bytes(b"PIEH")
    flow = np.zeros((6, 8, 2), np.float32)
    flow[0, 0] = np.inf
    write_flow(pairs / "00003_flow.flo", flow)
    data = (pairs / "00003_flow.flo").read_bytes()
    (pairs / "00003_flow.flo").write_bytes(data[:12] + flow.tobytes())
    broken = read_all(list_dataset("chairs", pairs))
    assert list(broken) == ["00001", "00003"]
    assert "12 bytes" in broken["00001"] and "NaN or infinite" in broken["00003"]


def test_the_info_command(shrinking):
    result = CliRunner().invoke(info, ["sequences", "--root", str(shrinking)], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "-10.0 %" in result.output and "80×8 (1)" in result.output and "Assumed." in result.output
    result = CliRunner().invoke(info, ["sequences", "--root", str(shrinking), "--json"])
    assert json.loads(result.stdout)["strain_percent"]["low"] == pytest.approx(-10, abs=1e-3)


def test_info_has_pairs_and_no_patients_where_there_are_none(pairs):
    result = CliRunner().invoke(info, ["chairs", "--root", str(pairs)])
    assert "pairs" in result.output and "patients" not in result.output and "frames" not in result.output


def test_previews_beside_sequences_are_no_foreign_files(shrinking):
    """`simulate --preview` writes them there."""
    for name in ("a.png", "a.mp4"):
        (shrinking / name).write_bytes(b"")
    assert survey(list_dataset("sequences", shrinking), shrinking).orphans == []


def test_the_verify_command(pairs):
    result = CliRunner().invoke(verify, ["chairs", "--root", str(pairs)])
    assert (result.exit_code, result.stdout) == (0, "4 of 4 items can be read.\n")
    (pairs / "00001_flow.flo").write_bytes(b"PIEH")
    result = CliRunner().invoke(verify, ["chairs", "--root", str(pairs)])
    assert result.exit_code == 1
    assert "00001: " in result.stdout and "3 of 4 items can be read." in result.stdout


def test_the_commands_hand_on_what_is_the_users_mistake(tmp_path):
    for command in (info, verify):
        result = CliRunner().invoke(command, ["camus", "--root", str(tmp_path)])
        assert isinstance(result.exception, InputError)  # the group turns it into exit code 2
        result = CliRunner().invoke(command, ["kitti", "--root", str(tmp_path)])
        assert isinstance(result.exception, InputError) and "There is no dataset 'kitti'" in str(result.exception)


def test_the_real_alessandrini_motion(shared_data):
    root = shared_data / "alessandrini2018"
    result = survey(list_dataset("alessandrini-motion", root), root, sample=21)
    assert (result.n_items, result.n_patients, result.n_measured) == (105, 7, 21)
    assert -25 < result.strain_percent.low < result.strain_percent.median < 0
    assert 0.2 < result.spacing_row_mm.low < result.spacing_row_mm.high < 0.4
