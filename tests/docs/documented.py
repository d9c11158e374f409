"""What README and docs show their readers: commands, snippets, links."""

import ast
import re
import shlex
import textwrap
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OTHERS = ("CONTRIBUTING.md", "CHANGELOG.md", "notebooks/README.md", "cpwc_keras/models/presets/LICENCES.md")
DOCUMENTS = [*PAGES, *(ROOT / name for name in OTHERS)]

_LINKS = ("link_open", "image")
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


class Shown(NamedTuple):
    """What a code host makes of a document: its plain text, the targets of its links and pictures, its headings."""

    text: str
    links: list
    headings: list


@cache
def shown(path):
    """A document as CommonMark has it."""
    text, links, headings = [], [], []
    tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))
    for before, token in pairwise(tokens):
        parts = token.children or []
        text += [part.content for part in parts if part.type == "text"]
        links += [part.attrs["href" if part.type == "link_open" else "src"] for part in parts if part.type in _LINKS]
        if before.type == "heading_open":
            headings.append("".join(part.content for part in parts if part.type in ("text", "code_inline")))
    return Shown("\n".join(text), links, headings)


def github_anchors(path):
    """The anchors that GitHub gives to the headings of a document."""
    seen, anchors = {}, set()
    for heading in shown(path).headings:
        name = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        anchors.add(f"{name}-{seen[name]}" if name in seen else name)
        seen[name] = seen.get(name, 0) + 1
    return anchors


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
