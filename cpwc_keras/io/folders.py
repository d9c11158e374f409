"""What to give instead of a folder, where one loop is asked for."""

from __future__ import annotations

import itertools
from pathlib import Path

from cpwc_keras.errors import InputError
from cpwc_keras.io.dicom import is_dicom
from cpwc_keras.io.images import IMAGE_SUFFIXES
from cpwc_keras.io.medical import MEDICAL_SUFFIXES
from cpwc_keras.io.video import VIDEO_SUFFIXES

_MOST = 1000  # entries that are looked at: it may be somebody's archive
_CAMUS_LOOPS = ("_half_sequence", "_sequence")
_CAMUS_STILLS = ("_ed", "_es", "_gt")


def loop_within(folder: Path, suffixes: tuple[str, ...]) -> str:
    """Which file of a folder to give, as an imperative clause.

    Args:
        folder: that was given in place of a file.
        suffixes: of further files that are loops, besides DICOM, MetaImage, NIfTI and video.
    """
    try:
        entries = sorted(itertools.islice(folder.iterdir(), _MOST))
        files = [path for path in entries if not path.name.startswith(".") and path.is_file()]
        below = [path for path in entries if not path.name.startswith(".") and path.is_dir()]
    except OSError:  # it may not be looked into
        return "give one file"
    dicoms = [path for path in files if path.name.upper() != "DICOMDIR" and _is_dicom(path)]
    if dicoms:
        return _one_of(dicoms, "DICOM file")
    images = [path for path in files if path.name.lower().endswith(MEDICAL_SUFFIXES)]
    loops = [path for path in images if _stem(path).endswith(_CAMUS_LOOPS)]
    if loops:
        return _one_of(loops, "sequence")
    if images and all(_stem(path).endswith(_CAMUS_STILLS) for path in images):
        return "make a loop of this CAMUS patient's end-diastole and end-systole with `cpwc-keras prepare camus`"
    loops = [path for path in files if path.name.lower().endswith((*MEDICAL_SUFFIXES, *VIDEO_SUFFIXES, *suffixes))]
    if loops:
        return _one_of(loops, "loop")
    if sum(path.name.lower().endswith(IMAGE_SUFFIXES) for path in files) > 1:
        return "make one film of its single pictures and give that"
    if below and not files:
        return f"give one file; this folder holds only further folders, such as {below[0].name}"
    return "give one file; this folder holds none that is a loop"


def _one_of(paths: list[Path], kind: str) -> str:
    if len(paths) == 1:
        return f"give its {kind}, {paths[0]}"
    return f"give one of its {len(paths):,} {kind}s, such as {paths[0]}"


def _stem(path: Path) -> str:
    return path.name.lower().partition(".")[0]


def _is_dicom(path: Path) -> bool:
    try:
        return is_dicom(path)
    except InputError:
        return False
