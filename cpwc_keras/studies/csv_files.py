"""Results as lines of CSV, for statistics elsewhere."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from cpwc_keras.files import atomic_path
from cpwc_keras.studies.results import CaseResult

_TIMING = "seconds_per_pair"
_SCALARS = (
    "epe_mm", "epe_forward_mm", "cumulative_epe_mm", "d_m_mm", "d_h_mm", "gls_percent", "gls_true_percent",
    "mapse_percent", "mapse_true_percent", "segments_mae_percent", "disagreement_mm", "peak_percent",
)  # fmt: skip
_BEATS = ("closure_percent", "drift_mm")


def results_csv(path: str | Path, results: Sequence[CaseResult]) -> None:
    """One line for each tracker and case, sorted, with every scalar but the time; equal results give equal bytes.

    Loops have ``closure_percent_k`` and ``drift_mm_k`` for each whole beat k. What could not be measured is empty, and
    where nothing could, ``error`` says why.

    Args:
        path: of the file.
        results: of several trackers on several cases.

    Raises:
        InputError: it cannot be written.
    """
    beats = max((len(r.curves.get(name, ())) for r in results for name in _BEATS), default=0)
    numbered = [(name, beat) for beat in range(beats) for name in _BEATS]
    about = ("dataset", "kind", "patient", "vendor", "view", "variant")
    header = ["tracker", "case", *about, "frames", "ed", "es", "row_mm", "col_mm", "frame_rate_hz", *_SCALARS]
    lines: list[list] = [[*header, *(f"{name}_{beat + 1}" for name, beat in numbered), "error"]]
    for result in _sorted(results):
        es = "" if result.es is None else result.es
        measures = (*(result.spacing_mm or (None, None)), result.frame_rate_hz)
        values = [*measures, *(result.scalars.get(name) for name in _SCALARS)]
        curves = [result.curves.get(name, ()) for name, _ in numbered]
        values += [
            curve[beat] if beat < len(curve) else None for curve, (_, beat) in zip(curves, numbered, strict=True)
        ]
        case = [result.tracker, result.case.name, *(getattr(result.case, name) for name in about)]
        lines.append([*case, result.frames, result.ed, es, *map(_digits, values), result.error])
    _write_csv(path, lines)


def timing_csv(path: str | Path, results: Sequence[CaseResult]) -> None:
    """Seconds a pair of each tracker on each case, apart from `results_csv`, since they are never twice the same.

    Raises:
        InputError: it cannot be written.
    """
    lines = [["tracker", "case", _TIMING]]
    lines += [[r.tracker, r.case.name, _digits(r.scalars[_TIMING])] for r in _sorted(results) if _TIMING in r.scalars]
    _write_csv(path, lines)


def _digits(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.6g}"


def _sorted(results: Sequence[CaseResult]) -> list[CaseResult]:
    return sorted(results, key=lambda r: (r.tracker, r.case.dataset, r.case.name))


def _write_csv(path: str | Path, lines: list[list]) -> None:
    with atomic_path(path) as beside_it, open(beside_it, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
