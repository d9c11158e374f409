"""What the page shows: frames, curves, maps, numbers."""

from __future__ import annotations

import base64
import html
import io
import threading
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from cpwc_keras.app.session import Session
from cpwc_keras.tracking.result import TrackingResult
from cpwc_keras.types import CineLoop
from cpwc_keras.viz.flow import draw_arrows, flow_to_color
from cpwc_keras.viz.one_page import write_page
from cpwc_keras.viz.overlay import enlarge
from cpwc_keras.viz.regional import regional_figure
from cpwc_keras.viz.report import strain_figure

RESEARCH_ONLY = "For research. Not a medical device, not for diagnosis."
_MATPLOTLIB = threading.Lock()  # its font cache is not made for several threads
_LABELS = ("septal base", "lateral base")


def frame_view(session: Session, frame: int) -> dict:
    """A frame and what is drawn on it, for the editor in the browser.

    Args:
        session: of the visitor.
        frame: index.

    Returns:
        JSON: the picture as a data URL, points, curve and labels in pixels (x, y), whether it may be edited, a hint.
    """
    if session.loop is None:
        return {}
    loop, drawing, result = session.loop, session.drawing, session.result
    frame = int(np.clip(frame, 0, len(loop) - 1))
    height, width = loop.frames.shape[1:]
    own = session.ed is None or frame == session.ed or not len(drawing.points)
    points = drawing.points if own else np.zeros((0, 2))
    curve, kind, labels = np.zeros((0, 2)), "drawn", []
    if own and len(drawing.points) > 1:
        curve = drawing.curve() if drawing.complete else drawing.points
        labels = _labels(drawing)
    elif not own and result is not None:
        curve, kind = result.contours[frame], "tracked"
    elif not own and drawing.complete:
        curve, kind = drawing.curve(), "elsewhere"
    hint = drawing.hint
    if not own:
        hint = f"The contour is drawn on frame {session.ed} (ED)."
        hint = f"Tracked contour. {hint}" if result is not None else f"{hint} It is shown dashed here."
    return {
        "image": data_url(enlarge(loop.frames[frame], 1.0), ".jpg"),
        "width": width,
        "height": height,
        "points": np.round(points, 2).tolist(),
        "curve": np.round(curve, 2).tolist(),
        "kind": kind,
        "labels": labels,
        "editable": own,
        "hint": hint,
        "caption": _caption(session, frame),
    }


def _labels(drawing) -> list[dict]:
    points = drawing.points
    if not drawing.complete:
        names = ("septal base", "apex", "lateral base") if drawing.three_clicks else ("septal base",)
        return [{"at": point.tolist(), "text": name} for point, name in zip(points, names, strict=False)]
    ends = [{"at": point.tolist(), "text": name} for point, name in zip(points[[0, -1]], _LABELS, strict=True)]
    return [*ends, {"at": drawing.apex().tolist(), "text": "apex"}]


def _caption(session: Session, frame: int) -> str:
    result, loop = session.result, session.loop
    es = result.es if result is not None else session.es
    mark = {session.ed: "ED", es: "ES"}.get(frame, "")
    time = f"{frame / loop.frame_rate_hz:.2f} s" if loop.frame_rate_hz else ""
    strain = f"strain {result.strain[frame]:.1f} %" if result is not None else ""
    return "   ".join(part for part in (f"frame {frame}", time, mark, strain) if part)


def loop_facts(loop: CineLoop | None) -> str:
    """What is known of the open loop, as HTML."""
    if loop is None:
        return ""
    height, width = loop.frames.shape[1:]
    unknown = "<b class='unknown'>unknown</b>"
    spacing = f"{loop.spacing_mm[0]:.3g} × {loop.spacing_mm[1]:.3g} mm" if loop.spacing_mm else unknown
    rate = f"{loop.frame_rate_hz:.4g} Hz" if loop.frame_rate_hz else unknown
    facts = (("Frames", f"{len(loop)}"), ("Size", f"{width} × {height}"), ("Pixel", spacing), ("Rate", rate))
    return f"<dl class='facts'>{''.join(f'<div><dt>{k}</dt><dd>{v}</dd></div>' for k, v in facts)}</dl>"


