"""Datasets become sequence files that hold the same motion, whoever makes them and however often."""

import dataclasses
import functools
import os
from types import SimpleNamespace

import numpy as np
import pytest
from dataset_layouts import write_alessandrini, write_camus, write_medicaid, write_ted
from scipy.io import savemat

from cpwc_keras.data.pairs import PairPolicy, enumerate_pairs, pair_from_sequence
from cpwc_keras.data.sequences import find
from cpwc_keras.data_prep.conversion.origins import ORIGINS
from cpwc_keras.data_prep.conversion.recordings import CONTOURS_NOTE, select, sequence_of
from cpwc_keras.data_prep.conversion.run import Job, Skipped, convert, plan
from cpwc_keras.errors import InputError
from cpwc_keras.io.sequence_file import read_sequence, sequence_header, write_sequence
from cpwc_keras.mesh import mesh_from_labels
from cpwc_keras.types import CineLoop, DatasetItem, Sequence


def write_dataset(dataset, root):
    if dataset == "medicaid":
        for variant in ("clean", "with_artifacts"):
            write_medicaid(root / variant / "patient007")
    elif dataset == "alessandrini":
        for model in ("normal", "lcx"):
            write_alessandrini(root / "Hitachi Aloka Medical,Ltd" / "A4C" / model)
        write_alessandrini(root / "GE/A2C/normal")
    elif dataset == "camus":
        write_camus(root, "patient0001", half_sequence=True)
        write_camus(root, "patient0001", "2CH")
        write_camus(root, "patient0002")
    else:
        write_ted(root, "patient001")
        write_ted(root, "patient002")
    return root


def run(dataset, root, folder, workers=1, overwrite=False, **wanted):
    return convert(plan(select(dataset, root, **wanted), root, folder, overwrite), workers)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def camus(tmp_path):
    return write_dataset("camus", tmp_path / "camus")


@pytest.mark.parametrize("dataset", ORIGINS)
def test_the_same_pairs_come_from_the_file_and_from_the_original(dataset, tmp_path):
    root = write_dataset(dataset, tmp_path / dataset)
    originals = select(dataset, root)
    assert run(dataset, root, tmp_path / "out") == []
    items = {item.name: item for item in find(tmp_path / "out")}
    assert sorted(items) == sorted(item.name for item in originals)
    for original in originals:
        item = items[original.name]
        for name in ("patient", "vendor", "variant", "split", "n_frames"):
            assert getattr(item, name) == getattr(original, name)
        header = sequence_header(item.files[0])
        assert header.attributes["source"] == f"{ORIGINS[dataset].title}, {original.name}"
        assert header.attributes["licence"] == ORIGINS[dataset].licence
        assert header.attributes["citation"] == ORIGINS[dataset].citation

        before, after = sequence_of(original.read(), original), item.read()
        for name in ("mesh", "flows", "masks"):
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
        for name in ("spacing_mm", "frame_rate_hz", "ed", "es", "view", "patient", "notes"):
            assert getattr(after.loop, name) == getattr(before.loop, name)
        for _, first, second in enumerate_pairs([item], PairPolicy()):
            one, other = pair_from_sequence(before, first, second), pair_from_sequence(after, first, second)
            np.testing.assert_array_equal(one.flow, other.flow)
            np.testing.assert_array_equal(one.mask, other.mask)
            np.testing.assert_allclose(one.image1, other.image1, atol=0.5 / 255 + 1e-6)


def test_contours_are_called_contours_and_not_motion(camus, tmp_path):
    run("camus", camus, tmp_path / "out")
    path = tmp_path / "out/patient0001_4CH_half_sequence.h5"
    header, sequence, original = sequence_header(path), read_sequence(path), select("camus", camus)[2]
    assert (original.name, header.variant) == ("patient0001_4CH_half_sequence", "half sequence")
    assert header.notes == (CONTOURS_NOTE,) and header.attributes["motion"] == "contours"
    assert (sequence.loop.ed, sequence.loop.es, sequence.loop.frame_rate_hz) == (0, 3, 50)
    loop = original.read()
    np.testing.assert_array_equal(sequence.loop.labels, loop.labels)
    for frame in range(4):
        expected = mesh_from_labels(loop.labels[frame], loop.spacing_mm)
        np.testing.assert_array_equal(sequence.mesh[frame], expected)
    assert sequence_header(tmp_path / "out/patient0002_4CH_ED-ES.h5").variant == "ED-ES"


def test_true_motion_is_called_so(tmp_path):
    run("medicaid", write_dataset("medicaid", tmp_path / "in"), tmp_path / "out")
    header = sequence_header(tmp_path / "out/with_artifacts/patient007.h5")
    assert (header.motion, header.attributes["motion"]) == ("flows", "ground truth")
    assert (header.variant, header.notes) == ("reverberation", ())


