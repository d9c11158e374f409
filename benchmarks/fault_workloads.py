"""The commands that `faults.py` kills: small work for each, and what its folder must hold meanwhile and at the end."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import yaml

_TINY = {
    "network_options": {"skip_connections": False, "context_levels": [4], "finest_level": 4, "search_range": 1},
    "datasets": {"speckle": ""}, "crop": [64, 64], "batch_size": 2, "log_every": 2, "checkpoint_every": 5,
    "validate_every": 10, "validation_pairs": 2, "ema": 0.9, "steps": 20,
}  # fmt: skip
_CLOCKED = ("seconds", "made", "kept", "images", "seconds_per_pair")
"""Entries of records that tell of the run, not of its result."""


_TIME = re.compile(r"ms|second|\bs\b|/s|time", re.IGNORECASE)


@dataclass(frozen=True)
class Workload:
    """A command to be killed.

    Attributes:
        name: of the command.
        options: its arguments without the output folder, one set for each kind of round; {work} is the folder of all.
        finished: pattern of the files that no later run may lose or change.
        passing: pattern of the files that may hold something else before the end.
    """

    name: str
    options: tuple[str, ...]
    finished: str = ""
    passing: str = "(?!)"

    def command(self, kind: int, folder: Path, work: Path) -> list[str]:
        """Its arguments for a round of this kind."""
        return [*self.options[kind].format(work=work).split(), "-o", str(folder)]


_SIMULATE = "simulate --procedural 3 --engine surrogate --frames 6 --beams 48 --preview --workers"
WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("simulate", (f"{_SIMULATE} 2", f"{_SIMULATE} 1"), r".*\.h5", r"record\.json"),
        Workload(
            "prepare",
            (
                "prepare chairs-like --pairs 16 --size 192 256 --workers 2",
                "prepare camus --root {work}/camus --workers 2",
            ),
            r".*\.(h5|flo)",
            r"record\.json",
        ),
        Workload(
            "train", ("pretrain --config {work}/tiny.yaml",), passing=r"log\.jsonl|experiment\.json|.*checkpoint.*"
        ),
        Workload(
            "evaluate",
            (
                "evaluate zero dis --dataset sequences={work}/data --workers 2",
                "evaluate zero dis --dataset sequences={work}/data --no-videos",
            ),
            r"results/.*\.h5",
        ),
        Workload("track", ("track {work}/loop.h5 --contour {work}/ed.json --tracker dis",)),
    )
}


def prepare_data(work: Path) -> None:
    """Make what the commands read, by the project's own commands, once."""
    work.mkdir(parents=True, exist_ok=True)
    (work / "tiny.yaml").write_text(yaml.safe_dump(_TINY))
    if (work / "ed.json").is_file():
        return
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from dataset_layouts import write_camus

    for number in range(1, 13):
        write_camus(work / "camus", f"patient{number:04d}")
    for command in (
        f"simulate --procedural 2 --engine surrogate --frames 8 --beams 48 --variants clean -o {work}/data",
        f"simulate --procedural 1 --engine surrogate --frames 12 --beams 48 --variants clean --seed 5 -o {work}/one",
    ):
        _cpwc(command.split())
    (work / "loop.h5").write_bytes(next((work / "one").glob("*.h5")).read_bytes())
    _cpwc(["contour", f"{work}/loop.h5", "-o", f"{work}/ed.json"])


