"""Thousands of damaged and hostile files against every reader; prints what became of them.

``python tests/fuzz/campaign.py --inputs 500 --seconds 5 --reader dicom --reader mat``

Each reader gets its hostile files and as many damaged ones as asked for. The exit code is 1 when any of them was
neither read nor refused by one sentence, and 0 otherwise; ``--keep FOLDER`` saves those that were not.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz import folders, hostile
from fuzz.mutation import mutated
from fuzz.sandbox import ACCEPTED, FAULTS, REFUSED, Outcome, Sandbox
from fuzz.targets import TARGETS, Target

_KINDS = (ACCEPTED, REFUSED, *FAULTS)


@dataclass
class Tally:
    """What became of the inputs of one reader."""

    reader: str
    inputs: int = 0
    outside: int = 0
    executed: int = 0
    peak_mb: float = 0.0
    slowest: float = 0.0
    counts: Counter = field(default_factory=Counter)
    faults: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, name: str, outcome: Outcome):
        self.inputs += 1
        self.counts[outcome.kind] += 1
        self.peak_mb, self.slowest = max(self.peak_mb, outcome.peak_mb), max(self.slowest, outcome.seconds)
        if outcome.kind in FAULTS:
            self.faults.append((name, outcome.kind, outcome.detail))


def run(reader: str, target: Target, options: argparse.Namespace) -> Tally:
    """All inputs of one reader."""
    tally, keep = Tally(reader), options.keep
    scratch = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        places = {name: scratch / name for name in ("seeds", "hostile", "damaged", "temporary")}
        for place in places.values():
            place.mkdir()
        canary = scratch / "canary"
        _in_child(_make, target, places, canary)
        seeds = [scratch / line for line in json.loads((scratch / "seeds.json").read_text())]
        bad = [scratch / line for line in json.loads((scratch / "hostile.json").read_text())]
        before = _listing(scratch)
        with Sandbox(target.read, places["temporary"], seeds, options.seconds, options.memory) as sandbox:
            for path in seeds:
                outcome = sandbox.run(path)
                if outcome.kind != ACCEPTED:
                    if reader != "contour file":
                        outcome = Outcome("traceback", f"A valid file was not read: {outcome}")
                    tally.add(path.name, outcome)
            for path in bad:
                tally.add(path.name, outcome := sandbox.run(path))
                _keep(keep, reader, path, outcome)
            random = Random(f"{reader} {options.seed}")
            contents = [path.read_bytes() for path in seeds if path.is_file()]
            for number in range(round(options.inputs * target.share)):
                chosen = random.choice(seeds)
                path = places["damaged"] / (f"{chosen.name}-{number}" if target.folder else chosen.name)
                if target.folder:
                    folders.damaged(chosen, path, random)
                else:
                    path.write_bytes(mutated(chosen.read_bytes(), contents, random))
                    if chosen.suffix == ".mhd":
                        shutil.copy(chosen.with_suffix(".raw"), path.parent)
                tally.add(f"{number}-{chosen.name}", outcome := sandbox.run(path))
                _keep(keep, reader, path, outcome, number)
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                path.with_suffix(".raw").unlink(missing_ok=True)
        written = _listing(scratch) - before
        written = {name for name in written if Path(name).parent != places["temporary"]}  # and what one reader writes
        tally.outside = len(written)
        tally.faults += [(name, "outside", "a file was made") for name in sorted(written)[:5]]
        tally.executed = int(canary.exists())
        if tally.executed:
            tally.faults.append(("?", "executed", "a command in a file was executed"))
    finally:
        shutil.rmtree(scratch)
    return tally


def _make(target: Target, places: dict[str, Path], canary: Path):
    """Seeds and hostile files; in a process of its own, since some libraries start threads that no fork survives."""
    seeds = target.seeds(places["seeds"])
    special, everyday = places["hostile"] / "special", places["hostile"] / "everyday"
    special.mkdir(), everyday.mkdir()
    bad = []
    if target.hostile and (hostile.SIZE == 1 or target.kept_small):
        more = {"canary": canary} if "canary" in inspect.signature(target.hostile).parameters else {}
        bad = target.hostile(special, **more)
    if not target.folder:
        by_suffix = {"".join(path.suffixes): path for path in reversed(seeds)}
        for suffix, valid in by_suffix.items():
            folder = everyday / f"as{suffix}"
            folder.mkdir()
            bad += hostile.any_reader(folder, suffix, valid, canary)
    for name, paths in (("seeds", seeds), ("hostile", bad)):
        (canary.parent / f"{name}.json").write_text(json.dumps([str(path) for path in paths]))


def _in_child(function, *arguments):
    pid = os.fork()
    if not pid:
        try:
            function(*arguments)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("the files could not be made")


def _listing(folder: Path) -> set[str]:
    found = {os.path.join(at, name) for at, names, files in os.walk(folder) for name in (*names, *files)}
    return found - {str(folder / "canary")}


def _keep(keep: Path | None, reader: str, path: Path, outcome: Outcome, number: int | None = None):
    if keep and outcome.kind in FAULTS:
        prefix = f"{reader.split(',')[0].replace(' ', '_')}-{outcome.kind}-"
        folder = keep / f"{prefix}{'' if number is None else number}-{path.name[:60]}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "detail.txt").write_text(outcome.detail, errors="replace")
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 1 << 24:
            shutil.copy(path, folder / path.name[:200])


def table(tallies: list[Tally]) -> str:
    """Markdown."""
    names = ("reader", "inputs", *_KINDS, "files outside", "code executed", "peak MB", "slowest s")
    lines = [names, ["---"] * len(names)]
    for tally in tallies:
        counts = (tally.counts[kind] for kind in _KINDS)
        worst = f"{tally.peak_mb:.0f}", f"{tally.slowest:.1f}"
        lines.append((tally.reader, tally.inputs, *counts, tally.outside, tally.executed, *worst))
    whole = [sum(tally.counts[kind] for tally in tallies) for kind in _KINDS]
    whole += [sum(tally.outside for tally in tallies), sum(tally.executed for tally in tallies)]
    worst = f"{max(tally.peak_mb for tally in tallies):.0f}", f"{max(tally.slowest for tally in tallies):.1f}"
    lines.append(("all", sum(tally.inputs for tally in tallies), *whole, *worst))
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=500, help="damaged files for each reader")
    parser.add_argument("--seconds", type=float, default=5, help="that a file may take")
    parser.add_argument("--memory", type=float, default=1536, help="MB that a file may take")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--small", action="store_true", help="fewer and smaller hostile files")
    parser.add_argument("--reader", action="append", choices=list(TARGETS), help="only this one; may be repeated")
    parser.add_argument("--keep", type=Path, help="folder for what was neither read nor refused")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    if arguments.small:
        hostile.SIZE = 0.02
    tallies = []
    for reader in arguments.reader or TARGETS:
        tally = run(reader, TARGETS[reader], arguments)
        tallies.append(tally)
        print(table([tally]).splitlines()[2], flush=True)
        for name, kind, detail in tally.faults[:40]:
            print(f"    {kind}: {name[:80]!r}: {' / '.join(detail.strip().splitlines()[-3:])[-400:]}", flush=True)
    print(table(tallies))
    if arguments.json:
        arguments.json.write_text(json.dumps([vars(tally) for tally in tallies], indent=1))
    return int(any(tally.faults or tally.outside for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