def test_a_frame_without_a_mesh_is_a_gap_and_a_pair_without_one_is_left_out(tmp_path):
    def cut(labels):
        labels[0, :, 70:80][labels[0, :, 70:80] == 2] = 0

    write_camus(tmp_path / "in", "patient0001", half_sequence=True, damage=cut)
    write_camus(tmp_path / "in", "patient0002")
    (skipped,) = run("camus", tmp_path / "in", tmp_path / "out")
    assert (skipped.name, skipped.broken) == ("patient0001_4CH_ED-ES", False)
    assert "The mask of frame 0 gives no mesh. The myocardium" in skipped.reason
    assert sorted(contents(tmp_path / "out")) == [
        "patient0001_4CH_half_sequence.h5", "patient0002_4CH_ED-ES.h5", "record.json",
    ]  # fmt: skip
    sequence = read_sequence(tmp_path / "out/patient0001_4CH_half_sequence.h5")
    assert np.isnan(sequence.mesh[0]).all() and np.isfinite(sequence.mesh[1:]).all()
    assert sequence.loop.notes[1].startswith("The mask of frame 0 gives no mesh. ")
    assert not pair_from_sequence(sequence, 0, 1).mask.any()


def test_recordings_without_masks_or_images(tmp_path):
    item = DatasetItem("a", "camus", 2, loader=lambda: None)
    with pytest.raises(InputError, match="a: found no masks"):
        sequence_of(CineLoop(np.zeros((2, 8, 8), np.float32)), item)
    root = write_dataset("alessandrini", tmp_path / "in")
    (root / "GE/A2C/normal/im_sim.mat").unlink()
    (skipped,) = run("alessandrini", root, tmp_path / "out")
    assert skipped.name == "GE/A2C/normal" and "simulate --templates alessandrini" in skipped.reason
    for path in root.rglob("im_sim.mat"):
        path.unlink()
    with pytest.raises(InputError, match=r"motion of 3 sequences but no images .*simulate --templates alessandrini"):
        select("alessandrini", root)


def test_unknown_nodes_stay_unknown(tmp_path):
    folder = tmp_path / "in/GE/A4C/normal"
    write_alessandrini(folder)
    nodes = np.zeros((180, 3, 4))
    nodes[0, :, 1:] = np.nan
    savemat(folder / "ground_truth.mat", {"X_gt": nodes})
    run("alessandrini", tmp_path / "in", tmp_path / "out")
    sequence = read_sequence(tmp_path / "out/GE/A4C/normal.h5")
    assert np.isnan(sequence.mesh[1:, -1, 0]).all() and np.isnan(sequence.mesh).sum() == 6
    assert "1 of 180 mesh nodes" in sequence.loop.notes[0]


def test_any_number_of_workers_writes_the_same_bytes(camus, tmp_path):
    for workers in (1, 3):
        assert run("camus", camus, tmp_path / str(workers), workers) == []
    one, several = contents(tmp_path / "1"), contents(tmp_path / "3")
    assert one == several and len(one) == 5


def test_what_is_finished_is_kept_and_what_is_not_is_made_again(camus, tmp_path):
    out = tmp_path / "out"
    run("camus", camus, out, patients=("patient0002",))
    before = (out / "patient0002_4CH_ED-ES.h5").stat().st_mtime_ns
    first = plan(select("camus", camus), camus, out)
    assert (first.kept, len(first.jobs)) == (("patient0002_4CH_ED-ES",), 3)
    convert(first)
    assert (out / "patient0002_4CH_ED-ES.h5").stat().st_mtime_ns == before
    whole = contents(out)

    broken = out / "patient0001_4CH_ED-ES.h5"
    broken.write_bytes(broken.read_bytes()[:1000])
    again = plan(select("camus", camus), camus, out)
    assert [job.path for job in again.jobs] == [broken]
    convert(again)
    assert contents(out) == whole
    assert len(plan(select("camus", camus), camus, out, overwrite=True).jobs) == 4
    assert not plan(select("camus", camus), camus, out).jobs

    moved = dataclasses.replace(select("camus", camus)[0], split="test")  # its split became known meanwhile
    assert len(plan([moved], camus, out).jobs) == 1


def test_a_sequence_of_another_source_is_never_replaced(camus, tmp_path):
    sequence = Sequence(CineLoop(np.zeros((2, 8, 8), np.float32)), mesh=np.zeros((2, 36, 5, 2)))
    write_sequence(tmp_path / "out/patient0002_4CH_ED-ES.h5", sequence)
    before = contents(tmp_path / "out")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="a sequence from 'elsewhere', expected one from 'CAMUS, patient0002"):
            plan(select("camus", camus), camus, tmp_path / "out", overwrite)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("dataset", ["camus", "medicaid"])
