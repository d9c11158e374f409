"""A contour drawn by clicks, in a notebook or any interactive Matplotlib."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from cpwc_keras.errors import InputError
from cpwc_keras.types import CineLoop
from cpwc_keras.viz.overlay import enlarge

_REACH_PX = 9
"""How far from a point, on the screen, it is still the one that is meant."""

_CURVE = "#facd5a"
_HELP = (
    "click on the septal base",
    "click on, over the apex, to the lateral base",
    "click: add · drag: move · right click: remove · backspace: remove the last",
)


class ContourClicks:
    """An open curve through points that are clicked on an image; keep it in a variable while you draw.

    A click adds the next point, from the septal base over the apex to the lateral base; dragging moves a point; a right
    click removes one, backspace the last. While the toolbar zooms or pans, clicks are its own.
    `cpwc_keras.io.contour_import.click_contour` makes one whose curve is that of tracking and whose `save` writes a
    contour file.

    Args:
        loop: the loop, or one image (H, W) in [0, 1].
        frame: index of the frame; by default the loop's end-diastole, else 0.
        curve: ``curve(points, n)`` → (n, 2), how the curve between the points is drawn.
        writer: ``writer(self, path)``, what `save` does.

    Attributes:
        image: (H, W) float32, what is drawn on.
        frame: index of it in the loop; 0 for an image.
        figure: the Matplotlib figure.
        axes: its axes, in pixels of the image.

    Raises:
        InputError: the frame lies beyond the loop, or the image is not (H, W).
    """

    def __init__(
        self,
        loop: CineLoop | np.ndarray,
        frame: int | None,
        curve: Callable[[np.ndarray, int], np.ndarray],
        writer: Callable[[ContourClicks, str | Path], object],
    ):
        from matplotlib import pyplot

        known = loop if isinstance(loop, CineLoop) else None
        frames = known.frames if known else np.asarray(loop, np.float32)[None]
        self.frame = next(f for f in (frame, known.ed if known else 0, 0) if f is not None)
        if frames.ndim != 3:
            raise InputError(f"Expected a cine loop or one image (H, W), got an array of shape {frames.shape[1:]}.")
        if known and not 0 <= self.frame < len(frames):
            raise InputError(f"There is no frame {self.frame}: the loop has the frames 0-{len(frames) - 1}.")
        self.image = frames[self.frame if known else 0]
        self._curve, self._writer = curve, writer
        self._points: list[tuple[float, float]] = []
        self._dragged: int | None = None

        self.figure, self.axes = pyplot.subplots(figsize=(8, 7), layout="constrained")
        aspect = known.spacing_mm[0] / known.spacing_mm[1] if known and known.spacing_mm else 1.0
        self.axes.imshow(enlarge(self.image, 1), aspect=aspect)
        self.axes.set_axis_off()
        self.axes.autoscale(False)
        (self._line,) = self.axes.plot([], [], color=_CURVE, linewidth=1.8)
        (self._dots,) = self.axes.plot([], [], "o", color=_CURVE, markeredgecolor="black", markersize=6)
        (self._start,) = self.axes.plot([], [], "s", color="#46c8be", markeredgecolor="black", markersize=8)
        canvas = self.figure.canvas
        for event in ("button_press", "motion_notify", "button_release", "key_press"):
            canvas.mpl_connect(f"{event}_event", getattr(self, f"_on_{event}"))
        if canvas.manager is not None:  # its own meaning of backspace is "back to the view before"
            canvas.mpl_disconnect(canvas.manager.key_press_handler_id)
        self._draw()

    @property
    def points(self) -> np.ndarray:
        """(N, 2) float64 (x, y) in pixels of the image, in the order they were clicked."""
        return np.array(self._points, np.float64).reshape(-1, 2)

    def save(self, path: str | Path) -> None:
        """Write what was drawn.

        Raises:
            InputError: it is no contour yet, or the file cannot be written.
        """
        self._writer(self, path)

    def _on_button_press(self, event) -> None:
        toolbar = self.figure.canvas.toolbar
        if event.inaxes is not self.axes or (toolbar is not None and toolbar.mode):
            return
        near = self._near(event)
        if event.button == 1:
            if near is None:
                self._points.append(self._inside(event))
                near = len(self._points) - 1
            self._dragged = near
        elif event.button == 3 and near is not None:
            del self._points[near]
            self._dragged = None
        self._draw()

    def _on_motion_notify(self, event) -> None:
        if self._dragged is not None and event.inaxes is self.axes:
            self._points[self._dragged] = self._inside(event)
            self._draw()

    def _on_button_release(self, event) -> None:
        self._dragged = None

    def _on_key_press(self, event) -> None:
        if event.key == "backspace" and self._points:
            self._points.pop()
            self._dragged = None
            self._draw()

    def _near(self, event) -> int | None:
        """Index of the point under the cursor."""
        if not self._points:
            return None
        apart = np.hypot(*(self.axes.transData.transform(self.points) - (event.x, event.y)).T)
        return int(apart.argmin()) if apart.min() <= _REACH_PX else None

    def _inside(self, event) -> tuple[float, float]:
        """Where it points, within the centres of the image's outermost pixels."""
        height, width = self.image.shape
        return float(np.clip(event.xdata, 0, width - 1)), float(np.clip(event.ydata, 0, height - 1))

    def _draw(self) -> None:
        points = self.points
        self._dots.set_data(*points[1:].T)
        self._start.set_data(*points[:1].T)
        distinct = points[np.insert((np.diff(points, axis=0) != 0).any(1), 0, True)] if len(points) else points
        self._line.set_data(*(self._curve(distinct, 200) if len(distinct) > 1 else distinct[:0]).T)
        self.axes.set_title(f"{_HELP[0] if not len(points) else _HELP[1]}\n{_HELP[2]}", fontsize=10)
        self.figure.canvas.draw_idle()
