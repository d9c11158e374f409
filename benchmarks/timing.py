"""Timing for a noisy machine: alternate the contenders, keep each one's best."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


def best_seconds(contenders: dict[str, Callable[[], object]], rounds: int = 7, calls: int = 1) -> dict[str, float]:
    """Shortest time of each contender; they take turns, so that a slow spell of the machine hits all alike.

    Args:
        contenders: name → a call that does the work once. Each is called once before, to warm up.
        rounds: turns each one gets.
        calls: in a turn. Of work that takes a few milliseconds the first call would time what the contender before has
            left in the caches.
    """
    best = {name: float("inf") for name in contenders}
    for call in contenders.values():
        call()
    for _ in range(rounds):
        for name, call in contenders.items():
            for _ in range(calls):
                start = time.perf_counter()
                call()
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def in_a_process(script: str, *options: str, **environment: str):
    """What another run of a script of this folder printed last, as JSON; its errors go where ours go."""
    command = [sys.executable, str(Path(script).resolve()), *options]
    done = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def row(what: str, seconds: dict[str, float], ours: str, peer: str) -> dict:
    """A line of the table: our time, the peer's, and the ratio."""
    return {
        "what": what,
        "ours": ours,
        "ours_ms": round(seconds[ours] * 1e3, 3),
        "peer": peer,
        "peer_ms": round(seconds[peer] * 1e3, 3),
        "ratio": round(seconds[peer] / seconds[ours], 2),
    }
