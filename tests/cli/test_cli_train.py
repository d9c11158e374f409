"""`cpwc-keras pretrain` and `transfer`: real formats, exit codes, one sentence; once from the shell."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cpwc_keras.io.flow_files import write_flow
from cpwc_keras.io.input_file import sha256

COMMAND = Path(sys.executable).with_name("cpwc-keras")
SMALL = "network_options: {skip_connections: false, context_levels: [], finest_level: 5, search_range: 1}\n"


def sentence(result, code=2):
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.fixture(scope="module")
def chairs(tmp_path_factory):
    """Four tiny pairs in FlyingChairs' layout."""
    import cv2

    root = tmp_path_factory.mktemp("chairs")
    rng = np.random.default_rng(0)
    for number in range(1, 5):
        for k in (1, 2):
            image = rng.integers(0, 255, (160, 192, 3), dtype=np.uint8)
            cv2.imwrite(str(root / f"{number:05d}_img{k}.ppm"), image)
        write_flow(root / f"{number:05d}_flow.flo", rng.normal(0, 2, (160, 192, 2)).astype(np.float32))
    return root


def test_two_phases_on_real_formats(chairs, command, tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    common = ["--config", "small.yaml", "--crop", "64", "64", "--batch-size", "2", "--steps", "2"]
    arguments = ["pretrain", "--dataset", f"chairs={chairs}", *common]
    first = subprocess.run([COMMAND, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    record = json.loads((tmp_path / "runs/pretrain/experiment.json").read_text())
    assert record["data"]["chairs"]["found"] == 4

    from cpwc_keras.io.sequence_file import write_sequence
    from cpwc_keras.types import CineLoop, Sequence

    grid = np.stack(np.meshgrid(np.linspace(10, 50, 5), np.linspace(5, 58, 36)), axis=-1)[None] + np.zeros((5, 1, 1, 2))
    frames = np.random.default_rng(1).random((5, 64, 64), dtype=np.float32)
    for patient in ("a", "b"):
        loop = CineLoop(frames, (0.5, 0.5), 30.0, patient=patient, ed=0, es=2)
        write_sequence(tmp_path / "mine" / f"{patient}.h5", Sequence(loop, mesh=grid.astype(np.float32)))
    weights = ("--weights", "runs/pretrain/network.h5")
    second = command("transfer", "--dataset", "sequences=mine", *weights, *common, folder=tmp_path)
    assert second.returncode == 0, second.stderr
    assert (tmp_path / "runs/transfer/network.h5").is_file()
    start = json.loads((tmp_path / "runs/transfer/experiment.json").read_text())["start"]
    assert start == {"weights": "network.h5", "weights_sha256": sha256(tmp_path / "runs/pretrain/network.h5")}


def test_a_folder_that_is_not_the_dataset(command, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"")
    said = sentence(command("pretrain", "--dataset", "chairs=photos", "--steps", 1, folder=tmp_path))
    assert "photos: is not a FlyingChairs dataset" in said and "NNNNN_img1.ppm" in said
    assert not (tmp_path / "runs").exists()


def test_an_unknown_dataset_and_a_missing_folder(command, tmp_path):
    said = sentence(command("pretrain", "--dataset", "cifar", "--steps", 1, folder=tmp_path))
    assert "cifar: there is no such dataset; train on one of chairs, things" in said and "camus-templates" in said
    said = sentence(command("transfer", "--dataset", "medicaid", "--weights", "absent.h5", folder=tmp_path))
    assert "datasets/medicaid: found no such folder" in said and "transfer --config hearts" in said


def test_a_broken_flow_file_is_named(chairs, command, tmp_path):
    for path in chairs.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for path in tmp_path.glob("*.flo"):
        path.write_bytes(path.read_bytes()[:1000])
    (tmp_path / "small.yaml").write_text(SMALL)
    options = ("--config", "small.yaml", "--crop", 64, 64, "--steps", 1)
    said = sentence(command("pretrain", "--dataset", f"chairs={tmp_path}", *options, folder=tmp_path))
    assert "_flow.flo" in said and "found" in said and "expected" in said


def test_weights_of_another_architecture(command, tmp_path):
    from cpwc_keras.models import CPWCNet
    from cpwc_keras.models.weights_file import save_network

    save_network(CPWCNet(skip_connections=False, context_levels=(), finest_level=4), tmp_path / "other.h5")
    options = ("--steps", 1, "--crop", 64, 64, "--weights", "other.h5")
    said = sentence(command("transfer", "--dataset", "speckle", *options, folder=tmp_path))
    assert said.startswith("Error: other.h5: found weights of CPWCNet with")


def test_nonsense_options(command, tmp_path):
    crop = ("--steps", 1, "--crop", 100, 100)
    assert "multiples of 64" in sentence(command("pretrain", "--dataset", "speckle", *crop, folder=tmp_path))
    assert "--steps" in sentence(command("pretrain", "--dataset", "speckle", folder=tmp_path))
    result = command("pretrain", "--schedule", "cosine", folder=tmp_path)
    assert result.returncode == 2 and "Traceback" not in result.stderr


@pytest.mark.parametrize("phase", ["pretrain", "transfer"])
def test_the_help_gives_the_defaults_that_hold(phase):
    """They come from the phase's YAML, so Click cannot show them."""
    from cpwc_keras.cli import train
    from cpwc_keras.training.experiment import load_experiment

    experiment = load_experiment(phase)
    own = {"datasets", "weights", "steps"}  # which are said in words
    options = [p for p in getattr(train, phase).params if hasattr(experiment, p.name) and p.name not in own]
    assert len(options) > 12
    for option in options:
        said = re.search(r"\[default: (.*)\]", option.help)[1]
        said = re.sub(rf".*{phase}: (\w+).*", r"\1", said)
        value = getattr(experiment, option.name)
        known = " ".join(map(str, value)) if isinstance(value, tuple) else value
        if isinstance(value, float):
            said, known = float(said), value
        assert {"none": None, "single-device": False}.get(said, said) in (known, str(known)), option.name
