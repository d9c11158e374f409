"""CAMUS: 500 patients, apical 2- and 4-chamber, with expert masks at end-diastole and end-systole.

Layouts, also below ``database_nifti/``, ``training/`` or ``testing/``:

* NIfTI: ``patientXXXX/patientXXXX_4CH_ED.nii.gz``, ``_ES``, ``_half_sequence``, each with ``_gt``, ``Info_4CH.cfg``;
* MetaImage (older): the same with ``.mhd`` and ``_sequence``.

Each view gives an item "ED-ES" of two frames, which is what the masks are for, and, where the half sequence is there,
one of all its frames.

The patients' split is read from ``split/virtual_{train,val,test}.txt`` beside ``database_nifti/``, where these are the
virtual patients of a replication (Evain et al., IEEE TMI 2022: 60, 10 and 30 templates for simulation) and
``split/clinical.txt`` those kept for its clinical evaluation ("clinical"); or else from CAMUS' own
``database_split/subgroup_{training,validation,testing}.txt``.

Licence: CC BY-NC-SA 4.0. What is trained on it must not be used commercially.

References:
    Leclerc et al., Deep learning for segmentation using an open large-scale dataset in 2D echocardiography, IEEE TMI
    38(9), 2019.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from cpwc_keras.data.labelled_loops import Info, read_info, read_labels, read_loop
from cpwc_keras.data.layout import existing_folder, frames_or_zero, patient_folders, wrong_layout
from cpwc_keras.errors import bad_file
from cpwc_keras.io.input_file import read_text
from cpwc_keras.io.medical import stack_length
from cpwc_keras.io.metaimage import metaimage_files
from cpwc_keras.types import CineLoop, DatasetItem

_LAYOUT = "database_nifti/patientXXXX/patientXXXX_4CH_ED.nii.gz (or .mhd) with _ES, _gt and Info_4CH.cfg"
_SUFFIXES = (".nii.gz", ".nii", ".mhd")
_LIST_BYTES = 1 << 24
_SEQUENCES = ("half_sequence", "sequence")
_VIEWS = {"2CH": "A2C", "4CH": "A4C"}
_VIRTUAL = {"virtual_train": "train", "virtual_val": "validation", "virtual_test": "test", "clinical": "clinical"}
_SUBGROUPS = {"subgroup_training": "train", "subgroup_validation": "validation", "subgroup_testing": "test"}


def find(root: str | Path) -> list[DatasetItem]:
    """List both views of each patient, as "ED-ES" and, where it is there, as "half sequence".

    Raises:
        InputError: the folder does not exist or is neither layout, or a patient is in two splits.
    """
    root = existing_folder(root)
    splits = _read_splits(root)
    items = [item for folder in patient_folders(root) for item in _items(folder, splits.get(folder.name, ""))]
    if not items:
        raise wrong_layout(root, "CAMUS", _LAYOUT)
    return items


def read_ed_es(folder: Path, chamber: str, suffix: str) -> CineLoop:
    """Read the two annotated frames in order of time: end-diastole first, unless the cfg says it comes after ES.

    Raises:
        InputError: a file is missing or broken, or the two frames differ in size.
    """
    info = _info(folder, chamber)
    instants = ["ED", "ES"] if info.ed is None or info.es is None or info.ed <= info.es else ["ES", "ED"]
    images = [folder / f"{folder.name}_{chamber}_{instant}{suffix}" for instant in instants]
    loops = [read_loop(path) for path in images]
    sizes = [loop[0].shape[1:] for loop in loops]
    if sizes[0] != sizes[1] or len(loops[0][0]) != 1 or len(loops[1][0]) != 1:
        raise bad_file(
            images[1], f"frames {loops[1][0].shape}", f"one frame of the size of {images[0].name}, {sizes[0]}"
        )
    masks = [_mask_of(path, suffix) for path in images]
    labels = [read_labels(mask, (1, *size)) for mask, size in zip(masks, sizes, strict=True) if mask.is_file()]
    return CineLoop(
        frames=np.concatenate([frames for frames, _ in loops]),
        spacing_mm=loops[0][1],
        labels=np.concatenate(labels) if len(labels) == 2 else None,
        ed=instants.index("ED"),
        es=instants.index("ES"),
        view=_VIEWS[chamber],
        patient=folder.name,
        source=str(folder),
        notes=() if len(labels) == 2 else ("There are no masks of both frames.",),
    )


def read_half_sequence(path: Path, chamber: str, suffix: str) -> CineLoop:
    """Read the half cycle from end-diastole to end-systole, or the other way round (the cfg says).

    Raises:
        InputError: a file is missing or broken, or the cfg names a frame beyond the sequence.
    """
    frames, spacing_mm = read_loop(path)
    info = _info(path.parent, chamber).checked(path, len(frames))
    mask = _mask_of(path, suffix)
    return CineLoop(
        frames=frames,
        spacing_mm=spacing_mm,
        frame_rate_hz=info.frame_rate_hz,
        labels=read_labels(mask, frames.shape) if mask.is_file() else None,
        ed=info.ed,
        es=info.es,
        view=_VIEWS[chamber],
        patient=path.parent.name,
        source=str(path),
    )


def _items(folder: Path, split: str) -> list[DatasetItem]:
    items = []
    for chamber in _VIEWS:
        stem = f"{folder.name}_{chamber}"
        for suffix in _SUFFIXES:
            make = functools.partial(_item, folder, split, f"Info_{chamber}.cfg")
            pair = [folder / f"{stem}_{instant}{suffix}" for instant in ("ED", "ES")]
            if any(path.is_file() for path in pair):
                loader = functools.partial(read_ed_es, folder, chamber, suffix)
                items.append(make(f"{stem}_ED-ES", "ED-ES", 2, loader, pair, suffix))
            for name in _SEQUENCES:
                if (path := folder / f"{stem}_{name}{suffix}").is_file():
                    loader = functools.partial(read_half_sequence, path, chamber, suffix)
                    items.append(
                        make(
                            f"{stem}_{name}",
                            "half sequence",
                            frames_or_zero(stack_length, path),
                            loader,
                            [path],
                            suffix,
                        )
                    )
    return items


def _item(folder, split, cfg, name, variant, n_frames, loader, images, suffix) -> DatasetItem:
    optional = [path for path in (folder / cfg, *(_mask_of(image, suffix) for image in images)) if path.is_file()]
    files = tuple(file for path in (*images, *optional) for file in metaimage_files(path))
    return DatasetItem(name, "camus", n_frames, loader, folder.name, "GE", variant, split, files)


def _mask_of(image: Path, suffix: str) -> Path:
    return image.with_name(f"{image.name.removesuffix(suffix)}_gt{suffix}")


def _info(folder: Path, chamber: str) -> Info:
    return read_info(folder / f"Info_{chamber}.cfg")


def _read_splits(root: Path) -> dict[str, str]:
    """Patient -> split, from the lists beside the database."""
    for name, lists in (("split", _VIRTUAL), ("database_split", _SUBGROUPS)):
        splits: dict[str, str] = {}
        for folder in (root, root.parent):
            for part, split in lists.items():
                path = folder / name / f"{part}.txt"
                if not path.is_file():
                    continue
                patients = read_text(path, "a list of patients", _LIST_BYTES).split()
                if twice := sorted(patient for patient in patients if splits.get(patient, split) != split):
                    raise bad_file(path, f"{twice[0]}, which another list has too", "each patient in one list")
                splits |= dict.fromkeys(patients, split)
        if splits:
            return splits
    return {}
