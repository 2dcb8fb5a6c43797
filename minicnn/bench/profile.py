"""The time of each operation in minicnn's training step, forward and backward.

`watched` wraps the functions of `minicnn.functional` and the vjps of the nodes that they record. The engine has no code
for profiles. If a convolution computes a ReLU in the same pass, the ReLU has no time of its own, and the row of the
convolution ends in "+ relu".
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import statistics
import time
from collections.abc import Iterator

from .. import Tensor
from .. import functional as F
from ..conv import Geometry, choose
from ..models import LeNet
from ..optim import SGD
from ..progress import SILENT, Progress
from .lenet_step import StepInputs
from .libraries import with_algorithm
from .round_robin import remaining
from .train import Task
from .worker_process import Worker

FORWARD, BACKWARD = "forward_ms", "backward_ms"


class Stopwatch:
    """Seconds by (name, direction), in the order of the first call."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, str], float] = {}
        self.running = False

    @contextlib.contextmanager
    def timed(self, name: str, direction: str) -> Iterator[None]:
        """Time the block, unless it runs inside another timed block: an operation may call other operations."""
        if self.running:
            yield
            return
        self.running, start = True, time.perf_counter()
        try:
            yield
        finally:
            self.running = False
            self.seconds[name, direction] = self.seconds.get((name, direction), 0.0) + time.perf_counter() - start


@contextlib.contextmanager
def watched(watch: Stopwatch) -> Iterator[None]:
    """Inside the block, `watch` times the functions of `minicnn.functional` and the vjps that they record."""
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
    """Time the vjp of `node` and of the nodes below it, down to the nodes of the call's inputs."""
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


class ProfiledStep:
    """The LeNet's training step under a stopwatch. Each call takes one step.

    A call returns {"whole": seconds, "operations": [(name, direction, seconds)]}.
    """

    def __init__(self, algorithm: str, batch_size: int):
        self.inputs = StepInputs.make(batch_size)
        self.model = LeNet(algorithm=algorithm)
        self.model.load_state_dict(self.inputs.state)
        self.optimizer = SGD(self.model.parameters(), self.inputs.lr)

    def __call__(self) -> dict:
        watch, start = Stopwatch(), time.perf_counter()
        with watched(watch):
            with watch.timed("zero_grad", FORWARD):
                self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(Tensor(self.inputs.images)), self.inputs.labels)
            loss.backward()
            with watch.timed("SGD step", FORWARD):
                self.optimizer.step()
        return {"whole": time.perf_counter() - start,
                "operations": [(*key, seconds) for key, seconds in watch.seconds.items()]}


def run(algorithm: str, task: Task, repeats: int, progress: Progress = SILENT) -> dict:
    """Profile the LeNet's training step in a process of its own.

    Returns
    -------
    dict
        library, instructions and blas (see `worker_process.Worker`), "step_ms", the median of the whole step, and
        "rows". A row has name, forward_ms and backward_ms (medians over the repeats, or None), ms (their sum), and
        share (of the step). The last row is the time outside of all operations: the tape, its checks of shapes and of
        arrays changed in place, Python.

    Raises
    ------
    WorkerFailed
        The step failed. If memory was too small, the error is an InputError too.
    """
    begun = time.monotonic()
    progress.update(0, 1, "first steps")
    with Worker(with_algorithm(algorithm), task.threads, task.instructions) as worker:
        opened = worker.ask("open_profile", algorithm=algorithm, batch_size=task.batch_size)
        progress, steps = remaining(progress, begun, repeats * opened["second_step_s"]), []
        for i in range(repeats):
            progress.update(i, repeats, f"step {i + 1}")
            steps.append(worker.ask("profile_step"))
        reports = {key: worker.loaded[key] for key in ("instructions", "blas")}
    return {"library": "minicnn", **reports, **medians_of(steps)}


def medians_of(steps: list[dict]) -> dict:
    """The medians over `steps`, each a result of `ProfiledStep`, the step_ms and rows that `run` returns."""
    wholes = [step["whole"] for step in steps]
    seconds = [{(name, direction): each for name, direction, each in step["operations"]} for step in steps]
    rows: list[dict] = []
    for name in dict.fromkeys(name for found in seconds for name, _ in found):
        parts = {direction: _median_ms([found.get((name, direction), 0.0) for found in seconds])
                 if any((name, direction) in found for found in seconds) else None for direction in (FORWARD, BACKWARD)}
        rows.append({"name": name, **parts, "ms": sum(filter(None, parts.values()))})
    rest = _median_ms([whole - sum(found.values()) for whole, found in zip(wholes, seconds, strict=True)])
    rows.append({"name": "rest: tape, checks, Python", FORWARD: None, BACKWARD: None, "ms": rest})
    step = _median_ms(wholes)
    return {"step_ms": step, "rows": [{**row, "share": row["ms"] / step} for row in rows]}


def _median_ms(seconds):
    return statistics.median(seconds) * 1e3
