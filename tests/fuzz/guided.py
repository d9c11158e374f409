"""Coverage-guided fuzzing of a reader, by atheris (`pip install atheris`), which the suite does not need.

``python tests/fuzz/guided.py flow 600 .flo .pfm`` feeds the reader "flow" (`targets.TARGETS`) for 600 seconds with what
leads it where nothing led before, under these suffixes (by default all that it has). Each new way to fail, by a warning
too, is printed once with the file that did it; a hang or a crash ends it at once.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from random import Random

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import atheris

with atheris.instrument_imports(include=["cpwc_keras.io", "cpwc_keras.data", "json", "csv"]):
    import cpwc_keras.data.alessandrini
    import cpwc_keras.io.cine
    import cpwc_keras.io.contour_import
    import cpwc_keras.io.flow_files  # noqa: F401

from fuzz.mutation import mutated
from fuzz.targets import TARGETS

from cpwc_keras.errors import InputError

_GROWTH_KB = 1_000_000


def main(reader: str, seconds: int, *only: str):
    """Feed one reader; does not return."""
    folder = Path(tempfile.mkdtemp(prefix="guided-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    for part in ("seeds", "corpus"):
        (folder / part).mkdir()
    seeds = [path for path in TARGETS[reader].seeds(folder / "seeds") if not only or path.suffix in only]
    suffixes = sorted({"".join(path.suffixes) for path in seeds})
    contents, found = [path.read_bytes() for path in seeds], set()
    for path, content in zip(seeds, contents, strict=True):  # the first byte says under which suffix the rest is read
        (folder / "corpus" / path.name).write_bytes(bytes([suffixes.index("".join(path.suffixes))]) + content)
    shutil.copytree(folder / "seeds", folder / "work", dirs_exist_ok=True)  # headers name files beside them
    os.chdir(folder / "work")
    warnings.simplefilter("error")

    def one(data: bytes):
        if not data:
            return
        path = folder / "work" / f"input{suffixes[data[0] % len(suffixes)]}"
        path.write_bytes(data[1:])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        problem = _problem(TARGETS[reader].read, path)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        if grown > _GROWTH_KB:
            problem = ("memory", f"{grown} kB")
        if problem and problem[0] not in found:
            found.add(problem[0])
            kept = Path(tempfile.gettempdir()) / f"guided-{len(found)}{path.suffix}"
            kept.write_bytes(data[1:])
            print(f"FOUND {kept}: {problem[1][:2000]}", flush=True)

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        random = Random(seed)
        if not data or random.random() < 0.5:
            return atheris.Mutate(data, longest)
        return (data[:1] + mutated(data[1:], contents, random))[:longest]

    options = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=6000", "-max_len=65536"]
    atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", str(folder / "corpus")], one, custom_mutator=mutate)
    atheris.Fuzz()


def _problem(read, path: Path) -> tuple[object, str] | None:
    """What kind of failure it is and how it looks; None for none."""
    try:
        read(path)
    except InputError as error:
        named = str(path.parent) in str(error) and "\n" not in str(error)  # a file beside it, too
        return None if named else (("words", str(error)[:20]), str(error))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return (type(error), where.filename, where.lineno), traceback.format_exc()
    return None


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
