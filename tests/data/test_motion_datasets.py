"""Alessandrini 2018, MEDICAID and the project's own sequences."""

import pickle

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from cpwc_keras.data import alessandrini, medicaid, sequences
from cpwc_keras.errors import InputError
from cpwc_keras.io.flow_files import write_flow
from cpwc_keras.io.sequence_file import write_sequence
from cpwc_keras.types import CineLoop, Sequence

RNG = np.random.default_rng(0)
GEOMETRY = {"pixelsize": [0.3, 0.2], "gridsize": np.array([21, 31], np.uint16)}


def _alessandrini(folder, images=True, motion="ground_truth.mat", info="info.mat", geometry=GEOMETRY, n_frames=4):
    """A mesh whose node (i, j) at frame t lies at x = 35 - i + t / 10, z = j, as the files order it."""
    folder.mkdir(parents=True, exist_ok=True)
    nodes = np.zeros((180, 3, n_frames))
    longitudinal, radial = np.unravel_index(np.arange(180), (36, 5), order="F")
    nodes[:, 0] = (35 - longitudinal)[:, None] + np.arange(n_frames) / 10
    nodes[:, 2] = radial[:, None]
    savemat(folder / motion, {"X_gt": nodes, "aha": np.ones((36, 5))})
    savemat(folder / info, {"USInfo": geometry})
    if images:
        savemat(folder / "im_sim.mat", {"im_sim": RNG.integers(0, 256, (21, 31, n_frames), dtype=np.uint8)})


def test_alessandrini_by_folder(tmp_path):
    _alessandrini(tmp_path / "GE/A4C/normal")
    _alessandrini(tmp_path / "GE/A4C/lcx", images=False)
    (item,) = alessandrini.find(tmp_path)
    assert (item.name, item.n_frames, item.patient, item.vendor, item.variant) == (
        "GE/A4C/normal", 4, "GE", "GE", "normal",
    )  # fmt: skip
    sequence = pickle.loads(pickle.dumps(item)).read()
    assert sequence.loop.frames.shape == (4, 21, 31)
    assert sequence.loop.view == "A4C"
    row_mm, col_mm = sequence.loop.spacing_mm
    assert (row_mm, col_mm) == pytest.approx((0.3 * 21 / 20, 0.2 * 31 / 30))
    # longitudinal index reversed: from the left of the image to the right
    expected = np.stack(np.broadcast_arrays(np.arange(36.0)[:, None] / col_mm, np.arange(5.0) / row_mm), axis=-1)
    np.testing.assert_allclose(sequence.mesh[0], expected, rtol=1e-5)
    np.testing.assert_allclose(sequence.mesh[1] - sequence.mesh[0], [[[0.1 / col_mm, 0]] * 5] * 36, atol=1e-4)
    assert [i.name for i in alessandrini.find_motion(tmp_path)] == ["GE/A4C/lcx", "GE/A4C/normal"]


def test_alessandrini_flat_with_images_elsewhere(tmp_path):
    _alessandrini(tmp_path / "ground_truth", images=False, motion="TOSHIBA_MEC_US_A2C_rca.mat", n_frames=20)
    (tmp_path / "info").mkdir()
    savemat(tmp_path / "info/info_TOSHIBA_MEC_US_A2C.mat", {"USInfo": GEOMETRY})
    (item,) = alessandrini.find_motion(tmp_path)
    assert (item.name, item.dataset) == ("TOSHIBA_MEC_US/A2C/rca", "alessandrini-motion")
    trajectory = item.read()
    assert (len(trajectory), trajectory.ed, trajectory.es, trajectory.image_shape) == (20, 0, 18, (21, 31))
    with pytest.raises(InputError, match=r"motion of 1 sequences but no images \(im_sim\.mat\)"):
        alessandrini.find(tmp_path)
    _alessandrini(tmp_path / "results/TOSHIBA_MEC_US/A2C/rca", n_frames=20)
    (tmp_path / "results/TOSHIBA_MEC_US/A2C/rca/ground_truth.mat").unlink()
    assert len(alessandrini.find(tmp_path)[0].read()) == 20


