"""What the documentation takes from the repository when it is built (a hook of MkDocs, named in mkdocs.yml).

Pages that would repeat the code or the README are made from them: the commands, the API, the results, the licences, the
changelog, the notebooks. Links between the README and the pages lead where their target is on this site.
"""

from __future__ import annotations

from pathlib import Path

import api_reference
import cli_reference
import notebook_pages
import repository_pages
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]


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
    """Lead links out of the documentation's folder to where their target is on this site."""
    return repository_pages.relink(markdown, page.file.src_uri)
