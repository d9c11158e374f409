"""What the documentation takes from the repository when it is built (a hook of MkDocs, named in mkdocs.yml).

Pages that would repeat the code or the README are made from them: the commands, the API, the results, the licences, the
changelog, the notebooks. Links between the README and the pages lead where their target is on this site.
"""

from __future__ import annotations

import re
from pathlib import Path

import api_reference
import cli_reference
import links
import notebook_pages
import repository_pages
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
_ALERT = re.compile(r"^> \[!(NOTE|WARNING)\]\n((?:>.*\n?)+)", re.MULTILINE)


@event_priority(100)  # before mkdocstrings, which looks once which of its paths are there
def on_config(config):
    """Make the package's sources readable as one tree, since `ops/` and `data_prep/` stand beside it."""
    api_reference.link_sources(ROOT, ROOT / "build" / "docs_sources")
    return config


def on_files(files, config):
    """Add the generated pages."""
    pages = {
        "reference/cli.md": cli_reference.page(),
        **api_reference.pages(ROOT),
        **repository_pages.pages(ROOT),
        **notebook_pages.pages(ROOT),
    }
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown, page, config, files):
    """Lead links to where their target is on this site, and show notes as boxes."""
    return _ALERT.sub(_box, links.relink(markdown, f"docs/{page.file.src_uri}", page.file.src_uri))


def _box(alert: re.Match) -> str:
    """A note as code hosts know it (`> [!NOTE]`, its first line the title), for Material."""
    title, *text = (line.removeprefix(">").strip() for line in alert[2].splitlines())
    return "\n".join([f'!!! {alert[1].lower()} "{title.strip("*")}"', *(f"    {line}" for line in text), ""])
