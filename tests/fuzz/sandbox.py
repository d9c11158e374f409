"""Read hostile files in a process of its own: what hangs, crashes, eats memory or acts, does so there.

One forked process reads many files, one after the other; it is started anew when it dies or is ended. It may allocate
so much and no more, and everything it does that a reader must not do (write, delete, start a program, connect, load a
pickle) is noted by an audit hook.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cpwc_keras.errors import InputError

ACCEPTED, REFUSED = "accepted", "refused"
FAULTS = ("traceback", "hang", "crash", "memory", "acts", "words")
"""What must not happen: another exception than `InputError`, no end in time, a dead process, more memory than the
limit, a forbidden act, or a refusal that is not one sentence naming the file."""

_POLL_S = 0.05
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_ACTS = (
    "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod", "os.chown",
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "socket.connect", "pickle.find_class",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What a reader made of a file.

    Attributes:
        kind: `ACCEPTED`, `REFUSED` or one of `FAULTS`.
        detail: the message or the traceback.
        peak_mb: by how much memory grew at most, the programs it started included.
        seconds: processor time.
    """

    kind: str
    detail: str
    peak_mb: float = 0.0
    seconds: float = 0.0


class Sandbox:
    """A reader in a process of its own.

    Args:
        read: called with a path; returns nothing or raises.
        temporary: the only folder in which files may be made.
        warm: valid files, read before anything is measured: libraries are loaded by it.
        seconds: of processor time, and of waiting for something else, that a file may take.
        memory_mb: that a file may take.
    """

    def __init__(
        self,
        read: Callable[[Path], object],
        temporary: Path,
        warm: list[Path],
        seconds: float = 10,
        memory_mb: float = 1536,
    ):
        self._read, self._temporary, self._warm = read, temporary, warm
        self._seconds, self._memory_mb = seconds, memory_mb
        self._pid = 0

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_):
        self._end()

    def run(self, path: Path) -> Outcome:
        """Read one file; a suspected hang is tried once more, with four times the time, before it counts as one."""
        outcome = self._run(path, self._seconds)
        return self._run(path, 3 * self._seconds) if outcome.kind == "hang" else outcome

    def _run(self, path: Path, seconds: float) -> Outcome:
        if not self._pid:
            self._start()
        os.write(self._requests, (json.dumps(str(path)) + "\n").encode())
        waited = before = 0.0
        start = _group_seconds(self._pid)[0]
        while not select.select([self._answers], [], [], _POLL_S)[0]:
            used, runs = _group_seconds(self._pid)
            waited = 0.0 if runs or used > before else waited + _POLL_S
            before = used
            if used - start > seconds or waited > seconds:
                self._end()
                return Outcome("hang", f"{used - start:.1f} s of processor time, {waited:.1f} s of waiting")
        line = self._answers.readline()
        if not line:
            status = os.waitpid(self._pid, 0)[1]
            self._pid = 0
            self._close()
            how = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit {status}"
            return Outcome("crash", how)
        outcome = Outcome(**json.loads(line))
        if outcome.kind in (ACCEPTED, REFUSED) and outcome.peak_mb > self._memory_mb:
            return Outcome("memory", f"{outcome.peak_mb:.0f} MB", outcome.peak_mb, outcome.seconds)
        return outcome

    def _start(self):
        theirs_in, self._requests = os.pipe()
        answers, theirs_out = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            try:
                os.setsid()
                os.close(self._requests), os.close(answers)
                _serve(self._read, self._temporary, self._warm, self._memory_mb, theirs_in, theirs_out)
            finally:
                os._exit(0)
        os.close(theirs_in), os.close(theirs_out)
        self._answers = os.fdopen(answers, "rb", buffering=0)
        self._answers.readline()

    def _end(self):
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0
            self._close()

    def _close(self):
        os.close(self._requests)
        self._answers.close()


def _serve(read, temporary: Path, warm: list[Path], memory_mb: float, requests: int, answers: int):
    """In the child: read what is asked for, one line of JSON each way."""
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
    os.chdir(temporary)
    for path in warm:
        with contextlib.suppress(Exception):
            read(path)
    os.write(answers, b"\n")
    warnings.simplefilter("error", RuntimeWarning)  # NumPy's; a user would see it before the sentence
    acts, watching = [], [False]
    sys.addaudithook(lambda event, arguments: watching[0] and _note(event, arguments, temporary, acts))
    for line in os.fdopen(requests):
        path = Path(json.loads(line))
        acts.clear()
        start_kb = _reset_peak()
        resource.setrlimit(
            resource.RLIMIT_AS, (_status("VmSize") * 1024 + int(memory_mb * 2**20), resource.RLIM_INFINITY)
        )
        began = _own_seconds()
        watching[0] = True
        kind, detail = _outcome(read, path)
        watching[0] = False
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        if acts and kind in (ACCEPTED, REFUSED):
            kind, detail = "acts", "; ".join(acts[:5])
        peak = max(_status("VmHWM") - start_kb, 0) / 1024
        answer = {"kind": kind, "detail": detail[-3000:], "peak_mb": peak, "seconds": _own_seconds() - began}
        os.write(answers, (json.dumps(answer) + "\n").encode())


def _outcome(read, path: Path) -> tuple[str, str]:
    try:
        read(path)
    except InputError as error:
        text = str(error)
        shown = str(InputError(path.name))
        named = any(part in text for part in (shown, shown[:60], shown.removesuffix(path.suffix)))
        one = "\n" not in text and text.endswith((".", "…", "?")) and len(text) < 2000
        return (REFUSED, text) if one and (named or path.is_dir()) else ("words", text)
    except MemoryError:
        return "memory", traceback.format_exc()
    except BaseException:
        return "traceback", traceback.format_exc()
    return ACCEPTED, ""


def _note(event: str, arguments: tuple, temporary: Path, acts: list[str]):
    if event == "open":
        path, _, flags = arguments
        if not isinstance(path, int) and flags & _WRITES:
            name = os.fsdecode(path)
            if name != os.devnull and "__pycache__" not in name and not _below(name, temporary):
                acts.append(f"open {name} to write")
    elif event in _ACTS:
        if event == "subprocess.Popen" and "ffmpeg" in os.path.basename(os.fsdecode(arguments[0] or arguments[1][0])):
            return
        if event.startswith("os.") and arguments and isinstance(arguments[0], str | bytes):
            name = os.fsdecode(arguments[0])
            if _below(name, temporary) or "__pycache__" in name:
                return
        acts.append(f"{event} {arguments!r:.200}")


def _below(name: str, folder: Path) -> bool:
    return f"{os.path.abspath(name)}{os.sep}".startswith(f"{folder}{os.sep}")


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _status(name: str) -> int:
    """A value of this process' status, kB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(f"{name}:"))


def _reset_peak() -> int:
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return _status("VmRSS")


def _group_seconds(leader: int) -> tuple[float, bool]:
    """Processor time of a process group, of those that ended too, and whether one of them runs or waits to run."""
    total, runs = 0.0, False
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if int(fields[2]) == leader:
            total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
            runs |= fields[0] in "RDT"
    return total, runs
