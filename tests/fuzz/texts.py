"""Seeds and special attacks for contours, tables, experiments and the records that a run goes on from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import numpy as np
from fuzz import hostile


def contour_seeds(folder: Path) -> list[Path]:
    from PIL import Image
    from test_contour_import import ARCH, FOREIGN
    from ventricle import labels

    from cpwc_keras.io.contours import Contour, write_contour

    write_contour(folder / "own.json", Contour(ARCH, 2, (130, 120), 4, "by eye"))
    for number, content in enumerate(FOREIGN.values()):
        (folder / f"foreign{number}.json").write_text(json.dumps(content))
    rows = [f"{x:.2f},{y:.2f}" for x, y in ARCH]
    (folder / "a.csv").write_text("\n".join(["x,y", *rows]))
    (folder / "b.csv").write_text("\n".join(["X (px),Y (px),frame", *(f"{row},3" for row in rows)]))
    (folder / "c.txt").write_text("\n".join(row.replace(",", " ") for row in rows))
    (folder / "d.tsv").write_text("\n".join(row.replace(",", "\t").replace(".", ",") for row in rows))
    chords = [f"a.avi,{20 + k},{90 - 8 * k},{90 - k},{92 - 8 * k},{f}" for f in (1, 7) for k in range(9)]
    axis = "a.avi,55,100,55,10,"
    tracings = [f"{axis}1", *chords[:9], f"{axis}7", *chords[9:]]
    (folder / "e.csv").write_text("\n".join(["FileName,X1,Y1,X2,Y2,Frame", *tracings]))
    Image.fromarray(labels()).save(folder / "mask.png")
    return sorted(folder.iterdir())


def contour_hostile(folder: Path) -> list[Path]:
    """Many points, long cells, many lines, names that are paths."""
    zigzag = [[i, (i * 7919) % 997 + i / 3] for i in range(50_000)]
    line = [[0, 0], [5, 9], [9, 0]]
    own = {"format": "cpwc-keras contour", "version": 1, "frame": 0, "points": zigzag, "closed": False}
    size = hostile.SIZE
    texts = {
        "many.json": json.dumps(own, separators=(",", ":")),
        "list.json": json.dumps(zigzag[:4000]),
        "many.csv": "x,y\n" + "1,2\n" * int(size * 1_900_000),
        "blank.csv": "a\n" * int(size * 20_000_000),
        "cell.csv": 'x,y\n"' + "1" * 200_000 + '",2\n',
        "quote.csv": 'x,y\n"1,2\n' * 3000,
        "nul.csv": "x,y\n1,2\0\n3,4\n",
        "lists.json": "[" + "[]," * int(size * 5_000_000) + "[]]",
        "records.json": "[" + '{"":[{}]},' * int(size * 1_600_000) + "{}]",
        "huge.json": json.dumps([[1e308, -1e308], [-1e308, 1e308], [5, 5], [1e308, 1e308]]),
        "tiny.json": json.dumps([[1e-320, 0], [2e-320, 1e-320], [0, 5e-324], [1e-310, 1]]),
        "closed.json": json.dumps([[0, 0], [1e300, 0], [1e300, 1e300], [0, 1e300], [0, 0]]),
        "digits.json": "[[" + "9" * 100_000 + ",1],[2,3]]",
        "frames.csv": "x,y,frame\n1,2,nan\n3,4,inf\n5,6,1e300\n7,8,-0\n",
        "labels.json": json.dumps({"shapes": [{"label": {"a": ["\n" * 50]}, "points": [[0, 0], [9, 9]]}] * 2}),
        "path.json": json.dumps({"a": {"filename": "../../x\0", "regions": {}}}),
        "coco.json": json.dumps({"annotations": [{"segmentation": {"counts": "x" * 9, "size": [9**99, 2]}}]}),
        "surrogate.json": json.dumps({"shapes": [{"label": "\ud800", "shape_type": "linestrip", "points": line}]}),
        "note.json": json.dumps(own | {"points": line, "note": "\ud800\u202e"}),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return sorted(folder.iterdir())


_YAML = """network: CPWCNet
network_options: {context_levels: [2, 3], search_range: 4}
datasets: {chairs: /tmp/chairs}
epochs: 15
batch_size: 4
learning_rate: 1.0e-4
crop: [64, 128]
spacings: [0, 1]
ema: null
seed: 7
"""


def experiment_seeds(folder: Path) -> list[Path]:
    (folder / "a.yaml").write_text(_YAML)
    (folder / "b.yaml").write_text("datasets: {procedural: ''}\nsteps: 10\nsimulation: {density: 2.0, frames: 8}\n")
    return sorted(folder.iterdir())


def experiment_hostile(folder: Path) -> list[Path]:
    """Aliases that multiply, tags that call, numbers that are none."""
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    texts = {
        "aliases": bomb + "epochs: *a11\n",
        "key": bomb + "*a11 : 1\n",
        "options": "network_options: {x: 2001-01-01}\n",
        "merge": "a: &a {b: 1}\n" + "c: {<<: *a, <<: *a}\n" * 100,
        "itself": "network_options: &a {b: *a}\n",
        "list": "crop: &a [*a, *a]\n",
        "call": "epochs: !!python/object/apply:os.system ['touch CANARY']\n",
        "new": "epochs: !!python/object/new:type ['x', [], {}]\n",
        "date": "epochs: 2001-99-99\n",
        "time": "epochs: 2001-01-01 99:99:99\n",
        "digits": f"epochs: {'9' * 5000}\n",
        "float": f"learning_rate: {'9' * 400}\n",
        "sexagesimal": f"epochs: {':'.join(['59'] * 2000)}\n",
        "binary": "network: !!binary '*'\n",
        "deep": "epochs: " + "[" * 5000 + "]" * 5000,
        "deeper": "".join(f"{' ' * n}a:\n" for n in range(1500)),
        "long": "datasets: {" + ", ".join(f"a{n}: b" for n in range(300_000)) + "}\n",
        "anchors": "x: [" + ", ".join(f"&a{n} 1" for n in range(200_000)) + "]\n",
        "many": "--- 1\n" * 1000,
        "nan": "learning_rate: .nan\nweight_decay: .nan\nema: .nan\nmaximum_displacement_px: .inf\n",
        "large": f"crop: [{2**62}, {2**62}]\nbatch_size: {2**62}\nworkers: {2**62}\n",
        "set": "datasets: !!set {a, b}\n",
        "null": "datasets: null\n",
        "names": "datasets: {../../x: /etc, ted: 1}\n",
    }
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return sorted(folder.iterdir())


def record_seeds(folder: Path) -> list[Path]:
    """Every text that a later command reads of an earlier one; the name says which."""
    import shutil

    from cpwc_keras.models.presets import presets_folder

    record = {"experiment": {"datasets": ["ted"], "weights": "", "seed": 1}, "versions": {"python": "3"}}
    record["files"] = {"a.h5": "0"}
    (folder / "experiment.json").write_text(json.dumps(record))
    (folder / "simulate.json").write_text(json.dumps(record))
    lines = [{"step": n, "seconds": 1.5 * n, "data_loss": 2.0 - n / 9, "epe": 1.0} for n in range(1, 9)]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "cache.json").write_text(json.dumps({"/a/b.flo|1|2": 3.5}))
    for path in sorted(presets_folder().glob("*.json"))[:2]:
        shutil.copy(path, folder / f"preset_{path.name}")
    return sorted(folder.iterdir())


def state_seeds(folder: Path) -> list[Path]:
    """What a run goes on from, in HDF5: a result and a checkpoint."""
    from cpwc_keras.studies.results import CaseInfo, CaseResult, write_result

    info = CaseInfo("case", "ted", "loop", "p1")
    result = CaseResult("dis", info, frames=3, scalars={"epe_mm": 1.0}, curves={"a": np.arange(3.0)})
    write_result(folder / "result.h5", result, "k")
    with h5py.File(folder / "checkpoint-00000003.h5", "w") as file:
        file.attrs.update({"format": "cpwc-keras checkpoint", "step": 3, "identity": json.dumps({"seed": 1})})
        for name in ("network", "optimizer"):
            file.create_group(name).create_dataset("0000", data=np.zeros((2, 3), np.float32))
    return sorted(folder.glob("*.h5"))


def state_hostile(folder: Path) -> list[Path]:
    state_seeds(folder)
    content = {path.stem: path.read_bytes() for path in sorted(folder.glob("*.h5"))}
    values = {
        "deep": "[" * 20_000, "list": "[1, 2]", "number": 5, "bytes": b"\xff", "digits": "9" * 5000,
        "infinite": np.inf, "nothing": h5py.Empty("f4"),
    }  # fmt: skip
    for stem, data in content.items():
        header = "header" if stem == "result" else "identity"
        for name, value in values.items():
            path = folder / f"{stem}_{name}.h5"
            path.write_bytes(data)
            with h5py.File(path, "r+") as file:
                file.attrs[header if name not in ("infinite", "nothing") else "step"] = value
    os.mkfifo(folder / "pipe")

    def replaced(file, place, value):
        del file[place]
        file[place] = value

    outside = h5py.ExternalLink(str(folder / "pipe"), "/")
    changes = {
        "dataset": lambda file: replaced(file, "network", np.zeros(1)),
        "huge": lambda file: file["optimizer"].create_dataset("0001", shape=(2**20, 2**20), dtype="f8"),
        "link": lambda file: replaced(file, "network", outside),
        "text": lambda file: replaced(file, "network/0000", np.full((2, 3), b"x")),
        "record": lambda file: replaced(file, "network/0000", np.zeros((2, 3), [("a", "i4")])),
    }
    for name, change in changes.items():
        path = folder / f"checkpoint-00000003_{name}.h5"
        path.write_bytes(content["checkpoint-00000003"])
        with h5py.File(path, "r+") as file:
            change(file)
    for name, shape in (("huge", (2**17, 2**17)), ("none", (0,))):
        path = folder / f"result_{name}.h5"
        path.write_bytes(content["result"])
        with h5py.File(path, "r+") as file:
            file.create_dataset("b", shape=shape, dtype="f8")
    return sorted(folder.glob("*.h5"))
