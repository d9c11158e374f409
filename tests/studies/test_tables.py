import csv
from dataclasses import replace

import numpy as np
import pytest
from study_results import VENDORS, results

from cpwc_keras.studies.csv_files import results_csv, timing_csv
from cpwc_keras.studies.results import CaseInfo, CaseResult
from cpwc_keras.studies.tables import _DEFINITIONS, markdown, parts, significance, tables

CASES = [CaseInfo(name, "grid", "motion", name, variant="clean") for name in ("a", "b")]


def one(tracker, case, epe, gls, true=-20.0):
    scalars = {"epe_mm": epe, "gls_percent": gls, "gls_true_percent": true, "seconds_per_pair": 0.5}
    return CaseResult(tracker, case, 3, 0, 1, (0.5, 0.25), 40.0, scalars, {"epe_mm": np.array([epe])})


TINY = [
    one("good|one", CASES[0], 0.1, -20.0),
    one("good|one", CASES[1], 0.2, -21.0),
    one("bad", CASES[0], 0.4, -15.0),
    CaseResult("bad", CASES[1], error='pair 2 is NaN, "useless".'),
]


def test_a_table_by_hand():
    (part,) = parts(TINY)
    geometry, clinical = tables(part)
    assert part.title == "grid, clean"
    assert geometry.headers == ["tracker", "EPE (mm)", "s per pair", "cases"], "columns that no row has are left out"
    assert geometry.rows == [
        ["good|one", "0.15 ± 0.07", "0.500 ± 0.000", "2"],
        ["bad", "0.40", "0.500", "1 (1 failed)"],
    ]
    assert geometry.bold == {(0, 1)} and geometry.paper_from == 2
    assert clinical.headers == ["tracker", "GLS bias (%)", "GLS MAE (%)", "cases"]
    assert clinical.rows == [["good|one", "−0.50 ± 0.71", "0.50 ± 0.71", "2"], ["bad", "5.00", "5.00", "1 (1 failed)"]]
    assert clinical.bold == {(0, 1), (0, 2)}


def test_markdown_by_hand():
    assert markdown(tables(parts(TINY)[0])[0]) == (
        "### Motion and contours\n"
        "\n"
        "| tracker | EPE (mm) | s per pair | cases |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| good\\|one | **0.15 ± 0.07** | 0.500 ± 0.000 | 2 |\n"
        "| bad | 0.40 | 0.500 | 1 (1 failed) |\n"
        "\n"
        f"{_DEFINITIONS} There are 40 steps a second here; the paper does not give its own.\n"
        "\n"
        "Seconds are of this machine, both directions of a pair; the paper gives 0.020 s for c-PWC-Net on an RTX "
        "2080 Ti.\n"
    )


def test_csv_by_hand(tmp_path):
    results_csv(tmp_path / "results.csv", TINY)
    timing_csv(tmp_path / "timing.csv", TINY)
    assert (tmp_path / "results.csv").read_text(encoding="utf-8") == (
        "tracker,case,dataset,kind,patient,vendor,view,variant,frames,ed,es,row_mm,col_mm,frame_rate_hz,epe_mm,"
        "epe_forward_mm,cumulative_epe_mm,d_m_mm,d_h_mm,gls_percent,gls_true_percent,mapse_percent,mapse_true_percent,"
        "segments_mae_percent,disagreement_mm,peak_percent,error\n"
        "bad,a,grid,motion,a,,,clean,3,0,1,0.5,0.25,40,0.4,,,,,-15,-20,,,,,,\n"
        'bad,b,grid,motion,b,,,clean,0,0,,,,,,,,,,,,,,,,,"pair 2 is NaN, ""useless""."\n'
        "good|one,a,grid,motion,a,,,clean,3,0,1,0.5,0.25,40,0.1,,,,,-20,-20,,,,,,\n"
        "good|one,b,grid,motion,b,,,clean,3,0,1,0.5,0.25,40,0.2,,,,,-21,-20,,,,,,\n"
    )
    assert (tmp_path / "timing.csv").read_text() == (
        "tracker,case,seconds_per_pair\nbad,a,0.5\ngood|one,a,0.5\ngood|one,b,0.5\n"
    )


