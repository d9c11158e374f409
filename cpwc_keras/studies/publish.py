"""From finished training runs to a preset: weights in half precision, a card, and the learning curve."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from cpwc_keras.baselines.catalog import BASELINES
from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.files import atomic_path
from cpwc_keras.io.input_file import read_json
from cpwc_keras.models.presets import CURVE_SUFFIX, list_presets
from cpwc_keras.models.weights_file import load_network, save_network
from cpwc_keras.record import write_json
from cpwc_keras.studies.learning_curve import LearningCurve, read_log
from cpwc_keras.tracking.familiarity import brightness
from cpwc_keras.tracking.pair import NetworkTracker

MOST_BYTES = 30_000_000
"""A preset is smaller: all of them come with the wheel."""

MEAN_TOLERANCE_PX, MOST_TOLERANCE_PX = 0.01, 0.25
"""Half precision may change the flow by so much on average, and at any one pixel: far less than a network's error."""

INTENDED_USE = "research and trying the software; not for diagnosis"

NON_COMMERCIAL = "CC BY-NC-SA"
"""In the name of the licence of CAMUS and TED, which what is made of them inherits."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_OF_PATIENTS = re.compile(r"camus|(?<![a-z])ted(?![a-z])")
"""In the names of datasets under `NON_COMMERCIAL`."""

_NOT_SETTINGS = ("datasets", "weights", "steps", "epochs", "seed", "phase", "network", "workers")
_PERCENTILES = (2, 98)


@dataclass(frozen=True)
class Stage:
    """One phase of a preset's training.

    Attributes:
        run: folder of the run, with `network.h5`, `experiment.json` and `log.jsonl`.
        command: what makes it again.
        machine: what it ran on, in a few words.
    """

    run: Path
    command: str
    machine: str


def make_preset(
    name: str,
    stages: Sequence[Stage],
    folder: Path,
    *,
    licence: str,
    saw: str,
    ranges: dict,
    images: tuple[np.ndarray, np.ndarray],
    metrics: dict | None = None,
    intended_use: str = INTENDED_USE,
) -> dict:
    """Write ``NAME.h5``, ``NAME.curve.json`` and, last, the card ``NAME.json``.

    Args:
        name: of the preset.
        stages: in their order; the network is the last one's.
        folder: where presets lie.
        licence: of the weights, as what they were trained on asks.
        saw: the training data, in a sentence.
        ranges: of what the network saw, by `measure_ranges`.
        images: two (B, H, W) float32 in [0, 1] to check half precision on.
        metrics: figures, as they shall stand in the card.
        intended_use: what the weights are for.

    Returns:
        The card.

    Raises:
        InputError: as `read_stages`, or half precision changes the flow, or the file is too large.
    """
    records, curves = read_stages(name, stages, licence)
    trained = load_network(stages[-1].run / "network.h5")
    short = {"licence": licence, "saw": saw, "intended_use": intended_use, "ranges": ranges}
    with TemporaryDirectory() as scratch:
        halved = Path(scratch) / f"{name}.h5"
        difference = halve(trained, halved, images, short)
        weights = halved.read_bytes()
    if len(weights) >= MOST_BYTES:
        raise InputError(f"{name}: the weights take {len(weights):,} bytes, expected fewer than {MOST_BYTES:,}.")
    entries = [_entry(*of_stage) for of_stage in zip(stages, records, curves, strict=True)]
    card = {
        "network": type(trained).__name__,
        "parameters": trained.count_params(),
        "licence": licence,
        "saw": saw,
        "intended_use": intended_use,
        "ranges": ranges,
        "metrics": metrics or {},
        "stages": entries,
        "versions": records[-1]["versions"],
        "half_precision": difference,
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    with atomic_path(folder / f"{name}.h5") as beside:
        beside.write_bytes(weights)
    write_json(folder / f"{name}{CURVE_SUFFIX}", {"stages": [curve.thinned().to_json() for curve in curves]})
    write_json(folder / f"{name}.json", card)
    return card


def read_stages(name: str, stages: Sequence[Stage], licence: str) -> tuple[list[dict], list[LearningCurve]]:
    """Read what runs left, and check that a preset of this name and licence can be made of them.

    Args:
        name: of the preset.
        stages: in their order.
        licence: of the weights.

    Returns:
        The record and the learning curve of each stage.

    Raises:
        InputError: the name cannot be one, a run is incomplete, one does not start from the one before, or the licence
            allows more than that of the training data.
    """
    if not _NAME.fullmatch(name) or name in BASELINES:
        raise InputError(f"{name!r} cannot be a preset's name; use lower-case letters, digits and underscores.")
    if not stages:
        raise InputError("A preset needs the folder of at least one training run.")
    records = [_record(stage) for stage in stages]
    _require_origins(stages, records)
    _require_licence(licence, stages, records)
    curves = [read_log(stage.run) for stage in stages]
    trained = Path(stages[-1].run) / "network.h5"
    if not trained.is_file():
        raise bad_file(trained, "no file", "the network of a finished run", "let the run end")
    return records, curves


def halve(network, path: Path, images: tuple[np.ndarray, np.ndarray], card: dict | None = None) -> dict[str, float]:
    """Save a network in half precision, and measure what that does to its flow.

    Args:
        network: in single precision.
        path: of the file.
        images: two (B, H, W) float32 in [0, 1].
        card: to write into the file.

    Returns:
        Mean and greatest change of the flow in pixels.

    Raises:
        InputError: a weight is too large for half precision, or the flow changes by more than `MEAN_TOLERANCE_PX` on
            average or `MOST_TOLERANCE_PX` anywhere.
    """
    largest = max(float(np.abs(weights).max(initial=0)) for weights in network.get_weights())
    limit = float(np.finfo(np.float16).max)
    if not largest <= limit:  # NaN, too
        raise InputError(f"A weight of the network is {largest:.3g}, beyond the {limit:,.0f} of half precision.")
    save_network(network, path, dtype="float16", card=card)
    before = NetworkTracker(network)(*images)
    after = NetworkTracker(load_network(path))(*images)
    change = np.linalg.norm(after - before, axis=-1)
    mean, most = float(change.mean()), float(change.max())
    if not (mean <= MEAN_TOLERANCE_PX and most <= MOST_TOLERANCE_PX):
        raise InputError(
            f"Half precision changes the flow by {mean:.3g} px on average and {most:.3g} px at most, expected at most "
            f"{MEAN_TOLERANCE_PX} and {MOST_TOLERANCE_PX}; the weights do not stand it."
        )
    return {"mean_change_px": float(f"{mean:.2g}"), "greatest_change_px": float(f"{most:.2g}")}


def measure_ranges(images: Iterable[np.ndarray], spacings_mm: Iterable[tuple[float, float] | None] = ()) -> dict:
    """What a network saw, for `cpwc_keras.tracking.familiarity`.

    Args:
        images: (H, W) training images, in [0, 1], as the network saw them.
        spacings_mm: (row_mm, col_mm) of some of them; None where not known.

    Returns:
        The ``ranges`` of a card. Brightness runs from its 2nd to its 98th percentile.

    Raises:
        InputError: there is no image.
    """
    sizes: list[int] = []
    values: list[tuple[float, float]] = []
    for image in images:
        sizes += image.shape
        values.append(brightness(image))
    if not values:
        raise InputError("There is no image to measure what the network saw.")
    known = [value for spacing in spacings_mm if spacing is not None for value in spacing]
    mean, dark = np.percentile(values, _PERCENTILES, axis=0).T.round(3).tolist()
    spacing = {"pixel_spacing_mm": [float(f"{end(known):.3g}") for end in (min, max)]} if known else {}
    return {
        **spacing, "image_size_px": [int(min(sizes)), int(max(sizes))], "mean_brightness": mean, "dark_fraction": dark
    }  # fmt: skip


def _record(stage: Stage) -> dict:
    """The `experiment.json` of a run."""
    path, expected = Path(stage.run) / "experiment.json", "what `cpwc-keras pretrain` or `transfer` writes"
    try:
        record = read_json(path, expected)
        experiment = record["experiment"]
        kinds = {"datasets": dict | list, "weights": str, "seed": int}
        complete = isinstance(record["versions"], dict) and all(isinstance(experiment[k], t) for k, t in kinds.items())
    except (ValueError, KeyError, TypeError) as error:
        raise bad_file(path, "no record of a run", expected) from error
    if not complete:
        raise bad_file(path, "a record without versions, datasets, weights or seed", expected)
    return record


def _require_origins(stages: Sequence[Stage], records: list[dict]) -> None:
    """Each stage starts from the one before, the first from nothing or a shipped preset, whose card tells the rest.

    Raises:
        InputError: one does not.
    """
    for number, (stage, record) in enumerate(zip(stages, records, strict=True)):
        start = record["experiment"]["weights"]
        if number:
            before = Path(stages[number - 1].run) / "network.h5"
            if start and _same_weights(Path(start), before):
                continue
            expected = f"the run before it in the list, {before}"
        else:
            if not start or start in list_presets():
                continue
            expected = "a start from random weights or a preset"
        found = f"weights from {start}" if start else "a start from random weights"
        raise bad_file(stage.run, found, expected, "name the runs of all stages, in their order")


def _same_weights(start: Path, before: Path) -> bool:
    """Whether the weights that a run started from are those of the run before.

    Where one of the files is gone, or runs were moved, nothing but their names is left to tell.
    """
    if start.resolve() == before.resolve():
        return True
    if start.is_file() and before.is_file():
        return _sha256(start) == _sha256(before)
    return (start.parent.name, start.name) == (before.resolve().parent.name, before.name)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_licence(licence: str, stages: Sequence[Stage], records: list[dict]) -> None:
    """Weights inherit the licence of what they were trained on.

    What the dataset "sequences" was made of is not known here.

    Raises:
        InputError: that is for non-commercial use, and `licence` does not say so.
    """
    if NON_COMMERCIAL in licence:
        return
    start = records[0]["experiment"]["weights"]
    inherited = NON_COMMERCIAL in list_presets().get(start, {}).get("licence", "")
    sources = [(stages[0].run, f"a start from the preset {start}")] if inherited else []
    for stage, record in zip(stages, records, strict=True):
        datasets = record["experiment"]["datasets"]
        sources += [(stage.run, f"training on {name}") for name in datasets if _OF_PATIENTS.search(name)]
    for run, found in sources[:1]:
        expected = f"that licence for the weights, not {licence!r}"
        raise bad_file(run, f"{found}, which is under {NON_COMMERCIAL}", expected, f"name {NON_COMMERCIAL} 4.0")


def _entry(stage: Stage, record: dict, curve) -> dict:
    """What a card says of a stage; no folder of the machine it ran on."""
    experiment = record["experiment"]
    done, planned = int(curve.step[-1]), experiment.get("steps")
    return {
        "phase": experiment.get("phase", ""),
        **({"starts_from": start} if (start := experiment["weights"]) in list_presets() else {}),
        "command": stage.command,
        "datasets": list(experiment["datasets"]),
        "steps": done,
        **({"planned_steps": planned} if planned and planned != done else {}),
        "seed": experiment["seed"],
        "hours": round(curve.seconds / 3600, 2),
        "machine": stage.machine,
        "settings": {key: value for key, value in experiment.items() if key not in _NOT_SETTINGS},
    }
