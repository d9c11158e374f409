"""The page in headless Chromium: from an upload to a downloaded CSV, with a bad file, and cancelled midway."""

import csv
import json
from pathlib import Path

import pytest
from browser import launch
from pydicom import examples

import cpwc_keras.cli
from cpwc_keras.app.limits import Limits
from cpwc_keras.app.server import serving

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="driving a browser needs playwright")
pytest.importorskip("gradio", reason="the page needs Gradio (the extra `app`)")
RECORDING = examples.get_path("ybr_color")
CONTOUR = Path(cpwc_keras.cli.__file__).parent / "assets" / "demo_contour.json"
LONG_MS = 300_000


@pytest.fixture(scope="module")
def address():
    with serving(lambda: None, limits=Limits(reading_s=900, tracking_s=7200)) as (address, sessions):
        yield address, sessions


@pytest.fixture
def page(address):
    with playwright.sync_playwright() as driver:
        browser = launch(driver)
        page = browser.new_page(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
        page.set_default_timeout(LONG_MS)
        page.foreign = []

        def watch(request):
            if not request.url.startswith((address[0], "data:", "blob:")):
                page.foreign.append(request.url)

        page.on("request", watch)
        page.goto(address[0])
        yield page
        assert not page.foreign, "nothing comes from elsewhere"
        browser.close()


def choose(page, tracker):
    page.click("button:has-text('Settings')")
    page.click("#tracker input")
    page.get_by_role("option", name=tracker, exact=True).click()


def open_dicom(page):
    page.set_input_files("#loop-file input[type=file]", RECORDING)
    page.wait_for_selector(".facts dd:has-text('30')")


def test_from_the_dicom_to_the_csv(page, tmp_path):
    open_dicom(page)
    page.locator("input[type=file]").nth(1).set_input_files(CONTOUR)
    page.wait_for_selector("#editor .apex", state="attached")
    choose(page, "dis")
    page.click("#track")
    page.wait_for_selector(".cards")
    assert "GLS" in page.inner_text(".cards") and "mm" in page.inner_text(".cards")
    with page.expect_download() as download:
        page.click("#download-csv")
    path = tmp_path / "strain.csv"
    download.value.save_as(path)
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30 and abs(float(rows[22]["strain_percent"])) < 1e-6
    assert -40 < min(float(row["strain_percent"]) for row in rows) < -5


def test_three_clicks_and_a_drag(page):
    open_dicom(page)
    page.wait_for_selector("#editor svg image", state="attached")

    def at(x, y):
        return page.evaluate(
            "([x, y]) => { const matrix = document.querySelector('#editor svg').getScreenCTM();"
            "const at = new DOMPoint(x + 0.5, y + 0.5).matrixTransform(matrix); return [at.x, at.y]; }",
            [x, y],
        )

    for count, (x, y) in enumerate([(122, 121), (135, 45), (163, 119)], 1):
        page.mouse.click(*at(x, y))
        page.wait_for_function(f"document.querySelectorAll('#editor .point').length == {count if count < 3 else 9}")
    page.mouse.move(*at(135, 45))
    page.mouse.down()
    page.mouse.move(*at(137, 40), steps=4)
    page.mouse.up()
    moved = "Math.abs(document.querySelectorAll('#editor .point')[4].getAttribute('cy') - 40) < 1"
    page.wait_for_function(f"{moved} && !document.querySelector('#editor .moving')")
    page.click("#undo")
    page.wait_for_function("Math.abs(document.querySelectorAll('#editor .point')[4].getAttribute('cy') - 45) < 1")

    def saved():
        with page.expect_download() as download:
            page.click("#save")
        return json.loads(Path(download.value.path()).read_text())["points"]

    before = saved()
    third = page.evaluate(
        "(() => { const third = document.querySelectorAll('#editor .point')[2];"
        "return ['cx', 'cy'].map((name) => Number(third.getAttribute(name))); })()"
    )
    page.mouse.dblclick(*at(*third))
    page.wait_for_function("document.querySelectorAll('#editor .point').length == 8")
    assert saved() != before, "the second time, too, it is what is shown"


def test_a_bad_file_is_one_sentence(page, tmp_path):
    path = tmp_path / "Doe^Jane.dcm"
    path.write_bytes(b"\0" * 128 + b"DICM" + b"nonsense")
    page.set_input_files("#loop-file input[type=file]", path)
    page.wait_for_selector("#status .error")
    text = page.inner_text("#status")
    assert "The file" in text and "Jane" not in text and "Traceback" not in text and "\n" not in text.strip()


def test_cancelled_midway(page, address):
    open_dicom(page)
    page.locator("input[type=file]").nth(1).set_input_files(CONTOUR)
    page.wait_for_selector("#editor .apex", state="attached")
    page.click("#track")
    page.wait_for_selector("#status:has-text('Tracking: ')")
    page.click("#cancel")
    page.wait_for_selector("#status:has-text('Cancelled')")
    assert not any(session.busy for session in address[1]._known.values())
    assert page.locator("#track").is_enabled() and not page.locator(".cards").is_visible()
