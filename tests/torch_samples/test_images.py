"""The operations of images in `minicnn.functional`: convolutions by every algorithm, pools, padding, other sizes."""

import numpy as np
import pytest

from minicnn import functional as F
from minicnn.conv import algorithms
from minicnn.errors import InputError

from .samples import OPS, NotCompared, accepted_errors, compare_samples


def pair(size):
    """PyTorch also writes (3,) for (3, 3), and () for no stride."""
    return (size[0] if len(size) == 1 else size or None) if isinstance(size, (tuple, list)) else size


def max_pool(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    return F.max_pool2d(x, pair(kernel_size), pair(stride), pair(padding), pair(dilation), ceil_mode, return_indices)


def avg_pool(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    return F.avg_pool2d(x, pair(kernel_size), pair(stride), pair(padding), ceil_mode, count_include_pad,
                        divisor_override)


def max_unpool(x, indices, kernel_size, stride=None, padding=0, output_size=None):
    out = F.max_unpool2d(x, indices, pair(kernel_size), pair(stride), pair(padding), output_size)
    planes = indices.reshape(-1, indices.shape[-2] * indices.shape[-1])
    twice = any(len(np.unique(plane)) < plane.size for plane in planes)
    return out.data if twice else out           # of an index twice PyTorch gives the gradient to both elements


def by(function, algorithm):
    def adapter(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        try:
            return function(x, weight, bias, pair(stride), pair(padding), pair(dilation), groups, algorithm=algorithm)
        except InputError as error:
            if "cannot compute this convolution" in str(error):
                raise NotCompared(f"{algorithm} does not support this geometry") from None
            raise
    return adapter


def transposed_by(function, algorithm):
    def adapter(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
        def plain(x, weight, bias, stride, padding, dilation, groups, algorithm):
            return function(x, weight, bias, stride, padding, pair(output_padding), groups, dilation,
                            algorithm=algorithm)
        return by(plain, algorithm)(x, weight, bias, stride, padding, dilation, groups)
    return adapter


def interpolate(x, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None):
    if x.ndim == 5:
        raise NotCompared("volumes")
    return F.interpolate(x, size, scale_factor, mode, align_corners, recompute_scale_factor)


OPERATIONS = {
    "nn.functional.unfold": lambda x, kernel_size, dilation=1, padding=0, stride=1: F.unfold(
        x, pair(kernel_size), pair(dilation), pair(padding), pair(stride)),
    "nn.functional.interpolate/nearest": interpolate,
    "nn.functional.interpolate/nearest-exact": interpolate,
    "nn.functional.interpolate/linear": interpolate,
    "nn.functional.interpolate/bilinear": interpolate,
    "nn.functional.interpolate/bicubic": interpolate,
    "nn.functional.interpolate/area": interpolate,
    "nn.functional.upsample_nearest": interpolate,
    "nn.functional.upsample_bilinear": lambda x, size=None, scale_factor=None: F.interpolate(
        x, size, scale_factor, "bilinear", True),
    "nn.functional.pixel_shuffle": F.pixel_shuffle,
    "nn.functional.pixel_unshuffle": F.pixel_unshuffle,
    "nn.functional.pad/constant": F.pad,
    "nn.functional.pad/reflect": F.pad,
    "nn.functional.pad/replicate": F.pad,
    "nn.functional.pad/replicate_negative": F.pad,
    "nn.functional.pad/circular": F.pad,
    "constant_pad_nd": lambda x, pad, value=0: F.pad(x, pad, "constant", value),
    "nn.functional.max_pool1d": F.max_pool1d,
    "nn.functional.avg_pool1d": F.avg_pool1d,
    "nn.functional.max_pool2d": max_pool,
    "nn.functional.avg_pool2d": avg_pool,
    "nn.functional.adaptive_avg_pool2d": F.adaptive_avg_pool2d,
    "nn.functional.adaptive_max_pool2d": F.adaptive_max_pool2d,
    "nn.functional.max_unpool2d": max_unpool,
    "nn.functional.max_unpool2d/grad": max_unpool,
    "nn.functional.conv1d": by(F.conv1d, "auto"),
    "nn.functional.conv2d": by(F.conv2d, "auto"),
    "nn.functional.conv_transpose1d": transposed_by(F.conv_transpose1d, "auto"),
    "nn.functional.conv_transpose2d": transposed_by(F.conv_transpose2d, "auto"),
}
MANY = {"nn.functional.max_pool2d": 11, "nn.functional.max_pool1d": 7, "nn.functional.max_unpool2d": 5}     # every n-th
CONVOLUTIONS = {
    "nn.functional.conv2d": lambda algorithm: by(F.conv2d, algorithm),
    "nn.functional.conv_transpose2d": lambda algorithm: transposed_by(F.conv_transpose2d, algorithm),
}

pytestmark = [pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel"),         # PyTorch's
              pytest.mark.filterwarnings("ignore:.nn.functional.upsample_.* is deprecated")]


@pytest.mark.parametrize("name", OPERATIONS)
def test_samples(name):
    assert compare_samples(name, OPERATIONS[name], MANY.get(name, 1))["compared"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", MANY)
def test_all_of_many_samples(name):
    assert compare_samples(name, OPERATIONS[name])["compared"] > 0


@pytest.mark.parametrize("algorithm", algorithms())
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_by_every_algorithm(name, algorithm):
    assert compare_samples(name, CONVOLUTIONS[name](algorithm))["compared"] > 0


@pytest.mark.parametrize("name", [name for name in OPERATIONS if OPS[name].error_inputs_func])
def test_what_pytorch_refuses(name):
    assert accepted_errors(name, OPERATIONS[name]) == []
