"""Pictures of curves: strain over time (Fig. 5), distance along the wall (Fig. 6), and loops over several beats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cpwc_keras.studies.figure_style import (
    FEW,
    GRID,
    INK,
    PALE,
    by_tracker,
    colors,
    dress,
    entitle,
    faint,
    mean_and_limits,
    new_figure,
    panels,
    shown,
)  # fmt: skip
from cpwc_keras.studies.results import CaseResult

_PHASES = np.linspace(0, 2, 201)
"""Where curves of different lengths are averaged: 0 = end-diastole, 1 = end-systole, 2 = the end of the recording."""


def strain_over_time(results: Sequence[CaseResult]):
    """Strain of every case, the reference's in the first panel and each tracker's in one of its own (Fig. 5).

    Time is stretched so that end-diastole, end-systole and the end of all recordings coincide. Where there are cases
    enough, their mean and limits of agreement are drawn in black.

    Args:
        results: of several trackers on the same cases.

    Returns:
        a `matplotlib.figure.Figure`, or None where there is nothing to draw.
    """
    groups = {name: [_on_phases(r, "strain") for r in found] for name, found in by_tracker(results, "strain").items()}
    references = {r.case.name: r for r in reversed(results) if np.isfinite(r.curves.get("strain_true", np.nan)).any()}
    groups = {"reference": [_on_phases(r, "strain_true") for r in references.values()]} | groups
    drawn = {name: np.array(curves) for name, curves in groups.items() if curves}
    if not references and not drawn:
        return None
    ink = {"reference": PALE} | colors(results)
    figure, axes = panels(len(drawn))
    for axis, (name, curves) in zip(axes, drawn.items(), strict=True):
        count = len(curves)
        axis.axhline(0, color=PALE, linewidth=0.8)
        axis.axvline(1, color=PALE, linewidth=0.8, dashes=(4, 3))
        axis.plot(_PHASES, curves.T, color=ink[name], linewidth=1.0 if count >= FEW else 1.6, alpha=faint(count))
        if count >= FEW:
            mean, lower, upper = mean_and_limits(curves)
            axis.plot(_PHASES, mean, color=INK, linewidth=2)
            axis.plot(_PHASES, np.transpose([lower, upper]), color=INK, linewidth=1, linestyle="--")
        entitle(axis, name, count)
    seen = np.isfinite(np.concatenate(list(drawn.values()))).any(axis=0)
    axes[0].set_xlim(0, float(_PHASES[seen].max()) if seen.any() else 2)
    axes[0].set_xticks([0, 1, 2] if seen[-1] else [0, 1], ["ED", "ES", "end"] if seen[-1] else ["ED", "ES"])
    figure.supylabel("longitudinal strain (%)", color=INK, fontsize=9.5)
    return figure


def distance_profiles(results: Sequence[CaseResult]):
    """Distance between tracked and reference contours along the wall, a thin line a case, their mean in black (Fig. 6).

    Args:
        results: of several trackers on the same cases.

    Returns:
        a `matplotlib.figure.Figure`, or None where there is nothing to draw.
    """
    groups = {name: found for name, found in by_tracker(results, "profile_mm").items() if found}
    if not groups:
        return None
    ink = colors(results)
    figure, axes = panels(len(groups))
    for axis, (name, found) in zip(axes, groups.items(), strict=True):
        profiles = np.array([result.curves["profile_mm"] for result in found])
        position = np.linspace(0, 1, profiles.shape[1])
        axis.axvline(0.5, color=PALE, linewidth=0.8, dashes=(4, 3))
        width = 1.0 if len(found) >= FEW else 1.6
        axis.plot(position, profiles.T, color=ink[name], linewidth=width, alpha=faint(len(found)))
        if len(found) >= FEW:
            axis.plot(position, mean_and_limits(profiles)[0], color=INK, linewidth=2)
        entitle(axis, name, len(found))
    axes[0].set_xlim(0, 1)
    axes[0].set_ylim(bottom=0)
    axes[0].set_xticks([0, 0.5, 1], ["lateral\nbase", "apex", "septal\nbase"])
    figure.supylabel("distance to the reference (mm)", color=INK, fontsize=9.5)
    return figure


def loop_over_beats(results: Sequence[CaseResult]):
    """Strain of every tracker over the beats of one loop, and how far it is from closing after each of them.

    Args:
        results: of several trackers on one case of kind "loop".

    Returns:
        a `matplotlib.figure.Figure`, or None where there is nothing to draw.
    """
    groups = {name: found[0] for name, found in by_tracker(results, "strain").items() if found}
    if not groups:
        return None
    ink = colors(results)
    beats = max(len(result.curves.get("closure_frame", ())) for result in groups.values())
    figure = new_figure(10.2, 6.2 if beats else 4.2)
    if beats:
        top, bottom = figure.subfigures(2, 1, height_ratios=[1.5, 1])
        main, bars = top.subplots(), bottom.subplots(1, 2)
    else:
        main, bars = figure.subplots(), ()
    main.axhline(0, color=PALE, linewidth=1)
    ends = {float(end): k for r in groups.values() for k, end in enumerate(r.curves.get("closure_frame", ()))}
    rate = next(iter(groups.values())).frame_rate_hz
    for end, k in ends.items():
        main.axvline(end / (rate or 1), color=PALE, linewidth=0.9, dashes=(4, 3))
        main.annotate(f"beat {k + 1}", (end / (rate or 1), 0.01), xycoords=("data", "axes fraction"), xytext=(-4, 2),
                      textcoords="offset points", color=PALE, fontsize=8.5, ha="right")  # fmt: skip
    for name, result in groups.items():
        strain = result.curves["strain"]
        main.plot(np.arange(len(strain)) / (rate or 1), strain, color=ink[name], linewidth=1.7, label=shown(name, 40))
    main.set_ylabel("longitudinal strain (%)")
    main.set_xlabel("time (s)" if rate else "frame")
    main.margins(x=0.01, y=0.08)
    main.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=min(4, len(groups)), frameon=False,
                labelcolor=INK, fontsize=9)  # fmt: skip
    dress(main, "y")
    for axis, curve, label in zip(
        bars, ("closure_percent", "drift_mm"), ("strain after the beat (%)", "drift of shape (mm)"), strict=False
    ):
        _grouped_bars(axis, {name: result.curves.get(curve, np.zeros(0)) for name, result in groups.items()}, ink)
        axis.set_ylabel(label)
        axis.set_xticks(range(beats), [f"beat {k + 1}" if beats <= 6 else str(k + 1) for k in range(beats)])
        dress(axis, "y")
    return figure


def _grouped_bars(axis, values: dict[str, np.ndarray], ink: dict[str, str]) -> None:
    """Bars of every tracker side by side in each group."""
    width = 0.8 / len(values)
    axis.axhline(0, color=PALE, linewidth=1)
    for i, (name, heights) in enumerate(values.items()):
        place = np.arange(len(heights)) - 0.4 + (i + 0.5) * width
        axis.bar(place, heights, width * 0.9, color=ink[name], edgecolor=GRID, linewidth=0)


def _on_phases(result: CaseResult, name: str) -> np.ndarray:
    """A curve (201,) at the `_PHASES`, NaN where it is not known.

    A loop that was recorded with end-systole first is read backwards from end-diastole.
    """
    curve, direction = result.curves[name], -1 if result.es is not None and result.es < result.ed else 1
    time = direction * (np.arange(len(curve)) - result.ed)
    end = time.max()
    es = end / 2 if result.es in (None, result.ed) else direction * (result.es - result.ed)
    phase = np.where(time <= es, time / max(es, 1), 1 + (time - es) / max(end - es, 1))
    use = np.isfinite(curve) & (time >= 0)
    if not use.any():
        return np.full(len(_PHASES), np.nan)
    order = np.argsort(phase[use])
    return np.interp(_PHASES, phase[use][order], curve[use][order], np.nan, np.nan)
