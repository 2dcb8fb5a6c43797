"""The process of one competitor: it reads requests and writes answers, one line of JSON each.

A request names a method of `Session` under "do" and gives its arguments. The answer is an object. If the request
failed, the answer has "error", and "memory" says if memory was too small. Nothing runs between two requests.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import threadpoolctl

from .libraries import LayerCalls, Library
from .machine import held_mb, limit_memory, peak_mb

LONG = 0.5                                        # layers slower than these seconds need no warm-up pass


class Session:
    """The requests: first `start`, then `open_network`, `open_layer` or `open_profile`, then those that measure."""

    def __init__(self) -> None:
        self.library: Library
        self.step: Callable[[], Any]
        self.layer: LayerCalls | None = None

    def start(self, module: str, threads: int) -> dict:
        """Import a library and limit its threads. -> `Worker.loaded`."""
        self.library = importlib.import_module(module).LIBRARY
        version = self.library.start(threads)
        threadpoolctl.threadpool_limits(threads)  # BLAS and OpenMP libraries that read no environment variable
        return {"version": version, "instructions": self.library.instructions(), "blas": _numpy_blas(),
                "import_mb": held_mb()}

    def open_network(self, variant: str, batch_size: int, training: bool, model: str = "lenet") -> dict:
        """Build a network and its batch, and take two steps.

        -> their results (losses and weights, or logits) and the seconds of the first and of the second step.
        """
        from .lenet_step import StepInputs
        calls = self.library.network(variant, StepInputs.make(batch_size, model))
        self.step = calls.step if training else calls.forward
        results: list = []
        first, second = _timed(lambda: results.append(self.step()), 2)
        times = {"first_step_s": first, "second_step_s": second}
        if training:
            weights = {name: array.tolist() for name, array in calls.weights().items()}
            return {**times, "losses": results, "weights": weights}
        return {**times, "logits": results[1].tolist()}

    def steps(self, least: int, seconds: float) -> dict:
        """One step that is not timed, then timed steps: at least `least`, and for about `seconds` seconds.

        -> the seconds of each timed step.
        """
        first, = _timed(self.step, 1)
        return {"seconds": _timed(self.step, max(least, min(50, round(seconds / first))))}

    def open_product(self, side: int) -> dict:
        """Make two square matrices, and multiply them twice. -> the seconds of the second product."""
        assert self.library.product is not None
        self.step = self.library.product(side)
        return {"seconds": _timed(self.step, 2)[1]}

    def memory(self) -> dict:
        """-> the most memory that this process ever held, in MB."""
        return {"peak_mb": peak_mb()}

    def open_profile(self, algorithm: str, batch_size: int) -> dict:
        """Build minicnn's LeNet for a profile, and take two steps. -> the seconds of the first and of the second."""
        from .profile import ProfiledStep
        self.step = ProfiledStep(algorithm, batch_size)
        first, second = _timed(self.step, 2)
        return {"first_step_s": first, "second_step_s": second}

    def profile_step(self) -> dict:
        """-> the seconds of one step, and of each of its operations, as `ProfiledStep` returns them."""
        return self.step()

    def find_records(self, geometry: dict, names: list[str] | None, repeats: int) -> dict:
        """-> the records of `minicnn.conv.find`, as dicts."""
        from ..conv import find
        from .reference import geometry_of
        return {"records": [asdict(record) for record in find(geometry_of(geometry), repeats=repeats, names=names)]}

    def predict(self, geometry: dict) -> dict:
        """-> "auto", the algorithm that auto chooses here, and "cost", the predicted costs of all that it considers."""
        from ..conv import algorithms, choose
        from .reference import geometry_of
        shape = geometry_of(geometry)
        cost = {name: known.cost(shape) for name, known in algorithms().items() if known.unsupported(shape) is None}
        return {"auto": choose("auto", shape).name, "cost": {name: one for name, one in cost.items() if one < math.inf}}

    def open_layer(self, variant: str, geometry: dict, seed: int) -> dict:
        """Build a convolution layer on random numbers, and compute it twice, or once if that takes longer than LONG.

        -> the shape of its output, the errors of its results, and the seconds of the last time.
        """
        from . import reference
        limit_memory()
        self.layer = None                         # frees the arrays of the last layer
        assert self.library.layer is not None
        shape = reference.geometry_of(geometry)
        x, weight, grad = reference.operands(shape, seed)
        self.layer = layer = self.library.layer(variant, shape, x, weight, grad)
        start = time.perf_counter()
        out, saved = layer.forward()
        gradients = layer.backward(saved, (True, True))
        first = time.perf_counter() - start
        results = [layer.array(result) for result in (out, *gradients)]
        del out, saved
        errors = reference.errors(shape, x, weight, grad, *results)
        out_shape = results[0].shape
        del x, weight, grad, results, gradients
        self.seconds = first if first > LONG and not layer.compiles else _timed(self._both, 1)[0]
        return {"out_shape": out_shape, "errors": errors, "seconds": self.seconds}

    def passes(self, seconds: float) -> dict:
        """Time each pass at least once, for about `seconds` seconds. Layers faster than LONG have a warm-up pass first.

        -> {pass: the seconds of each call}.
        """
        assert self.layer is not None
        if self.seconds < LONG:
            self._both()
        count = max(1, min(20, round(2 * seconds / self.seconds)))
        (_, saved), backward = self.layer.forward(), self.layer.backward
        work = {"forward": self.layer.forward, "grad_input": lambda: backward(saved, (True, False)),
                "grad_weight": lambda: backward(saved, (False, True)), "both": self._both}
        return {name: _timed(run, count) for name, run in work.items()}

    def _both(self):
        _, saved = self.layer.forward()
        self.layer.backward(saved, (True, True))


def _numpy_blas():
    """NumPy's BLAS and the processor that its code is for, as in "openblas Haswell"; None if it does not tell."""
    known = [pool for pool in threadpoolctl.threadpool_info() if "architecture" in pool]
    known.sort(key=lambda pool: "numpy" not in pool["filepath"])          # other libraries bring their own
    return f"{known[0]['internal_api']} {known[0]['architecture']}" if known else None


def _timed(run, count):
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return seconds


def main() -> None:
    """Answer requests until the parent closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)                                 # a library may print: its text must not mix with the answers
    session = Session()
    for line in requests:
        request = json.loads(line)
        try:
            answer = getattr(session, request.pop("do"))(**request)
        except MemoryError:
            answer = {"error": "more memory than is free", "memory": True}
        except Exception as error:                # a library may raise anything
            answer = {"error": f"{type(error).__name__}: {error}", "memory": "can't allocate memory" in str(error)}
        print(json.dumps(answer), file=answers, flush=True)
