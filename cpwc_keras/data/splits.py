"""Splits that cannot leak: a patient stands on one side only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cpwc_keras.errors import InputError, did_you_mean
from cpwc_keras.types import DatasetItem


def split_by_patient(
    items: Sequence[DatasetItem], fractions: Sequence[float] = (0.6, 0.1, 0.3), seed: int = 0
) -> tuple[list[DatasetItem], ...]:
    """Split so that all items of a patient go to the same part.

    The result depends on the set of patients, the fractions and the seed, not on the order of the items, which is
    kept within each part.

    Args:
        items: what to split.
        fractions: share of the patients for each part; they sum to 1. The default is the paper's 60 / 10 / 30 virtual
            patients (section IV-A.3).
        seed: of the shuffle.

    Returns:
        one list per fraction.

    Raises:
        InputError: an item has no patient, or there are too few patients to give every part one.
    """
    shares = np.asarray(fractions, dtype=float)
    if (shares <= 0).any() or abs(shares.sum() - 1) > 1e-6:
        raise ValueError(f"fractions must be positive and sum to 1, got {tuple(fractions)}")
    patients = sorted({_patient(item) for item in items})
    if len(patients) < len(shares):
        raise InputError(f"{len(patients)} patients cannot be split into {len(shares)} parts; add patients.")
    shuffled = np.random.default_rng(seed).permutation(len(patients))
    ends = np.rint(np.cumsum(shares) * len(patients)).astype(int)
    for part in range(len(ends)):  # every part gets a patient, and leaves one for each part after it
        lowest = (ends[part - 1] if part else 0) + 1
        ends[part] = min(max(ends[part], lowest), len(patients) - (len(ends) - 1 - part))
    part_of = {patients[index]: int(np.searchsorted(ends, rank, side="right")) for rank, index in enumerate(shuffled)}
    return tuple([item for item in items if part_of[item.patient] == part] for part in range(len(ends)))


def leave_vendor_out(
    items: Sequence[DatasetItem], test: str, validation: str
) -> tuple[list[DatasetItem], list[DatasetItem], list[DatasetItem]]:
    """Split by the maker of the scanner (paper, IV-A.1): one for the test, one for validation, all others for training.

    Args:
        items: what to split.
        test: vendor of the test part.
        validation: vendor of the validation part.

    Returns:
        train, validation, test.

    Raises:
        InputError: a vendor is unknown or takes everything, or a patient was scanned by vendors of two parts.
    """
    vendors = sorted({item.vendor for item in items})
    for vendor in (test, validation):
        if vendor not in vendors:
            raise InputError(
                f"No item is of vendor {vendor!r}; there are {', '.join(map(repr, vendors))}."
                f"{did_you_mean(vendor, vendors)}"
            )
    if test == validation:
        raise InputError(f"The vendor of the test and of the validation part must differ, both are {test!r}.")
    train = [item for item in items if item.vendor not in (test, validation)]
    if not train:
        raise InputError(f"Only {test!r} and {validation!r} have items, which leaves none for training.")
    parts = train, [i for i in items if i.vendor == validation], [i for i in items if i.vendor == test]
    require_disjoint_patients(*parts)
    return parts


def require_disjoint_patients(*parts: Sequence[DatasetItem]) -> None:
    """Prove that no patient stands in two parts, whichever dataset, view or variant the items are of.

    Raises:
        InputError: one does, or an item has no patient.
    """
    owner: dict[str, tuple[int, str]] = {}
    for number, part in enumerate(parts):
        for item in part:
            other, name = owner.setdefault(_patient(item), (number, item.name))
            if other != number:
                raise InputError(
                    f"Patient {item.patient!r} would leak: {name!r} and {item.name!r} stand in different parts of the "
                    "split; keep all items of a patient together."
                )


def _patient(item: DatasetItem) -> str:
    if not item.patient:
        raise InputError(f"{item.dataset} item {item.name!r} names no patient, so it cannot be split without a leak.")
    return item.patient