def numbers(result: TrackingResult) -> list[tuple[str, str, str]]:
    """Name, value and meaning of what was measured."""
    unit = result.unit
    source = "estimated, smallest tracked cavity" if result.es_estimated else "as given"
    averaged = "forward and backward averaged" if result.composition else "forward only"
    time = (lambda f: f", {f / result.frame_rate_hz:.2f} s") if result.frame_rate_hz else (lambda f: "")
    return [
        ("GLS", f"{result.gls:.1f} %", f"peak systolic longitudinal strain, frame {result.gls_frame}"),
        ("MAPSE", f"{result.annular_excursion:.1f} {unit}", "the mitral plane comes towards the apex"),
        ("MAPSE, relative", f"{result.peak_mapse:.1f} %", "of the distance from apex to base (the paper's form)"),
        ("End-diastole", f"{result.ed}", f"frame of the contour{time(result.ed)}"),
        ("End-systole", f"{result.es}", f"frame, {source}{time(result.es)}"),
        ("Length at ED", f"{result.length[result.ed]:.1f} {unit}", "of the endocardium, base to base"),
        ("Disagreement", f"{result.median_disagreement:.2f} {unit}",
         "a step, forward against backward; small does not prove it right"),
        ("Tracker", result.tracker, f"{averaged}; pairs of frames up to {result.reach} apart"),
    ]  # fmt: skip


def headline(result: TrackingResult) -> str:
    """The four numbers that matter, as HTML cards."""
    cards = [(name, value, meaning) for name, value, meaning in numbers(result) if name in ("GLS", "MAPSE")]
    cards.append(
        ("ED, ES", f"{result.ed}, {result.es}", "frames; ES " + ("estimated" if result.es_estimated else "given"))
    )
    cards.append(
        ("Disagreement", f"{result.median_disagreement:.2f} {result.unit}", "a step, forward against backward")
    )
    warning = f"<p class='lost'>Do not use these numbers. {html.escape(result.lost)}</p>" if result.lost else ""
    body = "".join(
        f"<div class='card'><span>{name}</span><strong>{html.escape(value)}</strong>"
        f"<small>{html.escape(meaning)}</small></div>"
        for name, value, meaning in cards
    )
    return f"{warning}<div class='cards'>{body}</div>"


def table(result: TrackingResult) -> str:
    """All numbers, as an HTML table."""
    rows = "".join(
        f"<tr><th>{name}</th><td>{html.escape(value)}</td><td>{html.escape(meaning)}</td></tr>"
        for name, value, meaning in numbers(result)
    )
    return f"<table class='numbers'>{rows}</table>"


def notes_list(notes) -> str:
    """What a reader has to know, as HTML."""
    if not notes:
        return ""
    items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return f"<div class='mind'><b>Mind</b><ul>{items}</ul></div>"


def curves_picture(result: TrackingResult) -> str:
    """Strain and MAPSE over time, as an HTML picture."""
    return _figure_html(partial(_curves, result), "strain and MAPSE over time")


def regions_picture(result: TrackingResult) -> str:
    """Regional strain, as an HTML picture."""
    return _figure_html(partial(_regions, result), "strain along the wall over time")


