"""Operations on Tensors. Each operation is one function, with its forward pass and its vjp side by side.

Names, argument order and defaults are PyTorch's. Every operation takes Tensors or arrays. Images have shape
(N, C, H, W), signals (N, C, L); convolutions and pools also take a single one, (C, H, W) or (C, L). A vjp captures
arrays, never Tensors.

What differs from PyTorch, here and in `minicnn.nn` and `minicnn.optim`:

1. Losses take their options by keyword, and their weights have no gradient. The weight of a loss layer belongs to its
   state. `softmax` and `log_softmax` have dim=-1. At NaN the derivative of hardtanh and relu6 is 1, that of elu NaN;
   PyTorch's depends on the place in the array. Targets of binary_cross_entropy get a finite gradient. Indices of max
   pools are arrays of int64. If an index of `max_unpool2d` appears twice, only the element that is kept gets the
   gradient. Of several NaN a max pool names the first. Padding of images may have four sizes, ((top, bottom), (left,
   right)). `pad` takes any number of axes in every mode. `interpolate` chooses the nearest pixel by one rule, that of
   PyTorch for images of up to 128 pixels.
2. Refused, though PyTorch accepts it: batch_norm of 1-d inputs; an eps of a norm that is not above 0; images without a
   channel or a pixel, except in a batch of zero images; a loss that would broadcast input and target; sizes of images
   written as `(3,)`; `antialias` of interpolate; negative dampening, gamma or eta_min; integers in a state of
   floating-point weights; sets of parameters, parameters that share memory, and Modules as attributes of a class; a
   schedule beside another one, or after the learning rate was changed by hand.
3. What has weight 0 or is ignored contributes 0 to a loss, and an element with the cotangent 0 gets the gradient 0,
   also where PyTorch computes 0 * inf = NaN. A sample whose cotangent is 0 contributes 0 to the gradient of a weight.
4. NumPy's rules hold where a name is NumPy's. The maximum and the minimum share their gradient among ties, with an
   axis too. `axis=()` reduces nothing. `Tensor.var` divides by n - ddof with ddof=0, `functional.var` by n - 1. The
   sign of NaN is NaN. `np.split(x, 3)` makes 3 parts, not parts of length 3. Integers that float32 cannot hold exactly
   make a result float64. OPERATIONS.md beside this file has NumPy's and PyTorch's names of all operations.
5. A one-cycle schedule of one step uses max_lr. ReduceLROnPlateau compares a negative metric with |best| too.
"""

from typing import TYPE_CHECKING

from ..tensor.torch_names import TABLE, function_hint
from .activations import (
    elu,
    gelu,
    hardtanh,
    leaky_relu,
    log_softmax,
    logsigmoid,
    prelu,
    relu,
    relu6,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from .convolution import conv1d, conv2d, conv_transpose1d, conv_transpose2d, fold, unfold
from .group_normalization import group_norm, instance_norm, layer_norm
from .linear import dropout, flatten, linear
from .losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from .normalization import batch_norm
from .padding import pad
from .pooling import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool1d,
    avg_pool2d,
    blur_pool2d,
    max_pool1d,
    max_pool2d,
    max_unpool2d,
)
from .reductions import logsumexp, std, var
from .resizing import interpolate, pixel_shuffle, pixel_unshuffle

__all__ = [
    "adaptive_avg_pool2d", "adaptive_max_pool2d", "avg_pool1d", "avg_pool2d", "batch_norm", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "blur_pool2d", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d",
    "cross_entropy", "dropout", "elu", "flatten", "fold", "gelu", "group_norm", "hardtanh", "huber_loss",
    "instance_norm", "interpolate", "kl_div", "l1_loss", "layer_norm", "leaky_relu", "linear", "log_softmax",
    "logsigmoid", "logsumexp", "max_pool1d", "max_pool2d", "max_unpool2d", "mse_loss", "nll_loss", "pad",
    "pixel_shuffle", "pixel_unshuffle", "prelu", "relu", "relu6", "sigmoid", "silu", "smooth_l1_loss", "softmax",
    "softplus", "std", "tanh", "unfold", "var",
]


if not TYPE_CHECKING:
    def __getattr__(name):
        """Only names that are not there come here. One of PyTorch's is answered by what to write instead."""
        hint = function_hint(name)
        raise AttributeError(f"module 'minicnn.functional' has no attribute {name!r}" +
                             (f": write {hint}; {TABLE}" if hint else ""), name=name)
