"""From the datasets an experiment names to the pairs it trains and validates on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cpwc_keras.data.augmentation import ChairsAugmentation, EchoAugmentation
from cpwc_keras.data.catalog import DATASETS, TRAINABLE, open_dataset
from cpwc_keras.data.displacement import remove_large_displacements
from cpwc_keras.data.pairs import PairPolicy, pair_from_sequence
from cpwc_keras.data.pipeline import FixedPairs, PairSampler, Sampler
from cpwc_keras.data.splits import leave_vendor_out, require_disjoint_patients, split_by_patient
from cpwc_keras.errors import InputError, did_you_mean
from cpwc_keras.files import output_folder
from cpwc_keras.io.sequence_file import sequence_header
from cpwc_keras.training.endless import endless_pairs
from cpwc_keras.training.experiment import ENDLESS, Experiment
from cpwc_keras.types import DatasetItem, Sequence


@dataclass(frozen=True)
class Source:
    """Training pairs and validation pairs.

    Attributes:
        training: the pairs to train on.
        validation: pairs to measure on, or None.
        record: what was found and used, for the run's record.
        fingerprint: changes with the recordings that are trained on or their order.
    """

    training: Sampler
    validation: FixedPairs | None
    record: dict
    fingerprint: str = ""


def make_source(experiment: Experiment, folder: Path) -> Source:
    """List, filter and split the datasets.

    Args:
        experiment: what is asked for.
        folder: of the run; measurements that take long are kept there.

    Raises:
        InputError: a folder is not the dataset, or nothing is left to train on.
    """
    if any(name in ENDLESS for name in experiment.datasets):
        return Source(*endless_pairs(experiment))
    return _recorded(experiment, folder)


def _recorded(experiment: Experiment, folder: Path) -> Source:
    training, validation, record = [], [], {}
    for name, root in experiment.datasets.items():
        if name not in TRAINABLE:
            known = (*TRAINABLE, *ENDLESS)
            why = "there are not both images and motion in it" if name in DATASETS else "there is no such dataset"
            meant = "" if name in DATASETS else did_you_mean(name, known)
            raise InputError(f"{name}: {why}; train on one of {', '.join(known)}.{meant}")
        if not Path(root).is_dir():
            without = {"pretrain": "speckle", "transfer": "hearts"}[experiment.phase]
            raise InputError(
                f"{root}: found no such folder, expected that of the dataset {name}; give --dataset {name}=FOLDER (the "
                f"README says where to get it), or try {experiment.phase} --config {without}, which needs no data."
            )
        items = open_dataset(name, root)
        _require_tissue_motion(items)
        parts = _split(_without_large_displacements(items, experiment, folder), experiment)
        record[name] = {"found": len(items), "train": len(parts[0]), "validation": len(parts[1])}
        training += parts[0]
        validation += parts[1]
    if not training:
        found = sum(counts["found"] for counts in record.values())
        raise InputError(
            f"Nothing is left to train on: found {found} recordings, of which {len(validation)} are for validation and "
            "none for training; their own splits may say so, or raise maximum_displacement_px or lower "
            "validation_fraction."
        )
    require_disjoint_patients(training, validation)

    policy = PairPolicy(spacings=experiment.spacings, directions=experiment.directions)  # type: ignore[arg-type]
    Augmentation = ChairsAugmentation if experiment.phase == "pretrain" else EchoAugmentation
    sampler = PairSampler(training, policy, Augmentation(crop=experiment.crop), seed=experiment.seed)
    listed = "\n".join(f"{item.dataset} {item.name} {item.n_frames}" for item in training)
    fingerprint = hashlib.sha256(listed.encode()).hexdigest()
    return Source(sampler, _validation_pairs(validation, experiment), record, fingerprint)


def _require_tissue_motion(items) -> None:
    """Refuse sequences whose mesh follows the wall's outline: between its nodes the tissue moves otherwise.

    Raises:
        InputError: there is one.
    """
    for item in items:
        if item.dataset == "sequences" and sequence_header(item.files[0]).attributes.get("motion") == "contours":
            raise InputError(
                f"{item.files[0]}: found contours drawn on a recording, expected the true motion of its tissue; make "
                "sequences with both by `cpwc-keras simulate --templates sequences`."
            )


def _without_large_displacements(items, experiment: Experiment, folder: Path) -> list[DatasetItem]:
    pairs_with_flow_files = items[0].dataset in ("chairs", "things")
    if experiment.maximum_displacement_px is None or not pairs_with_flow_files:
        return items
    cache = output_folder(folder) / "displacements.json"
    return remove_large_displacements(items, experiment.maximum_displacement_px, cache)


def _split(items, experiment: Experiment) -> tuple[list[DatasetItem], list[DatasetItem]]:
    """Training and validation items: by vendor if asked, else as the dataset says, else by patient."""
    if experiment.test_vendor or experiment.validation_vendor:
        return leave_vendor_out(items, experiment.test_vendor, experiment.validation_vendor)[:2]
    if any(item.split for item in items):
        chosen = [[item for item in items if item.split in names] for names in (("", "train"), ("validation",))]
        return chosen[0], chosen[1]
    if len({item.patient for item in items}) < 2 or not experiment.validation_fraction:
        return list(items), []
    fractions = (1 - experiment.validation_fraction, experiment.validation_fraction)
    training, validation = split_by_patient(items, fractions, experiment.seed)
    return training, validation


def _validation_pairs(items, experiment: Experiment) -> FixedPairs | None:
    """Neighbouring frames, forward, as they are: spread evenly over the validation items."""
    if not items or experiment.validation_pairs < 1:
        return None
    rng = np.random.default_rng([experiment.seed, 2])
    order = rng.permutation(len(items))
    pairs = []
    for count in range(experiment.validation_pairs):
        if count >= len(items) and all(items[k].n_frames == 2 for k in order):
            break
        recording = items[order[count % len(items)]].read()
        if isinstance(recording, Sequence):
            first = int(rng.integers(len(recording) - 1))
            pair = pair_from_sequence(recording, first, first + 1)
            # Copies: views would keep the whole loop in memory.
            arrays = {name: getattr(pair, name).copy() for name in ("image1", "image2", "flow", "mask")}
            recording = replace(pair, **arrays)
        pairs.append(recording)
    return FixedPairs(pairs)
