"""The catalogue: every operation of the engine, with inputs for `gradcheck`. `run_catalogue` checks all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import functional as F
from ..checks import generator
from ..conv import Geometry, algorithms
from ..errors import raised_in
from ..progress import SILENT, Progress
from ..tensor import Tensor
from .check import largest_error
from .foreign import ForeignError
from .inputs import safe_inputs
from .target import GradcheckError, UncheckableError

LINEAR = {"eps": 1.0, "rtol": 1e-10, "atol": 1e-12}      # linear in each input: no truncation error
SMOOTH = {"eps": 1e-5, "rtol": 1e-6, "atol": 1e-9}


@dataclass(frozen=True)
class Operation:
    """A function, and the inputs for the check of its gradient.

    Attributes
    ----------
    kind : str
        The name in `minicnn.functional`, or of the Tensor's operator or method.
    variant : str
        The difference between this entry and the others of its kind; "" for the plain one.
    func : callable, or (forward, backward)
        As for `gradcheck`.
    inputs : tuple of Tensor or ndarray
    options : dict
        Options of `gradcheck`.
    """

    kind: str
    variant: str
    func: Any
    inputs: tuple
    options: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Kind and variant."""
        return f"{self.kind} {self.variant}".rstrip()


@dataclass(frozen=True)
class OperationResult:
    """The result of checking an `Operation`.

    Attributes
    ----------
    name : str
    inputs : tuple
        The shapes of the inputs.
    max_error : float or None
        The result of `largest_error`; None if the check failed.
    passed : bool
    reason : str
        Why the check failed; "" if it passed.
    seconds : float
    checked : bool
        Whether the gradient could be checked. If not, `passed` is False.
    """

    name: str
    inputs: tuple
    max_error: float | None
    passed: bool
    reason: str
    seconds: float
    checked: bool = True


def catalogue(seed: int = 0) -> Iterator[Operation]:
    """Yield every operation of the engine; conv2d once for each algorithm and each geometry that it supports.

    >>> sorted({operation.kind for operation in catalogue()} & {"add", "conv2d", "relu"})
    ['add', 'conv2d', 'relu']
    """
    rng = generator("rng", None, seed)
    for table in (_operators, _shapes_and_sums, _activations, _layers, _pools, _losses):
        for kind, variant, func, shapes, options in table(rng):
            yield Operation(kind, variant, func, safe_inputs(*shapes, rng=rng), options)
    yield from _convolutions(rng)


def run_catalogue(progress: Progress = SILENT, seed: int = 0) -> list[OperationResult]:
    """Check every operation of the catalogue.

    A public operation of `minicnn.functional` that the catalogue does not contain is listed as a failure.
    """
    operations, results = list(catalogue(seed)), []
    for number, operation in enumerate(operations):
        progress.update(number, len(operations), operation.name)
        results.append(check_operation(operation))
    progress.update(len(operations), len(operations))
    for name in sorted(set(F.__all__) - {operation.kind for operation in operations}):
        reason = "the catalogue does not contain this operation: add it to minicnn/gradcheck/operations.py"
        results.append(OperationResult(name, (), None, False, reason, 0.0))
    return results


def check_operation(operation: Operation, progress: Progress = SILENT) -> OperationResult:
    """Check one operation. An exception that it raises becomes the reason of the failure, but not ForeignError.
    """
    start, error, reason, checked = time.perf_counter(), None, "", True
    try:
        error = largest_error(operation.func, operation.inputs, **operation.options, progress=progress)
    except ForeignError:
        raise
    except UncheckableError as wrong:
        reason, checked = f"cannot be checked: {wrong.fact}", False
    except GradcheckError as wrong:
        reason = str(wrong).removeprefix("gradcheck: ")
    except (Exception, SystemExit) as wrong:            # one broken operation must not hide the others
        reason = f"it raised {type(wrong).__name__}: {wrong}{raised_in(wrong)}"
    shapes = tuple(x.shape for x in operation.inputs)
    seconds = time.perf_counter() - start
    return OperationResult(operation.name, shapes, error, error is not None, reason, seconds, checked)


