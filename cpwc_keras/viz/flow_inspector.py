"""A flow field to look into: pictures that stand by themselves, and, in a notebook, sliders on top."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO

import numpy as np

from cpwc_keras.errors import InputError, did_you_mean
from cpwc_keras.viz import flow_panels
from cpwc_keras.viz.flow_panels import FlowView

PANELS: dict[str, Callable] = {
    "arrows": flow_panels.arrows,
    "colors": flow_panels.colors,
    "magnitude": flow_panels.magnitude,
    "profile": flow_panels.profile,
    "difference": partial(flow_panels.difference, warped=False),
    "warped": partial(flow_panels.difference, warped=True),
    "disagreement": flow_panels.disagreement,
    "truth": partial(flow_panels.colors, true=True),
    "error": flow_panels.error,
}
"""Name of a panel → what draws it."""

_NEEDS = {
    "difference": "frames",
    "warped": "frames",
    "disagreement": "backward",
    "truth": "truth",
    "error": "truth",
}
_MARGIN = 0.12
_PANEL_INCHES = 3.7
_DPI = 90
_MOST_PICTURES = 200
"""That are kept, of some 300 kB each."""


@dataclass(frozen=True, eq=False)
class FlowFields:
    """The motion between neighbouring frames, with all that helps to judge it.

    Attributes:
        flows: (N, H, W, 2) pixels, from each frame to the next.
        frames: (N + 1, H, W) in [0, 1], or None.
        masks: (N, H, W), where the motion is to be shown; everywhere if None.
        backward: (N, H, W, 2) pixels, from each next frame back; or None.
        truth: (N, H, W, 2) pixels, or None.
        truth_masks: (N, H, W), where the truth is known; everywhere if None.
        contours: (N + 1, K, 2) pixels (x, y), or None.
        spacing_mm: (row_mm, col_mm), or None.
        frame_rate_hz: frames a second, or None.

    Raises:
        InputError: the arrays do not fit together, or have another shape.
    """

    flows: np.ndarray
    frames: np.ndarray | None = None
    masks: np.ndarray | None = None
    backward: np.ndarray | None = None
    truth: np.ndarray | None = None
    truth_masks: np.ndarray | None = None
    contours: np.ndarray | None = None
    spacing_mm: tuple[float, float] | None = None
    frame_rate_hz: float | None = None

    def __post_init__(self):
        shape = np.shape(self.flows)
        if len(shape) != 4 or shape[-1] != 2 or not all(shape):
            raise InputError(f"A flow has shape {shape}; expected (H, W, 2), or (frames - 1, H, W, 2) for a sequence.")
        count, height, width, _ = shape
        for name, expected in (
            ("frames", (count + 1, height, width)),
            ("masks", shape[:3]),
            ("backward", shape),
            ("truth", shape),
            ("truth_masks", shape[:3]),
        ):
            values = getattr(self, name)
            if values is not None and np.shape(values) != expected:
                raise InputError(f"{name} have shape {np.shape(values)}; expected {expected} for flows of {shape}.")
        if self.contours is not None and (np.ndim(self.contours) != 3 or len(self.contours) != count + 1):
            raise InputError(f"contours have shape {np.shape(self.contours)}; expected ({count + 1}, points, 2).")

    def __len__(self) -> int:
        return len(self.flows)


class FlowInspector:
    """What `cpwc_keras.inspection.inspect_flow` returns. A notebook shows it by itself: as the last line of a cell.

    With ipywidgets there are a slider of frames, a film, and the ends of the line for profiles; without them, or where
    a page cannot run them, the picture of the current pair.

    Args:
        fields: what is looked at.
        unit: "mm" or "px"; None: mm where the spacing is known.
        panels: names of `PANELS`; None: all for which there is something to show.
        index: of the pair that is shown first; None: the one that moves most.
        line: ((x, y), (x, y)) pixels, for the profiles; None: across the middle.
        region: (left, top, right, bottom) pixels; None: around masks, truth or contours, else the whole image.
        largest: length in `unit` that is fully coloured; None: that of each pair.
    """

    def __init__(
        self, fields: FlowFields, unit=None, panels=None, index: int | None = None, line=None, region=None, largest=None
    ):
        if unit not in (None, "mm", "px"):
            raise InputError(f"The unit is {unit!r}; expected 'mm' or 'px'.")
        if unit == "mm" and fields.spacing_mm is None:
            raise InputError("Lengths in mm need the size of a pixel; give spacing_mm=(row_mm, col_mm).")
        self.fields = replace(fields, spacing_mm=None) if unit == "px" else fields
        available = [name for name in PANELS if getattr(fields, _NEEDS.get(name, "flows")) is not None]
        self.panels = tuple(available if panels is None else panels)
        for name in self.panels:
            if name not in PANELS:
                raise InputError(
                    f"There is no panel {name!r}; choose of {', '.join(PANELS)}.{did_you_mean(name, PANELS)}"
                )
            if name not in available:
                raise InputError(f"The panel {name!r} needs {_NEEDS[name]}, which are not given.")
        left, top, right, bottom = _region(fields) if region is None else map(float, region)
        self.region = (left, top, right, bottom)
        self.line = ((left, (top + bottom) / 2), (right, (top + bottom) / 2)) if line is None else line
        self.largest = largest
        self.index = _liveliest(fields) if index is None else self._checked(index)
        self._pictures: dict[tuple, bytes] = {}

    def __len__(self) -> int:
        return len(self.fields)

    @property
    def unit(self) -> str:
        """Of every length: "mm" or "px"."""
        return "mm" if self.fields.spacing_mm else "px"

    def view(self, index: int | None = None) -> FlowView:
        """The pair with that index as numbers: `shown`, `error`, `disagreement`, `differences`.

        Raises:
            InputError: there is no such pair.
        """
        t = self.index if index is None else self._checked(index)
        fields = self.fields
        of = {name: None if (v := getattr(fields, name)) is None else v[t]
              for name in ("masks", "backward", "truth", "truth_masks", "contours")}  # fmt: skip
        images = (None, None) if fields.frames is None else fields.frames[t : t + 2]
        return FlowView(
            fields.flows[t], images[0], images[1], of["masks"], of["backward"], of["truth"], of["truth_masks"],
            of["contours"], fields.spacing_mm, self.region, self.line, self.largest,
        )  # fmt: skip

    def figure(self, index: int | None = None, panels=None):
        """All panels of one pair.

        Args:
            index: of the pair; None: the current one.
            panels: names of `PANELS`; None: those of this inspector.

        Returns:
            a `matplotlib.figure.Figure`.

        Raises:
            InputError: there is no such pair.
        """
        from cpwc_keras.viz.report import NotebookFigure

        view, names = self.view(index), self.panels if panels is None else tuple(panels)
        columns = min(3, len(names))
        rows = -(-len(names) // columns)
        size = (columns * _PANEL_INCHES, rows * (0.75 * _PANEL_INCHES * float(np.clip(view.tall, 0.4, 2.0)) + 0.4))
        figure = NotebookFigure(figsize=size, layout="compressed", facecolor="white")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis, name in zip(axes, names, strict=False):
            PANELS[name](axis, view)
        for axis in axes[len(names) :]:
            axis.remove()
        t = self.index if index is None else index
        time = f", {t / self.fields.frame_rate_hz:.3f} s" if self.fields.frame_rate_hz else ""
        pair = "image 1 to image 2" if len(self) == 1 else f"frame {t} to frame {t + 1}{time}"
        figure.suptitle(pair, color="#22303c", fontsize=10.5)
        return figure

    def widget(self):
        """Sliders over the picture: frame, film, and the line of the profiles.

        Returns:
            an `ipywidgets.VBox`.

        Raises:
            InputError: ipywidgets is not installed.
        """
        return self._widget(self._repr_png_())

    def _widget(self, picture: bytes):
        try:
            import ipywidgets
        except ImportError as error:
            raise InputError("Sliders need ipywidgets; install `pip install 'cpwc-keras[notebook]'`.") from error

        width, height = self.fields.flows.shape[2] - 1, self.fields.flows.shape[1] - 1
        (x0, y0), (x1, y1) = self.line
        options = {"continuous_update": False, "layout": ipywidgets.Layout(width="300px")}
        frame = ipywidgets.IntSlider(self.index, 0, len(self) - 1, description="frame", **options)
        film = ipywidgets.Play(value=self.index, min=0, max=len(self) - 1, interval=1500)
        ipywidgets.jslink((film, "value"), (frame, "value"))
        ends = [
            ipywidgets.IntSlider(round(value), 0, most, description=name, **options)
            for value, most, name in ((x0, width, "from x"), (y0, height, "from y"), (x1, width, "to x"),
                                      (y1, height, "to y"))
        ]  # fmt: skip
        image = ipywidgets.Image(value=picture, format="png")

        def redraw(_):
            a, b, c, d = (slider.value for slider in ends)
            if (a, b) != (c, d):
                self.line = ((a, b), (c, d))
            self.index = frame.value
            image.value = self._repr_png_()

        for slider in (frame, *(ends if "profile" in self.panels else ())):
            slider.observe(redraw, "value")
        rows = [ipywidgets.HBox([frame, film])] if len(self) > 1 else []
        if "profile" in self.panels:
            rows += [ipywidgets.HBox(ends[:2]), ipywidgets.HBox(ends[2:])]
        return ipywidgets.VBox([*rows, image])

    def _repr_png_(self) -> bytes:
        """Of the current pair; a film that goes round again finds its pictures drawn."""
        shown = (self.index, tuple(map(tuple, self.line)), self.region, self.largest, tuple(self.panels))
        if shown not in self._pictures:
            if len(self._pictures) >= _MOST_PICTURES:
                self._pictures.clear()
            figure = self.figure()
            # Else `savefig` draws everything twice to lay it out.
            figure.get_layout_engine().execute(figure)
            figure.set_layout_engine("none")
            buffer = BytesIO()
            figure.savefig(buffer, format="png", dpi=_DPI, pil_kwargs={"compress_level": 1})
            self._pictures[shown] = buffer.getvalue()
        return self._pictures[shown]

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        """Both the sliders and the picture: whatever shows it takes the richest form that it can."""
        picture = self._repr_png_()
        bundle = {"text/plain": repr(self), "image/png": picture}
        with suppress(InputError):  # without ipywidgets the picture will do
            bundle |= self._widget(picture)._repr_mimebundle_()
        return bundle

    def __repr__(self) -> str:
        height, width = self.fields.flows.shape[1:3]
        return f"FlowInspector({len(self)} pairs of {height}×{width}, in {self.unit}: {', '.join(self.panels)})"

    def _checked(self, index: int) -> int:
        if not 0 <= index < len(self.fields):
            raise InputError(f"There is no pair {index}; there are 0 to {len(self.fields) - 1}.")
        return int(index)


def _liveliest(fields: FlowFields) -> int:
    """The pair that moves most: more is seen there than at the start, where nothing does."""
    masks = fields.masks if fields.masks is not None else fields.truth_masks
    means = []
    for t, flow in enumerate(fields.flows):
        length = np.linalg.norm(flow[::4, ::4], axis=-1)
        length = length[np.isfinite(length) & (True if masks is None else masks[t, ::4, ::4] > 0.5)]
        means.append(length.mean() if length.size else 0.0)
    return int(np.argmax(means))


def _region(fields: FlowFields) -> tuple[float, float, float, float]:
    """Around what is known to matter, with a margin."""
    height, width = fields.flows.shape[1:3]
    masks = fields.masks if fields.masks is not None else fields.truth_masks
    points = np.zeros((0, 2))
    if fields.contours is not None:
        points = np.asarray(fields.contours, np.float64).reshape(-1, 2)
        points = points[np.isfinite(points).all(1)]
    if masks is not None:
        rows, columns = np.nonzero((masks > 0.5).any(0))
        points = np.concatenate([points, np.stack([columns, rows], -1)])
    if not len(points):
        return 0.0, 0.0, width - 1.0, height - 1.0
    (left, top), (right, bottom) = points.min(0), points.max(0)
    margin = _MARGIN * max(right - left, bottom - top, 8) + 4
    return (
        float(max(left - margin, 0)),
        float(max(top - margin, 0)),
        float(min(right + margin, width - 1)),
        float(min(bottom + margin, height - 1)),
    )
