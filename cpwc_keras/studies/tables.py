"""Results as tables: ours above, the paper's below them, and what sets the two apart under each."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cpwc_keras.studies.paper import VENDORS, Beside, beside, beside_vendors
from cpwc_keras.studies.results import CaseResult
from cpwc_keras.studies.summary import Row, comparison, summarise

ABSENT = "–"
_LEAST_CASES = 6
"""With fewer, no p-value of Wilcoxon's test can fall below 0.05."""

_SPLIT_VARIANTS = ("clean", "reverberation")


@dataclass(frozen=True)
class Part:
    """Results that belong into one table: of one dataset and kind, and of one variant where those are compared.

    Attributes:
        title: what it is, for a heading.
        kind: see `CaseInfo`.
        dataset: see `CaseInfo`.
        variant: "clean" or "reverberation", or "" where the variants are not told apart.
        vendors: whether vendors are compared, as in Table IV.
        results: of all trackers.
    """

    title: str
    kind: str
    dataset: str
    variant: str
    vendors: bool
    results: tuple[CaseResult, ...]


@dataclass(frozen=True)
class Table:
    """Cells as text; the first column names the tracker.

    Attributes:
        title: one line.
        headers: of the columns.
        rows: of our trackers, then of the paper; every row as long as the headers.
        paper_from: index of the first row of the paper.
        bold: (row, column) of the best of our values in each column, where there is more than one of ours.
        remarks: sentences for under the table.
    """

    title: str
    headers: list[str]
    rows: list[list[str]]
    paper_from: int
    bold: frozenset[tuple[int, int]] = frozenset()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Column:
    """How to find mean, σ and count in a row of ours, the paper's name for it, and how bad a mean is."""

    header: str
    of: Callable[[Row], tuple[float, float, int] | None]
    paper: str = ""
    badness: Callable[[float], float] | None = None
    digits: int = 2
    remark: str = field(default="", compare=False)


def parts(results: Sequence[CaseResult]) -> list[Part]:
    """Results sorted into what may share a table, in the order of their first appearance."""
    found: dict[tuple, list[CaseResult]] = {}
    for result in results:
        variant = result.case.variant if result.case.variant in _SPLIT_VARIANTS else ""
        found.setdefault((result.case.kind, result.case.dataset, variant), []).append(result)
    made = []
    for (kind, dataset, variant), members in found.items():
        drawn = "contours" if kind == "contours" and dataset == "sequences" else ""  # that hold either kind
        title = ", ".join(word for word in (dataset, variant, drawn) if word)
        made.append(Part(title, kind, dataset, variant, dataset.startswith("alessandrini"), tuple(members)))
    return made


def tables(part: Part) -> list[Table]:
    """Every table of a part: by vendor (IV), motion and contours (V, VII), clinical indices (VI, VIII), p-values."""
    rows = summarise(part.results, by="")
    if part.kind == "loop":
        return [_table("Loops without labels", rows, _loop_columns(rows), Beside("", (), _UNLABELLED))]
    paper = Beside("", (), "") if part.vendors else beside(part.kind, part.dataset, part.variant)
    made = [vendor_table(part)] if part.vendors else []
    made += [
        _table(
            "Motion and contours" if part.kind == "motion" else "Contours",
            rows,
            _GEOMETRY,
            paper,
            _DEFINITIONS + _frame_rates(part) if part.kind == "motion" else "",
        ),
        _table("Clinical indices", rows, _CLINICAL, paper, _SIGN),
    ]
    return [table for table in (*made, significance(part)) if table and len(table.headers) > 2]


def _frame_rates(part: Part) -> str:
    """How long a step takes, on which its error depends."""
    rates = [result.frame_rate_hz for result in part.results if result.frame_rate_hz]
    if not rates:
        return ""
    between = f"{min(rates):.0f}" if round(min(rates)) == round(max(rates)) else f"{min(rates):.0f} to {max(rates):.0f}"
    return f" There are {between} steps a second here; the paper does not give its own."


