"""Operators with one small defect, and right operators, to test what the verifier sees. Run it for many seeds by hand:

    python -m tests.equivariance.small_defects --seeds 100

A defect is a fraction of the pixel, or of the weight. One that is smaller than what the report calls the smallest
defect cannot be seen: with a large constant in float32, or at a weight which is small beside the other weights of an
algorithm that mixes pixels (fft, winograd in float32). The run counts these apart.
"""

import argparse
import sys

import numpy as np

from minicnn import functional as F
from minicnn.conv import Geometry, algorithms
from minicnn.equivariance import EquivarianceError, assert_equivariant, verify_convolution

SIZES = 12, 16, 24, 33, 48, 64
RELATIVE = {"float32": 1e-5, "float64": 1e-6}
PLACES = "pixel", "weight", "channel", "half"


def convolution(rng, dtype, size, algorithm=None, kernel=None):
    """(op, channels, domain, weight, constant, algorithm): a circular or valid convolution, perhaps with a constant."""
    channels, outs = (int(n) for n in rng.integers(1, 4, 2))
    kernel = (5, 5) if algorithm == "winograd" else kernel or tuple(int(n) for n in rng.choice([1, 2, 3, 5], 2))
    weight = rng.standard_normal((outs, channels, *kernel)).astype(dtype)
    constant = rng.choice([0.0, 1.0, 100.0 if dtype == "float32" else 1e4])
    bias = (constant * rng.standard_normal(outs)).astype(dtype) if constant else None
    domain = str(rng.choice(["torus", "plane", "window"]))
    if algorithm is None:
        able = Geometry.of((4, channels, size, size), weight.shape)
        algorithm = str(rng.choice([name for name, one in algorithms().items()
                                    if name != "naive" and one.unsupported(able) is None]))
    grown = [(0, 0), (0, 0), *((k // 2, k - 1 - k // 2) for k in kernel)]

    def op(f):
        f = np.pad(f, grown, mode="wrap") if domain == "torus" else f
        return F.conv2d(f, weight, bias, algorithm=algorithm).data
    return op, channels, domain, weight, constant, algorithm


def spoiled(rng, op, weight, domain, place, relative, size):
    """The operator with a defect of a relative size at a place, a word about the place, and the defect in the report's
    measure: a fraction of the pixel, or of the largest weight of the channel."""
    outs, channels, height, width = weight.shape
    shape = (size, size) if domain == "torus" else (size - height + 1, size - width + 1)
    o, i, y, x = (int(rng.integers(n)) for n in (outs, channels, *shape))
    a, b = int(rng.integers(height)), int(rng.integers(width))
    relative = np.asarray(relative, weight.dtype)

    def wrong(f):
        out, part = op(f).copy(), 1 + relative
        constant = op(0 * f[:1])
        if place == "pixel":                            # the gain of all channels
            out[..., y, x] = (out - constant)[..., y, x] * part + constant[..., y, x]
        elif place == "channel":
            out[:, o, y, x] = (out - constant)[:, o, y, x] * part + constant[:, o, y, x]
        elif place == "half":
            columns = slice(shape[1] // 2, None)
            out[..., columns] = ((out - constant) * part + constant)[..., columns]
        else:
            at_y, at_x = (y + a - height // 2) % size, (x + b - width // 2) % size
            at_y, at_x = (at_y, at_x) if domain == "torus" else (y + a, x + b)
            out[:, o, y, x] += relative * weight[o, i, a, b] * f[:, i, at_y, at_x]
        return out
    defect = relative * abs(weight[o, i, a, b]) / np.abs(weight[o]).max() if place == "weight" else relative
    return wrong, f"{place} {(o, i, y, x, a, b)}", float(defect)


def case(seed, dtype, place=None, size=None, algorithm=None, relative=None):
    """One operator; `place` None: without a defect."""
    rng = np.random.default_rng([seed, len(place or ""), dtype == "float32"])
    size = size or int(rng.choice(SIZES if place is None else SIZES[:4]))
    op, channels, domain, weight, constant, name = convolution(rng, dtype, size, algorithm)
    where, defect = "right", 0.0
    if place:
        op, where, defect = spoiled(rng, op, weight, domain, place, relative or RELATIVE[dtype], size)
    text = f"seed {seed}, {dtype}, {where}, {name}, {weight.shape}, {size}, {domain}, constant {constant:g}"
    return text, op, channels, size, domain, constant, defect


def seen_at_least(report, place):
    """The smallest defect at such a place that the report says it would have seen."""
    return report.smallest_weight if place == "weight" else report.smallest_defect


def found(op, channels, size, domain, dtype):
    """Whether the verifier refutes the operator, and its report."""
    report = verify_convolution(op, channels, size, domain, dtype)
    return not report, report


def equivariance_broken(op, channels, size, domain, dtype):
    """Whether assert_equivariant raises."""
    try:
        assert_equivariant(op, channels, size, domain, dtype=dtype)
    except EquivarianceError as error:
        return str(error)
    return ""


def main(arguments=None):
    """Try all seeds, and print the wrong verdicts. The status is 1 if there are any."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    given, wrong, below, tried = parser.parse_args(arguments), [], 0, 0
    for seed in range(given.first, given.first + given.seeds):
        for dtype in RELATIVE:
            for place in (None, *PLACES):
                text, op, channels, size, domain, _, defect = case(seed, dtype, place)
                refuted, report = found(op, channels, size, domain, dtype)
                broken = equivariance_broken(op, channels, size, domain, dtype)
                tried += 1
                if refuted == bool(place) == bool(broken):
                    continue
                hidden = place and defect < (least := seen_at_least(report, place))
                below += bool(hidden)
                if not hidden:
                    wrong.append(text)
                    print(f"{text}: refuted {refuted}, assert_equivariant {broken[:80]!r}, defect {defect:.1e}, would "
                          f"have seen {least:.1e}", flush=True)
    print(f"{tried} operators, {len(wrong)} wrong verdicts, {below} defects below what the reports say not seen")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
