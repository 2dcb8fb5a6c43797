"""The parent's side of a worker: start it with so many cores, ask it, notice when it dies or hangs, end it."""

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

from .machine import cores

PATIENCE = 300.0                                  # seconds; compiling takes a minute
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NPROC",
           "VECLIB_MAXIMUM_THREADS")


class Failed(RuntimeError):
    """A worker could not do what it was asked; `memory`: for want of memory."""

    def __init__(self, reason, memory=False):
        super().__init__(reason)
        self.memory = memory


class Worker:
    """A process that measures one competitor, on `threads` cores; use it in a `with`.

    Parameters
    ----------
    competitor : minicnn.bench.libraries.Competitor
    threads : int

    Attributes
    ----------
    loaded : dict
        The library's version, and the memory in MB after its import.
    """

    def __init__(self, competitor, threads):
        self.competitor = competitor
        self.log = tempfile.TemporaryFile()       # noqa: SIM115 (closed in close); what the library prints
        with _on_cores(threads):
            self.process = subprocess.Popen([sys.executable, "-m", f"{__package__}.worker"], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=self.log, env=environment(threads))
        try:
            self.loaded = self.ask("load", implementation=competitor.implementation, threads=threads)
        except BaseException:
            self.close()
            raise

    def ask(self, do, patience=PATIENCE, **arguments) -> dict:
        """The answer to one request.

        Raises
        ------
        Failed
            It answered that it cannot, it died, or it said nothing for `patience` seconds (then it is ended).
        """
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
            self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], patience)[0]:
            self.close()
            raise Failed(f"no answer in {patience:.0f} s")
        line = self.process.stdout.readline()     # the answer is written at once
        if not line.endswith(b"\n"):
            raise Failed(self._last_words())
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(_first_line(answer["error"]), answer.get("memory", False))
        return answer

    def rest(self, most=0.5):
        """Wait until none of its threads runs any more, but at most so many seconds: some spin after their work."""
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

    def close(self):
        """End the process."""
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _last_words(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()                       # one that only closed its output
        status = self.process.wait()
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        hint = " (the system may have run out of memory)" if status == -signal.SIGKILL else ""
        self.log.seek(0)
        printed = self.log.read().decode(errors="replace").strip().splitlines()
        return f"its process ended with {how}{hint}{f': {printed[-1].strip()}' if printed else ''}"


def environment(threads) -> dict:
    """The environment of every worker: so many threads for everyone, whoever reads which variable."""
    eigen = "true" if threads > 1 else "false"
    root = str(Path(__file__).parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **dict.fromkeys(THREADS, str(threads)), "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3",
            "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}",
            "TORCHINDUCTOR_COMPILE_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}


@contextlib.contextmanager
def _on_cores(count):
    """Processes that are started inside run on the first `count` cores only: a library may ignore what it is told."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores()[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _first_line(text, most=200):
    line = text.strip().partition("\n")[0]
    return line if len(line) <= most else line[:most] + " ..."
