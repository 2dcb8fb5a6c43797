"""Is the feature map of a shifted image, bit for bit, the shifted feature map?

In exact arithmetic every convolution algorithm is equivariant. In floating point a sum depends on its order, so it is
only where every pixel is computed by the same operations in the same order. Here that is measured:

- On the torus, with circular padding that keeps the size: op(np.roll(x)) against np.roll(op(x)).
- In a window that looks at a larger scene, without padding: where the scene moves down by dy and to the right by dx,
  out[dy:, dx:] of what the window sees then against out[:-dy, :-dx] of what it saw before. Only these pixels are known.

Why an algorithm may differ from pixel to pixel: `winograd` computes tiles of m x m outputs, so a pixel that moves to
another place in its tile is rounded otherwise; and it fills up the last tiles with zeros where the window sees no
further. `fft` mixes all pixels; on a torus whose sides are powers of two a shift by a quarter of a side does no more to
the spectrum than exchange numbers and signs. `im2col` leaves the sum to the BLAS library, which may order it otherwise
in the last columns of a product, where these do not fill its vectors. So what it gives holds for one library on one
machine, and changes with the number of pixels and images. `toeplitz` sums in float64, around the edge of a torus in
another order, which rounding to float32 hides all but always.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .. import functional as F
from ..cli.output import print_table
from ..conv import Geometry, algorithms
from ..data import load, normalize
from ..errors import InputError
from ..models import lenet
from ..tensor import Tensor

SLOW = {"naive": 7e7, "toeplitz": 4e8}      # products of one case, with toeplitz of one image each time: a minute

CAPTION = """\
The shifts (rows down, columns to the right) for which the map of the shifted image is the shifted map to the bit; then
the largest difference at all other shifts over the largest value. -: not measured, it would take too long. *: measured
for some of the row's cases only."""


def compare_shifts(op, x, window=None, *, stacked=False):
    """For each shift of an image whether the operator's output is the shifted output to the bit, and how far it is off.

    Parameters
    ----------
    op : callable
        From an array (N, C, H, W) to one (N, C', H', W'), of stride 1.
    x : ndarray, float32 or float64, shape (N, C, H, W)
        Images on the torus; or the scene, where there is a window.
    window : (int, int), optional
        How many pixels of the scene the operator sees. It begins at the bottom right, so that all shifts are positive.
    stacked : bool
        Give all shifted images to the operator at once, as one batch, instead of one shift after the other.

    Returns
    -------
    exact : ndarray of bool, shape (shifts down, shifts to the right)
        At [dy, dx], for all images together; at [0, 0] whether a second call gives the same. On the torus there are
        H x W shifts, in a window those for which the scene fills it.
    difference : ndarray of float, the same shape
        The largest difference over the largest value of the map that is not shifted.

    Raises
    ------
    ValueError
        `x` does not have the shape and dtype above, the window does not fit into it, the operator's output on the
        torus has another size than its input, or in a window is smaller than the largest shift.

    Examples
    --------
    >>> exact, difference = compare_shifts(lambda x: x * x, np.ones((1, 1, 2, 3), np.float32))
    >>> exact.tolist(), difference.tolist()
    ([[True, True, True], [True, True, True]], [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    """
    moved, shape = _movement(x, window)
    shifts = list(np.ndindex(shape))
    maps = np.split(op(np.concatenate([moved(by) for by in shifts])), len(shifts)) if stacked else None
    before = maps[0] if stacked else op(moved((0, 0)))
    out = before.shape[2:]
    if window is None and out != shape:
        raise InputError(f"on the torus the output must be as large as the input, {shape}, not {out}: pad around the "
                         "torus with padding='same', or give a window")
    if window is not None and (out[0] < shape[0] or out[1] < shape[1]):
        raise InputError(f"the map of {out} pixels does not overlap with the one shifted by {shape[0] - 1} and "
                         f"{shape[1] - 1}: take a larger window or a smaller scene")
    exact, difference, scale = np.zeros(shape, bool), np.zeros(shape), max(abs(before).max(), np.finfo(x.dtype).tiny)
    for i, (dy, dx) in enumerate(shifts):
        after = maps[i] if stacked else op(moved((dy, dx)))
        if window is None:
            expected = np.roll(before, (dy, dx), (2, 3))
        else:                                           # the pixels that both maps know
            expected, after = before[:, :, :out[0] - dy, :out[1] - dx], after[:, :, dy:, dx:]
        exact[dy, dx] = np.array_equal(_bits(expected), _bits(after))
        difference[dy, dx] = 0 if exact[dy, dx] else abs(after - expected).max() / scale
    return exact, difference


