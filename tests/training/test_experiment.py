"""Experiments: defaults, files, overrides, and what nonsense gets."""

import pytest

from cpwc_keras.errors import InputError
from cpwc_keras.training.experiment import load_experiment


def test_the_defaults_are_the_papers():
    pretrain, transfer = load_experiment("pretrain"), load_experiment("transfer")
    assert (pretrain.epochs, transfer.epochs) == (200, 15)
    assert set(pretrain.datasets) == {"chairs", "things"} and set(transfer.datasets) == {"medicaid"}
    for experiment in (pretrain, transfer):
        assert (experiment.batch_size, experiment.learning_rate, experiment.schedule) == (4, 1e-4, "halving")
        assert experiment.weight_decay == 4e-4 and experiment.clipnorm is None and experiment.ema is None
        assert experiment.crop == (384, 448)  # height, width: the paper's 448 × 384
    assert transfer.spacings == (0, 1, 2) and transfer.directions == "both"


def test_overrides_win_over_the_file_which_wins_over_the_defaults(tmp_path):
    path = tmp_path / "e.yaml"
    path.write_text("epochs: 3\nbatch_size: 2\ncrop: [64, 128]\nlearning_rate: 1\n")
    experiment = load_experiment("pretrain", path, batch_size=8, epochs=None)
    assert (experiment.epochs, experiment.batch_size, experiment.crop, experiment.learning_rate) == (
        3,
        8,
        (64, 128),
        1.0,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 3", "found the key 'epoch', expected one of"),
        ("epochs: many", "epochs: 'many', expected a value of kind int"),
        ("crop: 64", "crop"),
        ("crop: [100, 100]", "multiples of 64"),
        ("network: ResNet", "choose one of CPWCNet"),
        ("precision: mixed_float16", "precision 'mixed_float16' is unknown"),
        ("schedule: cosine", "schedule 'cosine' is unknown"),
        ("crop: [a, 64]", "crop: .*expected a value of kind"),
        ("spacings: [-1]", "numbers of frames from 0 up"),
        ("spacings: [0, 0]", "different numbers"),
        ("batch_size: 0", "batch_size must be 1 or more, found 0"),
        ("seed: -1", "seed must be from 0"),
        ("ema: 2", "ema must be between 0 and 1"),
        ("clipnorm: 0", "clipnorm must be above 0"),
        ("learning_rate: .inf", "learning_rate must be above 0, found inf"),
        ("validation_fraction: 1.5", "validation_fraction must be"),
        ("datasets: {chairs: 3}", "datasets: .*expected a value of kind"),
        ("test_vendor: GE", "go together"),
        ("[1, 2]", "found a list, expected keys and values"),
        ("a: [", "not YAML"),
        ("datasets: {speckle: '', chairs: x}", "cannot be mixed"),
        ("datasets: {speckle: ''}", "--steps"),
    ],
)
def test_nonsense_gets_one_sentence(tmp_path, text, message):
    path = tmp_path / "e.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        load_experiment("pretrain", path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.yaml: there is no such experiment file"):
        load_experiment("pretrain", tmp_path / "absent.yaml")


def test_shipped_experiments_have_names_and_datasets_a_default_place():
    speckle = load_experiment("pretrain", "speckle")
    assert speckle.steps == 5000 and speckle.schedule == "linear"
    datasets = load_experiment("pretrain", data_root="/data").datasets
    assert datasets == {"chairs": "/data/chairs", "things": "/data/things"}


def test_threads_and_logging_do_not_change_what_a_run_is():
    one = load_experiment("pretrain", workers=1, log_every=5)
    two = load_experiment("pretrain", workers=4, log_every=50)
    assert one.identity() == two.identity() != load_experiment("pretrain", seed=1).identity()
