"""What a training run is: every choice that decides its outcome, from YAML files and the command line."""

from __future__ import annotations

import dataclasses
import json
import math
import reprlib
import types
import typing
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import yaml

from cpwc_keras.errors import InputError, bad_file, did_you_mean
from cpwc_keras.io.input_file import read_text
from cpwc_keras.models.weights_file import NETWORKS
from cpwc_keras.training.schedule import SCHEDULES

PHASES = ("pretrain", "transfer")
CHOICES = {
    "phase": PHASES,
    "network": tuple(NETWORKS),
    "precision": ("float32", "mixed_bfloat16"),
    "schedule": tuple(SCHEDULES),
    "directions": ("both", "forward"),
}

_MAX_BYTES = 1 << 16
_AT_LEAST_ONE = (lambda value: value >= 1, "1 or more")
_ABOVE_ZERO = (lambda value: 0 < value < math.inf, "above 0")
_RANGES = {
    **dict.fromkeys(("epochs", "steps", "batch_size", "workers"), _AT_LEAST_ONE),
    **dict.fromkeys(("log_every", "checkpoint_every", "validate_every"), _AT_LEAST_ONE),
    **dict.fromkeys(("learning_rate", "clipnorm", "maximum_displacement_px"), _ABOVE_ZERO),
    "weight_decay": (lambda value: 0 <= value < math.inf, "0 or more"),
    "ema": (lambda value: 0 < value < 1, "between 0 and 1"),
    "validation_fraction": (lambda value: 0 <= value < 1, "0 or more and below 1"),
    "validation_pairs": (lambda value: value >= 0, "0 or more"),
    "seed": (lambda value: 0 <= value < 2**31, "from 0 to 2,147,483,647"),
}

SPECKLE = "speckle"
"""The dataset that needs no files: procedural speckle pairs, made as they are needed."""

CHAIRS_LIKE = "chairs-like"
"""Pairs after FlyingChairs' recipe, made as they are needed; its folder, if any, is one of photographs."""

HEARTS = ("procedural", "camus-templates", "alessandrini-templates")
"""Simulated hearts, made as they are needed: procedural ones need no files, the others the templates in a folder."""

ENDLESS = (SPECKLE, CHAIRS_LIKE, *HEARTS)


