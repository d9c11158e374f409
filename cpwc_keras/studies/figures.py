"""Pictures of errors: clinical indices against their reference, histograms, boxes, segments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cpwc_keras.evaluation.agreement import agreement
from cpwc_keras.evaluation.strain import SEGMENTS
from cpwc_keras.studies.figure_style import (
    FEW,
    GRID,
    INK,
    PALE,
    by_tracker,
    colors,
    dress,
    entitle,
    new_figure,
    panels,
    shown,
    spread,
)  # fmt: skip
from cpwc_keras.studies.results import CaseResult

_DISTANCES = {"epe_mm": "EPE (mm)", "d_m_mm": "$d_m$ (mm)", "d_h_mm": "$d_H$ (mm)"}


def correlation(results: Sequence[CaseResult], index: str):
    """Peak systolic index of each tracker against the reference, with the line of identity.

    Args:
        results: of several trackers on the same cases.
        index: "gls" or "mapse".

    Returns:
        a `matplotlib.figure.Figure`, or None where there is nothing to draw.
    """
    groups = _index_pairs(results, index)
    if not groups:
        return None
    ink = colors(results)
    figure, axes = panels(len(groups), 2.7)
    every = np.concatenate([pair.ravel() for pair in groups.values()])
    low, high = every.min(), every.max()
    margin = max(0.06 * (high - low), 1.0)
    for axis, (name, (estimate, reference)) in zip(axes, groups.items(), strict=True):
        found = agreement(estimate, reference)
        axis.axline((0, 0), slope=1, color=INK, linewidth=1)
        _points(axis, reference, estimate, ink[name])
        r = f"r = {found.r:.2f}, " if np.isfinite(found.r) else ""
        axis.annotate(f"{r}n = {found.n}", (0.97, 0.04), xycoords="axes fraction", ha="right", fontsize=8.5, color=INK)
        entitle(axis, name)
    axes[0].set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin))
    for axis in axes:
        axis.set_aspect("equal")
        axis.locator_params(nbins=5)
    figure.supxlabel(f"reference {index.upper()} (%)", color=INK, fontsize=9.5)
    figure.supylabel(f"tracked {index.upper()} (%)", color=INK, fontsize=9.5)
    return figure


def bland_altman(results: Sequence[CaseResult], index: str):
    """Difference of each tracker's index from the reference against their mean, with bias and limits of agreement.

    Args:
        results: of several trackers on the same cases.
        index: "gls" or "mapse".

    Returns:
        a `matplotlib.figure.Figure`, or None where there is nothing to draw.
    """
    groups = _index_pairs(results, index)
    if not groups:
        return None
    ink = colors(results)
    figure, axes = panels(len(groups))
    for axis, (name, (estimate, reference)) in zip(axes, groups.items(), strict=True):
        found = agreement(estimate, reference)
        axis.axhline(0, color=PALE, linewidth=0.8)
        axis.axhline(found.bias, color=INK, linewidth=1.6)
        text = f"bias {found.bias:+.1f}"
        if np.isfinite(found.lower):
            axis.axhline(found.lower, color=INK, linewidth=1, linestyle="--")
            axis.axhline(found.upper, color=INK, linewidth=1, linestyle="--")
            text += f", limits {found.lower:+.1f} to {found.upper:+.1f}"
        _points(axis, (estimate + reference) / 2, estimate - reference, ink[name])
        axis.annotate(text.replace("-", "−"), (0.03, 0.97), xycoords="axes fraction", va="top", fontsize=8.5, color=INK)
        entitle(axis, name)
    axes[0].locator_params(axis="x", nbins=4)
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(low, high + 0.16 * (high - low))  # room for the note
    figure.supxlabel(f"mean of tracked and reference {index.upper()} (%)", color=INK, fontsize=9.5)
    figure.supylabel("tracked − reference (%)", color=INK, fontsize=9.5)
    return figure


def error_histograms(results: Sequence[CaseResult]):
    """How errors are spread, a row for each tracker: of single pairs or frames, and of whole cases, with the medians.

    Endpoint errors where motion is known, mean contour distances elsewhere.

    Args:
        results: of several trackers on the same cases.

    Returns:
        a `matplotlib.figure.Figure`, or None where there is nothing to draw.
    """
    name, label = ("epe_mm", "EPE") if any("epe_mm" in r.scalars for r in results) else ("d_m_mm", "$d_m$")
    groups = {tracker: found for tracker, found in by_tracker(results, name, name).items() if found}
    if not groups:
        return None
    ink = colors(results)
    figure = new_figure(10.2, 0.62 * len(groups) + 1.1)
    axes = figure.subplots(len(groups), 2, sharex="col", squeeze=False)
    single = {t: np.concatenate([r.curves[name] for r in found]) for t, found in groups.items()}
    whole = {t: np.array([r.scalars[name] for r in found]) for t, found in groups.items()}
    for column, (values, what) in enumerate(((single, "pair" if label == "EPE" else "frame"), (whole, "case"))):
        values = {tracker: found[np.isfinite(found)] for tracker, found in values.items()}
        upper = max(float(np.percentile(found, 99)) for found in values.values() if len(found)) * 1.02 or 1.0
        beyond = any((found > upper).any() for found in values.values())
        edges = np.linspace(0, upper, 41)
        for row, (tracker, found) in enumerate(values.items()):
            axis = axes[row, column]
            axis.hist(np.minimum(found, upper), edges, color=ink[tracker], alpha=0.75)
            if len(found):
                median = float(np.median(found))
                axis.axvline(min(median, upper), color=INK, linewidth=1.4)
                right = median > 0.75 * upper
                axis.annotate(f"{median:.2f}", (min(median, upper), 0.95), xycoords=("data", "axes fraction"),
                              xytext=(-4 if right else 4, 0), textcoords="offset points", va="top",
                              ha="right" if right else "left", fontsize=8.5, color=INK)  # fmt: skip
            dress(axis, "x")
            axis.spines["left"].set_visible(False)
            axis.set_yticks([])
            axis.set_xlim(0, upper)
            if column == 0:
                axis.set_ylabel(shown(tracker, 22), rotation=0, ha="right", va="center")
        ending = "; the last bar holds all beyond" if beyond else ""
        axes[-1, column].set_xlabel(f"{label} of each {what} (mm){ending}")
    return figure


def distance_boxes(results: Sequence[CaseResult]):
    """Errors of every case, a box for each tracker: EPE, d_m and d_H, as far as there are any.

    Args:
        results: of several trackers on the same cases.

    Returns:
        a `matplotlib.figure.Figure`, or None where there is nothing to draw.
    """
    names = [name for name in _DISTANCES if any(by_tracker(results, scalar=name).values())]
    if not names:
        return None
    trackers, ink = list(by_tracker(results)), colors(results)
    figure = new_figure(3.4 * len(names), 0.42 * len(trackers) + 1.0)
    axes = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axis, name in zip(axes, names, strict=True):
        for row, found in enumerate(by_tracker(results, scalar=name).values()):
            values = np.array([result.scalars[name] for result in found])
            _box(axis, values, row, 0.62, ink[trackers[row]], vertical=False)
        axis.set_xlabel(_DISTANCES[name])
        axis.margins(x=0.05)
        axis.set_xlim(left=0)
        axis.set_yticks(range(len(trackers)), [shown(tracker, 30) for tracker in trackers])
        dress(axis, "x")
    axes[0].set_ylim(len(trackers) - 0.5, -0.5)
    return figure


def segment_errors(results: Sequence[CaseResult]):
    """Error of the strain of each wall segment at end-systole, a box for each tracker.

    Args:
        results: of several trackers on the same cases.

    Returns:
        a `matplotlib.figure.Figure`, or None where there is nothing to draw.
    """
    groups = {
        tracker: np.array([(r.curves["segments"] - r.curves["segments_true"])[r.es] for r in found if r.es is not None])
        for tracker, found in by_tracker(results, "segments_true").items()
    }
    groups = {tracker: errors for tracker, errors in groups.items() if len(errors)}
    if not groups:
        return None
    ink = colors(results)
    figure = new_figure(10.2, 4.0)
    axis = figure.subplots()
    axis.axhline(0, color=PALE, linewidth=1)
    width = 0.84 / len(groups)
    for i, (tracker, errors) in enumerate(groups.items()):
        for segment in range(errors.shape[1]):
            values = errors[:, segment]
            _box(axis, values[np.isfinite(values)], segment - 0.42 + (i + 0.5) * width, 0.8 * width, ink[tracker])
        axis.plot([], [], "s", color=ink[tracker], alpha=0.75, label=shown(tracker, 40))
    for border in range(1, len(SEGMENTS)):
        axis.axvline(border - 0.5, color=GRID, linewidth=0.8)
    axis.set_xticks(range(len(SEGMENTS)), [name.replace(" ", "\n") for name in SEGMENTS])
    axis.set_xlim(-0.5, len(SEGMENTS) - 0.5)
    axis.set_ylabel("strain at ES, tracked − reference (%)")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=min(4, len(groups)), frameon=False,
                labelcolor=INK, fontsize=9)  # fmt: skip
    dress(axis, "y")
    return figure


def _index_pairs(results: Sequence[CaseResult], index: str) -> dict[str, np.ndarray]:
    """Tracker → (2, n): estimates and references of the cases that have both.

    Trackers that say the same of every case, as one without any motion does, are left out: against the reference they
    would only show the reference.
    """
    names = (f"{index}_percent", f"{index}_true_percent")
    pairs = {
        tracker: np.array([[r.scalars.get(name, np.nan) for r in found] for name in names])
        for tracker, found in by_tracker(results).items()
    }
    pairs = {tracker: pair[:, np.isfinite(pair).all(axis=0)] for tracker, pair in pairs.items()}
    return {t: pair for t, pair in pairs.items() if pair.shape[1] == 1 or (pair.size and np.ptp(pair[0]) > 0)}


def _points(axis, x: np.ndarray, y: np.ndarray, color: str) -> None:
    size = 26 if len(x) <= 40 else 14
    axis.scatter(x, y, size, color=color, alpha=0.75, edgecolor="white", linewidth=0.5, zorder=3)


def _box(axis, values: np.ndarray, at: float, width: float, color: str, vertical: bool = True) -> None:
    """A box with whiskers to 1.5 times the quartiles' distance; points for outliers, or for all where they are few."""
    if len(values) >= FEW:
        axis.boxplot(
            [values], positions=[at], widths=width, orientation="vertical" if vertical else "horizontal",
            manage_ticks=False, patch_artist=True, boxprops={"facecolor": color, "alpha": 0.75, "linewidth": 0},
            medianprops={"color": INK, "linewidth": 1.4}, whiskerprops={"color": color}, capprops={"linewidth": 0},
            flierprops={"marker": "o", "markersize": 2.5, "markerfacecolor": color, "markeredgewidth": 0},
        )  # fmt: skip
        return
    place = at + 0.5 * width * spread(len(values)) if len(values) > 1 else np.full(len(values), at)
    x, y = (place, values) if vertical else (values, place)
    axis.scatter(x, y, 22, color=color, alpha=0.85, edgecolor="white", linewidth=0.5, zorder=3)
