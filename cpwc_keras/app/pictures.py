"""What the page shows of a loop and of a result: facts, curves, maps, numbers."""

from __future__ import annotations

import base64
import html
import io
import threading
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from matplotlib.figure import Figure

from cpwc_keras.app.view import data_url
from cpwc_keras.tracking.output import playback_hz, strain_plot
from cpwc_keras.tracking.result import TrackingResult
from cpwc_keras.types import CineLoop
from cpwc_keras.viz.flow import draw_arrows, flow_to_color
from cpwc_keras.viz.regional import regional_figure

RESEARCH_ONLY = "For research. Not a medical device, not for diagnosis."
MATPLOTLIB = threading.Lock()
"""Its font cache is not made for several threads."""

_STILL_PX = 1e-3

_CARDS = 4
"""As many of the first indices stand above all else."""


def loop_facts(loop: CineLoop) -> str:
    """What is known of the open loop, as HTML."""
    height, width = loop.frames.shape[1:]
    unknown = "<b class='unknown'>unknown</b>"
    spacing = f"{loop.spacing_mm[0]:.3g} × {loop.spacing_mm[1]:.3g} mm" if loop.spacing_mm else unknown
    rate = f"{loop.frame_rate_hz:.4g} /s" if loop.frame_rate_hz else unknown
    lasts = f" ({len(loop) / loop.frame_rate_hz:.1f} s)" if loop.frame_rate_hz else ""
    facts = (("Frames", f"{len(loop)}{lasts}"), ("Frame rate", rate), ("Image", f"{width} × {height} px"),
             ("Pixel", spacing))  # fmt: skip
    return f"<dl class='facts'>{''.join(f'<div><dt>{k}</dt><dd>{v}</dd></div>' for k, v in facts)}</dl>"


def scale_help(loop: CineLoop) -> str:
    """How to find the size of a pixel that the file does not say, as HTML."""
    rows = np.flatnonzero(loop.frames.any(axis=(0, 2)))
    high = rows[-1] - rows[0] + 1 if len(rows) else loop.frames.shape[1]
    missing = (
        "" if loop.spacing_mm else "<b>The file does not say how large a pixel is: without it, lengths are in px. </b>"
    )
    return (
        f"<p class='help'>{missing}Size of a pixel = the depth set on the scanner, in mm, divided by the pixels from "
        f"the top of the sector to its bottom, here {high}.</p>"
    )


def headline(result: TrackingResult) -> str:
    """The four indices that matter, as HTML cards."""
    warning = f"<p class='lost'>Do not use these numbers. {html.escape(result.lost)}</p>" if result.lost else ""
    body = "".join(
        f"<div class='card'><span>{name}</span><strong>{html.escape(value)}</strong>"
        f"<small>{html.escape(meaning)}</small></div>"
        for name, value, meaning in result.describe()[:_CARDS]
    )
    return f"{warning}<div class='cards'>{body}</div>"


def table(result: TrackingResult) -> str:
    """All indices, as an HTML table."""
    rows = "".join(
        f"<tr><th>{name}</th><td>{html.escape(value)}</td><td>{html.escape(meaning)}</td></tr>"
        for name, value, meaning in result.describe()
    )
    return f"<table class='numbers'>{rows}</table>"


def film_speed(result: TrackingResult) -> str:
    """How fast the overlay plays against the recording, as HTML."""
    rate, played = result.frame_rate_hz, playback_hz(result.frame_rate_hz)
    if not rate:
        text = f"Played at {played:g} frames a second; how fast it was recorded is not known."
    elif played < rate:
        text = f"Slowed down for the eye: {played:g} frames a second, recorded at {rate:.4g}."
    else:
        text = f"Played as fast as it was recorded, {rate:.4g} frames a second."
    return f"<p class='help'>{text} The colour says where forward and backward motion disagree.</p>"


def notes_list(notes: Sequence[str]) -> str:
    """What a reader has to know, as HTML."""
    if not notes:
        return ""
    items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return f"<div class='mind'><b>Mind</b><ul>{items}</ul></div>"


def curves_picture(result: TrackingResult) -> str:
    """Strain and MAPSE over time, as an HTML picture."""
    return _figure_html(lambda: strain_plot(result), "strain and MAPSE over time")


def regions_picture(result: TrackingResult) -> str:
    """Regional strain, as an HTML picture."""
    return _figure_html(lambda: regions(result), "strain along the wall over time")


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
    longer = min(4.0, 0.05 * max(image.shape) / largest)
    arrows = draw_arrows(image**0.6 * 0.8, near, step=max(6, round(max(image.shape) / 28)), scale=longer)
    colors = cv2.resize(flow_to_color(near, largest), arrows.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    gray = cv2.resize(image, arrows.shape[1::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1)[..., None] ** 0.6
    colors = (colors * (0.25 + 0.75 * gray)).astype(np.uint8)
    side = max(48, min(colors.shape[:2]) // 6)
    colors[-side - 12 : -12, -side - 12 : -12] = _wheel(side, colors[-side - 12 : -12, -side - 12 : -12])
    gap = np.zeros((arrows.shape[0], 12, 3), np.uint8)
    both = np.hstack([arrows, gap, colors])
    both = cv2.resize(both, None, fx=(scale := min(1.0, 1600 / both.shape[1])), fy=scale, interpolation=cv2.INTER_AREA)
    spacing = float(np.mean(result.spacing_mm)) if result.spacing_mm else 1.0
    text = f"Motion from frame {frame} to {frame + 1}, {result.tracker}. "
    if largest > _STILL_PX:
        text += (
            f"Left: arrows point where tissue goes, {longer:.2g} times as far as it goes. Right: its direction as the "
            f"colour that the disc has there, full at {largest * spacing:.2g} {result.unit}; the median is "
            f"{np.median(lengths) * spacing:.2g} {result.unit}."
        )
    else:
        text += "Nothing moves: one image repeats the other."
    source = data_url(both, ".jpg")
    return f"<figure class='dark'><img src='{source}' alt='motion'><figcaption>{text}</figcaption></figure>"


def _wheel(side: int, under: np.ndarray) -> np.ndarray:
    """The colours of the directions as a disc, over what lies below."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    field = np.stack([x, y], -1)
    disc = flow_to_color(field, 1.0)
    return np.where((np.hypot(x, y) <= 1)[..., None], disc, under)


def regions(result: TrackingResult, figure: Figure | None = None) -> Figure:
    """Strain along the wall and of the segments, in an empty figure where one is given."""
    return regional_figure(result.contours, result.spacing_mm, result.ed, result.es, result.frame_rate_hz, figure)


def _figure_html(draw: Callable[[], Figure], name: str) -> str:
    buffer = io.BytesIO()
    with MATPLOTLIB:
        draw().savefig(buffer, format="png", dpi=130)
    source = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return f"<figure class='plot'><img src='{source}' alt='{name}'></figure>"
