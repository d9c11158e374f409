"""A preset made of training runs: what its files hold, and what is refused."""

import hashlib
import json
import shutil

import keras
import numpy as np
import pytest

from cpwc_keras.errors import InputError
from cpwc_keras.models import CPWCNet, presets
from cpwc_keras.models.weights_file import load_network, read_card, save_network
from cpwc_keras.studies import publish
from cpwc_keras.studies.learning_curve import compare, read_curves, read_log
from cpwc_keras.studies.publish import Stage, halve, make_preset, measure_ranges, read_stages

SMALL = {"skip_connections": False, "context_levels": (3,), "finest_level": 3, "search_range": 1}
RNG = np.random.default_rng(0)
IMAGES = RNG.random((1, 64, 64), np.float32), RNG.random((1, 64, 64), np.float32)
RANGES = {"pixel_spacing_mm": [0.3, 1.0]}


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(2)
    return CPWCNet(**SMALL)


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "network.h5"
    save_network(network, path)
    return path


@pytest.fixture
def runs(tmp_path, weights):
    """Two stages of a training, the second from the first; its second sitting took half an hour, as did the first."""
    stages = []
    for name, start in (("pretrain", ""), ("transfer", "runs/pretrain/network.h5")):
        run = tmp_path / "runs" / name
        run.mkdir(parents=True)
        shutil.copy(weights, run / "network.h5")
        experiment = {
            "phase": name, "datasets": {"chairs": "/home/someone/data"}, "weights": start, "seed": 7, "steps": 100,
            "crop": [64, 64], "learning_rate": 1e-4,
        }  # fmt: skip
        record = {"experiment": experiment, "data": {}, "versions": {"python": "3.11"}}
        (run / "experiment.json").write_text(json.dumps(record))
        lines = [{"step": s, "seconds": 18.0 * (s % 100 or 100), "data_loss": 9 / s, "epe": 1.0} for s in range(1, 201)]
        (run / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        stages.append(Stage(run, f"cpwc-keras {name}", "two cores"))
    return stages


@pytest.fixture
def quick(monkeypatch):
    """The flows in both precisions are not computed: other tests do that."""
    monkeypatch.setattr(publish, "NetworkTracker", lambda network: lambda *images: np.zeros((1, 64, 64, 2)))


def make(stages, folder, name="mine", **options):
    options = {"licence": "Apache-2.0", "saw": "nothing", "ranges": RANGES, "images": IMAGES} | options
    return make_preset(name, stages, folder, **options)


def test_a_preset_is_whole_and_can_be_loaded(runs, network, tmp_path, monkeypatch):
    folder = tmp_path / "presets"
    card = make(runs, folder, metrics={"clean": {"epe_mm": 0.05}})
    monkeypatch.setattr(presets, "presets_folder", lambda: folder)
    presets.list_presets.cache_clear()
    try:
        assert presets.list_presets() == {"mine": card}
        weights = presets.load_preset("mine").get_weights()
    finally:
        presets.list_presets.cache_clear()
    np.testing.assert_array_equal(weights[0], network.get_weights()[0].astype(np.float16))
    assert sorted(path.name for path in folder.iterdir()) == ["mine.curve.json", "mine.h5", "mine.json"]
    assert card["sha256"] == hashlib.sha256((folder / "mine.h5").read_bytes()).hexdigest()
    assert card["parameters"] == network.count_params() and card["network"] == "CPWCNet"
    assert card["metrics"] == {"clean": {"epe_mm": 0.05}} and card["versions"] == {"python": "3.11"}
    assert card["half_precision"]["mean_change_px"] <= publish.MEAN_TOLERANCE_PX
    first, second = card["stages"]
    assert first["command"] == "cpwc-keras pretrain" and second["command"] == "cpwc-keras transfer"
    assert (second["steps"], second["planned_steps"], second["seed"], second["hours"]) == (200, 100, 7, 1.0)
    assert second["machine"] == "two cores" and second["settings"]["crop"] == [64, 64]
    assert "someone" not in json.dumps(card), "no folder of the machine it was trained on"
    assert read_card(folder / "mine.h5")["ranges"] == RANGES, "a copy of the file still knows what it saw"


def test_a_run_that_is_made_again_matches_the_recorded_curve(runs, tmp_path, quick):
    make(runs, tmp_path)
    curves = read_curves(tmp_path / "mine.curve.json")
    assert len(curves) == 2
    assert compare(read_log(runs[0].run), curves[0], 100).matches


def test_half_precision_is_measured_and_limits_are_kept(network, tmp_path):
    change = halve(network, tmp_path / "half.h5", IMAGES)
    flows = [net.predict_on_batch([image[..., None] for image in IMAGES]) for net in
             (network, load_network(tmp_path / "half.h5"))]  # fmt: skip
    exact = np.linalg.norm(flows[1] - flows[0], axis=-1)
    assert change["mean_change_px"] == pytest.approx(exact.mean(), rel=0.06)
    assert change["greatest_change_px"] == pytest.approx(exact.max(), rel=0.06)


@pytest.mark.parametrize(("weight", "found"), [(7e4, r"7e\+04, beyond the 65,504"), (np.nan, "nan, beyond")])
def test_weights_beyond_half_precision_are_refused(tmp_path, weight, found):
    network = CPWCNet(**SMALL)
    weights = network.get_weights()
    weights[0].flat[0] = weight
    network.set_weights(weights)
    with pytest.raises(InputError, match=found):
        halve(network, tmp_path / "half.h5", IMAGES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("limit", "value", "found"),
    [
        ("MOST_TOLERANCE_PX", -1.0, "Half precision changes the flow by"),
        ("MOST_BYTES", 1000, "expected fewer than 1,000"),
    ],
)
def test_what_is_beyond_a_limit_leaves_nothing_behind(runs, tmp_path, monkeypatch, quick, limit, value, found):
    monkeypatch.setattr(publish, limit, value)
    with pytest.raises(InputError, match=found):
        make(runs, tmp_path / "presets")
    assert not (tmp_path / "presets").exists()


def test_stages_must_follow_each_other(runs, tmp_path):
    cases = [
        (runs[1:], r"found weights from runs/pretrain/network\.h5, expected a start from random weights"),
        ([runs[0], runs[0]], "found a start from random weights, expected the run before it"),
        ([], "at least one training run"),
    ]
    for stages, found in cases:
        with pytest.raises(InputError, match=found):
            make(stages, tmp_path)


def change(stage, **values):
    """What a run's record says of its experiment."""
    path = stage.run / "experiment.json"
    record = json.loads(path.read_text())
    record["experiment"] |= values
    path.write_text(json.dumps(record))


def test_weights_of_the_run_before_are_known_by_path_content_or_name(runs, tmp_path, monkeypatch):
    def accepted(start):
        change(runs[1], weights=str(start))
        read_stages("mine", runs, "Apache-2.0")

    before = runs[0].run / "network.h5"
    accepted(before)
    copy = tmp_path / "elsewhere.h5"
    copy.write_bytes(before.read_bytes())
    accepted(copy)
    accepted("gone/pretrain/network.h5")  # the runs were moved: nothing but names is left to tell
    monkeypatch.chdir(tmp_path)
    accepted("runs/pretrain/network.h5")
    copy.write_bytes(b"other weights")
    for start in (copy, "gone/other/network.h5", "gone/pretrain/best.h5", presets.DEFAULT_PRESET, ""):
        with pytest.raises(InputError, match=r"transfer: found .*, expected the run before it in the list, .*pretrain"):
            accepted(start)


@pytest.mark.parametrize("name", ["camus-templates", "camus", "ted", "my-ted"])
def test_weights_inherit_the_licence_of_patients(runs, name):
    change(runs[0], datasets={"procedural": "", name: "/data"})
    with pytest.raises(InputError, match=rf"pretrain: found training on {name}, which is under CC BY-NC-SA, expected"):
        read_stages("mine", runs, "Apache-2.0")
    read_stages("mine", runs, "CC BY-NC-SA 4.0")


def test_weights_inherit_the_licence_of_the_preset_they_start_from(runs, monkeypatch):
    change(runs[0], weights="of_patients")
    cards = {"of_patients": {"licence": "CC BY-NC-SA 4.0"}}
    monkeypatch.setattr(publish, "list_presets", lambda: cards)
    with pytest.raises(InputError, match=r"a start from the preset of_patients, which is under CC BY-NC-SA"):
        read_stages("mine", runs, "Apache-2.0")
    read_stages("mine", runs, "CC BY-NC-SA 4.0")
    cards["of_patients"]["licence"] = "Apache-2.0"
    change(runs[1], datasets={"sequences": "/data/simulated", "medicaid": "", "alessandrini-templates": ""})
    read_stages("mine", runs, "Apache-2.0")


def test_a_run_under_way_gets_one_sentence(runs):
    (runs[1].run / "network.h5").unlink()
    with pytest.raises(InputError, match=r"network\.h5: found no file, expected the network of a finished run"):
        read_stages("mine", runs, "Apache-2.0")


def test_a_start_from_a_shipped_preset_is_named(runs, tmp_path, quick):
    change(runs[0], weights=presets.DEFAULT_PRESET)
    assert make(runs[:1], tmp_path)["stages"][0]["starts_from"] == presets.DEFAULT_PRESET


def test_incomplete_runs_and_wrong_names_get_one_sentence(runs, tmp_path):
    for name in ("dis", "Mine", "../mine", ""):
        with pytest.raises(InputError, match="cannot be a preset's name"):
            make(runs, tmp_path, name)
    path = runs[1].run / "experiment.json"
    for text in ("", "{}", "[]", '{"experiment": {}, "versions": {}}', '{"experiment": [], "versions": {}}'):
        path.write_text(text)
        with pytest.raises(InputError, match=r"experiment\.json: found"):
            make(runs, tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=r"experiment\.json: found no record of a run"):
        make(runs, tmp_path)


def test_ranges_of_known_images():
    half = np.where(np.arange(100) < 50, 0.0, 0.5)[None].repeat(64, 0)
    ranges = measure_ranges([half] * 3, [(0.3, 0.5), None, (0.4, 0.4)])
    assert ranges["pixel_spacing_mm"] == [0.3, 0.5] and ranges["image_size_px"] == [64, 100]
    assert ranges["mean_brightness"] == pytest.approx([0.5, 0.5])
    assert ranges["dark_fraction"] == pytest.approx([0.5, 0.5])
    assert "pixel_spacing_mm" not in measure_ranges([half])
    with pytest.raises(InputError, match="There is no image"):
        measure_ranges([])