# Each table yields (kind, variant, func, shapes of the inputs, options). Arguments that are not Tensors, such as labels
# and probabilities, are drawn from rng only once, because func must give the same output at every call.

def _operators(rng):
    a, row, column = (3, 4), (4,), (3, 1)
    yield "add", "", lambda x, y: x + y, (a, a), LINEAR
    yield "add", "broadcast", lambda x, y: x + y, (row, column), LINEAR
    yield "add", "one tensor twice", lambda x: x + x, (a,), LINEAR
    yield "add", "array on the left", lambda x: np.ones((2, 1, 4)) + x, (a,), LINEAR
    yield "sub", "broadcast", lambda x, y: x - y, (a, column), LINEAR
    yield "sub", "number on the left", lambda x: 2 - x, (a,), LINEAR
    yield "mul", "", lambda x, y: x * y, (a, a), LINEAR
    yield "mul", "broadcast", lambda x, y: x * y, (column, row), LINEAR
    yield "mul", "one tensor twice", lambda x: x * x, (a,), SMOOTH
    yield "div", "", lambda x, y: x / y, (a, a), SMOOTH
    yield "div", "broadcast", lambda x, y: x / y, (row, column), SMOOTH
    yield "div", "number on the left", lambda x: 2 / x, (a,), SMOOTH
    yield "pow", "number", lambda x: x ** 3, (a,), SMOOTH
    yield "pow", "of tensors", lambda x, y: (x * x) ** y, (a, row), SMOOTH
    yield "pow", "number on the left", lambda x: 2 ** x, (a,), SMOOTH
    yield "neg", "", lambda x: -x, (a,), LINEAR
    yield "matmul", "", lambda x, y: x @ y, ((2, 3), (3, 4)), LINEAR
    yield "matmul", "stacks, broadcast", lambda x, y: x @ y, ((2, 1, 2, 3), (2, 3, 2)), LINEAR
    yield "matmul", "vectors", lambda x, y: x @ y, ((4,), (4,)), LINEAR
    yield "matmul", "matrix and vector", lambda x, y: x @ y, ((2, 3, 4), (4,)), LINEAR
    yield "matmul", "vector and matrix", lambda x, y: x @ y, ((3,), (2, 3, 2)), LINEAR


def _shapes_and_sums(rng):
    a = (2, 3, 4)
    yield "getitem", "slice", lambda x: x[:, ::-2, 1:], (a,), LINEAR
    yield "getitem", "an element taken twice", lambda x: x[np.array([1, 0, 1])], (a,), LINEAR
    yield "getitem", "mask", lambda x: x[np.arange(24).reshape(a) % 3 == 0], (a,), LINEAR
    yield "reshape", "", lambda x: x.reshape(4, -1), (a,), LINEAR
    yield "transpose", "", lambda x: x.transpose(1, 2, 0), (a,), LINEAR
    yield "transpose", "T", lambda x: x.T, (a,), LINEAR
    for name, options in (("sum", LINEAR), ("mean", LINEAR), ("max", SMOOTH)):
        method = getattr(Tensor, name)
        yield name, "", method, (a,), options
        yield name, "axes", lambda x, method=method: method(x, axis=(0, -1)), (a,), options
        yield name, "keepdims", lambda x, method=method: method(x, axis=1, keepdims=True), (a,), options


def _activations(rng):
    a = (3, 4)
    yield "exp", "", Tensor.exp, (a,), SMOOTH
    yield "log", "", lambda x: (x * x).log(), (a,), SMOOTH
    yield "tanh", "", F.tanh, (a,), SMOOTH
    yield "sigmoid", "", F.sigmoid, (a,), SMOOTH
    yield "logsigmoid", "", F.logsigmoid, (a,), SMOOTH
    yield "relu", "", F.relu, (a,), SMOOTH
    yield "leaky_relu", "", F.leaky_relu, (a,), SMOOTH
    yield "leaky_relu", "negative_slope=0.3", lambda x: F.leaky_relu(x, 0.3), (a,), SMOOTH


