"""conv2d and conv_transpose2d, for each algorithm and each geometry that it supports; those of one dimension."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ... import functional as F
from ...conv import Geometry, algorithms
from ...functional.convolution.transposed import transposed_geometry
from ...tensor import Tensor
from ..inputs import safe_inputs
from .operation import LINEAR, Operation

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
    "reflect": ((1, 2, 4, 3), (2, 2, 3, 3), {"padding": (1, 2), "padding_mode": "reflect"}),
    "replicate, padding of four sizes": ((1, 1, 3, 4), (2, 1, 3, 3), {"padding": ((2, 0), (1, 3)),
                                                                     "padding_mode": "replicate"}),
    "all at once": ((2, 2, 6, 5), (2, 1, 2, 3), {"stride": (2, 1), "padding": (1, 2), "dilation": (2, 2), "groups": 2,
                                                 "padding_mode": "circular"}),
}

TRANSPOSED: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "": ((2, 3, 3, 2), (3, 2, 3, 2), {}),
    "stride=2, output_padding": ((1, 2, 2, 3), (2, 2, 3, 3), {"stride": 2, "padding": 1, "output_padding": (1, 0)}),
    "stride larger than the kernel": ((1, 1, 3, 2), (1, 2, 2, 2), {"stride": (3, 2)}),
    "groups=2, dilation": ((1, 4, 2, 3), (4, 1, 2, 3), {"groups": 2, "dilation": (3, 1), "output_padding": (2, 0)}),
    "padding of four sizes": ((1, 2, 4, 3), (2, 1, 3, 3), {"padding": ((0, 2), (1, 3)), "stride": 2}),
}

GAPS = ("stride larger than the kernel", "groups=2, dilation")       # not every output pixel depends on the input
DEFAULTS: dict[str, Any] = {"stride": 1, "padding": 0, "output_padding": 0, "groups": 1, "dilation": 1}


def convolutions(rng: np.random.Generator) -> Iterator[Operation]:
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
    yield from transposed_convolutions(rng)


def transposed_convolutions(rng: np.random.Generator) -> Iterator[Operation]:
    for name in algorithms():
        for variant, (image, kernel, options) in TRANSPOSED.items():
            def conv(x, w, b=None, name=name, options=options):
                return F.conv_transpose2d(x, w, b, **options, algorithm=name)

            inputs = safe_inputs(image, kernel, (kernel[1] * options.get("groups", 1),), rng=rng)
            geometry, _ = transposed_geometry("", image, kernel, **(DEFAULTS | options), dtype="float64")
            hidden = algorithms()[name].error_norm == "largest" and variant in GAPS     # by the rounding of zeros
            if not algorithms()[name].unsupported(geometry) and not hidden:
                yield Operation("conv_transpose2d", f"{name}: {variant}" if variant else name, conv, inputs, LINEAR)
    signal, taps = (2, 2, 7), (2, 2, 3)
    yield Operation("conv1d", "", F.conv1d, safe_inputs(signal, taps, (2,), rng=rng), LINEAR)
    yield Operation("conv1d", "unbatched, no bias, circular", lambda x, w: F.conv1d(
        x, w, stride=2, padding=1, padding_mode="circular"), safe_inputs(signal[1:], taps, rng=rng), LINEAR)
    yield Operation("conv_transpose1d", "", F.conv_transpose1d, safe_inputs(signal, taps, (2,), rng=rng), LINEAR)
    yield Operation("conv_transpose1d", "unbatched, no bias, output_padding", lambda x, w: F.conv_transpose1d(
        x, w, stride=3, padding=((1, 2),), output_padding=2), safe_inputs(signal[1:], taps, rng=rng), LINEAR)
