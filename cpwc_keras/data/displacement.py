"""Leaving out pairs that move farther than a heart does (paper, III-A.1)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cpwc_keras.data.parallel import map_threads
from cpwc_keras.errors import bad_file
from cpwc_keras.files import atomic_path
from cpwc_keras.io.flow_files import NonFiniteFlowError, read_flow
from cpwc_keras.io.input_file import read_json
from cpwc_keras.types import DatasetItem

MAXIMUM_DISPLACEMENT_PX = 30.0
"""The paper removed pairs "with displacement amplitudes that were too large for what can be expected in
echocardiography" and names no number. The fastest part of the wall, the mitral annulus, moves at up to about 15 cm/s;
three frames at 50 Hz (the largest spacing of II-B.4) are 9 mm, which is 30 px at CAMUS' 0.308 mm."""

_PERCENTILE = 90.0
"""Nine pixels of ten have to keep to the bound: small fast objects are common in FlyingChairs (over its first six pairs
the 90th percentile is 2 to 38 px, the 99th 23 to 88 px) and are no reason to lose a pair."""


def displacement_amplitude(item: DatasetItem) -> float:
    """The 90th percentile of a pair's displacement amplitude over its known pixels; only the flow file is read.

    Returns:
        pixels; infinity where the flow is not finite (a few files of FlyingThings3D).

    Raises:
        InputError: the flow cannot be read.
    """
    try:
        flow, mask = read_flow(_flow_file(item))
    except NonFiniteFlowError:
        return float("inf")
    amplitude = np.hypot(flow[..., 0], flow[..., 1])[mask > 0]
    if not amplitude.size:
        return 0.0
    rank = min(int(amplitude.size * _PERCENTILE / 100), amplitude.size - 1)
    return float(np.partition(amplitude, rank)[rank])


def remove_large_displacements(
    items: Sequence[DatasetItem],
    maximum_displacement_px: float = MAXIMUM_DISPLACEMENT_PX,
    cache: str | Path | None = None,
    on_progress: Callable[[], None] | None = None,
) -> list[DatasetItem]:
    """Keep the pairs whose 90th percentile of displacement is at most the bound.

    Args:
        items: pairs with a flow file (FlyingChairs, FlyingThings3D).
        maximum_displacement_px: the bound.
        cache: a JSON file that remembers the measurements; reading FlyingThings3D takes long. A flow file that changed
            is measured again.
        on_progress: called after each pair measured.

    Returns:
        the pairs kept, in order.

    Raises:
        InputError: a flow cannot be read, or the cache is not one of these files.
    """
    known = _read_cache(cache)
    keys = [_key(item) for item in items]
    missing = [index for index, key in enumerate(keys) if key not in known]
    measured = map_threads(displacement_amplitude, [items[index] for index in missing])
    for index, value in zip(missing, measured, strict=True):
        known[keys[index]] = value
        if on_progress:
            on_progress()
    if cache is not None and missing:
        with atomic_path(cache) as temporary:
            temporary.write_text(json.dumps(known, indent=0), encoding="utf-8")
    return [item for item, key in zip(items, keys, strict=True) if known[key] <= maximum_displacement_px]


def _flow_file(item: DatasetItem) -> Path:
    return item.files[-1]


def _key(item: DatasetItem) -> str:
    path = _flow_file(item)
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise bad_file(path, "no file", f"the flow of {item.dataset} pair {item.name}") from error
    return f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"


def _read_cache(cache: str | Path | None) -> dict[str, float]:
    if cache is None or not Path(cache).is_file():
        return {}
    known = read_json(cache, "measured displacements (JSON)", 1 << 28, "remove it")
    try:
        return {str(key): float(value) for key, value in known.items()}
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise bad_file(cache, "something else", "measured displacements (JSON)", "remove it") from error
