"""What a tracker is measured on: the recordings of a dataset, sorted by the kind of reference they come with.

===================================================  ===========  ====================================================
dataset                                              kind         reference
===================================================  ===========  ====================================================
``sequences`` (simulated), ``alessandrini``          motion       true motion of a mesh: everything can be measured
``medicaid``                                         motion       true dense motion: endpoint errors, no contours
``sequences`` (prepared from CAMUS or TED), ``ted``  contours     contours in every frame, points not followed
``camus``                                            contours     masks at end-diastole and end-systole, or of a half
                                                                  sequence
``loops``                                            loop         none: a folder of recordings, each with the contour of
                                                                  its end-diastole in a JSON file of the same name
===================================================  ===========  ====================================================
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cpwc_keras.data.catalog import open_dataset
from cpwc_keras.data.layout import existing_folder
from cpwc_keras.errors import InputError, did_you_mean
from cpwc_keras.io.contours import read_contour
from cpwc_keras.io.metaimage import metaimage_files
from cpwc_keras.io.sequence_file import sequence_header
from cpwc_keras.studies.results import CaseInfo
from cpwc_keras.types import CineLoop, DatasetItem, Sequence

MEASURABLE = ("sequences", "alessandrini", "medicaid", "camus", "ted", "loops")
"""Datasets that a tracker can be measured on."""

_LOOP_SUFFIXES = (".dcm", ".nii.gz", ".nii", ".mhd", ".mp4", ".avi", ".gif", ".h5", "")


@dataclass(frozen=True)
class Case:
    """One recording to measure on.

    Attributes:
        info: what it is.
        item: the recording, not yet read.
        split: "train", "validation", "test", "clinical" or "".
    """

    info: CaseInfo
    item: DatasetItem
    split: str = ""

    def read(self) -> Sequence | CineLoop:
        """Load it.

        Raises:
            InputError: a file is missing, broken or inconsistent.
        """
        return self.item.read()


def find_cases(dataset: str, root: str | Path) -> list[Case]:
    """List the cases of a dataset, in order of their names.

    Raises:
        InputError: the dataset is unknown or has no reference of any kind, or the folder is not that dataset.
    """
    if dataset == "loops":
        return _loops(existing_folder(root))
    if dataset not in MEASURABLE:
        raise InputError(
            f"{dataset!r} cannot be measured on; choose one of {', '.join(MEASURABLE)}."
            f"{did_you_mean(dataset, MEASURABLE)}"
        )
    return sorted((_case(item) for item in open_dataset(dataset, root)), key=lambda case: case.info.name)


def select(
    cases: Iterable[Case],
    split: str = "",
    variants: Iterable[str] = (),
    views: Iterable[str] = (),
    patients: Iterable[str] = (),
    vendors: Iterable[str] = (),
    limit: int | None = None,
) -> list[Case]:
    """The cases that are wanted; an empty choice takes all.

    Args:
        cases: of one dataset.
        split: only those of this part.
        variants: only these.
        views: only these.
        patients: only these.
        vendors: only these.
        limit: only of the first so many patients that are left.

    Raises:
        InputError: a choice is not to be had, or nothing is left.
    """
    left = list(cases)
    wanted = {"variant": variants, "view": views, "patient": patients, "vendor": vendors}
    for name, values in wanted.items():
        values = tuple(values)
        known = sorted({getattr(case.info, name) for case in left})
        if unknown := [value for value in values if value not in known]:
            some = ", ".join(map(repr, known[:8])) + (" …" if len(known) > 8 else "")
            meant = did_you_mean(unknown[0], known)
            raise InputError(f"No case has the {name} {unknown[0]!r}; there are {some or 'none'}.{meant}")
        left = [case for case in left if not values or getattr(case.info, name) in values]
    if split:
        known = sorted({case.split for case in left if case.split})
        left = [case for case in left if case.split == split]
        if not left:
            there = ", ".join(known) or "no splits"
            raise InputError(f"No case is in the split {split!r}; there are {there}.{did_you_mean(split, known)}")
    if limit is not None:
        first = list(dict.fromkeys(case.info.patient for case in left))[:limit]
        left = [case for case in left if case.info.patient in first]
    if not left:
        raise InputError("No case is left to measure on; ask for less.")
    return left


def _case(item: DatasetItem) -> Case:
    kind, dataset, view = "motion", item.dataset, ""
    if item.dataset == "sequences":
        header = sequence_header(item.files[0])
        view = header.view
        if header.attributes.get("motion") == "contours":
            kind = "contours"
        elif str(header.attributes.get("source", "")).startswith("Alessandrini 2018"):
            dataset = "alessandrini re-simulated"
        elif str(header.attributes.get("source", "")) == "procedural":
            dataset = "procedural hearts"
    elif item.dataset == "alessandrini":
        view = item.name.split("/")[1]
    elif item.dataset in ("camus", "ted"):
        kind = "contours"
        view = "A2C" if "_2CH" in item.name else "A4C"
        if item.dataset == "camus":
            dataset = "camus stills" if item.variant == "ED-ES" else "camus half sequences"
    patient = item.patient or item.name
    variant = item.variant if kind == "motion" else dataset.removeprefix("camus ") if item.dataset == "camus" else ""
    info = CaseInfo(item.name, dataset, kind, patient, item.vendor, view, variant)
    return Case(info, item, item.split)


def _loops(root: Path) -> list[Case]:
    cases, alone = [], []
    for contour in sorted(root.rglob("*.json")):
        stem = contour.with_suffix("")
        found = [path for suffix in _LOOP_SUFFIXES if (path := stem.with_name(stem.name + suffix)).is_file()]
        if len(found) > 1:
            raise InputError(f"{contour}: belongs to both {found[0].name} and {found[1].name}; rename one of them.")
        if not found:
            alone.append(f"{contour.name} has no recording")
        for path in found:
            name = stem.relative_to(root).as_posix()
            files = (contour, *metaimage_files(path))
            item = DatasetItem(name, "loops", 0, functools.partial(_read_loop, path), name, files=files)
            cases.append(Case(CaseInfo(name, "loops", "loop", name), item))
    if not cases:
        raise InputError(
            f"{root}: found no recording with a contour, expected pairs like patient.dcm and patient.json; "
            "`cpwc-keras contour` makes such a JSON file."
        )
    used = {file for case in cases for file in case.item.files}
    recordings = (path for suffix in filter(None, _LOOP_SUFFIXES) for path in sorted(root.rglob(f"*{suffix}")))
    alone += [f"{path.name} has no contour" for path in dict.fromkeys(recordings) if path not in used]
    if alone:
        more = f" (and {len(alone) - 1} more like it)" if len(alone) > 1 else ""
        raise InputError(f"{root}: {alone[0]}{more}; expected pairs like patient.dcm and patient.json and no others.")
    return cases


def _read_loop(path: Path) -> CineLoop:
    from cpwc_keras.io.cine import read

    return read(path)


def contour_of(case: Case):
    """The `Contour` that a loop's tracking starts from.

    Raises:
        InputError: it is broken.
    """
    return read_contour(case.item.files[0])
