"""A picture and a film of a simulated sequence, with its mesh drawn on one half."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from cpwc_keras.files import atomic_path
from cpwc_keras.io.sequence_file import read_sequence
from cpwc_keras.io.video import write_video
from cpwc_keras.record import marked_picture
from cpwc_keras.types import Sequence
from cpwc_keras.viz.overlay import enlarge, write_text

_LEAST_HEIGHT = 480
_LINES, _BORDER = (90, 200, 190), (250, 205, 90)
_SUBPIXEL = 4  # bits
_FRAME_RATE_HZ = 30.0  # where the template has none


def write_preview(path: str | Path) -> tuple[Path, Path]:
    """Write a picture (end-diastole above end-systole) and a film beside a sequence file, unless newer ones are there.

    Args:
        path: the sequence file, with a mesh.

    Returns:
        the PNG and the MP4, named as the sequence file.

    Raises:
        InputError: the sequence cannot be read, or the folder cannot be written to.
    """
    path = Path(path)
    picture, film = path.with_suffix(".png"), path.with_suffix(".mp4")
    if not (_is_newer(picture, path) and _is_newer(film, path)):
        sequence = read_sequence(path)
        loop = sequence.loop
        instants = {"ED": loop.ed or 0, "ES": len(loop) // 2 if loop.es is None else loop.es}
        halves = [_side_by_side(sequence, index, f"{name}, frame {index}") for name, index in instants.items()]
        with atomic_path(picture) as beside:
            beside.write_bytes(_png(np.concatenate(halves)))
        frames = (_side_by_side(sequence, index) for index in range(len(loop)))
        write_video(film, frames, loop.frame_rate_hz or _FRAME_RATE_HZ)
    return picture, film


def _is_newer(path: Path, than: Path) -> bool:
    return path.is_file() and than.is_file() and path.stat().st_mtime_ns >= than.stat().st_mtime_ns


def draw_mesh(canvas: np.ndarray, mesh: np.ndarray, scale: float) -> np.ndarray:
    """Draw the lines of a mesh, its outline stronger.

    Args:
        canvas: (H', W', 3) uint8 RGB from `enlarge`; changed in place.
        mesh: (36, 5, 2) pixels (x, y) of the original image.
        scale: of the canvas.

    Returns:
        the canvas.
    """
    at = np.round(((mesh + 0.5) * scale - 0.5) * (1 << _SUBPIXEL)).astype(np.int32)
    outline = np.concatenate([at[:, 0], at[-1], at[::-1, -1], at[0, ::-1]])
    lines = [*at, *np.ascontiguousarray(at.transpose(1, 0, 2))]
    cv2.polylines(canvas, lines, False, _LINES, 1, cv2.LINE_AA, _SUBPIXEL)
    cv2.polylines(canvas, [outline], True, _BORDER, 1, cv2.LINE_AA, _SUBPIXEL)
    return canvas


def _side_by_side(sequence: Sequence, index: int, caption: str = "") -> np.ndarray:
    assert sequence.mesh is not None
    frame = sequence.loop.frames[index]
    scale = max(1.0, _LEAST_HEIGHT / len(frame))
    plain = enlarge(frame, scale)
    drawn = draw_mesh(plain.copy(), sequence.mesh[index], scale)
    if caption:
        write_text(plain, caption, 8, 8, 16)
    return np.concatenate([plain, drawn], axis=1)


def _png(picture: np.ndarray) -> bytes:
    return marked_picture(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
