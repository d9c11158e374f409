import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from ventricle import LATERAL, SEPTAL, SHAPE, endocardium, labels

from cpwc_keras.errors import InputError
from cpwc_keras.files import MADE_WITH
from cpwc_keras.io.contour_import import import_contour, save_contour
from cpwc_keras.io.contour_masks import contour_from_mask
from cpwc_keras.io.contours import Contour, read_contour, write_contour
from cpwc_keras.io.sequence_file import write_sequence
from cpwc_keras.types import CineLoop, Sequence

ARCH = endocardium()
BASE = np.array([SEPTAL, LATERAL])
LOOP = CineLoop(np.zeros((6, *SHAPE), np.float32), (0.5, 0.25), source="x/0X1A.avi")


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def refused(path, *arguments, **keywords):
    with pytest.raises(InputError) as error:
        import_contour(path, *arguments, **keywords)
    text = str(error.value)
    assert str(path) in text or "spacing" in text.lower()
    assert "\n" not in text
    return text


def labelme(points=ARCH, kind="polygon", label="endo"):
    shapes = [{"label": label, "points": np.asarray(points).tolist(), "shape_type": kind}]
    return {"version": "5", "shapes": shapes, "imageData": "…", "imageHeight": SHAPE[0], "imageWidth": SHAPE[1]}


def via(points=ARCH, kind="polygon"):
    across, down = np.asarray(points).T.tolist()
    region = {
        "shape_attributes": {"name": kind, "all_points_x": across, "all_points_y": down},
        "region_attributes": {"structure": "endo"},
    }
    return {"a.png123": {"filename": "a.png", "size": 123, "regions": [region], "file_attributes": {}}}


def coco(points=ARCH):
    return {
        "images": [{"id": 7, "file_name": "a.png", "height": SHAPE[0], "width": SHAPE[1]}],
        "annotations": [{"image_id": 7, "category_id": 3, "segmentation": [np.asarray(points).ravel().tolist()]}],
        "categories": [{"id": 3, "name": "endo"}],
    }


FOREIGN = {
    "bare list": ARCH.tolist(),
    "dictionaries": [{"x": x, "y": y} for x, y in ARCH],
    "points": {"points": ARCH.tolist()},
    "double clicks": np.repeat(ARCH, 2, axis=0).tolist(),
    "almost closed": [*ARCH.tolist(), (ARCH[0] + 1e-9).tolist()],
    "closed list": [*ARCH.tolist(), ARCH[0].tolist()],
    "own, closed": {"format": "cpwc-keras contour", "version": 1, "points": [*ARCH.tolist(), ARCH[0].tolist()]},
    "own, said to be closed": {"format": "cpwc-keras contour", "version": 1, "points": ARCH.tolist(), "closed": True},
    "LabelMe polygon": labelme(np.roll(ARCH, 13, axis=0)),
    "LabelMe line": labelme(kind="linestrip"),
    "VIA": via(np.roll(ARCH, 5, axis=0)),
    "VIA project": {"_via_settings": {}, "_via_img_metadata": via()},
    "VIA polyline": via(kind="polyline"),
    "VIA 1": {"k": {"filename": "a.png", "regions": {"0": via()["a.png123"]["regions"][0]}}},
    "COCO": coco(np.roll(ARCH, 20, axis=0)[::-1]),
    "COCO annotation": {"segmentation": [ARCH.ravel().tolist()]},
}


@pytest.mark.parametrize("form", FOREIGN)
def test_json_of_other_tools(tmp_path, form):
    contour, notes = import_contour(write(tmp_path, "c.json", FOREIGN[form]), LOOP, frame=2)
    np.testing.assert_allclose(contour.points, ARCH, atol=1e-9)
    assert (contour.frame, contour.image_size, contour.es_frame) == (2, SHAPE, None)
    assert contour.note.startswith("Imported from ") and "c.json" not in contour.note
    opened = any("opened at its base" in note for note in notes)
    assert opened == any(word in form for word in ("closed", "polygon", "VIA", "COCO")) - (form == "VIA polyline")


