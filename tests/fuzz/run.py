"""Hand inputs to a target, one after the other, and watch exceptions, seconds and memory."""

import faulthandler
import logging
import os
import random
import time
import traceback
import tracemalloc
from dataclasses import dataclass, field

from tests.fuzz.targets import FREE

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None         # where a file costs least
SECONDS = 5                                             # an input that takes longer is a hang


@dataclass
class Result:
    """What happened. `failures` are (number of the input, input, reason)."""

    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    slowest: float = 0.0
    memory: int = 0
    failures: list = field(default_factory=list)

    def __str__(self):
        return (f"{self.inputs:,} inputs, {self.accepted:,} read, {self.refused:,} refused, "
                f"{len(self.failures)} failed; slowest {self.slowest:.2f} s, most memory {self.memory / 1e6:.1f} MB")


def fuzz(target, count, seed=0, first=0, hang=0):
    """Fuzz a target with inputs number `first` to `first + count - 1`. After `hang` seconds in one input, the process
    prints a traceback and ends; 0: it does not."""
    result = Result()
    logging.getLogger("minicnn").disabled = True        # a word for each damaged file
    started = not tracemalloc.is_tracing()
    if started:
        tracemalloc.start()
    try:
        for number in range(first, first + count):
            content = target.make(random.Random(f"{type(target).__name__} {seed} {number}"))
            if hang and number % 1000 == 0:
                faulthandler.dump_traceback_later(1000 * hang, exit=True)
            if reason := _one(target, content, result):
                result.failures.append((number, content, reason))
    finally:
        faulthandler.cancel_dump_traceback_later()
        logging.getLogger("minicnn").disabled = False
        if started:
            tracemalloc.stop()
    return result


def _one(target, content, result):
    """Hand one input to the target. Returns why it failed, or None."""
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    start, reason = time.perf_counter(), None
    try:
        target.read(content)
        result.accepted += 1
    except target.allowed:
        result.refused += 1
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {str(error)[:200]} ({place.filename}, line {place.lineno})"
    seconds, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1] - before
    result.inputs += 1
    result.slowest, result.memory = max(result.slowest, seconds), max(result.memory, peak)
    if seconds > SECONDS:
        reason = f"it took {seconds:.1f} s"
    if peak > FREE + target.factor * len(content):
        reason = f"it took {peak / 1e6:.1f} MB for {len(content):,} bytes"
    return reason
