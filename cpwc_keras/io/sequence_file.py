"""The project's own sequence file: one HDF5 file per sequence, images and exact motion together.

=====================  ===========================================================================================
dataset                content
=====================  ===========================================================================================
``frames``             uint8 (T, H, W)
``labels``             uint8 (T, H, W), optional
``sector``             uint8 (H, W), 1 where the images show anything, optional
``mesh``               float32 (T, 36, 5, 2) px, NaN where a node is not known; or, instead,
``flows``, ``masks``   float32 (T-1, H, W, 2) px and uint8 (T-1, H, W)
=====================  ===========================================================================================

Attributes of the root: ``format``, ``format_version``, ``view``, ``patient``, ``vendor``, ``variant``, ``notes``,
``made_with`` and, where known, ``spacing_mm`` (row, column), ``frame_rate_hz``, ``ed``, ``es``; then ``licence`` and
whatever else the writer adds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np

from cpwc_keras.errors import bad_file
from cpwc_keras.files import atomic_path, hdf5_in_memory
from cpwc_keras.io.hdf5_input import load_dataset, open_hdf5, own_dataset, scale_and_rate
from cpwc_keras.io.sector import require_moderate
from cpwc_keras.types import MESH_SHAPE, CineLoop, Sequence

FORMAT, FORMAT_VERSION = "cpwc-keras sequence", 1
_DATASETS = ("frames", "sector", "labels", "mesh", "flows", "masks")
_TYPES = dict.fromkeys(_DATASETS, np.uint8) | {"mesh": np.float32, "flows": np.float32}
_TEXTS = ("view", "patient", "vendor", "variant")
_OWN = {*_TEXTS, "format", "format_version", "made_with", "notes", "spacing_mm", "frame_rate_hz", "ed", "es"}


@dataclass(frozen=True)
class SequenceHeader:
    """What a sequence file says of itself without its arrays.

    Attributes:
        shape: (T, H, W) of the frames.
        motion: "mesh" or "flows".
        spacing_mm: (row_mm, col_mm), or None.
        frame_rate_hz: frames a second, or None.
        ed: index of the end-diastolic frame, or None.
        es: index of the end-systolic frame, or None.
        view: "A2C", "A3C", "A4C", or "".
        patient: pseudonym.
        vendor: maker of the scanner, or "".
        variant: "clean", "reverberation", a motion pattern, or "".
        notes: what was assumed, one sentence each.
        attributes: everything else the writer added (licence, template, seed, …).
    """

    shape: tuple[int, int, int]
    motion: str
    spacing_mm: tuple[float, float] | None
    frame_rate_hz: float | None
    ed: int | None
    es: int | None
    view: str
    patient: str
    vendor: str
    variant: str
    notes: tuple[str, ...]
    attributes: dict[str, object] = field(default_factory=dict)


def write_sequence(path: str | Path, sequence: Sequence, attributes: Mapping[str, object] | None = None) -> None:
    """Write a sequence, whole or not at all. Frames are rounded to 8 bits; motion stays exact.

    Args:
        path: the file, by custom ``.h5``.
        sequence: what to write.
        attributes: anything more to keep beside it (``licence``, ``template``, ``seed``), as text or numbers.

    Raises:
        InputError: the folder cannot be written to.
        ValueError: `attributes` would hide one of the format's own.
    """
    content = sequence_bytes(sequence, attributes)
    with atomic_path(path) as beside:
        beside.write_bytes(content)


def sequence_bytes(sequence: Sequence, attributes: Mapping[str, object] | None = None) -> bytes:
    """What `write_sequence` writes; equal sequences give equal bytes.

    Raises:
        ValueError: `attributes` would hide one of the format's own.
    """
    attributes = dict(attributes or {})
    if clash := _OWN & attributes.keys():
        raise ValueError(f"attributes {sorted(clash)} belong to the sequence itself")
    loop = sequence.loop
    buffer = BytesIO()
    with hdf5_in_memory(buffer) as file:
        file.attrs.update({"format": FORMAT, "format_version": FORMAT_VERSION, "notes": "\n".join(loop.notes)})
        file.attrs.update({"view": loop.view, "patient": loop.patient})
        file.attrs.update({"vendor": sequence.vendor, "variant": sequence.variant})
        for name in ("spacing_mm", "frame_rate_hz", "ed", "es"):
            if (value := getattr(loop, name)) is not None:
                file.attrs[name] = value
        file.attrs.update(attributes)
        _store(file, "frames", np.rint(np.clip(loop.frames, 0, 1) * 255).astype(np.uint8))
        if loop.sector is not None:
            _store(file, "sector", loop.sector.astype(np.uint8))
        if loop.labels is not None:
            _store(file, "labels", loop.labels.astype(np.uint8))
        if sequence.mesh is not None:
            _store(file, "mesh", sequence.mesh.astype(np.float32))
        elif sequence.flows is not None and sequence.masks is not None:
            _store(file, "flows", sequence.flows.astype(np.float32))
            _store(file, "masks", (sequence.masks > 0).astype(np.uint8))
    return buffer.getvalue()


def read_sequence(path: str | Path) -> Sequence:
    """Read a sequence file.

    Raises:
        InputError: missing, truncated, of another format or version, or inconsistent.
    """
    with _open(path) as file:
        header = _header(path, file)
        frames, height, width = header.shape
        require_moderate(path, math.prod(header.shape), Path(path).stat().st_size)
        expected = {"frames": header.shape, "labels": header.shape, "sector": (height, width)}
        expected |= {"mesh": (frames, *MESH_SHAPE, 2)}
        expected |= {"flows": (frames - 1, height, width, 2), "masks": (frames - 1, height, width)}
        there = [name for name in _DATASETS if file.id.links.exists(name.encode())]
        for name in there:  # before any is unpacked
            shape = own_dataset(path, file, name).shape
            if shape != expected[name]:
                raise bad_file(path, f"{name} of shape {shape}", f"{expected[name]} for {frames} frames")
        stored = {name: load_dataset(path, file, name, _TYPES[name]) for name in there}
    if "mesh" in stored and np.isinf(stored["mesh"]).any():
        raise bad_file(path, "infinite mesh coordinates", "pixels, or NaN where a node is not known")
    if "flows" in stored and not np.isfinite(stored["flows"]).all():
        raise bad_file(path, "NaN or infinite flow", "finite pixels")
    loop = CineLoop(
        frames=stored["frames"].astype(np.float32) / np.float32(255),
        labels=stored.get("labels"),
        sector=None if "sector" not in stored else stored["sector"] > 0,
        source=str(path),
        **{
            name: getattr(header, name)
            for name in ("spacing_mm", "frame_rate_hz", "ed", "es", "view", "patient", "notes")
        },
    )
    masks = stored["masks"].astype(np.float32) if "flows" in stored else None
    return Sequence(loop, stored.get("mesh"), stored.get("flows"), masks, header.vendor, header.variant)


def sequence_header(path: str | Path) -> SequenceHeader:
    """Read what a sequence file says of itself, without its arrays.

    Raises:
        InputError: missing, of another format or version, or inconsistent.
    """
    with _open(path) as file:
        return _header(path, file)


def _store(file: h5py.File, name: str, values: np.ndarray) -> None:
    chunks = (1, *values.shape[1:])
    dataset = file.create_dataset(name, data=values, chunks=chunks, compression="gzip", shuffle=True, fletcher32=True)
    dataset.flush()  # or chunks are laid out as datasets happen to be closed, and equal sequences are unequal bytes


@contextmanager
def _open(path) -> Iterator[h5py.File]:
    with open_hdf5(path, "a whole HDF5 sequence file (.h5)", "write it again") as file:
        yield file


def _header(path, file: h5py.File) -> SequenceHeader:
    version = file.attrs.get("format_version")
    if file.attrs.get("format") != FORMAT or version != FORMAT_VERSION:
        found = f"format {file.attrs.get('format')} version {version}"
        raise bad_file(path, found, f"{FORMAT} version {FORMAT_VERSION}")
    shape = own_dataset(path, file, "frames").shape
    if len(shape) != 3 or min(shape) < 1:
        raise bad_file(path, f"frames of shape {shape}", "(T, H, W)")
    there = {name for name in _DATASETS if file.id.links.exists(name.encode())}  # `in` would follow links elsewhere
    if ("mesh" in there) == ("flows" in there) or ("flows" in there) != ("masks" in there):
        raise bad_file(path, f"the datasets {sorted(there)}", "either 'mesh', or 'flows' with 'masks'")
    spacing, rate = scale_and_rate(path, file)
    instants = {name: None if (value := file.attrs.get(name)) is None else int(value) for name in ("ed", "es")}
    for name, instant in instants.items():
        if instant is not None and not 0 <= instant < shape[0]:
            raise bad_file(path, f"{name} frame {instant}", f"an index within the {shape[0]} frames")
    return SequenceHeader(
        shape=shape,
        motion="mesh" if "mesh" in there else "flows",
        spacing_mm=spacing,
        frame_rate_hz=rate,
        notes=tuple(line for line in str(file.attrs.get("notes", "")).split("\n") if line),
        attributes={name: value for name, value in file.attrs.items() if name not in _OWN},
        ed=instants["ed"],
        es=instants["es"],
        **{name: str(file.attrs.get(name, "")) for name in _TEXTS},
    )
