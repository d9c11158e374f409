"""CAMUS (NIfTI and the older MetaImage) and TED."""

import pickle

import numpy as np
import pytest
import SimpleITK as sitk

from cpwc_keras.data import camus, ted
from cpwc_keras.errors import InputError

RNG = np.random.default_rng(0)


def _write(path, frames, labels=None, spacing=(0.3, 0.4, 1.0), suffix=".nii.gz"):
    path.parent.mkdir(parents=True, exist_ok=True)
    for array, ending in ((frames, ""), (labels, "_gt")):
        if array is not None:
            image = sitk.GetImageFromArray(array, isVector=False)
            image.SetSpacing(spacing[: array.ndim])
            sitk.WriteImage(image, f"{path}{ending}{suffix}")


def _patient(root, name="patient0001", chamber="4CH", suffix=".nii.gz", sequence="half_sequence", cfg="ED: 1\nES: 5\n"):
    frames = RNG.integers(0, 256, (5, 7, 9), dtype=np.uint8)
    labels = RNG.integers(0, 4, (5, 7, 9), dtype=np.uint8)
    folder = root / name
    for instant, index in (("ED", 0), ("ES", 4)):
        _write(folder / f"{name}_{chamber}_{instant}", frames[index], labels[index], suffix=suffix)
    if sequence:
        _write(folder / f"{name}_{chamber}_{sequence}", frames, labels, suffix=suffix)
    if cfg:
        (folder / f"Info_{chamber}.cfg").write_text(cfg)
    return frames, labels


@pytest.mark.parametrize(
    ("below", "suffix", "sequence"),
    [
        ("", ".nii.gz", "half_sequence"),
        ("database_nifti", ".nii.gz", "half_sequence"),
        ("training", ".mhd", "sequence"),
    ],
)
def test_camus_layouts(tmp_path, below, suffix, sequence):
    frames, labels = _patient(tmp_path / below, suffix=suffix, sequence=sequence, cfg="ED: 1\nES: 5\nFrameRate: 50.2\n")
    pair, half = camus.find(tmp_path)
    assert (pair.variant, pair.n_frames, half.variant, half.n_frames) == ("ED-ES", 2, "half sequence", 5)
    assert (pair.patient, half.patient) == ("patient0001", "patient0001")
    loop = pickle.loads(pickle.dumps(pair)).read()
    np.testing.assert_allclose(loop.frames, frames[[0, 4]] / 255, rtol=1e-6)
    np.testing.assert_array_equal(loop.labels, labels[[0, 4]])
    assert (loop.ed, loop.es, loop.view) == (0, 1, "A4C")
    assert loop.spacing_mm == pytest.approx((0.4, 0.3))
    loop = half.read()
    np.testing.assert_array_equal(loop.labels, labels)
    assert (loop.ed, loop.es, loop.frame_rate_hz) == (0, 4, 50.2)


def test_camus_with_end_diastole_after_end_systole(tmp_path):
    frames, labels = _patient(tmp_path, cfg="ED: 5\nES: 1\n")
    pair, half = camus.find(tmp_path)
    loop = pair.read()
    assert (loop.ed, loop.es) == (1, 0)
    np.testing.assert_allclose(loop.frames[loop.ed], frames[0] / 255, rtol=1e-6)  # the fixture's ED image
    np.testing.assert_array_equal(loop.labels[loop.es], labels[4])
    assert (half.read().ed, half.read().es) == (4, 0)


def test_camus_both_views_without_masks_or_cfg(tmp_path):
    for chamber in ("2CH", "4CH"):
        _patient(tmp_path, chamber=chamber, sequence=None, cfg=None)
    for mask in tmp_path.glob("*/*_gt.nii.gz"):
        mask.unlink()
    items = camus.find(tmp_path)
    assert [item.read().view for item in items] == ["A2C", "A4C"]
    assert items[0].read().labels is None


def test_camus_official_split(tmp_path):
    _patient(tmp_path / "database_nifti", "patient0001")
    _patient(tmp_path / "database_nifti", "patient0002")
    (tmp_path / "database_split").mkdir()
    (tmp_path / "database_split/subgroup_testing.txt").write_text("patient0002\n")
    for root in (tmp_path, tmp_path / "database_nifti"):
        assert {item.patient: item.split for item in camus.find(root)} == {"patient0001": "", "patient0002": "test"}


