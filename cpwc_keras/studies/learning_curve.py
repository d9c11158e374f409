"""The learning curve of a training run: read from its log, thinned for a preset's card, compared with another run's.

A run that is made again on another machine does not give the same numbers, but its loss must fall in the same way: the
difference is judged against the noise that the loss has from one log line to the next.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.io.input_file import read_json, read_text

LOG = "log.jsonl"
_LOG_BYTES = 1 << 28
MOST_POINTS = 200

_QUANTITIES = ("data_loss", "epe")
_COUNTS = ("step", "lines")
_VALIDATIONS = ("validation_epe", "validation_epe_zero")
_ROUNDING = 1e-3
"""Relative difference that counts for nothing, however small the noise: other hardware rounds otherwise."""


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Loss and endpoint error over the steps of one training phase.

    Attributes:
        step: (N,) int, rising; each value is the mean over the steps since the one before.
        data_loss: (N,) the loss without weight decay.
        epe: (N,) endpoint error of the training pairs in pixels.
        noise: relative standard deviation of the loss from one line of the log to the next, the trend taken out.
        lines: (N,) int, lines of the log behind each value.
        seconds: that the run took, over all its sittings.
    """

    step: np.ndarray
    data_loss: np.ndarray
    epe: np.ndarray
    noise: float
    lines: np.ndarray
    seconds: float = math.nan

    def thinned(self, most: int = MOST_POINTS) -> LearningCurve:
        """At most so many points, each a mean, close together at the start and wider apart towards the end.

        The distances grow linearly with the step, as fast as a loss needs: of 100,000 steps the first 1,000 keep 17 of
        200 points.
        """
        if len(self.step) <= most:
            return self
        ends = np.searchsorted(self.step, self.step[-1] * (np.arange(1, most + 1) / most) ** 2)
        ends = np.unique(np.minimum(ends, len(self.step) - 1))
        return self._gathered(self.step[ends])

    def _gathered(self, ends: np.ndarray) -> LearningCurve:
        """Means over the stretches that end with these steps; stretches without a line are left out."""
        part = np.searchsorted(ends, self.step)
        inside = part < len(ends)
        part, lines = part[inside], self.lines[inside]
        count = np.bincount(part, lines, len(ends))
        means = (
            np.bincount(part, lines * values[inside], len(ends)) / np.maximum(count, 1)
            for values in (self.data_loss, self.epe)
        )
        kept = count > 0
        loss, epe = (values[kept] for values in means)
        return LearningCurve(ends[kept], loss, epe, self.noise, count[kept].astype(int), self.seconds)

    def to_json(self) -> dict:
        """As it is kept beside a card, rounded to five digits."""
        rounded = {name: [float(f"{value:.5g}") for value in getattr(self, name)] for name in _QUANTITIES}
        counts = {name: getattr(self, name).tolist() for name in _COUNTS}
        return {"noise": float(f"{self.noise:.3g}"), **counts, **rounded}


@dataclass(frozen=True)
class Comparison:
    """How far the beginning of a run is from a recorded one.

    Attributes:
        steps: up to which both were compared.
        points: values that were compared.
        mean_difference: mean of the relative differences of the loss; above 0 where the run's is higher.
        mean_distance: mean of their absolute values.
        noise: what `mean_distance` would be if both differed by chance alone.
        mean_noise: standard deviation of `mean_difference` in that case.
    """

    steps: int
    points: int
    mean_difference: float
    mean_distance: float
    noise: float
    mean_noise: float

    @property
    def matches(self) -> bool:
        """Whether chance explains the distance (at most twice the noise) and the mean difference (three deviations)."""
        near = self.mean_distance <= 2 * max(self.noise, _ROUNDING)
        return near and abs(self.mean_difference) <= 3 * max(self.mean_noise, _ROUNDING)

    def __str__(self) -> str:
        verdict = "the curves match" if self.matches else "the curves differ by more than chance"
        return (
            f"over the first {self.steps:,} steps ({self.points} points) the loss is {self.mean_distance:.1%} away on "
            f"average, where chance alone makes {self.noise:.1%}, and {self.mean_difference:+.1%} with its sign, where "
            f"chance makes ±{self.mean_noise:.1%}: {verdict}"
        )


def read_log(run: str | Path) -> LearningCurve:
    """The learning curve of a run, from the `log.jsonl` in its folder.

    Args:
        run: folder of a run of `cpwc-keras pretrain` or `transfer`, finished or not.

    Raises:
        InputError: there is no log, or it is not one.
    """
    steps, values, seconds, before = [], [], 0.0, 0.0
    for line in _lines(run, _QUANTITIES):
        # In the logs of early versions the clock starts anew with each sitting.
        seconds += line.seconds - before if line.seconds >= before else line.seconds
        before = line.seconds
        if line.values is not None:
            steps.append(line.step)
            values.append(line.values)
    if not steps or np.any(np.diff(steps) <= 0) or not np.isfinite(values).all():
        raise bad_file(Path(run) / LOG, f"{len(steps)} lines with a loss", "a finite loss at rising steps")
    loss, epe = np.array(values).T
    return LearningCurve(np.array(steps), loss, epe, _noise(loss), np.ones(len(steps), int), seconds)


