"""What README and docs show their readers: commands, snippets, links."""

import ast
import re
import shlex
import textwrap
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def name_of(path):
    """A page as tests call it."""
    return path.relative_to(ROOT).as_posix()


@cache
def blocks(path, language):
    """The fenced blocks of a language, in order."""
    found = _FENCE.findall(path.read_text(encoding="utf-8"))
    return tuple(textwrap.dedent(text) for _, kind, text in found if kind == language)


def without_blocks(path):
    """The text of a page besides its fenced blocks."""
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def shell_commands(text):
    """The `cpwc-keras …` commands of shell lines, as lists of arguments after the name."""
    joined = text.replace("\\\n", " ")
    for line in joined.splitlines():
        words = shlex.split(line, comments=True)
        if words and words[0] == "cpwc-keras":
            yield words[1:]


def commands():
    """(page, arguments) of every command in a shell block."""
    return [(name_of(path), words) for path in PAGES for block in blocks(path, "sh") for words in shell_commands(block)]


def snippets():
    """(page, code) of every Python block; lines that only IPython knows are left out."""
    found = [(name_of(path), block) for path in PAGES for block in blocks(path, "python")]
    return [(page, re.sub(r"^%.*$", "", code, flags=re.MULTILINE)) for page, code in found]


def dotted(node):
    """`a.b.c` of an expression, or None where it is anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (base := dotted(node.value)):
        return f"{base}.{node.attr}"
    return None
