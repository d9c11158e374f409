"""What an error says beside the sentence itself."""

import pytest

from cpwc_keras.errors import did_you_mean

TRACKERS = ("zero", "fft-xcorr", "farneback", "dis", "c_pwc_net_camus", "c_pwc_net_procedural")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("c_pwc_net_camu", "c_pwc_net_camus"),
        ("C_PWC_NET_CAMUS", "c_pwc_net_camus"),
        ("fft_xcorr", "fft-xcorr"),
        ("farnback", "farneback"),
        ("dsi", "dis"),
    ],
)
def test_the_nearest_name_is_offered(given, meant):
    assert did_you_mean(given, TRACKERS) == f" Did you mean {meant!r}?"


@pytest.mark.parametrize("given", ["runs/transfer/network.h5", "", "x" * 100_000, 7, None])
def test_nothing_is_offered_where_nothing_is_near(given):
    assert did_you_mean(given, TRACKERS) == did_you_mean(given, ()) == ""


def test_equally_near_names_are_no_guess():
    assert did_you_mean("table4", ["table1", "table2", "table3"]) == ""
    assert did_you_mean("tabel2", ["table1", "table2", "table3"]) == " Did you mean 'table2'?"


@pytest.mark.parametrize(
    ("arguments", "found", "meant"),
    [
        (["trak"], "There is no command 'trak'; choose one of demo,", "track"),
        (["info", "camsu", "--root", "."], "There is no dataset 'camsu'; choose one of chairs,", "camus"),
        (["prepare", "Ted", "-o", "x"], "There is no dataset 'Ted'", "ted"),
        (["simulate", "--templates", "camus_half"], "--templates: there is no 'camus_half'", "camus-half"),
        (["export", "--to", "onx", "-o", "x"], "--to: there is no 'onx'", "onnx"),
        (["export", "c_pwc_net_camu", "--to", "onnx", "-o", "x"], "neither a preset", "c_pwc_net_camus"),
        (["transfer", "--config", "hart"], "hart: there is no such experiment file", "hearts"),
        (["transfer", "--dataset", "medcaid=."], "medcaid: there is no such dataset", "medicaid"),
        (["evaluate", "--dataset", "sequenses=.", "-o", "x"], "'sequenses' cannot be measured on", "sequences"),
        (["demo", "--tracker", "c_pwc_net_camu", "-o", "x"], "neither a tracker", "c_pwc_net_camus"),
        (["ablate", "tabel2", "--list"], "There is no table 'tabel2'", "table2"),
    ],
)
def test_the_command_line_offers_the_nearest_name(command, tmp_path, arguments, found, meant):
    result = command(*arguments, folder=tmp_path)
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert found in result.stderr and result.stderr.endswith(f" Did you mean {meant!r}?\n")
    assert not list(tmp_path.iterdir())
