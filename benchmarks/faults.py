"""Commands killed at random moments and started again: what was lost, torn, left behind or went on without its parent.

    python benchmarks/faults.py --kills 50 --work faults                 (hours; the table at the end)
    python benchmarks/faults.py --kills 5 --commands track,evaluate

Started again with the same folder it goes on counting there.

Each round starts a command in an empty folder, kills it with SIGKILL after a random share of the processor time that an
undisturbed run takes, or as soon as it writes a file, and starts it again, several times over; then it may finish. Half
of the kills hit the whole process group, half the main process alone. After each kill every file in sight must be whole
and what was finished must still be there, untouched; after the last run the folder must hold what an undisturbed run
leaves and nothing else, and no process may be alive.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

from fault_workloads import WORKLOADS, Workload, differences, prepare_data, state_of, torn

_CLOCK_HZ = os.sysconf("SC_CLK_TCK")
_ORPHANS_MAY_TAKE_S = 15.0
_HANGS_S = 1200.0
_MOST_KILLS_A_ROUND = 6
_MARK = "CPWC_KERAS_FAULTS"
_ONE_THREAD = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "1")


class Run:
    """A command that is running, with all processes that it has started, wherever they are."""

    def __init__(self, arguments: list[str], log: Path):
        self.mark = uuid.uuid4().hex
        command = [sys.executable, "-c", "from cpwc_keras.cli.main import main; main()", *arguments]
        self._log = open(log, "ab")  # noqa: SIM115 (closed with the run)
        environment = os.environ | _ONE_THREAD | {_MARK: self.mark}
        self.process = subprocess.Popen(
            command, env=environment, start_new_session=True, stdout=self._log, stderr=self._log
        )

    def seconds(self) -> float:
        """Processor time of the group so far."""
        total = 0
        for pid in _descendants(self.process.pid):
            with contextlib.suppress(OSError, ValueError, IndexError):
                total += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
        return total / _CLOCK_HZ

    def kill(self, whole_group: bool) -> None:
        (os.killpg if whole_group else os.kill)(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()

    def finish(self) -> int:
        try:
            return self.process.wait(_HANGS_S)
        except subprocess.TimeoutExpired:
            self.kill(whole_group=True)
            return -1
        finally:
            self._log.close()


def orphans(marks: set[str]) -> list[str]:
    """Processes of dead runs that are still alive after a while; time in which they were stopped does not count."""
    waited = 0.0
    while waited < _ORPHANS_MAY_TAKE_S:
        found = list(_marked(marks))
        if not found:
            return []
        time.sleep(0.05)
        waited += 0.05 * all(state != "T" for _, state, _ in found)
    for pid, _, _ in found:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return [name for _, _, name in found]


def _marked(marks: set[str]):
    for path in Path("/proc").iterdir():
        if not path.name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError):
            variables = (path / "environ").read_bytes().split(b"\0")
            if any(f"{_MARK}={mark}".encode() in variables for mark in marks):
                state = (path / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z":
                    yield int(path.name), state, (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:80]


def _descendants(pid: int) -> list[int]:
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        for tasks in Path(f"/proc/{found[-1]}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                waiting += map(int, tasks.read_text().split())
    return found


class Campaign:
    """Rounds of kills and resumes of one command; the figures are kept in its folder, where another one goes on."""

    def __init__(self, workload: Workload, work: Path, rng: random.Random):
        self.workload, self.work, self.rng = workload, work, rng
        self.home = work / workload.name
        self.home.mkdir(exist_ok=True)
        self.kept, self.log = self.home / "figures.json", self.home / "log.txt"
        before = json.loads(self.kept.read_text()) if self.kept.is_file() else {"figures": {}, "faults": []}
        self.figures, self.faults = Counter(before["figures"]), list(before["faults"])
        self.straight: dict[int, tuple[list[Path], float]] = {}

    def round(self, most: int) -> None:
        """Kill the command up to `most` times in one folder, then let it finish."""
        workload, rng, folder = self.workload, self.rng, self.home / "out"
        kind = self.figures["rounds"] % len(workload.options)
        if kind not in self.straight:
            self.straight[kind] = _undisturbed(workload, kind, self.work, self.log)
        reference, seconds = self.straight[kind]
        shutil.rmtree(folder, ignore_errors=True)
        before, marks = {}, set()
        for _ in range(min(rng.randint(1, _MOST_KILLS_A_ROUND), most)):
            run = Run(workload.command(kind, folder, self.work), self.log)
            marks.add(run.mark)
            stage = _wait_for_the_moment(run, folder, rng, seconds)
            if stage is None:
                self.figures["ended before the kill"] += 1
                if code := run.finish():
                    self.faults.append(f"ended with {code}")
                continue
            whole_group = rng.random() < 0.5
            run.kill(whole_group)
            self.figures.update(["kills", stage, "group" if whole_group else "main alone"])
            if rng.random() < 0.5:  # else the next run meets what is still on its way out
                self.faults += [f"orphan: {name}" for name in orphans(marks)]
            after = state_of(workload, folder)
            self.faults += [f"torn: {name}" for name in torn(workload, folder, reference)]
            self.faults += [f"lost or changed: {name}" for name in before if after.get(name) != before[name]]
            before = after
            self._keep()
        run = Run(workload.command(kind, folder, self.work), self.log)
        marks.add(run.mark)
        if code := run.finish():
            self.faults.append(f"the last run ended with {code}")
        after = state_of(workload, folder)
        self.faults += [f"lost or changed: {name}" for name in before if after.get(name) != before[name]]
        self.faults += [f"orphan: {name}" for name in orphans(marks)]
        self.faults += differences(workload, folder, reference)
        self.figures["rounds"] += 1
        self._keep()

    def _keep(self) -> None:
        self.kept.write_text(json.dumps({"figures": self.figures, "faults": self.faults}))
        print(json.dumps({"command": self.workload.name, **self.figures, "faults": self.faults}), flush=True)


def _undisturbed(workload: Workload, kind: int, work: Path, log: Path) -> tuple[list[Path], float]:
    """Folders of two runs that nothing disturbs, and the processor time of one."""
    folders = [work / workload.name / f"straight-{kind}-{number}" for number in (1, 2)]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        run = Run(workload.command(kind, folder, work), log)
        seconds = 0.1
        while run.process.poll() is None:
            seconds = max(seconds, run.seconds())
            time.sleep(0.02)
        if code := run.finish():
            sys.exit(f"{workload.name}: ended with {code} though nothing disturbed it; see {log}")
    return folders, seconds


def _wait_for_the_moment(run: Run, folder: Path, rng: random.Random, seconds: float) -> str | None:
    """Wait for a moment to kill; what the command was doing then, or None where it came to its end before."""
    moment = rng.uniform(0, 1.05) * seconds
    writes = rng.randint(1, 8) if rng.random() < 0.4 else 0  # kill at this write, whenever that is
    seen: set[str] = set()
    while run.process.poll() is None:
        fragments = {path.name for path in folder.rglob(".*.partial*")} if folder.is_dir() else set()
        seen |= fragments
        if writes and len(seen) >= writes and fragments:
            return "writing"
        if not writes and run.seconds() >= moment:
            begun = folder.is_dir() and any(folder.iterdir())
            return "writing" if fragments else "work" if begun else "start-up"
        time.sleep(0.002 if writes else 0.02)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="of each command (default: 50)")
    parser.add_argument("--commands", default=",".join(WORKLOADS), help="with commas between them")
    parser.add_argument("--work", type=Path, default=Path("faults"), help="folder for everything (default: faults)")
    parser.add_argument("--seed", type=int, default=None, help="of the moments (default: another each time)")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    work = options.work.resolve()
    prepare_data(work)
    campaigns = [Campaign(WORKLOADS[name], work, rng) for name in options.commands.split(",")]
    while short := [one for one in campaigns if one.figures["kills"] < options.kills]:
        for one in short:
            one.round(options.kills - one.figures["kills"])
    columns = ("command", "kills", "group", "main alone", "start-up", "work", "writing", "rounds")
    print("\n| " + " | ".join(columns) + " | faults |\n" + "|---" * (len(columns) + 1) + "|")
    for one in campaigns:
        figures = {"command": one.workload.name, **one.figures}
        print("| " + " | ".join(str(figures.get(name, 0)) for name in columns) + f" | {len(one.faults)} |")
    for one in campaigns:
        for fault, count in Counter(one.faults).items():
            print(f"{one.workload.name}: {fault} ({count}×)")


if __name__ == "__main__":
    main()
