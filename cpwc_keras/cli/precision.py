"""The option that commands with networks share."""

from __future__ import annotations

import click

precision_option = click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    show_default=True,
    help="In which a network calculates. bfloat16 is nearly twice as fast where the processor knows it, which is where "
    "auto takes it, and moves results by some thousandths of a millimetre.",
)
