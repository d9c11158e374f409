"""An ablation's table: ours beside the paper's, with what sets the two apart under it."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

from cpwc_keras.errors import bad_file
from cpwc_keras.files import atomic_path
from cpwc_keras.io.hdf5_input import open_hdf5
from cpwc_keras.io.sequence_file import sequence_header
from cpwc_keras.models.weights_file import read_card
from cpwc_keras.record import versions, write_json
from cpwc_keras.studies.ablation import Ablation, Row
from cpwc_keras.studies.ablation_run import START, ZERO, Outcome, Plan, Training
from cpwc_keras.studies.summary import Statistic, statistic
from cpwc_keras.studies.tables import ABSENT, Table, markdown
from cpwc_keras.training.experiment import Experiment, load_experiment

_CHOICES = (
    "network_options", "crop", "batch_size", "learning_rate", "schedule", "weight_decay", "clipnorm", "ema",
    "precision",
)  # fmt: skip
"""What the paper tells of its training, beside its length and the pairs."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """A row that was trained and measured.

    Attributes:
        row: of the table.
        training: its network.
        parameters: of the network.
        steps: of its training.
        seconds: that took, over all runs of it.
        epe_mm: endpoint error over the recordings.
        failed: recordings that could not be measured.
    """

    row: Row
    training: Training
    parameters: int
    steps: int
    seconds: float
    epe_mm: Statistic
    failed: int

    @property
    def epochs(self) -> float:
        """Times each pair was seen."""
        return self.steps * self.training.experiment.batch_size / self.training.pairs


def measured_rows(work: Plan, outcome: Outcome) -> list[Measured]:
    """The rows that are done, in the table's order."""
    trainings = {training.name: training for training in work.trainings}
    made = []
    for row in work.ablation.rows:
        if row.network not in outcome.results:
            continue
        training, results = trainings[row.network], outcome.results[row.network]
        scalar = "epe_mm" if row.composition else "epe_forward_mm"
        measured = Measured(
            row=row,
            training=training,
            parameters=_parameters(training.weights_file),
            steps=read_card(training.weights_file)["steps"],
            seconds=training_seconds(training.folder),
            epe_mm=statistic(r.scalars[scalar] for r in results if scalar in r.scalars),
            failed=sum(bool(r.error) for r in results),
        )
        made.append(measured)
    return made


def paper_steps(ablation: Ablation, experiment: Experiment) -> float:
    """About how many steps the paper's training of a network took: its epochs of the pairs it had.

    Pairs further apart are a little fewer than neighbouring ones, which is left out.
    """
    published = load_experiment("transfer")
    pairs = ablation.paper_pairs * len(experiment.spacings) * (2 if experiment.directions == "both" else 1)
    return published.epochs * pairs / published.batch_size


