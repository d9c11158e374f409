"""Many sequences: the same bytes from any number of workers, after any kill, on a cluster that loses a worker."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from beating_ring import beating_ring, ring_item

from cpwc_keras.data_prep.simulation.pipeline import Job, make_jobs
from cpwc_keras.data_prep.simulation.run import run
from cpwc_keras.data_prep.simulation.scatterers import ScattererSettings
from cpwc_keras.data_prep.simulation.settings import ScanSettings, SimulationSettings
from cpwc_keras.data_prep.simulation.template import TemplateItem
from cpwc_keras.data_prep.simulation.transducer import Transducer
from cpwc_keras.errors import InputError
from cpwc_keras.files import write_errors_named
from cpwc_keras.io.sequence_file import read_sequence

HERE = Path(__file__).parent
SETTINGS = SimulationSettings(
    transducer=Transducer(elements=16), scan=ScanSettings(32), frames=6, scatterers=ScattererSettings(density=2.0)
)
JOBS = make_jobs([ring_item(f"ring{i}") for i in range(4)], SETTINGS)

PROGRAM = """
import sys
from test_simulation_run import JOBS, run
if __name__ == "__main__":
    print("begin", flush=True)
    run(JOBS, sys.argv[1], workers=int(sys.argv[2]), on_progress=lambda done, total: print(done, flush=True))
