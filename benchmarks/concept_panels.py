"""Panels of the documentation's figures (`draw_concepts.py`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patheffects import withStroke

from cpwc_keras.mesh import mesh_triangles
from cpwc_keras.tracking.cine import TrackingResult
from cpwc_keras.viz.flow import flow_to_color

THEMES = {"light": ("#22303c", "#6b7a86", "#dfe5e9"), "dark": ("#dbe3ea", "#8d9ba7", "#39444e")}
"""Ink, pale ink and grid."""

RED, BLUE, GREEN, GOLD, FAINT = "#d9534a", "#3f97ba", "#62a060", "#f2b83d", "#cfd6dc"
_EDGE = [withStroke(linewidth=2.6, foreground="#0d1217")]


@dataclass(frozen=True)
class Look:
    """Colours of a theme."""

    theme: str

    @property
    def ink(self) -> str:
        return THEMES[self.theme][0]

    @property
    def pale(self) -> str:
        return THEMES[self.theme][1]

    @property
    def grid(self) -> str:
        return THEMES[self.theme][2]


def around(points: np.ndarray, shape: tuple[int, int], margin: float) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of a square view around points, within the image."""
    low, high = points.min(0), points.max(0)
    centre, half = (low + high) / 2, (high - low).max() / 2 + margin
    left, top = np.maximum(centre - half, 0)
    right, bottom = np.minimum(centre + half, [shape[1] - 1, shape[0] - 1])
    return left, right, top, bottom


def _view(axes, box, title, look) -> None:
    left, right, top, bottom = box
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[], aspect="equal")
    axes.set_title(title, color=look.ink, fontsize=11)
    axes.spines[:].set_visible(False)


def show(axes, look, image: np.ndarray, box, title: str) -> None:
    """A part of an ultrasound image."""
    left, right, top, bottom = (int(v) for v in box)
    part = image[top : bottom + 2, left : right + 2]
    extent = (left - 0.5, left + part.shape[1] - 0.5, top + part.shape[0] - 0.5, top - 0.5)
    axes.imshow(part, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="none")
    _view(axes, box, title, look)


def show_flow(axes, look, flow: np.ndarray, mask: np.ndarray, box, title: str) -> None:
    """A dense field as colours where it is known."""
    known = mask > 0.5
    color = flow_to_color(np.where(known[..., None], flow, 0))
    rgba = np.dstack([color, np.where(known, 255, 0).astype(np.uint8)])
    axes.imshow(rgba, interpolation="none")
    _view(axes, box, title, look)
    step = 9
    y, x = (grid.ravel() for grid in np.mgrid[0 : mask.shape[0] : step, 0 : mask.shape[1] : step])
    inside = known[y, x]
    y, x = y[inside], x[inside]
    axes.quiver(x, y, *flow[y, x].T, angles="xy", scale_units="xy", scale=0.7, color="#22303c", width=0.004, alpha=0.75)


def wheel(axes, look) -> None:
    """The colours of the directions."""
    side = np.linspace(-1, 1, 161)
    vectors = np.stack(np.meshgrid(side, side), axis=-1)
    color = flow_to_color(vectors, 1.0)
    alpha = np.where(np.hypot(*vectors.T).T <= 1, 255, 0).astype(np.uint8)
    inset = axes.inset_axes([0.36, 0.3, 0.2, 0.2])
    inset.imshow(np.dstack([color, alpha]), extent=(-1, 1, 1, -1), interpolation="none")
    inset.axis("off")
    for text, place in (("dx > 0", (1.15, 0)), ("dy > 0", (0, 1.35))):
        inset.text(*place, text, color=look.pale, fontsize=8.5, ha="left" if place[0] else "center", va="center")


def point(axes, at, color, text: str = "", offset=(0, 0), side: str = "left") -> None:
    """A dot, and what it is."""
    axes.plot(*at, "o", color=color, markersize=6.5, markeredgecolor="#0d1217", markeredgewidth=1)
    if text:
        axes.annotate(text, at, xytext=offset, textcoords="offset points", color=color, fontsize=10.5, ha=side,
                      fontstyle="italic", path_effects=_EDGE)  # fmt: skip


def arrow(axes, start, end, color, style: str = "-|>", width: float = 1.8) -> None:
    """From one point to another."""
    axes.annotate("", end, start, arrowprops={"arrowstyle": style, "color": color, "linewidth": width, "shrinkA": 0,
                                              "shrinkB": 0, "mutation_scale": 11})  # fmt: skip