TABLES = {
    "x,y": lambda p: "x,y\n" + "\n".join(f"{x},{y}" for x, y in p),
    "none": lambda p: "\n".join(f"{x},{y}" for x, y in p),
    "Excel": lambda p: "X (px);Y (px)\r\n" + "\r\n".join(f"{x};{y}".replace(".", ",") for x, y in p),
    "columns": lambda p: "# made\nNo\ty_px\tx_px\n" + "\n".join(f"{i}\t{y}\t{x}" for i, (x, y) in enumerate(p)),
    "spaces": lambda p: "\n".join(f"  {x}   {y}" for x, y in p),
    "BOM": lambda p: "\ufeffX,Y\n" + "\n".join(f'"{x}",{y}' for x, y in p) + "\n\n",
    "frame": lambda p: "frame,x,y\n" + "\n".join(f"4,{x},{y}" for x, y in p),
}


@pytest.mark.parametrize("form", TABLES)
def test_tables(tmp_path, form):
    path = tmp_path / "c.csv"
    path.write_bytes(TABLES[form](ARCH).encode())
    contour, notes = import_contour(path)
    np.testing.assert_allclose(contour.points, ARCH, atol=1e-9)
    assert contour.frame == (4 if form == "frame" else 0) and contour.image_size is None
    assert any("frame was not given" in note for note in notes) == (form != "frame")


def test_points_from_right_to_left_are_reversed_or_kept(tmp_path):
    path = write(tmp_path, "c.csv", TABLES["x,y"](ARCH[::-1]))
    contour, notes = import_contour(path, frame=0)
    np.testing.assert_allclose(contour.points, ARCH, atol=1e-9)
    assert len(notes) == 1 and "reversed" in notes[0]
    contour, notes = import_contour(path, frame=0, keep_order=True)
    np.testing.assert_allclose(contour.points, ARCH[::-1], atol=1e-9)
    assert not notes


def test_millimetres_are_never_assumed(tmp_path):
    row_mm, col_mm = 0.5, 0.25
    path = write(tmp_path, "c.csv", TABLES["x,y"](ARCH * [col_mm, row_mm]))
    for keywords in ({"loop": LOOP}, {"spacing_mm": (row_mm, col_mm)}):
        np.testing.assert_allclose(import_contour(path, in_mm=True, **keywords)[0].points, ARCH, atol=1e-9)
    unit = write(tmp_path, "u.csv", TABLES["x,y"](ARCH).replace("x,y", "x [mm],y [mm]"))
    assert "give --mm" in refused(unit)
    assert "size of a pixel" in refused(path, in_mm=True)
    assert "give --mm too" in refused(path, spacing_mm=(1, 1))
    assert "positive" in refused(path, in_mm=True, spacing_mm=(0, 1))
    assert "are pixels" in refused(write(tmp_path, "l.json", labelme()), in_mm=True, spacing_mm=(1, 1))


def tracings(frames, name="0X1A.avi"):
    """Rows as EchoNet-Dynamic has them: the long axis, then 20 chords from the apex to the base."""
    rows = []
    for frame, scale in frames.items():
        side = endocardium(43, scale)
        rows.append([name, *side[21], *(side[0] + side[-1]) / 2, frame])
        rows += [[name, *side[k], *side[42 - k], frame] for k in range(20, 0, -1)]
    return rows


def tracing_file(tmp_path, rows):
    lines = [",".join(str(cell) for cell in row) for row in rows]
    return write(tmp_path, "VolumeTracings.csv", "\n".join(["FileName,X1,Y1,X2,Y2,Frame", *lines]))


def test_echonet_tracings(tmp_path):
    path = tracing_file(tmp_path, tracings({5: 0.8, 1: 1.0}))
    contour, notes = import_contour(path, LOOP)
    np.testing.assert_allclose(contour.points, endocardium(43)[1:-1], atol=1e-9)
    assert (contour.frame, contour.es_frame) == (1, 5) and "largest cavity" in notes[0]
    contour, _ = import_contour(path, frame=5)
    np.testing.assert_allclose(contour.points, endocardium(43, 0.8)[1:-1], atol=1e-9)
    assert (contour.frame, contour.es_frame) == (5, None)
    assert "one for frame 3" in refused(path, frame=3)


