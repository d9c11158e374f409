"""The paper's ablations: their rows are the paper's, and a table can be made in parts and taken up again."""

import csv
import itertools
import json

import numpy as np
import pytest
from vendor_hearts import CONFIG, VENDORS, write_vendors

from cpwc_keras.errors import InputError
from cpwc_keras.models import CPWCNet
from cpwc_keras.studies.ablation import TABLES, choose, load_ablation
from cpwc_keras.studies.ablation_run import plan, run
from cpwc_keras.studies.ablation_table import make_table, paper_steps, training_seconds, write_table
from cpwc_keras.studies.paper import paper_rows
from cpwc_keras.training.experiment import load_experiment


@pytest.mark.parametrize(("name", "number", "count"), [("table1", "I", 9), ("table2", "II", 4), ("table3", "III", 3)])
def test_the_rows_are_the_papers(name, number, count):
    ablation = load_ablation(name)
    assert [row.method for row in ablation.rows] == [row.method for row in paper_rows(number)]
    assert len(ablation.rows) == count and {row.network for row in ablation.rows} == set(ablation.networks)
    assert [row.paper for row in ablation.rows] == [row.values["EPE"] for row in paper_rows(number)]


def test_rows_of_table_1_do_what_their_names_say():
    ablation = load_ablation("table1")
    for row in ablation.rows:
        training, inference = row.method.split("|")
        sign, *spacings = training.split(",")
        apart = ablation.networks[row.network]
        assert apart == {"directions": {"+": "forward", "+/-": "both"}[sign], "spacings": [int(n) for n in spacings]}
        assert row.composition == {"none": False, "composition": True}[inference]


def context(channels):
    """Parameters of a context network: 128, 128, 128, 96, 64, 32 and 2 filters of 3×3 with their biases (Fig. 3)."""
    widths = (channels, 128, 128, 128, 96, 64, 32, 2)
    return sum(9 * a * b + b for a, b in itertools.pairwise(widths))


def test_parameters_of_tables_2_and_3():
    """By hand: a context network sees 32 features of a plain estimator, all 448 and its input of a dense one."""
    seen = {6: 81, 5: 81 + 128 + 4, 4: 81 + 96 + 4, 3: 81 + 64 + 4, 2: 81 + 32 + 4}
    dense = {level: context(channels + 448) for level, channels in seen.items()}
    expected = {
        "plain": 4_187_526,
        "skip": 14_078_762 - sum(dense.values()),
        "context": 4_187_526 + 5 * context(32),
        "skip-context": 14_078_762,
        "context-1-4": 16_318_508 - dense[6] - dense[5],
        "context-1-5": 16_318_508 - dense[6],
        "context-1-6": 16_318_508,
    }
    networks = load_ablation("table2").networks | load_ablation("table3").networks
    counted = {name: CPWCNet(**apart["network_options"]).count_params() for name, apart in networks.items()}
    assert counted == expected


def test_the_papers_steps_follow_from_its_pairs_and_epochs():
    """15 epochs of 6,060 pairs less two vendors', four a step; both ways with three spacings, 6 times as many."""
    ablation = load_ablation("table1")
    forward = paper_steps(ablation, load_experiment("transfer", **ablation.networks["forward-0"]))
    assert forward == 15 * (6060 - 825 - 960) / 4
    assert paper_steps(ablation, load_experiment("transfer", **ablation.networks["both-0-1-2"])) == 6 * forward


def test_rows_are_chosen_by_number_and_by_name():
    ablation = load_ablation("table1")
    assert [row.method for row in choose(ablation, ["2, 1", "+/-,0,1|composition"])] == [
        "+,0|none", "+,0|composition", "+/-,0,1|composition",
    ]  # fmt: skip
    assert choose(ablation, []) == ablation.rows
    with pytest.raises(InputError, match=r"table1 has no row '10'; there are 1: \+,0\|none; 2: "):
        choose(ablation, ["1,10"])
    with pytest.raises(InputError, match=r"none of the paper's ablations; choose one of table1, table2, table3"):
        load_ablation("table4")


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    root = tmp_path_factory.mktemp("hearts")
    write_vendors(root / "data")
    (root / "small.yaml").write_text(CONFIG)
    return root


