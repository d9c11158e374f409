"""Where templates come from: recordings with annotations, known motion, or nothing at all (paper, II-A.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

from cpwc_keras.data import alessandrini, camus, sequences, ted
from cpwc_keras.data_prep.conversion.origins import ORIGINS
from cpwc_keras.data_prep.conversion.recordings import sequence_of
from cpwc_keras.data_prep.simulation.heart import procedural_template
from cpwc_keras.data_prep.simulation.loops import template_from_contours, template_from_motion
from cpwc_keras.data_prep.simulation.stills import template_from_stills
from cpwc_keras.data_prep.simulation.template import Template, TemplateItem
from cpwc_keras.data_prep.simulation.trajectories import trajectory_template
from cpwc_keras.errors import InputError, did_you_mean
from cpwc_keras.io.sequence_file import sequence_header
from cpwc_keras.types import DatasetItem


def find_templates(dataset: str, root: str | Path) -> list[TemplateItem]:
    """List the templates in a dataset's folder without reading its arrays.

    * CAMUS ("camus"): the apical four-chamber stills at end-diastole and end-systole, of which a whole beat is made,
      or, where they have no masks, the half sequence if it has them.
    * CAMUS ("camus-half"): the half sequences with a mask in every frame, with the motion of these masks.
    * TED: its cycles.
    * Alessandrini 2018: the motion of all sequences; its images are not needed.
    * Sequence files with a mesh: loops, or stills where the mesh shows the contours of two frames alone.

    Patients kept for the clinical evaluation ("clinical" in the dataset's own lists) are left out.

    Args:
        dataset: "camus", "camus-half", "ted", "alessandrini" or "sequences".
        root: its folder.

    Raises:
        InputError: the name is unknown, or the folder holds no template of that dataset, or one of them twice.
    """
    if dataset not in _FINDERS:
        raise InputError(
            f"{dataset!r} has no templates; choose one of {', '.join(_FINDERS)}.{did_you_mean(dataset, _FINDERS)}"
        )
    items = [item for item in _FINDERS[dataset](Path(root)) if item.split != "clinical"]
    if not items:
        raise InputError(
            f"{root}: holds no template: no apical four-chamber recording of CAMUS, or no sequence with a mesh, that "
            "is not kept for the clinical evaluation."
        )
    names = sorted(item.name for item in items)
    if twice := [name for name, following in pairwise(names) if name == following]:
        raise InputError(f"{root}: holds {twice[0]} twice; give the folder of one copy, or remove the other.")
    return items


def procedural_items(count: int, seed: int) -> list[TemplateItem]:
    """Hearts that need no data: the anatomy follows from (`seed`, index), its beat from the seed it is loaded with.

    Args:
        count: how many.
        seed: of their anatomy.

    Raises:
        InputError: `count` is not positive.
    """
    if count < 1:
        raise InputError(f"{count} procedural hearts are asked for; expected 1 or more.")
    names = [f"procedural-{seed}-{index}" for index in range(count)]
    return [
        TemplateItem(name, name, "", "procedural", partial(_load_procedural, seed, index), view="A4C")
        for index, name in enumerate(names)
    ]


def _find_camus(root: Path) -> list[TemplateItem]:
    of_patients: dict[Path, list[DatasetItem]] = {}
    for item in camus.find(root):
        if "_4CH_" in item.name:
            of_patients.setdefault(item.files[0].parent, []).append(item)
    # Stills come first. Without masks they stay in the list, to say so when they are loaded.
    chosen = [next(filter(_has_masks, items), items[0]) for items in of_patients.values()]
    return [_recorded(item, item.patient, _from_stills if item.variant == "ED-ES" else _from_loop) for item in chosen]


def _find_camus_half(root: Path) -> list[TemplateItem]:
    items = (item for item in camus.find(root) if item.variant == "half sequence" and "_4CH_" in item.name)
    return [_recorded(item, item.name, _from_loop) for item in items if _has_masks(item)]


def _find_ted(root: Path) -> list[TemplateItem]:
    return [_recorded(item, item.name, _from_loop) for item in ted.find(root)]


def _find_alessandrini(root: Path) -> list[TemplateItem]:
    items = (replace(item, dataset="alessandrini") for item in alessandrini.find_motion(root))
    return [_recorded(item, item.name, _from_trajectory) for item in items]


def _find_sequences(root: Path) -> list[TemplateItem]:
    # Broken files stay in the list, to say so when they are loaded.
    items = (i for i in sequences.find(root) if not i.n_frames or sequence_header(i.files[0]).motion == "mesh")
    return [_recorded(item, item.name, _from_sequence) for item in items]


_FINDERS = {
    "camus": _find_camus,
    "camus-half": _find_camus_half,
    "ted": _find_ted,
    "alessandrini": _find_alessandrini,
    "sequences": _find_sequences,
}


def _has_masks(item: DatasetItem) -> bool:
    """Whether each image of a CAMUS item has a mask beside it."""
    masks = sum("_gt." in path.name for path in item.files)
    return masks == (2 if item.variant == "ED-ES" else 1)


def _recorded(item: DatasetItem, name: str, make: Callable[[DatasetItem, str, int, int], Template]) -> TemplateItem:
    loader = partial(_load_recorded, make, item, name)
    return TemplateItem(name, item.patient, item.split, item.dataset, loader, item.files, _view(item))


def _view(item: DatasetItem) -> str:
    if item.dataset == "alessandrini":
        return item.name.split("/")[1]
    if item.dataset == "sequences" and item.n_frames:
        return sequence_header(item.files[0]).view
    return "A4C" if item.dataset in ("camus", "ted") else ""


def _load_recorded(make, item: DatasetItem, name: str, seed: int, frames: int) -> Template:
    template = make(item, name, seed, frames)
    if item.dataset == "sequences":
        attributes = sequence_header(item.files[0]).attributes
        source, licence = (str(attributes.get(key, "")) for key in ("source", "licence"))
    else:
        source, licence = f"{ORIGINS[item.dataset].title}, {name}", ORIGINS[item.dataset].licence
    return replace(
        template,
        source=source or f"{item.dataset}, {name}",
        licence=licence,
        patient=item.patient,
        vendor=item.vendor,
        split=item.split,
    )


def _from_stills(item: DatasetItem, name: str, seed: int, frames: int) -> Template:
    return template_from_stills(sequence_of(item.read(), item), name, frames, seed)


def _from_loop(item: DatasetItem, name: str, seed: int, frames: int) -> Template:
    return template_from_contours(sequence_of(item.read(), item))


def _from_sequence(item: DatasetItem, name: str, seed: int, frames: int) -> Template:
    sequence = item.read()
    if sequence_header(item.files[0]).attributes.get("motion") != "contours":
        return template_from_motion(sequence)
    if len(sequence) == 2:
        return template_from_stills(sequence, name, frames, seed)
    return template_from_contours(sequence)


def _from_trajectory(item: DatasetItem, name: str, seed: int, frames: int) -> Template:
    return trajectory_template(item, seed)


def _load_procedural(seed: int, index: int, load_seed: int, frames: int) -> Template:
    return procedural_template(seed, index, load_seed, frames)