def test_one_of_many_echonet_recordings(tmp_path):
    path = tracing_file(tmp_path, tracings({1: 1.0}) + tracings({2: 0.5}, "0X2B.avi") + tracings({3: 0.5}, "0X3C"))
    np.testing.assert_allclose(import_contour(path, LOOP)[0].points, endocardium(43)[1:-1], atol=1e-9)
    assert "3 recordings" in refused(path)
    straight = [["a.avi", 10, y, 50, y, 0] for y in range(20)]
    assert "as wide at one end" in refused(tracing_file(tmp_path, straight))
    assert "2 chords" in refused(tracing_file(tmp_path, straight[:3]))


def test_one_of_several_outlines_by_its_label(tmp_path):
    both = labelme()
    both["shapes"] += labelme(endocardium(40, 1.3), label="epi")["shapes"]
    path = write(tmp_path, "c.json", both)
    np.testing.assert_allclose(import_contour(path, label="Endo")[0].points, ARCH, atol=1e-9)
    assert "2 outlines (labels: 'endo', 'epi')" in refused(path)
    assert "the labels 'endo', 'epi'" in refused(path, label="LV")
    images = via() | {"b": via(ARCH + 1)["a.png123"] | {"filename": "0X1A.png"}}
    path = write(tmp_path, "v.json", images)
    assert "outlines on 2 images" in refused(path)
    np.testing.assert_allclose(import_contour(path, LOOP)[0].points, ARCH + 1, atol=1e-9)


def test_our_own_file_keeps_what_it_says(tmp_path):
    write_contour(tmp_path / "c.json", Contour(ARCH[::-1], 2, SHAPE, 4, "By nobody."))
    contour, _ = import_contour(tmp_path / "c.json", LOOP)
    np.testing.assert_allclose(contour.points, ARCH, atol=1e-3)
    assert (contour.frame, contour.es_frame, contour.note) == (2, 4, "By nobody.")
    assert import_contour(tmp_path / "c.json", frame=4)[0].es_frame is None


def save_mask(path, masks):
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(masks)
    sitk.WriteImage(image, str(path))
    return path


def near(contour):
    """On the endocardium, but at the two corners of the base, which the outline's smoothing rounds off."""
    assert contour.points[0, 0] < contour.points[-1, 0]
    fine = endocardium(1000)
    assert np.linalg.norm(contour.points[4:-4, None] - fine, axis=-1).min(1).max() < 1
    np.testing.assert_allclose(contour.points[[0, -1]], BASE, atol=2.5)
    assert contour.points[:, 1].min() == pytest.approx(fine[:, 1].min(), abs=1)


@pytest.mark.parametrize("suffix", [".nii.gz", ".mhd", ".png"])
@pytest.mark.parametrize("form", ["labelled", "binary", "white"])
def test_masks(tmp_path, suffix, form):
    mask = labels()
    mask = {"labelled": mask, "binary": (mask == 1).astype(np.uint8), "white": np.uint8(255) * (mask == 1)}[form]
    path = tmp_path / f"mask{suffix}"
    if suffix == ".png":
        Image.fromarray(mask).save(path)
    else:
        save_mask(path, mask)
    contour, _ = import_contour(path, LOOP, frame=3)
    near(contour)
    assert contour.frame == 3 and contour.image_size == SHAPE and len(contour.points) <= 128


def test_sixteen_bit_labels(tmp_path):
    Image.fromarray(labels().astype(np.uint16)).save(tmp_path / "mask.png")
    near(import_contour(tmp_path / "mask.png")[0])


def test_a_stack_of_masks(tmp_path):
    masks = np.zeros((5, *SHAPE), np.uint8)
    masks[3] = labels()
    masks[4] = np.where(np.roll(masks[3], 9, axis=0) == 1, masks[3], 0)
    path = save_mask(tmp_path / "masks.nii.gz", masks)
    contour, notes = import_contour(path, LOOP)
    near(contour)
    assert contour.frame == 3 and "Of 5 frames, 3" in notes[0]
    assert "no cavity" in refused(path, frame=1)
    assert "a frame 5" in refused(path, frame=5)