def planned(hearts, folder, rows=(), table="table1", data="data", **options):
    ablation = load_ablation(table)
    options = {"config": hearts / "small.yaml", "steps": 3} | options
    return plan(ablation, choose(ablation, rows), "sequences", hearts / data, folder, **options)


@pytest.fixture(scope="module")
def first(hearts, tmp_path_factory):
    """A folder in which row 1 was made, and so row 2."""
    folder = tmp_path_factory.mktemp("made") / "run"
    work = planned(hearts, folder, ["1"])
    outcome = run(work, on_network=lambda so_far: write_table(work, so_far))
    return folder, work, outcome


def test_a_part_of_a_table_says_so(first):
    folder, work, outcome = first
    text = (folder / "table.md").read_text()
    assert "(2 of 9 rows)" in text and "Partly run: 2 of 9 rows" in text
    assert "| 3 of 16,000 |" in text and "not the errors of finished networks" in text
    assert "crop 64 × 64 instead of 384 × 448; batch size 1 instead of 4" in text
    assert "all 2 recordings of Siemens" in text and "simulated by this project" in text
    assert "Finding no motion has an EPE of" in text and "started from have" not in text
    assert "He initialisation" in text and "Siemens is our guess" in text
    record = json.loads((folder / "ablation.json").read_text())
    assert record["rows done"] == 2 and record["networks"]["forward-0"]["steps"] == 3 and "keras" in record["versions"]
    table = make_table(work, outcome)
    assert len(table.rows) == 9 and table.rows[2][1:] == ["–"] * 3 + ["0.05 ± 0.04", "–"]


