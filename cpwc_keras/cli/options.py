"""Options that commands share."""

from __future__ import annotations

import click

from cpwc_keras.errors import InputError, did_you_mean


class Choice(click.Choice):
    """One of some names. Another one is answered by a sentence with the nearest, not by how the command is used."""

    def convert(self, value, param, ctx):
        """The name itself.

        Raises:
            InputError: it is none of them.
        """
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            there = f"choose one of {', '.join(self.choices)}.{did_you_mean(value, self.choices)}"
            if isinstance(param, click.Option):
                raise InputError(f"{param.opts[0]}: there is no {value!r}; {there}") from error
            raise InputError(f"There is no {param.human_readable_name.lower()} {value!r}; {there}") from error


precision_option = click.option(
    "--precision",
    type=Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Kind of numbers in which a network calculates. bfloat16 is nearly twice as fast where the processor "
    "knows it, and moves results by some thousandths of a millimetre.",
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
