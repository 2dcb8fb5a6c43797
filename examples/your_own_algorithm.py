# %% [markdown]
# # Add a convolution algorithm: one class
# `@register` makes its name known to every part of minicnn: conv2d, the layers, gradcheck, the benchmarks and the
# verifier. If the class is a file in `minicnn/conv/algorithms/`, the tests and all commands find it too.
# The method here: for each tap of the kernel, one product with a shifted view of the image.

# %%
import math

import numpy as np

from minicnn import functional as F
from minicnn.conv import algorithms
from minicnn.conv.algorithm import Algorithm, before_relu, register
from minicnn.equivariance import verify_convolution


@register
class ShiftedViews(Algorithm):
    """out = sum over taps (i, j) of weight[:, :, i, j] @ the image shifted by (i, j)."""

    name = "shifts"
    reference = "this example"
    error_bound = 30.0

    def unsupported(self, geometry):
        g = geometry
        plain = g.stride == g.dilation == (1, 1) and g.groups == 1 and not any(map(any, g.padding))
        return None if plain else "it needs stride 1, dilation 1, one group and no padding"

    def cost(self, geometry):
        return math.inf                                 # "auto" never takes it

    def forward(self, x, weight, bias, geometry, relu=False):
        out = sum(np.einsum("kc,nchw->nkhw", weight[:, :, i, j], view) for i, j, view in self.views(x, geometry))
        if bias is not None:
            out += bias[:, None, None]
        if relu:
            np.maximum(out, 0, out=out)
        return out, (x, weight, out if relu else None)

    def backward(self, grad, saved, needs):
        x, weight, out = saved
        grad = before_relu(grad, out)
        (height, width), (kh, kw) = grad.shape[2:], weight.shape[2:]
        grad_input, grad_weight = np.zeros_like(x), np.zeros_like(weight)
        for i, j in np.ndindex(kh, kw):
            place = np.s_[:, :, i:i + height, j:j + width]
            if needs[0]:
                grad_input[place] += np.einsum("kc,nkhw->nchw", weight[:, :, i, j], grad)
            if needs[1]:
                grad_weight[:, :, i, j] = np.einsum("nkhw,nchw->kc", grad, x[place])
        gradients = grad_input, grad_weight, grad.sum((0, 2, 3))
        return tuple(one if need else None for one, need in zip(gradients, needs, strict=True))

    def views(self, x, geometry):
        height, width = geometry.out_size
        for i, j in np.ndindex(*geometry.kernel):
            yield i, j, x[:, :, i:i + height, j:j + width]


# %%
rng = np.random.default_rng(0)
image, weight = rng.standard_normal((2, 3, 9, 8)), rng.standard_normal((4, 3, 3, 2))
print("known algorithms:", ", ".join(algorithms()))
difference = F.conv2d(image, weight, algorithm="shifts").data - F.conv2d(image, weight, algorithm="naive").data
print(f"largest difference from the definition: {abs(difference).max():.1e}")

# %%
print("the verifier says:", verify_convolution(lambda f: F.conv2d(f, weight, algorithm="shifts"), 3, domain="window"))
try:
    F.conv2d(image, weight, padding=1, algorithm="shifts")
except ValueError as error:
    print("with padding:", error)
