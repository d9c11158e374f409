"""Reading a stranger's file in a process of its own, bounded in time, memory and decoded pixels.

``python -m cpwc_keras.app.reading REQUEST`` is that process: REQUEST is JSON, the answer one line of JSON and, where
the file was a loop, its arrays in a folder.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from cpwc_keras.app.limits import Limits
from cpwc_keras.errors import InputError
from cpwc_keras.io.contours import Contour
from cpwc_keras.io.dicom import is_dicom
from cpwc_keras.io.input_file import open_input
from cpwc_keras.types import CineLoop

_ARRAYS = ("frames", "sector")
_FACTS = ("spacing_mm", "frame_rate_hz", "ed", "es", "view", "notes")
_BASE_BYTES, _BYTES_PER_PIXEL = 3 << 30, 12
"""Memory of the process: its libraries, and the copies that a reader holds of each pixel."""


def read_bounded(
    path: Path,
    folder: Path,
    limits: Limits,
    spacing_mm: tuple[float, float] | None = None,
    frame_rate_hz: float | None = None,
) -> CineLoop:
    """Read a cine loop as `cpwc_keras.read` does, but in a process that can be stopped.

    What lies outside of the moving sector is blanked in every format, since text may be burned in there; the loop has
    neither a patient nor a source.

    Args:
        path: the file.
        folder: an existing folder for what the process leaves.
        limits: how long it may take, how much it may decode.
        spacing_mm: (row_mm, col_mm), as for `cpwc_keras.read`.
        frame_rate_hz: likewise.

    Raises:
        InputError: the file cannot be read, or is beyond the limits. The sentence does not hold the file's name.
    """
    with open_input(path) as (_, size):
        pass
    if not suffix(path) and not is_dicom(path):
        raise InputError(
            "This is no cine loop that can be read here; choose a DICOM, NIfTI, MetaImage (.mha), MP4, AVI, GIF or "
            "HDF5 file."
        )
    if size > limits.upload_bytes:
        raise InputError(f"The file has {size >> 20:,} MiB; at most {limits.upload_bytes >> 20:,} are taken here.")
    request = {
        "path": str(path), "folder": str(folder), "spacing_mm": spacing_mm, "frame_rate_hz": frame_rate_hz,
        "limits": asdict(limits),
    }  # fmt: skip
    answer = _ask(request, limits.reading_s)
    if "error" in answer:
        raise InputError(answer["error"].replace(str(path), "The file"))
    arrays = {name: np.load(folder / f"{name}.npy") for name in answer["arrays"]}
    for name in answer["arrays"]:
        (folder / f"{name}.npy").unlink()
    facts = answer["facts"]
    facts["notes"] = tuple(facts["notes"])
    facts["spacing_mm"] = facts["spacing_mm"] and tuple(facts["spacing_mm"])
    return CineLoop(**arrays, **facts)


def read_contour_bounded(path: Path, loop: CineLoop, limits: Limits) -> tuple[Contour, tuple[str, ...]]:
    """The contour of a file, read within the same bounds: the project's own, a mask, or what another tool has drawn.

    Args:
        path: the file.
        loop: what it is for.
        limits: as for `read_bounded`.

    Returns:
        the contour, and what was decided on the way, one sentence each.

    Raises:
        InputError: it cannot be read, is beyond the limits, or does not fit the loop.
    """
    with open_input(path) as (_, size):
        pass
    if size > limits.upload_bytes:
        raise InputError("The contour file is too large.")
    request = {
        "contour": str(path), "shape": loop.frames.shape, "spacing_mm": loop.spacing_mm, "ed": loop.ed,
        "limits": asdict(limits),
    }  # fmt: skip
    answer = _ask(request, limits.reading_s)
    if "error" in answer:
        raise InputError(answer["error"].replace(str(path), "The contour file"))
    size = answer["image_size"]
    contour = Contour(np.array(answer["points"]), answer["frame"], size and tuple(size), answer["es_frame"])
    return contour, tuple(note.replace(str(path), "The contour file") for note in answer["notes"])


def suffix(path: Path, contours: bool = False) -> str:
    """The end of a name by which readers know the format; the rest may hold a patient's name.

    Args:
        path: the file.
        contours: whether the formats of contours count, beside those of loops.
    """
    from cpwc_keras.io.cine import SEQUENCE_SUFFIXES
    from cpwc_keras.io.contour_import import CONTOUR_SUFFIXES
    from cpwc_keras.io.medical import MEDICAL_SUFFIXES
    from cpwc_keras.io.video import VIDEO_SUFFIXES

    name = path.name.lower()
    known = {*SEQUENCE_SUFFIXES, *MEDICAL_SUFFIXES, *VIDEO_SUFFIXES, ".dcm", ".dicom"}
    if contours:
        known.update(CONTOUR_SUFFIXES)
    return next((end for end in sorted(known, key=len, reverse=True) if name.endswith(end)), "")


def _ask(request: dict, seconds: float) -> dict:
    """What the process answers; it and all it started are gone afterwards."""
    # Without -P it would import whatever modules lie in the folder that the page was started from.
    command = [sys.executable, "-P", "-m", "cpwc_keras.app.reading", json.dumps(request)]
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # each thread would reserve memory
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env,
                          start_new_session=True) as child:  # fmt: skip
        try:
            output, _ = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            output = b""
            raise InputError(f"Reading the file took more than {seconds:g} s and was given up; shorten it.") from None
        finally:
            if hasattr(os, "killpg"):
                with suppress(ProcessLookupError, PermissionError):  # all of them have ended
                    os.killpg(child.pid, signal.SIGKILL)
            child.kill()
    try:
        return json.loads(output.decode().splitlines()[-1])
    except (ValueError, IndexError):
        return {"error": "The file cannot be read: its content broke the reader or needs too much memory."}


def _answer_contour(request: dict) -> dict:
    from cpwc_keras.io.contour_import import import_contour
    from cpwc_keras.io.contours import read_contour

    path = Path(request["contour"])
    # Of the loop only its measures matter; no memory is taken for its frames.
    frames = np.broadcast_to(np.float32(0), request["shape"])
    loop = CineLoop(frames, request["spacing_mm"] and tuple(request["spacing_mm"]), ed=request["ed"])
    notes: tuple[str, ...] = ()
    try:
        try:
            contour = read_contour(path)
        except InputError as own:
            if path.suffix.lower() == ".json" and "a contour file, of format" not in str(own):
                raise
            contour, notes = import_contour(path, loop)
    except InputError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "The contour file cannot be read: it needs too much memory."}
    return {
        "points": contour.points.tolist(), "frame": contour.frame, "image_size": contour.image_size,
        "es_frame": contour.es_frame, "notes": notes,
    }  # fmt: skip


def _answer(request: dict) -> dict:
    limits = Limits(**request["limits"])
    if hasattr(signal, "alarm"):  # should the page be killed meanwhile, nobody else would end this
        signal.alarm(math.ceil(limits.reading_s) + 10)
    _bound_memory(_BASE_BYTES + _BYTES_PER_PIXEL * limits.pixels)
    from cpwc_keras.io import sector

    sector.MAX_PIXELS = limits.pixels  # before the readers take it over: what claims more is not decoded
    if "contour" in request:
        return _answer_contour(request)
    from cpwc_keras.io.cine import SEQUENCE_SUFFIXES, read
    from cpwc_keras.io.sequence_file import sequence_header
    from cpwc_keras.io.video import VIDEO_SUFFIXES

    try:
        loop = read(request["path"], request["spacing_mm"], request["frame_rate_hz"])
        if len(loop) > limits.frames or loop.frames.size > limits.pixels:
            found = f"{len(loop)} frames of {loop.frames.shape[1]}×{loop.frames.shape[2]}"
            raise InputError(
                f"The loop has {found} pixels; at most {limits.frames} frames and {limits.pixels:,} pixels are taken "
                "here. Shorten it."
            )
        if request["path"].endswith(SEQUENCE_SUFFIXES):  # notes of the file's own may hold names
            own = sequence_header(request["path"]).notes
            loop = replace(loop, notes=tuple(note for note in loop.notes if note not in own))
    except InputError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "The file cannot be read: it needs too much memory."}
    path = Path(request["path"])
    if not (is_dicom(path) or path.name.endswith((".dcm", ".dicom", *VIDEO_SUFFIXES))):  # their readers do it
        loop = _without_marks(loop)
    arrays = [name for name in _ARRAYS if getattr(loop, name) is not None]
    for name in arrays:
        np.save(Path(request["folder"]) / f"{name}.npy", getattr(loop, name))
    return {"arrays": arrays, "facts": {name: getattr(loop, name) for name in _FACTS}}


def _without_marks(loop: CineLoop) -> CineLoop:
    """The loop with nothing outside of its sector, as the readers of DICOM and video leave it."""
    from cpwc_keras.io.sector import sector_mask

    outside = (loop.frames != 0).any(axis=0)
    gray = np.rint(loop.frames * 255).astype(np.uint8)
    sector = sector_mask(gray, np.zeros(gray.shape, bool))
    if sector is None or not (outside & ~sector).any():
        return loop
    note = "What lies outside of the moving sector was blanked: text may be burned in there."
    return replace(loop, frames=np.where(sector, loop.frames, np.float32(0)), notes=(*loop.notes, note))


def _bound_memory(size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    with suppress(ValueError, OSError):  # macOS knows no such limit below what is mapped already
        resource.setrlimit(resource.RLIMIT_AS, (size if most < 0 else min(size, most), most))


if __name__ == "__main__":
    print(json.dumps(_answer(json.loads(sys.argv[1]))))
