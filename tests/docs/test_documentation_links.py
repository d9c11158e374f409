"""Links in README and docs lead somewhere, the documentation's navigation is whole, and the quoted errors exist."""

import re
import sys

import pytest
import yaml
from documented import PAGES, ROOT, blocks, name_of, without_blocks

sys.path.insert(0, str(ROOT / "docs" / "hooks"))
import api_reference
import repository_pages

GENERATED = {f"docs/{page}" for page in (*repository_pages.GENERATED, *api_reference.pages(ROOT))}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def slug(heading):
    """GitHub's and MkDocs' anchor of a heading."""
    text = re.sub(r"[`*]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).strip().lower()
    return re.sub(r"[\s]", "-", re.sub(r"[^\w\s-]", "", text))


def anchors(path):
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", without_blocks(path), re.MULTILINE)}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings_that_are_there(path):
    for link in LINK.findall(without_blocks(path)):
        if re.match(r"https?:|mailto:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        name = file.relative_to(ROOT).as_posix()
        if name in GENERATED or name.startswith("docs/notebooks/"):
            continue  # the strict build knows their anchors
        assert file.exists(), f"{name_of(path)}: {link}"
        if anchor and file.suffix == ".md":
            found = {re.sub("-+", "-", one) for one in anchors(file)}
            assert re.sub("-+", "-", anchor) in found, f"{name_of(path)}: {link}"


def test_links_out_are_few_and_known():
    out = {link for path in PAGES for link in re.findall(r"\]\((https?://[^)\s]+)\)", without_blocks(path))}
    assert out <= {
        "https://doi.org/10.1109/TMI.2022.3151606",
        "http://humanheart-project.creatis.insa-lyon.fr/medicaid.html",
    }


def test_the_navigation_names_every_page_once():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"[\w/]+\.md$", text.split("\nnav:\n")[1], re.MULTILINE)
    assert len(named) == len(set(named))
    written = {name_of(path).removeprefix("docs/") for path in PAGES if path.parent != ROOT}
    generated = {page.removeprefix("docs/") for page in GENERATED}
    assert set(named) == written | generated


def test_nothing_is_loaded_from_elsewhere():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert settings["theme"]["font"] is False
    assert not any("://" in str(value) for key in ("extra_css", "extra_javascript") for value in settings.get(key, ()))


def test_links_of_the_readme_to_its_own_headings_have_a_page():
    headings = anchors(ROOT / "README.md")
    assert set(repository_pages.README_SECTIONS) <= headings


def test_quoted_errors_are_those_of_the_code():
    sources = [path for folder in ("cpwc_keras", "ops", "data_prep") for path in (ROOT / folder).rglob("*.py")]
    joined = re.sub(r'"\s*\n\s*f?"', "", "\n".join(path.read_text(encoding="utf-8") for path in sources))
    page = without_blocks(ROOT / "docs/howto/troubleshooting.md")
    quotes = [line.strip("`") for line in re.findall(r"^`[^`]+`$", page, re.MULTILINE)]
    quotes += re.findall(r"\"([A-Z][^\"]{20,})\"", page)
    assert len(quotes) > 12
    for quote in quotes:
        for part in re.split(r"…|, expected |found |\. ", quote):
            part = re.sub(r"^\W+|\W+$", "", part)
            assert len(part) < 9 or part in joined, f"no error says {part!r} any more"


def test_every_shipped_command_experiment_and_dataset_has_its_place():
    from cpwc_keras.cli.main import COMMANDS
    from cpwc_keras.data.catalog import DATASETS

    text = "\n".join(path.read_text(encoding="utf-8") for path in PAGES if path.parent != ROOT)
    assert not [name for name in COMMANDS if f"cpwc-keras {name}" not in text]
    assert not [name for name in DATASETS if f"[`{name}`](" not in text]
    assert blocks(ROOT / "docs/start.md", "python")