def test_alessandrini_unknown_nodes_stay_unknown_and_are_noted(tmp_path):
    folder = tmp_path / "GE/A4C/normal"
    _alessandrini(folder)
    nodes = np.zeros((180, 3, 4))
    nodes[0, :, 1:] = np.nan  # longitudinal 0, radial 0
    savemat(folder / "ground_truth.mat", {"X_gt": nodes})
    sequence = alessandrini.find(tmp_path)[0].read()
    assert np.isnan(sequence.mesh[1:, -1, 0]).all()
    assert np.isnan(sequence.mesh).sum() == 3 * 2
    assert "1 of 180 mesh nodes" in sequence.loop.notes[0]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("ground_truth.mat", {"X_gt": np.zeros((180, 2, 4))}, r"X_gt of shape \(180, 2, 4\)"),
        ("ground_truth.mat", {"other": 1}, "no X_gt"),
        ("ground_truth.mat", {"X_gt": np.full((180, 3, 4), np.inf)}, "infinite"),
        ("im_sim.mat", {"im_sim": np.zeros((31, 21, 4), np.uint8)}, r"expected im_sim \(21, 31, 4\)"),
        ("im_sim.mat", {"im_sim": np.full((21, 31, 4), 300.0)}, "0 to 255"),
        ("info.mat", {"USInfo": {"x": 1}}, "no pixelsize"),
        ("info.mat", {"USInfo": GEOMETRY | {"x": np.arange(30.0)}}, "30 samples"),
        ("info.mat", {"USInfo": GEOMETRY | {"z": np.zeros(21)}}, "spacing of 0"),
    ],
)
def test_alessandrini_files_that_do_not_fit(tmp_path, file, content, message):
    folder = tmp_path / "GE/A4C/normal"
    _alessandrini(folder)
    savemat(folder / file, content)
    (item,) = alessandrini.find(tmp_path)
    with pytest.raises(InputError, match=message) as error:
        item.read()
    assert file in str(error.value)


def test_the_real_alessandrini_motion(shared_data):
    items = alessandrini.find_motion(shared_data / "alessandrini2018")
    assert len(items) == 105 and len({item.vendor for item in items}) == 7
    with_nan = 0
    for item in items:
        trajectory = item.read()
        assert len(trajectory) == item.n_frames
        assert 50 <= len(trajectory) <= 72
        mesh = trajectory.mesh
        with_nan += bool(np.isnan(mesh).any())
        rest = mesh[0]
        height, width = trajectory.image_shape
        assert (rest >= 0).all() and (rest < (width, height)).all()
        assert rest[0, 0, 0] < rest[-1, 0, 0]  # from the left base …
        assert 12 <= np.argmin(rest[:, 4, 1]) <= 24  # … over the apex on top
        arcs = np.linalg.norm(np.diff(rest, axis=0), axis=-1).sum(0)
        assert (np.diff(arcs) > 0).all()  # layer 0 is the innermost
    assert with_nan == 11


