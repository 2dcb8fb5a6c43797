"""Geometries and operands for the tests of convolution."""

from hypothesis import assume
from hypothesis import strategies as st

from minicnn.conv import Geometry
from tests.reference import conv2d

small = st.integers(1, 4)
pairs = st.tuples(small, small)
upto3 = st.integers(0, 3)
MODES = ["zeros", "circular", "reflect", "replicate"]


@st.composite
def geometries(draw):
    """A random valid geometry, in float64."""
    groups, kernel, mode = draw(st.integers(1, 3)), draw(pairs), draw(st.sampled_from(MODES))
    channels, outputs = (groups * draw(st.integers(1, 3)) for _ in range(2))
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    padding = draw(st.one_of(st.just("same"), st.tuples(upto3, upto3), st.tuples(*[st.tuples(upto3, upto3)] * 2)))
    stride = 1 if padding == "same" else draw(pairs)
    try:
        return Geometry.of((draw(small), channels, *size), (outputs, channels // groups, *kernel), stride, padding,
                           draw(pairs), groups, mode, "float64")
    except ValueError:
        assume(False)


def operands(g, draw):
    """Input, weight, bias and cotangent; `draw` makes an array of a shape."""
    return [draw(shape).astype(g.dtype) for shape in (g.in_shape, g.weight_shape, g.out_channels, g.out_shape)]


def integers(rng):
    """A `draw` of integers: their convolution has no rounding."""
    return lambda shape: rng.integers(-9, 10, shape).astype(float)


def run(algorithm, g, x, weight, bias, grad, relu=False):
    """The output and the three gradients."""
    out, saved = algorithm.forward(x, weight, bias, g, relu)
    return out, *algorithm.backward(grad, saved, (True, True, True))


def expected(g, x, weight, bias=None):
    """The output by the reference implementation."""
    return conv2d(x, weight, bias, g.stride, g.padding, g.dilation, g.groups, g.padding_mode)
