"""The strain curve as a figure."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure

from cpwc_keras.evaluation.strain import peak_systolic_frame

_INK, _PALE, _GRID = "#22303c", "#8696a0", "#e4e9ec"
_STRAIN, _MAPSE, _TRUST = "#c8443a", "#2b7a9b", "#5b8c5a"


class NotebookFigure(Figure):
    """A figure that notebooks show though `pyplot`, which would keep it in memory, knows nothing of it."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=100)
        return picture.getvalue()


def strain_figure(
    strain: np.ndarray,
    mapse: np.ndarray,
    length: np.ndarray,
    disagreement: np.ndarray,
    ed: int,
    es: int,
    unit: str = "mm",
    frame_rate_hz: float | None = None,
    title: str = "",
    excursion: float | None = None,
    figure=None,
    systole_start: int | None = None,
) -> NotebookFigure:
    """Strain and MAPSE, the endocardial length, and the forward-backward disagreement, over time.

    Args:
        strain: (T,) percent.
        mapse: (T,) percent.
        length: (T,) L(t) in `unit`.
        disagreement: (T, N) in `unit`; the median and the 90th percentile over the points are drawn.
        ed: index of the end-diastolic frame.
        es: index of the end-systolic frame.
        unit: "mm" or "px".
        frame_rate_hz: frames a second; without it the axis counts frames.
        title: one line above.
        excursion: how far the mitral plane comes towards the apex, in `unit`; for the legend.
        figure: an empty figure or subfigure to draw in, or None for a new one.
        systole_start: the frame from which the peaks are sought, up to `es`, where it is not `ed`
            (`cpwc_keras.evaluation.strain.systole_start`).

    Returns:
        a `matplotlib.figure.Figure`; save it with `savefig`.
    """
    time = np.arange(len(strain)) / (frame_rate_hz or 1)
    figure = figure or NotebookFigure(figsize=(7.6, 6.4), layout="constrained", facecolor="white")
    main, middle, low = figure.subplots(3, 1, sharex=True, height_ratios=[3.2, 1.3, 1.0])

    start = ed if systole_start is None else systole_start
    peak, peak_mapse = (peak_systolic_frame(curve, start, es) for curve in (strain, mapse))
    main.axhline(0, color=_PALE, linewidth=0.8)
    moved = "" if excursion is None else f"{excursion:.1f} {unit}, "
    label = f"MAPSE, peak systolic {moved}{mapse[peak_mapse]:.1f} %"
    main.plot(time, mapse, color=_MAPSE, linewidth=1.6, label=label)
    main.plot(time, strain, color=_STRAIN, linewidth=2.4, label=f"strain, peak systolic {strain[peak]:.1f} %")
    main.plot(time[peak], strain[peak], "o", color=_STRAIN, markersize=7, markeredgecolor="white")
    main.plot(time[peak_mapse], mapse[peak_mapse], "o", color=_MAPSE, markersize=5.5, markeredgecolor="white")
    main.set_ylabel("change against ED (%)")
    main.margins(y=0.12)
    main.legend(loc="upper center", bbox_to_anchor=(0.5, 1.13), ncols=2, frameon=False, labelcolor=_INK, fontsize=9.5)

    middle.plot(time, length, color=_INK, linewidth=1.6)
    middle.set_ylabel(f"length L ({unit})")
    middle.margins(y=0.15)

    median, high = np.percentile(disagreement, [50, 90], axis=1)
    low.fill_between(time, 0, high, color=_TRUST, alpha=0.2, linewidth=0, label="90 % of the points")
    low.plot(time, median, color=_TRUST, linewidth=1.4, label="median")
    low.set_ylabel(f"disagreement\n({unit} a step)")
    low.set_ylim(0, max(float(high.max()) * 1.35, 1e-3))
    low.legend(loc="upper center", frameon=False, ncols=2, fontsize=8, labelcolor=_INK)
    low.set_xlabel("time (s)" if frame_rate_hz else "frame")

    for axis in (main, middle, low):
        strain_axis(axis, time, ed, es)
        axis.margins(x=0.015)
    for frame, name in ((ed, "ED"), (es, "ES")):
        main.annotate(name, (time[frame], 0.01), xycoords=("data", "axes fraction"), xytext=(4, 0),
                      textcoords="offset points", color=_PALE, fontsize=9)  # fmt: skip
    figure.align_ylabels()
    if title:
        figure.suptitle(title, color=_INK, fontsize=11)
    return figure


def strain_axis(axis, time: np.ndarray, ed: int, es: int) -> None:
    """Give an axis over time the looks of these figures, with lines at end-diastole and end-systole.

    Args:
        axis: of Matplotlib.
        time: (T,) of the frames.
        ed: index of the end-diastolic frame.
        es: index of the end-systolic frame.
    """
    for frame, dashes in ((ed, (1, 0)), (es, (4, 3))):
        axis.axvline(time[frame], color=_PALE, linewidth=0.9, dashes=dashes, zorder=0)
    axis.grid(axis="y", color=_GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(_PALE)
    axis.tick_params(colors=_INK, labelsize=9)
    axis.yaxis.label.set_color(_INK)
    axis.xaxis.label.set_color(_INK)
