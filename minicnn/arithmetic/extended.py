"""Products, quotients and powers whose result fits the dtype although a partial result does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def quotient(numerators: Sequence[np.ndarray], denominators: Sequence[np.ndarray] = ()) -> np.ndarray:
    """The product of the numerators divided by each of the denominators, element by element, rounded as in the dtype.

    The processor reports an overflow and an underflow of a partial result. Only then are the mantissas and the
    exponents multiplied apart, which takes about ten times as long.

    >>> float(quotient([np.float64(2.0**900), np.float64(2.0**800)], [np.float64(2.0**1000)])) == 2.0**700
    True
    """
    try:
        with np.errstate(over="raise", under="raise", invalid="ignore", divide="ignore"):
            out = numerators[0]
            for i in range(max(len(numerators) - 1, len(denominators))):      # in turn, which stays near 1
                out = out / denominators[i] if i < len(denominators) else out
                out = out * numerators[i + 1] if i + 1 < len(numerators) else out
            return out
    except FloatingPointError:
        return joined([np.frexp(a) for a in numerators], [np.frexp(a) for a in denominators])


def joined(numerators: Sequence[tuple], denominators: Sequence[tuple] = ()) -> np.ndarray:
    """The quotient of factors that are given as pairs (mantissa, exponent): mantissa 2^exponent."""
    mantissa, exponent = numerators[0]
    with np.errstate(all="ignore"):
        for m, e in numerators[1:]:
            mantissa, exponent = mantissa * m, exponent + e
        for m, e in denominators:
            mantissa, exponent = mantissa / m, exponent - e
        return np.ldexp(mantissa, exponent)


def split_power(x: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x^p as a pair (mantissa, exponent): with |x| = m 2^e, it is m^p 2^f and n, where p e = n + f.

    For a large p, m^p is taken into the exponent too: p (e + log2 m) = n + f.

    >>> mantissa, exponent = split_power(np.float64(1e200), np.float64(2))
    >>> round(float(np.ldexp(mantissa, exponent - 1000)) / 1e98, 6)      # 1e400 / 2^1000
    9.332636
    """
    with np.errstate(all="ignore"):
        m, e = np.frexp(np.abs(x))
        small = m < np.sqrt(0.5)
        m, e = np.where(small, 2 * m, m), np.where(small, e - 1, e)             # m from sqrt(1/2) to sqrt(2)
        large = np.abs(p) > 100
        product = p * (e + np.where(large, np.log2(m), 0))
        whole = np.clip(np.rint(product), -2e8, 2e8)
        plain = ~np.isfinite(x) | (x == 0) | ~np.isfinite(product)
        split = np.sign(x) ** p * np.where(large, 1, m ** p) * np.exp2(np.where(plain, 0, product - whole))
        mantissa = np.where(plain, x ** p, split)
    return mantissa.astype(np.result_type(x, p), copy=False), np.where(plain, 0, whole).astype(np.int32)


def shown(grad: np.ndarray, product: np.ndarray) -> np.ndarray:
    """`product`, a gradient from the cotangent `grad`, with 0 where the cotangent is 0 and the product is NaN.

    A cotangent of 0 says that the result does not depend on this element, because a mask hides it. Then the derivative
    does not count, also if it is infinite or NaN.

    >>> shown(np.array([0.0, 1.0]), np.array([0.0, 1.0]) * np.array([np.nan, 3.0]))
    array([0., 3.])
    """
    if product.size and np.isnan(product.min()):            # one pass without a temporary array
        return np.where((grad == 0) & np.isnan(product), 0, product)
    return product


def out_of_range(value: np.ndarray, *inputs: np.ndarray) -> np.ndarray:
    """Where `value` is infinite, 0 or denormal although no input is 0, infinite or NaN."""
    size = np.abs(value)
    odd = ~((size >= np.finfo(value.dtype).tiny) & (size < np.inf))
    for x in inputs if odd.any() else ():
        odd = odd & (x != 0) & np.isfinite(x)
    return odd