def vendor_table(part: Part) -> Table:
    """Endpoint error of each tracker on each vendor, as Table IV."""
    rows = summarise(part.results, by="vendor")
    groups = dict.fromkeys(row.group for row in rows)
    vendors = [
        *(vendor for vendor in VENDORS if vendor in groups),
        *(vendor for vendor in groups if vendor not in VENDORS),
    ]
    columns = {vendor: VENDORS.get(vendor, vendor or "unknown") for vendor in vendors}
    trackers = list(dict.fromkeys(row.tracker for row in rows))
    found = {(row.tracker, row.group): row for row in rows}
    paper = beside_vendors(part.dataset, part.variant)
    methods = list(dict.fromkeys(row.method for row in paper.rows))
    theirs = {(row.method, row.subset): row.values["EPE"] for row in paper.rows}
    values = [[found[t, v].means.get("epe_mm") if (t, v) in found else None for t in trackers] for v in vendors]
    ours = []
    for i, tracker in enumerate(trackers):
        mine = [row for row in rows if row.tracker == tracker]
        count = _cases(sum(row.cases for row in mine), sum(row.failed for row in mine))
        ours.append([tracker, *(_text(column[i]) for column in values), count])
    paper_rows = [[f"{m} (paper)", *(_text(theirs.get((m, columns[v]))) for v in vendors), ABSENT] for m in methods]
    return Table(
        "Endpoint error by vendor (mm)",
        ["tracker", *columns.values(), "cases"],
        ours + paper_rows,
        len(ours),
        frozenset((i, j + 1) for j, column in enumerate(values) for i in _best(column, abs, 2)),
        _remarks(paper),
    )


def significance(part: Part) -> Table | None:
    """P-values of each tracker against the one with the lowest error on the cases that all have; None without any."""
    scalar, name = ("epe_mm", "EPE") if part.kind == "motion" else ("d_m_mm", "d_m")
    values: dict[str, dict[str, float]] = {}
    for result in part.results:
        if math.isfinite(result.scalars.get(scalar, math.nan)):
            values.setdefault(result.tracker, {})[result.case.name] = result.scalars[scalar]
    if len(values) < 2:
        return None
    shared_by_all = set.intersection(*(set(cases) for cases in values.values()))
    if len(shared_by_all) < _LEAST_CASES:
        return None
    best = min(values, key=lambda tracker: sum(values[tracker][case] for case in shared_by_all))
    rows = []
    for tracker in values:
        if tracker != best:
            p = comparison(part.results, tracker, best, scalar)
            shared = len(values[tracker].keys() & values[best].keys())
            rows.append([tracker, _p(p["wilcoxon"]), _p(p["mann_whitney"]), str(shared)])
    remark = (
        f"{best} has the lowest mean error and was chosen for it. Wilcoxon signed-rank over the cases that both have; "
        "Mann-Whitney U over all cases of each; two-sided, not corrected for several comparisons."
    )
    return Table(
        f"{name} against {best}, p-values",
        ["tracker", "Wilcoxon", "Mann-Whitney", "shared cases"],
        rows,
        len(rows),
        remarks=(remark,),
    )


def markdown(table: Table) -> str:
    """The table in Markdown: a heading, the rows, the remarks, each with an empty line after it."""
    lines = [table.headers, ["---", *("---:" for _ in table.headers[1:])]]
    for i, row in enumerate(table.rows):
        cells = [markdown_text(cell) for cell in row]
        lines.append([f"**{cell}**" if (i, j) in table.bold else cell for j, cell in enumerate(cells)])
    body = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return "\n\n".join((f"### {markdown_text(table.title)}", body, *table.remarks)) + "\n"


def markdown_text(text: str) -> str:
    """Text on one line whose signs Markdown takes for themselves."""
    return re.sub(r"([\\|<*`])", r"\\\1", " ".join(text.split()))


def _table(title: str, rows: list[Row], columns: list[_Column], paper: Beside, remark: str = "") -> Table:
    found = [[column.of(row) for row in rows] for column in columns]
    kept = [j for j, values in enumerate(found) if any(value and math.isfinite(value[0]) for value in values)]
    columns, found = [columns[j] for j in kept], [found[j] for j in kept]
    theirs = [row for row in paper.rows if any(column.paper in row.values for column in columns)]
    cells, fewer = [], False
    for i, row in enumerate(rows):
        texts = []
        for column, values in zip(columns, found, strict=True):
            value = values[i]
            short = value is not None and 0 < value[2] < row.cases
            fewer |= short
            texts.append(_text(value, column.digits) + (f" [{value[2]}]" if value and short else ""))
        cells.append([row.tracker, *texts, _cases(row.cases, row.failed)])
    for published in theirs:
        numbers = [published.values.get(column.paper) for column in columns]
        cells.append([f"{published.method} (paper)", *map(_text, numbers), ABSENT])
    bold = {
        (i, j + 1)
        for j, (column, values) in enumerate(zip(columns, found, strict=True))
        if column.badness
        for i in _best(values, column.badness, column.digits)
        if (value := values[i]) and value[2] == rows[i].cases
    }
    remarks = _remarks(paper if theirs or not paper.rows else Beside("", (), ""))
    remarks += (remark,) if remark and kept else ()
    remarks += tuple(dict.fromkeys(column.remark for column in columns if column.remark))
    remarks += ("[n]: measured in so many of the cases only.",) if fewer else ()
    return Table(title, ["tracker", *(c.header for c in columns), "cases"], cells, len(rows), frozenset(bold), remarks)


