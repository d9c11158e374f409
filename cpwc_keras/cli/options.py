"""Options that commands share."""

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


def reach_option(default: int, why: str):
    """``--reach``, with a default that a command gives a reason for."""
    return click.option(
        "--reach",
        type=click.IntRange(1),
        default=default,
        show_default=True,
        metavar="FRAMES",
        help="Follow a frame from up to this many frames before it, as long as forward and backward motion agree: "
        f"fewer steps, fewer errors that add up. {why}",
    )