def test_the_disk_need_is_about_right(dataset, tmp_path):
    root = write_dataset(dataset, tmp_path / "in")
    work = plan(select(dataset, root), root, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    convert(work)
    size = sum(len(content) for name, content in contents(tmp_path / "out").items() if name.endswith(".h5"))
    assert size == pytest.approx(work.need_bytes, rel=0.2)


def test_a_disk_that_is_too_small_is_found_before_anything_is_written(camus, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10_000))
    with pytest.raises(InputError, match=r"about 0\.\d MB are needed and 0\.0 MB are free"):
        plan(select("camus", camus), camus, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_disk_that_becomes_full_ends_the_run_with_whole_files(camus, tmp_path, monkeypatch):
    work, calls, fsync = plan(select("camus", camus), camus, tmp_path / "out"), [], os.fsync

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 2:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="the disk is full"):
        convert(work)
    assert [item.n_frames for item in find(tmp_path / "out")] == [2, 2]
    assert len(contents(tmp_path / "out")) == 2


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"split": "train"}, "has no split 'train', and no lists of splits"),
        ({"patients": ("patient0003",)}, r"has no patient 'patient0003', but patient0001, patient0002\."),
        ({"patients": ("patient0002",), "view": "2CH"}, "none of its 4 recordings"),
    ],
)
def test_wishes_that_cannot_be_met(camus, wanted, message):
    with pytest.raises(InputError, match=message):
        select("camus", camus, **wanted)


def test_choosing_recordings(camus, tmp_path):
    def names(dataset, root, **wanted):
        return [item.name for item in select(dataset, root, **wanted)]

    assert names("camus", camus, view="2CH") == ["patient0001_2CH_ED-ES"]
    assert names("camus", camus, patients=("patient0002, patient0001",), view="2CH") == ["patient0001_2CH_ED-ES"]
    root = write_dataset("alessandrini", tmp_path / "alessandrini")
    assert names("alessandrini", root, view="2CH") == ["GE/A2C/normal"]
    assert len(names("alessandrini", root, patients=("Hitachi Aloka Medical,Ltd",))) == 2  # a name with a comma
    (tmp_path / "database_split").mkdir()
    (tmp_path / "database_split/subgroup_testing.txt").write_text("patient0002\n")
    assert names("camus", camus, split="test") == ["patient0002_4CH_ED-ES"]
    with pytest.raises(InputError, match="has no split 'train', but test"):
        select("camus", camus, split="train")


def test_one_recording_found_twice_is_refused(tmp_path):
    for copy in ("training", "database_nifti"):
        write_camus(tmp_path / copy)
    with pytest.raises(InputError, match="holds patient0001_4CH_ED-ES twice"):
        select("camus", tmp_path)


def test_own_sequences_need_no_conversion_and_the_dataset_stays_as_it_is(camus, tmp_path):
    run("camus", camus, tmp_path / "out")
    with pytest.raises(InputError, match="they need no conversion"):
        select("medicaid", tmp_path / "out")
    for folder in (camus, camus / "sequences"):
        with pytest.raises(InputError, match="lies in the dataset itself"):
            plan(select("camus", camus), camus, folder)


def test_a_broken_file_is_named_and_the_others_are_converted(camus, tmp_path):
    path = camus / "patient0001/patient0001_4CH_ES.nii.gz"
    path.write_bytes(path.read_bytes()[:500])
    (skipped,) = run("camus", camus, tmp_path / "out", workers=2)
    assert skipped.broken and str(path) in skipped.reason
    assert len(find(tmp_path / "out")) == 3


def test_a_worker_that_is_killed_is_one_sentence(camus, tmp_path):
    work = plan(select("camus", camus), camus, tmp_path / "out")
    deadly = DatasetItem("deadly", "camus", 2, loader=functools.partial(os._exit, 9))
    jobs = (*work.jobs, Job(deadly, tmp_path / "out/deadly.h5", {}))
    with pytest.raises(InputError, match=r"worker process was killed.* goes on"):
        convert(dataclasses.replace(work, jobs=jobs), workers=2)
    assert not [name for name in contents(tmp_path / "out") if name.startswith(".")]
    assert convert(plan(select("camus", camus), camus, tmp_path / "out")) == []
    assert len(find(tmp_path / "out")) == 4


def test_a_file_of_one_frame_is_no_sequence(camus, tmp_path):
    item = DatasetItem("a", "camus", 1, loader=functools.partial(_one_frame, camus))
    assert convert(plan([item], camus, tmp_path / "out")) == [
        Skipped("a", "a: found one frame, expected two or more.", broken=False)
    ]


def _one_frame(root):
    loop = select("camus", root)[0].read()
    return dataclasses.replace(loop, frames=loop.frames[:1], labels=loop.labels[:1], es=None)