def _mean(name: str, header: str, paper: str = "", badness=abs, digits: int = 2, remark: str = "") -> _Column:
    return _Column(header, lambda row: row.means.get(name), paper, badness, digits, remark)


def _index(name: str, mean: str, sd: str, header: str, paper: str = "", badness=abs) -> _Column:
    def of(row: Row):
        found = row.indices.get(name)
        return found and (getattr(found, mean), getattr(found, sd) if sd else math.nan, found.n)

    return _Column(header, of, paper, badness)


def _loop_columns(rows: list[Row]) -> list[_Column]:
    beats = range(max((len(row.closure) for row in rows), default=0))

    def after(beat: int, which: int):
        return lambda row: row.closure[beat][which] if beat < len(row.closure) else None

    return [
        _mean("peak_percent", "peak strain (%)", badness=None),
        *(_Column(f"closure {beat + 1} (%)", after(beat, 0)) for beat in beats),
        *(_Column(f"drift {beat + 1} (mm)", after(beat, 1)) for beat in beats),
        _mean("disagreement_mm", "disagreement (mm)", badness=None),
        _SECONDS,
    ]


_SECONDS = _mean(
    "seconds_per_pair", "s per pair", badness=None, digits=3,
    remark="Seconds are of this machine, both directions of a pair; the paper gives 0.020 s for c-PWC-Net on an RTX "
    "2080 Ti.",
)  # fmt: skip
_GEOMETRY = [
    _mean("epe_mm", "EPE (mm)", "EPE"),
    _mean("epe_forward_mm", "EPE forward (mm)"),
    _mean("cumulative_epe_mm", "cumulative EPE (mm)", "cumulative EPE ED-ES"),
    _mean("d_m_mm", "d_m (mm)", "d_m"),
    _mean("d_h_mm", "d_H (mm)", "d_H"),
    _SECONDS,
]
_CLINICAL = [
    _index("gls", "bias", "sd", "GLS bias (%)", "GLS bias"),
    _index("gls", "mae", "mae_sd", "GLS MAE (%)", "GLS mae"),
    _index("gls", "r", "", "GLS r", "GLS correlation", lambda r: -r),
    _index("mapse", "bias", "sd", "MAPSE bias (%)", "MAPSE bias"),
    _index("mapse", "mae", "mae_sd", "MAPSE MAE (%)", "MAPSE mae"),
    _mean("segments_mae_percent", "segments MAE (%)"),
]
_DEFINITIONS = (
    "EPE: distance between estimated and true motion of a step, mean over the myocardium and all steps, with forward "
    "and backward motion averaged as chosen, or forward alone. Cumulative EPE: of tissue followed from end-diastole to "
    "end-systole. d_m, d_H: mean and largest distance of the contours, mean over all frames but the first."
)
_SIGN = (
    "Bias is estimate less reference: positive where the shortening is underestimated. "
    "GLS and MAPSE are percent of the end-diastolic length, so their errors are percentage points."
)
_UNLABELLED = (
    "Nothing is known here of the true motion. After each whole beat the strain should be back at 0 (closure) and the "
    "contour in its shape (drift, after rigid alignment, since probe and chest move too); disagreement is forward "
    "against backward motion. A tracker that finds no motion closes perfectly, so none is called best, and the peak "
    "strain has to be read with the rest."
)


def _best(values: list, badness: Callable[[float], float], digits: int) -> list[int]:
    """Indices of the best values as they are shown; none where there is nothing to be better than."""
    shown = {i: round(badness(v[0]), digits) for i, v in enumerate(values) if v and math.isfinite(v[0])}
    return [i for i, value in shown.items() if value == min(shown.values())] if len(shown) > 1 else []


def _remarks(paper: Beside) -> tuple[str, ...]:
    text = " ".join(part for part in (f"(paper): {paper.source}." if paper.source else "", paper.differs) if part)
    return (text,) if text else ()


def _text(value: tuple | None, digits: int = 2) -> str:
    """Mean ± σ, without the σ where there is none."""
    if value is None or not math.isfinite(value[0]):
        return ABSENT
    text = _rounded(value[0], digits)
    return f"{text} ± {_rounded(value[1], digits)}" if math.isfinite(value[1]) else text


def _rounded(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")  # + 0.0: no minus on zero


def _p(value: float) -> str:
    if not math.isfinite(value):
        return ABSENT
    return f"{value:.4f}" if value >= 1e-4 else "< 0.0001"


def _cases(measured: int, failed: int) -> str:
    return f"{measured} ({failed} failed)" if failed else str(measured)
