"""Which templates there are in a dataset's folder, and what they inherit from it."""

import pickle

import numpy as np
import pytest
from dataset_layouts import write_alessandrini, write_labelled
from sector_loops import SPACING, apical_loop, contraction

from cpwc_keras.data_prep.conversion.origins import ORIGINS
from cpwc_keras.data_prep.conversion.recordings import select
from cpwc_keras.data_prep.conversion.run import convert, plan
from cpwc_keras.data_prep.simulation.template_check import check_template
from cpwc_keras.data_prep.simulation.templates import find_templates, procedural_items
from cpwc_keras.errors import InputError
from cpwc_keras.io.sequence_file import write_sequence
from cpwc_keras.types import Sequence


def write_patient(root, name, contracted=(0, 8), half_sequence=True, stills=True, masks=True, chamber="4CH"):
    loop = apical_loop(contracted)
    images = np.rint(loop.frames * 255).astype(np.uint8)
    stem, spacing = root / "database_nifti" / name / f"{name}_{chamber}", (*SPACING, 1.0)
    for instant, frame in (("ED", loop.ed), ("ES", loop.es)):
        path = stem.with_name(f"{stem.name}_{instant}")
        write_labelled(path, images[frame], loop.labels[frame] if stills and masks else None, spacing)
    if half_sequence:
        path = stem.with_name(f"{stem.name}_half_sequence")
        write_labelled(path, images, loop.labels if masks else None, spacing)


def write_lists(root, **lists):
    (root / "split").mkdir()
    for name, patients in lists.items():
        (root / "split" / f"{name}.txt").write_text("\n".join(patients))


def load(item, frames=6, seed=0):
    template = pickle.loads(pickle.dumps(item)).load(seed, frames)
    check_template(template, template.scan())
    return template


def test_camus_stills_with_their_split_and_licence(tmp_path):
    for name in ("patient0001", "patient0002", "patient0003", "patient0004"):
        write_patient(tmp_path, name)
    write_patient(tmp_path, "patient0001", chamber="2CH")
    write_lists(
        tmp_path, virtual_train=["patient0001"], virtual_val=["patient0002"], virtual_test=["patient0004"],
        clinical=["patient0003"],
    )  # fmt: skip
    items = find_templates("camus", tmp_path)
    assert [(item.name, item.split) for item in items] == [
        ("patient0001", "train"), ("patient0002", "validation"), ("patient0004", "test"),
    ]  # fmt: skip
    template = load(items[1])
    assert len(template.frames) == len(template.mesh) == 6
    assert template.source == "CAMUS, patient0002"
    assert template.licence == ORIGINS["camus"].licence
    assert (template.patient, template.vendor, template.split) == ("patient0002", "GE", "validation")
    other = load(items[0])
    assert not np.array_equal(other.mesh, template.mesh)  # the same pictures, but beats of their own


def test_a_half_sequence_steps_in_for_stills_without_masks(tmp_path):
    write_patient(tmp_path, "patient0001", contraction(5), stills=False)
    (item,) = find_templates("camus", tmp_path)
    assert len(load(item).frames) == 5
    write_patient(tmp_path, "patient0002", masks=False)
    _, item = find_templates("camus", tmp_path)
    with pytest.raises(InputError, match=r"patient0002.*no masks"):
        item.load(0, 6)


def test_half_sequences_bring_their_own_motion(tmp_path):
    write_patient(tmp_path, "patient0001", contraction(5))
    write_patient(tmp_path, "patient0002", contraction(5), masks=False)
    (item,) = find_templates("camus-half", tmp_path)
    assert (item.name, item.patient) == ("patient0001_4CH_half_sequence", "patient0001")
    template = load(item)
    assert len(template.frames) == 5


def test_stills_of_different_sizes_are_refused(tmp_path):
    write_patient(tmp_path, "patient0001")
    (item,) = find_templates("camus", tmp_path)
    path = tmp_path / "database_nifti/patient0001/patient0001_4CH_ES"
    write_labelled(path, np.zeros((170, 230), np.uint8), np.zeros((170, 230), np.uint8))
    with pytest.raises(InputError, match=r"_ES.nii.gz: found frames .* expected one frame of the size of .*_ED"):
        item.load(0, 6)


def test_a_mask_without_myocardium_is_refused(tmp_path):
    write_patient(tmp_path, "patient0001")
    loop = apical_loop()
    labels = np.where(loop.labels == 2, 0, loop.labels).astype(np.uint8)
    path = tmp_path / "database_nifti/patient0001/patient0001_4CH_ED"
    write_labelled(path, np.rint(loop.frames[0] * 255).astype(np.uint8), labels[0], (*SPACING, 1.0))
    (item,) = find_templates("camus", tmp_path)
    with pytest.raises(InputError, match=r"patient0001.*mask of frame 0 gives no mesh.*no myocardium"):
        item.load(0, 6)