def bitwise_shifts(algorithm, weight, x, window=None, *, bias=None, stacked=False):
    """For each shift, whether a convolution algorithm's feature map of the shifted image is the shifted map to the bit.

    Parameters
    ----------
    algorithm : str
        A name in `minicnn.conv.algorithms()`.
    weight : ndarray, shape (C_out, C_in, kH, kW), of the dtype of `x`
    x, window, stacked
        As for `compare_shifts`; without a window the padding is circular and keeps the size, with one there is none.
    bias : ndarray, shape (C_out,), optional

    Returns
    -------
    ndarray of bool, shape (shifts down, shifts to the right)

    Raises
    ------
    ValueError
        As in `compare_shifts` and `conv2d`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> weight, x = (rng.standard_normal(shape, np.float32) for shape in ((4, 1, 3, 3), (1, 1, 8, 8)))
    >>> bitwise_shifts("im2col", weight, x).shape
    (8, 8)
    """
    return compare_shifts(_layer(algorithm, weight, bias, window is None), x, window, stacked=stacked)[0]


def summarise(exact):
    """The shifts that are exact, in words.

    "all"; "none" but the shift by nothing; "multiples of (a, b)"; where there are none in the other direction,
    "multiples of a down", "all to the right" and the like; else how many. If a second call gives other bits, "not
    repeatable".

    >>> [summarise(np.outer(y, x) > 0) for y, x in (([1, 1, 1], [1, 1]), ([1, 0], [1, 0]), ([1, 0, 1], [1, 1]))]
    ['all', 'none', 'multiples of (2, 1)']
    >>> summarise(np.array([[True, False, True], [False, True, False]]))
    '3 of 6 shifts'
    """
    exact = np.asarray(exact, bool)
    if not exact.flat[0]:
        return "not repeatable"
    if exact.all():
        return "all"
    if exact.sum() == 1:
        return "none"
    steps = [next((d for d in range(1, len(line)) if line[d]), None) for line in (exact[:, 0], exact[0])]
    on = [np.arange(n) % (step or n) == 0 for n, step in zip(exact.shape, steps, strict=True)]
    if not np.array_equal(exact, np.outer(*on)):
        return f"{exact.sum()} of {exact.size} shifts"
    if None in steps:
        step, direction = (steps[0], "down") if steps[1] is None else (steps[1], "to the right")
        return f"all {direction}" if step == 1 else f"multiples of {step} {direction}"
    return f"multiples of ({steps[0]}, {steps[1]})"


@dataclass(frozen=True, eq=False)
class Case:
    """What a row of the table is measured on.

    Attributes
    ----------
    layer : str
        "20 -> 40" channels, or the name of a network.
    operator : callable
        From the name of an algorithm to an operator, as `compare_shifts` takes it.
    x, window, stacked
        As for `compare_shifts`.
    products : int
        Of one forward pass of one image.
    """

    layer: str
    operator: Callable
    x: np.ndarray
    window: tuple[int, int] | None
    stacked: bool
    products: int

    @property
    def domain(self):
        size = self.window or self.x.shape[2:]
        return f"{'window' if self.window else 'torus'} {size[0]} x {size[1]}"

    @property
    def batch(self):
        """How many images go through the operator at once."""
        return len(self.x) * (self.shifts if self.stacked else 1)

    @property
    def shifts(self):
        return math.prod(_movement(self.x, self.window)[1])

    def is_slow(self, algorithm):
        """Whether a measurement would take more than a minute or two."""
        passes = 1 if self.stacked else self.shifts
        return self.products * passes * (1 if algorithm == "toeplitz" else self.batch) > SLOW.get(algorithm, math.inf)