def _cpwc(arguments: list[str]) -> None:
    subprocess.run(
        [sys.executable, "-c", "from cpwc_keras.cli.main import main; main()", *arguments],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def state_of(workload: Workload, folder: Path) -> dict[str, str]:
    """Name → what identifies the content of every finished file."""
    found = {}
    for name, path in _visible(folder).items():
        if workload.finished and re.fullmatch(workload.finished, name):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def torn(workload: Workload, folder: Path, reference: list[Path]) -> list[str]:
    """Names of files in sight that are not whole, or hold something else than those of an undisturbed run."""
    found = []
    for name, path in _visible(folder).items():
        passing = re.fullmatch(workload.passing, name)
        if not _readable(path) or (not passing and not _same(name, path, reference)):
            found.append(name)
    return found


def differences(workload: Workload, folder: Path, reference: list[Path]) -> list[str]:
    """How a finished folder differs from one of an undisturbed run, one sentence each."""
    everything = [path for path in folder.rglob("*") if path.is_file()]
    found = [f"left over: {path.name}" for path in everything if _hidden(path, folder)]
    ours, theirs = _visible(folder), _visible(reference[0])
    found += [f"missing: {name}" for name in sorted(theirs.keys() - ours.keys())]
    found += [f"too much: {name}" for name in sorted(ours.keys() - theirs.keys())]
    return found + [
        f"differs: {name}" for name in sorted(ours.keys() & theirs.keys()) if not _same(name, ours[name], reference)
    ]


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _visible(folder: Path) -> dict[str, Path]:
    """Name → file. TensorBoard's events have a file for each start, named after the time: they are left out."""
    files = [path for path in folder.rglob("*") if path.is_file() and not _hidden(path, folder)]
    return {str(path.relative_to(folder)): path for path in files if "tensorboard" not in path.parts}


def _same(name: str, path: Path, reference: list[Path]) -> bool:
    """Whether a file is that of the undisturbed runs; of what differs between these, only what they share counts."""
    first, second = (folder / name for folder in reference)
    if not first.is_file():
        return False
    if path.read_bytes() == first.read_bytes():
        return True
    if first.read_bytes() == second.read_bytes() and path.name != "record.json":
        return False
    return _content(path, first) == _content(first, first)


def _content(path: Path, like: Path):
    """What a file holds apart from times."""
    if path.suffix == ".h5":
        found = {}
        with h5py.File(path) as file:
            found[""] = _attributes(file.attrs)
            file.visititems(
                lambda name, node: found.update(
                    {name: (_attributes(node.attrs), node[()].tobytes() if isinstance(node, h5py.Dataset) else b"")}
                )
            )
        return found
    if path.suffix == ".json":
        return _without_times(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        return [_without_times(json.loads(line)) for line in path.read_text().splitlines()]
    if path.suffix == ".csv":
        return [_without_times(row) for row in csv.DictReader(path.open(newline=""))]
    if path.suffix in (".md", ".html"):
        return _text_without_times(path.read_text())
    return _readable(path)


def _attributes(attributes) -> dict:
    found = {name: str(value) for name, value in attributes.items()}
    with contextlib.suppress(KeyError, ValueError):
        found["header"] = _without_times(json.loads(found["header"]))
    return found


def _without_times(value):
    if isinstance(value, dict):
        return {key: _without_times(entry) for key, entry in value.items() if key not in _CLOCKED}
    return value


def _text_without_times(text: str) -> list[str]:
    """Its lines without those that tell times, tables without such columns."""
    lines, timed = [], []
    for line in text.splitlines():
        cells = line.split("|")
        if len(cells) < 3:
            timed = []
        elif not timed:  # a table's first line
            timed = [bool(_TIME.search(cell)) for cell in cells]
        if any(timed):
            lines.append("|".join(cell for cell, gone in zip(cells, timed, strict=False) if not gone))
        elif not _TIME.search(line):
            lines.append(line)
    return lines


def _read(node) -> None:
    if isinstance(node, h5py.Dataset):
        node[()]


def _readable(path: Path) -> bool:
    """Whether a file can be read from end to end."""
    try:
        if path.suffix == ".h5":
            with h5py.File(path) as file:
                file.visititems(
                    lambda name, node: node[()] and None if isinstance(node, h5py.Dataset) and not node.shape else None
                )
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".png":
            return cv2.imread(str(path)) is not None
        elif path.suffix == ".mp4":
            return cv2.VideoCapture(str(path)).read()[0]
        elif path.suffix == ".jsonl":  # empty until the first line
            for line in path.read_text().splitlines():
                json.loads(line)
        else:
            return path.stat().st_size > 0
    except (OSError, ValueError):
        return False
    return True