def axes_cross(axes, box) -> None:
    """Where x and y grow, in the upper left corner."""
    left, right, top, bottom = box
    origin, reach = np.array([left + 0.06 * (right - left), top + 0.06 * (bottom - top)]), 0.17 * (right - left)
    for direction, text in (((1, 0), "x"), ((0, 1), "y")):
        tip = origin + np.array(direction) * reach
        arrow(axes, origin, tip, FAINT, width=1.3)
        beside = tip + np.array(direction) * 0.035 * (right - left)
        axes.text(*beside, text, color=FAINT, ha="center", va="center", fontstyle="italic", path_effects=_EDGE)


def note(axes, at, text: str, offset, side: str) -> None:
    """Words beside a place."""
    axes.annotate(text, at, xytext=offset, textcoords="offset points", color="white", fontsize=8.5, ha=side,
                  path_effects=_EDGE, linespacing=1.1)  # fmt: skip


def draw_mesh(axes, mesh: np.ndarray, width: float = 0.7) -> None:
    """The mesh's lines: endocardium red, epicardium blue."""
    axes.add_collection(LineCollection(list(mesh), colors=GOLD, linewidths=width * 0.8, alpha=0.8))
    for layer in range(5):
        color, line = {0: (RED, 2.6), 4: (BLUE, 2.6)}.get(layer, (GOLD, 0.8))
        axes.plot(*mesh[:, layer].T, color=color, linewidth=line * width, solid_capstyle="round")