def _layers(rng):
    yield "linear", "", F.linear, ((3, 4), (2, 4), (2,)), LINEAR
    yield "linear", "no bias, more axes", F.linear, ((2, 2, 3), (4, 3)), LINEAR
    yield "flatten", "start_dim=1", lambda x: F.flatten(x, 1), ((2, 3, 2, 2),), LINEAR
    seed = int(rng.integers(1 << 30))
    yield "dropout", "", lambda x: F.dropout(x, 0.4, rng=np.random.default_rng(seed)), ((3, 4),), LINEAR
    yield "dropout", "training=False", lambda x: F.dropout(x, 0.4, False), ((3, 4),), LINEAR
    mean, var = rng.standard_normal(2), rng.uniform(0.5, 2, 2)
    shapes = (3, 2, 2, 2), (2,), (2,)
    yield "batch_norm", "training", lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), shapes, SMOOTH
    yield "batch_norm", "training, no weight", lambda x: F.batch_norm(x, None, None, training=True), ((5, 2),), SMOOTH
    yield "batch_norm", "evaluation", lambda x, w, b: F.batch_norm(x, mean, var, w, b), shapes, LINEAR


def _pools(rng):
    shape = (2, 2, 5, 6)
    yield "max_pool2d", "", lambda x: F.max_pool2d(x, 2), (shape,), SMOOTH
    yield "max_pool2d", "overlap, padding", lambda x: F.max_pool2d(x, (3, 2), 1, (1, 0)), (shape,), SMOOTH
    yield "max_pool2d", "dilation, ceil_mode", lambda x: F.max_pool2d(x, 2, 2, 0, 2, True), (shape,), SMOOTH
    yield "max_pool2d", "unbatched", lambda x: F.max_pool2d(x, 2), (shape[1:],), SMOOTH
    yield "avg_pool2d", "", lambda x: F.avg_pool2d(x, 2), (shape,), LINEAR
    yield "avg_pool2d", "overlap, padding", lambda x: F.avg_pool2d(x, (3, 2), 1, (1, 0)), (shape,), LINEAR
    yield ("avg_pool2d", "padding not counted, ceil_mode",
           lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False), (shape,), LINEAR)
    yield "avg_pool2d", "divisor_override", lambda x: F.avg_pool2d(x, 2, divisor_override=3), (shape,), LINEAR
    for size, stride in ((4, 2), (3, 2), (1, 2), ((2, 5), (1, 3))):
        variant = "" if size == 4 else f"kernel_size={size}, stride={stride}"
        yield "blur_pool2d", variant, lambda x, k=size, s=stride: F.blur_pool2d(x, k, s), (shape,), LINEAR
    yield "blur_pool2d", "unbatched", F.blur_pool2d, (shape[1:],), LINEAR
    for size in (1, (2, 4)):
        variant = f"output_size={size}"
        yield "adaptive_avg_pool2d", variant, lambda x, s=size: F.adaptive_avg_pool2d(x, s), (shape,), LINEAR
        yield "adaptive_max_pool2d", variant, lambda x, s=size: F.adaptive_max_pool2d(x, s), (shape,), SMOOTH


