"""The scripts around training runs: what they measure, what they leave behind, and one sentence for a mistake."""

import json
import sys
from argparse import Namespace
from importlib.util import module_from_spec, spec_from_file_location
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import affine_hearts
import h5py
import numpy as np
import pytest

from cpwc_keras.data.catalog import open_dataset
from cpwc_keras.data_prep.hearts import HeartPairs
from cpwc_keras.data_prep.speckle import SpecklePairs, SpeckleSettings
from cpwc_keras.errors import InputError
from cpwc_keras.fields import pixel_grid
from cpwc_keras.models import CPWCNet
from cpwc_keras.models.presets import DEFAULT_PRESET
from cpwc_keras.models.weights_file import load_network, read_card, save_network
from cpwc_keras.record import write_json
from cpwc_keras.studies.publish import Stage, read_stages
from cpwc_keras.training.experiment import load_experiment
from cpwc_keras.types import FramePair

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
TINY = {
    "network_options": {"skip_connections": False, "context_levels": [], "finest_level": 5, "search_range": 1},
    "datasets": {"speckle": ""},
    "crop": (64, 64),
    "batch_size": 2,
    "validation_pairs": 0,
    "ema": 0.5,
}


def script(name):
    """A file of `benchmarks/` as a module, under a name that no other module has."""
    spec = spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_script(monkeypatch, name, *arguments):
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    script(name).main()


@pytest.fixture
def mistake(monkeypatch, capsys):
    """The one sentence that a script ends with."""

    def of(name, *arguments):
        with pytest.raises(SystemExit) as ended:
            run_script(monkeypatch, name, *arguments)
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return of


