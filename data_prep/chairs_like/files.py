"""Pairs as files in the layout of FlyingChairs: ``NNNNN_img1.ppm``, ``NNNNN_img2.ppm``, ``NNNNN_flow.flo``."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cpwc_keras.data_prep.chairs_like.pairs import ChairsLikePairs
from cpwc_keras.data_prep.chairs_like.settings import ChairsLikeSettings
from cpwc_keras.data_prep.chairs_like.textures import list_photos
from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.files import atomic_path, locked_folder
from cpwc_keras.io.flow_files import write_flow
from cpwc_keras.processes import in_processes
from cpwc_keras.record import versions, write_json

MOST_PAIRS = 99_999
"""What five digits can number."""

_RECIPE = 1  # to be raised with every change that gives other pairs for the same settings
_RECORD = "record.json"


@dataclass(frozen=True)
class Plan:
    """What a run will do.

    Attributes:
        pairs: the stream; pair NNNNN of the folder has the index NNNNN - 1.
        folder: for the files.
        count: pairs that the folder shall hold.
        missing: numbers of those that are to be made.
        recipe: what the files depend on.
    """

    pairs: ChairsLikePairs
    folder: Path
    count: int
    missing: tuple[int, ...]
    recipe: dict

    @property
    def kept(self) -> int:
        """Pairs that are there already."""
        return self.count - len(self.missing)


def plan(settings: ChairsLikeSettings, seed: int, count: int, folder: str | Path, overwrite: bool = False) -> Plan:
    """Decide what is to be done, and prove that it can be. Nothing is written.

    Args:
        settings: of the pairs.
        seed: of the pairs.
        count: how many the folder shall hold.
        folder: for the files; what an earlier run with the same settings left there is kept.
        overwrite: make those anew, too.

    Raises:
        InputError: the folder holds pairs of other settings or of another origin, there are no photographs, or the disk
            is too small.
    """
    folder = Path(folder).absolute()
    pairs = ChairsLikePairs(settings, seed)
    recipe = _recipe(settings, seed)
    _check_folder(folder, recipe)
    numbers = range(1, count + 1)
    missing = tuple(n for n in numbers if overwrite or not _is_whole(folder, n, settings.size))
    need = len(missing) * sum(_sizes(settings.size))
    free = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.is_dir())).free
    if need > free:
        raise InputError(
            f"{folder}: {need / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free; free some space, choose "
            "another output folder, or ask for fewer pairs."
        )
    return Plan(pairs, folder, count, missing, recipe)


def write(work: Plan, workers: int = 1, on_pair: Callable[[], None] = lambda: None) -> None:
    """Write the pairs of a plan. The files do not depend on the number of workers.

    Args:
        work: from `plan`.
        workers: processes.
        on_pair: called after each pair.

    Raises:
        InputError: a photograph is broken, the folder cannot be written to, another run writes to it, or a worker was
            killed.
    """
    with locked_folder(work.folder) as folder:
        _check_folder(folder, work.recipe)  # another run may have begun there since the plan
        record = {**work.recipe, "licence": _licence(work.pairs.settings), "versions": versions()}
        write_json(folder / _RECORD, record)  # first, so that an interrupted run is known, too
        for _ in _write_all(work, workers):
            on_pair()


def _write_all(work: Plan, workers: int) -> Iterator[None]:
    make = functools.partial(write_pair, work.pairs, work.folder)
    if min(workers, len(work.missing)) <= 1:
        yield from map(make, work.missing)
        return
    with closing(in_processes(work.missing, make, lambda number: (number,), workers)) as outcomes:
        for _, future in outcomes:
            yield future.result()


def write_pair(pairs: ChairsLikePairs, folder: Path, number: int) -> None:
    """Write one pair; its flow, by which a pair is found, comes last.

    Args:
        pairs: the stream.
        folder: for the three files.
        number: of the pair, from 1.

    Raises:
        InputError: a photograph is broken, or the folder cannot be written to.
    """
    pair = pairs.sample(number - 1)
    first, second, flow = _paths(folder, number)
    for path, image in ((first, pair.image1), (second, pair.image2)):
        with atomic_path(path) as temporary:
            temporary.write_bytes(_ppm(image))
    write_flow(flow, pair.flow)


def _ppm(image: np.ndarray) -> bytes:
    """Gray as three equal colours, since FlyingChairs' readers expect colour."""
    values = np.rint(image * 255).astype(np.uint8)
    return _ppm_header(image.shape) + np.repeat(values[..., None], 3, axis=-1).tobytes()


def _ppm_header(size) -> bytes:
    return b"P6\n%d %d\n255\n" % (size[1], size[0])


def _paths(folder: Path, number: int) -> tuple[Path, Path, Path]:
    first, second, flow = (folder / f"{number:05d}_{ending}" for ending in ("img1.ppm", "img2.ppm", "flow.flo"))
    return first, second, flow


def _sizes(size) -> tuple[int, int, int]:
    """Bytes of the three files."""
    pixels = size[0] * size[1]
    image = len(_ppm_header(size)) + 3 * pixels
    return image, image, 12 + 8 * pixels


def _is_whole(folder: Path, number: int, size) -> bool:
    return all(
        path.is_file() and path.stat().st_size == length
        for path, length in zip(_paths(folder, number), _sizes(size), strict=True)
    )


def _recipe(settings: ChairsLikeSettings, seed: int) -> dict:
    """What the files depend on: a record of another run says the same only if its pairs are the same."""
    recipe: dict[str, Any] = {"dataset": "chairs-like", "recipe": _RECIPE, "seed": seed, "settings": asdict(settings)}
    if settings.photos:
        root = Path(settings.photos)
        names = [(Path(p).relative_to(root).as_posix(), Path(p).stat().st_size) for p in list_photos(settings.photos)]
        digest = hashlib.sha256(repr(names).encode()).hexdigest()
        recipe["settings"]["photos"] = root.name  # the folder may be moved
        recipe["photos"] = {"count": len(names), "sha256_of_names_and_sizes": digest}
    return json.loads(json.dumps(recipe))


def _licence(settings: ChairsLikeSettings) -> str:
    return "that of the photographs" if settings.photos else "Apache-2.0, as this package: procedural"


def _check_folder(folder: Path, recipe: dict) -> None:
    """Refuse a folder whose pairs were made otherwise."""
    path = folder / _RECORD
    if not path.exists():
        if folder.is_dir() and (found := next(folder.glob("*_flow.flo"), None)):
            raise bad_file(folder, f"{found.name} of another origin", "an empty folder", "choose another output folder")
        return
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        known = {key: record.get(key) for key in recipe}
    except (OSError, ValueError, AttributeError, RecursionError):
        record, known = {}, None
    if known == recipe and ("photos" in record) == ("photos" in recipe):
        return
    before = (
        f"pairs with {_difference(known, recipe)}" if known and known["dataset"] == "chairs-like" else "other files"
    )
    raise bad_file(path, before, "pairs of the same settings", "choose another output folder")


def _difference(known: dict, recipe: dict) -> str:
    """The first setting that differs, as the record has it."""
    before, now = ({**entry, **(entry["settings"] or {})} for entry in (known, recipe))
    names = [name for name in now if name != "settings" and before.get(name) != now[name]]
    return f"{names[0]} = {json.dumps(before.get(names[0]))}" if names else "other settings"
