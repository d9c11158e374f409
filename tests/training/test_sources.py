import numpy as np
import pytest

from cpwc_keras.errors import InputError
from cpwc_keras.io.sequence_file import write_sequence
from cpwc_keras.training.experiment import load_experiment
from cpwc_keras.training.sources import make_source
from cpwc_keras.types import CineLoop, Sequence


def write(folder, name, **attributes):
    """A sequence of three frames whose wall moves to the right by a pixel a frame."""
    longitudinal, radial = np.meshgrid(np.arange(36), np.arange(5), indexing="ij")
    mesh = (
        np.stack([10.0 + longitudinal, 20.0 + 4 * radial], -1)[None]
        + np.array([1.0, 0])[None] * np.arange(3)[:, None, None, None]
    )
    frames = np.random.default_rng(0).random((3, 64, 64), np.float32)
    write_sequence(folder / f"{name}.h5", Sequence(CineLoop(frames, patient=name), mesh.astype(np.float32)), attributes)


def source(folder, tmp_path):
    experiment = load_experiment("transfer", datasets={"sequences": str(folder)}, crop=(64, 64), validation_pairs=2)
    return make_source(experiment, tmp_path / "run")


def test_sequences_go_where_their_files_say(tmp_path):
    for name, split in (("a", "train"), ("b", "validation"), ("c", "test")):
        write(tmp_path / "data", name, split=split)
    assert source(tmp_path / "data", tmp_path).record["sequences"] == {"found": 3, "train": 1, "validation": 1}


def test_contours_are_no_motion_to_train_on(tmp_path):
    write(tmp_path / "data", "a", motion="ground truth")
    write(tmp_path / "data", "b", motion="contours")
    with pytest.raises(InputError, match=r"b\.h5: found contours .* simulate"):
        source(tmp_path / "data", tmp_path)


def test_a_folder_of_test_patients_says_that_nothing_is_for_training(tmp_path):
    write(tmp_path / "data", "a", split="test")
    with pytest.raises(InputError, match=r"found 1 recordings, .* none for training"):
        source(tmp_path / "data", tmp_path)
