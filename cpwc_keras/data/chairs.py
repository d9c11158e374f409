"""FlyingChairs: 22,872 pairs of chairs flying over photographs, for pretraining.

Layout: ``NNNNN_img1.ppm``, ``NNNNN_img2.ppm``, ``NNNNN_flow.flo`` in the folder or in its ``data/`` (FlowNet 2's names
``-img0``, ``-img1``, ``-gt`` as well), and ``FlyingChairs_train_val.txt`` with 1 (training) or 2 (validation) per line.

Licence: for research purposes only.

References:
    Dosovitskiy et al., FlowNet: learning optical flow with convolutional networks, ICCV 2015.
"""

from __future__ import annotations

import functools
from pathlib import Path

from cpwc_keras.data.image_pairs import read_image_pair
from cpwc_keras.data.layout import existing_folder, wrong_layout
from cpwc_keras.errors import bad_file
from cpwc_keras.io.input_file import read_text
from cpwc_keras.types import DatasetItem

_NAMINGS = (("_flow.flo", "_img1", "_img2"), ("-gt.flo", "-img0", "-img1"))
_IMAGE_SUFFIXES = (".ppm", ".png")
_LAYOUT = "NNNNN_img1.ppm, NNNNN_img2.ppm and NNNNN_flow.flo (or -img0, -img1, -gt) in it or in its data/"
_SPLIT_BYTES = 1 << 24
_SPLITS = {"1": "train", "2": "validation"}


def find(root: str | Path) -> list[DatasetItem]:
    """List the pairs, by number. Images are expected beside each flow; `read` says so if one is missing.

    Raises:
        InputError: the folder does not exist or holds no FlyingChairs pair, or the split file does not fit.
    """
    root = existing_folder(root)
    for folder, (ending, first, second) in ((f, n) for f in (root / "data", root) for n in _NAMINGS):
        if flows := sorted(folder.glob(f"*{ending}")):
            splits = _read_split(root, len(flows))
            return [_item(flow, ending, first, second, split) for flow, split in zip(flows, splits, strict=True)]
    raise wrong_layout(root, "FlyingChairs", _LAYOUT)


def _item(flow: Path, ending: str, first: str, second: str, split: str) -> DatasetItem:
    name = flow.name.removesuffix(ending)
    image1, image2 = (_image(flow.with_name(name + part)) for part in (first, second))
    loader = functools.partial(read_image_pair, image1, image2, flow, name)
    return DatasetItem(name, "chairs", 2, loader, patient=name, split=split, files=(image1, image2, flow))


def _image(stem: Path) -> Path:
    candidates = [stem.with_name(stem.name + suffix) for suffix in _IMAGE_SUFFIXES]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _read_split(root: Path, count: int) -> list[str]:
    path = next(iter(sorted(root.glob("*train_val*.txt"))), None)
    if path is None:
        return [""] * count
    numbers = read_text(path, "1 or 2 for each pair", _SPLIT_BYTES).split()
    if len(numbers) != count or not set(numbers) <= _SPLITS.keys():
        others = sorted(set(numbers) - _SPLITS.keys())[:3]
        found = f"{len(numbers)} entries" + (f" with {', '.join(map(repr, others))}" if others else "")
        raise bad_file(path, found, f"1 or 2 for each of the {count} pairs", "complete the dataset or remove this file")
    return [_SPLITS[number] for number in numbers]
