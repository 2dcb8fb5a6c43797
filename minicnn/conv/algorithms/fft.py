"""The convolution theorem: a cross-correlation is one small matrix product at each frequency.

With the spectra X (C, N) of the input, W (K, C) of the weight and Y (K, N) of the output at one frequency,

    Y = conj(W) X,      grad_X = W^T grad_Y,      grad_W = conj(grad_Y) X^T.

On a torus of L1 x L2 pixels this is exact. With circular padding the torus is the image. For padding with zeros the
torus is larger than the image, so that taps beyond an edge meet zeros. The input keeps its place on the torus, and the
taps of the kernel are shifted by the padding. A dilated kernel has zeros between its taps. For a stride, all outputs of
stride 1 are computed and some are left out.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from scipy import fft

from ..algorithm import Algorithm, before_relu, register
from ..geometry import Geometry
from ..layout import pad, to_batch_first, to_batch_last, unpad
from ..runtime.blas import one_thread
from ..runtime.memory import empty
from ..runtime.threads import get_num_threads, parallel_for
from ..speeds import speeds

PER_CALL = 100_000              # products: less work is not worth a call on another thread
PER_WORKER = 500_000            # numbers: scipy takes as long to wake its threads as one thread to transform so many


def reach(geometry: Geometry) -> tuple[int, int]:
    """The least height and width of the torus: it must hold the kernel, and the outputs with stride 1."""
    g = geometry
    rows, columns = (max(span, (out - 1) * stride + 1)
                     for span, out, stride in zip(g.span, g.out_size, g.stride, strict=True))
    return rows, columns


def is_torus(geometry: Geometry) -> bool:
    """Whether the padding is circular and the image is as large as the torus must be."""
    g = geometry
    return g.padding_mode == "circular" and reach(g)[0] <= g.height and reach(g)[1] <= g.width


def torus(geometry: Geometry) -> tuple[int, int]:
    """(L1, L2): the size of an image that is itself the torus; else the least size with room for the zeros of one side
    that is quick to transform.

    >>> from minicnn.conv import Geometry
    >>> torus(Geometry.of((1, 1, 28, 28), (1, 1, 5, 5), padding=2, padding_mode="circular"))
    (28, 28)
    >>> torus(Geometry.of((1, 1, 28, 28), (1, 1, 5, 5), padding=2))     # 28 + 2 pixels
    (30, 30)
    >>> torus(Geometry.of((1, 1, 29, 29), (1, 1, 5, 5), padding=2))     # 31 is prime
    (32, 32)
    """
    g = geometry
    if is_torus(g):
        return g.height, g.width
    rows, columns = (fft.next_fast_len(max(size + max(padding), least), real=True)
                     for size, padding, least in zip((g.height, g.width), g.padding, reach(g), strict=True))
    return rows, columns


def padded_to_torus(x: np.ndarray, geometry: Geometry) -> tuple[np.ndarray, Geometry]:
    """x (C, H, W, N) and its geometry. Both are padded unless by zeros or on a torus."""
    g = geometry
    if g.padding_mode == "zeros" or is_torus(g):
        return x, g
    return pad(x, g), g.padded_form


def tap_index(geometry: Geometry) -> tuple:
    """The places of the kernel's taps on the torus: an index of an array (K, L1, L2, C) that gives (K, kh, kw, C)."""
    rows, columns = geometry.taps_on_torus(torus(geometry))
    return slice(None), rows[:, None], columns


def workers(numbers: int) -> int:
    """The threads that transform so many numbers. The result does not depend on it."""
    return get_num_threads() if numbers >= PER_WORKER and threads_start() else 1


@functools.cache
def threads_start() -> bool:
    """Whether scipy can start its threads. A limit of the system or of a container may forbid it.

    >>> threads_start()
    True
    """
    try:
        fft.rfft(np.zeros((256, 64)), workers=2)        # starts them; enough rows for two threads
    except RuntimeError:
        return False
    return True


def spectrum_of(x: np.ndarray, geometry: Geometry) -> np.ndarray:
    """(G C, H, W, N) -> its spectrum on the torus, the matrices (L1, L2 / 2 + 1, G, C, N). Missing pixels are 0."""
    spectrum = fft.rfft2(x, torus(geometry), axes=(1, 2), workers=workers(x.size))
    return spectrum.reshape(geometry.groups, -1, *spectrum.shape[1:]).transpose(2, 3, 0, 1, 4)


def spectrum_of_weight(weight: np.ndarray, geometry: Geometry) -> np.ndarray:
    """(K, C / G, kh, kw) -> the spectrum of the taps at their places on the torus (L1, L2 / 2 + 1, G, K / G, C / G)."""
    taps = np.zeros((geometry.out_channels, *torus(geometry), weight.shape[1]), weight.dtype)
    taps[tap_index(geometry)] = weight.transpose(0, 2, 3, 1)
    return spectrum_of(taps, geometry)