def test_masks_that_are_refused(tmp_path):
    whole = labels()

    def complaint(mask, **keywords):
        Image.fromarray(mask.astype(np.uint8)).save(tmp_path / "mask.png")
        return refused(tmp_path / "mask.png", **keywords)

    y, x = np.indices(SHAPE)
    assert "ring or a crescent" in complaint(whole == 2)
    assert "values 0, 1, 7" in complaint(np.where(whole == 2, 7, whole))
    assert "no cavity" in complaint(np.zeros(SHAPE))
    assert "--base" in complaint(np.hypot(x - 60, (y - 60) / 1.3) < 40)
    assert "2 parts" in complaint((abs(x - 30) < 15) | (abs(x - 90) < 15))
    assert "leave --mm and --label out" in complaint(whole, in_mm=True)
    noise = np.random.default_rng(0).integers(0, 255, SHAPE)
    assert "…" in complaint(noise)
    with pytest.raises(InputError, match="drawn on a 130×120 image"):
        Image.fromarray(whole).save(tmp_path / "mask.png")
        import_contour(tmp_path / "mask.png", CineLoop(np.zeros((2, 100, 100), np.float32)))


def test_a_given_base_opens_a_mask_there():
    y, x = np.indices(SHAPE)
    contour = contour_from_mask((np.hypot(x - 60, y - 60) < 40).astype(int), np.array([[40.0, 94], [80, 94]]))
    np.testing.assert_allclose(contour[[0, -1]], [[40, 94], [80, 94]], atol=1.5)
    np.testing.assert_allclose(np.hypot(*(contour - 60).T), 40, atol=0.7)


def test_the_endocardial_layer_of_a_sequence_file(tmp_path):
    mesh = np.full((6, 36, 5, 2), np.nan, np.float32)
    mesh[2] = np.linspace(endocardium(36), endocardium(36, 1.3), 5, axis=1)
    write_sequence(tmp_path / "s.h5", Sequence(CineLoop(LOOP.frames, ed=2, es=4), mesh))
    contour, _ = import_contour(tmp_path / "s.h5", LOOP)
    np.testing.assert_allclose(contour.points, endocardium(36), atol=1e-4)
    assert (contour.frame, contour.es_frame, contour.image_size) == (2, 4, SHAPE)
    assert "NaN" in refused(tmp_path / "s.h5", frame=0)
    assert "a frame 6" in refused(tmp_path / "s.h5", frame=6)


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("c.json", "{", "no valid JSON"),
        ("c.json", "3", "single value"),
        ("c.json", {"foo": 3}, "another structure"),
        ("c.json", {}, "no polygon"),
        ("c.json", {"shapes": [{"points": [[1, 2]], "shape_type": "circle"}]}, "no polygon"),
        ("c.json", {"shapes": 3}, "another structure"),
        ("c.json", {"markups": []}, "3D Slicer"),
        ("c.json", {"segmentation": {"counts": "abc", "size": [2, 2]}}, "run-length"),
        ("c.json", {"points": [[1, 2], [3]]}, "no pairs"),
        ("c.json", {"points": [["a", 2], [3, 4]]}, "no pairs"),
        ("c.json", [1, 2, 3], "shape (3,)"),
        ("c.json", [], "shape (0,)|no points"),
        ("c.json", [[1, 2]], "one point"),
        ("c.json", [[0, 0], [10, 10], [10, 0], [0, 10]], "crosses itself"),
        ("c.json", {"points": [[float("nan"), 2], [3, 4], [5, 6]]}, "NaN"),
        ("c.json", labelme([[float("nan"), 2], [3, 4], [5, 6], [7, 8]]), "NaN"),
        ("c.json", labelme([[1, 2], [3, 4]]), "2 points has no base"),
        ("c.json", [[0, 0]] * 5000, "5,000 entries"),
        ("c.json", {"k": {"regions": [{"shape_attributes": {"all_points_x": [1], "all_points_y": []}}]}}, "1 x and"),
        ("c.json", "[" * 100_000, "no valid JSON"),
        ("c.csv", "", "no lines"),
        ("c.csv", "a,b\n1,2", "the columns a, b"),
        ("c.csv", "1,2,3\n4,5,6", "3 columns without names"),
        ("c.csv", "x,y\n1,2\n3\n", "'3' in row 3"),
        ("c.csv", "x,y\n1,2\n3,four\n", "'3,four' in row 3"),
        ("c.csv", "x,y\n", "no points"),
        ("c.csv", "x,y,frame\n1,2,0.5\n", "frame 0.5"),
        ("c.csv", "x,y,frame\n1,2,inf\n", "frame inf"),
        ("c.csv", "1,2\n" * 3000, "3,000 rows"),
        ("c.doc", "", "suffix '.doc'"),
    ],
)  # fmt: skip
def test_files_that_are_no_contour_are_one_sentence(tmp_path, name, content, found):
    message = refused(write(tmp_path, name, content))
    assert any(part in message for part in found.split("|")), message


