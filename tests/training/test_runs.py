"""Whole runs: resuming, interruption, overfitting a pair, several devices."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from cpwc_keras.data.pipeline import FixedPairs
from cpwc_keras.errors import InputError
from cpwc_keras.models.weights_file import load_network, read_card
from cpwc_keras.studies.learning_curve import read_log
from cpwc_keras.training.experiment import load_experiment
from cpwc_keras.training.phases import run
from cpwc_keras.types import FramePair

TINY = {
    "network_options": {"skip_connections": False, "context_levels": [], "finest_level": 5, "search_range": 1},
    "datasets": {"speckle": ""},
    "crop": (64, 64),
    "batch_size": 2,
    "log_every": 2,
    "checkpoint_every": 3,
    "validate_every": 4,
    "validation_pairs": 2,
    "ema": 0.9,
}


def losses(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {line["step"]: (line["loss"], line["gradient_norm"]) for line in lines if "loss" in line}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run(load_experiment("pretrain", steps=8, **TINY), folder)
    return folder


def test_a_run_leaves_everything_beside_its_result(uninterrupted):
    names = {path.name for path in uninterrupted.iterdir()}
    assert {"network.h5", "log.jsonl", "experiment.json", "tensorboard"} <= names
    assert sorted(losses(uninterrupted)) == [2, 3, 4, 6, 8]
    record = json.loads((uninterrupted / "experiment.json").read_text())
    assert record["experiment"]["seed"] == 0 and "keras" in record["versions"]
    lines = [json.loads(line) for line in (uninterrupted / "log.jsonl").read_text().splitlines()]
    assert all(
        {"gradient_norm", "learning_rate", "epe", "data_loss"} <= line.keys() for line in lines if "loss" in line
    )
    assert [line["step"] for line in lines if "validation_epe" in line] == [4, 8]


def test_flow_pictures_are_in_the_events(uninterrupted):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(uninterrupted / "tensorboard")).Reload()
    assert "loss" in events.Tags()["scalars"] and len(events.Tags()["images"]) == 2
    assert events.Images(events.Tags()["images"][0])[0].width == 3 * 64


PROGRAM = """
import sys, json
from pathlib import Path
from cpwc_keras.training.experiment import load_experiment
from cpwc_keras.training.phases import run
options = json.loads(sys.argv[2])
run(load_experiment("pretrain", steps=8, **options), Path(sys.argv[1]))
"""


def test_killed_and_resumed_equals_uninterrupted(uninterrupted, tmp_path):
    """`kill -9` at a random moment after the first steps; then the same losses, and the same network."""
    lines = int(np.random.default_rng().integers(2, 5))
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), json.dumps(TINY)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        log = tmp_path / "log.jsonl"
        if log.is_file() and log.read_text().count('"loss"') >= lines:
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.01)
    process.wait(60)
    assert not (tmp_path / "network.h5").exists()
    run(load_experiment("pretrain", steps=8, **TINY), tmp_path)
    assert losses(tmp_path) == losses(uninterrupted)
    ours, whole = (load_network(folder / "network.h5").get_weights() for folder in (tmp_path, uninterrupted))
    for a, b in zip(ours, whole, strict=True):
        np.testing.assert_array_equal(a, b)


def test_ctrl_c_leaves_a_checkpoint(tmp_path):
    def press(step, total, log):
        if step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    experiment = load_experiment("pretrain", steps=8, **TINY)
    with pytest.raises(KeyboardInterrupt):
        run(experiment, tmp_path, press)
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*.h5")) == [
        "checkpoint-00000003.h5",
        "checkpoint-00000004.h5",
    ]
    assert not (tmp_path / "network.h5").exists()


def test_a_run_with_other_settings_is_not_taken_up(uninterrupted, tmp_path):
    for path in uninterrupted.glob("checkpoint-*.h5"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(InputError, match="a run with seed = 0, expected seed = 1"):
        run(load_experiment("pretrain", steps=8, **{**TINY, "seed": 1}), tmp_path)
    assert not (tmp_path / "experiment.json").exists()  # a refused run changes nothing
    next(iter(sorted(tmp_path.glob("checkpoint-*.h5"), reverse=True))).write_bytes(b"broken")
    with pytest.raises(InputError, match=r"checkpoint-00000008.h5: found a broken file .* expected a checkpoint"):
        run(load_experiment("pretrain", steps=8, **TINY), tmp_path)


def test_weights_of_another_architecture_are_refused(uninterrupted, tmp_path):
    options = {**TINY, "network_options": {"skip_connections": False, "context_levels": []}}
    weights = str(uninterrupted / "network.h5")
    with pytest.raises(InputError, match=r"network\.h5: found weights of CPWCNet with .* parameters"):
        run(load_experiment("transfer", steps=1, weights=weights, **options), tmp_path)


def test_an_unwritable_folder_is_refused_before_work_starts(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose another output folder"):
        run(load_experiment("pretrain", steps=1, **TINY), tmp_path / "file" / "run")


def test_a_diverging_run_says_so(tmp_path):
    experiment = load_experiment("pretrain", steps=8, **{**TINY, "learning_rate": 1e30})
    with pytest.raises(InputError, match=r"(loss|gradient norm) is (nan|inf) at step"):
        run(experiment, tmp_path)


DEVICES = """
import os, sys, json
if os.environ["KERAS_BACKEND"] == "jax":
    import jax
    jax.config.update("jax_num_cpu_devices", 2)
    count = lambda: len(jax.devices())
