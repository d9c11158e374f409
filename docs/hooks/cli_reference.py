"""The page of all commands, from the commands themselves."""

from __future__ import annotations

import html
import re
from importlib import import_module

import click

from cpwc_keras.cli.main import COMMANDS, cli

_INTRODUCTION = """# Commands

Made from the commands themselves; `cpwc-keras COMMAND --help` says the same. A mistake in the input is one sentence and
exit code 2; what fails by our own fault is exit code 1; an interruption is 130. Started again, an interrupted command
goes on where it stopped.
"""


class _Recorder(click.HelpFormatter):
    """Keeps the sections of a help text as rows instead of laying them out."""

    def __init__(self):
        super().__init__()
        self.titles, self.sections = [""], {}

    def section(self, name):
        self.titles.append(name)
        return super().section(name)

    def write_dl(self, rows, col_max=30, col_spacing=2):
        self.sections.setdefault(self.titles[-1], []).extend(row for row in rows if row)


def page() -> str:
    """The Markdown of all commands."""
    context = click.Context(cli, info_name="cpwc-keras")
    return _INTRODUCTION + "\n".join(_command(name, context) for name in COMMANDS)


def _command(name: str, parent: click.Context) -> str:
    command = getattr(import_module(f"cpwc_keras.cli.{COMMANDS[name]}"), name)
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join(["cpwc-keras", name, *command.collect_usage_pieces(context)])
    lines = [
        f"\n## {name}\n",
        *(_paragraph(part) for part in command.help.strip().split("\n\n")),
        f"Usage: `{usage}`\n",
    ]
    recorder = _Recorder()
    command.format_options(context, recorder)
    for title, rows in recorder.sections.items():
        heading = title.removesuffix("s") if title == "Options" else title
        lines += [
            f"| {heading} | |",
            "|---|---|",
            *(f"| <code>{_cell(left)}</code> | {_text(right)} |" for left, right in rows),
            "",
        ]
    return "\n".join(lines)


def _paragraph(text: str) -> str:
    """A paragraph of a docstring; one that Click must not rewrap (\\b) is a block of code."""
    if not text.lstrip().startswith("\b"):
        return f"{_text(text)}\n"
    lines = [line.strip() for line in text.replace("\b", "").splitlines() if line.strip()]
    if lines[0].startswith("cpwc-keras"):
        lines = [re.sub(r"\s{2,}\((.+)\)$", r"  # \1", line) for line in lines]
        return "\n".join(["```sh", *lines, "```\n"])
    return "\n".join(["```text", *lines, "```\n"])


def _text(text: str) -> str:
    """Plain text as Markdown: nothing in it is markup, except code in backticks."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_<>{}\[\]|])", r"\\\1", part) for part in parts)


def _cell(text: str) -> str:
    return html.escape(text).replace("|", "&#124;")
