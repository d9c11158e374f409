"""`info` and `verify`: what a dataset holds, and whether every file of it can be read."""

from __future__ import annotations

from contextlib import contextmanager

import click

from cpwc_keras.cli.options import Choice

DATASET_NAMES = ("chairs", "things", "alessandrini", "alessandrini-motion", "medicaid", "camus", "ted", "sequences")
_SHOWN = 10

_OF_PAIRS = {"chairs": "", "things": "scenes"}
"""Datasets of image pairs → what a split never parts there, where it is not the single pair."""

_dataset = click.argument("dataset", metavar="DATASET", type=Choice(DATASET_NAMES))
_root = click.option(
    "--root",
    required=True,
    type=click.Path(),
    help="Folder of the dataset, as unpacked; both it and its known subfolders are tried.",
)


@click.command()
@_dataset
@_root
@click.option(
    "--sample", default=200, show_default=True, type=click.IntRange(0), help="Items to read and measure; 0 reads all."
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, for scripts.")
def info(dataset: str, root: str, sample: int, as_json: bool) -> None:
    """Show what a dataset holds, and what is missing.

    Counts, image sizes, spacing, frames, motion, strain. DATASET is chairs, things, alessandrini, alessandrini-motion
    (its trajectories without images), medicaid, camus, ted or sequences (this project's own files). Displacements are
    the 99th percentile of the motion between neighbouring frames of each item; strain is the lowest longitudinal strain
    of the endocardial layer against end-diastole.

    \b
    cpwc-keras info camus --root ~/data/CAMUS_public
    cpwc-keras info sequences --root simulated --json
    """
    import json
    from dataclasses import asdict

    from cpwc_keras.data.catalog import list_dataset
    from cpwc_keras.data.survey import survey

    items = list_dataset(dataset, root)
    with _progress("reading", min(sample or len(items), len(items))) as advance:
        result = survey(items, root, sample, advance)
    if as_json:
        click.echo(json.dumps(asdict(result), indent=2, ensure_ascii=False))
    else:
        _show(dataset, root, result)


@click.command()
@_dataset
@_root
def verify(dataset: str, root: str) -> None:
    """Read every file of a dataset, name each broken one.

    The exit code is 1 if there are any. DATASET is chairs, things, alessandrini, alessandrini-motion, medicaid, camus,
    ted or sequences.

    \b
    cpwc-keras verify chairs --root ~/data/FlyingChairs_release
    """
    from cpwc_keras.data.catalog import list_dataset
    from cpwc_keras.data.survey import verify as read_all

    items = list_dataset(dataset, root)
    with _progress("verifying", len(items)) as advance:
        broken = read_all(items, advance)
    for name, sentence in broken.items():
        click.echo(f"{name}: {sentence}")
    click.echo(f"{len(items) - len(broken):,} of {len(items):,} items can be read.")
    if broken:
        raise SystemExit(1)


@contextmanager
def _progress(description: str, total: int):
    from rich.console import Console

    from cpwc_keras.cli.progress import progress_bar

    with progress_bar(Console(stderr=True, markup=False), "items", transient=True) as progress:
        task = progress.add_task(description, total=total)
        yield lambda: progress.advance(task)


def _show(dataset: str, root: str, result) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{dataset} in {root}", show_header=False, title_justify="left")
    items = "pairs" if dataset in _OF_PAIRS else "items"
    apart = _OF_PAIRS.get(dataset, "patients")
    rows = [
        (items, f"{result.n_items:,}"),
        (apart, f"{result.n_patients:,}" if apart else ""),
        ("frames", "" if dataset in _OF_PAIRS else _range(result.frames, "", 0)),
        ("vendors", _counts(result.vendors)),
        ("variants", _counts(result.variants)),
        ("splits", _counts(result.splits)),
        ("measured on", f"{result.n_measured:,} {items}"),
        ("image sizes", _counts(result.sizes)),
        ("row spacing", _range(result.spacing_row_mm, "mm", 4)),
        ("column spacing", _range(result.spacing_col_mm, "mm", 4)),
        ("frame rate", _range(result.frame_rate_hz, "Hz", 1)),
        ("displacement", _range(result.displacement_px, "px", 2)),
        ("", _range(result.displacement_mm, "mm", 2)),
        ("lowest strain", _range(result.strain_percent, "%", 1)),
    ]
    for name, value in rows:
        if value:
            table.add_row(name, value)
    console = Console(markup=False)
    console.print(table)
    for note, count in result.notes.items():
        console.print(f"note ({count:,} {items}): {note}")
    _list(console, "missing files", result.missing)
    _list(console, f"files that belong to none of the {items}", result.orphans)
    _list(console, f"{items} that cannot be read", [f"{name}: {why}" for name, why in result.unreadable.items()])


def _list(console, title: str, lines: list[str]) -> None:
    if lines:
        console.print(f"{title} ({len(lines):,}):")
        for line in lines[:_SHOWN]:
            console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)
        if len(lines) > _SHOWN:
            console.print(f"  … and {len(lines) - _SHOWN:,} more (--json shows all)")


def _range(values, unit: str, digits: int) -> str:
    if values is None:
        return ""
    if values.low == values.high:
        return f"{values.low:.{digits}f} {unit}".strip()
    return f"{values.low:.{digits}f} to {values.high:.{digits}f} {unit}, median {values.median:.{digits}f}".replace(
        " ,", ","
    )


def _counts(counts: dict[str, int]) -> str:
    shown = [f"{name} ({count:,})" for name, count in list(counts.items())[:_SHOWN]]
    return ", ".join(shown) + (f", and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else "")
