"""What a measurement was made on: processor, cores, memory, versions."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

PACKAGES = ("numpy", "numba", "scipy", "torch", "tensorflow", "tensorflow_cpu", "jax", "mygrad")
# environment variables
MATTERS = ("OPENBLAS", "OMP", "MKL", "KMP", "NUMBA", "MINICNN", "XLA", "TF_ENABLE", "TF_NUM", "TORCH")


def describe() -> dict:
    """Date, processor, cores, how busy they were, versions, environment variables that may change a speed."""
    from .. import __version__
    versions = {"minicnn": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "cpu": processor(),
            "cores": len(cores()), "load_before": load(), "system": platform.platform(), "versions": versions,
            "environment": {k: v for k, v in sorted(os.environ.items()) if k.startswith(MATTERS)}}


def processor() -> str:
    """The processor's name, as it tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores() -> list[int]:
    """The logical cores that this process may use, first one of each physical core, then their siblings.

    >>> len(cores()) >= 1
    True
    """
    if not hasattr(os, "sched_getaffinity"):
        return list(range(os.cpu_count() or 1))
    return sorted(os.sched_getaffinity(0), key=lambda core: (_rank_among_siblings(core), core))


def _rank_among_siblings(core):
    """0 for the first thread of a physical core, 1 for the second, ..."""
    try:
        text = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list").read_text().strip()
        siblings = []
        for part in text.split(","):              # "0,64" or "0-1"
            first, _, last = part.partition("-")
            siblings += range(int(first), int(last or first) + 1)
        return siblings.index(core)
    except (OSError, ValueError):
        return 0


def load() -> float | None:
    """How many processes wanted to run in the last minute; None where the system does not tell."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def memory_mb() -> tuple[float | None, float]:
    """What this process holds in memory now (None where the system does not tell), and the most it ever held, in MB.

    Linux's VmHWM counts from the start of this program; ru_maxrss may be that of the process that started it.
    """
    with contextlib.suppress(OSError):
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return tuple(int(lines[key].split()[0]) * 1024 / 1e6 for key in ("VmRSS", "VmHWM"))
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None, peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def free_bytes() -> int | None:
    """Memory that programs can still take without swapping; None where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def limit_memory():
    """Let this process take at most nine tenths of what is free, so that too large an array is a MemoryError here and
    not the end of some process that the system chooses."""
    free = free_bytes()
    if free is None:
        return
    import resource
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        held = int(lines["VmData"].split()[0]) * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (held + free * 9 // 10, resource.RLIM_INFINITY))