def test_broken_files(tmp_path):
    assert "cannot be opened" in refused(tmp_path / "absent.json")
    (tmp_path / "c.csv").write_bytes(b"\xff\xfe\x00\xd8")
    assert "no text" in refused(tmp_path / "c.csv")
    (tmp_path / "c.png").write_bytes(b"no picture")
    assert "no image" in refused(tmp_path / "c.png")
    assert "open already" in refused(write(tmp_path, "c.json", labelme(kind="linestrip")), base=BASE)


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=4) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["shapes", "points", "segmentation", "annotations", "regions", "images", "x", "format"]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_a_contour_or_one_sentence(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(content))
    try:
        contour, _ = import_contour(path)
        assert len(contour.points) >= 2
    except InputError as error:
        assert "\n" not in str(error)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("far", [1e300, -1e308, 2e6, float("inf")])
@pytest.mark.parametrize("form", ["list", "closed", "frames"])
def test_coordinates_far_beyond_any_image_are_refused_before_any_arithmetic(tmp_path, far, form):
    points = [*ARCH.tolist(), [far, 5.0], [7.0, far]]
    if form == "frames":
        lines = [f"{x},{y},{frame}" for frame in (0, 1) for x, y in points]
        path = write(tmp_path, "a.csv", "\n".join(["x,y,frame", *lines]))
    else:
        path = write(tmp_path, "a.json", json.dumps(points + points[:1] * (form == "closed")))
    assert "coordinate" in refused(path)


@pytest.mark.filterwarnings("error")
def test_pixels_too_small_to_divide_by(tmp_path):
    path = write(tmp_path, "a.json", json.dumps(ARCH.tolist()))
    assert "coordinate" in refused(path, in_mm=True, spacing_mm=(1e-310, 1e-310))


def test_saving_with_a_preview_and_over_the_source(tmp_path):
    path = write(tmp_path, "ed.json", labelme())
    contour, _ = import_contour(path, LOOP)
    before = path.read_bytes()
    with pytest.raises(InputError, match="replace what the contour was made from"):
        save_contour(path, contour, LOOP)
    with pytest.raises(InputError, match=r"ends in \.json"):
        save_contour(tmp_path / "out.csv", contour)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
    files = save_contour(tmp_path / "out.json", contour, LOOP)
    assert [file.name for file in files] == ["out.json", "out_preview.png"]
    np.testing.assert_allclose(read_contour(files[0]).points, ARCH, atol=1e-3)
    assert Image.open(files[1]).info["Software"] == MADE_WITH
    picture = np.asarray(Image.open(files[1]))
    assert max(picture.shape) == 800
    scale = 800 / SHAPE[0]
    x, y = np.round((ARCH[20] + 0.5) * scale - 0.5).astype(int)
    np.testing.assert_allclose(picture[y, x], (250, 205, 90), atol=40)


def test_neither_file_is_left_when_one_fails(tmp_path, monkeypatch):
    from cpwc_keras.io import contour_import

    def failing(*_):
        raise InputError("full")

    monkeypatch.setattr(contour_import, "write_contour", failing)
    with pytest.raises(InputError, match="full"):
        save_contour(tmp_path / "out.json", Contour(ARCH), LOOP)
    assert not list(tmp_path.iterdir())


def test_every_fifth_camus_mask_gives_a_contour(shared_data):
    paths = sorted((shared_data / "camus" / "database_nifti").glob("*/*_4CH_ED_gt.nii.gz"))
    assert len(paths) == 150
    for path in paths[::5]:
        contour, _ = import_contour(path)
        (x1, _), (x2, _) = contour.points[[0, -1]]
        assert x1 < x2 and len(contour.points) == 128
        assert contour.points[:, 1].argmin() in range(30, 98), "the apex is in the middle"
