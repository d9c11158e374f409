"""MEDICAID: the paper's own synthetic A4C sequences, 100 virtual patients, with and without reverberation artifacts.

The layout of the original archive is not documented anywhere we could read. Two forms are understood:

* the converted copy seen in public code: ``patientNNN/frames/00001.png``, ``flow/*.flo`` (one fewer than frames, or
  as many with the last unused) and ``mask/*.png`` (the myocardium of each frame), optionally below folders whose names
  tell the variants apart ("artifact", "reverberation", or "without", "no" one of these, "clean");
* the project's own sequence files (``.h5``).

References:
    Evain et al., Motion estimation by deep learning in 2D echocardiography: synthetic dataset and validation, IEEE TMI
    2022, section III-A.2; http://humanheart-project.creatis.insa-lyon.fr/medicaid.html.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np

from cpwc_keras.data import sequences
from cpwc_keras.data.layout import existing_folder, patient_folders, wrong_layout
from cpwc_keras.errors import bad_file
from cpwc_keras.io.flow_files import read_flow
from cpwc_keras.io.images import IMAGE_SUFFIXES, read_image
from cpwc_keras.types import CineLoop, DatasetItem, Sequence

_LAYOUT = "patientNNN/frames/00001.png with patientNNN/flow/*.flo and patientNNN/mask/*.png, or sequence files (.h5)"
_CLEAN = re.compile(r"clean|(?:without|wo|no|sans)[\W_]*(?:artifact|artefact|reverb)", re.IGNORECASE)
_REVERBERATION = re.compile(r"artifact|artefact|reverb", re.IGNORECASE)


def find(root: str | Path) -> list[DatasetItem]:
    """List the sequences.

    Raises:
        InputError: the folder does not exist, or is in neither form that is understood.
    """
    root = existing_folder(root)
    if own := sequences.find_files(root, "medicaid"):
        return own
    folders = sorted({path.parent for path in root.rglob("frames") if path.is_dir()})
    items = [_item(folder, root) for folder in folders]
    if not items:
        patients = patient_folders(root)
        found = f"; {patients[0]} holds {_names(patients[0])}" if patients else ""
        raise wrong_layout(root, "MEDICAID", f"{_LAYOUT}{found}")
    return items


def read_folder(folder: Path, patient: str, variant: str) -> Sequence:
    """Read one sequence of the converted copy.

    Raises:
        InputError: files are missing, broken, or of different sizes.
    """
    frames = _files(folder, "frames", IMAGE_SUFFIXES)
    flows = _files(folder, "flow", (".flo",))
    masks = _files(folder, "mask", IMAGE_SUFFIXES)
    n_pairs = len(frames) - 1
    if n_pairs < 1 or len(flows) not in (n_pairs, n_pairs + 1) or len(masks) not in (n_pairs, n_pairs + 1):
        found = f"{len(frames)} frames, {len(flows)} flows and {len(masks)} masks"
        raise bad_file(folder, found, "T ≥ 2 frames, and T-1 (or T) flows and masks", "copy the folder again")
    loop = np.stack(_of_one_size(frames, map(read_image, frames)))
    fields = [read_flow(path) for path in flows[:n_pairs]]
    known = np.stack(_of_one_size([frames[0], *flows], [loop[0], *(known for _, known in fields)])[1:])
    wall = np.stack(_of_one_size([frames[0], *masks], [loop[0], *map(read_image, masks[:n_pairs])])[1:])
    mask = known * (wall > 0)
    flow = np.stack([flow for flow, _ in fields]) * mask[..., None]
    cine = CineLoop(loop, view="A4C", patient=patient, source=str(folder))
    return Sequence(cine, flows=flow, masks=mask, variant=variant)


def _item(folder: Path, root: Path) -> DatasetItem:
    parts = folder.relative_to(root).parts or (folder.name,)
    patient = next((part for part in reversed(parts) if part.lower().startswith("patient")), folder.name)
    hints = " ".join(part for part in (root.name, *parts) if part != patient)
    variant = "clean" if _CLEAN.search(hints) else "reverberation" if _REVERBERATION.search(hints) else ""
    files = [_files(folder, name, suffixes) for name, suffixes in (("frames", IMAGE_SUFFIXES), ("flow", (".flo",)))]
    return DatasetItem(
        name="/".join(parts),
        dataset="medicaid",
        n_frames=len(files[0]),
        loader=functools.partial(read_folder, folder, patient, variant),
        patient=patient,
        variant=variant,
        files=(*files[0], *files[1], *_files(folder, "mask", IMAGE_SUFFIXES)),
    )


def _files(folder: Path, name: str, suffixes: tuple[str, ...]) -> list[Path]:
    files = (path for path in (folder / name).glob("*") if path.suffix.lower() in suffixes)
    return sorted(files, key=lambda path: (int("0" + re.sub(r"\D", "", path.stem)), path.name))


def _of_one_size(paths: list[Path], images) -> list[np.ndarray]:
    images = list(images)
    for path, image in zip(paths, images, strict=False):
        if image.shape != images[0].shape:
            (h, w), (height, width) = image.shape, images[0].shape
            raise bad_file(path, f"{w}×{h} pixels", f"{width}×{height} as in {paths[0].name}")
    return images


def _names(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "") if names else "nothing"
