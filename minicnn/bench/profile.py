"""Where the time of minicnn's training step goes: by operation and layer, forward and backward.

The engine is not changed: for as long as it takes, the functions of `minicnn.functional` are wrapped, and so are the
vjps of the nodes that they put on the tape.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import statistics
import time

from .. import Tensor
from .. import functional as F
from ..conv import Geometry, choose
from ..models import LeNet
from ..optim import SGD
from .lenet_step import Problem

FORWARD, BACKWARD = "forward_ms", "backward_ms"


class Stopwatch:
    """Seconds by (name, direction), and the names in the order in which they first appeared."""

    def __init__(self):
        self.seconds, self.names, self.running = {}, {}, False

    @contextlib.contextmanager
    def timed(self, name, direction):
        """Time what is inside, unless something is timed already: an operation may call others."""
        if self.running:
            yield
            return
        self.running, start = True, time.perf_counter()
        try:
            yield
        finally:
            self.running = False
            self.names[name] = True
            self.seconds[name, direction] = self.seconds.get((name, direction), 0.0) + time.perf_counter() - start


@contextlib.contextmanager
def watched(watch):
    """Inside, `watch` times every call of a function of `minicnn.functional`, and the vjps of what it recorded."""
    originals = {name: getattr(F, name) for name in F.__all__}
    try:
        for name, function in originals.items():
            setattr(F, name, _wrapped(function, watch))
        yield
    finally:
        for name, function in originals.items():
            setattr(F, name, function)


def _wrapped(function, watch):
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*arguments, **options):
        if watch.running:
            return function(*arguments, **options)
        name = _describe(function.__name__, signature.bind(*arguments, **options))
        with watch.timed(name, FORWARD):
            result = function(*arguments, **options)
        before = {id(a._node) for a in (*arguments, *options.values()) if isinstance(a, Tensor) and a._node}
        _wrap_nodes(result._node, before, name, watch)
        return result
    return call


def _wrap_nodes(node, before, name, watch):
    """Time the vjp of `node` and of those below it, down to the nodes of the call's inputs."""
    waiting, seen = [node], set(before)
    while waiting:
        node = waiting.pop()
        if id(node) in seen or not hasattr(node, "vjp"):                # None, or a leaf
            continue
        seen.add(id(node))
        waiting += node.parents
        node.vjp = _timed_vjp(node.vjp, name, watch)


def _timed_vjp(vjp, name, watch):
    def timed(grad):
        with watch.timed(name, BACKWARD):
            return vjp(grad)
    return timed


def _describe(name, call):
    """The operation and its layer, as in "conv2d 20->40 5x5 @24x24 + relu (winograd)"."""
    call.apply_defaults()
    given = call.arguments
    shape = getattr(given.get("input", given.get("x")), "shape", ())
    if name == "linear":
        return f"linear {shape[-1]}->{given['weight'].shape[0]}"
    if name != "conv2d":
        return f"{name} {'x'.join(map(str, shape[1:]))}".rstrip()
    weight = given["weight"]
    geometry = Geometry.of(shape if len(shape) == 4 else (1, *shape), weight.shape, *(given[key] for key in (
        "stride", "padding", "dilation", "groups", "padding_mode")), weight.dtype)
    kernel, relu = "x".join(map(str, geometry.kernel)), " + relu" * bool(given.get("relu"))
    return (f"conv2d {geometry.in_channels}->{geometry.out_channels} {kernel} @{geometry.height}x{geometry.width}"
            f"{relu} ({choose(given['algorithm'], geometry).name})")


def run(algorithm, batch_size, repeats) -> dict:
    """Profile the LeNet's training step.

    Returns
    -------
    dict
        "step_ms", the median of the whole step; "rows": name, forward_ms, backward_ms (None where there is none), the
        medians over the repeats, ms, their sum, and share of the step. The last row is what the others do not cover:
        the tape, its checks of shapes and of arrays changed in place, Python.
    """
    problem = Problem.make(batch_size)
    model = LeNet(algorithm=algorithm)
    model.load_state_dict(problem.state)
    optimizer = SGD(model.parameters(), problem.lr)
    steps, wholes, names = [], [], {}
    for i in range(repeats + 2):                  # the first two compile and warm up
        watch = Stopwatch()
        start = time.perf_counter()
        with watched(watch):
            with watch.timed("zero_grad", FORWARD):
                optimizer.zero_grad()
            loss = F.cross_entropy(model(Tensor(problem.images)), problem.labels)
            loss.backward()
            with watch.timed("SGD step", FORWARD):
                optimizer.step()
        if i >= 2:
            wholes.append(time.perf_counter() - start)
            steps.append(watch.seconds)
            names |= watch.names
    median = lambda values: statistics.median(values) * 1e3
    step = median(wholes)
    rows = []
    for name in names:
        parts = {key: median([s.get((name, key), 0.0) for s in steps]) if any((name, key) in s for s in steps) else None
                 for key in (FORWARD, BACKWARD)}
        rows.append({"name": name, **parts, "ms": sum(filter(None, parts.values()))})
    rest = median([whole - sum(seconds.values()) for whole, seconds in zip(wholes, steps, strict=True)])
    rows.append({"name": "rest: tape, checks, Python", FORWARD: None, BACKWARD: None, "ms": rest})
    return {"step_ms": step, "rows": [{**row, "share": row["ms"] / step} for row in rows]}
