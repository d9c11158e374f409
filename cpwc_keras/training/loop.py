"""One training run: `keras.Model.fit` with logs, validation and checkpoints by step."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from cpwc_keras.data.pipeline import FixedPairs, Sampler, batches, tf_dataset
from cpwc_keras.errors import InputError
from cpwc_keras.evaluation.motion import endpoint_error
from cpwc_keras.files import atomic_path, write_errors_named
from cpwc_keras.models.weights_file import save_network
from cpwc_keras.training.checkpoints import list_checkpoints, restore_checkpoint, save_checkpoint
from cpwc_keras.training.events import Events
from cpwc_keras.training.loss import FlowTrainer
from cpwc_keras.training.schedule import SCHEDULES, Adam


@dataclass(frozen=True)
class LoopSettings:
    """How long and how a network is trained: the part of an `Experiment` that the loop needs.

    Attributes:
        steps: gradient steps in all.
        batch_size: pairs a step (the paper's 4).
        learning_rate: of Adam at the start (the paper's 1e-4).
        schedule: "halving" (the paper's) or "linear" (for short budgets).
        clipnorm: bound on the gradient norm of each weight array; None for none (the paper).
        ema: momentum of the moving average of the weights that is kept as the result; None for none (the paper).
        seed: of initialisation and data order.
        workers: threads that make pairs.
        log_every: steps between two lines of the log, each a mean over the steps since the one before.
        checkpoint_every: steps between two checkpoints.
        validate_every: steps between two validations.
    """

    steps: int
    batch_size: int = 4
    learning_rate: float = 1e-4
    schedule: str = "halving"
    clipnorm: float | None = None
    ema: float | None = None
    seed: int = 0
    workers: int = 2
    log_every: int = 20
    checkpoint_every: int = 500
    validate_every: int = 500


def fit(
    network,
    sampler: Sampler,
    settings: LoopSettings,
    folder: Path,
    *,
    identity: dict,
    validation: FixedPairs | None = None,
    on_step: Callable[[int, dict], None] | None = None,
    tensorboard: bool = True,
) -> Path:
    """Train `network` and write `network.h5`; goes on from the newest checkpoint in `folder` if there is one.

    Beside it stand `log.jsonl` (a line of loss, endpoint error, gradient norm and learning rate every `log_every`
    steps, and of validations, with the seconds the run took so far, over all its sittings), TensorBoard events with
    flow pictures, and the last checkpoints. After `kill -9` the same call goes on, and with the same seed gives the
    same numbers. The first Ctrl-C ends the run after the step under way with a checkpoint (before the first step is
    done, at once: there is nothing to keep), the second at once.

    Args:
        network: a `PWCNet`, built.
        sampler: training pairs, all of one size, height and width multiples of 64; closed at the end if it can be.
        settings: how long and how.
        folder: of the run; it exists.
        identity: what checkpoints of this run are known by (see `save_checkpoint`).
        validation: pairs to measure the endpoint error on.
        on_step: called after each step with the step and the newest log.
        tensorboard: write TensorBoard events.

    Returns:
        Path of `network.h5`.

    Raises:
        InputError: unusable pairs or folder, or a checkpoint of another run.
        KeyboardInterrupt: after Ctrl-C; the checkpoint is written.
    """
    trainer = FlowTrainer(network)
    optimizer = Adam(
        SCHEDULES[settings.schedule](settings.learning_rate, settings.steps),
        clipnorm=settings.clipnorm,
        use_ema=settings.ema is not None,
        ema_momentum=0.99 if settings.ema is None else settings.ema,
    )
    trainer.compile(optimizer=optimizer)
    optimizer.build(network.trainable_variables)
    checkpoints = list_checkpoints(folder)
    start = restore_checkpoint(checkpoints[-1], network, optimizer, identity) if checkpoints else 0
    seconds = _cut_log(folder / "log.jsonl", start)

    if start < settings.steps:
        watched = _Watched(sampler)
        since = time.monotonic() - seconds
        recorder = _Recorder(settings, folder, start, since, identity, validation, on_step, tensorboard, watched.close)
        source = tf_dataset if keras.backend.backend() == "tensorflow" else batches
        steps = settings.steps - start
        with recorder, watched.mistakes_told():
            data = source(watched, settings.batch_size, start, workers=settings.workers)
            trainer.fit(data, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[recorder])
        if recorder.interrupted:
            raise KeyboardInterrupt
    elif settings.ema is not None:  # `fit` itself puts the averaged weights in place, after the last checkpoint
        optimizer.finalize_variable_values(network.trainable_variables)
    card = {"steps": settings.steps, "settings": identity}
    if validation:
        card |= validate(network, validation)
    save_network(network, folder / "network.h5", card=card)
    return folder / "network.h5"


def validate(network, validation: FixedPairs) -> dict[str, float]:
    """Mean endpoint error in pixels over the known parts, and that of zero flow; {} if nothing is known."""
    totals = np.zeros(3)
    for index in range(validation.epoch_size):
        pair = validation.sample(index)
        flow = network.predict_on_batch([pair.image1[None, ..., None], pair.image2[None, ..., None]])[0]
        known = pair.mask.sum()
        if known:
            error = endpoint_error(flow, pair.flow, pair.mask)
            zero = endpoint_error(np.zeros_like(pair.flow), pair.flow, pair.mask)
            totals += (error * known, zero * known, known)
    if not totals[2]:
        return {}
    return {"validation_epe": totals[0] / totals[2], "validation_epe_zero": totals[1] / totals[2]}


def _cut_log(path: Path, step: int) -> float:
    """Drop what was logged after the checkpoint: it will be logged again. The seconds that the run took so far."""
    if not path.is_file():
        return 0.0
    lines = [line for line in path.read_text(errors="replace").splitlines() if _step_of(line) <= step]
    with atomic_path(path) as beside:
        beside.write_text("".join(f"{line}\n" for line in lines))
    try:
        return float(json.loads(lines[-1])["seconds"])
    except (IndexError, ValueError, KeyError, TypeError, OverflowError):
        return 0.0


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):  # the last line of a killed run
        return np.inf


class _Watched:
    """A sampler whose `InputError` survives the frameworks, which make errors of their own of what a worker raises."""

    def __init__(self, sampler: Sampler):
        self.sampler = sampler
        self.epoch_size = sampler.epoch_size
        self.mistake: InputError | None = None
        self.closed = False

    def sample(self, index: int):
        try:
            return self.sampler.sample(index)
        except InputError as error:
            if not self.closed:  # else it says no more than that its processes were ended
                self.mistake = error
            raise

    def close(self) -> None:
        """End what the sampler does ahead of need: threads and processes that nobody waits for any more."""
        self.closed = True
        if hasattr(self.sampler, "close"):
            self.sampler.close()

    @contextmanager
    def mistakes_told(self):
        """Raise the user's mistake in place of whatever became of it."""
        try:
            yield
        except Exception as error:
            if self.mistake is not None:
                raise self.mistake from error
            raise
        finally:
            self.close()


class _Recorder(keras.callbacks.Callback):
    """What happens between steps: logs, validations, checkpoints, the end by Ctrl-C."""

    def __init__(self, settings, folder, start, since, identity, validation, on_step, tensorboard, on_last):
        super().__init__()
        self.settings, self.folder, self.identity = settings, folder, identity
        self.start = self.step = start
        self.validation, self.on_step, self.on_last = validation, on_step, on_last
        self.interrupted = False
        self.latest: dict = {}
        self.since = since
        self.events = Events(folder) if tensorboard else None

    def __enter__(self):
        self.log = open(self.folder / "log.jsonl", "a", buffering=1)
        try:
            self.previous = signal.signal(signal.SIGINT, self._interrupt)
        except ValueError:  # not the main thread: whoever runs us there deals with signals
            self.previous = None
        return self

    def __exit__(self, *exception):
        if self.previous is not None:
            signal.signal(signal.SIGINT, self.previous)
        if self.events:
            self.events.close()
        with write_errors_named(self.folder):  # on a full disk the file still holds a part of a line, and tries again
            self.log.close()

    def _interrupt(self, *_):
        self.interrupted = True
        signal.signal(signal.SIGINT, self.previous or signal.SIG_DFL)
        if self.step == self.start:  # the graph is being made, which takes long, and no step has been done
            raise KeyboardInterrupt

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.on_step:
            self.on_step(self.step, self.latest)
        last = self.step == self.settings.steps
        ending = last or self.interrupted
        if ending:
            self.on_last()
        saving = ending or self.step % self.settings.checkpoint_every == 0
        # A checkpoint always falls on a log line: what is averaged into the next one starts anew after both, and after
        # a resume as well.
        if saving or self.step % self.settings.log_every == 0:
            self._log(logs)
        # Through `self.model`, which brings the weights up to date where the backend keeps them elsewhere (JAX).
        if self.validation and (last or self.step % self.settings.validate_every == 0):
            with _averaged(self.model.network, self.model.optimizer):
                self._write(validate(self.model.network, self.validation))
                if self.events:
                    self.events.pictures(self.step, self.model.network, self.validation)
        if saving:
            save_checkpoint(self.folder, self.model.network, self.model.optimizer, self.identity)
        if ending:
            self.model.stop_training = True

    def _log(self, logs: dict) -> None:
        optimizer = self.model.optimizer
        self.latest = {name: float(value) for name, value in logs.items()} | {
            "gradient_norm": float(np.asarray(optimizer.gradient_norm)),
            "learning_rate": float(np.asarray(optimizer.learning_rate)),
        }
        for name in ("loss", "gradient_norm"):
            if not np.isfinite(self.latest[name]):
                raise InputError(
                    f"{self.folder}: the {name.replace('_', ' ')} is {self.latest[name]} at step {self.step}; lower "
                    "the learning rate or set --clipnorm, then run again in another folder."
                )
        self._write(self.latest)
        self.model.reset_metrics()

    def _write(self, values: dict) -> None:
        seconds = round(time.monotonic() - self.since, 1)
        with write_errors_named(self.folder):
            self.log.write(json.dumps({"step": self.step, "seconds": seconds, **values}) + "\n")
            if self.events:
                self.events.scalars(self.step, values)


@contextmanager
def _averaged(network, optimizer):
    """The averaged weights in place of the raw ones, if the optimiser keeps any: they will be the run's result."""
    if not optimizer.use_ema:
        yield
        return
    raw = network.get_weights()
    optimizer.finalize_variable_values(network.trainable_variables)
    try:
        yield
    finally:
        network.set_weights(raw)
