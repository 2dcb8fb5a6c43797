"""Sums of products of arrays, written with a letter for each axis, as np.einsum."""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ..errors import InputError
from .elementwise import Result
from .elementwise import times as shown_times
from .products import product, shown_product
from .reductions import sum_over

Labels = tuple[str, ...]            # a name for each axis: a letter; "...0" for the last axis of an ellipsis, and so on
Term = tuple[np.ndarray, Labels]


def einsum(subscripts: str, operands: Sequence[np.ndarray], times: Callable = np.matmul) -> Result:
    """The sum over all letters that the result does not have, of the products of the operands.

    In "ij,jk->ik" each letter names an axis. A letter twice in an operand takes its diagonal. "..." stands for any
    axes, which broadcast. Without "->", the result has the letters that occur once, in alphabetical order, after
    "...". Operands are contracted in turn, as matrix products: `times` is that of `product`.

    The gradient of an operand is an einsum too: of the cotangent and the other operands.
    """
    labels, out_labels = _parse(subscripts, operands)
    lengths = _lengths(subscripts, labels, operands)
    terms = [_reduced(x, names, lengths) for x, names in zip(operands, labels, strict=True)]
    dtype = np.result_type(*operands)

    def vjp(grad):
        parts = []
        for i, (x, names) in enumerate(zip(operands, labels, strict=True)):
            others = [(grad, out_labels), *terms[:i], *terms[i + 1:]]
            known = {name for _, own in others for name in own}
            own = terms[i][1]
            part = _contract(others, tuple([name for name in own if name in known]),
                             partial(shown_product, times=times), shown_times)
            part = part.reshape([lengths[name] if name in known else 1 for name in own])
            full = np.zeros(x.shape, x.dtype)
            diagonal = _diagonal(full, names)[0]
            with np.errstate(over="ignore"):
                diagonal[...] = np.broadcast_to(part, terms[i][0].shape).reshape(diagonal.shape)
            parts.append(full)
        return tuple(parts)
    out = _contract(terms, out_labels, partial(product, times=times), np.multiply)
    return out.astype(dtype, copy=False), vjp


def _parse(subscripts, operands):
    """The labels of each operand's axes, and of the result's."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    texts = left.split(",")
    for text in (*texts, right):
        if set(text.replace("...", "", 1)) - set(string.ascii_letters):
            raise InputError(f"einsum: {text!r} in {subscripts!r} must consist of letters and at most one '...'")
    if len(texts) != len(operands):
        raise InputError(f"einsum: {subscripts!r} is for {len(texts)} operands, and there are {len(operands)}")
    labels = []
    for text, x in zip(texts, operands, strict=True):
        more = x.ndim - len(text.replace("...", ""))
        if more < 0 or more and "..." not in text:
            raise InputError(f"einsum: {text!r} in {subscripts!r} does not name the axes of an operand of shape "
                             f"{x.shape}: give a letter for each of the {x.ndim} axes")
        labels.append(_axes_of(text, more))
    rest = max(len([name for name in names if len(name) > 1]) for names in labels)
    if not arrow:
        letters = left.replace(",", "").replace(".", "")
        return labels, _axes_of("..." + "".join(sorted(a for a in set(letters) if letters.count(a) == 1)), rest)
    out = _axes_of(right, rest)
    if len(set(out)) < len(out) or set(out) - {name for names in labels for name in names}:
        raise InputError(f"einsum: each letter of the result {right!r} must be in an operand, and only once in the "
                         "result")
    return labels, out


def _axes_of(text, count):
    """The labels of "a...b": the letters, and `count` axes for the ellipsis, numbered from the last one."""
    before, dots, after = text.partition("...")
    return (*before, *[f"...{i}" for i in reversed(range(count if dots else 0))], *after)


def _lengths(subscripts, labels, operands):
    """The length of each label: that of its axes, of which those of length 1 broadcast."""
    lengths: dict[str, int] = {}
    for names, x in zip(labels, operands, strict=True):
        for name, n in zip(names, x.shape, strict=True):
            if lengths.get(name, 1) != 1 and n not in (1, lengths[name]):
                what = "'...'" if len(name) > 1 else repr(name)
                raise InputError(f"einsum: {what} in {subscripts!r} has the lengths {lengths[name]} and {n}")
            lengths[name] = n if lengths.get(name, 1) == 1 else lengths[name]
    return lengths


def _diagonal(x, names) -> Term:
    """A view of x with each label once: the diagonal where an operand has a label twice."""
    once = tuple(dict.fromkeys(names))
    number = {name: i for i, name in enumerate(once)}
    for name in once:
        if len({n for own, n in zip(names, x.shape, strict=True) if own == name}) > 1:
            raise InputError(f"einsum: {name!r} names axes of different lengths of an operand of shape {x.shape}")
    if len(once) < len(names):
        x = np.einsum(x, [number[name] for name in names], list(range(len(once))))
    return x, once


def _reduced(x, names, lengths) -> Term:
    """The operand with each label once, and without axes of length 1 that broadcast."""
    x, once = _diagonal(x, names)
    kept = [n == lengths[name] for name, n in zip(once, x.shape, strict=True)]
    index = tuple([slice(None) if keep else 0 for keep in kept])
    return np.asarray(x[index]), tuple([name for name, keep in zip(once, kept, strict=True) if keep])


def _contract(terms: list[Term], out: Labels, times, multiply) -> np.ndarray:
    """The sum of the products of the terms, with the axes `out`. Where nothing is added, `multiply` computes them."""
    x, own = terms[0]
    for i, (y, names) in enumerate(terms[1:], 2):
        later = set(out).union(*[labels for _, labels in terms[i:]])
        x, own = _pair(_summed(x, own, later.union(names)), _summed(y, names, later.union(own)), later, times, multiply)
    x, own = _summed(x, own, set(out))
    return x.transpose([own.index(name) for name in out])


def _summed(x, names, needed) -> Term:
    """The term, summed over the labels that nothing else needs."""
    axes = tuple([i for i, name in enumerate(names) if name not in needed])
    return sum_over(x, axes) if axes else x, tuple([name for name in names if name in needed])


def _pair(first: Term, second: Term, later, times, multiply) -> Term:
    """The product of two terms as a stack of matrix products, summed over the labels that are not needed later."""
    (x, a), (y, b) = first, second
    both, summed = [n for n in a if n in b and n in later], [n for n in a if n in b and n not in later]
    left, right = [n for n in a if n not in b], [n for n in b if n not in a]
    x = x.transpose([a.index(n) for n in both + left + summed])
    y = y.transpose([b.index(n) for n in both + summed + right])
    batch, k = len(both), len(summed)
    rows, columns = x.shape[batch:x.ndim - k], y.shape[batch + k:]
    inner = math.prod(x.shape[x.ndim - k:])
    xm = x.reshape(*x.shape[:batch], math.prod(rows), inner)         # (both..., left, summed)
    ym = y.reshape(*y.shape[:batch], inner, math.prod(columns))      # (both..., summed, right)
    with np.errstate(all="ignore"):
        out = times(xm, ym) if summed else multiply(xm, ym)
    return out.reshape((*x.shape[:batch], *rows, *columns)), (*both, *left, *right)
