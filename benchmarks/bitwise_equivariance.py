"""Print a table in Markdown: for which shifts the map of the shifted image is exactly the shifted map, by algorithm.

    python benchmarks/bitwise_equivariance.py [algorithm ...]           # all algorithms: about twenty minutes

In exact arithmetic every convolution algorithm is equivariant. In floating point a sum depends on its order. Therefore
an algorithm is equivariant to the bit only if it computes every pixel by the same operations in the same order. Two
settings are measured:

- Torus: with circular padding that keeps the size, op(np.roll(x)) is compared with np.roll(op(x)).
- Window: without padding, a window looks at a larger scene. The scene moves down by dy and to the right by dx. Then
  out[dy:, dx:] is compared with the earlier out[:-dy, :-dx]: these pixels are in both outputs.

Reasons why pixels differ: `winograd` computes tiles of m x m outputs, and a pixel that moves to another place in its
tile is rounded differently. `fft` mixes all pixels. `im2col` uses the BLAS library, which may add in another order in
the last columns of a product; its row holds for one library on one machine. `toeplitz` adds in float64, in another
order around the edge of a torus; rounding to float32 almost always hides the difference.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minicnn import functional as F
from minicnn.conv import Geometry, algorithms
from minicnn.data import load, normalize
from minicnn.errors import InputError
from minicnn.models import lenet
from minicnn.progress import SILENT, Progress, on_stderr
from minicnn.tensor import Tensor

MOST_PRODUCTS = {"naive": 7e7, "toeplitz": 4e8}     # about a minute of work; toeplitz makes one matrix for a batch
STEP = 10                                   # the most pixels by which a scene moves

CAPTION = """\
The shifts (rows down, columns to the right) for which the map of the shifted image is the shifted map to the bit; then
the largest difference at all other shifts over the largest value. -: not measured, it would take too long. *: measured
for some of the row's settings only."""


