"""Groups of numbers that can be asked for, and which of them a case's reference allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cpwc_keras.errors import InputError, did_you_mean
from cpwc_keras.io.sequence_file import sequence_header
from cpwc_keras.studies.cases import Case
from cpwc_keras.studies.results import CaseResult

METRICS = {
    "epe": ("epe_mm", "epe_forward_mm", "cumulative_epe_mm"),
    "contours": ("d_m_mm", "d_h_mm", "profile_mm"),
    "strain": ("gls_percent", "gls_true_percent", "mapse_percent", "mapse_true_percent", "strain", "strain_true",
               "mapse", "mapse_true"),
    "segments": ("segments_mae_percent", "segments", "segments_true"),
    "closure": ("peak_percent", "closure_frame", "closure_percent", "drift_mm"),
}  # fmt: skip
"""Name on the command line → the scalars and curves of `studies.results` that belong to it."""

_NEEDS = {
    "epe": "true motion",
    "contours": "reference contours",
    "strain": "reference contours",
    "segments": "the true motion of a mesh",
    "closure": "real loops (--dataset loops)",
}


def possible(case: Case) -> tuple[str, ...]:
    """The metrics that a case's reference allows.

    Raises:
        InputError: its file cannot be read.
    """
    if case.info.kind == "loop":
        return ("closure",)
    if case.info.kind == "contours":
        return ("contours", "strain")
    return ("epe", "contours", "strain", "segments") if _has_mesh(case) else ("epe",)


def require(metrics: Iterable[str], cases: Iterable[Case]) -> None:
    """Prove that the metrics can be measured on every case.

    Args:
        metrics: names.
        cases: of one dataset, at least one.

    Raises:
        InputError: a name is unknown, or a case does not have the reference that a metric needs.
    """
    cases = list(cases)
    if not metrics:
        return
    of_each = [possible(case) for case in cases]
    allowed = {name for names in of_each for name in names}
    for name in metrics:
        if name not in METRICS:
            raise InputError(f"{name!r} is no metric; choose of {', '.join(METRICS)}.{did_you_mean(name, METRICS)}")
        if name not in allowed:
            known = ", ".join(metric for metric in METRICS if metric in allowed)
            raise InputError(
                f"{name!r} needs {_NEEDS[name]}, which {cases[0].info.dataset} does not have; it allows {known}."
            )
        if lacking := [case for case, names in zip(cases, of_each, strict=True) if name not in names]:
            raise InputError(
                f"{name!r} needs {_NEEDS[name]}, which {len(lacking)} of {len(cases)} recordings do not have "
                f"({lacking[0].info.name} is one); measure them apart."
            )


def keep(result: CaseResult, metrics: Iterable[str]) -> CaseResult:
    """A result without the numbers of other metrics; no metrics keep all."""
    asked = set(metrics)
    if not asked:
        return result
    dropped = {name for metric, names in METRICS.items() if metric not in asked for name in names}
    return replace(
        result,
        scalars={name: value for name, value in result.scalars.items() if name not in dropped},
        curves={name: values for name, values in result.curves.items() if name not in dropped},
    )


def _has_mesh(case: Case) -> bool:
    path = case.item.files[0]
    if path.suffix == ".h5":
        return sequence_header(path).motion == "mesh"
    return case.info.dataset != "medicaid"
