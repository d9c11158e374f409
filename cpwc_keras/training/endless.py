"""Datasets without end: pairs made as they are needed, from nothing or from templates."""

from __future__ import annotations

import hashlib
import typing
from dataclasses import replace
from pathlib import Path

from cpwc_keras.data.pairs import PairPolicy
from cpwc_keras.data.pipeline import FixedPairs, Sampler
from cpwc_keras.data_prep.hearts import HeartPairs, SceneSettings
from cpwc_keras.data_prep.simulation.template import TemplateItem
from cpwc_keras.data_prep.simulation.templates import find_templates, procedural_items
from cpwc_keras.errors import InputError, did_you_mean
from cpwc_keras.training.experiment import CHAIRS_LIKE, HEARTS, SPECKLE, Experiment, converted

_PROCEDURAL_HEARTS = 10_000
"""More than a run will ever ask for; each is drawn when its turn comes."""

_TRAINED, _UNSEEN = 2_000_003, 1_000_003
"""Added to the seed: streams of random numbers apart from each other, and from the hearts that `simulate` makes."""

_WITH_LISTS = ("camus-templates",)

_VALIDATION_PIXEL_MM = (0.3, 0.36)
_VALIDATION_PAIRS_PER_SCENE = 4


def endless_pairs(experiment: Experiment) -> tuple[Sampler, FixedPairs | None, dict, str]:
    """Training pairs, validation pairs (or None), what was found for the run's record, and a fingerprint of it.

    Args:
        experiment: names endless datasets only.

    Raises:
        InputError: a folder holds no template that may be trained on, or a setting is unknown or out of its range.
    """
    if SPECKLE in experiment.datasets:
        return _speckle(experiment)
    if CHAIRS_LIKE in experiment.datasets:
        return _chairs_like(experiment)
    return _hearts(experiment)


def _fixed(sampler: Sampler, count: int) -> FixedPairs | None:
    return FixedPairs([sampler.sample(index) for index in range(count)]) if count else None


def _speckle(experiment: Experiment):
    from cpwc_keras.data_prep.speckle import SpecklePairs, SpeckleSettings

    settings = SpeckleSettings(size=experiment.crop)
    unseen = SpecklePairs(settings, seed=experiment.seed + _UNSEEN)
    validation = _fixed(unseen, experiment.validation_pairs)
    record = {SPECKLE: {"validation pairs": experiment.validation_pairs}}
    return SpecklePairs(settings, seed=experiment.seed), validation, record, ""


def _chairs_like(experiment: Experiment):
    from cpwc_keras.data_prep.chairs_like import ChairsLikePairs, ChairsLikeSettings

    settings = ChairsLikeSettings(size=experiment.crop, photos=experiment.datasets[CHAIRS_LIKE] or None)
    unseen = ChairsLikePairs(settings, seed=experiment.seed + _UNSEEN)
    validation = _fixed(unseen, experiment.validation_pairs)
    record = {CHAIRS_LIKE: {"validation pairs": experiment.validation_pairs}}
    return ChairsLikePairs(settings, seed=experiment.seed), validation, record, _listing(settings.photos)


def _listing(folder: str | None) -> str:
    """Changes with the photographs in a folder; "" without one."""
    if not folder:
        return ""
    found = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    listed = "\n".join(f"{path.relative_to(folder)} {path.stat().st_size}" for path in found)
    return hashlib.sha256(listed.encode()).hexdigest()


def _hearts(experiment: Experiment):
    training, validation = [], []
    record: dict[str, object] = {}
    for name, root in experiment.datasets.items():
        seen, unseen = _templates(name, root, experiment.seed)
        training.append(seen)
        if unseen:
            validation.append(unseen)
        record[name] = {"train": len(seen), "validation": len(unseen)}
    if not validation:
        record["validation"] = "other beats, speckle and settings of the hearts that are trained on"
    options = dict(experiment.simulation)
    scene = typing.get_type_hints(SceneSettings)
    hints = typing.get_type_hints(HeartPairs)
    own = ("pixel_mm", "turn_deg", "beyond_mm", "shaken", "pairs_per_scene", "window", "processes")
    stream = {key: hints[key] for key in own}
    if unknown := sorted(options.keys() - scene.keys() - stream.keys()):
        raise InputError(
            f"simulation: the key {unknown[0]!r} is unknown; choose of {', '.join(sorted(scene | stream))}."
            f"{did_you_mean(unknown[0], scene | stream)}"
        )
    options = {key: converted("simulation", key, value, (scene | stream)[key]) for key, value in options.items()}
    pairs = HeartPairs(
        tuple(training),
        crop=experiment.crop,
        policy=PairPolicy(spacings=experiment.spacings, directions=experiment.directions),  # type: ignore[arg-type]
        settings=SceneSettings(**{key: value for key, value in options.items() if key in scene}),
        seed=experiment.seed,
        **{key: value for key, value in options.items() if key in stream},
    )
    # Neighbouring frames as they are: what the network will be asked for, and the wall alone.
    as_they_are = replace(
        pairs,
        groups=tuple(validation) or pairs.groups,
        policy=PairPolicy(spacings=(0,)),
        pixel_mm=_VALIDATION_PIXEL_MM,
        turn_deg=0.0,
        beyond_mm=0.0,
        shaken=0.0,
        pairs_per_scene=_VALIDATION_PAIRS_PER_SCENE,
        window=1,
        seed=experiment.seed + _UNSEEN,
    )
    listed = "\n".join(item.name for items in training for item in items[:1000])
    fingerprint = hashlib.sha256(listed.encode()).hexdigest()
    return pairs, _fixed(as_they_are, experiment.validation_pairs), record, fingerprint


def _templates(name: str, root: str, seed: int) -> tuple[list[TemplateItem], list[TemplateItem]]:
    """Hearts to train on and to validate on; never those of the test part, nor of the clinical evaluation."""
    if name == HEARTS[0]:
        trained, unseen = (procedural_items(_PROCEDURAL_HEARTS, seed + part) for part in (_TRAINED, _UNSEEN))
        return trained, unseen
    if not Path(root).is_dir():
        raise InputError(
            f"{root}: found no such folder, expected that of the dataset {name.removesuffix('-templates')}; give "
            f"--dataset {name}=FOLDER, or try --dataset {HEARTS[0]}, which needs no data."
        )
    items = find_templates(name.removesuffix("-templates"), root)
    if name in _WITH_LISTS and not any(item.split for item in items):
        raise InputError(
            f"{root}: found no lists of who is for training, validation and test (split/virtual_train.txt and so on, "
            "or CAMUS' own database_split), without which patients of the test part would be trained on."
        )
    training = [item for item in items if item.split in ("train", "")]
    if not training:
        raise InputError(f"{root}: none of its {len(items)} templates is in the training part; see its split lists.")
    return training, [item for item in items if item.split == "validation"]
