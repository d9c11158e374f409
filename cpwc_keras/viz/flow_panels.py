"""Panels that show one flow field from several sides, drawn on Matplotlib axes.

A panel gets a `FlowView`: two images, the motion between them, and whatever else is known. It is in the unit of the
view, "mm" or "px"; axes are in pixels of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cpwc_keras.fields import compose_flows, pixel_grid, sample_field
from cpwc_keras.viz.flow import flow_to_color

_INK, _PALE, _LINE = "#22303c", "#8696a0", "#facd5a"
_RIGHT, _DOWN = "#c8443a", "#2b7a9b"
_ARROWS_ACROSS = 24
"""So many arrows fit beside each other and can still be told apart."""

_STILL = 0.06
"""Shorter motion, as a fraction of the fully coloured length, gets no arrow: it would be a dot."""

_LINE_SAMPLES = 400


@dataclass(frozen=True, eq=False)
class FlowView:
    """One pair of images and its motion, as it is to be shown.

    Attributes:
        flow: (H, W, 2) pixels.
        image1: (H, W) in [0, 1], or None.
        image2: (H, W) in [0, 1], or None.
        mask: (H, W), where `flow` is to be shown; everywhere if None.
        backward: (H, W, 2) pixels from image 2 to image 1, or None.
        truth: (H, W, 2) pixels, or None.
        truth_mask: (H, W), where `truth` is known; everywhere if None.
        contour: (N, 2) pixels (x, y) in image 1, or None.
        spacing_mm: (row_mm, col_mm): lengths are in mm; None: in pixels, which are taken for square.
        region: (left, top, right, bottom) pixels that are shown.
        line: ((x, y), (x, y)) pixels, along which profiles run.
        largest: length in `unit` that is fully coloured; None: the 99th percentile of what is shown.
    """

    flow: np.ndarray
    image1: np.ndarray | None
    image2: np.ndarray | None
    mask: np.ndarray | None
    backward: np.ndarray | None
    truth: np.ndarray | None
    truth_mask: np.ndarray | None
    contour: np.ndarray | None
    spacing_mm: tuple[float, float] | None
    region: tuple[float, float, float, float]
    line: tuple[tuple[float, float], tuple[float, float]]
    largest: float | None = None

    @property
    def unit(self) -> str:
        """Of every length: "mm" or "px"."""
        return "mm" if self.spacing_mm else "px"

    @property
    def aspect(self) -> float:
        """Height of a pixel in widths."""
        return self.spacing_mm[0] / self.spacing_mm[1] if self.spacing_mm else 1.0

    @property
    def tall(self) -> float:
        """Height of what is shown, in widths."""
        left, top, right, bottom = self.region
        return (bottom - top + 1) / (right - left + 1) * self.aspect

    @cached_property
    def shown(self) -> np.ndarray:
        """(H, W, 2) the motion in `unit`, NaN where it is not to be shown."""
        return self._in_unit(self.flow, self.mask)

    @cached_property
    def true(self) -> np.ndarray:
        """(H, W, 2) the true motion in `unit`, NaN where it is not known."""
        return self._in_unit(_given(self.truth, "truth"), self.truth_mask)

    @cached_property
    def full_color(self) -> float:
        """Length in `unit` that is fully coloured, the same for the motion and the truth."""
        if self.largest is not None:
            return self.largest
        fields = [self.shown] if self.truth is None else [self.shown, self.true]
        lengths = np.concatenate([np.linalg.norm(self.cut(field), axis=-1).ravel() for field in fields])
        lengths = lengths[np.isfinite(lengths)]
        return max(float(np.percentile(lengths, 99)) if lengths.size else 0.0, 1e-3)

    @cached_property
    def disagreement(self) -> np.ndarray:
        """(H, W) how far forward and then backward motion leads from where it began, in `unit`; NaN where unknown."""
        there_and_back, known = compose_flows(self.flow, _given(self.backward, "backward"))
        if self.mask is not None:
            known = known * (self.mask > 0.5)
        return np.linalg.norm(self._in_unit(there_and_back, known), axis=-1)

    @cached_property
    def error(self) -> np.ndarray:
        """(H, W) endpoint error in `unit`; NaN where the truth is not known."""
        return np.linalg.norm(self._in_unit(self.flow - _given(self.truth, "truth"), self.truth_mask), axis=-1)

    @cached_property
    def differences(self) -> tuple[np.ndarray, np.ndarray]:
        """(H, W) each: image 2 less image 1, and the same after image 2 was warped back; NaN where that is unknown."""
        image1, image2 = _given(self.image1, "image1"), _given(self.image2, "image2")
        warped, weight = sample_field(image2[..., None], pixel_grid(image1.shape[:2]) + self.flow)
        after = np.where(weight > 0.5, warped[..., 0] - image1, np.nan)
        before = np.where(weight > 0.5, image2 - image1, np.nan)
        if self.mask is not None:
            before, after = (np.where(self.mask > 0.5, values, np.nan) for values in (before, after))
        return before, after

    def cut(self, values: np.ndarray) -> np.ndarray:
        """The part (H', W', …) of a map that is shown."""
        left, top, right, bottom = (round(edge) for edge in self.region)
        return values[max(top, 0) : bottom + 1, max(left, 0) : right + 1]

    def _in_unit(self, flow: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        row, column = self.spacing_mm or (1.0, 1.0)
        scaled = np.asarray(flow, np.float32) * np.array([column, row], np.float32)
        return scaled if mask is None else np.where(mask[..., None] > 0.5, scaled, np.nan)


def _given(values: np.ndarray | None, name: str) -> np.ndarray:
    if values is None:
        raise ValueError(f"{name} is not known of this pair")
    return values


def arrows(axis, view: FlowView, across: int = _ARROWS_ACROSS) -> None:
    """Arrows on the first image, in the colours of their directions, with the line of the profiles."""
    from matplotlib import patheffects

    picture(axis, view)
    left, top, right, bottom = view.region
    step = max(2, round((right - left) / across))
    x, y = np.meshgrid(np.arange(int(left) + step // 2, right, step), np.arange(int(top) + step // 2, bottom, step))
    x, y = x.astype(int), y.astype(int)
    vectors, lengths = view.flow[y, x], np.linalg.norm(view.shown[y, x], axis=-1)
    drawn = np.isfinite(lengths) & (lengths > _STILL * view.full_color)
    longer = _round_factor(1.6 * step / max(np.percentile(np.linalg.norm(vectors[drawn], axis=-1), 95), 1e-6)
                           if drawn.any() else 1.0)  # fmt: skip
    colors = flow_to_color(view.shown, view.full_color)[y, x][drawn] / 255.0
    axis.quiver(
        x[drawn], y[drawn], *(vectors[drawn].T * longer), color=colors, angles="xy", scale_units="xy", scale=1,
        width=0.0045, headwidth=3.5, headlength=4, headaxislength=3.5,
        path_effects=[patheffects.withStroke(linewidth=1.2, foreground="black")],
    )  # fmt: skip
    if view.contour is not None:
        axis.plot(*view.contour.T, color="white", linewidth=1.0, alpha=0.8)
    axis.plot(*np.transpose(view.line), color=_LINE, linewidth=1.2, linestyle=(0, (4, 3)))
    scale = "to scale" if longer == 1 else f"× {longer:g}"
    axis.set_title(f"motion (arrows {scale})", color=_INK, fontsize=9.5)


def colors(axis, view: FlowView, true: bool = False) -> None:
    """The motion (or the true one) as colours: direction as hue, length as saturation, with the wheel that says so."""
    field = view.true if true else view.shown
    rgb = flow_to_color(field, view.full_color)
    if view.image1 is not None:  # what is not known shows the tissue, darkly, for orientation
        gray = np.repeat((np.clip(view.image1, 0, 1) * 110).astype(np.uint8)[..., None], 3, axis=-1)
        rgb = np.where(np.isfinite(field).all(axis=-1, keepdims=True), rgb, gray)
    axis.imshow(rgb, aspect=view.aspect, interpolation="nearest")
    _frame(axis, view)
    axis.set_title("true motion" if true else "direction and length", color=_INK, fontsize=9.5)
    wheel(axis, view.full_color, view.unit)


def wheel(axis, largest: float, unit: str) -> None:
    """The colours of all directions up to the length that is fully coloured, in the upper right corner of a panel."""
    inset = axis.inset_axes([0.775, 0.775, 0.21, 0.21])
    around = np.linspace(-1, 1, 101)
    x, y = np.meshgrid(around, around)
    inside = np.hypot(x, y) <= 1
    disc = flow_to_color(np.where(inside[..., None], np.stack([x, y], -1), np.nan), 1.0)
    alpha = np.where(inside, 255, 0).astype(np.uint8)[..., None]
    inset.imshow(np.concatenate([disc, alpha], -1), interpolation="bilinear")
    inset.set_axis_off()
    inset.set_aspect("equal", anchor="NE")
    inset.text(0.5, -0.04, f"{largest:.2g} {unit}", transform=inset.transAxes, ha="center", va="top", fontsize=8,
               color="white", bbox={"facecolor": "black", "alpha": 0.55, "pad": 1.2, "linewidth": 0})  # fmt: skip


def magnitude(axis, view: FlowView) -> None:
    """Length of the motion, with its scale."""
    length = np.linalg.norm(view.shown, axis=-1)
    _map(axis, view, length, "viridis", view.full_color, f"length ({view.unit})")
    axis.set_title(f"length of the motion, mean {_mean(view, length)}", color=_INK, fontsize=9.5)


def disagreement(axis, view: FlowView) -> None:
    """Where forward and backward motion disagree, with the scale."""
    _map(axis, view, view.disagreement, "magma", _high(view, view.disagreement), f"disagreement ({view.unit})")
    axis.set_title(f"forward–backward, mean {_mean(view, view.disagreement)}", color=_INK, fontsize=9.5)


def error(axis, view: FlowView) -> None:
    """Endpoint error against the true motion, with the scale."""
    _map(axis, view, view.error, "magma", _high(view, view.error), f"endpoint error ({view.unit})")
    axis.set_title(f"endpoint error, mean {_mean(view, view.error)}", color=_INK, fontsize=9.5)


def difference(axis, view: FlowView, warped: bool) -> None:
    """The second image less the first one; or the same once the second was warped back by the motion."""
    before, after = view.differences
    values = after if warped else before
    limit = max(_high(view, np.abs(before)), 1e-3)
    picture(axis, view, faint=True)
    shown = axis.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect=view.aspect, interpolation="nearest")
    _frame(axis, view)
    _bar(axis, shown, "brightness")
    mean = np.nanmean(np.abs(view.cut(values))) if np.isfinite(view.cut(values)).any() else np.nan
    what = "warped difference" if warped else "difference"
    axis.set_title(f"{what}, mean {mean:.3f}", color=_INK, fontsize=9.5)


def profile(axis, view: FlowView) -> None:
    """Both components of the motion along the line, and those of the true motion dashed."""
    start, stop = np.asarray(view.line, np.float64)
    points = start + np.linspace(0, 1, _LINE_SAMPLES)[:, None] * (stop - start)
    row, column = view.spacing_mm or (1.0, 1.0)
    along = np.linspace(0, np.hypot(*((stop - start) * (column, row))), _LINE_SAMPLES)
    axis.axhline(0, color=_PALE, linewidth=0.8)
    fields = [(view.flow, view.mask, "-", 1.8, "")]
    if view.truth is not None:
        fields.append((view.truth, view.truth_mask, "--", 1.3, ", true"))
    for field, mask, style, width, ending in fields:
        values, weight = sample_field(field, points, None if mask is None else (mask > 0.5).astype(np.float32))
        values = np.where(weight[:, None] >= 0.5, values * (column, row), np.nan)
        axis.plot(along, values[:, 0], color=_RIGHT, linestyle=style, linewidth=width, label=f"to the right{ending}")
        axis.plot(along, values[:, 1], color=_DOWN, linestyle=style, linewidth=width, label=f"down{ending}")
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.28 * (high - low))  # room for the legend
    axis.set_xlim(0, along[-1])
    axis.set_xlabel(f"along the dashed line ({view.unit})", color=_INK, fontsize=9)
    axis.set_ylabel(f"motion ({view.unit})", color=_INK, fontsize=9)
    axis.legend(loc="upper center", ncols=2, frameon=False, fontsize=8, labelcolor=_INK)
    axis.tick_params(colors=_INK, labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(_PALE)
    axis.set_box_aspect(view.tall)  # as the pictures beside it
    axis.set_title("profile", color=_INK, fontsize=9.5)


def picture(axis, view: FlowView, faint: bool = False) -> None:
    """The first image, or a dark ground where there is none."""
    image = np.zeros(view.flow.shape[:2]) if view.image1 is None else view.image1
    axis.imshow(image, cmap="gray", vmin=0, vmax=2.5 if faint else 1, aspect=view.aspect)
    _frame(axis, view)


def _map(axis, view: FlowView, values: np.ndarray, cmap: str, largest: float, label: str) -> None:
    picture(axis, view, faint=True)
    shown = axis.imshow(values, cmap=cmap, vmin=0, vmax=max(largest, 1e-6), aspect=view.aspect, interpolation="nearest")
    _frame(axis, view)
    _bar(axis, shown, label)


def _bar(axis, shown, label: str) -> None:
    bar = axis.figure.colorbar(shown, cax=axis.inset_axes([1.02, 0.0, 0.04, 1.0]))
    bar.set_label(label, color=_INK, fontsize=8.5)
    bar.ax.tick_params(colors=_INK, labelsize=8)
    bar.outline.set_visible(False)


def _frame(axis, view: FlowView) -> None:
    left, top, right, bottom = view.region
    axis.set_xlim(left - 0.5, right + 0.5)
    axis.set_ylim(bottom + 0.5, top - 0.5)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)


def _high(view: FlowView, values: np.ndarray) -> float:
    seen = view.cut(values)
    seen = seen[np.isfinite(seen)]
    return float(np.percentile(seen, 98)) if seen.size else 0.0


def _mean(view: FlowView, values: np.ndarray) -> str:
    seen = view.cut(values)
    seen = seen[np.isfinite(seen)]
    return f"{seen.mean():.2f} {view.unit}" if seen.size else "unknown"


def _round_factor(value: float) -> float:
    """The nearest of 1, 2, 3, 5, 10, …, so that lengths can be read back."""
    steps = np.array([0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20])
    return float(steps[np.abs(np.log(steps / max(value, 1e-9))).argmin()])