@dataclass(frozen=True, eq=False)
class BitwiseRecord:
    """One measurement: `case` by `algorithm`, with the two results of `compare_shifts`; None where it is too slow."""

    algorithm: str
    case: Case
    exact: np.ndarray | None
    difference: np.ndarray | None

    @property
    def shifts(self):
        """The exact shifts in words."""
        return "-" if self.exact is None else summarise(self.exact)

    @property
    def largest_difference(self):
        """Of all shifts; 0.0 if all are exact."""
        return 0.0 if self.difference is None else float(self.difference.max())


def layer_case(weight, bias, rng, size, windowed=False, batch=1, stacked=False):
    """A Case of one layer in float32 on images of noise: on the torus, or in a window, for shifts by up to 10 pixels.

    >>> case = layer_case(np.ones((4, 3, 5, 5), np.float32), None, np.random.default_rng(0), (38, 38), windowed=True)
    >>> case.layer, case.domain, case.shifts, case.batch
    ('3 -> 4', 'window 38 x 38', 121, 1)
    """
    scene = [n + 10 for n in size] if windowed else size
    x = rng.standard_normal((batch, weight.shape[1], *scene), np.float32)
    geometry = Geometry.of((1, x.shape[1], *size), weight.shape, padding=0 if windowed else "same")
    return Case(f"{weight.shape[1]} -> {weight.shape[0]}",
                lambda algorithm: _layer(algorithm, weight, bias, not windowed), x,
                tuple(size) if windowed else None, stacked, geometry.multiply_adds)


def lenet_case(digits, canvas, stacked=False):
    """A Case of `LeNet.features` with the weights of the package: the maps of conv4 while digits move over a canvas.

    >>> case = lenet_case(np.zeros((1, 1, 28, 28), np.float32), 38)
    >>> case.layer, case.shifts, case.products
    ('LeNet, conv4', 121, 48038000)
    """
    room = canvas - digits.shape[2]                     # on each side: the digit moves from corner to corner
    x = np.pad(digits, ((0, 0), (0, 0), (room, room), (room, room)), constant_values=digits.min())
    model, products, size = lenet(pretrained=True), 0, (canvas, canvas)
    for conv in (model.conv1, model.conv2, model.conv3, model.conv4):
        geometry = Geometry.of((1, conv.in_channels, *size), conv.weight.shape)
        products, size = products + geometry.multiply_adds, geometry.out_size

    def operator(algorithm):
        features = lenet(pretrained=True, algorithm=algorithm).features
        return lambda x: features(Tensor(x)).data
    return Case("LeNet, conv4", operator, x, (canvas, canvas), stacked, products)


def default_cases(seed=0):
    """The four layers of LeNet, each alone on noise, and all of them on digits of the embedded validation set.

    On the torus and in a window, of sizes that whole tiles of 4 x 4 fill and do not fill; one image at a time, 16, and
    all shifted images as one batch.
    """
    rng, model, cases = np.random.default_rng(seed), lenet(pretrained=True), []
    digits = normalize(load("mnist5k").val_images[:16])
    ways = {"batch": 1}, {"batch": 16}, {"stacked": True}
    for size, windowed in (((16, 16), False), ((18, 20), False), ((36, 36), True), ((38, 38), True)):
        for conv in (model.conv1, model.conv2, model.conv3, model.conv4):
            cases += [layer_case(conv.weight.data, conv.bias.data, rng, size, windowed, **way) for way in ways]
    for canvas in (36, 38):
        cases += [lenet_case(digits[:1], canvas), lenet_case(digits, canvas), lenet_case(digits[:1], canvas, True)]
    return cases