def test_csv_knows_neither_order_nor_time(tmp_path):
    made = results("motion", 4) + results("loop", 2)
    slower = [replace(r, scalars=r.scalars | {"seconds_per_pair": 9.0}) for r in made[::-1]]
    results_csv(tmp_path / "one.csv", made)
    results_csv(tmp_path / "two.csv", slower)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    with open(tmp_path / "one.csv", encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(made)
    by_case = {(line["tracker"], line["case"]): line for line in lines}
    for result in made:
        line = by_case[result.tracker, result.case.name]
        for name in ("epe_mm", "d_m_mm", "gls_true_percent", "peak_percent"):
            expected = result.scalars.get(name)
            assert line[name] == "" if expected is None else float(line[name]) == pytest.approx(expected, rel=1e-5)
        if result.case.kind == "loop":
            assert float(line["drift_mm_4"]) == pytest.approx(result.curves["drift_mm"][3], rel=1e-5)


def test_the_paper_stands_below_ours_and_is_never_best():
    made = results("motion", 3, variants=("clean", "reverberation"))
    clean, artifacts = parts(made)
    for part, epe in ((clean, "0.26 ± 0.18"), (artifacts, "0.27 ± 0.19")):
        geometry, clinical = tables(part)
        assert [row[0] for row in geometry.rows[: geometry.paper_from]] == list(dict.fromkeys(r.tracker for r in made))
        assert geometry.rows[geometry.paper_from][:2] == ["FFT-Xcorr (paper)", epe]
        assert all(row[0].endswith(" (paper)") for row in geometry.rows[geometry.paper_from :])
        assert all(i < table.paper_from for table in (geometry, clinical) for i, _ in table.bold)
        assert "Tables V and VI" in geometry.remarks[0] and "σ" in geometry.remarks[0]
        assert {len(row) for row in geometry.rows} == {len(geometry.headers)}


def test_vendors_are_columns_in_the_order_of_table_four():
    (part,) = parts(results("motion", 2, dataset="alessandrini re-simulated", vendors=VENDORS))
    table = tables(part)[0]
    assert table.headers == ["tracker", "ESAOTE", "GE", "PHILIPS", "TOSHIBA", "cases"]
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["c-PWC-Net-gray-usft (paper)"] == ["0.07 ± 0.06", "0.08 ± 0.07", "0.07 ± 0.06", "0.06 ± 0.04", "–"]
    esaote = [r.scalars["epe_mm"] for r in part.results if r.tracker == "dis" and r.case.vendor == "ESAOTE"]
    assert rows["dis"][0] == f"{np.mean(esaote):.2f} ± {np.std(esaote, ddof=1):.2f}"
    assert rows["dis"][-1] == "8"
    assert all("paper" not in row[0] for row in tables(part)[1].rows), "Table IV has the endpoint error alone"


def test_a_vendor_that_the_paper_has_not_comes_last():
    (part,) = parts(results("motion", 2, ("dis",), dataset="alessandrini", vendors=("", "Siemens")))
    table = tables(part)[0]
    assert table.headers == ["tracker", "SIEMENS", "unknown", "cases"]
    assert table.rows[-1] == ["c-PWC-Net-gray-usft (paper)", "0.04 ± 0.03", "–", "–"]


def test_parts_have_titles_of_their_own():
    made = results("contours", 1, ("dis",), dataset="sequences") + results(
        "motion", 1, ("dis",), variants=("ischemic",)
    )
    assert [part.title for part in parts(made)] == ["sequences, contours", "sequences"]


def test_fewer_measured_than_cases_is_said():
    (part,) = parts(results("contours", 3, trackers=("zero", "dis")))
    clinical = tables(part)[1]
    bias = clinical.headers.index("GLS bias (%)")
    assert clinical.rows[1][bias].endswith(" [2]") and "[n]: measured in so many of the cases only." in clinical.remarks


def test_loops_have_a_column_for_each_beat_and_no_best():
    (part,) = parts(results("loop", 2, trackers=("zero", "dis")))
    (table,) = tables(part)
    assert table.headers == [
        "tracker", "peak strain (%)", *(f"closure {k} (%)" for k in (1, 2, 3, 4)),
        *(f"drift {k} (mm)" for k in (1, 2, 3, 4)), "disagreement (mm)", "s per pair", "cases",
    ]  # fmt: skip
    assert not table.bold and table.paper_from == len(table.rows)
    assert "closes perfectly" in table.remarks[0]
    closure = [r.curves["closure_percent"][2] for r in part.results if r.tracker == "dis"]
    assert table.rows[1][4] == f"{np.mean(closure):.2f} ± {np.std(closure, ddof=1):.2f}".replace("-", "−")


def test_stills_say_what_they_are():
    (part,) = parts(results("contours", 3, dataset="camus stills"))
    table = tables(part)[0]
    assert "not the paper's experiment" in table.remarks[0] and table.paper_from == len(table.rows)


def test_p_values_are_against_the_lowest_error():
    (part,) = parts(results("motion", 8, trackers=("zero", "cpwc-us", "dis"), fail={("dis", 0)}))
    table = significance(part)
    assert table.title == "EPE against cpwc-us, p-values"
    assert table.rows[0] == ["zero", "0.0078", "0.0002", "8"], "two-sided, all eight differ in the same direction"
    assert table.rows[1][0] == "dis" and table.rows[1][3] == "7"
    assert significance(parts(results("motion", 3, trackers=("dis",)))[0]) is None
    assert significance(parts(results("loop", 3))[0]) is None


def test_nothing_measured_is_a_table_of_failures():
    (part,) = parts(results("motion", 1, trackers=("dis", "zero"), fail={("dis", 0), ("zero", 0)}))
    assert tables(part) == []
