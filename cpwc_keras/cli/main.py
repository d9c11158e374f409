"""The `cpwc-keras` command."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

# TensorFlow greets with a dozen lines on standard error; only its errors are for the user.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click

from cpwc_keras import __version__
from cpwc_keras.errors import InputError, did_you_mean

_PARTS = {
    "Tracking": {"demo": "track", "track": "track", "app": "app", "contour": "contour", "presets": "presets"},
    "Measuring": {"evaluate": "evaluate", "ablate": "ablate"},
    "Training": {"pretrain": "train", "transfer": "train", "export": "export"},
    "Data": {"simulate": "simulate", "prepare": "prepare", "info": "dataset", "verify": "dataset"},
}
"""Heading of `--help` → its commands, in the order in which they are met."""

COMMANDS = {name: module for commands in _PARTS.values() for name, module in commands.items()}
"""Command → module of `cpwc_keras.cli`, loaded when the command is used, so that `--help` is there at once."""


class _Commands(click.Group):
    def list_commands(self, context):
        return list(COMMANDS)

    def get_command(self, context, name):
        if name not in COMMANDS:
            return None
        return getattr(import_module(f"cpwc_keras.cli.{COMMANDS[name]}"), name)

    def format_commands(self, context, formatter):
        room = formatter.width - 6 - max(map(len, COMMANDS))
        for title, commands in _PARTS.items():
            with formatter.section(title):
                shown = ((name, self.get_command(context, name)) for name in commands)
                formatter.write_dl([(name, command.get_short_help_str(room)) for name, command in shown])

    def resolve_command(self, context, args):
        name = args[0]
        if name not in COMMANDS and not context.resilient_parsing and not name.startswith("-"):
            known = ", ".join(COMMANDS)
            raise InputError(f"There is no command {name!r}; choose one of {known}.{did_you_mean(name, COMMANDS)}")
        return super().resolve_command(context, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="cpwc-keras")
def cli():
    """Motion estimation in 2D echocardiography: c-PWC-Net (Evain et al., IEEE TMI 2022).

    Begin with `cpwc-keras demo`, which needs nothing. For a recording of your own, draw the contour of the endocardium
    at end-diastole in the browser (app), or make it from a mask or another tool's file (contour), and track it.

    Each command has a --help with examples. For research, not for diagnosis.
    """


def main() -> None:
    """Run the command; a user's mistake is one sentence and exit code 2, Ctrl-C is exit code 130."""
    try:
        code = cli.main(standalone_mode=False)
    except InputError as error:
        _leave(f"Error: {error}", 2)
    except click.exceptions.Abort:
        _leave("Interrupted.", 130)
    except KeyboardInterrupt:
        _leave("Interrupted.", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    else:
        sys.exit(code if isinstance(code, int) else 0)
    finally:
        gc.freeze()  # or Python looks through all that TensorFlow is once more before it ends, for over a second


def _leave(message: str, code: int) -> None:
    click.echo(message, err=True)
    sys.exit(code)
