"""The matrices of the Cook-Toom transforms, as exact fractions, and the rounding error that they cause.

Winograd's convolution consists of these transforms and of products between them.

F(m, r) computes m outputs of a correlation with r taps from n = m + r - 1 inputs in n products instead of m r:

    y = AT ((G g) * (BT d)),        y[i] = sum over j of g[j] d[i + j]

It evaluates two polynomials at n points (one of them infinity), multiplies the values, and interpolates; transposing
the scheme turns the product of polynomials into a correlation. In two dimensions every transform acts on rows and
columns. Source: Winograd 1980, chapter III; Lavin & Gray 2016, section 4; Barabasz et al. 2020 for the points.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import pi, prod, sqrt

from ...errors import InputError

# The points for each n; infinity is the n-th and is not listed. They are 0 and multiples of 1/8, chosen for a small
# predicted error. Their denominators are powers of two, so AT and BT are exact in floats. p and -p are neighbours,
# because `cook_toom_transform.linear_map` computes such pairs of rows together.
POINTS = {n: tuple(map(Fraction, points.split())) for n, points in {
    2: "0", 3: "0 1", 4: "0 1 -1", 5: "0 3/4 -3/4 7/4", 6: "0 5/8 -5/8 3/2 -3/2", 7: "0 7/8 -7/8 2 -2 3/8",
    8: "0 1 -1 2 -2 1/2 -1/2", 9: "0 3/8 -3/8 7/8 -7/8 2 -2 5/4", 10: "0 3/8 -3/8 7/8 -7/8 5/4 -5/4 2 -2"}.items()}

FEW = 5                         # with fewer channels the predicted error is larger
Matrix = tuple[tuple[Fraction, ...], ...]


@cache
def cook_toom(m: int, r: int) -> tuple[Matrix, Matrix, Matrix]:
    """The matrices AT (m, n), G (n, r) and BT (n, n) of F(m, r), as tuples of rows of fractions.

    >>> AT, G, BT = cook_toom(2, 3)
    >>> [[int(a) for a in row] for row in AT]
    [[1, 1, 1, 0], [0, 1, -1, 1]]
    >>> [[str(a) for a in row] for row in G]
    [['-1', '0', '0'], ['1/2', '1/2', '1/2'], ['1/2', '-1/2', '1/2'], ['0', '0', '1']]

    Raises
    ------
    InputError
        If m or r is less than 1, or n is not from 2 to 10.
    """
    n = m + r - 1
    if min(m, r) < 1 or n not in POINTS:
        raise InputError(f"F({m}, {r}) needs m and r of at least 1, and m + r - 1 from {min(POINTS)} to {max(POINTS)}")
    points = POINTS[n]
    weights = [prod((p - q for q in points if q != p), start=Fraction(1)) for p in points]
    AT = [[p ** i for p in points] + [Fraction(i == m - 1)] for i in range(m)]
    G = [[p ** j / weight for j in range(r)] for p, weight in zip(points, weights, strict=True)]
    G.append([Fraction(j == r - 1) for j in range(r)])
    BT = [_polynomial([q for q in points if q != p], n) for p in points] + [_polynomial(points, n)]
    frozen = lambda matrix: tuple(map(tuple, matrix))
    return frozen(AT), frozen(G), frozen(BT)


def _polynomial(roots, n):
    """The n lowest coefficients of prod (x - root), the constant first."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *coefficients], [-root * c for c in coefficients] + [Fraction(0)]
        coefficients = [a + b for a, b in zip(shifted, scaled, strict=True)]
    return coefficients + [Fraction(0)] * (n - len(coefficients))


@cache
def predicted_error(m: int, r: int, channels: int = FEW) -> float:
    """The error to expect of an output of F(m x m, r x r), in units of eps * (\\|weight\\| * \\|input\\|).

    The model: inputs and weights are independent and normal. Each transformed input, weight and product has a rounding
    error that is uniform up to eps / 2. The result is 2.5 standard deviations of the error of one channel's output. It
    was close to the largest error that was measured in 50 000 outputs, each a sum over 20 channels.

    >>> [round(predicted_error(m, 3), 1) for m in (2, 4, 6)]
    [1.1, 5.4, 30.3]

    The errors of several channels average out. With fewer than 5 channels the error is larger:

    >>> round(predicted_error(4, 5), 1), round(predicted_error(4, 5, channels=1), 1)
    (11.7, 26.1)
    """
    AT, G, BT = cook_toom(m, r)
    squares = lambda matrix: [sum(float(a) ** 2 for a in row) for row in matrix]
    variance = max(sum(float(a) ** 2 * g * b for a, g, b in zip(row, squares(G), squares(BT), strict=True))
                   for row in AT)
    # variance ** 2: two dimensions. 3: three roundings. 1 / 12: the variance of a uniform error of width 1.
    rounding = sqrt(3 * variance ** 2 / 12)
    rounding *= sqrt(FEW / min(channels, FEW))
    return 2.5 * rounding / (r * r * 2 / pi)          # the mean of |normal * normal| is 2 / pi