def cells(axes, look, image, now: np.ndarray, then: np.ndarray, rows: tuple[int, int]) -> None:
    """A few cells: their triangles, their nodes' motion, and that of a point within."""
    part = now[rows[0] : rows[1] + 1]
    box = around(part.reshape(-1, 2), image.shape, 5)
    show(axes, look, image * 0.6, box, "a point keeps its place in its triangle")
    triangles = [t for t in mesh_triangles(36) if all(rows[0] <= node // 5 <= rows[1] for node in t)]
    corners, moved = now.reshape(-1, 2), then.reshape(-1, 2)
    axes.add_collection(LineCollection([corners[[*t, t[0]]] for t in triangles], colors=FAINT, linewidths=0.7))
    axes.add_collection(LineCollection([moved[[*t, t[0]]] for t in triangles], colors=GOLD, linewidths=0.6, alpha=0.55))
    axes.plot(*part.reshape(-1, 2).T, "o", color=FAINT, markersize=3.5)
    centre = part.reshape(-1, 2).mean(0)
    chosen = min(triangles, key=lambda t: np.linalg.norm(corners[t].mean(0) - centre))
    weights = np.array([0.5, 0.3, 0.2])
    axes.fill(*corners[chosen].T, facecolor=GREEN, alpha=0.4, edgecolor="none")
    axes.fill(*moved[chosen].T, facecolor=GOLD, alpha=0.4, edgecolor="none")
    for node in chosen:
        arrow(axes, corners[node], moved[node], FAINT, width=1.1)
    arrow(axes, weights @ corners[chosen], weights @ moved[chosen], GOLD, width=2)
    point(axes, weights @ corners[chosen], GOLD)


def there_and_back(axes, look) -> None:
    """A sketch of composition: forward from p, backward from where that ends, and their mean."""
    p, there, back = np.array([0.0, 0.0]), np.array([3.4, 1.3]), np.array([-2.7, -2.3])
    end, mean, landed = p + there, p + (there - back) / 2, p + there + back
    for start, tip, color, width in ((p, end, BLUE, 2.2), (end, landed, RED, 2.2), (p, mean, GOLD, 2.8)):
        arrow(axes, start, tip, color, width=width)
    axes.plot(*np.array([p, landed]).T, ":", color=look.ink, linewidth=1.8)
    axes.plot(*p, "o", color=look.ink, markersize=7)
    for text, at, color, side in (
        ("p", (-0.16, 0.06), look.ink, "right"),
        ("forward", (3.5, 1.3), BLUE, "left"),
        ("backward, from where\nforward has led", (2.55, 0.0), RED, "left"),
        ("d, the mean", (2.0, 1.75), GOLD, "right"),
        ("disagreement", (0.22, -0.82), look.ink, "right"),
    ):
        axes.text(*at, text, color=color, ha=side, va="center", fontsize=10.5)
    axes.set(xlim=(-1.5, 5.1), ylim=(-1.6, 2.6), aspect="equal")
    axes.axis("off")
    axes.set_title("there and back again", color=look.ink, fontsize=11)


def _dress(axes, look, title: str, x: str, y: str) -> None:
    axes.set_title(title, color=look.ink, fontsize=11)
    axes.set_xlabel(x, color=look.ink)
    axes.set_ylabel(y, color=look.ink)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(look.pale)
    axes.tick_params(colors=look.pale, labelsize=9)
    axes.grid(color=look.grid, linewidth=0.8)
    axes.set_axisbelow(True)


def cumulative(axes, look, errors: dict[str, np.ndarray]) -> None:
    """How many steps have an error of at most so much."""
    for (name, values), color in zip(errors.items(), (BLUE, GOLD), strict=True):
        rank = 100 * (np.arange(len(values)) + 0.5) / len(values)
        axes.plot(np.sort(values), rank, color=color, linewidth=2.2, label=f"{name}: {values.mean():.3f} mm")
    axes.set_xlim(0, np.quantile(np.concatenate(list(errors.values())), 0.98))
    _dress(axes, look, "what the mean is worth", "error of a step (mm)", "steps with at most that (%)")
    legend = axes.legend(loc="lower right", frameon=False, labelcolor=look.ink, fontsize=9, title="mean error")
    legend.get_title().set(color=look.pale, fontsize=9)


def by_quantile(axes, look, disagreement: np.ndarray, error: np.ndarray) -> None:
    """The error of steps sorted by their disagreement, in tenths."""
    order = np.array_split(np.argsort(disagreement), 10)
    middle = [np.median(disagreement[part]) for part in order]
    low, mid, high = np.array([np.quantile(error[part], [0.1, 0.5, 0.9]) for part in order]).T
    axes.fill_between(middle, low, high, color=GREEN, alpha=0.22, linewidth=0)
    axes.plot(middle, mid, "o-", color=GREEN, linewidth=2, markersize=4.5)
    axes.set(xlim=(0, None), ylim=(0, None))
    _dress(axes, look, "what the disagreement says", "disagreement of a step (mm)", "its error: median, 8 of 10 (mm)")


def lengths(axes, result: TrackingResult, frame: int) -> None:
    """The contour, its base, and the line from its middle to the apex."""
    contour = result.contours[frame]
    start = result.contours[result.ed]
    base = contour[[0, -1]]
    apex = np.linalg.norm(start - start[[0, -1]].mean(0), axis=-1).argmax()
    if frame != result.ed:
        axes.plot(*start.T, color=FAINT, linewidth=1, dashes=(3, 2))
    axes.plot(*contour.T, color=RED, linewidth=2.6, solid_capstyle="round", path_effects=_EDGE)
    axes.plot(*base.T, color=FAINT, linewidth=1)
    axes.plot(*np.array([base.mean(0), contour[apex]]).T, color=BLUE, linewidth=2, dashes=(4, 2), path_effects=_EDGE)
    for at, color in ((contour[apex], BLUE), (base.mean(0), BLUE), (base[0], RED), (base[1], RED)):
        axes.plot(*at, "o", color=color, markersize=5, markeredgecolor="#0d1217")
    unit = result.unit
    text = f"L = {result.length[frame]:.1f} {unit}", f"apex to base {result.apical_length[frame]:.1f} {unit}"
    for line, color, height in ((text[0], RED, 0.09), (text[1], BLUE, 0.03)):
        axes.text(
            0.5, height, line, color=color, transform=axes.transAxes, ha="center", fontsize=10, path_effects=_EDGE
        )


def strain_curves(axes, look, result: TrackingResult) -> None:
    """Strain and MAPSE over the loop."""
    time = np.arange(len(result)) / (result.frame_rate_hz or 1)
    axes.axhline(0, color=look.pale, linewidth=0.8)
    for frame, name in ((result.ed, "ED"), (result.es, "ES")):
        axes.axvline(time[frame], color=look.pale, linewidth=0.9, dashes=(4, 3))
        axes.annotate(name, (time[frame], 0.02), xycoords=("data", "axes fraction"), xytext=(4, 0),
                      textcoords="offset points", color=look.pale, fontsize=9)  # fmt: skip
    peak = result.gls_frame
    axes.plot(time, result.mapse, color=BLUE, linewidth=1.8)
    axes.plot(time, result.strain, color=RED, linewidth=2.6)
    axes.plot(time[peak], result.strain[peak], "o", color=RED, markersize=7)
    gls = f"GLS {result.gls:.1f} %".replace("-", "−")
    axes.annotate(gls, (time[peak], result.gls), xytext=(12, -2), textcoords="offset points", color=RED, fontsize=10.5)
    low = int(result.mapse.argmin())
    axes.annotate(f"MAPSE −{abs(result.peak_mapse):.1f} %, {result.annular_excursion:.1f} {result.unit}",
                  (time[low], result.mapse[low]), xytext=(10, -12), textcoords="offset points", color=BLUE)  # fmt: skip
    _dress(axes, look, "over the loop", "time (s)", "change against ED (%)")
    axes.margins(y=0.14)