@pytest.fixture
def run_folder(tmp_path):
    """A finished run on procedural hearts, as far as a record and a log tell."""
    folder = tmp_path / "run"
    folder.mkdir()
    experiment = {"phase": "transfer", "datasets": {"procedural": ""}, "weights": "", "seed": 1, "steps": 20}
    record = {"experiment": experiment | {"crop": [64, 64]}, "data": {}, "versions": {}}
    (folder / "experiment.json").write_text(json.dumps(record))
    lines = [{"step": 20 * n, "seconds": n, "data_loss": 1 / n, "epe": 1.0} for n in range(1, 9)]
    (folder / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (folder / "network.h5").touch()
    return folder


def test_ranges_rest_on_half_as_many_scenes_as_pairs(run_folder, monkeypatch):
    drawn = []

    def draw(self, scene, rng, name):
        drawn.append(scene.number)
        image = np.full(self.crop, (1 + scene.number) / 32, np.float32)
        return FramePair(image, image, np.zeros((*self.crop, 2), np.float32), np.ones(self.crop, np.float32))

    monkeypatch.setattr(HeartPairs, "scene", lambda self, number: SimpleNamespace(number=number, name=""))
    monkeypatch.setattr(HeartPairs, "_draw_pair", draw)
    ranges = script("make_preset").ranges_of(run_folder, 32)
    assert drawn == np.repeat(range(16), 2).tolist()
    assert ranges["mean_brightness"][0] < 2 / 32 and ranges["mean_brightness"][1] > 15 / 32


def test_ranges_of_independent_pairs_are_measured_as_they_come():
    pairs = SpecklePairs(SpeckleSettings(size=(64, 64)), seed=1)
    assert script("make_preset").of_many_scenes(pairs) is pairs


def test_a_preset_of_wrong_files_gets_one_sentence(mistake, run_folder, tmp_path):
    def made(*options, run=run_folder):
        common = ("--stage", run, "command", "machine", "--licence", "Apache-2.0", "--saw", "nothing")
        return mistake("make_preset", "mine", *common, "--folder", tmp_path / "presets", *options)

    path = tmp_path / "some.json"
    assert "absent/experiment.json: found no record" in made(run=tmp_path / "absent")
    assert "absent.json: found no JSON" in made("--ranges", tmp_path / "absent.json")
    assert "absent.json: found no JSON" in made("--metrics", tmp_path / "absent.json")
    path.write_text("[1]")
    assert "found a list, expected an object" in made("--metrics", path)
    for wrong in (
        {"brightness": [0, 1]},
        {"mean_brightness": [1, 0]},
        {"dark_fraction": 1},
        {"dark_fraction": [0, "1"]},
    ):
        path.write_text(json.dumps(wrong))
        assert f"found {next(iter(wrong))}: " in made("--ranges", path)
    record = json.loads((run_folder / "experiment.json").read_text())
    record["experiment"]["of_the_future"] = 1
    (run_folder / "experiment.json").write_text(json.dumps(record))
    assert "found settings unknown here" in made()
    assert not (tmp_path / "presets").exists()


def test_curves_of_absent_or_running_runs(mistake, run_folder, tmp_path, monkeypatch):
    assert "log.jsonl: found nothing" in mistake("compare_curve", tmp_path / "absent", DEFAULT_PRESET)
    assert "found no learning curves" in mistake("compare_curve", run_folder, "no_such_preset")
    picture = tmp_path / "curves.png"
    assert "log.jsonl: found nothing" in mistake("learning_curve", tmp_path / "absent", "-o", picture)
    assert "curves.txt: found the ending" in mistake("learning_curve", run_folder, "-o", tmp_path / "curves.txt")
    assert not picture.exists()
    with open(run_folder / "log.jsonl", "a") as file:
        file.write('{"step": 180, "validation_epe')
    run_script(monkeypatch, "learning_curve", run_folder, "-o", picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_trackers_are_measured_in_mm_of_anisotropic_pixels(tmp_path, monkeypatch, capsys):
    affine_hearts.write(tmp_path / "test")
    truth = f"{affine_hearts.__file__}:truth"
    table = tmp_path / "table.json"
    options = ("--test", tmp_path / "test", "--trackers", "zero", truth, "--json", table)
    run_script(monkeypatch, "training_choices", *options)
    assert capsys.readouterr().out.startswith("12 pairs\n")
    found = json.loads(table.read_text())
    assert found["pairs"] == 12
    motion, grid = [], pixel_grid(affine_hearts.SHAPE).astype(float)
    row_mm, col_mm = affine_hearts.SPACING
    for pair in script("training_choices").neighbouring_pairs(open_dataset("sequences", tmp_path / "test"))[:6]:
        first = len(motion)
        dx, dy = np.moveaxis(affine_hearts.moved(grid, first, first + 1) - grid, -1, 0)
        motion.append(np.average(np.hypot(dx * col_mm, dy * row_mm), weights=pair.mask))
    assert found["epe_mm"]["zero"] == pytest.approx(
        dict.fromkeys(("composition", "forward"), np.mean(motion)), rel=1e-3
    )
    assert found["epe_mm"][truth]["forward"] < 1e-3 and found["epe_mm"][truth]["composition"] < 0.01


def test_a_patient_who_is_trained_on_is_no_test(tmp_path, monkeypatch):
    affine_hearts.write(tmp_path, seeds=(0, 1))
    trained, tested = sorted(open_dataset("sequences", tmp_path), key=lambda item: item.patient)
    assert (trained.split, tested.split) == ("train", "test")
    choices = script("training_choices")
    choices.require_unseen([tested], {"sequences": str(tmp_path), "procedural": ""})
    with pytest.raises(InputError, match=r"Patient 'p0' would leak"):
        choices.require_unseen([trained], {"sequences": str(tmp_path)})

    asked = []
    monkeypatch.setattr(choices, "find_templates", lambda *where: asked.append(where) or [trained, tested])
    choices.require_unseen([tested], {"camus-templates": "/camus", "alessandrini-templates": "/motion"})
    assert asked == [("camus", "/camus"), ("alessandrini", "/motion")]
    with pytest.raises(InputError, match=r"Patient 'p0' would leak"):
        choices.require_unseen([tested, trained], {"camus-templates": "/camus"})


def test_mistyped_choices_get_one_sentence(mistake, tmp_path):
    folders = (tmp_path / "out", "--test", tmp_path)
    assert "--only 'no frist phase' is no choice" in mistake("training_choices", *folders, "--only", "no frist phase")
    assert "'fixed sequences' is no choice" in mistake("training_choices", *folders, "--only", "fixed sequences")
    assert "no_preset: neither a tracker" in mistake("training_choices", *folders[1:], "--trackers", "no_preset")
    assert f"{tmp_path}" in mistake("training_choices", *folders)
    assert not (tmp_path / "out").exists()


def test_a_run_whose_time_is_up_leaves_its_averaged_weights(tmp_path, monkeypatch):
    """After the third of eight steps, long before the first checkpoint would be due."""
    minutes = script("train_for_minutes")
    clock = count(1)
    monkeypatch.setattr(minutes, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    path = minutes.train_until(2.5, load_experiment("pretrain", steps=8, **TINY), tmp_path)
    assert path == tmp_path / "network.h5"
    card = read_card(path)
    assert (card["steps"], card["planned_steps"]) == (3, 8) and card["settings"]["network"] == "CPWCNet"
    with h5py.File(tmp_path / "checkpoint-00000003.h5", "r") as file:
        raw = [data[()] for data in file["network"].values()]
        averaged = [data[()] for data in file["optimizer"].values() if "average" in data.attrs["path"]]
    network = load_network(path)
    assert network.finest_level == 5
    assert any((one != other).any() for one, other in zip(raw, averaged, strict=True))
    for found, expected in zip(network.get_weights(), averaged, strict=True):
        np.testing.assert_array_equal(found, expected)
    records, (curve,) = read_stages("mine", [Stage(tmp_path, "command", "machine")], "Apache-2.0")
    assert curve.step[-1] == 3 and records[0]["experiment"]["steps"] == 8


def test_training_for_minutes_leaves_one_run_in_pieces(tmp_path, monkeypatch):
    def train(deadline, experiment, folder):
        write_json(folder / "log.jsonl", {})
        save_network(CPWCNet(**TINY["network_options"]), folder / "network.h5", card={"steps": experiment.steps})
        return folder / "network.h5"

    minutes = script("train_for_minutes")
    monkeypatch.setattr(minutes, "train_until", train)
    monkeypatch.setattr(minutes, "_seconds_a_step", lambda experiment, folder: 1.0)
    monkeypatch.setattr(minutes, "PIECE", 100_000)
    options = dict.fromkeys(("weights", "batch_size", "crop", "learning_rate", "seed"))
    options = Namespace(minutes=1.0, config="speckle", data_root="", output=tmp_path, **options)
    for number in ("0", "07"):
        (tmp_path / f"weights.h5.part{number}").write_bytes(b"of an earlier run")
    minutes.train_for_minutes(options)
    pieces = sorted(tmp_path.glob("weights.h5.part*"))
    assert len(pieces) > 1 and not (tmp_path / "weights.h5").exists()
    (tmp_path / "whole.h5").write_bytes(b"".join(piece.read_bytes() for piece in pieces))
    halved, trained = (
        load_network(path).get_weights() for path in (tmp_path / "whole.h5", tmp_path / "run/network.h5")
    )
    np.testing.assert_array_equal(halved[0], trained[0].astype(np.float16))
    card = read_card(tmp_path / "whole.h5")
    assert card == read_card(tmp_path / "run/network.h5") and 1 <= card["steps"] <= 13  # 0.9 of 15 s, less the delays
    with pytest.raises(InputError, match=r"run: found an earlier run, expected none; choose another output folder"):
        minutes.train_for_minutes(options)
    assert sorted(tmp_path.glob("weights.h5.part*")) == pieces


def test_mistyped_options_of_training_for_minutes_get_one_sentence(mistake, tmp_path):
    common = ("--config", "speckle", "-o", tmp_path)
    minutes = ("train_for_minutes", "--minutes", 5)
    assert "absent.h5: neither a preset" in mistake(*minutes, *common, "--weights", tmp_path / "absent.h5")
    assert "no_config: there is no such experiment" in mistake(*minutes, "--config", "no_config", "-o", tmp_path)
    assert "crop must be two multiples of 64" in mistake(*minutes, *common, "--crop", 100, 100)
    assert "45 s are kept for writing" in mistake("train_for_minutes", "--minutes", 0.1, *common)


def test_the_precision_script_finds_its_neighbours(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    assert callable(script("precision").neighbouring_pairs)


def test_choices_from_given_weights_leave_out_those_of_the_first_phase():
    choices = script("training_choices").choices
    folders = {"camus": None, "alessandrini": None, "fixed": None}
    every = choices(SimpleNamespace(start=None, **folders))
    started = choices(SimpleNamespace(start="weights.h5", **folders))
    assert set(every) - set(started) == {"no first phase", "natural images first"}
