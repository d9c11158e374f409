"""Links as the repository has them, led to where the site has the same.

Documents lead to each other, to a section of the README, or to the source, so that they can be read beside the code. On
the site these links lead to the page that is made of their target: the reference of a module, a command, a result.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import api_reference

from cpwc_keras.cli.main import COMMANDS

README_SECTIONS = {
    "two-commands": "start.md",
    "what-each-command-does": "reference/cli.md",
    "the-flow-convention": "concepts/flow.md",
    "training": "howto/train.md",
    "measuring": "howto/evaluate.md",
    "simulating": "howto/simulate.md",
    "where-the-data-comes-from": "datasets/index.md",
    "measured": "results.md",
    "licence-and-citation": "licences.md",
}
"""Heading of the README → the page that has its content."""

FILES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "notebooks": "notebooks/index.md",
    "notebooks/README.md": "notebooks/index.md",
    "cpwc_keras/cli": "reference/cli.md",
    "cpwc_keras/experiments": "reference/experiments.md",
    "cpwc_keras/models/presets/LICENCES.md": "licences.md",
}
"""File or folder of the repository → the page that shows it."""

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"(!?\[[^\]]*\])\(([^)\s#]*)(#[^)\s]*)?\)")


def relink(markdown: str, file: str, page: str) -> str:
    """Lead the links of a file of the repository to pages of the site; the name alone stays where it has none.

    Args:
        markdown: of the file.
        file: its path in the repository.
        page: the path of the page that shows it.
    """

    def replaced(link: re.Match) -> str:
        text, path, anchor = link[1], link[2], link[3] or ""
        if ":" in path or (not path and f"docs/{page}" == file):
            return link.group()
        target = posixpath.normpath(posixpath.join(posixpath.dirname(file), path)) if path else file
        words = text.strip("![]")
        place = _place(target, anchor, words)
        if place is None:
            return f"{words} (`{target}`)" if words != target else f"`{target}`"
        there, mark, anchor = place.partition("#")
        return f"{text}({posixpath.relpath(there, posixpath.dirname(page) or '.')}{mark}{anchor})"

    return _LINK.sub(replaced, markdown)


def _place(target: str, anchor: str, words: str) -> str | None:
    """Page and anchor of what a link leads to, or None.

    Args:
        target: file or folder of the repository.
        anchor: with its #, or "".
        words: of the link; they say which command or which name of a module is meant.
    """
    folder, _, name = target.rpartition("/")
    stem, _, suffix = name.partition(".")
    if target.startswith("docs/"):
        return target.removeprefix("docs/") + anchor
    if target == "README.md" and anchor:
        return README_SECTIONS[anchor.removeprefix("#")]
    if target in FILES:
        return FILES[target] + anchor
    if suffix == "ipynb":
        return f"{folder}/{stem}.md"
    if folder == "cpwc_keras/experiments":
        return f"{FILES[folder]}#{stem}"
    if folder == "cpwc_keras/cli":
        commands = [command for command, module in COMMANDS.items() if module == stem]
        named = [command for command in commands if command in words]
        return f"{FILES[folder]}#{[*named, *commands][0]}" if commands else None
    return api_reference.place(ROOT, target, words.strip("`").rpartition(".")[2])