@dataclass(frozen=True)
class Experiment:
    """Everything that decides the outcome of a training run; the keys of an experiment's YAML file.

    The defaults of each phase are `cpwc_keras/experiments/{pretrain,transfer}.yaml`.

    Attributes:
        phase: "pretrain" (FlowNet's augmentation) or "transfer" (brightness and contrast only) (III-C.3).
        datasets: name → folder; "speckle", "procedural" and "chairs-like" need none.
        network: class of the network, one of `NETWORKS`.
        network_options: its constructor's arguments.
        weights: preset or file to start from; "" starts from He initialisation.
        epochs: times each pair is seen (ignored where `steps` is given).
        steps: gradient steps; None follows from `epochs`.
        crop: (height, width) of the training images, multiples of 64.
        batch_size: pairs a step.
        learning_rate: of Adam at the start.
        schedule: "halving" (the paper's) or "linear".
        weight_decay: γ of eq. (1).
        clipnorm: bound on each array's gradient norm, or None.
        ema: momentum of the averaged weights that are kept, or None.
        precision: "float32" or "mixed_bfloat16".
        spacings: frames between the two of a pair: 0 = neighbours (II-B.4).
        directions: "both" or "forward".
        maximum_displacement_px: pairs that move more are left out (III-A.1); None keeps all.
        validation_fraction: of the patients, where the dataset has no split of its own.
        validation_pairs: at most so many are measured.
        validation_vendor: vendor kept for validation instead (Table IV), or "".
        test_vendor: vendor not used at all (Table IV), or "".
        simulation: options of hearts that are simulated as they are needed: attributes of `SceneSettings` and of
            `HeartPairs` in `cpwc_keras.data_prep.hearts`.
        seed: of initialisation, order, augmentation and splits.
        data_parallel: use every device of the machine, through Keras' or TensorFlow's own distribution.
        workers: threads that make pairs.
        log_every: steps between log lines.
        checkpoint_every: steps between checkpoints.
        validate_every: steps between validations.
    """

    phase: str
    datasets: dict[str, str]
    network: str = "CPWCNet"
    network_options: dict = field(default_factory=dict)
    weights: str = ""
    epochs: int = 1
    steps: int | None = None
    crop: tuple[int, int] = (384, 448)
    batch_size: int = 4
    learning_rate: float = 1e-4
    schedule: str = "halving"
    weight_decay: float = 4e-4
    clipnorm: float | None = None
    ema: float | None = None
    precision: str = "float32"
    spacings: tuple[int, ...] = (0, 1, 2)
    directions: str = "both"
    maximum_displacement_px: float | None = None
    validation_fraction: float = 0.1
    validation_pairs: int = 32
    validation_vendor: str = ""
    test_vendor: str = ""
    simulation: dict = field(default_factory=dict)
    seed: int = 0
    data_parallel: bool = False
    workers: int = 2
    log_every: int = 20
    checkpoint_every: int = 500
    validate_every: int = 500

    def __post_init__(self):
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                given = getattr(self, name)
                raise InputError(
                    f"{name} {reprlib.repr(given)} is unknown; choose one of {', '.join(known)}."
                    f"{did_you_mean(given, known)}"
                )
        for name, (allowed, words) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not allowed(value):
                raise InputError(f"{name} must be {words}, found {value}.")
        if len(self.crop) != 2 or any(side < 64 or side % 64 for side in self.crop):
            raise InputError(f"crop must be two multiples of 64 (height, width), found {list(self.crop)}.")
        if not self.spacings or min(self.spacings) < 0 or len(set(self.spacings)) < len(self.spacings):
            raise InputError(f"spacings must be different numbers of frames from 0 up, found {list(self.spacings)}.")
        if bool(self.test_vendor) != bool(self.validation_vendor):
            raise InputError("test_vendor and validation_vendor go together; name both or neither.")
        if not self.datasets:
            raise InputError("No dataset is named; give --dataset NAME=FOLDER, or --dataset speckle (needs no files).")
        endless = [name for name in self.datasets if name in ENDLESS]
        if endless and len(self.datasets) > 1 and not set(self.datasets) <= set(HEARTS):
            raise InputError(
                f"The {endless[0]} dataset is endless and cannot be mixed with others; name it alone (only "
                f"{', '.join(HEARTS)} go together)."
            )
        if endless and self.test_vendor:
            raise InputError(
                f"Vendors cannot be left out of the {endless[0]} dataset; test_vendor and validation_vendor are for "
                "recordings (make some by `cpwc-keras simulate --templates alessandrini`)."
            )
        if endless and self.steps is None:
            raise InputError(f"The {endless[0]} dataset is endless; say how long to train with --steps.")
        if self.simulation and not set(self.datasets) <= set(HEARTS):
            raise InputError(f"simulation has options of the datasets {', '.join(HEARTS)}; none of them is named.")

    def identity(self) -> dict:
        """What a checkpoint must share to be taken up: all but what changes no number (folders, threads, log)."""
        values = dataclasses.asdict(self)
        for name in ("workers", "log_every", "checkpoint_every", "validate_every", "validation_pairs"):
            values.pop(name)
        values["datasets"] = list(self.datasets)  # in their order, which is that of the pairs
        values["simulation"] = {key: value for key, value in self.simulation.items() if key != "processes"}
        return json.loads(json.dumps(values))