def test_the_same_patient_twice_is_refused(tmp_path):
    write_patient(tmp_path / "a", "patient0001")
    write_patient(tmp_path / "b", "patient0001")
    for part in "ab":
        (tmp_path / part / "database_nifti/patient0001").rename(tmp_path / part / "patient0001")
    with pytest.raises(InputError, match="holds patient0001 twice"):
        find_templates("camus", tmp_path)


def test_nothing_but_clinical_patients(tmp_path):
    write_patient(tmp_path, "patient0001")
    write_lists(tmp_path, clinical=["patient0001"])
    with pytest.raises(InputError, match="holds no template"):
        find_templates("camus", tmp_path)


def test_ted_cycles(tmp_path):
    loop = apical_loop(contraction(7))
    path = tmp_path / "patient001/patient001_4CH_sequence"
    write_labelled(path, np.rint(loop.frames * 255).astype(np.uint8), loop.labels, (*SPACING, 1.0), ".mhd")
    (item,) = find_templates("ted", tmp_path)
    template = load(item)
    assert len(template.frames) == 7  # its own number
    assert (item.name, template.licence) == ("patient001", ORIGINS["ted"].licence)


def test_alessandrini_trajectories_are_listed(tmp_path):
    write_alessandrini(tmp_path / "GE/A2C/normal")
    (item,) = find_templates("alessandrini", tmp_path)
    assert (item.name, item.patient, item.source, item.split) == ("GE/A2C/normal", "GE", "alessandrini", "")
    pickle.dumps(item)


def test_converted_recordings_give_the_same_templates_as_the_originals(tmp_path):
    root, folder = tmp_path / "camus", tmp_path / "converted"
    write_patient(root, "patient0001", contraction(5), half_sequence=True)
    write_lists(root, virtual_test=["patient0001"])
    assert convert(plan(select("camus", root), root, folder)) == []
    stills, half = find_templates("sequences", folder)
    original = load(find_templates("camus", root)[0])
    template = load(stills)
    assert template.source == "CAMUS, patient0001_4CH_ED-ES"
    assert (template.licence, template.split) == (original.licence, "test")
    assert template.frames.shape == original.frames.shape
    np.testing.assert_array_equal(template.mesh[0], original.mesh[0])
    assert len(load(half).frames) == 5


def test_sequences_with_a_true_mesh_and_with_dense_fields(tmp_path):
    loop = apical_loop([0] * 3)
    mesh = np.stack([load_mesh() + t for t in range(3)])
    write_sequence(tmp_path / "mesh.h5", Sequence(loop, mesh=mesh), {"licence": "CC0"})
    shape = (2, *loop.frames.shape[1:])
    flows = Sequence(loop, flows=np.zeros((*shape, 2), np.float32), masks=np.ones(shape, np.float32))
    write_sequence(tmp_path / "flows.h5", flows)
    (item,) = find_templates("sequences", tmp_path)
    template = load(item)
    np.testing.assert_array_equal(template.mesh, mesh)
    assert (template.source, template.licence) == ("sequences, mesh", "CC0")
    (tmp_path / "mesh.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    (item,) = find_templates("sequences", tmp_path)
    with pytest.raises(InputError, match=r"mesh\.h5: found a broken file"):
        item.load(0, 6)
    (tmp_path / "mesh.h5").unlink()
    with pytest.raises(InputError, match="no sequence with a mesh"):
        find_templates("sequences", tmp_path)


def load_mesh():
    from cpwc_keras.mesh import mesh_from_labels

    return mesh_from_labels(apical_loop().labels[0], SPACING)


def test_procedural_hearts():
    items = procedural_items(2, seed=3)
    assert [item.name for item in items] == ["procedural-3-0", "procedural-3-1"]
    assert {item.source for item in items} == {"procedural"}
    template = load(items[1], frames=3)
    assert len(template.frames) == 3 and template.patient == items[1].patient
    with pytest.raises(InputError, match="0 procedural hearts"):
        procedural_items(0, seed=3)


def test_an_unknown_dataset():
    with pytest.raises(InputError, match="'chairs' has no templates; choose one of camus, camus-half, ted, aless"):
        find_templates("chairs", ".")


def test_the_real_virtual_patients(shared_data):
    items = find_templates("camus", shared_data / "camus")
    assert [sum(item.split == name for item in items) for name in ("train", "validation", "test")] == [60, 10, 30]
    clinical = (shared_data / "camus/split/clinical.txt").read_text().split()
    assert not {item.patient for item in items} & set(clinical)
    for item in items[::40]:
        assert len(load(item).frames) == 6
