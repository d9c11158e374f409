"""How much memory is left to use."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Bytes that can be used before the system swaps or a container's limit is met; a guess where neither is known."""
    candidates = []
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                candidates.append(int(line.split()[1]) * 1024)
    except OSError:  # not Linux
        if hasattr(os, "sysconf"):
            candidates.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    try:
        limit, statistics = ((_CGROUP / name).read_text().split() for name in ("memory.max", "memory.stat"))
        if limit != ["max"]:  # the cache of files counts as used there, but is given back
            candidates.append(max(int(limit[0]) - int(statistics[statistics.index("anon") + 1]), 0))
    except (OSError, ValueError):  # no container
        pass
    return min(candidates, default=4 << 30)
