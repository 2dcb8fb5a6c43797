"""NumPy's functions of Tensors, and methods: parts, repetitions, products, statistics."""

import numpy as np
import pytest
from scipy import special

from minicnn import Tensor
from minicnn import functional as F

from .samples import OPS, NotCompared, accepted_errors, compare_samples


def axes(dim):
    """PyTorch's () and None mean all axes in most functions."""
    return None if dim is None or isinstance(dim, (tuple, list)) and not dim else dim if isinstance(
        dim, int) else tuple(dim)


def no_dtype(dtype):
    if dtype is not None and dtype != np.float64:
        raise NotCompared("minicnn has no dtype of a result")


def spread(function):
    """var and std; PyTorch has `unbiased` for the correction too, also as second argument."""
    def adapter(x, dim=None, unbiased=None, *, correction=None, keepdim=False):
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        given = correction if correction is not None else 1 if unbiased is None else int(unbiased)
        return function(x, axes(dim), correction=given, keepdim=keepdim)
    return adapter


def with_mean(function):
    def adapter(x, dim=None, unbiased=None, *, correction=None, keepdim=False):
        mean = None if isinstance(dim, bool) else axes(dim)
        return spread(function)(x, dim, unbiased, correction=correction, keepdim=keepdim), x.mean(mean, keepdim)
    return adapter


def prod(x, dim=None, keepdim=False, *, dtype=None):
    no_dtype(dtype)
    return x.prod(dim, keepdim)


def cumsum(x, dim, *, dtype=None):
    no_dtype(dtype)
    return x.cumsum(dim)


def of_tensors(function):
    def adapter(x, y):
        if not isinstance(x, Tensor) and not isinstance(y, Tensor):
            raise NotCompared("no input is a Tensor")
        return function(x, y)
    return adapter


def sign(x):
    if np.isnan(x.data).any():
        raise NotCompared("NaN, whose sign is NaN in NumPy and 0 in PyTorch")
    return np.sign(x)


def flipud(x):
    if x.ndim == 0:
        raise NotCompared("np.flip takes a single number, as torch.flip does")
    return np.flip(x, 0)


def unbind(x, dim=0):
    if not isinstance(x, Tensor):
        raise NotCompared("no input is a Tensor")
    return list(x.moveaxis(dim, 0))


def expand(x, shape):
    new = len(shape) - x.ndim
    return np.broadcast_to(x, [x.shape[i - new] if n == -1 else n for i, n in enumerate(shape)])


def roll(x, shifts, dims=()):
    if np.size(shifts) != max(np.size(dims), 1):
        raise NotCompared("NumPy broadcasts shifts and axes, PyTorch does not")
    return np.roll(x, shifts, None if isinstance(dims, (tuple, list)) and not dims else dims)


def split(x, size, dim=0):
    return np.split(x, range(size, x.shape[dim], size), dim)


