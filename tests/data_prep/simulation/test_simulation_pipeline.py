"""A sequence from a template: its file, its truth, its variants, what survives an interruption."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from beating_ring import beating_ring, ring_item

from cpwc_keras.data_prep.simulation.frame_store import FrameStore
from cpwc_keras.data_prep.simulation.pipeline import Job, make_jobs, simulate
from cpwc_keras.data_prep.simulation.reverberation import ArtifactSettings
from cpwc_keras.data_prep.simulation.scatterers import ScattererSettings
from cpwc_keras.data_prep.simulation.settings import ScanSettings, SimulationSettings
from cpwc_keras.data_prep.simulation.template import TemplateItem
from cpwc_keras.data_prep.simulation.transducer import Transducer
from cpwc_keras.errors import InputError
from cpwc_keras.io.sequence_file import read_sequence, sequence_header
from cpwc_keras.mesh import dense_flow

SETTINGS = SimulationSettings(
    transducer=Transducer(elements=16), scan=ScanSettings(48), frames=4, scatterers=ScattererSettings(density=2.0)
)


def sequences(tmp_path, job, **options):
    """What the job makes, read back: variant -> Sequence."""
    read = {}
    for name, content in simulate(job, **options).items():
        (tmp_path / name).write_bytes(content)
        sequence = read_sequence(tmp_path / name)
        read[sequence.variant] = sequence
    return read


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ring")
    return folder, sequences(folder, Job(ring_item(), SETTINGS))


def test_a_file_holds_frames_truth_and_everything_that_made_it(ring):
    folder, read = ring
    assert set(read) == {"clean", "reverberation"}
    template = ring_item().load(0, 4)
    for variant, sequence in read.items():
        np.testing.assert_array_equal(sequence.mesh, template.mesh)
        assert sequence.loop.frames.shape == (4, *template.grid.shape)
        assert not sequence.loop.frames[:, ~sequence.loop.sector].any() and 0.4 < sequence.loop.sector.mean() < 0.6
        assert (sequence.loop.ed, sequence.loop.es, sequence.loop.patient) == (0, 2, "ring")
        header = sequence_header(folder / f"ring_{variant}.h5")
        assert header.attributes["licence"] == "CC0" and header.attributes["split"] == "train"
        origin = json.loads(header.attributes["origin"])
        assert origin["seed"] == 0 and origin["transducer"]["elements"] == 16
        assert ("artifacts" in origin) == (variant == "reverberation")
        assert json.loads(header.attributes["scan"])["sector_deg"] == 70


def test_the_truth_explains_the_images(ring):
    """Warping each next frame back by the true motion makes the myocardium more alike than leaving it."""
    import cv2

    loop, mesh = ring[1]["clean"].loop, ring[1]["clean"].mesh
    shape = loop.frames.shape[1:]
    for t in range(3):
        flow, mask = dense_flow(mesh[t], mesh[t + 1], shape)
        x, y = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape[::-1]))
        warped = cv2.remap(loop.frames[t + 1], x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
        wall = mask > 0
        with_truth, without = (np.abs(i - loop.frames[t])[wall].mean() for i in (warped, loop.frames[t + 1]))
        assert with_truth < 0.9 * without


def test_artifacts_stand_still_and_change_nothing_elsewhere(ring):
    clean, spoilt = (ring[1][variant].loop.frames for variant in ("clean", "reverberation"))
    assert np.mean(spoilt) > np.mean(clean)
    untouched = np.mean(np.abs(spoilt - clean).max(0) < 2 / 255)
    assert untouched > 0.4
    bright = (spoilt >= 0.95).all(0) & (clean < 0.9).any(0)
    assert bright.sum() > 50  # saturated in every frame


def test_without_motion_all_frames_and_all_meshes_are_one(tmp_path):
    still = TemplateItem("still", "still", "", "procedural", lambda seed, frames: beating_ring(frames, 0.0, size=3))
    for sequence in sequences(tmp_path, Job(still, SETTINGS)).values():
        frames = sequence.loop.frames
        assert (frames == frames[:1]).all() and frames.std() > 0.05
        assert not dense_flow(sequence.mesh[0], sequence.mesh[3], frames.shape[1:])[0].any()


def test_the_same_job_gives_the_same_bytes_at_another_time():
    job = Job(ring_item(), SETTINGS)
    first = simulate(job)
    time.sleep(1.1)  # HDF5 counts seconds, where it notes the time
    assert simulate(job) == first


def test_the_bytes_do_not_depend_on_when_handles_are_closed(monkeypatch):
    """A profiler or debugger, as Dask's workers have, keeps objects alive for longer."""
    import h5py

    job, kept, create = Job(ring_item(), replace(SETTINGS, frames=2)), [], h5py.Group.create_dataset

    def keep(*arguments, **options):
        kept.append(create(*arguments, **options))
        return kept[-1]

    first = simulate(job)
    monkeypatch.setattr(h5py.Group, "create_dataset", keep)
    assert simulate(job) == first and kept


