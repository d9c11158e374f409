import base64
import re
from html.parser import HTMLParser
from importlib.resources import files

import cv2
import numpy as np
import pytest
from study_results import TRACKERS, frames_of, results

from cpwc_keras.errors import InputError
from cpwc_keras.io.video import read_video
from cpwc_keras.studies.page import page
from cpwc_keras.studies.report import write_report
from cpwc_keras.studies.videos import best_and_worst, write_case_still, write_case_video

SETTINGS = {
    "dataset": "sequences",
    "limit": None,
    "views": (),
    "composition": True,
    "trackers": {"dis": "dis", "a": "b"},
}
VOID = {"meta", "img", "link", "br"}


class Page(HTMLParser):
    """The text of a page, its tags, and whether each is closed in its turn."""

    def __init__(self, source):
        super().__init__()
        self.open, self.tags, self.texts, self.ids = [], [], [], []
        self.feed(source)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return "".join(self.texts)

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def frames_for(made):
    count = {(r.case.dataset, r.case.name): r.frames for r in made if not r.error}
    return lambda case: frames_of(count[case.dataset, case.name])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A report on everything at once, with names that would break a careless page."""
    folder = tmp_path_factory.mktemp("report")
    trackers = (TRACKERS[1], TRACKERS[5])
    made = results("motion", 5, trackers, fail={(trackers[1], 1)})
    made += results("contours", 2, trackers, dataset="camus stills") + results("loop", 1, trackers)
    paths = write_report(folder, made, "On <b>hearts</b> & $x$", SETTINGS, frames_for(made))
    return folder, made, paths, Page((folder / "report.html").read_text(encoding="utf-8"))


def test_all_files_are_there_and_named(written):
    folder, _, paths, _ = written
    assert len(set(paths)) == len(paths)
    assert {path for path in folder.rglob("*") if path.is_file()} == set(paths)
    assert {path.name for path in paths} >= {"results.csv", "timing.csv", "table.md", "report.html"}
    assert paths[-1].name == "report.html"


def test_the_page_is_whole_and_alone(written):
    folder, _, _, html = written
    source = (folder / "report.html").read_text(encoding="utf-8")
    assert not html.of("script") and not html.of("link")
    assert not re.search(r"https?://|@import|url\(", source), "nothing is fetched"
    assert all(image["src"].startswith("data:image/") for image in html.of("img"))
    targets = [link["href"] for link in html.of("a")]
    assert {t[1:] for t in targets if t.startswith("#")} == set(html.ids)
    assert all((folder / t).is_file() for t in targets if not t.startswith("#"))
    assert "prefers-color-scheme: dark" in source


def test_names_are_text(written):
    folder, made, _, html = written
    assert html.of("b") == [] and html.of("best") == [] and html.of("useless") == []
    assert "On <b>hearts</b> & $x$" in html.text and made[-1].tracker in html.text
    assert "On \\<b>hearts\\</b> & $x$" in (folder / "table.md").read_text(encoding="utf-8")


def test_failures_are_listed_with_their_sentence(written):
    folder, made, _, html = written
    failed = [result for result in made if result.error]
    assert len(failed) == 1
    for result in failed:
        assert f"{result.tracker} on {result.case.name}" in html.text and result.error in html.text
        assert result.error in (folder / "results.csv").read_text(encoding="utf-8")
    assert "4 (1 failed)" in html.text and "1 of 16 results failed" in html.text


def test_the_page_shows_every_table_figure_and_film(written):
    folder, _, paths, html = written
    plots = [path for path in paths if path.parent.name == "figures"]
    films = [path for path in paths if path.suffix == ".jpg"]
    embedded = {base64.b64decode(image["src"].partition(",")[2]) for image in html.of("img")}
    assert embedded == {path.read_bytes() for path in (*plots, *films)}
    assert len(html.of("img")) == len(plots) + len(films)
    text = html.text
    for words in ("Tables V and VI", "not the paper's experiment", "closes perfectly", "c-PWC-Net-60A"):
        assert words in text
    assert "trackersdis, a = b" in text and "limit–" in text and "compositionyes" in text and "numpy" in text
    assert (folder / "table.md").read_text(encoding="utf-8").count("\n## ") == 4


def test_a_film_for_best_and_worst_of_each_tracker(written):
    _, _, paths, _ = written
    stills = [path.stem for path in paths if path.suffix == ".jpg"]
    videos = [path.stem for path in paths if path.suffix == ".mp4"]
    assert len(stills) == 2 * (2 + 2 + 1), "best and worst of two parts, the only case of the loops"
    assert set(stills) - set(videos) == {stem for stem in stills if stem.startswith("camus-stills")}


def test_the_same_results_give_the_same_bytes(tmp_path):
    made = results("motion", 5, TRACKERS[1:2]) + results("loop", 1, TRACKERS[1:2])
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_report(tmp_path / name, made, "again", {}, frames_for(made))
    one = sorted(path for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(one) == 4 + 9 + 1 + 2 * 3, "four pages, plots, the loop's, stills and films"
    for path in one:
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path.name


def test_without_frames_there_are_no_films(tmp_path):
    made = results("motion", 2, ("dis", "zero"))
    paths = write_report(tmp_path, made, "tables and plots", {}, None)
    assert not (tmp_path / "videos").exists() and paths[-1].is_file()
    assert "Best and worst" not in paths[-1].read_text(encoding="utf-8")


def test_a_case_that_cannot_be_read_again_is_said(tmp_path):
    def gone(case):
        raise InputError(f"{case.name}.h5: found no file.")

    paths = write_report(tmp_path, results("motion", 1, ("dis",)), "moved", {}, gone)
    text = Page(paths[-1].read_text(encoding="utf-8")).text
    assert "patient0000_clean is not shown: patient0000_clean.h5: found no file." in text


def test_nothing_measured_is_a_page_of_sentences(tmp_path):
    made = results("motion", 2, ("dis",), fail={("dis", 0), ("dis", 1)})
    paths = write_report(tmp_path, made, "nothing", {}, frames_for(made))
    html = Page(paths[-1].read_text(encoding="utf-8"))
    assert html.of("img") == [] and "2 of 2 results failed" in html.text and made[0].error in html.text


def test_notes_are_counted():
    html = Page(page("t", "l", [], [], {"No end-systole <is> marked.": 3, "One.": 1}, {}, {}))
    assert "3 resultsNo end-systole <is> marked." in html.text and "1 resultOne." in html.text


def test_best_and_worst_go_by_contours_then_motion_then_drift():
    made = results("contours", 4, ("dis",))
    ranked = sorted(made, key=lambda r: r.scalars["d_m_mm"])
    assert best_and_worst(made) == [("best", ranked[0]), ("worst", ranked[-1])]
    loops = results("loop", 3, ("dis",))
    ranked = sorted(loops, key=lambda r: r.curves["drift_mm"].mean())
    assert best_and_worst(loops) == [("best", ranked[0]), ("worst", ranked[-1])]
    assert [which for which, _ in best_and_worst(made[:1])] == ["only"]
    assert best_and_worst(results("motion", 1, ("dis",), fail={("dis", 0)})) == []


def test_the_still_shows_where_a_contour_is_wrong(tmp_path):
    (made,) = results("contours", 1, ("zero",))
    assert made.scalars["d_m_mm"] > 0.5
    write_case_still(tmp_path / "still.jpg", made, np.zeros((made.frames, 180, 160), np.float32))
    picture = cv2.imread(str(tmp_path / "still.jpg"))[40:-60, :, ::-1].astype(int)  # without the letters
    width = picture.shape[1] // 2
    red, green, blue = np.moveaxis(picture, -1, 0)
    teal, warm = (green > 140) & (red < 110), (red > 180) & (blue < 130)
    white = picture.min(axis=-1) > 200
    assert teal[:, : width - 6].sum() > 500 and warm[:, :width].sum() < 50, "at end-diastole all is right"
    assert warm[:, width:].sum() > 200, "at end-systole the base is far off"
    assert white[:, width + 6 :].sum() > 200, "the reference is white"


def test_unmarked_end_systole_is_sought_in_the_first_beat(tmp_path):
    (made,) = results("loop", 1, ("dis",))
    first = int(np.argmin(made.curves["strain"][: int(made.curves["closure_frame"][0])]))
    assert first < np.argmin(made.curves["strain"]), "the loop drifts, so the last beat is the deepest"
    frames = np.zeros((made.frames, 180, 160), np.float32)
    write_case_still(tmp_path / "sought.jpg", made, frames)
    frames[first] = 1
    write_case_still(tmp_path / "lit.jpg", made, frames)
    sought, lit = (cv2.imread(str(tmp_path / name)).mean(axis=(0, 2)) for name in ("sought.jpg", "lit.jpg"))
    middle = len(lit) // 2
    np.testing.assert_allclose(sought[: middle - 20], lit[: middle - 20], atol=2)
    assert (lit[middle + 20 :] > sought[middle + 20 :] + 100).all()


def test_the_video_has_every_frame_and_shows_a_loop_without_reference(tmp_path):
    (made,) = results("loop", 1, ("dis",))
    write_case_video(tmp_path / "loop.mp4", made, frames_of(made.frames))
    assert len(read_video(tmp_path / "loop.mp4")) == made.frames


def test_the_paper_and_the_style_are_in_the_package():
    folder = files("cpwc_keras.studies")
    assert folder.joinpath("paper_tables.csv").is_file() and folder.joinpath("page.css").is_file()
