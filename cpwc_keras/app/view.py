"""What the editor in the browser shows: a frame with its contour, the loop as a film, the tracked contours."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import cv2
import numpy as np

from cpwc_keras.app.drawing import Drawing
from cpwc_keras.app.session import Session
from cpwc_keras.viz.overlay import enlarge

_QUALITY = 92
_LABELS = ("septal base", "lateral base")


def frame_view(session: Session, frame: int) -> dict:
    """A frame and what is drawn on it.

    Args:
        session: of the visitor.
        frame: index.

    Returns:
        JSON: the picture as a data URL; the part of it to show; points, curves and labels in pixels (x, y); whether it
        may be edited; a hint; what else the editor needs to show other frames by itself.
    """
    if session.loop is None:
        return {}
    loop, drawing, result = session.loop, session.drawing, session.result
    frame = int(np.clip(frame, 0, len(loop) - 1))
    own = session.ed is None or frame == session.ed or not len(drawing.points)
    points = drawing.points if own else np.zeros((0, 2))
    drawn = drawing.curve() if drawing.complete else drawing.points
    curve, kind = drawn, "drawn"
    if not own:
        curve, kind = (drawn, "elsewhere") if result is None else (result.contours[frame], "tracked")
    hint = drawing.hint
    if not own:
        hint = f"The contour is drawn on frame {session.ed} (ED)."
        hint = f"Tracked contour. {hint}" if result is not None else f"{hint} It is shown dashed here."
    return {
        "loop": session.number,
        "frame": frame,
        "frames": len(loop),
        "image": data_url(enlarge(loop.frames[frame], 1.0), ".jpg"),
        "box": list(session.box),
        "points": np.round(points, 2).tolist(),
        "curve": np.round(curve, 2).tolist(),
        "drawn": np.round(drawn, 2).tolist(),
        "kind": kind,
        "labels": _labels(drawing) if own else [],
        "editable": own,
        "hint": hint,
        "ed": session.ed,
        "es": session.es if result is None else result.es,
        "rate": loop.frame_rate_hz,
        "tracked": 0 if session.outcome is None else session.outcome.number,
    }


def _labels(drawing: Drawing) -> list[dict]:
    points, apex = drawing.points, drawing.apex()
    if apex is None:
        names = ("septal base", "apex", "lateral base") if drawing.three_clicks else ("septal base",)
        return [{"at": point.tolist(), "text": name} for point, name in zip(points, names, strict=False)]
    ends = [{"at": point.tolist(), "text": name} for point, name in zip(points[[0, -1]], _LABELS, strict=True)]
    return [*ends, {"at": apex.tolist(), "text": "apex"}]


def film(session: Session) -> dict:
    """Write every frame of the loop as a picture, one after the other, so that the browser can play them by itself.

    Returns:
        JSON: which loop it is, the file, where in it each picture ends.
    """
    loop, number = session.loop, session.number
    if loop is None:
        return {}
    path = session.folder / f"film-{number}.bin"
    ends: list[int] = []
    with open(path, "wb") as file:
        for picture in _encoded(loop.frames):
            file.write(picture)
            ends.append(file.tell())
            if session.number != number or not session.folder.exists():  # another loop was opened, or the visitor left
                break
    if session.number != number:
        path.unlink(missing_ok=True)
        return {}
    return {"loop": number, "file": str(path), "ends": ends}


def _encoded(frames: np.ndarray) -> Iterator[bytes]:
    for frame in frames:
        yield _encode(enlarge(frame, 1.0), ".jpg")


def tracks(session: Session) -> dict:
    """The tracked contours and the strain of every frame, as JSON."""
    outcome = session.require_outcome()
    return {
        "number": outcome.number,
        "contours": np.round(outcome.result.contours, 1).tolist(),
        "strain": np.round(outcome.result.strain, 1).tolist(),
    }


def data_url(picture: np.ndarray, suffix: str) -> str:
    """An RGB picture as a data URL.

    Args:
        picture: (H, W, 3) uint8.
        suffix: ".jpg" or ".png".
    """
    kind = {".jpg": "jpeg", ".png": "png"}[suffix]
    return f"data:image/{kind};base64,{base64.b64encode(_encode(picture, suffix)).decode()}"


def _encode(picture: np.ndarray, suffix: str) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY] if suffix == ".jpg" else []
    return cv2.imencode(suffix, picture[..., ::-1], options)[1].tobytes()