def load_experiment(
    phase: str, config: str | Path | None = None, data_root: str | Path = "datasets", **overrides
) -> Experiment:
    """The phase's defaults, changed by an experiment file, changed by `overrides` (None means not given).

    Args:
        phase: one of `PHASES`.
        config: a YAML file, or one of `shipped_configs`.
        data_root: where datasets lie that are named without a folder.
        **overrides: attributes of `Experiment`.

    Raises:
        InputError: the file is not YAML, or has an unknown key or a value of the wrong kind.
    """
    shipped = files("cpwc_keras.experiments")
    values = yaml.safe_load((shipped / f"{phase}.yaml").read_text())
    if config is not None:
        named = shipped / f"{config}.yaml"
        values |= yaml.safe_load(named.read_text()) if named.is_file() else _read_yaml(Path(config))
    given = {name: value for name, value in overrides.items() if value is not None and value != ()}
    values |= given | {"phase": phase}
    where = config or "the command line"
    known = {spec.name: spec for spec in dataclasses.fields(Experiment)}
    unknown = sorted(str(key) for key in values.keys() - known.keys())
    if unknown:
        error = bad_file(where, f"the key {reprlib.repr(unknown[0])}", f"one of {', '.join(known)}")
        raise InputError(f"{error}{did_you_mean(unknown[0], known)}")
    kinds = typing.get_type_hints(Experiment)
    values = {name: converted(where, name, value, kinds[name]) for name, value in values.items()}
    without_files = (SPECKLE, CHAIRS_LIKE, HEARTS[0])
    values["datasets"] = {
        name: root or ("" if name in without_files else str(Path(data_root) / name.removesuffix("-templates")))
        for name, root in values["datasets"].items()
    }
    try:
        return Experiment(**values)
    except InputError as error:
        if config is None:
            raise
        raise InputError(f"{config}{' with the command line' if given else ''}: {error}") from error


def shipped_configs() -> list[str]:
    """Names of the experiments that come with the package, besides the defaults of the phases."""
    stems = (Path(entry.name).stem for entry in files("cpwc_keras.experiments").iterdir() if ".yaml" in entry.name)
    return sorted(stem for stem in stems if stem not in PHASES and not stem.startswith("table"))


def _read_yaml(path: Path) -> dict:
    if not path.exists():
        raise InputError(
            f"{path}: there is no such experiment file; shipped ones are {', '.join(shipped_configs())}."
            f"{did_you_mean(path, shipped_configs())}"
        )
    text = read_text(path, "an experiment's YAML file", _MAX_BYTES)
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):  # few bytes can stand for billions
            raise bad_file(path, "an alias (*)", "an experiment's YAML file without any", "write it out")
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ArithmeticError, LookupError, RecursionError, AttributeError, TypeError) as error:
        raise bad_file(path, "text that is not YAML", "an experiment's YAML file") from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise bad_file(path, f"an impossible value ({error})", "an experiment's YAML file") from error  # 2001-99-99
    if not isinstance(values, dict):
        raise bad_file(path, f"a {type(values).__name__}", "keys and values")
    return values


def converted(where, name: str, value, kind):
    """`value` as `kind`, the type hint its field declares; YAML knows lists, and numbers without a point.

    Args:
        where: file or command line that `value` comes from, for the message.
        name: its key.
        value: as YAML gives it.
        kind: a type hint made of int, float, str, bool, dict, tuple and None.

    Raises:
        InputError: it is of another kind.
    """
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    for option in options:
        try:
            return _as(option, value)
        except TypeError:
            continue
    expected = " or ".join(option.__name__ if option in _PLAIN else str(option) for option in options)
    raise bad_file(where, f"{name}: {reprlib.repr(value)}", f"a value of kind {expected}")


_PLAIN = (int, float, str, bool, types.NoneType)


def _is_json(value) -> bool:
    """Whether a record can hold it: YAML knows dates, sets and bytes as well."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    return all(map(_is_json, value)) if isinstance(value, list | tuple) else isinstance(value, _PLAIN)


def _as(kind, value):
    """`value` as `kind`; a TypeError where it is of another."""
    origin, inner = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin is tuple and isinstance(value, list | tuple):
        each = inner[:1] * len(value) if inner[1:] == (...,) else inner
        if len(each) == len(value):
            return tuple(_as(item_kind, item) for item_kind, item in zip(each, value, strict=True))
    elif origin is float and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as error:  # a whole number of hundreds of digits
            raise TypeError from error
    elif origin is dict and isinstance(value, dict):
        if inner and all(isinstance(item, str) for pair in value.items() for item in pair):
            return value
        if not inner and _is_json(value):
            return value
    elif origin in _PLAIN and type(value) is origin:
        return value
    raise TypeError