def test_seeds_and_names_give_other_speckle():
    clean = replace(SETTINGS, variants=("clean",), frames=2)
    contents = [
        simulate(job)[job.file_name("clean")]
        for job in (Job(ring_item(), clean), Job(ring_item(), replace(clean, seed=1)), Job(ring_item("b"), clean))
    ]
    assert len(set(contents)) == 3


def test_a_variant_is_the_same_whatever_is_made_with_it():
    both = simulate(Job(ring_item(), SETTINGS))
    alone = simulate(Job(ring_item(), replace(SETTINGS, variants=("clean",))))
    assert alone["ring_clean.h5"] == both["ring_clean.h5"]


@pytest.fixture(scope="module", params=[{}, {"decorrelation": 0.1, "replacement": 0.1}], ids=["kept", "lost"])
def five_frames(request):
    """A job, of speckle that lasts or is lost, and what it makes when nothing interrupts it."""
    scatterers = ScattererSettings(density=2.0, **request.param)
    job = Job(ring_item(), replace(SETTINGS, frames=5, scatterers=scatterers))
    return job, simulate(job)


@pytest.mark.parametrize("cut", [0, 1, 60, 300_000, 500_000, None])
def test_an_interrupted_sequence_goes_on_after_its_last_whole_frame(tmp_path, cut, five_frames):
    job, whole = five_frames
    store, images = tmp_path / "store", []

    def stop_at_the_fourth_frame(is_new):
        images.append(1)
        if len(images) == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(job, store, stop_at_the_fourth_frame)
    if cut is not None:  # as a kill in the middle of a write leaves it
        store.write_bytes(store.read_bytes()[:cut])
    assert simulate(job, store) == whole
    again = []
    assert simulate(job, store, again.append) == whole
    assert again == [False] * 10  # all were there


def test_a_store_of_other_settings_or_with_a_broken_frame_is_not_used(tmp_path):
    path = tmp_path / "store"
    with FrameStore(path, b"one", (2, 3)) as store:
        for value in range(3):
            store.append(np.full((2, 3), value, np.uint8))
    with FrameStore(path, b"one", (2, 3)) as store:
        np.testing.assert_array_equal(store.entry(1)[:, 0], [0, 1, 2])
    content = bytearray(path.read_bytes())
    content[-3 - 10] ^= 1  # in the middle frame
    path.write_bytes(content)
    with FrameStore(path, b"one", (2, 3)) as store:
        assert len(store) == 1
    with FrameStore(path, b"other", (2, 3)) as store:
        assert len(store) == 0


def test_a_finished_file_is_known_by_what_made_it(tmp_path):
    job = Job(ring_item(), replace(SETTINGS, frames=2))
    assert not job.is_done(tmp_path, "clean")
    for name, content in simulate(job).items():
        (tmp_path / name).write_bytes(content)
    assert job.is_done(tmp_path, "clean") and job.is_done(tmp_path, "reverberation")
    louder = Job(job.item, replace(job.settings, artifacts=ArtifactSettings(level_db=30.0)))
    assert louder.is_done(tmp_path, "clean")
    with pytest.raises(InputError, match=r"ring_reverberation.h5: was made with artifacts level_db 20.0 instead of 30"):
        louder.is_done(tmp_path, "reverberation")
    with pytest.raises(InputError, match=r"was made with seed 0 instead of 3; .* overwrite"):
        Job(job.item, replace(job.settings, seed=3)).is_done(tmp_path, "clean")
    for broken in (b"no HDF5", (tmp_path / "ring_clean.h5").read_bytes()[:-5000]):
        (tmp_path / "ring_clean.h5").write_bytes(broken)
        assert not job.is_done(tmp_path, "clean")


def test_files_of_a_changed_template_are_not_taken_for_its_own(tmp_path):
    """The content counts, wherever the dataset lies and whenever it was copied there."""
    for folder, mask in (("original", b"mask"), ("copy", b"mask"), ("repaired", b"ksam")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "image").write_bytes(b"image")
        (tmp_path / folder / "mask").write_bytes(mask)
    original, copy, repaired, missing = (
        Job(replace(ring_item(), files=(tmp_path / name / "image", tmp_path / name / "mask")), SETTINGS)
        for name in ("original", "copy", "repaired", "missing")
    )
    content = original.origin("clean")["template"]["content"]
    assert len(content) == 16 and Job(ring_item(), SETTINGS).origin("clean")["template"]["content"] == ""
    contents = simulate(Job(original.item, replace(SETTINGS, frames=2)))
    assert simulate(Job(copy.item, replace(SETTINGS, frames=2))) == contents
    (tmp_path / "ring_clean.h5").write_bytes(contents["ring_clean.h5"])
    with pytest.raises(InputError, match=f"made with template content {content} instead of"):
        Job(repaired.item, replace(SETTINGS, frames=2)).is_done(tmp_path, "clean")
    with pytest.raises(InputError, match="image: cannot be read"):
        missing.origin("clean")


