"""`cpwc-keras prepare chairs-like`: files that the reader of FlyingChairs takes, made once."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from cpwc_keras.cli.prepare import prepare
from cpwc_keras.data import chairs
from cpwc_keras.data_prep.chairs_like import ChairsLikePairs, ChairsLikeSettings
from cpwc_keras.data_prep.chairs_like.files import plan, write
from cpwc_keras.errors import InputError

SETTINGS = ChairsLikeSettings(size=(48, 64))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_reader_of_flyingchairs_finds_what_was_sampled(tmp_path):
    command = ["chairs-like", "--pairs", "3", "--size", "48", "64", "--seed", "7", "--workers", "1", "-o"]
    result = CliRunner().invoke(prepare, [*command, str(tmp_path)])
    assert result.exit_code == 0, result.output
    items = chairs.find(tmp_path)
    assert [item.name for item in items] == ["00001", "00002", "00003"]
    source = ChairsLikePairs(SETTINGS, seed=7)
    for index, item in enumerate(items):
        pair, expected = item.read(), source.sample(index)
        for name in ("image1", "image2", "flow", "mask"):
            np.testing.assert_array_equal(getattr(pair, name), getattr(expected, name))
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["seed"] == 7 and record["settings"]["size"] == [48, 64]
    again = CliRunner().invoke(prepare, [*command, str(tmp_path)])
    assert "0 pairs to make; 3 are there already" in again.output


def test_the_files_do_not_depend_on_the_number_of_workers(tmp_path):
    write(plan(SETTINGS, 1, 5, tmp_path / "one"), workers=1)
    write(plan(SETTINGS, 1, 5, tmp_path / "two"), workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_what_is_missing_is_made_and_nothing_else(tmp_path):
    write(plan(SETTINGS, 1, 3, tmp_path))
    before = contents(tmp_path)
    times = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("0000[13]*")}
    (tmp_path / "00002_flow.flo").write_bytes(b"PIEH")
    work = plan(SETTINGS, 1, 4, tmp_path)
    assert work.missing == (2, 4) and work.kept == 2
    write(work)
    assert {name: contents(tmp_path)[name] for name in before} == before
    assert times == {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("0000[13]*")}
    assert plan(SETTINGS, 1, 3, tmp_path, overwrite=True).missing == (1, 2, 3)


def test_a_folder_with_other_pairs_is_refused(tmp_path):
    write(plan(SETTINGS, 1, 1, tmp_path / "ours"))
    with pytest.raises(InputError, match=r"pairs with seed = 1, expected pairs of the same settings; choose another"):
        plan(SETTINGS, 2, 1, tmp_path / "ours")
    with pytest.raises(InputError, match=r"pairs with size = \[48, 64\]"):
        plan(ChairsLikeSettings(size=(64, 64)), 1, 1, tmp_path / "ours")
    (tmp_path / "ours/record.json").write_text("[]")
    with pytest.raises(InputError, match=r"found other files"):
        plan(SETTINGS, 1, 1, tmp_path / "ours")
    (tmp_path / "ours/record.json").unlink()
    with pytest.raises(InputError, match=r"00001_flow\.flo of another origin"):
        plan(SETTINGS, 1, 1, tmp_path / "ours")


def test_options_that_do_not_go_together_are_refused(tmp_path):
    def message(*arguments):
        result = CliRunner().invoke(prepare, [*arguments, "-o", str(tmp_path / "out")])
        assert result.exit_code == 2 and not (tmp_path / "out").exists()
        return result.output

    assert "camus needs --root" in message("camus")
    assert "--root does not go with chairs-like" in message("chairs-like", "--root", "x")
    assert "--pairs does not go with ted" in message("ted", "--root", "x", "--pairs", "3")


def test_photographs_are_part_of_the_record(shared_data, tmp_path):
    settings = ChairsLikeSettings(size=(48, 64), photos=str(shared_data / "photos/kodak"))
    write(plan(settings, 0, 1, tmp_path))
    assert json.loads((tmp_path / "record.json").read_text())["photos"]["count"] == 24
    with pytest.raises(InputError, match=r"choose another output folder"):
        plan(SETTINGS, 0, 1, tmp_path)
