"""Dataset folders: all layouts small, and what can be done to a folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random

from fuzz import hostile as everyday
from fuzz.mutation import mutated

LAYOUTS = ("chairs", "things", "alessandrini", "medicaid", "camus", "ted", "sequences")


def seeds(folder: Path) -> list[Path]:
    """One folder for each dataset, named after it."""
    import cv2
    import numpy as np
    from dataset_layouts import write_alessandrini, write_camus, write_medicaid, write_ted
    from fuzz.hdf5_files import sequence_seeds

    from cpwc_keras.io.flow_files import write_flow

    for name in LAYOUTS:
        (folder / name).mkdir()
    image, flow = np.full((6, 8, 3), 90, np.uint8), np.ones((6, 8, 2), np.float32)
    for number in range(3):
        for part in ("img1", "img2"):
            cv2.imwrite(str(folder / f"chairs/{number:05d}_{part}.ppm"), image)
        write_flow(folder / f"chairs/{number:05d}_flow.flo", flow)
    (folder / "chairs/FlyingChairs_train_val.txt").write_text("1\n1\n2\n")
    things = folder / "things"
    for number in range(6, 9):
        path = things / f"frames_cleanpass/TRAIN/A/0000/left/{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
        into = things / "optical_flow/TRAIN/A/0000/into_future/left"
        write_flow(into / f"OpticalFlowIntoFuture_{number:04d}_L.pfm", flow)
    write_alessandrini(folder / "alessandrini/GE/A4C/normal")
    write_medicaid(folder / "medicaid/patient001")
    write_camus(folder / "camus", half_sequence=True)
    (folder / "camus/split").mkdir()
    (folder / "camus/split/virtual_train.txt").write_text("patient0001\n")
    write_ted(folder / "ted")
    sequence_seeds(folder / "sequences")
    return [folder / name for name in LAYOUTS]


def read(root: Path):
    """What `info`, `verify` and training do with a folder; its name begins with the dataset's."""
    from cpwc_keras.data.catalog import list_dataset
    from cpwc_keras.data.survey import survey, verify
    from cpwc_keras.data_prep.simulation.templates import find_templates

    name = root.name.partition("-")[0]
    items = list_dataset(name, root)
    for text in verify(items).values():
        assert text and "\n" not in text
    survey(items, root)
    if name in ("camus", "ted", "alessandrini"):
        find_templates(name, root)


def damaged(root: Path, target: Path, random: Random):
    """A copy of a dataset in which one file or folder is damaged or replaced."""
    shutil.copytree(root, target)
    files = sorted(path for path in target.rglob("*") if path.is_file())
    chosen = random.choice(files)
    if random.random() < 0.6:
        chosen.write_bytes(mutated(chosen.read_bytes(), [random.choice(files).read_bytes()], random))
        return
    _replace(chosen if random.random() < 0.8 else chosen.parent, target, random.choice(_KINDS))


_NAMES = {"odd": b"\xff\xfe", "newline": b"\n\x1b[2J", "letters": "²x".encode(), "long": b"9" * 180, "twice": b"0"}
_LINKS = {"zero": "/dev/zero", "loop": "", "parent": "..", "secret": "/etc/passwd"}
_KINDS = ("fifo", "folder", "gone", "empty", *_LINKS, *_NAMES)


def _replace(path: Path, root: Path, kind: str):
    if path == root:
        return
    if kind in _NAMES:
        number = "".join(c for c in path.stem if c.isdigit()) or path.stem
        changed = _NAMES[kind] + number[2 if kind != "twice" else 0 :].encode()
        name = os.fsencode(path.name).replace(number.encode(), changed)
        path.rename(os.fsdecode(os.fsencode(path.parent) + b"/" + name))
        return
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind in _LINKS:
        path.symlink_to(_LINKS[kind] or path.name)
    elif kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")


def hostile(folder: Path) -> list[Path]:
    """Each kind of replacement on one file and on one folder of each dataset."""
    (folder / "seeds").mkdir()
    made = []
    for seed in seeds(folder / "seeds"):
        files = sorted(path for path in seed.rglob("*") if path.is_file())
        places = [("first", files[0]), ("last", files[-1]), ("text", _text(files)), ("folder", files[-1].parent)]
        for number, kind in enumerate(_KINDS):
            for which, path in places if everyday.SIZE == 1 else [places[number % 4]]:
                target = folder / f"{seed.name}-{kind}-{which}"
                shutil.copytree(seed, target)
                _replace(target / path.relative_to(seed), target, kind)
                made.append(target)
    empty = folder / "camus-empty"
    empty.mkdir()
    return [*made, empty, folder / "ted-absent", Path("/dev/null")]


def _text(files: list[Path]) -> Path:
    return next((path for path in files if path.suffix in (".txt", ".cfg")), files[len(files) // 2])
