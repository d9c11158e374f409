"""Links lead somewhere, in the repository and on the site; the navigation is whole; quoted errors exist."""

import re
import sys

import pytest
import yaml
from documented import DOCUMENTS, PAGES, ROOT, blocks, github_anchors, name_of, shown, without_blocks

sys.path.insert(0, str(ROOT / "docs" / "hooks"))
import api_reference
import links
import repository_pages

WRITTEN = {name_of(path).removeprefix("docs/") for path in PAGES if path.parent != ROOT}
GENERATED = {*repository_pages.GENERATED, *api_reference.pages(ROOT)}
NOTEBOOKS = {f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")}


def relative_links(path):
    """(link, file or folder it leads to, anchor) of those that do not leave the repository."""
    for link in shown(path).links:
        if not re.match(r"https?:|mailto:", link):
            target, _, anchor = link.partition("#")
            yield link, (path.parent / target).resolve() if target else path, anchor


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_to_files_and_headings_of_the_repository(path):
    for link, target, anchor in relative_links(path):
        where = f"{name_of(path)}: {link}"
        assert target.exists() and target.is_relative_to(ROOT), where
        assert not target.is_relative_to(ROOT / "build"), where
        if target.suffix == ".md":
            assert not anchor or anchor in github_anchors(target), where
        else:  # of a picture: for which of a code host's themes it is
            assert re.fullmatch(r"|gh-(light|dark)-mode-only", anchor), where


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_code_hosts_show_every_document_as_it_is_meant(path):
    assert not re.search(r"^!!! |<math|<(a|img)\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert "](" not in shown(path).text, "a link that is none"


@pytest.mark.parametrize("page", sorted(WRITTEN))
def test_every_link_of_a_page_leads_to_a_page_of_the_site(page):
    slugify = pytest.importorskip("markdown.extensions.toc").slugify
    path = ROOT / "docs" / page
    there = links.relink(path.read_text(encoding="utf-8"), f"docs/{page}", page)
    assert there.count("](") == path.read_text(encoding="utf-8").count("]("), "a link became a name"
    for link in re.findall(r"\]\(([^)\s]+)\)", there):
        target, _, anchor = link.partition("#")
        if ":" in link:
            continue
        name = (path.parent / target).resolve().relative_to(ROOT / "docs").as_posix() if target else page
        assert name in WRITTEN | GENERATED | NOTEBOOKS or (ROOT / "docs" / name).is_file(), link
        if anchor and name in WRITTEN:  # anchors of generated pages are checked by the strict build
            headings = shown(ROOT / "docs" / name).headings
            assert anchor in {slugify(heading, "-") for heading in headings}, link


@pytest.mark.parametrize(
    ("link", "there"),
    {
        "[figures](../../README.md#measured)": "[figures](../results.md)",
        "[README](../../README.md)": "[README](../index.md)",
        "[licences](../../cpwc_keras/models/presets/LICENCES.md)": "[licences](../licences.md)",
        "[new](../../CHANGELOG.md)": "[new](../changelog.md)",
        "[demo](../../notebooks/track_your_own_dicom.ipynb)": "[demo](../notebooks/track_your_own_dicom.md)",
        "[`cpwc-keras track`](../../cpwc_keras/cli/track.py)": "[`cpwc-keras track`](../reference/cli.md#track)",
        "[`demo`](../../cpwc_keras/cli/track.py)": "[`demo`](../reference/cli.md#demo)",
        "[all of them](../../cpwc_keras/cli)": "[all of them](../reference/cli.md)",
        "[this](../../cpwc_keras/experiments/table1.yaml)": "[this](../reference/experiments.md#table1)",
        "[`warp`](../../ops/warp.py)": "[`warp`](../reference/api/ops.md#cpwc_keras.ops.warp.warp)",
        "[the module](../../ops/warp.py)": "[the module](../reference/api/ops.md#cpwc_keras.ops.warp)",
        "[`Contour`](../../cpwc_keras/io/contours.py)": (
            "[`Contour`](../reference/api/io.md#cpwc_keras.io.contours.Contour)"
        ),
        "[`mesh.dense_flow`](../../cpwc_keras/mesh.py)": (
            "[`mesh.dense_flow`](../reference/api/types.md#cpwc_keras.mesh.dense_flow)"
        ),
        "[simulation](../../data_prep/simulation)": "[simulation](../reference/api/data_prep.md)",
        "[rules](../../CONTRIBUTING.md)": "rules (`CONTRIBUTING.md`)",
        "[`kernels`](../../ops/native/vectors.py)": "`kernels` (`ops/native/vectors.py`)",
        "[a page](../concepts/mesh.md#the-mesh)": "[a page](../concepts/mesh.md#the-mesh)",
        "![a picture](../demo.png)": "![a picture](../demo.png)",
        "[here](#many-recordings)": "[here](#many-recordings)",
        "[elsewhere](https://doi.org/10.1109/TMI.2022.3151606)": "[elsewhere](https://doi.org/10.1109/TMI.2022.3151606)",
    }.items(),
)  # fmt: skip
def test_links_to_the_repository_lead_to_pages_of_the_site(link, there):
    assert links.relink(f"See {link}.", "docs/howto/track.md", "howto/track.md") == f"See {there}."


def test_anchors_are_those_of_github(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A & B: `c_d`, *e*\n\n## [Über](x.md) 1.2\n\n## Again\n\n```\n# no heading\n```\n\n## Again\n")
    assert github_anchors(page) == {"a--b-c_d-e", "über-12", "again", "again-1"}


def test_links_out_are_few_and_known():
    out = {link for path in PAGES for link in shown(path).links if "://" in link}
    assert out <= {
        "https://doi.org/10.1109/TMI.2022.3151606",
        "http://humanheart-project.creatis.insa-lyon.fr/medicaid.html",
    }


def test_the_navigation_names_every_page_once():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"[\w/]+\.md$", text.split("\nnav:\n")[1], re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) == WRITTEN | GENERATED


def test_nothing_is_loaded_from_elsewhere():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert settings["theme"]["font"] is False
    assert not any("://" in str(value) for key in ("extra_css", "extra_javascript") for value in settings.get(key, ()))


def test_links_of_the_readme_to_its_own_headings_have_a_page():
    assert set(links.README_SECTIONS) <= github_anchors(ROOT / "README.md")


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
