"""The datasets by name."""

from __future__ import annotations

from pathlib import Path

from cpwc_keras.data import alessandrini, camus, chairs, medicaid, sequences, ted, things
from cpwc_keras.errors import InputError, did_you_mean
from cpwc_keras.types import DatasetItem

DATASETS = {
    "chairs": chairs.find,
    "things": things.find,
    "alessandrini": alessandrini.find,
    "alessandrini-motion": alessandrini.find_motion,
    "medicaid": medicaid.find,
    "camus": camus.find,
    "ted": ted.find,
    "sequences": sequences.find,
}
"""Name -> the function that lists a folder of it."""

TRAINABLE = ("chairs", "things", "alessandrini", "medicaid", "sequences")
"""Those with both images and motion."""


def list_dataset(name: str, root: str | Path) -> list[DatasetItem]:
    """List a dataset, broken files included (`n_frames` is 0 where a header cannot be read).

    Raises:
        InputError: the name is unknown, or the folder is not that dataset, or empty.
    """
    if name not in DATASETS:
        raise InputError(
            f"{name!r} is not a dataset; choose one of {', '.join(DATASETS)}.{did_you_mean(name, DATASETS)}"
        )
    return DATASETS[name](root)


def open_dataset(name: str, root: str | Path) -> list[DatasetItem]:
    """List a dataset in which every header can be read.

    Raises:
        InputError: as `list_dataset`, or a header cannot be read.
    """
    items = list_dataset(name, root)
    for item in items:
        if item.n_frames == 0:
            item.read()
            raise InputError(f"{root}: {item.name} holds no frames; remove it or copy it again.")
    return items
