"""A folder of the project's own sequence files, as `cpwc_keras.io.sequence_file.write_sequence` writes them."""

from __future__ import annotations

import functools
from pathlib import Path

from cpwc_keras.data.layout import existing_folder, wrong_layout
from cpwc_keras.errors import InputError
from cpwc_keras.io.sequence_file import read_sequence, sequence_header
from cpwc_keras.types import DatasetItem


def find(root: str | Path) -> list[DatasetItem]:
    """List the sequence files in the folder and below.

    Raises:
        InputError: the folder does not exist or holds no sequence file.
    """
    root = existing_folder(root)
    items = find_files(root, "sequences")
    if not items:
        expected = "sequence files (.h5) in it or below, as `cpwc-keras simulate` and `prepare` write them"
        raise wrong_layout(root, "sequences", expected)
    return items


def find_files(root: Path, dataset: str) -> list[DatasetItem]:
    """List the sequence files in and below a folder under the name of `dataset`; none is an empty list."""
    return [_item(path, root, dataset) for path in sorted(root.rglob("*.h5")) if not path.name.startswith(".")]


def _item(path: Path, root: Path, dataset: str) -> DatasetItem:
    name = path.relative_to(root).with_suffix("").as_posix()
    loader = functools.partial(read_sequence, path)
    try:
        header = sequence_header(path)
    except InputError:  # listed all the same: `verify` names it, and `open_dataset` raises it
        return DatasetItem(name, dataset, 0, loader, files=(path,))
    return DatasetItem(
        name=name,
        dataset=dataset,
        n_frames=header.shape[0],
        loader=loader,
        patient=header.patient or path.stem,
        vendor=header.vendor,
        variant=header.variant,
        split=str(header.attributes.get("split", "")),
        files=(path,),
    )