def _losses(rng):
    logits, classes = (4, 3), 3
    yield "log_softmax", "", F.log_softmax, (logits,), SMOOTH
    yield "log_softmax", "dim=0", lambda x: F.log_softmax(x, 0), (logits,), SMOOTH
    labels = rng.integers(0, classes, 4)
    ignoring = np.where(np.arange(4) == 1, -100, labels)
    pixels, probabilities = rng.integers(0, classes, (2, 2, 2)), rng.dirichlet(np.ones(classes), 4)
    weight = rng.uniform(0.5, 2, classes)

    def loss(target, *arguments, **options):
        return lambda x: F.cross_entropy(x, target, *arguments, **options)

    yield "cross_entropy", "", loss(labels), (logits,), SMOOTH
    yield "cross_entropy", "probabilities", loss(probabilities, weight), (logits,), SMOOTH
    yield ("cross_entropy", "gradient of the probabilities",
           lambda x, q: F.cross_entropy(x, q, weight, label_smoothing=0.1), (logits, logits), SMOOTH)
    yield "cross_entropy", "weight", loss(labels, weight), (logits,), SMOOTH
    yield "cross_entropy", "ignore_index", loss(ignoring), (logits,), SMOOTH
    yield "cross_entropy", "label_smoothing", loss(ignoring, weight, label_smoothing=0.2), (logits,), SMOOTH
    yield "cross_entropy", "sum", loss(labels, reduction="sum"), (logits,), SMOOTH
    yield "cross_entropy", "none, one label a pixel", loss(pixels, reduction="none"), ((2, 3, 2, 2),), SMOOTH
    yield "cross_entropy", "one sample", loss(np.array(2)), ((3,),), SMOOTH
    for reduction in ("mean", "sum", "none"):
        yield "mse_loss", reduction, lambda x, y, r=reduction: F.mse_loss(x, y, reduction=r), (logits, logits), SMOOTH


# variant: (shape of the input, shape of the weight, options). No size is a multiple of an algorithm's tile.
CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "": ((2, 2, 5, 4), (3, 2, 3, 2), {}),
    "one pixel kernel": ((1, 3, 3, 4), (2, 3, 1, 1), {}),
    "kernel as large as the image": ((2, 1, 4, 5), (2, 1, 4, 5), {}),
    "stride=2, rows left over": ((1, 2, 6, 5), (2, 2, 3, 2), {"stride": 2}),
    "stride larger than the kernel": ((2, 1, 5, 7), (2, 1, 2, 2), {"stride": (2, 3)}),
    "padding=(1, 2)": ((1, 2, 4, 3), (2, 2, 3, 3), {"padding": (1, 2)}),
    "padding=same, even kernel": ((1, 2, 4, 3), (2, 2, 2, 4), {"padding": "same"}),
    "dilation=(2, 1)": ((1, 2, 6, 4), (2, 2, 3, 2), {"dilation": (2, 1)}),
    "groups=2": ((1, 4, 4, 4), (4, 2, 3, 2), {"groups": 2}),
    "groups=channels": ((1, 3, 4, 4), (6, 1, 3, 3), {"groups": 3, "padding": 1}),
    "circular": ((1, 2, 4, 3), (2, 2, 3, 3), {"padding": (1, 2), "padding_mode": "circular"}),
    "all at once": ((2, 2, 6, 5), (2, 1, 2, 3), {"stride": (2, 1), "padding": (1, 2), "dilation": (2, 2), "groups": 2,
                                                 "padding_mode": "circular"}),
}


def _convolutions(rng):
    for name, algorithm in algorithms().items():
        for variant, (image, kernel, options) in CONVOLUTIONS.items():
            if algorithm.unsupported(Geometry.of(image, kernel, **options, dtype="float64")):
                continue

            def conv(x, w, b=None, name=name, options=options):
                return F.conv2d(x, w, b, **options, algorithm=name)

            label = f"{name}: {variant}" if variant else name
            yield Operation("conv2d", label, conv, safe_inputs(image, kernel, kernel[:1], rng=rng), LINEAR)
            if not variant:
                x, w = safe_inputs(image[1:], kernel, rng=rng)
                yield Operation("conv2d", f"{name}: unbatched, no bias", conv, (x, w), LINEAR)
                x, w, b = safe_inputs(image[1:] + image[:1], kernel, kernel[:1], rng=rng)
                batch_last = Tensor(x.data.transpose(3, 0, 1, 2), requires_grad=True)
                yield Operation("conv2d", f"{name}: memory order (C, H, W, N)", conv, (batch_last, w, b), LINEAR)