def multiply_spectra(a: np.ndarray, b: np.ndarray, geometry: Geometry) -> np.ndarray:
    """a (L1, L2 / 2 + 1, G, M, T) @ b (L1, L2 / 2 + 1, G, T, N), transformed back -> (G M, L1, L2, N)."""
    rows, columns, groups, m, _ = a.shape
    out = empty((groups, m, rows, columns, b.shape[-1]), a.dtype)
    target = out.transpose(2, 3, 0, 1, 4)

    def work(start, stop):
        np.matmul(a[start:stop], b[start:stop], out=target[start:stop])

    one_thread(parallel_for, rows, work, 1 + PER_CALL // (a[0].size * b.shape[-1]))
    out = out.reshape(groups * m, rows, columns, b.shape[-1])
    return fft.irfft2(out, torus(geometry), axes=(1, 2), overwrite_x=True, workers=workers(out.size))


def crop(y: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The output (K, OH, OW, N), as a view of the output with stride 1."""
    (sy, sx), (oh, ow) = geometry.stride, geometry.out_size
    return y[:, :(oh - 1) * sy + 1:sy, :(ow - 1) * sx + 1:sx]


def insert_zeros(grad: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The adjoint of `crop`: zeros between the pixels."""
    if geometry.stride == (1, 1):
        return grad
    (sy, sx), (oh, ow) = geometry.stride, geometry.out_size
    out = np.zeros((len(grad), (oh - 1) * sy + 1, (ow - 1) * sx + 1, geometry.batch), grad.dtype)
    out[:, ::sy, ::sx] = grad
    return out


@register
class Fft(Algorithm):
    """Products at each frequency instead of sums over taps. They save more for larger kernels.

    Every result is computed from all pixels of its image. A nan or inf in the input, the weight or the cotangent
    therefore spreads over whole images, and `error_bound` is relative to the largest |weight| * |input|. In these units
    the error is about 1 for operands of both signs, and up to 6 for 512 channels of one sign.
    """

    name = "fft"
    reference = "Mathieu, Henaff & LeCun 2014, section 2"
    error_bound = 3.0
    error_norm = "largest"

    def cost(self, geometry: Geometry) -> float:
        """Transforms of images and kernels; products at each frequency; copies. The factors are measured."""
        g, s = geometry, speeds()
        points, pairs = math.prod(torus(g)), g.out_channels * g.in_channels // g.groups
        transformed = points * (g.batch * (g.in_channels + g.out_channels) + pairs)
        products = 6 * points * g.batch * pairs         # three passes; four real products at half of the points
        wide = 2 if g.dtype == "float64" else 1
        return 2.3 * s.call + wide * (5.1 * transformed * math.log2(points + 1) / s.butterflies
                                      + 7.4 * products / s.matrix + 8 * s.copy(points * pairs))

    def forward(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, geometry: Geometry,
                relu: bool = False) -> tuple[np.ndarray, Any]:
        x, g = padded_to_torus(to_batch_last(x), geometry)
        weight, x = spectrum_of_weight(weight, g), spectrum_of(x, g)
        out = crop(multiply_spectra(weight.conj(), x, g), g) + (0 if bias is None else bias[:, None, None, None])
        if relu:
            np.maximum(out, 0, out=out)
        return to_batch_first(out), (weight, x, out if relu else None, g, geometry)

    def backward(self, grad: np.ndarray, saved: Any, needs: tuple[bool, bool, bool]) -> tuple[np.ndarray | None, ...]:
        weight, x, out, g, geometry = saved
        grad = before_relu(to_batch_last(grad), out)
        grad_input = grad_weight = grad_bias = None
        if needs[0] or needs[1]:
            spectrum = spectrum_of(insert_zeros(grad, g), g)
        if needs[0]:
            image = multiply_spectra(weight.swapaxes(3, 4), spectrum, g)[:, :g.height, :g.width]
            grad_input = to_batch_first(np.ascontiguousarray(image if g == geometry else unpad(image, geometry)))
        if needs[1]:
            taps = multiply_spectra(spectrum.conj(), x.swapaxes(3, 4), g)[tap_index(g)]     # (K, kh, kw, C / G)
            grad_weight = np.ascontiguousarray(taps.transpose(0, 3, 1, 2))
        if needs[2]:
            grad_bias = grad.sum((1, 2, 3))
        return grad_input, grad_weight, grad_bias

    def adjoint(self, grad: np.ndarray, weight: np.ndarray, geometry: Geometry) -> np.ndarray:
        g = geometry if geometry.padding_mode == "zeros" or is_torus(geometry) else geometry.padded_form
        found = self.backward(grad, (spectrum_of_weight(weight, g), None, None, g, geometry), (True, False, False))[0]
        assert found is not None
        return found
