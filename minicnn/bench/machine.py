"""Facts about the machine that runs a benchmark: its processor, cores, memory, load and versions."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import psutil

PACKAGES = ("numpy", "numba", "scipy", "torch", "tensorflow", "tensorflow_cpu", "jax", "mygrad")
# the first letters of environment variables that can change a speed
MATTERS = ("OPENBLAS", "OMP", "MKL", "KMP", "NUMBA", "MINICNN_CONV", "MINICNN_CALIBRATION", "XLA", "TF_ENABLE",
           "TF_NUM", "TORCH", "ONEDNN", "DNNL", "ATEN", "NPY", "BLIS")


def facts() -> dict:
    """The date, the processor, the cores, the load, the versions, and environment variables that can change a speed."""
    from .. import __version__
    versions = {"minicnn": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "cpu": processor(),
            "cores": len(cores()), "load_before": load_average(), "system": platform.platform(), "versions": versions,
            "environment": {k: v for k, v in sorted(os.environ.items()) if k.startswith(MATTERS)}}


def processor() -> str:
    """The name of the processor."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores() -> list[int]:
    """The logical cores that this process may use: the first of each physical core, then the second of each.

    >>> len(cores()) >= 1
    True
    """
    process = psutil.Process()
    if not hasattr(process, "cpu_affinity"):      # macOS
        return list(range(psutil.cpu_count() or 1))
    return sorted(process.cpu_affinity(), key=lambda core: (_rank_among_siblings(core), core))


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


def load_average() -> float:
    """The number of processes that wanted to run, averaged over the last minute."""
    return round(psutil.getloadavg()[0], 2)


def held_mb() -> float:
    """The memory that this process holds now, in MB."""
    return psutil.Process().memory_info().rss / 1e6


def peak_mb() -> float:
    """The most memory that this process ever held, in MB.

    On Linux this is VmHWM, which counts from the start of the program. ru_maxrss may include the parent process.
    """
    with contextlib.suppress(OSError):
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / 1e6
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def free_bytes() -> int:
    """The memory that programs can still take without swapping."""
    return psutil.virtual_memory().available


def limit_memory() -> None:
    """Limit this process to nine tenths of the free memory, if the system can do that.

    An array that is too large then raises MemoryError here. Without the limit the system would kill some process.
    """
    process = psutil.Process()
    if hasattr(process, "rlimit"):                # Linux
        with contextlib.suppress(OSError, ValueError):
            most = process.memory_info().data + free_bytes() * 9 // 10
            process.rlimit(psutil.RLIMIT_DATA, (most, process.rlimit(psutil.RLIMIT_DATA)[1]))
