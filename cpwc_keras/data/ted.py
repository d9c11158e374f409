"""TED: 98 patients of CAMUS with masks on every frame of a whole cycle, apical 4-chamber.

Layout, also below ``database/``: ``patientNNN/patientNNN_4CH_sequence.mhd`` with ``_gt.mhd`` and
``patientNNN_4CH_info.cfg``. The spacing may be anisotropic.

Its patients are patients of CAMUS under numbers of their own: never train on one and test on the other.

Licence: CC BY-NC-SA 4.0. What is trained on it must not be used commercially.

References:
    Painchaud et al., Echocardiography segmentation with enforced temporal consistency, IEEE TMI 41(10), 2022.
"""

from __future__ import annotations

import functools
from pathlib import Path

from cpwc_keras.data.labelled_loops import read_info, read_labels, read_loop
from cpwc_keras.data.layout import existing_folder, frames_or_zero, patient_folders, wrong_layout
from cpwc_keras.io.medical import stack_length
from cpwc_keras.io.metaimage import metaimage_files
from cpwc_keras.types import CineLoop, DatasetItem

_LAYOUT = "patientNNN/patientNNN_4CH_sequence.mhd with patientNNN_4CH_sequence_gt.mhd and patientNNN_4CH_info.cfg"


def find(root: str | Path) -> list[DatasetItem]:
    """List the patients.

    Raises:
        InputError: the folder does not exist or holds no TED patient.
    """
    root = existing_folder(root)
    paths = [folder / f"{folder.name}_4CH_sequence.mhd" for folder in patient_folders(root)]
    items = [_item(path) for path in paths if path.is_file()]
    if not items:
        raise wrong_layout(root, "TED", _LAYOUT)
    return items


def read_patient(path: Path) -> CineLoop:
    """Read the cycle of one patient with its masks.

    Raises:
        InputError: a file is missing or broken, or the cfg names a frame beyond the sequence.
    """
    frames, spacing_mm = read_loop(path)
    info = read_info(_info_of(path)).checked(path, len(frames))
    return CineLoop(
        frames=frames,
        spacing_mm=spacing_mm,
        frame_rate_hz=info.frame_rate_hz,
        labels=read_labels(_mask_of(path), frames.shape),
        ed=info.ed,
        es=info.es,
        view="A4C",
        patient=path.parent.name,
        source=str(path),
    )


def _item(path: Path) -> DatasetItem:
    files = (
        *metaimage_files(path), *metaimage_files(_mask_of(path)), *(cfg for cfg in [_info_of(path)] if cfg.is_file())
    )  # fmt: skip
    n_frames = frames_or_zero(stack_length, path)
    return DatasetItem(
        path.parent.name, "ted", n_frames, functools.partial(read_patient, path), path.parent.name, "GE", files=files
    )


def _mask_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}_gt.mhd")


def _info_of(path: Path) -> Path:
    return path.with_name(f"{path.parent.name}_4CH_info.cfg")
