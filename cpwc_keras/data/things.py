"""FlyingThings3D: random objects flying through a scene, for pretraining: clean pass, both cameras, forward in time.

Two layouts:

* full: ``frames_cleanpass/TRAIN/A/0000/left/0006.png`` with
  ``optical_flow/TRAIN/A/0000/into_future/left/OpticalFlowIntoFuture_0006_L.pfm``;
* subset: ``train/image_clean/left/0000000.png`` with ``train/flow/left/into_future/0000000.flo``.

Licence: for research purposes only.

References:
    Mayer et al., A large dataset to train convolutional networks for disparity, optical flow, and scene flow
    estimation, CVPR 2016.
"""

from __future__ import annotations

import functools
import re
from itertools import groupby
from pathlib import Path

from cpwc_keras.data.image_pairs import read_image_pair
from cpwc_keras.data.layout import existing_folder, wrong_layout
from cpwc_keras.types import DatasetItem

_LAYOUT = (
    "frames_cleanpass/TRAIN/A/0000/left/0006.png with optical_flow/TRAIN/A/0000/into_future/left/"
    "OpticalFlowIntoFuture_0006_L.pfm, or the subset's train/image_clean/left/0000000.png with "
    "train/flow/left/into_future/0000000.flo"
)
_NUMBER = re.compile(r"[0-9]{1,18}")
_SPLITS = {"train": "train", "val": "validation", "test": "test"}


def find(root: str | Path) -> list[DatasetItem]:
    """List the pairs: left and right camera, from each frame to the next.

    The last frame of each scene has a flow in the full layout but no next image, and is passed over. Pairs of one
    scene share their `patient`, so that a split never parts them; the subset does not say where scenes end, so there
    it is the folder.

    Raises:
        InputError: the folder does not exist or is neither layout.
    """
    root = existing_folder(root)
    items = _find_full(root) or _find_subset(root)
    if not items:
        raise wrong_layout(root, "FlyingThings3D", _LAYOUT)
    return items


def _find_full(root: Path) -> list[DatasetItem]:
    items = []
    flows = sorted(root.glob("optical_flow/*/*/*/into_future/*/OpticalFlowIntoFuture_*.pfm"))
    for folder, group in groupby(flows, key=lambda path: path.parent):
        part, letter, number, _, camera = folder.relative_to(root / "optical_flow").parts
        images = root / "frames_cleanpass" / part / letter / number / camera
        scene = f"{part}/{letter}/{number}"
        for flow in [path for path in group if _NUMBER.fullmatch(path.stem.split("_")[1])][:-1]:
            frame = flow.stem.split("_")[1]
            pair = (images / f"{frame}.png", images / f"{_next(frame)}.png", flow)
            items.append(_item(f"{scene}/{camera}/{frame}", scene, _SPLITS.get(part.lower(), ""), pair))
    return items


def _find_subset(root: Path) -> list[DatasetItem]:
    items = []
    for flow in sorted(root.glob("*/flow/*/into_future/*.flo")):
        part, _, camera, _, name = flow.relative_to(root).parts
        images = root / part / "image_clean" / camera
        frame = Path(name).stem
        if not _NUMBER.fullmatch(frame):
            continue
        pair = (images / f"{frame}.png", images / f"{_next(frame)}.png", flow)
        items.append(_item(f"{part}/{camera}/{frame}", part, _SPLITS.get(part.lower(), ""), pair))
    return items


def _item(name: str, scene: str, split: str, pair: tuple[Path, Path, Path]) -> DatasetItem:
    loader = functools.partial(read_image_pair, *pair, name)
    return DatasetItem(name, "things", 2, loader, patient=scene, split=split, files=pair)


def _next(frame: str) -> str:
    return f"{int(frame) + 1:0{len(frame)}d}"
