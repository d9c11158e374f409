"""What every reader needs to say clearly: this folder is not the dataset, and this is what is in it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from cpwc_keras.errors import InputError

_PATIENT = re.compile(r"patient[_-]?\d+", re.IGNORECASE)


def existing_folder(root: str | Path) -> Path:
    """The folder as a path.

    Raises:
        InputError: there is none.
    """
    root = Path(root)
    if not root.is_dir():
        what = "a file" if root.exists() else "no such folder"
        raise InputError(f"{root}: found {what}, expected the folder of the dataset; check the path.")
    return root


def wrong_layout(root: Path, dataset: str, expected: str) -> InputError:
    """The error for a folder that does not hold `dataset`: what is in it, and the layout that was expected."""
    return InputError(f"{root}: is not a {dataset} dataset: found {_contents(root)}, expected {expected}.")


def patient_folders(root: Path) -> list[Path]:
    """Folders named "patient" and a number, in the root or up to two folders below, in order of their paths."""
    candidates = (path for depth in ("", "*/", "*/*/") for path in root.glob(f"{depth}[pP]atient*"))
    return sorted(path for path in candidates if _PATIENT.fullmatch(path.name) and path.is_dir())


def frames_or_zero(count: Callable[[Path], int], path: Path) -> int:
    """The number of frames a header gives, or 0 where it cannot be read (reading the item then says why)."""
    try:
        return count(path)
    except InputError:
        return 0


def _contents(root: Path) -> str:
    folders: list[str] = []
    suffixes: Counter[str] = Counter()
    for entry in os.scandir(root):
        if os.path.isdir(entry.path):  # of a link that leads to itself, an entry raises
            folders.append(entry.name)
        else:
            suffixes[Path(entry.name).suffix or "suffixless"] += 1
    parts = []
    if folders:
        names = ", ".join(sorted(folders)[:3]) + (", …" if len(folders) > 3 else "")
        parts.append(f"{len(folders)} folder{'s' * (len(folders) > 1)} ({names})")
    parts += [f"{count} {suffix} file{'s' * (count > 1)}" for suffix, count in suffixes.most_common(3)]
    return " and ".join(parts) if parts else "an empty folder"
