"""Pages that stand elsewhere in the repository: results, licences, changelog, experiments."""

from __future__ import annotations

from pathlib import Path

from links import relink

GENERATED = (
    "results.md",
    "licences.md",
    "changelog.md",
    "reference/cli.md",
    "reference/experiments.md",
    "notebooks/index.md",
)
"""Pages that exist on the site alone (and those of the API)."""

_RESULTS = """---
hide: [toc]
---

# Results

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
        "results.md": _RESULTS + relink(_section(readme, "Measured"), "README.md", "results.md"),
        "licences.md": _licences(root, readme),
        "changelog.md": relink(changelog.read_text(encoding="utf-8"), "CHANGELOG.md", "changelog.md")
        if changelog.is_file()
        else "# Changelog\n\nNo version has been released yet.\n",
        "reference/experiments.md": _EXPERIMENTS + "".join(_experiment(path) for path in _experiments(root)),
    }


def _section(markdown: str, heading: str) -> str:
    """What stands under a heading of the second level."""
    return markdown.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def _licences(root: Path, readme: str) -> str:
    weights = (root / "cpwc_keras" / "models" / "presets" / "LICENCES.md").read_text(encoding="utf-8")
    own = relink(_section(readme, "Licence and citation"), "README.md", "licences.md")
    return f"# Licences and citation\n{own}\n" + weights.replace(
        "# Licences of the weights", "## Licences of the weights", 1
    )


def _experiments(root: Path) -> list[Path]:
    return sorted((root / "cpwc_keras" / "experiments").glob("*.yaml"))


def _experiment(path: Path) -> str:
    return f"\n## {path.stem}\n\n```yaml\n{path.read_text(encoding='utf-8').strip()}\n```\n"
