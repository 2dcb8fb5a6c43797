"""Convert PyTorch's samples of an operation to minicnn, and compare values and gradients in float64.

To add an operation, write one line in the table OPERATIONS of a test file of this folder:

    "name": adapter              "name" or "name/variant" is PyTorch's, as in "max/reduction_with_dim"

The adapter has the parameters of PyTorch's function. It gets floating tensors as Tensors, other tensors as arrays, and
dtypes as NumPy's. It returns what PyTorch's function returns: a Tensor, an array, or a tuple of them. It raises
`NotCompared` with the reason where minicnn does not have what the sample uses, or differs on purpose. A sample with an
argument that the adapter does not have is not compared either.
"""

import importlib.util
import inspect
import itertools
import sys
import types
import unittest
from collections import Counter
from unittest import mock

import numpy as np
import pytest

from minicnn import MinicnnError, Tensor

torch = pytest.importorskip("torch")
# PyTorch's list of operations imports the base class of PyTorch's own tests, which nothing here uses.
if importlib.util.find_spec("expecttest") is None:
    sys.modules["expecttest"] = types.ModuleType("expecttest")
    sys.modules["expecttest"].TestCase = unittest.TestCase
with mock.patch.object(sys, "argv", sys.argv[:1]):                 # which PyTorch would parse
    methods = pytest.importorskip("torch.testing._internal.common_methods_invocations", exc_type=ImportError)

OPS = {f"{op.name}/{op.variant_test_name}".removesuffix("/"): op for op in methods.op_db}
RTOL = 1e-9


class NotCompared(Exception):
    """The reason why a sample is left out."""


def compare_samples(name, adapter, step=1):
    """Compare every step-th sample of an operation. Return a Counter of "compared" and the reasons of NotCompared."""
    op, counts = OPS[name], Counter()
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    inputs = op.sample_inputs if name in ("where", "clamp") else op.reference_inputs    # which contain sample_inputs
    for sample in itertools.islice(inputs("cpu", torch.float64, requires_grad=True), 0, None, step):
        try:
            compare(op.op, adapter, sample, rng)
            counts["compared"] += 1
        except NotCompared as reason:
            counts[str(reason)] += 1
        except Exception as error:
            raise AssertionError(f"{name}: {type(error).__name__}: {error}\n{sample.summary()}") from error
    return counts


def compare(function, adapter, sample, rng):
    """One sample: values and dtypes, gradients for a random cotangent, and unchanged inputs."""
    theirs = detached((sample.input, *sample.args)), detached(sample.kwargs)
    pairs = []                                    # (PyTorch's tensor, ours) for each floating input
    args, kwargs = convert(theirs, pairs)
    call = bind(adapter, args, kwargs)
    if not pairs:
        raise NotCompared("no input is a Tensor")
    expected = function(*theirs[0], **theirs[1])
    before = [ours.data.copy() for _, ours in pairs]        # PyTorch's batch norm has changed its running statistics
    if expected is NotImplemented:
        raise NotCompared("PyTorch leaves it to the other operand")
    with np.errstate(all="ignore"):               # the samples contain infinite numbers and zeros
        for i, (want, have) in enumerate(zip(sequence(expected), sequence(call()), strict=True)):
            assert_same(as_array(have), want.detach().numpy(), "values")
            have = sequence(call())[i]            # backward frees a graph
            if isinstance(have, Tensor) and want.requires_grad:
                compare_gradients(want, have, [(t, x) for t, x in pairs if t.requires_grad], rng)
    for (_, ours), old in zip(pairs, before, strict=True):
        np.testing.assert_array_equal(ours.data, old, err_msg="an input was changed")


def compare_gradients(want, have, leaves, rng):
    """The gradients of one output with respect to all leaves. None counts as zero."""
    cotangent = rng.standard_normal(have.shape).astype(have.dtype)
    grads = torch.autograd.grad(want, [t for t, _ in leaves], torch.from_numpy(np.array(cotangent)), retain_graph=True,
                                allow_unused=True)
    for _, x in leaves:
        x.grad = None
    have.backward(cotangent)
    for i, (grad, (_, x)) in enumerate(zip(grads, leaves, strict=True)):
        assert_same(np.zeros_like(x.data) if x.grad is None else x.grad,
                    np.zeros_like(x.data) if grad is None else grad.numpy(), f"gradient {i}")


def accepted_errors(name, adapter):
    """The inputs that PyTorch refuses, by its message, and minicnn does not refuse with a MinicnnError."""
    accepted = []
    for error in OPS[name].error_inputs("cpu"):
        sample = error.sample_input
        try:
            args, kwargs = convert(((sample.input, *sample.args), sample.kwargs), [])
            call = bind(adapter, args, kwargs)
        except NotCompared:
            continue
        try:
            call()
            accepted.append(error.error_regex)
        except (MinicnnError, NotCompared):
            pass
        except Exception as other:
            raise AssertionError(f"{name}: not a MinicnnError: {other!r}; PyTorch: {error.error_regex}") from other
    return accepted


def bind(adapter, args, kwargs):
    """A call of the adapter; NotCompared if the adapter lacks one of the arguments."""
    if isinstance(adapter, np.ufunc):                   # before NumPy 2.4 it has no signature
        return lambda: adapter(*args, **kwargs)
    try:
        bound = inspect.signature(adapter).bind(*args, **kwargs)
    except TypeError as error:
        raise NotCompared(f"minicnn has not: {error}") from None
    return lambda: adapter(*bound.args, **bound.kwargs)


def convert(value, pairs):
    """PyTorch's argument as minicnn's. Floating tensors and their Tensors are added to `pairs`."""
    if isinstance(value, torch.Tensor):
        if value.is_complex() or value.dtype in (torch.float16, torch.bfloat16) or value.layout != torch.strided:
            raise NotCompared(f"a Tensor is no {value.dtype} {value.layout}")
        array = value.detach().resolve_neg().numpy()
        if value.dtype not in (torch.float32, torch.float64):
            return array
        ours = next((x for t, x in pairs if t is value), None)
        if ours is None:
            ours = Tensor(array, requires_grad=value.requires_grad)
            pairs.append((value, ours))
        return ours
    if isinstance(value, torch.dtype):
        return np.dtype(str(value).removeprefix("torch."))
    return rebuilt(value, lambda item: convert(item, pairs))


def detached(value):
    """The same argument with new leaves in place of the tensors, which share their memory."""
    if isinstance(value, torch.Tensor):
        return value.detach().requires_grad_(value.requires_grad)
    return rebuilt(value, detached)


def rebuilt(value, function):
    """A tuple, list or dict of function(item); another value as it is."""
    if isinstance(value, dict):
        return {key: function(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return (list if isinstance(value, list) else tuple)(function(item) for item in value)
    return value


def sequence(result):
    return result if isinstance(result, (tuple, list)) else (result,)


def as_array(value):
    return value.data if isinstance(value, Tensor) else np.asarray(value)


def assert_same(ours, theirs, what):
    """Equal shapes, dtypes and numbers, NaN and infinity included; finite numbers up to rounding."""
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), f"{what}: {ours.shape} {ours.dtype}, PyTorch's " \
                                                                     f"{theirs.shape} {theirs.dtype}"
    finite = np.abs(theirs[np.isfinite(theirs)])
    atol = 1e-12 * max(1, np.median(finite)) if finite.size else 0
    np.testing.assert_allclose(ours, theirs, rtol=RTOL, atol=atol, err_msg=what)
