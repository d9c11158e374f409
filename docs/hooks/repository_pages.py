"""Pages that stand elsewhere in the repository: results, licences, changelog, experiments; and links to them."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

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
    "notebooks/README.md": "notebooks/index.md",
    "cpwc_keras/models/presets/LICENCES.md": "licences.md",
}
"""File of the repository → the page that shows it."""

GENERATED = (
    "results.md",
    "licences.md",
    "changelog.md",
    "reference/cli.md",
    "reference/experiments.md",
    "notebooks/index.md",
)
"""Pages that exist on the site alone (and those of the API)."""

_LINK = re.compile(r"(!?\[[^\]]*\])\(([^)\s#]*)(#[^)\s]*)?\)")

_RESULTS = """# Results

Every figure stands beside the command that prints it. How the shipped networks came to be is on
[a page of its own](weights.md), what the figures do not say under [limits](limits.md).
"""

_EXPERIMENTS = """# Shipped experiments

What `--config NAME` of `cpwc-keras pretrain` and `transfer`, and the tables of `ablate`, stand for. Any key can be set
in a file of your own, and options of the command win over it; the keys are those of
[`Experiment`](api/training.md#cpwc_keras.training.experiment.Experiment).
"""


def pages(root: Path) -> dict[str, str]:
    """Path of each page → its Markdown."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    changelog = root / "CHANGELOG.md"
    return {
        "results.md": _RESULTS + _from_root(_section(readme, "Measured"), "README.md"),
        "licences.md": _licences(root, readme),
        "changelog.md": _from_root(changelog.read_text(encoding="utf-8"), "CHANGELOG.md")
        if changelog.is_file()
        else "# Changelog\n\nNo version has been released yet.\n",
        "reference/experiments.md": _EXPERIMENTS + "".join(_experiment(path) for path in _experiments(root)),
    }


def relink(markdown: str, page: str) -> str:
    """Lead the links of a page of `docs/` that leave the folder to the site's page with the same content.

    Args:
        markdown: of the page.
        page: its path within `docs/`.
    """
    folder = posixpath.dirname(posixpath.join("docs", page))

    def replaced(link: re.Match) -> str:
        text, path, anchor = link.groups()
        target = posixpath.normpath(posixpath.join(folder, path)) if path and ":" not in path else ""
        if not target or target.startswith("docs/"):
            return link.group()
        return _link(text, target, anchor or "", posixpath.dirname(page))

    return _LINK.sub(replaced, markdown)


def _from_root(markdown: str, file: str) -> str:
    """Links of a file at the root of the repository, as seen from the site's root."""

    def replaced(link: re.Match) -> str:
        text, path, anchor = link.groups()
        if ":" in path:
            return link.group()
        path = path or file
        if path.startswith("docs/"):
            return f"{text}({path.removeprefix('docs/')}{anchor or ''})"
        return _link(text, posixpath.normpath(path), anchor or "", "")

    return _LINK.sub(replaced, markdown)


def _link(text: str, target: str, anchor: str, folder: str) -> str:
    """A link to a file of the repository: to its page, or its name alone where the site has none."""
    page = FILES.get(target)
    if target == "README.md" and anchor:
        page, anchor = README_SECTIONS[anchor.removeprefix("#")], ""
    elif target.startswith("notebooks/") and target.endswith(".ipynb"):
        page = target.removesuffix(".ipynb") + ".md"
    if page is None:
        words = text.strip("![]")
        return f"{words} (`{target}`)" if words != target else f"`{target}`"
    return f"{text}({posixpath.relpath(page, folder or '.')}{anchor})"


def _section(markdown: str, heading: str) -> str:
    """What stands under a heading of the second level."""
    return markdown.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def _licences(root: Path, readme: str) -> str:
    weights = (root / "cpwc_keras" / "models" / "presets" / "LICENCES.md").read_text(encoding="utf-8")
    own = _from_root(_section(readme, "Licence and citation"), "README.md")
    return f"# Licences and citation\n{own}\n" + weights.replace(
        "# Licences of the weights", "## Licences of the weights", 1
    )


def _experiments(root: Path) -> list[Path]:
    return sorted((root / "cpwc_keras" / "experiments").glob("*.yaml"))


def _experiment(path: Path) -> str:
    return f"\n## {path.stem}\n\n```yaml\n{path.read_text(encoding='utf-8').strip()}\n```\n"