def test_the_septum_is_first_in_the_real_four_chamber_views(shared_data):
    """Occlusion of the circumflex artery stills the lateral wall, of the right coronary artery the basal septum."""
    items = {item.name: item for item in alessandrini.find_motion(shared_data / "alessandrini2018")}

    def wall_strain(name, part):
        mesh = items[name].read().mesh_mm
        lengths = np.linalg.norm(np.diff(mesh[:, :, 2], axis=1), axis=-1)[:, part].sum(axis=1)
        return lengths[len(mesh) // 3] / lengths[0] - 1

    septal, lateral = slice(0, 6), slice(29, 35)
    for vendor in ("Siemens", "Philips Medical Systems", "ESAOTE"):
        loss = [
            wall_strain(f"{vendor}/A4C/lcx", part) - wall_strain(f"{vendor}/A4C/normal", part)
            for part in (septal, lateral)
        ]
        assert loss[1] > 0.05 > abs(loss[0])


def _medicaid(folder, n_frames=4, n_flows=3, n_masks=4, size=(6, 8)):
    for name in ("frames", "flow", "mask"):
        (folder / name).mkdir(parents=True)
    for number in range(1, n_frames + 1):
        cv2.imwrite(str(folder / f"frames/{number:05d}.png"), np.full(size, 10 * number, np.uint8))
    for number in range(1, n_flows + 1):
        write_flow(folder / f"flow/{number:05d}.flo", np.full((*size, 2), float(number)))
    mask = np.zeros(size, np.uint8)
    mask[2:4] = 255
    for number in range(1, n_masks + 1):
        cv2.imwrite(str(folder / f"mask/{number:05d}.png"), mask)


@pytest.mark.parametrize(
    ("below", "variant"),
    [
        ("", ""),
        ("clean", "clean"),
        ("with_artifacts", "reverberation"),
        ("without_artifacts", "clean"),
        ("noArtifact", "clean"),
    ],
)
def test_medicaid_converted_copy(tmp_path, below, variant):
    _medicaid(tmp_path / below / "patient007")
    (item,) = medicaid.find(tmp_path)
    assert (item.patient, item.variant, item.n_frames) == ("patient007", variant, 4)
    sequence = pickle.loads(pickle.dumps(item)).read()
    np.testing.assert_allclose(sequence.loop.frames[:, 0, 0], np.arange(1, 5) * 10 / 255, rtol=1e-6)
    np.testing.assert_array_equal(sequence.masks[0], np.repeat([[0], [0], [1], [1], [0], [0]], 8, axis=1))
    np.testing.assert_array_equal(sequence.flows[:, 2, 0], [[1, 1], [2, 2], [3, 3]])
    assert not sequence.flows[:, 0].any()  # not known outside the myocardium


def test_medicaid_both_variants_share_the_patient(tmp_path):
    for variant in ("clean", "reverberation"):
        _medicaid(tmp_path / variant / "patient001")
    items = medicaid.find(tmp_path)
    assert {item.patient for item in items} == {"patient001"}
    assert [item.variant for item in items] == ["clean", "reverberation"]


def test_medicaid_with_as_many_flows_as_frames_and_in_order_of_number(tmp_path):
    _medicaid(tmp_path / "patient001", n_frames=11, n_flows=11, n_masks=10)
    for name in ("frames", "flow"):
        for path in (tmp_path / "patient001" / name).iterdir():
            path.rename(path.with_name(f"{int(path.stem)}{path.suffix}"))
    sequence = medicaid.find(tmp_path)[0].read()
    np.testing.assert_array_equal(sequence.flows[:, 2, 0, 0], np.arange(1, 11))


def test_medicaid_that_is_incomplete_or_not_understood(tmp_path):
    _medicaid(tmp_path / "patient001", n_flows=2)
    with pytest.raises(InputError, match="4 frames, 2 flows and 4 masks"):
        medicaid.find(tmp_path)[0].read()
    _medicaid(tmp_path / "patient002")
    write_flow(tmp_path / "patient002/flow/00002.flo", np.zeros((5, 8, 2)))
    with pytest.raises(InputError, match=r"00002\.flo: found 8×5 pixels, expected 8×6"):
        medicaid.find(tmp_path)[1].read()
    raw = tmp_path / "raw/patient003"
    raw.mkdir(parents=True)
    (raw / "sequence.dat").touch()
    with pytest.raises(InputError, match=r"expected patientNNN/frames.*patient003 holds sequence\.dat"):
        medicaid.find(tmp_path / "raw")


def _sequence(patient=""):
    return Sequence(
        CineLoop(np.zeros((3, 8, 8), np.float32), patient=patient), mesh=np.zeros((3, 36, 5, 2)), variant="clean"
    )


def test_own_sequences_stand_for_themselves_and_for_medicaid(tmp_path):
    write_sequence(tmp_path / "a/one.h5", _sequence("p1"), {"split": "test"})
    write_sequence(tmp_path / "two.h5", _sequence())
    for find, name in ((sequences.find, "sequences"), (medicaid.find, "medicaid")):
        items = find(tmp_path)
        assert [(i.name, i.dataset, i.n_frames, i.patient, i.variant, i.split) for i in items] == [
            ("a/one", name, 3, "p1", "clean", "test"),
            ("two", name, 3, "two", "clean", ""),
        ]
        assert len(items[0].read()) == 3


def test_a_broken_sequence_is_listed_without_frames(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"rubbish")
    (item,) = sequences.find(tmp_path)
    assert item.n_frames == 0
    with pytest.raises(InputError, match="HDF5"):
        item.read()


@pytest.mark.parametrize("find", [alessandrini.find, alessandrini.find_motion, medicaid.find, sequences.find])
def test_wrong_and_empty_folder(tmp_path, find):
    with pytest.raises(InputError, match="an empty folder, expected"):
        find(tmp_path)
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match=r"found 1 \.txt file, expected"):
        find(tmp_path)
