"""Windows and one matrix product: each output pixel's receptive field becomes a column."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .layout import pad, to_batch_first, to_batch_last, unpad
from .registry import Algorithm, register


def windows(padded, geometry):
    """(C, H', W', N) -> a view (C, kh, kw, OH, OW, N) of the pixel that each tap of the kernel meets."""
    (sy, sx), (dy, dx) = geometry.stride, geometry.dilation
    view = sliding_window_view(padded, geometry.span, axis=(1, 2))      # (C, rows, columns, N, span_y, span_x)
    return view[:, ::sy, ::sx, :, ::dy, ::dx].transpose(0, 4, 5, 1, 2, 3)


def add_windows(columns, geometry):
    """The adjoint of `windows`: (C, kh, kw, OH, OW, N) summed into the padded image (C, H', W', N)."""
    (sy, sx), (dy, dx), (oh, ow) = geometry.stride, geometry.dilation, geometry.out_size
    image = np.zeros((geometry.in_channels, *geometry.padded, geometry.batch), columns.dtype)
    for i in range(geometry.kernel[0]):
        for j in range(geometry.kernel[1]):
            image[:, i * dy:i * dy + sy * oh:sy, j * dx:j * dx + sx * ow:sx] += columns[:, i, j]
    return image


@register
class Im2col(Algorithm):
    """out = weight (K, C kh kw) @ columns (C kh kw, OH OW N), group by group; the gradients are two more products."""

    name = "im2col"
    reference = "Chellapilla, Puri & Simard 2006, section 3"
    error_bound = 3.0

    def cost(self, geometry):
        taps = geometry.kernel[0] * geometry.kernel[1]
        columns = geometry.batch * geometry.in_channels * taps * geometry.out_size[0] * geometry.out_size[1]
        wide = 2 if geometry.dtype == "float64" else 1
        return 20e-6 + wide * (geometry.multiply_adds / 50e9 + columns / 0.85e9)

    def forward(self, x, weight, bias, geometry):
        g = geometry
        columns = np.ascontiguousarray(windows(pad(to_batch_last(x), g), g))
        columns = columns.reshape(g.groups, -1, g.out_size[0] * g.out_size[1] * g.batch)
        matrix = weight.reshape(g.groups, g.out_channels // g.groups, -1)
        out = matrix @ columns                                          # (G, K / G, OH OW N)
        if bias is not None:
            out += bias.reshape(g.groups, -1, 1)
        return to_batch_first(out.reshape(g.out_channels, *g.out_size, g.batch)), (columns, matrix, g)

    def backward(self, grad, saved, needs):
        columns, matrix, g = saved
        grad_out = to_batch_last(grad).reshape(g.groups, g.out_channels // g.groups, -1)
        grad_input = grad_weight = grad_bias = None
        if needs[0]:
            grad_columns = matrix.transpose(0, 2, 1) @ grad_out         # (G, C / G kh kw, OH OW N)
            grad_columns = grad_columns.reshape(g.in_channels, *g.kernel, *g.out_size, g.batch)
            grad_input = to_batch_first(unpad(add_windows(grad_columns, g), g))
        if needs[1]:
            grad_weight = (grad_out @ columns.transpose(0, 2, 1)).reshape(g.weight_shape)
        if needs[2]:
            grad_bias = grad_out.sum(-1).reshape(-1)
        return grad_input, grad_weight, grad_bias
