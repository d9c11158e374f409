"""Which recordings of a dataset are converted, and what becomes of each.

MEDICAID and Alessandrini 2018 bring true motion, which is kept as it is. CAMUS and TED bring contours: each frame gets
the mesh of its mask (paper, Fig. 1), whose nodes are spread along the wall and follow no tissue. Such files say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from cpwc_keras.data import alessandrini
from cpwc_keras.data.catalog import list_dataset
from cpwc_keras.errors import InputError, bad_file, did_you_mean
from cpwc_keras.mesh import mesh_from_labels
from cpwc_keras.types import MESH_SHAPE, CineLoop, DatasetItem, Sequence, Trajectory

CONTOURS_NOTE = (
    "The mesh shows the contours of each frame, not tracked tissue: its nodes are spread along the wall by rule, and "
    "their motion along it is a convention, not ground truth."
)

_SIMULATE = "make new ones for this motion with `cpwc-keras simulate --templates alessandrini`"


def select(
    dataset: str, root: str | Path, patients: tuple[str, ...] = (), view: str = "all", split: str = ""
) -> list[DatasetItem]:
    """The recordings of a dataset that are wanted.

    Args:
        dataset: "medicaid", "alessandrini", "camus" or "ted".
        root: its folder.
        patients: their names (vendors, for Alessandrini 2018), or several in one text, with commas; none: all.
        view: "2CH", "3CH", "4CH" or "all".
        split: as the dataset's own lists call it; "": all.

    Raises:
        InputError: the folder is not the dataset, or nothing in it is as wanted.
    """
    items = _list(dataset, Path(root))
    names = sorted(item.name for item in items)
    if twice := [name for name, following in pairwise(names) if name == following]:
        raise InputError(f"{root}: holds {twice[0]} twice; give the folder of one copy, or remove the other.")
    known = {item.patient for item in items}
    asked = asked_patients(patients, known)
    if unknown := sorted(asked - known):
        raise InputError(f"{root}: has no patient {unknown[0]!r}, but {_some(known)}.{did_you_mean(unknown[0], known)}")
    splits = {item.split for item in items} - {""}
    if split and split not in splits:
        found = f"but {_some(splits)}" if splits else "and no lists of splits"
        raise InputError(f"{root}: has no split {split!r}, {found}.{did_you_mean(split, splits)}")
    wanted = [
        item
        for item in items
        if (not asked or item.patient in asked) and (not split or item.split == split) and view in ("all", _view(item))
    ]
    if not wanted:
        raise InputError(
            f"{root}: none of its {len(items):,} recordings is of the patients, the view ({view}) and the split asked "
            "for together; ask for less."
        )
    return wanted


def asked_patients(texts: Iterable[str], known: Iterable[str]) -> set[str]:
    """The names in texts that list them with commas.

    Args:
        texts: as "patient001, patient002".
        known: all patients there are; one that has commas in its name is found, too ("Hitachi Aloka Medical,Ltd").
    """
    known, asked = set(known), set()
    most = 1 + max((name.count(",") for name in known), default=0)
    for text in texts:
        parts = text.split(",")
        while parts:
            ends = (end for end in range(min(most, len(parts)), 1, -1) if ",".join(parts[:end]).strip() in known)
            end = next(ends, 1)
            asked.add(",".join(parts[:end]).strip())
            parts = parts[end:]
    return asked


def sequence_of(recording: Sequence | CineLoop | Trajectory, item: DatasetItem) -> Sequence:
    """A recording as a sequence: with its motion, or with the contours of its masks.

    A frame whose mask gives no mesh has NaN in its place, and a note says why.

    Args:
        recording: what `item.read()` gave.
        item: where it came from.

    Raises:
        InputError: there are no images, no masks, or fewer than two frames whose mask gives a mesh.
    """
    if isinstance(recording, Sequence):
        return recording
    if isinstance(recording, Trajectory):
        raise InputError(f"{item.name}: found its motion but no images (im_sim.mat), expected both; {_SIMULATE}.")
    if recording.labels is None:
        raise InputError(f"{item.name}: found no masks, expected one for every frame.")
    mesh = np.full((len(recording), *MESH_SHAPE, 2), np.nan, np.float32)
    problems = []
    for frame, labels in enumerate(recording.labels):
        try:
            mesh[frame] = mesh_from_labels(labels, recording.spacing_mm)
        except InputError as error:
            problems.append(f"The mask of frame {frame} gives no mesh. {error}")
    if len(recording) - len(problems) < 2:
        raise InputError(f"{item.name}: {problems[0] if problems else 'found one frame, expected two or more.'}")
    loop = replace(recording, notes=(*recording.notes, CONTOURS_NOTE, *problems))
    return Sequence(loop, mesh=mesh, vendor=item.vendor, variant=item.variant)


def _list(dataset: str, root: Path) -> list[DatasetItem]:
    if dataset == "alessandrini":
        return _list_alessandrini(root)
    items = list_dataset(dataset, root)
    if dataset == "medicaid" and items[0].files[0].suffix == ".h5":
        remedy = "they need no conversion: they are read as the dataset sequences"
        raise bad_file(root, "the project's own sequence files", "PNG frames and .flo fields", remedy)
    return items


def _list_alessandrini(root: Path) -> list[DatasetItem]:
    """Those without images, too, so that they are not left out without a word."""
    motion = list_dataset("alessandrini-motion", root)
    if not any(root.rglob("im_sim.mat")):
        raise InputError(
            f"{root}: found the motion of {len(motion)} sequences but no images (im_sim.mat), expected both; add the "
            f"images, or {_SIMULATE}."
        )
    complete = {item.name: item for item in alessandrini.find(root)}
    return [complete.get(item.name, replace(item, dataset="alessandrini")) for item in motion]


def _view(item: DatasetItem) -> str:
    """The view by which the dataset names the recording; MEDICAID and TED have but one."""
    if item.dataset == "camus":
        return "2CH" if "_2CH_" in item.name else "4CH"
    if item.dataset == "alessandrini":
        return f"{item.name.split('/')[1][1]}CH"
    return "4CH"


def _some(names: set[str]) -> str:
    shown = ", ".join(sorted(names)[:5])
    return f"{shown} and {len(names) - 5:,} more" if len(names) > 5 else shown