def training_seconds(folder: Path) -> float:
    """What the log of a training says it took; in those of early versions the clock starts anew with each sitting."""
    total = last = 0.0
    for line in (folder / "log.jsonl").read_text().splitlines():
        try:
            seconds = float(json.loads(line)["seconds"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise bad_file(folder / "log.jsonl", f"{line[:40]!r}", "JSON with seconds") from error
        total, last = total + (last if seconds < last else 0.0), seconds
    return total + last


def make_table(work: Plan, outcome: Outcome) -> Table:
    """All rows of the paper's table; those that are not done show the paper's error alone."""
    ablation = work.ablation
    done = {measured.row: measured for measured in measured_rows(work, outcome)}
    rows = []
    for row in ablation.rows:
        ours, paper = done.get(row), f"{row.paper.mean:.2f} ± {row.paper.sd:.2f}"
        if ours is None:
            rows.append([row.method, *[ABSENT] * 3, paper, ABSENT])
            continue
        steps = f"{ours.steps:,} of {_two_digits(paper_steps(ablation, ours.training.experiment))}"
        cases = f"{ours.epe_mm.n} ({ours.failed} failed)" if ours.failed else str(ours.epe_mm.n)
        rows.append([row.method, f"{ours.parameters / 1e6:.2f} M", steps, _text(ours.epe_mm), paper, cases])
    share = f"{len(done)} of {len(rows)} rows"
    return Table(
        f"Table {ablation.number}: {ablation.title}" + (f" ({share})" if len(done) < len(rows) else ""),
        ["row", "parameters", "steps of ≈ paper's", "EPE (mm)", "paper (mm)", "cases"],
        rows,
        len(rows),
        remarks=tuple(_remarks(work, list(done.values()), outcome)),
    )


def write_table(work: Plan, outcome: Outcome) -> None:
    """Write table.md, table.csv and ablation.json, each whole or not at all.

    Raises:
        InputError: they cannot be written.
    """
    made = make_table(work, outcome)
    with atomic_path(work.folder / "table.md") as path:
        path.write_text(markdown(made), encoding="utf-8")
    done = measured_rows(work, outcome)
    lines = [_line(work.ablation, measured) for measured in done]
    with atomic_path(work.folder / "table.csv") as path, open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, lines[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: "" if value != value else value for key, value in line.items()} for line in lines)  # NaN
    settings = {m.training.name: dataclasses.asdict(m.training.experiment) for m in done}
    record = {
        "table": work.ablation.name,
        "rows done": len(done),
        "rows": lines,
        "rows in all": len(work.ablation.rows),
        "measured on": [case.info.name for case in work.cases],
        "test recordings": work.test_recordings,
        "networks": settings,
        "remarks": made.remarks,
        "versions": versions(),
    }
    write_json(work.folder / "ablation.json", record)


def _line(ablation: Ablation, measured: Measured) -> dict:
    row, training, epe = measured.row, measured.training, measured.epe_mm
    return {
        "row": row.method,
        "network": row.network,
        "composition": row.composition,
        "weights": training.experiment.weights,
        "parameters": measured.parameters,
        "pairs": training.pairs,
        "steps": measured.steps,
        "paper_steps_about": float(f"{paper_steps(ablation, training.experiment):.2g}"),
        "epochs": float(f"{measured.epochs:.4g}"),
        "training_seconds": measured.seconds,
        "epe_mm": float(f"{epe.mean:.6g}"),
        "epe_sd_mm": float(f"{epe.sd:.6g}"),
        "recordings": epe.n,
        "failed": measured.failed,
        "paper_epe_mm": row.paper.mean,
        "paper_epe_sd_mm": row.paper.sd,
    }


def _remarks(work: Plan, done: list[Measured], outcome: Outcome):
    ablation, experiment = work.ablation, done[0].training.experiment
    if len(done) < len(ablation.rows):
        yield f"Partly run: {len(done)} of {len(ablation.rows)} rows; the others show the paper's error alone."
    shares = [m.steps / paper_steps(ablation, m.training.experiment) for m in done]
    published = load_experiment("transfer")
    length = (
        f"The paper's steps are estimated: {published.epochs} epochs of the pairs it had, {published.batch_size} a "
        f"step; an epoch here has {_span([m.training.pairs for m in done])} pairs."
    )
    if min(shares) < 1:
        fewest, most = (f"{100 * share:.2g} %" for share in (min(shares), max(shares)))
        part = fewest if fewest == most else f"{fewest} to {most}"
        length = f"Trained for {part} of the paper's steps: these are not the errors of finished networks. {length}"
    yield length
    if differing := _differing(experiment, published):
        yield f"Set otherwise than in the paper: {'; '.join(differing)}."
    yield _start([m.training.experiment.weights for m in done])
    yield _test(work, experiment)
    for tracker, words in ((START, "The weights that training started from have"), (ZERO, "Finding no motion has")):
        errors = statistic(r.scalars["epe_mm"] for r in outcome.results.get(tracker, ()) if "epe_mm" in r.scalars)
        if errors.n:
            yield f"{words} an EPE of {_text(errors)} mm on them."
    yield ablation.note
    yield "σ is over recordings; the paper does not say over what its own is taken."


def _differing(experiment: Experiment, published: Experiment) -> list[str]:
    found = []
    for name in _CHOICES:
        ours, theirs = getattr(experiment, name), getattr(published, name)
        if name == "network_options":  # what the table compares is no difference to it
            compared = ("skip_connections", "context_levels", "finest_level")
            ours = {key: value for key, value in ours.items() if key not in compared}
        if ours != theirs:
            instead = "" if theirs in (None, {}) else f" instead of {_words(theirs)}"
            found.append(f"{name.replace('_', ' ')} {_words(ours)}{instead}")
    return found


def _start(weights: list[str]) -> str:
    names = list(dict.fromkeys(weights))
    if names == [""]:
        origin = "from He initialisation, all networks alike"
    else:
        origin = f"from {', '.join(name or 'He initialisation' for name in names)}"
    return f"Trained {origin}; the paper's networks had been pretrained on FlyingChairs and FlyingThings3D."


def _test(work: Plan, experiment: Experiment) -> str:
    measured, there = len(work.cases), work.test_recordings
    count = f"all {there}" if measured == there else f"{measured} of {there}"
    part = experiment.test_vendor or "the test patients"
    files = [case.item.files[0] for case in work.cases if case.item.dataset == "sequences"]
    images = ""
    if any("engine" in sequence_header(path).attributes for path in files):
        images = " The images are simulated by this project's pipeline, in training as in the test."
    return f"Measured on {count} recordings of {part} without reverberation artifacts.{images}"


def _parameters(path: Path) -> int:
    with open_hdf5(path, "weights saved by cpwc-keras") as file:
        return sum(array.size for array in file["weights"].values())


def _text(value: Statistic) -> str:
    if not value.n:
        return ABSENT
    return f"{value.mean:.2f} ± {value.sd:.2f}" if value.n > 1 else f"{value.mean:.2f}"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):,.0f}"


def _span(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _words(value) -> str:
    if isinstance(value, tuple):
        return " × ".join(map(str, value))
    return ", ".join(f"{key} {entry}" for key, entry in value.items()) if isinstance(value, dict) else str(value)