def test_jobs_are_chosen_by_split_patient_and_number():
    items = [replace(ring_item(f"ring{i}"), split="test" if i > 2 else "train") for i in range(5)]
    assert [job.name for job in make_jobs(items, SETTINGS, split="test")] == ["ring3", "ring4"]
    assert [job.name for job in make_jobs(items, SETTINGS, patients=["ring4", "ring0"])] == ["ring0", "ring4"]
    assert [job.name for job in make_jobs(items, SETTINGS, limit=2)] == ["ring0", "ring1"]
    vendors = [replace(ring_item(str(i)), patient=name) for i, name in enumerate(["Hitachi, Ltd", "GE", "Philips"])]
    for text in ("Hitachi, Ltd,GE", "GE, Hitachi, Ltd"):  # a name with a comma
        assert [job.item.patient for job in make_jobs(vendors, SETTINGS, patients=[text])] == ["Hitachi, Ltd", "GE"]
    with pytest.raises(InputError, match="No template is of patient 'ring9'; there are 'ring0'"):
        make_jobs(items, SETTINGS, patients=["ring9"])
    with pytest.raises(InputError, match="their splits are 'test', 'train'"):
        make_jobs(items, SETTINGS, split="validation")


@pytest.mark.parametrize(
    ("change", "said"),
    [({"variants": ()}, "variants"), ({"variants": ("clean", "clean")}, "each once"), ({"variants": ("fog",)}, "'fog'"),
     ({"frames": 1}, "frames"), ({"seed": -1}, "seed"), ({"seed": 2**63}, "seed"),
     ({"engine": "magic"}, "'magic' is not an engine"),
     ({"variants": ("clean",), "artifacts": ArtifactSettings(haze_db=0.0)}, "Haze")],
)  # fmt: skip
def test_impossible_settings(change, said):
    with pytest.raises(InputError, match=said):
        replace(SETTINGS, **change)


@pytest.mark.parametrize(
    "change", [{"beams": 1}, {"sector_deg": 200.0}, {"depth_mm": np.nan}, {"focus_mm": 0.0}, {"attenuation": -1.0}]
)
def test_impossible_scans(change):
    with pytest.raises(InputError, match=f"{next(iter(change))} is"):
        ScanSettings(**change)


def test_a_bad_template_is_one_sentence():
    with pytest.raises(InputError, match="outside of the sector"):
        simulate(Job(ring_item(mesh=beating_ring(size=3).mesh + np.float32(500)), SETTINGS))


def test_the_sector_asked_for(ring, tmp_path):
    """A smaller one of the same probe; with attenuation, the gain makes up for what is lost."""
    scan = ScanSettings(48, sector_deg=60.0, depth_mm=110.0, focus_mm=50.0, attenuation=0.3)
    settings = replace(SETTINGS, scan=scan, frames=2, variants=("clean",))
    smaller = sequences(tmp_path, Job(ring_item(), settings))["clean"].loop
    wider = ring[1]["clean"].loop
    template = ring_item().load(0, 2)
    radius, angle = template.grid.polar()
    np.testing.assert_array_equal(smaller.sector, (radius <= 110) & (np.abs(angle) <= np.deg2rad(30)))
    assert smaller.frames.shape[1:] == wider.frames.shape[1:]
    assert smaller.frames[:, smaller.sector].mean() == pytest.approx(wider.frames[:, smaller.sector].mean(), rel=0.15)
    scan = json.loads(sequence_header(tmp_path / "ring_clean.h5").attributes["scan"])
    assert (scan["sector_deg"], scan["depth_mm"], scan["focus_mm"], scan["attenuation"]) == (60, 110, 50, 0.3)
    with pytest.raises(InputError, match=r"show a sector of 70\.0° and 120\.0 mm, asked for are 70\.0° and 130\.0 mm"):
        simulate(Job(ring_item(), replace(SETTINGS, scan=ScanSettings(depth_mm=130.0))))


def test_what_does_not_fit_into_memory_is_named():
    frames = 2 * 4 * ring_item().load(0, 4).frames.size
    many, few = (replace(SETTINGS, transducer=Transducer(elements=elements)) for elements in (256, 2))
    for settings, memory, said in (
        (many, 10**8, r"256 elements at 2\.5 MHz and 120 mm need about .* GiB of memory, and 0\.09 GiB are left"),
        (few, frames // 2, r"4 frames of 360×312 px need about 0\.00 GiB"),
        (replace(SETTINGS, scatterers=ScattererSettings(density=1000.0)), 10**8, "scatterers need about"),
    ):
        with pytest.raises(InputError, match=said):
            simulate(Job(ring_item(), settings), memory=memory)
