"""What the page does, without a page."""

import json
import os
import threading
import time
from contextlib import suppress

import cv2
import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpwc_keras.app import pictures, view, work
from cpwc_keras.app.choices import Choices
from cpwc_keras.app.drawing import HINTS, Drawing, lit_box
from cpwc_keras.app.limits import Limits
from cpwc_keras.app.proposal import propose_contour
from cpwc_keras.app.session import Session
from cpwc_keras.app.visits import Sessions
from cpwc_keras.app.words import number, time_left
from cpwc_keras.errors import InputError
from cpwc_keras.io.contours import Contour, check_points, write_contour
from cpwc_keras.io.video import write_video
from cpwc_keras.types import CineLoop

SHAPE = (96, 112)
BASE_AND_APEX = np.array([(38.0, 78.0), (56.0, 18.0), (76.0, 78.0)])


def beating(frames=6):
    """Speckle that shrinks towards the base's middle and comes back."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
    rng = np.random.default_rng(0)
    kx, ky, phase = rng.uniform(-0.8, 0.8, (3, 60))
    scales = 1 + 0.1 * np.sin(np.pi * np.arange(frames) / (frames - 1))
    waves = list(zip(kx, ky, 9 * phase, strict=True))
    images = [np.mean([np.cos((a * (x - 57) + b * (y - 78)) * s + p) for a, b, p in waves], 0) for s in scales]
    return ((np.array(images) * 2 + 1) / 2).clip(0, 1).astype(np.float32)


@pytest.fixture
def session(tmp_path):
    session = Session(tmp_path / "visit", Limits())
    session.loop = CineLoop(beating(), (0.5, 0.5), 25.0, source="/data/Jane_Doe.dcm", patient="Jane Doe")
    session.drawing = Drawing(SHAPE)
    session.sha256 = "0" * 64
    return session


def draw(session):
    for x, y in BASE_AND_APEX:
        session.edit("add", 0, x=x, y=y)


def test_a_proposal_passes_through_the_clicks_and_follows_any_affine_map():
    points = propose_contour(*BASE_AND_APEX)
    np.testing.assert_allclose(points[[0, 4, 8]], BASE_AND_APEX, atol=1e-9)
    check_points(points)
    matrix = np.array([[0.7, 0.3], [-0.2, 1.1]])
    np.testing.assert_allclose(propose_contour(*(BASE_AND_APEX @ matrix + 5)), points @ matrix + 5, atol=1e-9)
    with pytest.raises(InputError, match="on a line"):
        propose_contour((0, 0), (5, 0.1), (10, 0))


def test_three_clicks_then_adjust():
    drawing = Drawing(SHAPE)
    for index, (x, y) in enumerate(BASE_AND_APEX):
        assert drawing.hint == HINTS[index]
        drawing.add(x, y)
    assert len(drawing.points) == 9 and drawing.complete
    assert np.linalg.norm(drawing.apex() - BASE_AND_APEX[1]) < 6, "the furthest point, near the click"
    drawing.check()
    proposed = drawing.points
    drawing.add(2, 2)
    assert drawing.points is proposed, "a stray click tears nothing"
    middle = drawing.curve(901)[450] + 0.5
    drawing.move(4, *(BASE_AND_APEX[1] - [0, 3]))
    drawing.undo()
    np.testing.assert_array_equal(drawing.points, proposed)
    drawing.delete(4)
    drawing.add(*middle)
    assert len(drawing.points) == 9 and np.allclose(drawing.points[4], middle), "between its neighbours"
    drawing.move(0, -50, 1e9)
    np.testing.assert_array_equal(drawing.points[0], [0, SHAPE[0] - 1])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("add", "move", "delete", "undo")), st.integers(-2, 12),
                          st.floats(-20, 140), st.floats(-20, 140)), max_size=25), st.booleans())  # fmt: skip
def test_no_clicks_break_the_drawing(clicks, three):
    drawing = Drawing(SHAPE)
    drawing.three_clicks = three
    for kind, index, x, y in clicks:
        arguments = {"add": (x, y), "move": (index, x, y), "delete": (index,), "undo": ()}[kind]
        with suppress(InputError):
            getattr(drawing, kind)(*arguments)
        assert np.isfinite(drawing.curve()).all() and drawing.hint
        assert (drawing.points >= 0).all() and (drawing.points <= np.array(SHAPE)[::-1] - 1).all()


def test_a_tracked_loop_and_its_files(session):
    draw(session)
    seen = []
    work.track_session(session, Choices("dis", dense=True), lambda *what: seen.append(what))
    fractions = [fraction for _, fraction in seen]
    assert fractions == sorted(fractions) and 0.9 < fractions[-1] <= 1
    result = session.result
    assert result.gls < -5 and 0 < result.es < 5 and result.es_estimated
    files = session.outcome.files
    assert set(files) == set(work.DOWNLOADS) and all(path.stat().st_size for path in files.values())
    assert files["PDF"].read_bytes().startswith(b"%PDF") and files["MP4"].stat().st_size > 1000
    written = b"".join(path.read_bytes() for path in files.values())
    assert b"Jane" not in written and b"Doe" not in written and str(session.folder).encode() not in written
    assert json.loads(files["JSON"].read_text())["settings"]["tracker"] == "dis"
    with h5py.File(files["HDF5"]) as file:
        assert file["flow"].shape == (5, *SHAPE, 2)

    flow = work.motion(session, work.liveliest_frame(result))
    assert "Nothing moves" in pictures.motion_picture(session.loop, result, 0 * flow, 0)
    for picture in (
        pictures.motion_picture(session.loop, result, flow, 0),
        pictures.regions_picture(result),
        pictures.headline(result) + pictures.table(result) + pictures.notes_list(result.notes),
    ):
        assert "Jane" not in picture and len(picture) > 400
    shown = view.frame_view(session, 2)
    assert shown["kind"] == "tracked" and view.frame_view(session, 0)["editable"]
    assert shown["tracked"] == view.tracks(session)["number"] and len(view.tracks(session)["contours"]) == 6

    work.mark_es(session, 4)
    assert session.result.es == 4 and not session.result.es_estimated
    assert json.loads(session.outcome.files["JSON"].read_text())["es_frame"] == 4 and not files["JSON"].exists()
    work.mark_es(session, None)
    assert session.result.es == result.es
    session.edit("undo", 0)
    assert session.result is None, "a result is that of its contour"


def test_a_result_comes_back_with_its_contour(session):
    draw(session)
    session.edit("move", 0, 0, 39, 79)
    work.track_session(session, Choices("zero"), lambda *what: None)
    work.mark_es(session, 3)
    first = session.outcome
    session.edit("add", 0, x=2, y=2)  # a stray click
    assert session.outcome is first
    session.edit("move", 0, 4, 56, 20)
    session.es = 1
    assert session.outcome is None
    session.edit("undo", 0)
    assert session.outcome is first and session.es == 3 and all(path.exists() for path in first.files.values())
    session.edit("undo", 0)
    assert session.outcome is None
    work.track_session(session, Choices("zero"), lambda *what: None)
    assert not any(path.exists() for path in first.files.values()) and session.outcome is not first


def test_the_film_is_the_loop(session):
    told = view.film(session)
    with open(told["file"], "rb") as file:
        pictures_of = np.split(np.frombuffer(file.read(), np.uint8), told["ends"])
    assert len(pictures_of) == 7 and not pictures_of[6].size
    for picture, frame in zip(pictures_of, session.loop.frames, strict=False):
        seen = cv2.imdecode(picture, cv2.IMREAD_GRAYSCALE)
        assert np.abs(seen / 255 - frame**0.6).mean() < 0.02
    frames = np.zeros((2, 100, 200), np.float32)
    assert lit_box(frames) == (0, 0, 200, 100)
    frames[1, 20:60, 50:120] = 0.1
    assert lit_box(frames) == (48, 18, 74, 44)


def test_numbers_are_read_as_people_write_them():
    assert number(" 0,51 ", "spacing") == number("0.51", "spacing") == 0.51 and number("", "spacing") is None
    for bad in ("abc", "0", "-1", "nan", "inf", "1 2"):
        with pytest.raises(InputError, match=f"The spacing must be a positive number, got '{bad}'"):
            number(bad, "spacing")


def test_the_time_that_is_left():
    assert time_left(4, 0.5) == "" and time_left(60, 0) == "" and time_left(60, 1) == ""
    assert time_left(30, 0.5) == ", some 30 s left" and time_left(60, 0.2) == ", some 4 min left"


def test_cancel_stops_the_work(session, monkeypatch):
    draw(session)
    steps = []

    def slow(first, second):
        steps.append(time.monotonic())
        time.sleep(0.05)
        return np.zeros((*first.shape, 2), np.float32)

    monkeypatch.setattr(work, "as_tracker", lambda *names: (slow, "slow"))
    raised = []

    def run():
        try:
            work.track_session(session, Choices("zero"), lambda *what: None)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while len(steps) < 2:
        time.sleep(0.01)
    with pytest.raises(InputError, match="still running"), session.working():
        pass
    for change in (lambda: session.mark_ed(1), lambda: session.edit("undo", 0), lambda: work.mark_es(session, 1)):
        with pytest.raises(InputError, match="still running"):  # the result is to be that of the contour shown
            change()
    session.cancel.set()
    thread.join(5)
    assert isinstance(raised[0], work.Cancelled) and len(steps) < 5
    assert session.result is None and not session.busy and not list(session.folder.iterdir())
    session.cancel.clear()
    session.limits = Limits(tracking_s=0)
    with pytest.raises(InputError, match="took more than 0 min"):
        work.track_session(session, Choices("zero"), lambda *what: None)


def test_choices_are_those_of_the_list():
    for bad in (
        {"tracker": "os:system"},
        {"tracker": "/etc/passwd"},
        {"reach": 0},
        {"reach": 99},
        {"precision": "int4"},
    ):
        with pytest.raises(InputError):
            Choices(**bad)


def test_contours_and_frames(session, tmp_path):
    with pytest.raises(InputError, match="no contour yet"):
        session.contour()
    draw(session)
    with pytest.raises(InputError, match="belongs to frame 0"):
        session.edit("add", 3, x=5, y=5)
    session.mark_ed(3)
    session.edit("move", 3, 0, 39, 79)
    assert session.contour().frame == 3
    with pytest.raises(InputError, match="both frame 3"):
        work.mark_es(session, 3)
    with pytest.raises(InputError, match="0-5"):
        session.mark_ed(6)
    write_contour(tmp_path / "Jane.json", Contour(session.drawing.points, 1, SHAPE, 4, "Jane Doe"))
    assert session.open_contour(tmp_path / "Jane.json") == ()
    assert (session.ed, session.es) == (1, 4) and session.contour().note == ""
    np.savetxt(tmp_path / "points.csv", session.drawing.points[::-1], delimiter=",")
    assert "reversed" in " ".join(session.open_contour(tmp_path / "points.csv"))
    write_contour(tmp_path / "other.json", Contour(session.drawing.points, 1, (48, 56)))
    with pytest.raises(InputError, match=r"48×56 image, expected 96×112 .*; for this loop, draw it here, or open"):
        session.open_contour(tmp_path / "other.json")
    for name, content in (("bad.json", "{"), ("Jane.csv", "1,2\n3"), ("Jane.txt", "")):
        (tmp_path / name).write_text(content)
        with pytest.raises(InputError, match="contour file") as error:
            session.open_contour(tmp_path / name)
        assert "Jane" not in str(error.value)


def test_files_are_read_apart_and_bounded(tmp_path):
    sessions = Sessions(tmp_path, Limits(pixels=20 * 96 * 112, reading_s=60))
    session = sessions.of("a")
    rgb = np.repeat((beating(4) * 255).astype(np.uint8)[..., None], 3, -1)
    write_video(tmp_path / "Doe^Jane.mp4", rgb, 25)
    session.open(tmp_path / "Doe^Jane.mp4")
    assert session.loop.spacing_mm is None
    session.reopen((0.4, 0.5))
    assert session.loop.frames.shape == (4, *SHAPE) and session.loop.spacing_mm == (0.4, 0.5)
    assert [path.name for path in session.folder.iterdir()] == ["loop-1.mp4"], "the name may be a patient's"
    (tmp_path / "Doe^Jane.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"nonsense")
    with pytest.raises(InputError) as error:
        session.open(tmp_path / "Doe^Jane.dcm")
    assert "Jane" not in str(error.value) and "\n" not in str(error.value) and str(tmp_path) not in str(error.value)
    assert session.loop is not None and len(list(session.folder.iterdir())) == 1, "what was open stays"
    (tmp_path / "Doe^Jane.txt").write_text("Jane")
    with pytest.raises(InputError, match="no cine loop that can be read here"):
        session.open(tmp_path / "Doe^Jane.txt")
    session.limits = Limits(upload_bytes=100)
    with pytest.raises(InputError, match="at most 0 are taken"):
        session.open(tmp_path / "Doe^Jane.mp4")
    session.limits = Limits(reading_s=0.01)
    with pytest.raises(InputError, match=r"more than 0\.01 s"):
        session.open(tmp_path / "Doe^Jane.mp4")


def test_visitors_are_kept_apart_and_leave_nothing(tmp_path):
    sessions = Sessions(tmp_path, Limits(sessions=2))
    one, other = sessions.of("a"), sessions.of("b")
    assert one is sessions.of("a") is not other and one.folder != other.folder
    with pytest.raises(InputError, match="2 people"):
        sessions.of("c")
    (one.folder / "file").write_text("x")
    with one.working():
        sessions.drop("a")
        assert one.cancel.is_set() and one.folder.exists(), "what runs may still write there"
    assert not one.folder.exists() and other.folder.exists()
    other.used -= 1e6
    sessions.sweep()
    assert len(sessions) == 0 and not other.folder.exists()
    with pytest.raises(InputError, match="ended"), other.working():
        pass
    sessions.close()
    with pytest.raises(InputError, match="ended"):
        sessions.of("d")


def test_uploads_are_taken_away_from_where_they_arrive(tmp_path):
    sessions = Sessions(tmp_path, Limits())
    arrived = tmp_path / ("0" * 64) / "Doe^Jane.nii.gz"

    def arrive():
        arrived.parent.mkdir(exist_ok=True)
        arrived.write_text("x")

    arrive()
    with sessions.upload(arrived) as taken:
        assert taken.read_text() == "x" and taken.name.endswith(".nii.gz") and "Jane" not in taken.name
        assert not arrived.parent.exists()
        arrive()  # another visitor's of the same content
    assert not taken.exists() and arrived.exists()
    for name, end in (("Jane.JSON", ".json"), ("Jane 2.csv", ".csv"), ("Jane.png", ".png"), ("Jane.doe", "")):
        (tmp_path / ("1" * 64)).mkdir()
        (tmp_path / ("1" * 64) / name).touch()
        with sessions.upload(tmp_path / ("1" * 64) / name) as taken:  # contours are known by the ends of their names
            assert taken.suffix == end and "Jane" not in taken.name
    with pytest.raises(InputError, match="no longer there"), sessions.upload(arrived.with_name("gone.dcm")):
        pass
    visit = sessions.of("a")
    (visit.folder / "loop-1.dcm").write_text("x")
    (tmp_path / "serving.lock").write_text("x")
    for other in (visit.folder / "loop-1.dcm", tmp_path / "serving.lock", tmp_path.parent / "x" / "y"):
        with pytest.raises(InputError, match="no upload"), sessions.upload(other):
            pass
    sessions.sweep()
    assert arrived.exists()
    hour_ago = time.time() - 3600
    for path in (arrived.parent, visit.folder, tmp_path / "serving.lock"):
        os.utime(path, (hour_ago, hour_ago))
    sessions.sweep()
    assert not arrived.parent.exists(), "nobody has opened it"
    assert (visit.folder / "loop-1.dcm").exists() and (tmp_path / "serving.lock").exists()


def test_what_did_not_arrive_whole_is_deleted_once_nothing_arrives(tmp_path):
    sessions, part = Sessions(tmp_path, Limits()), tmp_path / "tmpabcdefgh"
    with sessions.uploading():
        with pytest.raises(ConnectionError), sessions.uploading():
            part.write_text("x")
            raise ConnectionError
        assert part.exists(), "it may be the other's"
    assert not part.exists()


def test_the_end_waits_for_what_still_writes(tmp_path):
    sessions = Sessions(tmp_path, Limits())
    session, begun = sessions.of("a"), threading.Event()

    def work_on():
        with session.working():
            begun.set()
            session.cancel.wait()
            (session.folder / "late").mkdir(parents=True)

    thread = threading.Thread(target=work_on)
    thread.start()
    begun.wait()
    sessions.close(wait_s=60)
    assert not session.busy
    thread.join()
    assert not session.folder.exists()