"""


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).glob("[!.]*.h5"))}


def leftovers(folder):
    return [path.name for path in Path(folder).iterdir() if path.name.startswith(".")]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("expected")
    report = run(JOBS, folder)
    assert len(report.made) == 8 and report.images == 48 and not report.refused and not report.broken
    return contents(folder)


def test_any_number_of_workers_gives_the_same_bytes(expected, tmp_path):
    seen = []
    report = run(JOBS, tmp_path, workers=2, on_progress=lambda *counts: seen.append(counts))
    assert contents(tmp_path) == expected and report.images == 48
    assert seen[-1] == (48, 48) and leftovers(tmp_path) == []


def test_any_number_of_threads_gives_the_same_bytes(expected, tmp_path):
    limits = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    program = start(tmp_path / "out", 1, tmp_path, **limits)
    assert program.wait(60) == 0
    assert contents(tmp_path / "out") == expected


def test_the_surrogate_too_gives_the_same_bytes(tmp_path):
    jobs = [Job(job.item, replace(job.settings, engine="surrogate")) for job in JOBS[:2]]
    for workers in (1, 2):
        run(jobs, tmp_path / str(workers), workers=workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def start(folder, workers, tmp_path, **environment):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(HERE), **environment}
    return subprocess.Popen(
        [sys.executable, path, str(folder), str(workers)], env=environment, stdout=subprocess.PIPE, text=True
    )


def children(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("workers", [1, 2])
def test_after_a_kill_at_any_moment_the_same_run_gives_the_same_bytes(expected, tmp_path, workers):
    rng, folder = np.random.default_rng(workers), tmp_path / "out"
    for images in rng.integers(3, 13, 3):
        program = start(folder, workers, tmp_path)
        for line in program.stdout:
            if line.strip().isdigit() and int(line) >= images:
                break
        time.sleep(rng.uniform(0, 0.03))
        workers_left = children(program.pid)
        program.kill()
        program.wait()
        program.stdout.close()
        for name, content in contents(folder).items():
            assert content == expected[name]  # whole, or not there
        deadline = time.monotonic() + 10
        while any(map(alive, workers_left)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(alive, workers_left))  # none works on without its parent
    assert leftovers(folder)
    run(JOBS, folder, workers=workers)
    assert contents(folder) == expected and leftovers(folder) == []


def test_a_finished_folder_is_left_as_it_is(expected, tmp_path):
    run(JOBS, tmp_path)
    (tmp_path / JOBS[0].file_name("clean")).unlink()
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("ring[123]*.h5")}
    files = []
    report = run(JOBS, tmp_path, on_file=files.append)
    assert len(report.made) == 2 and len(report.kept) == 6 and len(files) == 8
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert contents(tmp_path) == expected
    record = json.loads((tmp_path / "record.json").read_text())
    assert set(record["files"]) == set(expected) and record["settings"]["seed"] == 0
    assert record["settings"]["processor"]


@pytest.mark.parametrize("workers", [1, 2])
def test_frames_of_an_interrupted_run_are_not_counted_as_made(expected, tmp_path, workers):
    def stop(done, total):
        if done >= 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(JOBS[:1], tmp_path, on_progress=stop)
    seen = []
    report = run(JOBS[:1], tmp_path, workers=workers, on_progress=lambda *counts: seen.append(counts))
    assert report.images == 12 - 4 and seen[-1] == (12, 12)


def test_what_a_run_left_that_was_killed_after_its_last_file_is_removed(tmp_path):
    run(JOBS[:1], tmp_path)
    (tmp_path / ".ring0.frames").write_bytes(b"left")
    assert len(run(JOBS[:1], tmp_path).kept) == 2
    assert leftovers(tmp_path) == []


def test_a_broken_file_is_made_anew(expected, tmp_path):
    run(JOBS[:1], tmp_path)
    path = tmp_path / "ring0_clean.h5"
    path.write_bytes(path.read_bytes()[:20_000])
    assert len(run(JOBS[:1], tmp_path).made) == 2
    assert path.read_bytes() == expected["ring0_clean.h5"]


def test_a_preview_that_fails_does_not_stop_the_run(expected, tmp_path):
    def refuse(path):
        assert leftovers(tmp_path) == [".cpwc-keras.lock"] and path.exists()
        if "ring0" in path.name:
            raise InputError("no picture today.")

    for names in ("made", "kept"):
        report = run(JOBS[:2], tmp_path, on_file=refuse)
        assert len(getattr(report, names)) == 4 and not report.refused
        assert report.unshown == dict.fromkeys(("ring0_clean.h5", "ring0_reverberation.h5"), "no picture today.")
    assert json.loads((tmp_path / "record.json").read_text())["unshown"] == report.unshown
    assert contents(tmp_path).items() <= expected.items()


def full(seed, frames):
    with write_errors_named("out/.full.frames"):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_stops_the_run_with_one_sentence(tmp_path, workers):
    items = [TemplateItem(name, name, "", "procedural", full) for name in ("a", "b")]
    with pytest.raises(InputError, match=r"^out/\.full\.frames: cannot be written: the disk is full;"):
        run([*make_jobs(items, SETTINGS), *JOBS], tmp_path, workers=workers)
    assert len(contents(tmp_path)) < 8 and not (tmp_path / "record.json").exists()


def test_files_of_other_settings_are_kept_unless_overwritten(tmp_path):
    run(JOBS[:1], tmp_path)
    before = contents(tmp_path)
    other = [Job(job.item, replace(job.settings, seed=1)) for job in JOBS[:1]]
    with pytest.raises(InputError, match="seed 0 instead of 1"):
        run(other, tmp_path)
    assert contents(tmp_path) == before
    run(other, tmp_path, overwrite=True)
    assert contents(tmp_path).keys() == before.keys() and contents(tmp_path) != before


def broken(seed, frames):
    raise ZeroDivisionError("a mistake of ours")


def folded(seed, frames):
    return beating_ring(frames, mesh=np.zeros((frames, 36, 5, 2), np.float32))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_that_fails_does_not_stop_the_others(expected, tmp_path, workers):
    bad = [TemplateItem(name, name, "", "procedural", loader) for name, loader in (("b", broken), ("f", folded))]
    report = run([*make_jobs(bad, SETTINGS), *JOBS[:2]], tmp_path, workers=workers)
    assert report.refused.keys() == {"f"} and "folded" in report.refused["f"]
    assert report.broken.keys() == {"b"} and "a mistake of ours" in report.broken["b"]
    assert contents(tmp_path) == {name: content for name, content in expected.items() if name < "ring2"}


def killed(seed, frames):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_process_is_one_sentence_and_the_run_can_go_on(expected, tmp_path):
    deadly = make_jobs([TemplateItem("deadly", "deadly", "", "procedural", killed)], SETTINGS)
    with pytest.raises(InputError, match=r"worker process was killed.* goes on"):
        run([*JOBS, *deadly], tmp_path, workers=2)
    run(JOBS, tmp_path, workers=2)
    assert contents(tmp_path) == expected


def test_two_runs_in_one_folder_and_two_templates_of_one_name(tmp_path):
    def second(path):
        with pytest.raises(InputError, match="another run"):
            run(JOBS[1:2], tmp_path)

    run(JOBS[:1], tmp_path, on_file=second)
    with pytest.raises(InputError, match="'a_b'"):
        run(make_jobs([ring_item("a/b"), ring_item("a_b")], SETTINGS), tmp_path)


# --- Dask: a real scheduler with two worker processes on the loopback ---


@pytest.fixture
def cluster(tmp_path):
    pytest.importorskip("distributed")
    environment = {**os.environ, "PYTHONPATH": str(HERE), "NUMBA_NUM_THREADS": "1"}
    processes = []

    def dask(*arguments):
        with open(tmp_path / f"dask{len(processes)}.log", "w") as log:
            command = [sys.executable, "-m", "dask", *arguments]
            processes.append(subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=log))
        return processes[-1]

    file = tmp_path / "scheduler.json"
    scheduler = dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    deadline = time.monotonic() + 30
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.2)
    address = json.loads(file.read_text())["address"]

    def worker():
        return dask("worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory",
                    str(tmp_path))  # fmt: skip

    yield address, worker, scheduler
    for process in processes:
        process.kill()
        process.wait()


def wait_for_workers(address, count):
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=30)


def test_a_cluster_gives_the_same_bytes_also_when_it_loses_a_worker(expected, cluster, tmp_path):
    address, worker, _ = cluster
    with pytest.raises(InputError, match="has no workers"):
        run(JOBS, tmp_path / "out", scheduler=address)
    lost, _ = worker(), worker()
    wait_for_workers(address, 2)
    files = []

    def lose_one(path):
        files.append(path)
        if len(files) == 2:
            lost.kill()

    report = run(JOBS, tmp_path / "out", scheduler=address, on_file=lose_one)
    assert lost.wait() == -signal.SIGKILL
    assert not report.refused and not report.broken and report.images == 48
    assert contents(tmp_path / "out") == expected and leftovers(tmp_path / "out") == []


def test_a_job_that_fails_on_the_cluster_and_then_the_scheduler_itself(expected, cluster, tmp_path):
    address, worker, scheduler = cluster
    worker()
    wait_for_workers(address, 1)
    bad = [TemplateItem(name, name, "", "procedural", loader) for name, loader in (("b", broken), ("f", folded))]
    report = run(make_jobs(bad, SETTINGS), tmp_path / "out", scheduler=address)
    assert "folded" in report.refused["f"] and "a mistake of ours" in report.broken["b"]
    with pytest.raises(InputError, match=f"^{address}: the scheduler was lost"):
        run(JOBS, tmp_path / "out", scheduler=address, on_file=lambda path: scheduler.kill())
    run(JOBS, tmp_path / "out")
    assert contents(tmp_path / "out") == expected


def test_no_scheduler_there(tmp_path):
    pytest.importorskip("distributed")
    with pytest.raises(InputError, match=r"^tcp://127.0.0.1:1: no Dask scheduler could be reached"):
        run(JOBS, tmp_path, scheduler="tcp://127.0.0.1:1")
    with pytest.raises(InputError, match="'nonsense' is not the address"):
        run(JOBS, tmp_path, scheduler="nonsense")
    assert contents(tmp_path) == {}
    with pytest.raises(InputError, match="one of the two"):
        run(JOBS, tmp_path, scheduler="tcp://127.0.0.1:1", workers=2)


def test_without_dask_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"cpwc-keras\[cluster\]"):
        run(JOBS, tmp_path, scheduler="tcp://127.0.0.1:1")


def test_what_was_written_can_be_listed_as_a_dataset(tmp_path):
    from cpwc_keras.data.sequences import find

    run(JOBS[:2], tmp_path)
    items = find(tmp_path)
    assert [(item.patient, item.variant, item.split, item.n_frames) for item in items] == [
        (name, variant, "train", 6) for name in ("ring0", "ring1") for variant in ("clean", "reverberation")
    ]
    assert len(read_sequence(tmp_path / "ring0_clean.h5")) == 6


def test_ctrl_c_within_compiled_code_is_no_broken_sequence(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise SystemError("CPUDispatcher returned a result with an exception set") from error

    monkeypatch.setattr("cpwc_keras.data_prep.simulation.workers.simulate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(make_jobs([ring_item()], SETTINGS), tmp_path)
