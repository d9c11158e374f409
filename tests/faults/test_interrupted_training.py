"""Ctrl-C of a training run: nobody waits for what nobody needs."""

import os
import signal
import threading
import time

import pytest

from cpwc_keras.data_prep.hearts import HeartPairs
from cpwc_keras.training.experiment import load_experiment
from cpwc_keras.training.phases import run


class _Slow(HeartPairs):
    """Hearts that take a while, and are counted."""

    made = 0

    def scene(self, number):
        time.sleep(0.2)
        type(self).made += 1
        raise RuntimeError("no scene")


def test_scenes_that_are_waiting_are_not_made():
    """After a resume a whole window of 32 scenes waits; the interpreter would finish them before it ends."""
    pairs = _Slow(([object()],))

    def ask():
        with pytest.raises(BaseException):  # noqa: B017 (the failure above, or the cancellation)
            pairs.sample(20_000)

    asking = threading.Thread(target=ask)
    asking.start()
    while not _Slow.made:
        time.sleep(0.01)
    pairs.close()
    asking.join(5)
    before = _Slow.made
    time.sleep(0.5)
    assert not asking.is_alive() and _Slow.made <= before + 1


def test_before_the_first_step_is_done_the_run_ends_at_once(tmp_path, monkeypatch):
    """The first step takes as long as the making of its graph; there is nothing to keep."""
    from cpwc_keras.data_prep.speckle import SpecklePairs

    plain, pressed = SpecklePairs.sample, []

    def sample(self, index):
        if (tmp_path / "run" / "log.jsonl").exists() and not pressed:
            pressed.append(index)
            os.kill(os.getpid(), signal.SIGINT)
        return plain(self, index)

    monkeypatch.setattr(SpecklePairs, "sample", sample)
    options = {"network_options": {"skip_connections": False, "context_levels": [], "finest_level": 5}}
    experiment = load_experiment("pretrain", datasets={"speckle": ""}, crop=(64, 64), batch_size=1, steps=3, **options)
    steps = []
    with pytest.raises(KeyboardInterrupt):
        run(experiment, tmp_path / "run", lambda *step: steps.append(step))
    assert pressed and steps == [] and not list((tmp_path / "run").glob("checkpoint-*.h5"))
