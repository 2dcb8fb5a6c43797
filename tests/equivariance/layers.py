"""Layers of many geometries, and their results by scipy, for the tests of matrix and spectrum."""

from minicnn.conv import Geometry
from tests.reference import conv2d

ROUND = {"padding": "same", "padding_mode": "circular"}
TORUS = [               # weight, size, options: stride 1, circular padding that keeps the size
    ((1, 1, 3, 3), (5, 6), ROUND), ((3, 2, 3, 3), (5, 4), ROUND), ((2, 3, 2, 4), (5, 6), ROUND),
    ((4, 2, 3, 2), (6, 5), {**ROUND, "groups": 2}), ((3, 1, 3, 3), (7, 5), {**ROUND, "groups": 3, "dilation": (2, 1)}),
    ((2, 2, 5, 3), (5, 5), {"padding": (2, 1), "padding_mode": "circular"}), ((2, 2, 1, 1), (3, 4), ROUND),
    ((2, 1, 5, 7), (3, 4), ROUND), ((1, 2, 2, 2), (4, 4), {**ROUND, "dilation": 3}), ((2, 2, 3, 3), (1, 6), ROUND)]
OTHER = [
    ((1, 1, 3, 3), (5, 6), {}), ((3, 2, 3, 2), (5, 4), {"padding": "same"}), ((2, 3, 3, 3), (7, 6), {"stride": 2}),
    ((4, 2, 3, 3), (6, 7), {"groups": 2, "padding": 1, "stride": (1, 3)}), ((2, 2, 2, 2), (6, 6), {"dilation": 2}),
    ((2, 1, 3, 3), (6, 6), {"stride": 2, "padding": 1, "padding_mode": "circular"}),
    ((2, 2, 3, 3), (5, 5), {"padding": 2, "padding_mode": "circular"})]


def channels(shape, options):
    return shape[1] * options.get("groups", 1)


def geometry_of(shape, size, options, batch=1):
    return Geometry.of((batch, channels(shape, options), *size), shape, **options, dtype="float64")


def correlate(x, weight, size, options):
    g = geometry_of(weight.shape, size, options)
    return conv2d(x, weight, None, g.stride, g.padding, g.dilation, g.groups, g.padding_mode)
