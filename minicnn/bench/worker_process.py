"""The parent's side of a worker: start its process on some cores, ask it, notice if it dies or hangs, end it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ..errors import InputError
from . import instruction_sets
from .instruction_sets import NATIVE
from .libraries import Competitor
from .machine import cores

PATIENCE = 300.0                                  # seconds; compiling takes a minute
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMBA_NUM_THREADS",
           "NPROC", "VECLIB_MAXIMUM_THREADS")
PACKAGE = Path(__file__).parents[1]
# PYTHONSAFEPATH in the worker's environment keeps the current directory off its path: a select.py or numpy.py that lies
# there is not the library. The package is loaded from its file, so its directory need not be on the path either. The
# process restricts itself to its cores before NumPy's BLAS counts them.
START = """
import sys, psutil
process, cores = psutil.Process(), [int(core) for core in sys.argv[2].split(",")]
if hasattr(process, "cpu_affinity"):
    process.cpu_affinity(cores)
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("minicnn", sys.argv[1] + "/__init__.py", submodule_search_locations=[sys.argv[1]])
package = sys.modules["minicnn"] = module_from_spec(spec)
spec.loader.exec_module(package)
from minicnn.bench.worker import main
main()
"""


class WorkerFailed(RuntimeError):
    """A worker could not carry out a request."""


class WorkerOutOfMemory(WorkerFailed, InputError):
    """A worker needs more memory than is free, because the user chose sizes that are too large."""


class Worker:
    """A process that measures one competitor. Use it in a `with`.

    Parameters
    ----------
    competitor : minicnn.bench.libraries.Competitor
    threads : int
        The process has as many cores.
    instructions : {"native", "avx2"}
        The instruction set that the libraries are held to, see `instruction_sets`.

    Attributes
    ----------
    loaded : dict
        "version" of the library; "instructions", the instruction set that the library reports; "blas", the BLAS of
        NumPy and the processor that it has code for (both None where there is no report); "import_mb", the memory of
        the process after the import, in MB.

    Raises
    ------
    WorkerFailed
        The library cannot be loaded.
    """

    def __init__(self, competitor: Competitor, threads: int, instructions: str = NATIVE):
        self.competitor = competitor
        self.log = tempfile.TemporaryFile()       # noqa: SIM115 (closed in close); what the library prints
        allowed = ",".join(map(str, cores()[:threads]))
        self.process = subprocess.Popen([sys.executable, "-c", START, str(PACKAGE), allowed], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log,
                                        env=environment(threads, instructions))
        try:
            self.loaded = self.ask("start", module=competitor.module, threads=threads)
        except BaseException:
            self.close()
            raise

    def ask(self, do: str, patience: float = PATIENCE, **arguments: Any) -> dict:
        """The answer to one request: the name of a method of `worker.Session`, and its arguments.

        Raises
        ------
        WorkerFailed
            The answer is an error, the process died, or it did not answer in `patience` seconds and was ended.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
            self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], patience)[0]:
            self.close()
            raise WorkerFailed(f"no answer in {patience:.0f} s")
        line = self.process.stdout.readline()     # the answer is written at once
        if not line.endswith(b"\n"):
            raise WorkerFailed(self._last_words())
        answer = json.loads(line)
        if "error" in answer:
            raise (WorkerOutOfMemory if answer["memory"] else WorkerFailed)(_first_line(answer["error"]))
        return answer

    def rest(self, most: float = 0.5) -> None:
        """Wait until no thread of the process runs, at most `most` seconds. Some threads spin after their work."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        end = time.monotonic() + most
        while True:
            time.sleep(0.003)
            try:
                states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks.iterdir()]
            except OSError:                       # no such files here, or a thread has just ended
                states = []
            if "R" not in states or time.monotonic() > end:
                return

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def _last_words(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()                       # it may still run and have closed only its output
        status = self.process.wait()
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        hint = " (the system may have run out of memory)" if status == -signal.SIGKILL else ""
        self.log.seek(0)
        printed = self.log.read().decode(errors="replace").strip().splitlines()
        return f"its process ended with {how}{hint}{f': {printed[-1].strip()}' if printed else ''}"


def environment(threads: int, instructions: str = NATIVE) -> dict[str, str]:
    """The environment of a worker. Each library reads the number of threads from a different variable."""
    held = instruction_sets.variables(instructions)
    eigen = "true" if threads > 1 else "false"
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]    # an empty one is "."
    return {**os.environ, **dict.fromkeys(THREADS, str(threads)), "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3",
            "TORCHINDUCTOR_COMPILE_THREADS": "1", **held,
            "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads} "
                         + held.get("XLA_FLAGS", ""),
            "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}


def _first_line(text, most=200):
    line = text.strip().partition("\n")[0]
    return line if len(line) <= most else line[:most] + " ..."