def test_rows_that_differ_in_inference_share_a_network(first):
    folder, work, outcome = first
    assert [training.name for training in work.trainings] == ["forward-0"]
    with open(folder / "table.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["row"] for line in lines] == ["+,0|none", "+,0|composition"]
    for line, scalar in zip(lines, ("epe_forward_mm", "epe_mm"), strict=True):
        errors = [result.scalars[scalar] for result in outcome.results["forward-0"]]
        assert float(line["epe_mm"]) == pytest.approx(np.mean(errors), rel=1e-5)
        assert float(line["epe_sd_mm"]) == pytest.approx(np.std(errors, ddof=1), rel=1e-5)
    assert lines[0]["epe_mm"] != lines[1]["epe_mm"]
    assert int(lines[0]["parameters"]) == CPWCNet(False, (), 5, 1).count_params()


def test_interrupted_and_taken_up_again(hearts, first):
    """Between two networks; within one, see the command's own test."""
    folder, _, _ = first
    before = (folder / "forward-0" / "network.h5").stat().st_mtime_ns

    def press(network, stage):
        if (network, stage) == ("both-0", "training"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(planned(hearts, folder, ["3"]), on_stage=press)
    assert "(2 of 9 rows)" in (folder / "table.md").read_text()

    stages = []
    work = planned(hearts, folder, ["3"])
    outcome = run(
        work, on_stage=lambda *stage: stages.append(stage), on_network=lambda so_far: write_table(work, so_far)
    )  # fmt: skip
    assert stages[1:] == [("forward-0", "measuring"), ("both-0", "training"), ("both-0", "measuring")]
    assert (folder / "forward-0" / "network.h5").stat().st_mtime_ns == before
    assert list(outcome.results) == ["zero", "forward-0", "both-0"]
    assert "(3 of 9 rows)" in (folder / "table.md").read_text()


def test_other_settings_or_data_are_never_mixed_in(hearts, first, tmp_path):
    folder, _, _ = first
    with pytest.raises(InputError, match=r"forward-0/network\.h5: found a network trained with steps = 3, expected st"):
        planned(hearts, folder, ["4"], steps=4)
    write_vendors(tmp_path / "data", (*VENDORS, "GE"), ("",) * 5)
    with pytest.raises(InputError, match=r"trained with recordings = "):
        planned(hearts, folder, data=tmp_path / "data")


def test_a_damaged_network_is_named(hearts, tmp_path):
    (tmp_path / "forward-0").mkdir()
    (tmp_path / "forward-0" / "network.h5").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"network\.h5: found a damaged file, .*delete it to train again"):
        planned(hearts, tmp_path)


def test_recordings_that_cannot_be_measured_are_found_before_the_training(hearts, tmp_path):
    write_vendors(tmp_path / "data")
    import h5py

    for number in (2, 3):
        with h5py.File(tmp_path / "data" / f"s{number}.h5", "a") as file:
            del file.attrs["spacing_mm"]
    with pytest.raises(InputError, match=r"No test recording can be measured; s2: .*size of a pixel is unknown"):
        run(planned(hearts, tmp_path / "run", ["1"], data=tmp_path / "data"))
    assert not (tmp_path / "run" / "forward-0").exists()


def test_data_that_do_not_fit_the_table(hearts, tmp_path):
    with pytest.raises(InputError, match=r"has no recordings of 'GE', the vendor for test; there are 'ESAOTE', 'SAMS"):
        planned(hearts, tmp_path, test_vendor="GE", validation_vendor="ESAOTE")
    with pytest.raises(InputError, match=r"no recording that is marked as test"):
        planned(hearts, tmp_path, table="table3", config=None)
    with pytest.raises(InputError, match=r"'chairs' has not both images and true motion of hearts; choose one of"):
        plan(load_ablation("table1"), load_ablation("table1").rows, "chairs", hearts / "data", tmp_path)
    assert not list(tmp_path.iterdir())


def test_patients_marked_as_test_are_those_of_table_3(hearts, tmp_path):
    write_vendors(tmp_path, ("",) * 4, ("train", "validation", "test", "test"))
    work = planned(hearts, tmp_path / "run", table="table3", data=tmp_path, config=None, limit=1)
    assert ([case.info.name for case in work.cases], work.test_recordings) == (["s2"], 2)
    experiment = work.trainings[1].experiment
    assert experiment.network_options == {"finest_level": 1, "context_levels": [1, 2, 3, 4, 5]}
    assert (experiment.spacings, experiment.directions, experiment.weights) == ((0, 1, 2), "both", "")
    assert work.trainings[0].pairs == 2 * (6 + 5 + 4)  # of seven frames


def test_starting_weights(hearts, tmp_path):
    from cpwc_keras.models.presets import DEFAULT_PRESET

    def weights(**options):
        work = planned(hearts, tmp_path, config=None, **options)
        return {training.name: training.experiment.weights for training in work.trainings}

    assert set(weights().values()) == {DEFAULT_PRESET}
    assert set(weights(weights="none").values()) == {""} == set(weights(table="table2").values())
    with pytest.raises(InputError, match=r"different architectures; put \{network\} into its path, for context, plain"):
        weights(table="table2", weights=DEFAULT_PRESET)
    assert weights(table="table2", rows=["4"], weights=DEFAULT_PRESET) == {"skip-context": DEFAULT_PRESET}
    with pytest.raises(InputError, match=r"absent/(skip|plain)/network\.h5: neither a preset"):
        weights(table="table2", rows=["1,2"], weights="absent/{network}/network.h5")


def test_seconds_count_from_each_start(tmp_path):
    (tmp_path / "log.jsonl").write_text("".join(json.dumps({"seconds": s}) + "\n" for s in (1, 5, 2, 3)))
    assert training_seconds(tmp_path) == 8


def test_every_table_has_a_file():
    assert [load_ablation(name).name for name in TABLES] == list(TABLES)
