"""The option that commands with networks share."""

from __future__ import annotations

import click

precision_option = click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="In which a network calculates. bfloat16 is nearly twice as fast where the processor knows it, and moves "
    "results by some thousandths of a millimetre.",
)