def bitwise_table(cases=None, names=None):
    """Every case, measured with every algorithm: a list of `BitwiseRecord`, case by case.

    Parameters
    ----------
    cases : list of Case, optional
        By default `default_cases()`, which takes ten minutes or more.
    names : list of str, optional
        Of algorithms; by default all that this machine can run.

    Examples
    --------
    >>> case = layer_case(np.ones((2, 1, 5, 5), np.float32), None, np.random.default_rng(0), (6, 6))
    >>> [(record.algorithm, record.shifts) for record in bitwise_table([case], ["naive", "direct"])]
    [('naive', 'all'), ('direct', 'all')]
    """
    if names is None:
        geometry = Geometry.of((1, 1, 28, 28), (20, 1, 5, 5))
        names = [name for name, algorithm in algorithms().items() if algorithm.unsupported(geometry) is None]
    records = []
    for case in default_cases() if cases is None else cases:
        for name in names:
            measured = None, None
            if not case.is_slow(name):
                measured = compare_shifts(case.operator(name), case.x, case.window, stacked=case.stacked)
            records.append(BitwiseRecord(name, case, *measured))
    return records


def print_bitwise_table(records, markdown=False):
    """The records as a table, for the terminal or in Markdown: a row for the cases of which all are alike."""
    names = list(dict.fromkeys(record.algorithm for record in records))
    rows = [[domain, layers, batches, *cells] for (domain, layers, batches), cells in _rows(records, names)]
    header = ["domain", "layer", "batch", *names]
    if markdown:
        for row in (header, ["---"] * len(header), *rows):
            print(f"| {' | '.join(row)} |")
    else:
        print_table(header[0], header[1:], rows, left=range(len(header)), fold=range(1, len(header)))
    print(f"\n{CAPTION}")


def _rows(records, names):
    """((domain, layers, batches), cells) of the table: cases with the same words in all cells are one row."""
    by_case = defaultdict(dict)
    for record in records:
        by_case[record.case][record.algorithm] = record
    alike = []                                          # lists of cases, of one domain and one answer
    for case, row in by_case.items():
        for others in alike:
            if others[0].domain == case.domain and all(
                    "-" in (a.shifts, row[name].shifts) or a.shifts == row[name].shifts
                    for other in others for name, a in by_case[other].items()):
                others.append(case)
                break
        else:
            alike.append([case])
    domains = list(dict.fromkeys(case.domain for case in by_case))
    for cases in sorted(alike, key=lambda cases: domains.index(cases[0].domain)):
        batches = defaultdict(list)                     # layer -> batches
        for case in cases:
            batches[case.layer].append(str(case.batch))
        layers = defaultdict(list)                      # batches -> layers
        for layer, some in batches.items():
            layers[", ".join(some)].append(layer)
        for batch, some in layers.items():
            part = [case for case in cases if case.layer in some]
            yield ((cases[0].domain, "; ".join(some), batch),
                   [_cell([by_case[case][name] for case in part]) for name in names])


def _cell(records):
    measured = [record for record in records if record.exact is not None]
    if not measured:
        return "-"
    largest = max(record.largest_difference for record in measured)
    return (measured[0].shifts + (f", {largest:.0e}" if largest else "") + "*" * (len(measured) < len(records)))


def _layer(algorithm, weight, bias, circular):
    options = {"padding": "same", "padding_mode": "circular"} if circular else {}
    weight, bias = Tensor(weight), None if bias is None else Tensor(bias)
    return lambda x: F.conv2d(Tensor(x), weight, bias, algorithm=algorithm, **options).data


def _movement(x, window):
    """The function from a shift (dy, dx) to the images shifted so, and how many shifts there are in each direction."""
    if x.ndim != 4 or x.dtype.kind != "f":
        raise InputError(f"the images must be floating and of shape (N, C, H, W), not {x.dtype} {x.shape}")
    if window is None:
        return lambda by: np.roll(x, by, (2, 3)), x.shape[2:]
    (bottom, right), (height, width) = (n - k for n, k in zip(x.shape[2:], window, strict=True)), window
    if bottom < 0 or right < 0:
        raise InputError(f"the window {tuple(window)} is larger than the scene {x.shape[2:]}: take a smaller window")
    return (lambda by: np.ascontiguousarray(x[:, :, bottom - by[0]:bottom - by[0] + height,
                                              right - by[1]:right - by[1] + width])), (bottom + 1, right + 1)


def _bits(x):
    """The numbers as integers: -0.0 is not 0.0, and a nan is itself."""
    return np.ascontiguousarray(x).view(f"u{x.itemsize}")
