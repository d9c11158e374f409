"""Datasets without end: what they are trained on, what never, and what is refused."""

import cv2
import numpy as np
import pytest

from cpwc_keras.errors import InputError
from cpwc_keras.training.endless import _templates
from cpwc_keras.training.experiment import load_experiment
from cpwc_keras.training.sources import make_source


def test_camus_templates_are_of_the_training_part_alone(shared_data):
    root = shared_data / "camus"
    training, validation = _templates("camus-templates", str(root), 0)
    lists = {name: (root / "split" / f"{name}.txt").read_text().split() for name in ("virtual_train", "virtual_val")}
    assert {item.patient for item in training} == set(lists["virtual_train"]) and len(training) == 60
    assert {item.patient for item in validation} == set(lists["virtual_val"])


def test_procedural_hearts_need_no_files_and_validation_hearts_are_others():
    training, validation = _templates("procedural", "", 3)
    assert not {item.name for item in training} & {item.name for item in validation}


def test_pairs_have_the_crop_and_validation_is_of_its_own(tmp_path):
    experiment = load_experiment("transfer", "hearts", crop=(64, 128), steps=2, validation_pairs=1)
    source = make_source(experiment, tmp_path)
    pair, unseen = source.training.sample(0), source.validation.sample(0)
    assert pair.image1.shape == unseen.image1.shape == (64, 128)
    assert pair.mask.any() and np.isfinite(pair.flow).all()
    assert source.record["procedural"]["train"] > 1000


def test_chairs_like_pairs_are_made_with_and_without_photographs(shared_data, tmp_path):
    plain = make_source(load_experiment("pretrain", "chairs_like", crop=(64, 64), validation_pairs=1), tmp_path)
    photos = {"chairs-like": str(shared_data / "photos")}
    real = load_experiment("pretrain", "chairs_like", datasets=photos, crop=(64, 64), validation_pairs=1)
    one, other = plain.training.sample(0), make_source(real, tmp_path).training.sample(0)
    assert one.image1.shape == (64, 64) and (one.image1 != other.image1).any()
    assert (plain.validation.sample(0).image1 != one.image1).any()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"datasets": {"procedural": "", "chairs": "x"}}, "cannot be mixed"),
        ({"datasets": {"speckle": "", "procedural": ""}}, "cannot be mixed"),
        ({"datasets": {"speckle": ""}, "simulation": {"frames": 9}}, "none of them is named"),
        ({"datasets": {"procedural": ""}, "steps": None, "config": None}, "--steps"),
        ({"test_vendor": "Siemens", "validation_vendor": "GE"}, "Vendors cannot be left out of the procedural dataset"),
    ],
)
def test_contradictions_are_refused(changes, words):
    config = changes.pop("config", "hearts")
    with pytest.raises(InputError, match=words):
        load_experiment("transfer", config, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"simulation": {"speckle": 1}}, "'speckle' is unknown"),
        ({"datasets": {"camus-templates": "/no/such/folder"}}, "no such folder"),
        ({"simulation": {"frames": 2}}, "scenes of 4 frames"),
        ({"simulation": {"frames": "many"}}, "frames: 'many', expected a value of kind int"),
        (
            {"simulation": {"pixel_mm": [0.3, 0.5, 0.7]}},
            r"pixel_mm: .*, expected a value of kind tuple\[float, float\]",
        ),
        ({"simulation": {"plain": True}}, "plain: True, expected a value of kind float"),
        ({"simulation": {"plain": 1.2}}, "plain must be from 0 to 1, found 1.2"),
        ({"simulation": {"decorrelation": -1}}, "decorrelation must be from 0 to 1"),
        ({"simulation": {"frames": 1}}, "frames must be 2 or more"),
        ({"simulation": {"noise": [0, 0.01]}}, "noise must be two numbers, the lower first, both above 0"),
        ({"simulation": {"gain_db": [6, -7]}}, "gain_db must be two numbers, the lower first; found"),
        ({"simulation": {"pixel_mm": [0.8, 0.27]}}, "pixel_mm must be two numbers, the lower first"),
        ({"simulation": {"window": 0}}, "window must be 1 or more, found 0"),
        ({"simulation": {"processes": -1}}, "processes must be 0 or more"),
    ],
)
def test_what_cannot_be_simulated_is_refused(changes, words, tmp_path):
    with pytest.raises(InputError, match=words):
        make_source(load_experiment("transfer", "hearts", **changes), tmp_path)


def test_camus_without_lists_of_its_parts_is_not_trained_on(shared_data, tmp_path):
    patient = shared_data / "camus" / "database_nifti" / "patient0001"
    (tmp_path / "database_nifti").mkdir()
    (tmp_path / "database_nifti" / "patient0001").symlink_to(patient)
    with pytest.raises(InputError, match="found no lists of who is for training, validation and test"):
        make_source(load_experiment("transfer", "hearts", datasets={"camus-templates": str(tmp_path)}), tmp_path)


def test_the_number_of_processes_is_no_part_of_a_run_s_identity():
    one, other = (load_experiment("transfer", "hearts", simulation={"processes": n}).identity() for n in (1, 3))
    assert one == other


def test_other_photographs_are_another_run(tmp_path):
    def fingerprint():
        experiment = load_experiment(
            "pretrain", "chairs_like", datasets={"chairs-like": str(tmp_path)}, validation_pairs=0
        )
        return make_source(experiment, tmp_path).fingerprint

    for name in "ab":
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.random.default_rng(0).integers(0, 255, (300, 300), np.uint8))
    first = fingerprint()
    (tmp_path / "b.png").unlink()
    assert first and fingerprint() != first
