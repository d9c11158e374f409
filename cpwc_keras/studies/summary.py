"""Many results in few numbers: one row for each tracker and group of cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cpwc_keras.evaluation.agreement import Agreement, agreement, mann_whitney, wilcoxon
from cpwc_keras.studies.results import CaseResult


class Statistic(NamedTuple):
    """Mean ± σ (n - 1) over `n` cases; NaN where there are too few."""

    mean: float
    sd: float
    n: int


MEANS = (
    "epe_mm", "epe_forward_mm", "cumulative_epe_mm", "d_m_mm", "d_h_mm", "segments_mae_percent", "disagreement_mm",
    "peak_percent", "seconds_per_pair",
)  # fmt: skip
"""Scalars whose mean over the cases is reported."""

INDICES = ("gls", "mapse")
"""Clinical indices, compared with their reference over the cases."""


@dataclass(frozen=True)
class Row:
    """One tracker on one group of cases.

    Attributes:
        tracker: its name.
        group: "" for all cases, or the variant ("clean", …) or vendor they share.
        cases: how many were measured.
        failed: how many could not be.
        means: name of a scalar → mean ± σ over the cases that have it.
        indices: "gls", "mapse" → agreement with the reference over the cases that have both.
        closure: one (strain in percent, shape drift in mm) for each whole beat, over the loops that are so long.
    """

    tracker: str
    group: str
    cases: int
    failed: int
    means: dict[str, Statistic]
    indices: dict[str, Agreement]
    closure: tuple[tuple[Statistic, Statistic], ...] = ()


def statistic(values) -> Statistic:
    """Mean ± σ of the finite values."""
    values = np.asarray(list(values), np.float64)
    values = values[np.isfinite(values)]
    nan = float("nan")
    return Statistic(
        float(values.mean()) if len(values) else nan,
        float(values.std(ddof=1)) if len(values) > 1 else nan,
        len(values),
    )


def summarise(results: Sequence[CaseResult], by: str = "variant") -> list[Row]:
    """A row for each group and tracker, groups and trackers in the order of their first appearance.

    Args:
        results: of several trackers on several cases.
        by: attribute of the case that makes the groups: "variant", "vendor", or "" for a single group.
    """
    rows = []
    for group in _ordered(_group(result, by) for result in results):
        for tracker in _ordered(result.tracker for result in results):
            mine = [r for r in results if r.tracker == tracker and _group(r, by) == group]
            if mine:
                rows.append(_row(tracker, group, mine))
    return rows


def comparison(results: Sequence[CaseResult], one: str, other: str, scalar: str = "epe_mm") -> dict[str, float]:
    """Whether two trackers differ in a scalar, as p-values: "wilcoxon" over the cases both have, and "mann_whitney".

    Args:
        results: of several trackers on several cases.
        one: name of a tracker.
        other: name of another.
        scalar: what is compared.
    """
    values = [
        {r.case.name: r.scalars[scalar] for r in results if r.tracker == tracker and scalar in r.scalars}
        for tracker in (one, other)
    ]
    shared = [name for name in values[0] if name in values[1]]
    paired = [np.array([entry[name] for name in shared]) for entry in values]
    return {
        "wilcoxon": wilcoxon(*paired),
        "mann_whitney": mann_whitney(*(np.array(list(entry.values())) for entry in values)),
    }


def _row(tracker: str, group: str, results: list[CaseResult]) -> Row:
    measured = [result for result in results if not result.error]
    means = {}
    for name in MEANS:
        found = statistic(r.scalars.get(name, np.nan) for r in measured)
        if found.n:
            means[name] = found
    indices = {}
    for index in INDICES:
        pairs = [
            [r.scalars.get(f"{index}{suffix}", np.nan) for r in measured] for suffix in ("_percent", "_true_percent")
        ]
        agreed = agreement(*(np.array(values, np.float64) for values in pairs))
        if agreed.n:
            indices[index] = agreed
    return Row(tracker, group, len(measured), len(results) - len(measured), means, indices, _closure(measured))


def _closure(results: list[CaseResult]) -> tuple[tuple[Statistic, Statistic], ...]:
    beats = max((len(r.curves.get("closure_percent", ())) for r in results), default=0)

    def of(name: str, beat: int) -> Statistic:
        return statistic(r.curves[name][beat] for r in results if beat < len(r.curves.get(name, ())))

    return tuple((of("closure_percent", beat), of("drift_mm", beat)) for beat in range(beats))


def _group(result: CaseResult, by: str) -> str:
    return getattr(result.case, by) if by else ""


def _ordered(values) -> list[str]:
    return list(dict.fromkeys(values))
