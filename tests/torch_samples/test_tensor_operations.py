"""The operators and methods of a Tensor."""

import numpy as np
import pytest

from minicnn import Tensor

from .samples import NotCompared, compare_samples


def of_alpha(operation):
    def adapter(x, y, alpha=1):
        if alpha != 1:
            raise NotCompared("minicnn has no alpha")
        return operation(x, y)
    return adapter


def reduction(method):
    def adapter(x, dim=None, keepdim=False):
        return method(x, tuple(dim) if isinstance(dim, (tuple, list)) and len(dim) else
                      dim if isinstance(dim, int) else None, keepdim)
    return adapter


def join(tensors, dim=0):
    if any(t.shape == (0,) for t in tensors) and any(t.ndim > 1 for t in tensors):
        raise NotCompared("an empty vector among matrices, which PyTorch ignores")
    return np.concatenate(tensors, dim)


def squeeze(x, dim=None):
    if dim is not None and x.ndim and x.shape[dim] != 1:
        raise NotCompared("an axis longer than 1, which PyTorch leaves")
    return np.squeeze(x, dim)


OPERATIONS = {
    "add": of_alpha(lambda x, y: x + y),
    "sub": of_alpha(lambda x, y: x - y),
    "mul": lambda x, y: x * y,
    "div/no_rounding_mode": lambda x, y: x / y,
    "true_divide": lambda x, y: x / y,
    "pow": lambda x, y: x ** y,
    "__rpow__": lambda x, y: y ** x,
    "sqrt": np.sqrt,
    "square": np.square,
    "tanh": np.tanh,
    "abs": abs,
    "positive": lambda x: +x,
    "reciprocal": np.reciprocal,
    "cat": join,
    "stack": lambda tensors, dim=0: np.stack(tensors, dim),
    "where": lambda x, condition, y: np.where(condition, x, y),
    "squeeze": squeeze,
    "unsqueeze": lambda x, dim: np.expand_dims(x, dim),
    "movedim": np.moveaxis,
    "sum": reduction(Tensor.sum),
    "mean": reduction(Tensor.mean),
    "__radd__": lambda x, y: y + x,
    "__rsub__": lambda x, y: y - x,
    "__rmul__": lambda x, y: y * x,
    "__rdiv__": lambda x, y: y / x,
    "__rmatmul__": lambda x, y: y @ x,
    "matmul": lambda x, y: x @ y,
    "mm": lambda x, y: x @ y,
    "bmm": lambda x, y: x @ y,
    "mv": lambda x, y: x @ y,
    "dot": lambda x, y: x @ y,
    "neg": lambda x: -x,
    "exp": lambda x: x.exp(),
    "log": lambda x: x.log(),
    "amax": reduction(Tensor.max),
    "max/reduction_no_dim": lambda x: x.max(),
    "reshape": lambda x, shape: x.reshape(shape),
    "view": lambda x, shape: x.reshape(shape),
    "transpose": lambda x, dim0, dim1: np.swapaxes(x, dim0, dim1) if x.ndim else x,
    "permute": lambda x, dims: x.transpose(dims),
    "T": lambda x: x.T,
    "__getitem__": lambda x, index: x[index],
    "ravel": lambda x: x.reshape(-1),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_samples(name):
    assert compare_samples(name, OPERATIONS[name])["compared"] > 0
