"""The site is built without a warning, needs nothing from elsewhere, and works opened from the disk."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from browser import launch
from documented import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    shutil.rmtree(ROOT / "build" / "docs_sources", ignore_errors=True)  # as in a fresh clone
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return folder


def test_the_site_has_every_page_and_loads_nothing_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        html = page.read_text(encoding="utf-8")
        assert "[!NOTE]" not in html and "[!WARNING]" not in html, page
        loaded = re.findall(r'<(?:script|img|iframe|source)[^>]+src="([^"]+)"|stylesheet" href="([^"]+)"', html)
        assert not [one for pair in loaded for one in pair if re.match(r"(https?:)?//", one)], page
    commands = (site / "reference/cli.html").read_text(encoding="utf-8")
    assert 'id="track"' in commands and "--contour" in commands
    api = (site / "reference/api/ops.html").read_text(encoding="utf-8")
    assert 'id="cpwc_keras.ops.warp.warp"' in api


@pytest.fixture
def open_page(site):
    playwright = pytest.importorskip("playwright.sync_api", reason="driving a browser needs playwright")
    with playwright.sync_playwright() as driver:
        browser = launch(driver)

        def opened(name, width):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.goto((site / name).as_uri())
            return page

        yield opened
        browser.close()


@pytest.mark.parametrize("width", [1280, 375])
def test_no_page_is_wider_than_the_screen_and_no_picture_is_broken(open_page, site, width):
    wide, broken = [], []
    for path in sorted(site.rglob("*.html")):
        page = open_page(path.relative_to(site).as_posix(), width)
        wide += [path.name] if page.evaluate("document.documentElement.scrollWidth > innerWidth") else []
        broken += page.evaluate("[...document.images].filter((image) => !image.naturalWidth).map((image) => image.src)")
        page.close()
    assert not wide and not broken


def test_search_and_dark_pages_work_from_the_disk(open_page):
    page = open_page("concepts/strain.html", 1280)
    figures = [page.locator(f"img[src$='#gh-{mode}-mode-only']") for mode in ("light", "dark")]
    assert [figure.is_visible() for figure in figures] == [True, False]
    page.click("label[title='Dark pages']")
    assert [figure.is_visible() for figure in figures] == [False, True]
    page.click(".md-search__input")
    page.keyboard.type("disagreement")
    page.wait_for_selector(".md-search-result__item")
    page.locator(".md-search-result__link").first.click()
    page.wait_for_url(re.compile(r"\?h="))
