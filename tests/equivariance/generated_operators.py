"""Random operators with their known properties, to test the verifier."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn import functional as F
from minicnn.conv import Geometry, algorithms


@dataclass
class Made:
    name: str
    op: Any
    in_channels: int
    size: tuple
    domain: str
    affine: bool
    lattice: Any                    # None: not stated
    convolution: bool
    pixel: Any = None               # where its only defect is


def make(kind, seed, dtype):
    """One operator of a kind, a function of this file."""
    rng = np.random.default_rng([seed, sorted(KINDS).index(kind)])
    made = KINDS[kind](rng, np.dtype(dtype))
    return Made(f"{kind}-{seed}", *made)


def random_weight(rng, dtype, groups=1, kernel=None):
    channels, out = rng.integers(1, 4, 2)
    kernel = kernel or tuple(rng.integers(1, 6, 2))
    return rng.standard_normal((out * groups, channels, *kernel)).astype(dtype)


def same(weight, dilation):
    """Padding on the torus that keeps the size. An odd extra pixel goes to the bottom and to the right."""
    return tuple((d * (k - 1) // 2, d * (k - 1) - d * (k - 1) // 2)
                 for d, k in zip(dilation, weight.shape[2:], strict=True))


def able(rng, shape, weight, padding, mode, **options):
    """A random algorithm that can compute it and is not slow."""
    g = Geometry.of(shape, weight.shape, padding=padding, padding_mode=mode, **options)
    names = [name for name, a in algorithms().items() if a.unsupported(g) is None and name != "naive"]
    return str(rng.choice(names))


def conv(rng, dtype, bias=True, algorithm=None):
    """(op, in_channels, size): a circular convolution of any geometry."""
    groups, dilation = int(rng.choice([1, 1, 2])), tuple(int(d) for d in rng.integers(1, 3, 2))
    weight = random_weight(rng, dtype, groups)
    in_channels, size = weight.shape[1] * groups, tuple(int(n) for n in rng.integers(9, 15, 2))
    offset = rng.standard_normal(len(weight)).astype(dtype) if bias and rng.random() < 0.5 else None
    (top, bottom), (left, right) = same(weight, dilation)
    name = algorithm or able(rng, (4, in_channels, *size), weight, 0, "zeros", dilation=dilation, groups=groups)

    def op(f):
        padded = np.pad(f, ((0, 0), (0, 0), (top, bottom), (left, right)), mode="wrap")
        return F.conv2d(padded, weight, offset, dilation=dilation, groups=groups, algorithm=name)
    return lambda f: op(f).data, in_channels, size


# Convolutions.

def circular(rng, dtype):
    return *conv(rng, dtype), "torus", True, (1, 1), True


def composed(rng, dtype):
    op, channels, size = conv(rng, dtype)
    outs = op(np.zeros((1, channels, *size), dtype)).shape[1]
    mix = rng.standard_normal((2, outs)).astype(dtype)
    by = tuple(rng.integers(-5, 6, 2))
    return (lambda f: np.roll(np.einsum("oc,nchw->nohw", mix, op(f)), by, (2, 3))), channels, size, "torus", True, (
        1, 1), True


def full_support(rng, dtype):
    size = tuple(int(n) for n in rng.integers(6, 15, 2))
    h = np.fft.rfft2(rng.standard_normal((2, 3, *size)))

    def op(f):
        out = np.einsum("oihw,nihw->nohw", h, np.fft.rfft2(f.astype(np.float64)))
        return np.fft.irfft2(out, size).astype(f.dtype)
    return op, 3, size, "torus", True, (1, 1), True


def valid(rng, dtype):
    weight = random_weight(rng, dtype)
    dilation = tuple(int(d) for d in rng.integers(1, 3, 2))
    size = tuple(int(n) for n in rng.integers(12, 20, 2))
    name = able(rng, (4, weight.shape[1], *size), weight, 0, "zeros", dilation=dilation)
    op = lambda f: F.conv2d(f, weight, dilation=dilation, algorithm=name).data
    return op, weight.shape[1], size, str(rng.choice(["window", "plane"])), True, (1, 1), True


def two_valid(rng, dtype):
    first, second = random_weight(rng, dtype, kernel=(3, 2)), None
    second = rng.standard_normal((2, len(first), 2, 4)).astype(dtype)
    bias = rng.standard_normal(2).astype(dtype)
    op = lambda f: F.conv2d(F.conv2d(f, first), second, bias).data
    return op, first.shape[1], (12, 11), str(rng.choice(["window", "plane"])), True, (1, 1), True


def padded_on_the_plane(rng, dtype):
    weight = random_weight(rng, dtype)
    padding = tuple(int(n) for n in rng.integers(0, 4, 2))
    op = lambda f: F.conv2d(f, weight, padding=padding).data
    return op, weight.shape[1], (11, 13), "plane", True, (1, 1), True


# Linear, but no convolutions.

def matrix(rng, dtype):
    size = tuple(int(n) for n in rng.integers(4, 8, 2))
    count = size[0] * size[1]
    m = rng.standard_normal((count, count)).astype(dtype)
    return (lambda f: (f.reshape(len(f), -1) @ m).reshape(f.shape)), 1, size, str(
        rng.choice(["torus", "plane", "window"])), True, (None, None), False


def gain(rng, dtype):
    op, channels, size = conv(rng, dtype, bias=False)
    gains = (1 + 0.1 * rng.standard_normal(size)).astype(dtype)
    return (lambda f: gains * op(f)), channels, size, "torus", True, (None, None), False


def gain_down(rng, dtype):
    op, channels, size = conv(rng, dtype, bias=False)
    gains = (1 + 0.1 * rng.standard_normal((size[0], 1))).astype(dtype)
    return (lambda f: gains * op(f)), channels, size, "torus", True, (None, 1), False


def positional(rng, dtype):
    op, channels, size = conv(rng, dtype, bias=False)
    there = rng.standard_normal(size).astype(dtype)
    return (lambda f: op(f) + there), channels, size, "torus", True, (None, None), False


def mask(rng, dtype):
    op, channels, size = conv(rng, dtype, bias=False)
    keep = np.ones(size, dtype)
    pixel = tuple(int(rng.integers(n)) for n in size)
    keep[pixel] = 0
    return (lambda f: keep * op(f)), channels, size, "torus", True, (None, None), False, pixel


def periodic_gain(rng, dtype):
    op, channels, _ = conv(rng, dtype, bias=False)
    py, px = (int(n) for n in rng.integers(2, 5, 2))
    gains = np.tile((1 + rng.random((py, px))).astype(dtype), (12 // py, 12 // px))
    return (lambda f: gains * op(f)), channels, (12, 12), "torus", True, (py, px), False


def zero_padded(rng, dtype):
    weight = random_weight(rng, dtype, kernel=(3, 3))
    op = lambda f: F.conv2d(f, weight, padding=1).data
    return op, weight.shape[1], (10, 12), str(rng.choice(["torus", "window"])), True, (None, None), False


def twice_zero_padded(rng, dtype):
    first = random_weight(rng, dtype, kernel=(3, 3))
    second = rng.standard_normal((1, len(first), 3, 3)).astype(dtype)
    op = lambda f: F.conv2d(F.conv2d(f, first, padding=1), second, padding=1).data
    return op, first.shape[1], (10, 12), str(rng.choice(["torus", "plane", "window"])), True, (None, None), False


def strided(rng, dtype):
    op, channels, _ = conv(rng, dtype)
    sy, sx = (int(n) for n in rng.choice([1, 2, 3], 2))
    sy = 2 if (sy, sx) == (1, 1) else sy
    return (lambda f: op(f)[:, :, ::sy, ::sx].copy()), channels, (12, 12), "torus", True, (sy, sx), False


def strided_in_a_window(rng, dtype):
    weight = random_weight(rng, dtype)
    stride = tuple(int(n) for n in rng.integers(2, 4, 2))
    op = lambda f: F.conv2d(f, weight, stride=stride).data
    return op, weight.shape[1], (19, 20), str(rng.choice(["window", "plane"])), True, stride, False


def flipped(rng, dtype):
    op, channels, _ = conv(rng, dtype, bias=False)
    return (lambda f: op(f)[..., ::-1].copy()), channels, (9, 11), "torus", True, (1, None), False


def defect(rng, dtype):
    """One weight is off at one pixel of one channel: by a millionth, in float32 by a hundredth."""
    op, channels, size = conv(rng, dtype, bias=False)
    y, x = (int(rng.integers(n)) for n in size)
    outs = op(np.zeros((1, channels, *size), dtype)).shape[1]
    channel = int(rng.integers(outs))
    relative = dtype.type(1e-6 if dtype == np.float64 else 1e-2)

    def perturbed(f):
        out = op(f).copy()
        out[:, channel, y, x] += relative * f[:, 0, (y + 1) % size[0], x]
        return out
    return perturbed, channels, size, "torus", True, (None, None), False, (y, x)


# Not linear.

def activated(rng, dtype):
    op, channels, size = conv(rng, dtype)
    act = [lambda y: np.maximum(y, 0), abs, np.tanh, np.square, np.sin, lambda y: np.where(y > 0, y, y / 100),
           lambda y: np.exp(y / 50), lambda y: np.clip(y, -100, 100), lambda y: y / (1 + abs(y)), np.round,
           lambda y: np.sort(y, 1) if y.shape[1] > 1 else abs(y)][rng.integers(11)]
    return (lambda f: act(op(f))), channels, size, "torus", False, (1, 1), False


def one_channel_activated(rng, dtype):
    op, channels, size = conv(rng, dtype)
    small = dtype.type(1e-6 if dtype == np.float64 else 1e-1)

    def half(f):
        out = op(f).copy()
        out[:, 0] += small * np.maximum(out[:, 0], 0)
        return out
    return half, channels, size, "torus", False, (1, 1), False


def one_pixel_activated(rng, dtype):
    op, channels, size = conv(rng, dtype)
    y, x = (int(rng.integers(n)) for n in size)

    def half(f):
        out = op(f).copy()
        out[:, 0, y, x] = np.maximum(out[:, 0, y, x], 0)
        return out
    return half, channels, size, "torus", False, (None, None), False


def rank(rng, dtype):
    """Median, maximum or minimum of a neighbourhood: the median is homogeneous, and blind to impulses."""
    which = [np.median, np.max, np.min][rng.integers(3)]
    moves = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    op = lambda f: which(np.stack([np.roll(f, by, (2, 3)) for by in moves]), 0)
    return op, 2, (9, 12), "torus", False, (1, 1), False


def max_pooled(rng, dtype):
    op, channels, _ = conv(rng, dtype)
    return (lambda f: F.max_pool2d(op(f), 2).data), channels, (12, 10), "torus", False, (2, 2), False


def normalised(rng, dtype):
    op, channels, size = conv(rng, dtype, bias=False)
    return (lambda f: op(f) / (1 + np.abs(f).mean((1, 2, 3), keepdims=True))), channels, size, "torus", False, (
        1, 1), False


KINDS = {function.__name__: function for function in (
    circular, composed, full_support, valid, two_valid, padded_on_the_plane, matrix, gain, gain_down, positional, mask,
    periodic_gain, zero_padded, twice_zero_padded, strided, strided_in_a_window, flipped, defect, activated,
    one_channel_activated, one_pixel_activated, rank, max_pooled, normalised)}
