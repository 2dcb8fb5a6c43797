"""Other ways in which PyTorch may call a backward. torch.autograd.gradcheck tries none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

RAW = "do not read its memory (as_strided, data_ptr): take its contiguous() first"
NEEDED = "look at ctx.needs_input_grad: backward returns one gradient for each argument of forward, in their order"
MOST = 8                                # inputs that are tried alone


class Variant(NamedTuple):
    """Another way to compute the same gradients. A right backward gives the same numbers.

    Attributes
    ----------
    says : str
        What is different, as in "for a cotangent that is not contiguous in memory".
    advice : str
    cotangents : list of ndarray
    compute : callable
        () -> (outputs, gradients), or None where this way is not possible. Both are as from the usual way.
    """

    says: str
    advice: str
    cotangents: list[Any]
    compute: Callable[[], Any]


def variants(function: Any, points: list[np.ndarray], cotangents: list[np.ndarray]) -> Iterator[Any]:
    """Yield each `Variant` of a `torch.Differentiated`.

    The cotangent lies in memory as after sum() or a slice; the inputs lie so; an input is changed between forward and
    backward; one input alone requires a gradient; one output alone is used.
    """
    same = [np.ones_like(one) for one in cotangents]
    if any(one.size > 1 for one in cotangents):
        yield Variant("for a cotangent whose elements share one number in memory, as backward of sum() makes it", RAW,
                      same, lambda: _pulled(function, points, [_expanded(function.tensor(one)) for one in same]))
        yield Variant("for a cotangent that is not contiguous in memory, as after a slice", RAW, cotangents,
                      lambda: _pulled(function, points, [_spread(function.tensor(one)) for one in cotangents]))
    if any(point.size > 1 for point in points):
        yield Variant("for inputs that are not contiguous in memory, as after a slice",
                      "do not read their memory: take their contiguous() first", cotangents,
                      lambda: _with_spread_inputs(function, points, cotangents))
    yield Variant("when the inputs are changed in place between forward and backward",
                  "keep a tensor by ctx.save_for_backward, which makes such a change an error, or keep a copy",
                  cotangents, lambda: _touched(function, points, cotangents))
    inputs = len(function.checked)
    groups = [[i] for i in range(min(inputs, MOST))] + [list(range(inputs, len(points)))]
    for group in groups if sum(map(bool, groups)) > 1 else []:
        if group:
            names = function.names[group[0]] if group[0] < inputs else "the parameters"
            yield Variant(f"when {names} alone require{'s' * (group[0] < inputs)} a gradient",
                          NEEDED, cotangents, partial(_alone, function, points, cotangents, group))
    for k in range(len(cotangents)) if len(cotangents) > 1 else []:
        yield Variant(f"when output {k} alone is used",
                      "with set_materialize_grads(False) backward gets None for the other outputs",
                      [one if j == k else np.zeros_like(one) for j, one in enumerate(cotangents)],
                      partial(_of_one_output, function, points, cotangents, k))


def _pulled(function, points, cotangents):
    leaves = function.leaves(points)
    outputs = function.call(leaves)[1]
    return outputs, function.pull(outputs, leaves, cotangents)


def _with_spread_inputs(function, points, cotangents):
    leaves, inputs = function.leaves(points), len(function.checked)
    leaves[:inputs] = [_spread(one.detach()).requires_grad_() for one in leaves[:inputs]]
    try:
        outputs = function.call(leaves, clone=False)[1]
    except Exception:                   # a function may refuse such inputs, which everybody sees
        return None
    return outputs, function.pull(outputs, leaves, [function.tensor(one) for one in cotangents])


def _touched(function, points, cotangents):
    leaves = function.leaves(points)
    given, outputs = function.call(leaves)
    if not _has_own_function(outputs):
        return None
    with function.torch.no_grad():
        for one in given:
            if "Clone" in type(one.grad_fn).__name__:
                one.add_(1)
    try:
        return None, function.pull(outputs, leaves, [function.tensor(one) for one in cotangents])
    except RuntimeError:                # PyTorch has noticed the change
        return None


def _alone(function, points, cotangents, group):
    leaves = function.leaves(points)
    for i, leaf in enumerate(leaves):
        leaf.requires_grad_(i in group)
    outputs = function.call(leaves)[1]
    found = function.pull(outputs, leaves, [function.tensor(one) for one in cotangents])
    return outputs, [one if i in group else False for i, one in enumerate(found)]


def _of_one_output(function, points, cotangents, k):
    leaves = function.leaves(points)
    outputs = function.call(leaves)[1]
    return None, function.pull(outputs[k:k + 1], leaves, [function.tensor(cotangents[k])])


def _expanded(tensor):
    """One number, seen as a tensor of the same shape: all strides are 0."""
    return tensor.flatten()[:1].clone().reshape([1] * tensor.ndim).expand(tensor.shape) if tensor.numel() else tensor


def _spread(tensor):
    """The same numbers in every second place of memory; between them lies NaN."""
    if not tensor.ndim:
        return tensor
    wide = tensor.new_full((*tensor.shape[:-1], 2 * tensor.shape[-1]), np.nan)[..., ::2]
    return wide.copy_(tensor)


def _has_own_function(outputs):
    """Whether an autograd.Function that is not of PyTorch itself has a part in the outputs."""
    queue, seen = [out.grad_fn for out in outputs], set()
    while queue:
        node = queue.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        kind = getattr(type(node), "_forward_cls", None)
        if kind is not None and kind.__module__.partition(".")[0] != "torch":
            return True
        queue += [one for one, _ in node.next_functions]
    return False
