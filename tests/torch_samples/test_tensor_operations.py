"""The operators and methods of a Tensor."""

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


OPERATIONS = {
    "add": of_alpha(lambda x, y: x + y),
    "sub": of_alpha(lambda x, y: x - y),
    "mul": lambda x, y: x * y,
    "div/no_rounding_mode": lambda x, y: x / y,
    "true_divide": lambda x, y: x / y,
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
    "permute": lambda x, dims: x.transpose(dims),
    "T": lambda x: x.T,
    "__getitem__": lambda x, index: x[index],
    "ravel": lambda x: x.reshape(-1),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_samples(name):
    assert compare_samples(name, OPERATIONS[name])["compared"] > 0