def motion_picture(loop: CineLoop, result: TrackingResult, flow: np.ndarray, frame: int) -> str:
    """The motion of every pixel around the heart from a frame to the next, as an HTML picture: arrows and colours."""
    points = result.contours.reshape(-1, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    pad = 0.22 * (high - low).max()
    height, width = loop.frames.shape[1:]
    left, top = np.maximum(low - pad, 0).astype(int)
    right, bottom = np.minimum(np.ceil(high + pad) + 1, [width, height]).astype(int)
    image, near = loop.frames[frame, top:bottom, left:right], flow[top:bottom, left:right]
    lengths = np.linalg.norm(near, axis=-1)
    largest = max(float(np.percentile(lengths, 99.5)), 1e-6)
    arrows = draw_arrows(image**0.6 * 0.8, near, step=max(6, round(max(image.shape) / 28)),
                         scale=min(4.0, 0.05 * max(image.shape) / largest))  # fmt: skip
    colors = cv2.resize(flow_to_color(near, largest), arrows.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    gray = cv2.resize(image, arrows.shape[1::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1)[..., None] ** 0.6
    colors = (colors * (0.25 + 0.75 * gray)).astype(np.uint8)
    side = max(48, min(colors.shape[:2]) // 6)
    colors[-side - 12 : -12, -side - 12 : -12] = _wheel(side, colors[-side - 12 : -12, -side - 12 : -12])
    gap = np.zeros((arrows.shape[0], 12, 3), np.uint8)
    both = np.hstack([arrows, gap, colors])
    both = cv2.resize(both, None, fx=(scale := min(1.0, 1600 / both.shape[1])), fy=scale, interpolation=cv2.INTER_AREA)
    spacing = float(np.mean(result.spacing_mm)) if result.spacing_mm else 1.0
    text = (
        f"Motion from frame {frame} to {frame + 1}, forward, {result.tracker}. Arrows point where tissue goes. "
        f"Full colour is {largest * spacing:.2g} {result.unit}; median {np.median(lengths) * spacing:.2g}."
    )
    source = data_url(both, ".jpg")
    return f"<figure class='dark'><img src='{source}' alt='motion'><figcaption>{text}</figcaption></figure>"


def _wheel(side: int, under: np.ndarray) -> np.ndarray:
    """The colours of the directions as a disc, over what lies below."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    field = np.stack([x, y], -1)
    disc = flow_to_color(field, 1.0)
    return np.where((np.hypot(x, y) <= 1)[..., None], disc, under)


def write_pdf(path: Path, result: TrackingResult, loop: CineLoop, sha256: str) -> None:
    """Write the one-page report.

    Args:
        path: the file, ``….pdf``.
        result: of the tracking.
        loop: that was tracked.
        sha256: of its file, the only thing that is said of it.
    """
    picture = cv2.imread(str(path.with_name("overlay.png")))[..., ::-1]
    notes = [f"Mind: {note}" for note in result.notes]
    with _MATPLOTLIB:
        write_page(
            path,
            "Motion of the left ventricle",
            picture,
            numbers(result),
            partial(_curves, result),
            partial(_regions, result),
            [*notes, f"Input: SHA-256 {sha256}"],
            f"{RESEARCH_ONLY}  cpwc-keras, end-diastole left, end-systole right",
        )


def _curves(result: TrackingResult, figure=None):
    return strain_figure(
        result.strain, result.mapse, result.length, result.disagreement.reshape(len(result), -1), result.ed, result.es,
        result.unit, result.frame_rate_hz, excursion=result.annular_excursion, figure=figure,
        systole_start=result.systole_start,
    )  # fmt: skip


def _regions(result: TrackingResult, figure=None):
    return regional_figure(result.contours, result.spacing_mm, result.ed, result.es, result.frame_rate_hz, figure)


def _figure_html(draw, name: str) -> str:
    buffer = io.BytesIO()
    with _MATPLOTLIB:
        draw().savefig(buffer, format="png", dpi=130)
    source = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return f"<figure class='plot'><img src='{source}' alt='{name}'></figure>"


def data_url(picture: np.ndarray, suffix: str) -> str:
    """An RGB picture as a data URL.

    Args:
        picture: (H, W, 3) uint8.
        suffix: ".jpg" or ".png".
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, 92] if suffix == ".jpg" else []
    encoded = cv2.imencode(suffix, picture[..., ::-1], options)[1]
    kind = {".jpg": "jpeg", ".png": "png"}[suffix]
    return f"data:image/{kind};base64,{base64.b64encode(encoded.tobytes()).decode()}"
