"""The paper's own numbers, and which of them stand beside which of our results.

``paper_tables.csv`` holds every number of Tables I-X of Evain et al. (TMI 2022) and of its text, one a line: table,
subset, method, metric, unit, mean, std.
"""

from __future__ import annotations

import csv
import math
from functools import cache
from importlib.resources import files
from typing import NamedTuple

VENDORS = {
    "ESAOTE": "ESAOTE",
    "GE Vingmed Ultrasound": "GE",
    "Hitachi Aloka Medical,Ltd": "HITACHI",
    "Philips Medical Systems": "PHILIPS",
    "Siemens": "SIEMENS",
    "TOSHIBA_MEC_US": "TOSHIBA",
    "SAMSUNG MEDISON CO": "SAMSUNG",
}
"""Vendor as the data of Alessandrini et al. 2018 name it → column of Table IV, in the table's order."""


class Number(NamedTuple):
    """A number of the paper: mean ± σ in `unit`; σ is NaN where the paper gives none."""

    mean: float
    sd: float
    unit: str


class PaperRow(NamedTuple):
    """What a table of the paper says of one method on one subset.

    Attributes:
        table: "I" … "X", or "text".
        subset: "clean", "GE", "camus", …
        method: as the paper names it.
        values: metric ("EPE", "d_m", "GLS bias", …) → number.
    """

    table: str
    subset: str
    method: str
    values: dict[str, Number]


class Beside(NamedTuple):
    """The paper's rows that belong beside a table of ours.

    Attributes:
        source: which tables they are from.
        rows: in the order of the paper; of several tables on the same patients, one row a method.
        differs: sentences on what sets the two apart, for under the table; they stand also where there are no rows.
    """

    source: str
    rows: tuple[PaperRow, ...]
    differs: str


_METHODS = {
    "PWC-Net-gray-usft[24]": "PWC-Net-gray-usft, from its ref. 24",
    "PWC-Net-gray-usft(ours)": "PWC-Net-gray-usft, trained by its authors",
}
"""Names that say something in the paper alone → what they mean."""

_SPREAD = "The paper does not say over what the σ of its EPE is taken; ours are over cases."

_SIMULATED = (
    "Virtual patients made with `cpwc-keras simulate` come from this project's own pipeline, out of CAMUS stills at "
    "end-diastole and end-systole with a drawn beat between them, where the authors had annotated cine loops as "
    "templates. The paper tested on 30 patients. Where its whole background stands still, the atrial wall next to the "
    f"base moves with the annulus in ours (unless they were made with --annulus 0). {_SPREAD}"
)
_MEDICAID = f"The sequences are the authors' own; which 30 patients they tested on is not published. {_SPREAD}"
_VENDORS = (
    "The paper tested on apical four-chamber views, each vendor with a network that was trained without it; ours are "
    f"all views at hand, with whatever the tracker was trained on. {_SPREAD}"
)
_RESIMULATED = (
    "The images are not the published ones: they are simulated anew by this project's pipeline from the published "
    f"motion, in each vendor's geometry. {_VENDORS}"
)
_LOOPS = (
    "The paper had an expert annotate every frame of 30 CAMUS patients (four-chamber views, GE) and of 30 patients of "
    "another hospital (Philips); neither annotation is public. Our references are the contours that this dataset "
    "brings, in the frames that have one."
)
_PROCEDURAL = "Their anatomy and echogenicity are made up, so none of the paper's numbers stand here."
_STILLS = (
    "Stills, tracked from end-diastole to end-systole in a single step: not the paper's experiment, which follows the "
    "contour from frame to frame, so none of its numbers stand here."
)


def beside(kind: str, dataset: str, variant: str) -> Beside:
    """The paper's rows for a group of cases.

    Args:
        kind: of the cases, see `CaseInfo`.
        dataset: they are from.
        variant: "clean", "reverberation", or anything else.
    """
    if dataset == "camus stills":
        return Beside("", (), _STILLS)
    if kind == "contours":
        camus = _merged("CAMUS", ("VII", "camus"), ("VIII", "camus"), ("text", "camus"))
        philips = _merged("Philips", ("IX", "full(30)"), ("X", "full(30)"), ("text", "auxiliary"))
        return Beside("Tables VII-X", camus + philips, _LOOPS)
    if dataset == "procedural hearts":
        return Beside("", (), _PROCEDURAL)
    if kind == "motion" and dataset in ("sequences", "medicaid") and variant in ("clean", "reverberation"):
        subset = "clean" if variant == "clean" else "artifacts"
        text = (("text", "medicaid test"),) if variant == "clean" else ()
        rows = _merged("", ("V", subset), ("VI", subset), *text)
        return Beside("Tables V and VI", rows, _MEDICAID if dataset == "medicaid" else _SIMULATED)
    return Beside("", (), "")


def beside_vendors(dataset: str, variant: str) -> Beside:
    """The rows of Table IV, one for each vendor and method, for cases of the motions of Alessandrini et al. 2018.

    Args:
        dataset: "alessandrini" where the images are the published ones.
        variant: "reverberation", of which Table IV has none, or anything else.
    """
    if variant == "reverberation":
        return Beside("", (), "")
    rows = (row._replace(method=_METHODS.get(row.method, row.method)) for row in paper_rows("IV"))
    return Beside("Table IV", tuple(rows), _VENDORS if dataset == "alessandrini" else _RESIMULATED)


def paper_rows(table: str, subset: str | None = None) -> list[PaperRow]:
    """What a table of the paper says, one row for each subset and method in its order.

    Args:
        table: "I" … "X", or "text" for the numbers given in sentences only.
        subset: one part of it ("clean", "GE", …); None takes all.

    Raises:
        KeyError: the paper has no such table or part.
    """
    rows = [row for row in _rows() if row.table == table and subset in (None, row.subset)]
    if not rows:
        raise KeyError(f"the paper has no table {table!r} with subset {subset!r}")
    return rows


@cache
def _rows() -> tuple[PaperRow, ...]:
    rows: dict[tuple[str, str, str], PaperRow] = {}
    with files("cpwc_keras.studies").joinpath("paper_tables.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            place = (line["table"], line["subset"], line["method"])
            number = Number(float(line["mean"]), float(line["std"] or math.nan), line["unit"])
            rows.setdefault(place, PaperRow(*place, {})).values[line["metric"]] = number
    return tuple(rows.values())


def _merged(patients: str, *places: tuple[str, str]) -> tuple[PaperRow, ...]:
    """One row a method out of several tables on the same patients, who are named in it."""
    values: dict[str, dict[str, Number]] = {}
    for place in places:
        for row in paper_rows(*place):
            values.setdefault(row.method, {}).update(row.values)
    ending = f", {patients}" if patients else ""
    return tuple(PaperRow(places[0][0], places[0][1], method + ending, found) for method, found in values.items())
