"""`cpwc-keras presets`."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the whole cards as JSON, for machines.")
def presets(as_json):
    """List the trained networks that come with the package.

    With the licence, what each saw, and its figures. The one marked as default is used where no tracker is named.
    Choose another by its name, mind its licence:

    \b
    cpwc-keras track patient.dcm --contour ed.json --tracker NAME -o result
    cpwc-keras presets --json
    """
    from cpwc_keras.models.presets import DEFAULT_PRESET, list_presets

    cards = list_presets()
    if as_json:
        click.echo(json.dumps({"default": DEFAULT_PRESET, "presets": cards}, indent=2, ensure_ascii=False))
        return
    if not cards:
        click.echo("No presets are shipped with this installation.")
        return

    from rich.console import Console

    console = Console(highlight=False, markup=False)
    for number, (name, card) in enumerate(cards.items()):
        default = "  (default)" if name == DEFAULT_PRESET else ""
        if number:
            console.print()
        console.print(f"{name}{default}", style="bold", soft_wrap=True)
        console.print(_grid(card))


def _grid(card: dict):
    """What a user chooses by, from a card."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    rows = [("licence", card["licence"]), ("saw", card["saw"])]
    rows += [(name, str(card[key])) for name, key in (("status", "status"), ("for", "intended_use")) if key in card]
    rows += [("trained", _trained(stage)) for stage in _dicts(card.get("stages"))]
    rows += [("pixels", _pixels(card))] if _pixels(card) else []
    rows += [("figures", line) for line in _figures(card.get("metrics", {}))]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    before = ""
    for name, text in rows:
        table.add_row(name if name != before else "", Text(text))
        before = name
    return Padding(table, (0, 0, 0, 2))


def _dicts(value) -> list[dict]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _trained(stage: dict) -> str:
    """One stage in a line: what, how long, on what."""
    parts = [str(stage[key]) for key in ("phase",) if key in stage]
    parts += [f"{stage[key]:,} {unit}" for key, unit in (("steps", "steps"), ("hours", "hours")) if key in stage]
    return ", ".join(parts) + (f" on {stage['machine']}" if "machine" in stage else "")


def _pixels(card: dict) -> str:
    spacing = (card.get("ranges") or {}).get("pixel_spacing_mm")
    return f"of {spacing[0]:.2g} to {spacing[1]:.2g} mm" if spacing else ""


def _figures(metrics, heading: str = "") -> list[str]:
    """A line for each innermost group of figures, with the names of the groups it lies in."""
    if not isinstance(metrics, dict):
        return [f"{heading}: {metrics}"]
    plain = {name: value for name, value in metrics.items() if not isinstance(value, dict)}
    values = ", ".join(f"{name} {value}" for name, value in plain.items())
    lines = [f"{heading}: {values}" if heading else values] if plain else []
    for name, value in metrics.items():
        if isinstance(value, dict):
            lines += _figures(value, f"{heading}, {name}" if heading else name)
    return lines