else:
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    count = lambda: len(tf.config.list_logical_devices("CPU"))
from pathlib import Path
from cpwc_keras.training.experiment import load_experiment
from cpwc_keras.training.phases import run
options = json.loads(sys.argv[2])
run(load_experiment("pretrain", steps=3, data_parallel=True, **options), Path(sys.argv[1]))
assert count() == 2
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_give_the_losses_of_one(backend, tmp_path):
    """Each device gets one pair of the batch of two; the loss and so the training are those of one device."""
    pytest.importorskip(backend)
    options = {**TINY, "ema": None}
    environment = {**os.environ, "KERAS_BACKEND": backend}
    arguments = [sys.executable, "-c"]
    for name, program in (("two", DEVICES), ("one", DEVICES.replace("data_parallel=True", "data_parallel=False"))):
        result = subprocess.run(
            [*arguments, program, str(tmp_path / name), json.dumps(options)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr[-2000:]
    two, one = losses(tmp_path / "two"), losses(tmp_path / "one")
    assert two.keys() == one.keys()
    np.testing.assert_allclose(list(two.values()), list(one.values()), rtol=1e-3)
    weights = [load_network(tmp_path / name / "network.h5").get_weights() for name in ("two", "one")]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.slow
def test_one_real_pair_is_learnt_by_heart(shared_data, tmp_path):
    """FlyingChairs' pair 2, from 4.35 px at zero flow to under 1 px."""
    from cpwc_keras.io.flow_files import read_flow
    from cpwc_keras.io.images import read_image
    from cpwc_keras.models import CPWCNet
    from cpwc_keras.training.loop import LoopSettings, fit, validate

    chairs = shared_data / "flyingchairs"
    flow, mask = read_flow(chairs / "0000002-gt.flo")
    pair = FramePair(*(read_image(chairs / f"0000002-img{k}.ppm") for k in (0, 1)), flow, mask)
    keras.utils.set_random_seed(0)
    network = CPWCNet(weight_decay=0.0)
    source = FixedPairs([pair])
    assert validate(network, source)["validation_epe_zero"] == pytest.approx(4.35, abs=0.01)
    settings = LoopSettings(steps=240, batch_size=1, learning_rate=3e-4, schedule="linear", clipnorm=1.0)
    fit(network, source, settings, tmp_path, identity={}, tensorboard=False)
    assert validate(network, source)["validation_epe"] < 1.0


def test_a_run_that_has_ended_is_made_longer(tmp_path):
    """The first four steps follow the schedule of four, the others that of eight; interrupted, it ends the same."""
    said, longer, folder = [], load_experiment("pretrain", steps=8, **TINY), tmp_path / "run"
    run(load_experiment("pretrain", steps=4, **TINY), folder)
    first = load_network(folder / "network.h5").get_weights()
    shutil.copytree(folder, tmp_path / "killed")
    with pytest.raises(InputError, match=r"a run with steps = 4, expected steps = 8"):  # only where it is wanted
        run(longer, folder)

    def press(step, total, log):
        if step == 7:
            os.kill(os.getpid(), signal.SIGINT)

    run(longer, folder, on_longer=said.append)
    with pytest.raises(KeyboardInterrupt):
        run(longer, tmp_path / "killed", press, said.append)
    run(longer, tmp_path / "killed")
    assert len(said) == 2 and "ended at 2.5e-05; " in said[0] and "for 8 steps, 5e-05 now" in said[0]

    for name in ("run", "killed"):
        lines = [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        rates = {line["step"]: line["learning_rate"] for line in lines if "learning_rate" in line}
        assert [rates[step] for step in (2, 4, 6, 8)] == pytest.approx([5e-5, 1.25e-5, 2.5e-5, 1.25e-5])
        kept = load_network(tmp_path / name / "network-4.h5").get_weights()
        assert all(np.array_equal(*pair) for pair in zip(first, kept, strict=True))
        assert json.loads((tmp_path / name / "experiment.json").read_text())["extended from"] == [4]
        card = read_card(tmp_path / name / "network.h5")
        assert card["steps"] == 8 and card["settings"]["extended from"] == [4]
    whole, killed = (load_network(tmp_path / name / "network.h5").get_weights() for name in ("run", "killed"))
    assert all(np.array_equal(*pair) for pair in zip(whole, killed, strict=True))
    with pytest.raises(InputError, match=r"a run with steps = 8, expected steps = 4"):
        run(load_experiment("pretrain", steps=4, **TINY), folder, on_longer=said.append)


def test_a_run_that_has_not_ended_is_not_made_longer(tmp_path):
    def press(step, total, log):
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(load_experiment("pretrain", steps=4, **TINY), tmp_path, press)
    with pytest.raises(InputError, match="a run of 4 steps that has not ended, expected one of 8; let it end"):
        run(load_experiment("pretrain", steps=8, **TINY), tmp_path, on_longer=print)


def test_the_clock_of_the_log_goes_on_where_it_was(tmp_path):
    run(load_experiment("pretrain", steps=4, **TINY), tmp_path)
    log = tmp_path / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    log.write_text("".join(json.dumps(line | {"seconds": line["seconds"] + 5000}) + "\n" for line in lines))
    run(load_experiment("pretrain", steps=8, **TINY), tmp_path, on_longer=lambda sentence: None)
    seconds = [json.loads(line)["seconds"] for line in log.read_text().splitlines()]
    assert seconds == sorted(seconds) and seconds[-1] > 5000 + lines[-1]["seconds"]
    assert read_log(tmp_path).seconds == pytest.approx(seconds[-1])
