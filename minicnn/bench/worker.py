"""The process of one competitor: `python -m minicnn.bench.worker`, requests and answers as lines of JSON.

Each request names what to do under "do", and the arguments; the answer is an object, with "error" (and "memory": true
where it was too little) if it could not be done. The parent decides when; nothing runs between two requests.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from dataclasses import asdict

from .machine import limit_memory, memory_mb

LONG = 0.5                                        # seconds of a layer that needs no pass to wake up


class Session:
    """What the requests can ask for: first `load`, then `open_lenet` or `open_layer`, then the others."""

    def load(self, implementation, threads):
        """Import the library. -> its version, and the memory in MB that it then holds."""
        self.implementation = importlib.import_module(implementation)
        version = self.implementation.load(threads)
        return {"version": version, "import_mb": memory_mb()[0]}

    def open_lenet(self, variant, batch_size, training):
        """Build the LeNet and its batch, and take the first two steps.

        -> their results (losses and then weights, or logits) and the seconds of the first.
        """
        from .lenet_step import Problem
        self.subject = self.implementation.lenet(variant, Problem.make(batch_size))
        self.step = self.subject.step if training else self.subject.forward
        start = time.perf_counter()
        results = [self.step()]
        first = time.perf_counter() - start
        results.append(self.step())
        if training:
            weights = {name: array.tolist() for name, array in self.subject.weights().items()}
            return {"first_step_s": first, "losses": results, "weights": weights}
        return {"first_step_s": first, "logits": results[1].tolist()}

    def steps(self, least, seconds):
        """One untimed step, then timed ones, at least `least` and for about so many seconds. -> the seconds of each."""
        start = time.perf_counter()
        self.step()
        count = round(seconds / (time.perf_counter() - start))
        return {"seconds": _timed(self.step, max(least, min(50, count)))}

    def memory(self):
        """-> the most memory in MB that this process ever held."""
        return {"peak_mb": memory_mb()[1]}

    def profile(self, algorithm, batch_size, repeats):
        """-> where the time of minicnn's step goes, as `profile.run` tells."""
        from . import profile
        return profile.run(algorithm, batch_size, repeats)

    def find(self, geometry, names, repeats):
        """-> the records of `minicnn.conv.find`, as dicts."""
        from ..conv import find
        from .reference import geometry_of
        return {"records": [asdict(record) for record in find(geometry_of(geometry), repeats=repeats, names=names)]}

    def open_layer(self, variant, geometry, seed):
        """Build a convolution layer on random numbers, and compute it once.

        -> the shape of its output, the errors of its results, and the seconds of a second time.
        """
        from . import reference
        limit_memory()
        self.layer = None                         # the last one's arrays
        geometry = reference.geometry_of(geometry)
        x, weight, grad = reference.operands(geometry, seed)
        self.layer = self.implementation.layer(variant, geometry, x, weight, grad)
        out, saved = self.layer.forward()
        results = [self.layer.array(result) for result in (out, *self.layer.backward(saved, (True, True)))]
        del out, saved
        errors = reference.errors(geometry, x, weight, grad, *results)
        shape = results[0].shape
        del x, weight, grad, results
        self.seconds, = _timed(self._both, 1)
        return {"out_shape": shape, "errors": errors, "seconds": self.seconds}

    def passes(self, seconds):
        """Forward and both gradients once, untimed unless that is long, then each pass for about so many seconds, but
        at least once.

        -> {pass: the seconds of each time}.
        """
        if self.seconds < LONG:
            self._both()
        count = max(1, min(20, round(2 * seconds / self.seconds)))
        _, saved = self.layer.forward()
        work = {"forward": self.layer.forward, "grad_input": lambda: self.layer.backward(saved, (True, False)),
                "grad_weight": lambda: self.layer.backward(saved, (False, True)), "both": self._both}
        return {name: _timed(run, count) for name, run in work.items()}

    def _both(self):
        _, saved = self.layer.forward()
        self.layer.backward(saved, (True, True))


def _timed(run, count):
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return seconds


def main():
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)                                 # what a library prints is no answer
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


if __name__ == "__main__":
    sys.exit(main())
