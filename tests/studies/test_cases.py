import hashlib

import numpy as np
import pytest
from affine_hearts import sequence, write
from dataset_layouts import write_alessandrini, write_camus, write_ted

from cpwc_keras.errors import InputError
from cpwc_keras.io.contours import Contour, write_contour
from cpwc_keras.io.sequence_file import write_sequence
from cpwc_keras.models.presets import list_presets
from cpwc_keras.studies.cases import contour_of, find_cases, select
from cpwc_keras.studies.metrics import keep, require
from cpwc_keras.studies.paper import beside
from cpwc_keras.studies.results import CaseResult
from cpwc_keras.studies.trackers import TrackerSpec, described, fingerprint, parse_trackers, vendor_folder
from cpwc_keras.types import Sequence


def names(cases):
    return [case.info.name for case in cases]


def test_simulated_sequences_have_motion_and_choices(tmp_path):
    write(tmp_path, seeds=(0, 1, 2), variants=("clean", "reverberation"))
    cases = find_cases("sequences", tmp_path)
    assert len(cases) == 6 and {case.info.kind for case in cases} == {"motion"}
    assert names(select(cases, split="train")) == ["p0_clean", "p0_reverberation"]
    assert names(select(cases, variants=("clean",))) == ["p0_clean", "p1_clean", "p2_clean"]
    assert names(select(cases, variants=("clean",), patients=("p2", "p0"))) == ["p0_clean", "p2_clean"]
    assert names(select(cases, limit=1)) == ["p0_clean", "p0_reverberation"]
    assert len(select(cases, views=("A4C",), vendors=("GE",))) == 6


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"variants": ("fog",)}, "variant 'fog'; there are 'clean'"),
        ({"views": ("A2C",)}, "view 'A2C'"),
        ({"patients": ("nobody",)}, "patient 'nobody'"),
        ({"vendors": ("ACME",)}, "vendor 'ACME'"),
        ({"split": "clinical"}, "split 'clinical'; there are train"),
    ],
)
def test_a_choice_that_is_not_there(tmp_path, choice, said):
    write(tmp_path, seeds=(0,))
    with pytest.raises(InputError, match=said):
        select(find_cases("sequences", tmp_path), **choice)


def test_simulated_alessandrini_sequences_are_called_so(tmp_path):
    source = {"source": "Alessandrini 2018, GE/A4C/normal", "motion": "ground truth"}
    write_sequence(tmp_path / "a.h5", sequence(), source)
    assert find_cases("sequences", tmp_path)[0].info.dataset == "alessandrini re-simulated"


def test_procedural_hearts_are_called_so(tmp_path):
    write_sequence(tmp_path / "a.h5", sequence(), {"source": "procedural"})
    info = find_cases("sequences", tmp_path)[0].info
    assert info.dataset == "procedural hearts" and not beside(info.kind, info.dataset, info.variant).rows


def test_every_dataset_has_its_kind(tmp_path):
    write_camus(tmp_path / "camus", half_sequence=True)
    write_ted(tmp_path / "ted")
    write_alessandrini(tmp_path / "alessandrini/GE/A4C/normal")
    stills, half = find_cases("camus", tmp_path / "camus")
    assert (stills.info.dataset, half.info.dataset) == ("camus stills", "camus half sequences")
    (ted,) = find_cases("ted", tmp_path / "ted")
    assert {stills.info.kind, half.info.kind, ted.info.kind} == {"contours"} and ted.info.view == "A4C"
    trajectories = find_cases("alessandrini", tmp_path / "alessandrini")
    assert [(case.info.kind, case.info.view) for case in trajectories] == [("motion", "A4C")]


def test_metrics_need_their_reference(tmp_path):
    write(tmp_path / "mesh", seeds=(0,))
    seq = sequence()
    shape = (len(seq) - 1, *seq.loop.frames.shape[1:])
    dense = Sequence(seq.loop, flows=np.zeros((*shape, 2), np.float32), masks=np.ones(shape, np.float32))
    write_sequence(tmp_path / "dense" / "a.h5", dense)
    write_camus(tmp_path / "camus")
    mesh, flows, stills = (
        find_cases(name, tmp_path / folder)
        for name, folder in (("sequences", "mesh"), ("medicaid", "dense"), ("camus", "camus"))
    )
    require(("epe", "contours", "strain", "segments"), mesh)
    require(("epe",), flows)
    require(("contours", "strain"), stills)
    for metric, cases, said in (
        ("strain", flows, r"'strain' needs reference contours, which medicaid does not have; it allows epe"),
        ("epe", stills, r"'epe' needs true motion, which camus stills does not have; it allows contours, strain"),
        ("segments", stills, r"'segments' needs the true motion of a mesh"),
    ):
        with pytest.raises(InputError, match=said):
            require((metric,), cases)
    result = CaseResult("t", mesh[0].info, scalars={"epe_mm": 1.0, "d_m_mm": 2.0}, curves={"strain": np.zeros(2)})
    kept = keep(result, ("epe",))
    assert kept.scalars == {"epe_mm": 1.0} and not kept.curves
    assert keep(result, ()) is result


