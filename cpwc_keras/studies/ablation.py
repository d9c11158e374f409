"""The paper's ablations (Tables I-III): which networks a table needs, and which rows are measured with them.

A table is a file of `cpwc_keras/experiments`: its networks, each with the choices that set it apart, and its rows, each
a network, followed with or without composition. Rows that differ in the latter alone share a network.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

import yaml

from cpwc_keras.errors import InputError, did_you_mean
from cpwc_keras.studies.paper import Number, paper_rows

TABLES = ("table1", "table2", "table3")


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        method: as the paper names it.
        network: that is measured.
        composition: follow the mean of forward and backward motion (II-B.5), or the forward one alone.
        paper: the paper's endpoint error.
    """

    method: str
    network: str
    composition: bool
    paper: Number


@dataclass(frozen=True)
class Ablation:
    """A table of the paper.

    Attributes:
        name: "table1", …
        number: "I", …
        title: what it compares.
        paper_pairs: neighbouring pairs that the paper had to train on.
        vendors: `test_vendor` and `validation_vendor` of the experiments, or nothing where patients are split.
        note: what the paper leaves open, in sentences.
        networks: name → attributes of `Experiment` that set it apart.
        rows: in the paper's order.
    """

    name: str
    number: str
    title: str
    paper_pairs: int
    vendors: dict[str, str]
    note: str
    networks: dict[str, dict]
    rows: tuple[Row, ...]


def load_ablation(name: str) -> Ablation:
    """A table by name.

    Raises:
        InputError: there is no such table.
    """
    if name not in TABLES:
        raise InputError(
            f"{name!r} is none of the paper's ablations; choose one of {', '.join(TABLES)}.{did_you_mean(name, TABLES)}"
        )
    values = yaml.safe_load((files("cpwc_keras.experiments") / f"{name}.yaml").read_text(encoding="utf-8"))
    published = {row.method: row.values["EPE"] for row in paper_rows(values["paper"])}
    rows = [
        Row(method, row["network"], row.get("composition", True), published[method])
        for method, row in values["rows"].items()
    ]
    vendors = {key: values[key] for key in ("test_vendor", "validation_vendor") if key in values}
    return Ablation(
        name, values["paper"], values["title"], values["paper_pairs"], vendors, values["note"], values["networks"],
        tuple(rows),
    )  # fmt: skip


def choose(ablation: Ablation, texts: Iterable[str]) -> tuple[Row, ...]:
    """The rows that are asked for, in the table's order; all where nothing is.

    Args:
        ablation: the table.
        texts: each the name of a row, or numbers from 1 with commas between them.

    Raises:
        InputError: there is no such row.
    """
    wanted = set()
    for text in texts:
        # A row's name may have commas in it: the whole text first.
        for part in (text,) if text in (row.method for row in ablation.rows) else text.split(","):
            names = [(row.method, str(number)) for number, row in enumerate(ablation.rows, 1)]
            found = [row for row, known in zip(ablation.rows, names, strict=True) if part.strip() in known]
            if not found:
                there = "; ".join(f"{number}: {method}" for method, number in names)
                meant = did_you_mean(part.strip(), (method for method, _ in names))
                raise InputError(f"{ablation.name} has no row {part.strip()!r}; there are {there}.{meant}")
            wanted.update(found)
    return tuple(row for row in ablation.rows if row in wanted or not wanted)