def chunk(x, chunks, dim=0):
    length = x.shape[dim]
    size = max(-(-length // chunks), 1)
    return np.split(x, range(size, length, size), dim)


def split_with_sizes(x, sizes, dim=0):
    return np.split(x, np.cumsum(sizes)[:-1], dim)


def tensor_split(x, indices_or_sections, dim=0):
    if isinstance(indices_or_sections, np.ndarray) and indices_or_sections.ndim == 0:
        indices_or_sections = int(indices_or_sections)
    return np.array_split(x, indices_or_sections, dim)


def repeat(x, repeats):
    return np.tile(x, repeats)


def einsum(operands, equation):
    return np.einsum(equation, *operands)


def transpose(x, dim0, dim1):
    return x.swapaxes(dim0, dim1) if x.ndim else x


def squeeze(x, dim):
    return x.squeeze(tuple([d for d in dim if x.ndim and x.shape[d] == 1]) if isinstance(dim, tuple) else dim)


def taken(x, dim, index):
    if x.ndim == 0:
        raise NotCompared("a single number has no element to take")
    return x[(slice(None),) * (dim % x.ndim) + (index,)]


def narrow(x, dim, start, length):
    if isinstance(start, np.ndarray):
        start = int(start)
    start = start + x.shape[dim] if start < 0 else start
    return taken(x, dim, slice(start, start + length))


def with_positions(method, position):
    """max and min along an axis; the samples have no ties, which PyTorch does not share."""
    def adapter(x, dim, keepdim=False):
        return method(x, dim, keepdim), position(x, dim, keepdim)
    return adapter


def tensordot(x, y, dims=2):
    """By einsum; the axes of y are named after those of x with which they are summed."""
    if isinstance(dims, int):
        dims = list(range(x.ndim - dims, x.ndim)), list(range(dims))
    a, b = "abcdefgh"[:x.ndim], list("ijklmnop"[:y.ndim])
    for i, j in zip(*dims, strict=True):
        b[j] = a[i]
    kept = [n for n in a if n not in b] + [n for n in b if n not in a]
    return np.einsum(f"{a},{''.join(b)}->{''.join(kept)}", x, y)


def astype(dtype):
    def adapter(x):
        if isinstance(x, np.ndarray):
            raise NotCompared("no input is a Tensor")
        return x.astype(dtype)
    return adapter


OPERATIONS = {
    "float": astype(np.float32), "double": astype(np.float64),
    "clamp": lambda x, min=None, max=None: np.clip(x, min, max),
    "clamp_min": of_tensors(lambda x, low: np.clip(x, low, None)),
    "clamp_max": of_tensors(lambda x, high: np.clip(x, None, high)),
    "maximum": of_tensors(np.maximum), "minimum": of_tensors(np.minimum), "max/reduction_no_dim": lambda x: x.max(),
    "min/reduction_no_dim": lambda x: x.min(), "amin": lambda x, dim=None, keepdim=False: x.min(axes(dim), keepdim),
    "argmax": lambda x, dim=None, keepdim=False: x.argmax(dim, keepdim),
    "argmin": lambda x, dim=None, keepdim=False: x.argmin(dim, keepdim),
    "var": spread(F.var), "std": spread(F.std), "var/unbiased": spread(F.var),
    "std/unbiased": spread(F.std), "var_mean": with_mean(F.var), "std_mean": with_mean(F.std),
    "var_mean/unbiased": with_mean(F.var), "std_mean/unbiased": with_mean(F.std),
    "logsumexp": F.logsumexp,
    "prod": prod, "cumsum": cumsum,
    "expm1": np.expm1, "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "erf": special.erf, "sign": sign,
    "squeeze/multiple": squeeze, "transpose": transpose,
    "movedim": Tensor.moveaxis, "unsqueeze": Tensor.expand_dims,
    "broadcast_to": np.broadcast_to, "expand": expand, "expand_as": lambda x, other: np.broadcast_to(x, other.shape),
    "flip": lambda x, dims: np.flip(x, tuple(dims)), "fliplr": lambda x: np.flip(x, 1),
    "flipud": flipud, "roll": roll,
    "split": split, "split/list_args": split_with_sizes, "split_with_sizes": split_with_sizes, "chunk": chunk,
    "unsafe_split": split, "unsafe_chunk": chunk, "tensor_split": tensor_split, "unbind": unbind,
    "repeat": repeat, "tile": repeat, "repeat_interleave": lambda x, repeats, dim=None: np.repeat(x, repeats, dim),
    "einsum": einsum, "tensordot": tensordot, "trace": lambda x: np.einsum("ii", x[:min(x.shape), :min(x.shape)]),
    "outer": lambda x, y: np.einsum("i,j->ij", x, y),
    "mT": lambda x: x.swapaxes(-1, -2), "t": lambda x: x.T, "reshape_as": lambda x, other: x.reshape(other.shape),
    "view_as": lambda x, other: x.reshape(other.shape), "select": taken, "index_select": taken, "narrow": narrow,
    "max/reduction_with_dim": with_positions(Tensor.max, Tensor.argmax),
    "min/reduction_with_dim": with_positions(Tensor.min, Tensor.argmin),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_samples(name):
    assert compare_samples(name, OPERATIONS[name])["compared"] > 0


@pytest.mark.parametrize("name", [name for name in OPERATIONS if OPS[name].error_inputs_func
                                  and name not in ("amin", "t", "narrow")])     # which minicnn has not by this name
def test_what_pytorch_refuses(name):
    assert accepted_errors(name, OPERATIONS[name]) == []