def test_loops_have_a_contour_beside_them(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"")
    write_contour(tmp_path / "a.json", Contour([[1.0, 9], [5, 1], [9, 9]], 0, (20, 20)))
    (case,) = find_cases("loops", tmp_path)
    assert (case.info.kind, case.info.name) == ("loop", "a") and len(contour_of(case).points) == 3
    (tmp_path / "a.avi").write_bytes(b"")
    with pytest.raises(InputError, match=r"belongs to both a\.mp4 and a\.avi"):
        find_cases("loops", tmp_path)
    (tmp_path / "a.avi").rename(tmp_path / "b.avi")
    with pytest.raises(InputError, match=r"b\.avi has no contour; expected pairs"):
        find_cases("loops", tmp_path)
    (tmp_path / "b.avi").rename(tmp_path / "c.json")
    with pytest.raises(InputError, match=r"c\.json has no recording"):
        find_cases("loops", tmp_path)


def test_the_pixels_beside_a_header_are_watched_too(tmp_path):
    write_ted(tmp_path)
    (case,) = find_cases("ted", tmp_path)
    assert {path.suffix for path in case.item.files} >= {".mhd", ".raw"}


def test_what_cannot_be_measured_on(tmp_path):
    with pytest.raises(InputError, match=r"'chairs' cannot be measured on; choose one of sequences"):
        find_cases("chairs", tmp_path)
    with pytest.raises(InputError, match=r"found no recording with a contour"):
        find_cases("loops", tmp_path)


def test_trackers_have_names():
    specs = parse_trackers(["dis", "mine=runs/a/network.h5", "runs/b/network.h5", "folder/theirs.onnx"])
    assert [spec.name for spec in specs] == ["dis", "mine", "b", "theirs.onnx"]
    assert TrackerSpec.parse("module:function").name == "module:function"
    fold = TrackerSpec.parse("fold=runs/{vendor}/network.h5")
    assert fold.by_vendor and fold.of_vendor("GE Vingmed, Ltd") == "runs/GE_Vingmed_Ltd/network.h5"
    assert vendor_folder("Hitachi Aloka Medical,Ltd") == "Hitachi_Aloka_Medical_Ltd"


@pytest.mark.parametrize(("texts", "said"), [([], "No tracker"), (["dis", "dis"], "called 'dis'"), (["a="], "'a='")])
def test_tracker_names_that_will_not_do(texts, said):
    with pytest.raises(InputError, match=said):
        parse_trackers(texts)


def test_a_report_names_the_files_behind_the_trackers(tmp_path):
    digests = {}
    for vendor in ("GE", "Toshiba"):
        path = tmp_path / vendor / "network.h5"
        path.parent.mkdir()
        path.write_text(vendor)
        digests[vendor] = f"{path}, SHA-256 {hashlib.sha256(vendor.encode()).hexdigest()}"
    preset, card = next(iter(list_presets().items()))
    found = described(
        parse_trackers(["dis", preset, f"fold={tmp_path}/{{vendor}}/network.h5"]), ["Toshiba", "GE", "GE"]
    )
    assert found == {
        "dis": "dis",
        preset: f"{preset}, SHA-256 {card['sha256']}",
        "fold": f"{digests['GE']}; {digests['Toshiba']}",
    }


def test_a_tracker_is_known_by_what_its_file_holds(tmp_path):
    path = tmp_path / "own.py"
    path.write_text("def flow(a, b): pass\n")
    before = fingerprint(f"{path}:flow")
    assert fingerprint("dis") != fingerprint("zero") and fingerprint("json:loads") != fingerprint("json:dumps")
    fingerprint.cache_clear()
    path.write_text("def flow(a, b): return 1\n")
    assert fingerprint(f"{path}:flow") != before
