"""The page in headless Chromium: from an upload to a downloaded CSV, by mouse and by keys, and with mistakes."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from browser import launch
from pydicom import examples

import cpwc_keras.cli
from cpwc_keras.app.limits import Limits
from cpwc_keras.app.server import serving
from cpwc_keras.io.video import write_video

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


def open_contour(page):
    page.locator("input[type=file]").nth(1).set_input_files(CONTOUR)
    page.wait_for_selector("#editor .apex", state="attached")


def track(page):
    page.click("#track")
    page.wait_for_selector(".cards", state="visible")


def at(page, x, y):
    """Where on the screen a point of the image is."""
    return page.evaluate(
        "([x, y]) => { const matrix = document.querySelector('#editor svg').getScreenCTM();"
        "const at = new DOMPoint(x + 0.5, y + 0.5).matrixTransform(matrix); return [at.x, at.y]; }",
        [x, y],
    )


def wait_for_frame(page, frame):
    page.wait_for_function(f"document.querySelector('#editor .caption').textContent.split(' ')[1] == '{frame}'")


def test_from_the_dicom_to_the_csv(page, tmp_path):
    open_dicom(page)
    open_contour(page)
    choose(page, "dis")
    track(page)
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
    for count, (x, y) in enumerate([(122, 121), (135, 45), (163, 119)], 1):
        page.mouse.click(*at(page, x, y))
        page.wait_for_function(f"document.querySelectorAll('#editor .point').length == {count if count < 3 else 9}")
    page.mouse.move(*at(page, 135, 45))
    page.mouse.down()
    page.mouse.move(*at(page, 137, 40), steps=4)
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
    page.mouse.dblclick(*at(page, *third))
    page.wait_for_function("document.querySelectorAll('#editor .point').length == 8")
    assert saved() != before, "the second time, too, it is what is shown"


def test_a_bad_file_is_one_sentence(page, tmp_path):
    path = tmp_path / "Doe^Jane.dcm"
    path.write_bytes(b"\0" * 128 + b"DICM" + b"nonsense")
    page.set_input_files("#loop-file input[type=file]", path)
    page.wait_for_selector("#status .error")
    text = page.inner_text("#status .error")
    assert "The file" in text and "Jane" not in text and "Traceback" not in text and "\n" not in text.strip()
    page.wait_for_selector("#loop-file input[type=file]", state="attached")
    assert "Jane" not in page.inner_text("body")
    open_dicom(page)


def test_cancelled_midway(page, address):
    open_dicom(page)
    open_contour(page)
    page.click("#track")
    page.wait_for_selector("#status:has-text('Tracking: ')")
    page.click("#cancel")
    page.wait_for_selector("#status:has-text('Cancelled')")
    assert not any(session.busy for session in address[1]._known.values())
    assert page.locator("#track").is_enabled() and not page.locator(".cards").is_visible()


def test_frames_by_keys_and_as_a_film(page):
    open_dicom(page)
    page.wait_for_selector("#editor .play:not([disabled])")
    page.focus("#editor .editor")
    for key, frame in (("ArrowRight", 1), ("PageDown", 11), ("End", 29), ("ArrowRight", 29), ("ArrowLeft", 28)):
        page.keyboard.press(key)
        wait_for_frame(page, frame)
    page.keyboard.press("Home")
    wait_for_frame(page, 0)
    assert page.input_value("#frame input[type=range]") == "0"
    page.keyboard.press("Space")
    wait_for_frame(page, 25)
    page.keyboard.press("Space")
    page.wait_for_selector("#editor .play:has-text('Play')")
    stopped = page.inner_text("#editor .caption").split()[1]
    assert stopped == page.input_value("#frame input[type=range]"), "the page is where the film has stopped"


def test_points_by_keys(page):
    open_dicom(page)
    open_contour(page)
    count = page.locator("#editor .point").count()
    page.focus("#editor .point >> nth=3")
    before = float(page.get_attribute("#editor .point >> nth=3", "cy"))
    page.keyboard.press("Shift+ArrowUp")
    page.wait_for_function(f"document.querySelectorAll('#editor .point')[3].getAttribute('cy') == {before - 5}")
    page.wait_for_function("document.activeElement.dataset.index == '3'")
    page.keyboard.press("Delete")
    page.wait_for_function(f"document.querySelectorAll('#editor .point').length == {count - 1}")
    page.keyboard.press("Control+z")
    page.wait_for_function(f"document.querySelectorAll('#editor .point').length == {count}")


def test_a_result_is_hidden_with_another_contour_and_comes_back(page):
    open_dicom(page)
    open_contour(page)
    choose(page, "dis")
    track(page)
    page.mouse.dblclick(*at(page, *json.loads(CONTOUR.read_text())["points"][3]))
    page.wait_for_selector(".cards", state="hidden")
    page.click("#undo")
    page.wait_for_selector(".cards", state="visible")


def test_a_video_asks_for_the_size_of_its_pixels(page, tmp_path):
    speckle = np.random.default_rng(0).integers(0, 255, (4, 60, 80), np.uint8)
    write_video(tmp_path / "loop.mp4", np.kron(speckle, np.ones((1, 2, 2), np.uint8))[..., None].repeat(3, -1), 20)
    page.set_input_files("#loop-file input[type=file]", tmp_path / "loop.mp4")
    page.wait_for_selector(".facts .unknown")
    assert "lengths are in px" in page.inner_text("#scale")
    page.get_by_label("Row, mm").fill("0,5")
    page.click("#apply")
    page.wait_for_selector(".facts dd:has-text('0.5 × 0.5 mm')")


def test_what_is_closed_is_gone(page, address):
    open_dicom(page)
    open_contour(page)
    choose(page, "dis")
    track(page)
    folder = address[1].root
    assert list(folder.glob("visit-*/loop-*")) and list(folder.glob("visit-*/result-*/*"))
    page.click("#close")
    page.wait_for_selector("#editor .empty", state="visible")
    page.wait_for_selector(".cards", state="hidden")
    assert not list(folder.glob("visit-*/*"))
