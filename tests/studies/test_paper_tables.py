import csv

import pytest

from cpwc_keras.studies.paper import VENDORS, beside, beside_vendors, paper_rows


@pytest.fixture(scope="module")
def source(shared_data):
    """Every number as the paper's transcription has it."""
    path = shared_data.parent / "paper" / "tables.csv"
    if not path.is_file():
        pytest.skip("the transcription of the paper's tables is not at hand")
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_number_of_the_paper_is_carried(source):
    carried = {
        (row.table, row.subset, row.method, metric): number
        for table in {line["table"] for line in source}
        for row in paper_rows(table)
        for metric, number in row.values.items()
    }
    assert len(carried) == len(source)
    for line in source:
        number = carried[line["table"], line["subset"], line["method"], line["metric"]]
        assert (number.mean, number.unit) == (float(line["mean"]), line["unit"])
        assert number.sd == float(line["std"]) if line["std"] else number.sd != number.sd


def test_known_numbers():
    (ours,) = [row for row in paper_rows("V", "clean") if row.method == "c-PWC-Net-60A"]
    assert ours.values["EPE"][:2] == (0.07, 0.06)
    assert ours.values["d_H"][:2] == (2.03, 0.56)
    assert [row.method for row in paper_rows("VII")] == ["FFT-Xcorr", "c-PWC-Net", "c-PWC-Net-60A"]
    assert paper_rows("I")[-1].values["EPE"][:2] == (0.04, 0.03)
    assert {row.subset for row in paper_rows("IV")} == set(VENDORS.values())


def test_an_unknown_table_is_named():
    with pytest.raises(KeyError, match="XI"):
        paper_rows("XI")
    with pytest.raises(KeyError, match="dirty"):
        paper_rows("V", "dirty")


@pytest.mark.parametrize("dataset", ["sequences", "medicaid"])
def test_virtual_patients_stand_beside_tables_five_and_six(dataset):
    clean, artifacts = (beside("motion", dataset, variant) for variant in ("clean", "reverberation"))
    assert clean.source == artifacts.source == "Tables V and VI"
    assert [row.method for row in clean.rows] == [row.method for row in artifacts.rows]
    assert len(clean.rows) == 8, "one row a method"
    values = clean.rows[-1].values
    assert (values["d_m"].mean, values["GLS bias"].mean) == (0.73, 0.59)
    assert values["cumulative EPE ED-ES"].mean == 1.2, "given in the text, of the test set without artifacts"
    assert "cumulative EPE ED-ES" not in artifacts.rows[-1].values
    assert artifacts.rows[0].values["MAPSE mae"][:2] == (3.20, 1.24)
    assert ("this project" in clean.differs) == (dataset == "sequences")
    assert "σ" in clean.differs


def test_loops_with_contours_stand_beside_both_hospitals():
    found = beside("contours", "ted", "")
    rows = {row.method: row.values for row in found.rows}
    assert rows["c-PWC-Net-60A, CAMUS"]["GLS correlation"].mean == 0.77
    assert rows["c-PWC-Net-60A, CAMUS"]["d_m"][:2] == (1.86, 1.05)
    assert rows["c-PWC-Net-60A, Philips"]["GLS correlation"].mean == 0.93
    assert rows["c-PWC-Net-60A, Philips"]["d_m"][:2] == (1.81, 1.11)


def test_stills_and_unknown_data_have_nothing_of_the_paper_beside_them():
    stills = beside("contours", "camus stills", "")
    assert stills.rows == () and "not the paper's experiment" in stills.differs
    assert beside("loop", "loops", "") == ("", (), "")
    assert beside("motion", "sequences", "ladprox").rows == ()


def test_vendors_stand_beside_table_four():
    published = beside_vendors("alessandrini", "")
    assert len(published.rows) == 7 * 7
    siemens = {row.method: row.values["EPE"].mean for row in published.rows if row.subset == "SIEMENS"}
    assert siemens["c-PWC-Net-gray-usft"] == 0.04 and siemens["FFT-Xcorr"] == 0.09
    assert "anew" not in published.differs and "anew" in beside_vendors("alessandrini re-simulated", "clean").differs
    assert beside_vendors("alessandrini re-simulated", "reverberation").rows == ()