def read_validations(run: str | Path) -> np.ndarray:
    """What a run measured on its validation pairs.

    Args:
        run: folder of a run, finished or not.

    Returns:
        (N, 3): step, endpoint error and that of zero flow, both in pixels; N is 0 where nothing was measured yet.

    Raises:
        InputError: there is no log, or it is not one.
    """
    rows = [(line.step, *line.values) for line in _lines(run, _VALIDATIONS) if line.values is not None]
    return np.array(rows, float).reshape(-1, 1 + len(_VALIDATIONS))


class _Line(NamedTuple):
    """One line of a log: when, and the values that were asked for, if it is one that has them."""

    step: int
    seconds: float
    values: list[float] | None


def _lines(run: str | Path, names: tuple[str, ...]) -> Iterator[_Line]:
    """The finished lines of a log.

    Args:
        run: folder of the run.
        names: of values to read from the lines that have the first of them.

    Raises:
        InputError: there is no log, or it is not one.
    """
    path = Path(run) / LOG
    try:
        text = read_text(path, "the log of a training run", _LOG_BYTES)
    except InputError as error:
        expected = "the log of a training run"
        raise bad_file(path, "nothing that can be read", expected, "give the folder of a run") from error
    whole = text.rpartition("\n")[0]  # a run that is still writing leaves an unfinished line
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            entry = json.loads(line)
            values = [float(entry[name]) for name in names] if names[0] in entry else None
            found = _Line(int(entry["step"]), float(entry["seconds"]), values)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            expected = f"JSON with step, seconds, {' and '.join(names)}"
            raise bad_file(path, f"{line[:40]!r} in line {number}", expected) from error
        yield found


def read_curves(path: str | Path) -> list[LearningCurve]:
    """The recorded curves of a preset, one for each stage of its training.

    Raises:
        InputError: missing, or not such a file, or the values of a curve do not belong together.
    """
    try:
        stages = read_json(path, "the .curve.json of a preset")["stages"]
        curves = [
            LearningCurve(
                noise=float(stage["noise"]),
                **{name: np.array(stage[name], int) for name in _COUNTS},  # type: ignore[arg-type]
                **{name: np.array(stage[name], float) for name in _QUANTITIES},  # type: ignore[arg-type]
            )
            for stage in stages
        ]
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise bad_file(path, "no learning curves", "the .curve.json of a preset") from error
    for number, curve in enumerate(curves, 1):
        shapes = {getattr(curve, name).shape for name in (*_COUNTS, *_QUANTITIES)}
        if len(shapes) > 1 or len(next(iter(shapes))) != 1:
            counts = ", ".join(f"{getattr(curve, name).size} of {name}" for name in (*_COUNTS, *_QUANTITIES))
            raise bad_file(path, f"{counts} in stage {number}", "as many of each")
        rising = len(curve.step) and (np.diff(curve.step, prepend=0) > 0).all()
        if not rising or not (curve.lines > 0).all() or not np.isfinite([curve.data_loss, curve.epe]).all():
            raise bad_file(path, f"no learning curve in stage {number}", "finite values at rising steps")
    return curves


def compare(run: LearningCurve, recorded: LearningCurve, steps: int) -> Comparison:
    """Compare the beginning of a run with a recorded curve, made by the same command.

    Args:
        run: of a run's log, not thinned.
        recorded: a preset's.
        steps: how far; less if one of them ends before.

    Raises:
        InputError: they have no stretch in common.
    """
    steps = min(steps, int(run.step[-1]), int(recorded.step[-1]))
    ends = recorded.step[recorded.step <= steps]
    gathered = run._gathered(ends)
    common = np.isin(ends, gathered.step)
    if not common.any():
        raise InputError(
            f"The run has {run.step[-1]:,} steps, and the first recorded value is that of step {recorded.step[0]:,}; "
            "let it run longer, or compare more steps."
        )
    expected, lines = recorded.data_loss[: len(ends)][common], recorded.lines[: len(ends)][common]
    relative = gathered.data_loss / expected - 1
    # The mean of |x| of a normal distribution is sqrt(2/π) of its standard deviation.
    spread = np.sqrt(run.noise**2 / gathered.lines + recorded.noise**2 / lines)
    noise = float(np.mean(spread)) * math.sqrt(2 / math.pi)
    mean_noise = float(np.linalg.norm(spread)) / len(spread)
    mean, distance = float(relative.mean()), float(np.abs(relative).mean())
    return Comparison(steps, len(relative), mean, distance, noise, mean_noise)


def _noise(loss: np.ndarray) -> float:
    """Relative standard deviation from line to line: second differences of the logarithm know no trend.

    The median, scaled as for a normal distribution, takes no notice of a few leaps.
    """
    if len(loss) < 3:
        return 0.0
    second = np.diff(np.log(np.maximum(loss, 1e-12)), 2)
    return float(np.median(np.abs(second))) / 0.6745 / math.sqrt(6)