def compare_shifts(op: Callable[[np.ndarray], np.ndarray], x: np.ndarray, window: tuple[int, int] | None = None,
                   stacked: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """For each shift of an image: whether the operator's output is exactly the shifted output, and the difference.

    Parameters
    ----------
    op : callable
        From an array (N, C, H, W) to one (N, C', H', W'), of stride 1.
    x : ndarray, float32 or float64, shape (N, C, H, W)
        Images on the torus, or the scene if there is a window.
    window : (int, int), optional
        The size of the part of the scene that the operator sees. It begins at the bottom right, so all shifts are
        positive.
    stacked : bool
        Give all shifted images to the operator at once, as one batch, instead of one shift after the other.

    Returns
    -------
    exact : ndarray of bool, shape (shifts down, shifts to the right)
        [dy, dx] is for all images together. [0, 0] says if a second call gives the same bits. On the torus there are
        H x W shifts. In a window there are all shifts for which the scene fills the window.
    difference : ndarray of float, the same shape
        The largest difference, divided by the largest value of the map that is not shifted.

    Raises
    ------
    InputError
        The window does not fit into the scene, the output on the torus has another size than the input, or the output
        in a window is smaller than the largest shift.
    """
    moved, shape = _movement(x, window)
    shifts = list(np.ndindex(shape))
    maps = np.split(op(np.concatenate([moved(by) for by in shifts])), len(shifts)) if stacked else None
    before = maps[0] if maps else op(moved((0, 0)))
    out = before.shape[2:]
    if window is None and out != shape:
        raise InputError(f"on the torus the output must be as large as the input, {shape}, not {out}: pad around the "
                         "torus with padding='same', or give a window")
    if window is not None and (out[0] < shape[0] or out[1] < shape[1]):
        raise InputError(f"the map of {out} pixels does not overlap with the one shifted by {shape[0] - 1} and "
                         f"{shape[1] - 1}: take a larger window or a smaller scene")
    exact, difference, scale = np.zeros(shape, bool), np.zeros(shape), max(abs(before).max(), np.finfo(x.dtype).tiny)
    for i, (dy, dx) in enumerate(shifts):
        after = maps[i] if maps else op(moved((dy, dx)))
        if window is None:
            expected = np.roll(before, (dy, dx), (2, 3))
        else:                                           # the pixels that are in both maps
            expected, after = before[:, :, :out[0] - dy, :out[1] - dx], after[:, :, dy:, dx:]
        exact[dy, dx] = np.array_equal(_bits(expected), _bits(after))
        difference[dy, dx] = 0 if exact[dy, dx] else abs(after - expected).max() / scale
    return exact, difference


def _movement(x, window):
    """A function that returns the images shifted by (dy, dx), and the number of shifts in each direction."""
    if window is None:
        return lambda by: np.roll(x, by, (2, 3)), x.shape[2:]
    (bottom, right), (height, width) = (n - k for n, k in zip(x.shape[2:], window, strict=True)), window
    if bottom < 0 or right < 0:
        raise InputError(f"the window {tuple(window)} is larger than the scene {x.shape[2:]}: take a smaller window")
    return (lambda by: np.ascontiguousarray(x[:, :, bottom - by[0]:bottom - by[0] + height,
                                              right - by[1]:right - by[1] + width])), (bottom + 1, right + 1)


def _bits(x):
    """The numbers as integers. Thus -0.0 differs from 0.0, and a nan equals itself."""
    return np.ascontiguousarray(x).view(f"u{x.itemsize}")


def summarise(exact: np.ndarray) -> str:
    """The shifts that are exact, in words.

    "all"; "none" (except the shift by 0); "multiples of (a, b)"; "multiples of a down", "all to the right" and similar
    words if no shift in the other direction is exact; else their number. "not repeatable" if a second call gives other
    bits.

    >>> [summarise(np.outer(y, x) > 0) for y, x in (([1, 1, 1], [1, 1]), ([1, 0], [1, 0]), ([1, 0, 1], [1, 1]))]
    ['all', 'none', 'multiples of (2, 1)']
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
class Setting:
    """One setting that is measured with every algorithm.

    Attributes
    ----------
    layer : str
        "20 -> 40" channels, or the name of a network.
    operator : callable
        From the name of an algorithm to an operator for `compare_shifts`.
    x, window, stacked
        As for `compare_shifts`.
    products : int
        The number of products in one forward pass of one image.
    """

    layer: str
    operator: Callable
    x: np.ndarray
    window: tuple[int, int] | None
    stacked: bool
    products: int

    @property
    def domain(self) -> str:
        """For example "torus 16 x 16"."""
        size = self.window or self.x.shape[2:]
        return f"{'window' if self.window else 'torus'} {size[0]} x {size[1]}"

    @property
    def shifts(self) -> int:
        """The number of shifts that are compared."""
        return math.prod(_movement(self.x, self.window)[1])

    @property
    def batch(self) -> int:
        """The number of images that the operator gets at once."""
        return len(self.x) * (self.shifts if self.stacked else 1)

    def is_slow(self, algorithm: str) -> bool:
        """Whether a measurement would take more than a minute or two."""
        passes = 1 if self.stacked else self.shifts
        products = self.products * passes * (1 if algorithm == "toeplitz" else self.batch)
        return products > MOST_PRODUCTS.get(algorithm, math.inf)


def layer_setting(weight: np.ndarray, bias: np.ndarray | None, rng: np.random.Generator, size: tuple[int, int],
                  windowed: bool = False, batch: int = 1, stacked: bool = False) -> Setting:
    """One layer in float32 on images of noise: on the torus, or in a window, for shifts by up to `STEP` pixels."""
    scene = [n + STEP for n in size] if windowed else size
    x = rng.standard_normal((batch, weight.shape[1], *scene), np.float32)
    geometry = Geometry.of((1, x.shape[1], *size), weight.shape, padding=0 if windowed else "same")
    return Setting(f"{weight.shape[1]} -> {weight.shape[0]}", lambda name: layer(name, weight, bias, not windowed), x,
                   size if windowed else None, stacked, geometry.multiply_adds)


def layer(algorithm: str, weight: np.ndarray, bias: np.ndarray | None = None, circular: bool = True) -> Callable:
    """The operator of one convolution: with circular padding that keeps the size, or without padding."""
    options = {"padding": "same", "padding_mode": "circular"} if circular else {}
    return lambda x: F.conv2d(Tensor(x), Tensor(weight), None if bias is None else Tensor(bias), algorithm=algorithm,
                              **options).data


def lenet_setting(digits: np.ndarray, canvas: int, stacked: bool = False) -> Setting:
    """The maps of conv4 of the trained LeNet while digits move over a canvas, from corner to corner."""
    room = canvas - digits.shape[2]
    x = np.pad(digits, ((0, 0), (0, 0), (room, room), (room, room)), constant_values=digits.min())
    model, products, size = lenet(pretrained=True), 0, (canvas, canvas)
    for conv in (model.conv1, model.conv2, model.conv3, model.conv4):
        geometry = Geometry.of((1, conv.in_channels, *size), conv.weight.shape)
        products, size = products + geometry.multiply_adds, geometry.out_size

    def operator(algorithm):
        features = lenet(pretrained=True, algorithm=algorithm).features
        return lambda x: features(Tensor(x)).data
    return Setting("LeNet, conv4", operator, x, (canvas, canvas), stacked, products)


def default_settings(seed: int = 0) -> list[Setting]:
    """The four layers of LeNet, each alone on noise, and all layers together on embedded validation digits.

    Each layer is on the torus and in a window. Whole tiles of 4 x 4 fill some of the sizes and do not fill the others.
    The batch is one image, 16 images, or all shifted images.
    """
    rng, model, settings = np.random.default_rng(seed), lenet(pretrained=True), []
    digits = normalize(load("mnist5k").val_images[:16])
    ways = {"batch": 1}, {"batch": 16}, {"stacked": True}
    for size, windowed in (((16, 16), False), ((18, 20), False), ((36, 36), True), ((38, 38), True)):
        for conv in (model.conv1, model.conv2, model.conv3, model.conv4):
            settings += [layer_setting(conv.weight.data, conv.bias.data, rng, size, windowed, **way) for way in ways]
    for canvas in (36, 38):
        settings += [lenet_setting(digits[:1], canvas), lenet_setting(digits, canvas),
                     lenet_setting(digits[:1], canvas, True)]
    return settings


def measure(settings: list[Setting], names: list[str], progress: Progress = SILENT) -> list[dict]:
    """For each setting {name of an algorithm: the two results of `compare_shifts`, or None if it is too slow}."""
    measured: list[dict] = [{} for _ in settings]
    for n, (setting, row) in enumerate(zip(settings, measured, strict=True)):
        for name in names:
            progress.update(n, len(settings), f"{setting.domain}, {setting.layer}, {name}")
            row[name] = None if setting.is_slow(name) else compare_shifts(
                setting.operator(name), setting.x, setting.window, setting.stacked)
    return measured


def table(settings: list[Setting], measured: list[dict]) -> str:
    """The results in Markdown. Settings with the same answer of every algorithm share a row."""
    names = list(measured[0])
    groups: list[list[int]] = []                        # numbers of settings with the same domain and answers
    for n in range(len(settings)):
        same = lambda other, n=n: settings[other].domain == settings[n].domain and all(
            _words(measured[other][name]) in ("-", _words(measured[n][name])) or measured[n][name] is None
            for name in names)
        group = next((group for group in groups if all(map(same, group))), None)
        groups.append([n]) if group is None else group.append(n)
    domains = list(dict.fromkeys(setting.domain for setting in settings))
    lines = [["domain", "layer", "batch", *names], ["---"] * (len(names) + 3)]
    for group in sorted(groups, key=lambda group: domains.index(settings[group[0]].domain)):
        batches = defaultdict(list)                     # layer -> its settings
        for n in group:
            batches[settings[n].layer].append(n)
        layers = defaultdict(list)                      # batches -> layers
        for one, part in batches.items():
            layers[", ".join(str(settings[n].batch) for n in part)].append(one)
        for batch, some in layers.items():
            part = [n for n in group if settings[n].layer in some]
            lines.append([settings[part[0]].domain, "; ".join(some), batch,
                          *(_cell([measured[n][name] for n in part]) for name in names)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{CAPTION}"


def _words(result):
    return "-" if result is None else summarise(result[0])


def _cell(results):
    measured = [result for result in results if result is not None]
    if not measured:
        return "-"
    largest = max(difference.max() for _, difference in measured)
    return _words(measured[0]) + (f", {largest:.0e}" if largest else "") + "*" * (len(measured) < len(results))


def main(names: list[str]) -> None:
    """Measure the algorithms of these names, or all algorithms, and print the table."""
    lenet_layer, settings = Geometry.of((1, 1, 28, 28), (20, 1, 5, 5)), default_settings()
    names = names or [name for name, one in algorithms().items() if one.unsupported(lenet_layer) is None]
    with on_stderr("bitwise equivariance") as progress:
        measured = measure(settings, names, progress)
    print(table(settings, measured))


if __name__ == "__main__":
    main(sys.argv[1:])
