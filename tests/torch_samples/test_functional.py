"""The operations of `minicnn.functional`, but those of images: see test_images."""

import numpy as np
import pytest

from minicnn import functional as F

from .samples import OPS, NotCompared, accepted_errors, compare_samples


def cross_entropy(x, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean",
                  label_smoothing=0.0):
    return F.cross_entropy(x, target, weight, ignore_index=ignore_index, reduction=reduction,
                           label_smoothing=label_smoothing)


def nll_loss(x, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    return F.nll_loss(x, target, weight, ignore_index=ignore_index, reduction=reduction)


def elementwise(loss):
    """A loss of elements, whose shapes must agree. PyTorch's old options size_average and reduce are not used."""
    def call(x, target, *, reduction="mean", **options):
        if x.shape != target.shape:
            raise NotCompared("the shapes of input and target must agree")
        return loss(x, target, reduction=reduction, **options)
    return call


def binary_cross_entropy(x, target, weight=None, reduction="mean"):
    return F.binary_cross_entropy(x, target, weight, reduction=reduction)


def binary_cross_entropy_with_logits(x, target, weight=None, reduction="mean", pos_weight=None):
    return F.binary_cross_entropy_with_logits(x, target, weight, reduction=reduction, pos_weight=pos_weight)


def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    if x.ndim == 1:
        raise NotCompared("minicnn normalizes (N, C, ...) only")
    running = [None if r is None else r.data.copy() for r in (running_mean, running_var)]       # they are changed
    return F.batch_norm(x, *running, weight, bias, training, momentum, eps)


def no_nan(x):
    if np.isnan(x.data).any():
        raise NotCompared("PyTorch's derivative at NaN depends on the place in the array")
    return x


def above_zero(eps):
    if eps <= 0:
        raise NotCompared("eps must be above 0")
    return eps


def instance_norm(x, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1,
                  eps=1e-5):
    running = [None if r is None else r.data.copy() for r in (running_mean, running_var)]       # they are changed
    return F.instance_norm(x, *running, weight, bias, use_input_stats, momentum, above_zero(eps))


OPERATIONS = {
    "nn.functional.relu": lambda x, inplace=False: F.relu(x),
    "nn.functional.leaky_relu": lambda x, negative_slope=0.01, inplace=False: F.leaky_relu(x, negative_slope),
    "tanh": F.tanh,
    "sigmoid": F.sigmoid,
    "nn.functional.logsigmoid": F.logsigmoid,
    "softmax": lambda x, dim: F.softmax(x, dim),
    "softmax/with_dtype": F.softmax,
    "log_softmax/with_dtype": F.log_softmax,
    "nn.functional.gelu": lambda x, approximate="none": F.gelu(x, approximate),
    "nn.functional.silu": lambda x, inplace=False: F.silu(x),
    "nn.functional.elu": lambda x, alpha=1.0, inplace=False: F.elu(no_nan(x), alpha),
    "nn.functional.softplus": F.softplus,
    "nn.functional.hardtanh": lambda x, min_val=-1.0, max_val=1.0, inplace=False: F.hardtanh(
        no_nan(x), min_val, max_val),
    "nn.functional.relu6": lambda x, inplace=False: F.relu6(no_nan(x)),
    "nn.functional.prelu": F.prelu,
    "log_softmax": lambda x, dim: F.log_softmax(x, dim),
    "nn.functional.linear": F.linear,
    "flatten": F.flatten,
    "nn.functional.cross_entropy": cross_entropy,
    "nn.functional.nll_loss": nll_loss,
    "nn.functional.mse_loss": F.mse_loss,
    "nn.functional.l1_loss": elementwise(F.l1_loss),
    "nn.functional.huber_loss": elementwise(F.huber_loss),
    "nn.functional.smooth_l1_loss": elementwise(F.smooth_l1_loss),
    "nn.functional.kl_div": elementwise(F.kl_div),
    "nn.functional.binary_cross_entropy": binary_cross_entropy,
    "nn.functional.binary_cross_entropy_with_logits": binary_cross_entropy_with_logits,
    "nn.functional.batch_norm": batch_norm,
    "nn.functional.layer_norm": lambda x, shape, weight=None, bias=None, eps=1e-5: F.layer_norm(
        x, shape, weight, bias, above_zero(eps)),
    "nn.functional.group_norm": lambda x, groups, weight=None, bias=None, eps=1e-5: F.group_norm(
        x, groups, weight, bias, above_zero(eps)),
    "nn.functional.instance_norm": instance_norm,
}


pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")           # PyTorch's


@pytest.mark.parametrize("name", OPERATIONS)
def test_samples(name):
    assert compare_samples(name, OPERATIONS[name])["compared"] > 0


@pytest.mark.parametrize("name", [name for name in OPERATIONS if OPS[name].error_inputs_func])
def test_what_pytorch_refuses(name):
    assert accepted_errors(name, OPERATIONS[name]) == []