def test_camus_split_of_the_virtual_patients(tmp_path):
    names = [f"patient000{k}" for k in range(1, 6)]
    for name in names:
        _patient(tmp_path / "database_nifti", name)
    lists = ("virtual_train", "virtual_val", "virtual_test", "clinical")
    for folder in ("split", "database_split"):
        (tmp_path / folder).mkdir()
    for name, patient in zip(lists, names, strict=False):
        (tmp_path / f"split/{name}.txt").write_text(f"{patient}\n")
    (tmp_path / "database_split/subgroup_testing.txt").write_text("\n".join(names))
    for root in (tmp_path, tmp_path / "database_nifti"):
        splits = {item.patient: item.split for item in camus.find(root)}
        assert splits == dict(zip(names, ["train", "validation", "test", "clinical", ""], strict=True))
    (tmp_path / "split/clinical.txt").write_text("patient0004\npatient0001\n")
    with pytest.raises(InputError, match=r"clinical\.txt: found patient0001, which another list has too"):
        camus.find(tmp_path)


def test_camus_with_parts_that_do_not_fit(tmp_path):
    _patient(tmp_path)
    pair, half = camus.find(tmp_path)
    folder = tmp_path / "patient0001"
    (folder / "Info_4CH.cfg").write_text("ED: 1\nES: 6\n")
    with pytest.raises(InputError, match="frame 6, which its cfg names as ES"):
        half.read()
    (folder / "Info_4CH.cfg").write_text("ED: one\n")
    with pytest.raises(InputError, match="whole numbers"):
        half.read()
    (folder / "Info_4CH.cfg").unlink()
    stem = folder / "patient0001_4CH"
    _write(stem.with_name(f"{stem.name}_ES_gt"), np.full((7, 9), 7, np.uint8))
    with pytest.raises(InputError, match="values up to 7"):
        pair.read()
    _write(stem.with_name(f"{stem.name}_ES_gt"), np.zeros((7, 8), np.uint8))
    with pytest.raises(InputError, match="a mask of shape"):
        pair.read()
    _write(stem.with_name(f"{stem.name}_ES"), np.zeros((6, 9), np.uint8))
    with pytest.raises(InputError, match="of the size of"):
        pair.read()
    stem.with_name(f"{stem.name}_ES.nii.gz").unlink()
    with pytest.raises(InputError, match="cannot be opened"):
        pair.read()


def test_a_broken_header_is_listed_without_frames(tmp_path):
    _patient(tmp_path)
    (tmp_path / "patient0001/patient0001_4CH_half_sequence.nii.gz").write_bytes(b"\x1f\x8b")
    pair, half = camus.find(tmp_path)
    assert (pair.n_frames, half.n_frames) == (2, 0)


@pytest.mark.parametrize("below", ["", "database"])
def test_ted(tmp_path, below):
    frames = RNG.integers(0, 256, (6, 7, 9), dtype=np.uint8)
    labels = RNG.integers(0, 3, (6, 7, 9), dtype=np.uint8)
    folder = tmp_path / below / "patient001"
    _write(folder / "patient001_4CH_sequence", frames, labels, (0.15, 0.31, 1.0), ".mhd")
    (folder / "patient001_4CH_info.cfg").write_text("ED: 1\nES: 3\nNbFrame: 6\nSex: M\nEF: 55\n")
    (item,) = ted.find(tmp_path)
    assert (item.patient, item.n_frames) == ("patient001", 6)
    loop = item.read()
    np.testing.assert_allclose(loop.frames, frames / 255, rtol=1e-6)
    np.testing.assert_array_equal(loop.labels, labels)
    assert loop.spacing_mm == pytest.approx((0.31, 0.15))
    assert (loop.ed, loop.es, loop.view) == (0, 2, "A4C")
    (folder / "patient001_4CH_sequence_gt.mhd").unlink()
    with pytest.raises(InputError, match=r"sequence_gt\.mhd"):
        item.read()


@pytest.mark.parametrize("find", [camus.find, ted.find])
def test_wrong_and_empty_folder(tmp_path, find):
    with pytest.raises(InputError, match=r"an empty folder, expected .*patient"):
        find(tmp_path)
    (tmp_path / "patient0001").mkdir()
    with pytest.raises(InputError, match=r"found 1 folder \(patient0001\), expected"):
        find(tmp_path)


def test_the_real_camus(shared_data):
    items = camus.find(shared_data / "camus")
    assert len(items) == len({item.patient for item in items}) == 150
    loop = items[0].read()
    assert loop.frames.shape == (2, 389, 549)
    assert (loop.ed, loop.es) == (0, 1)
    rows = [np.nonzero(loop.labels[0] == label)[0].mean() for label in (1, 3)]
    assert rows[0] < rows[1]  # upright: the ventricle lies above the atrium
    assert (loop.labels[0] == 1).sum() > (loop.labels[1] == 1).sum()  # and is larger at end-diastole
