"""An ablation's networks, trained and measured one after the other, and taken up again after an interruption."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cpwc_keras.data.splits import require_disjoint_patients
from cpwc_keras.errors import InputError, bad_file, did_you_mean
from cpwc_keras.files import locked_folder
from cpwc_keras.models.presets import DEFAULT_PRESET, load_model
from cpwc_keras.models.weights_file import read_card
from cpwc_keras.studies import run as evaluation
from cpwc_keras.studies.ablation import Ablation, Row
from cpwc_keras.studies.cases import Case, find_cases
from cpwc_keras.studies.measure import MeasureSettings
from cpwc_keras.studies.results import CaseResult
from cpwc_keras.studies.trackers import TrackerSpec
from cpwc_keras.training import phases
from cpwc_keras.training.experiment import Experiment, load_experiment
from cpwc_keras.training.sources import make_source

DATASETS = ("alessandrini", "sequences", "medicaid")
"""Those that can be trained and measured on."""

HE = "none"
"""Weights of this name: He initialisation."""

ZERO, START = "zero", "start"
"""Yardsticks measured beside the networks: the tracker that finds no motion, and the weights that all start from."""


@dataclass(frozen=True)
class Training:
    """A network of a table.

    Attributes:
        name: of the network.
        experiment: how it is trained.
        folder: of its run.
        pairs: that one epoch has.
        recordings: fingerprint of those it is trained on.
        finished: whether it was trained before.
    """

    name: str
    experiment: Experiment
    folder: Path
    pairs: int
    recordings: str
    finished: bool

    @property
    def weights_file(self) -> Path:
        """Where the trained network lies."""
        return self.folder / "network.h5"


@dataclass(frozen=True)
class Plan:
    """What is to be done for a table.

    Attributes:
        ablation: the table.
        folder: of all its runs and results.
        trainings: the networks that were asked for, and those of the table that lie in the folder already.
        cases: the recordings of the test part that are measured.
        test_recordings: how many the test part has.
    """

    ablation: Ablation
    folder: Path
    trainings: tuple[Training, ...]
    cases: tuple[Case, ...]
    test_recordings: int

    @property
    def start(self) -> str:
        """The weights that all networks start from; "" where they are of He initialisation or differ."""
        weights = {training.experiment.weights for training in self.trainings}
        return weights.pop() if len(weights) == 1 else ""


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        results: network, `ZERO` or `START` → its results on the test part.
        broken: tracker and case → the traceback of an error that is not the user's.
    """

    results: dict[str, list[CaseResult]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


def plan(
    ablation: Ablation,
    rows: Sequence[Row],
    dataset: str,
    root: str | Path,
    folder: str | Path,
    *,
    config: str | Path | None = None,
    limit: int | None = None,
    **options,
) -> Plan:
    """Decide what is trained and measured; nothing is trained or written.

    Args:
        ablation: the table.
        rows: of it, that are asked for.
        dataset: one of `DATASETS`.
        root: where it lies.
        folder: for runs and results. Networks of the table that lie there are measured, too.
        config: experiment file with what all networks share; `options` win over it, and what sets a network apart over
            both.
        limit: measure on the first so many recordings of the test part.
        **options: attributes of `Experiment`; None means not given. `weights` may hold "{network}"; "none" is He
            initialisation.

    Raises:
        InputError: unusable data, settings or weights, no test part, or networks in the folder that were trained
            otherwise.
    """
    if dataset not in DATASETS:
        raise InputError(f"{dataset!r} has not both images and true motion of hearts; choose one of {_list(DATASETS)}.")
    folder = Path(folder)
    cases = find_cases(dataset, root)
    asked = {row.network for row in rows}
    there = {name for name in ablation.networks if (folder / name / "network.h5").is_file()}
    experiments = _experiments(ablation, asked, config, datasets={dataset: str(root)}, **options)
    test = _test_part(cases, experiments[rows[0].network], root)
    trainings = tuple(
        _training(name, experiment, folder, name in there)
        for name, experiment in experiments.items()
        if name in asked | there
    )
    for weights in {t.experiment.weights for t in trainings if not t.finished and t.experiment.weights}:
        load_model(weights)  # a mistake is found before any work
    return Plan(ablation, folder, trainings, test[:limit], len(test))


def run(
    work: Plan,
    workers: int = 1,
    *,
    on_stage: Callable[[str, str], None] = lambda network, stage: None,
    on_progress: Callable[[int, int, str], None] = lambda done, total, note: None,
    on_network: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """Train and measure network after network; takes up what an interrupted run left.

    Args:
        work: from `plan`.
        workers: processes that measure; 1: this process, with all cores.
        on_stage: called with a tracker's name and "training" or "measuring" when that begins.
        on_progress: called with what is done of how many steps or recordings, and a note.
        on_network: called after each network with everything that is measured so far.

    Raises:
        InputError: nothing can be measured on the test part, a file cannot be read or written, another run holds the
            folder, or a training diverges.
        KeyboardInterrupt: after Ctrl-C; the same call goes on.
    """

    def on_step(step: int, total: int, log: dict):
        on_progress(step, total, f"loss {log['data_loss']:.3f}  EPE {log['epe']:.2f} px" if log else "")

    outcome = Outcome()
    with locked_folder(work.folder):
        on_stage(ZERO, "measuring")
        _measure(work, ZERO, ZERO, workers, on_progress, outcome)
        if all(result.error for result in outcome.results[ZERO]):  # better known now than after the training
            result = outcome.results[ZERO][0]
            raise InputError(f"No test recording can be measured; {result.case.name}: {result.error}")
        if work.start:
            on_stage(START, "measuring")
            _measure(work, START, work.start, workers, on_progress, outcome)
        for training in work.trainings:
            if not training.finished:
                on_stage(training.name, "training")
                phases.run(training.experiment, training.folder, on_step)
                gc.collect()  # networks hold themselves in circles; the next one needs the memory
            on_stage(training.name, "measuring")
            _measure(work, training.name, str(training.weights_file), workers, on_progress, outcome)
            on_network(outcome)
    return outcome


def _measure(work: Plan, name: str, spec: str, workers: int, on_progress, outcome: Outcome) -> None:
    """Every result holds the errors with and without composition: rows that share a network share its results."""
    jobs = evaluation.plan(work.cases, [TrackerSpec(name, spec)], work.folder, MeasureSettings())
    done = []

    def on_result(result: CaseResult):
        done.append(result)
        on_progress(len(done), len(jobs), result.case.name)

    made = evaluation.evaluate(jobs, workers, on_result)
    outcome.results[name] = made.results
    outcome.broken |= made.broken


def _experiments(ablation: Ablation, asked: set[str], config, weights: str | None = None, **options):
    """Network → experiment, for the whole table."""
    base = load_experiment("transfer", config, weights=weights, **options)
    shared = options | ({} if base.test_vendor else ablation.vendors)
    found = {}
    for name, apart in ablation.networks.items():
        both = base.network_options | apart.get("network_options", {})
        found[name] = load_experiment("transfer", config, **shared | apart | {"network_options": both})
    start = "" if base.weights == HE else base.weights
    if not base.weights and all(e.network == "CPWCNet" and not e.network_options for e in found.values()):
        start = DEFAULT_PRESET
    if start and "{network}" not in start:
        architectures = [(e.network, e.network_options) for name, e in found.items() if name in asked]
        if any(architecture != architectures[0] for architecture in architectures):
            raise InputError(
                f"{start}: one file cannot start networks of different architectures; put {{network}} into its path, "
                f"for {_list(asked)}, choose a single row, or leave the weights out to start all alike from He "
                "initialisation."
            )
    return {name: replace(e, weights=start.replace("{network}", name)) for name, e in found.items()}


def _training(name: str, experiment: Experiment, folder: Path, finished: bool) -> Training:
    """A network of the table, whose data can be trained on; one that lies there is proved to be of this experiment.

    Raises:
        InputError: unusable data, or the network in the folder was trained otherwise.
    """
    source = make_source(replace(experiment, validation_pairs=0), folder / name)
    training = Training(name, experiment, folder / name, source.training.epoch_size, source.fingerprint, finished)
    if finished:
        path = training.weights_file
        try:
            settings = read_card(path).get("settings", {})
        except (OSError, ValueError) as error:
            raise bad_file(path, "a damaged file", "a trained network", "delete it to train again") from error
        for key, value in (experiment.identity() | {"recordings": source.fingerprint}).items():
            if settings.get(key) != value:
                raise bad_file(
                    path,
                    f"a network trained with {key} = {settings.get(key)!r}",
                    f"{key} = {value!r}",
                    "choose another output folder or the same settings",
                )
    return training


def _test_part(cases: list[Case], experiment: Experiment, root) -> tuple[Case, ...]:
    """The recordings of the test vendor, or of the split "test", without those that have artifacts.

    Raises:
        InputError: there are none.
    """
    if experiment.test_vendor:
        known = sorted({case.info.vendor for case in cases} - {""})
        for part in ("test", "validation"):
            if (vendor := getattr(experiment, f"{part}_vendor")) not in known:
                raise InputError(
                    f"{root}: has no recordings of {vendor!r}, the vendor for {part}; there are "
                    f"{', '.join(map(repr, known)) or 'none that name a vendor'}; choose with --test-vendor and "
                    f"--validation-vendor.{did_you_mean(vendor, known)}"
                )
        test = [case for case in cases if case.info.vendor == experiment.test_vendor]
    else:
        test = [case for case in cases if case.split == "test"]
        others = [case for case in cases if case.split != "test"]
        require_disjoint_patients([case.item for case in others], [case.item for case in test])
    clean = [case for case in test if case.info.variant != "reverberation"]
    if not clean:
        what = "only recordings with artifacts in its test part" if test else "no recording that is marked as test"
        raise InputError(
            f"{root}: has {what}, so no network could be measured; sequences that `cpwc-keras simulate` makes from "
            "CAMUS are marked by its lists of patients."
        )
    return tuple(clean)


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
