"""Every kernel runs as plain Python, with every access checked: against the oracle, and against the machine code."""

import numpy as np
import pytest

from minicnn import conv
from minicnn.conv import Geometry
from minicnn.conv.algorithms import winograd
from minicnn.conv.kernels import relu_gradient, winograd_backward, winograd_forward
from minicnn.conv.kernels.compile import pack
from tests.conv.geometries import expected, run
from tests.conv.kernels import simd_interpreter

# input (N, C, H, W), weight (K, C / G, kh, kw), options; not all rows fill whole register blocks
CASES = [
    ((17, 3, 5, 7), (6, 3, 3, 3), {"padding": 1}),
    ((2, 5, 7, 9), (7, 5, 1, 1), {"stride": (3, 2)}),
    ((5, 2, 8, 9), (3, 2, 3, 2), {"stride": (1, 3), "padding": (2, 1), "dilation": (2, 2)}),
    ((2, 6, 5, 6), (9, 2, 3, 5), {"groups": 3, "dilation": (1, 1), "padding": 2}),
    ((3, 4, 4, 5), (5, 4, 4, 3), {"padding": 3, "padding_mode": "circular", "stride": (2, 3)}),
    ((16, 1, 3, 9), (5, 1, 1, 2), {}),
    ((16, 2, 8, 9), (2, 1, 3, 3), {"groups": 2, "padding": 1}),             # depthwise, of whole vectors
    ((32, 1, 9, 7), (1, 1, 5, 7), {"padding": (4, 5), "stride": (2, 3), "dilation": (1, 2)}),
]


def make(input_shape, weight_shape, options, dtype="float64"):
    """Geometry, x, weight, bias, cotangent, as small integers: every sum is exact."""
    rng = np.random.default_rng(0)
    g = Geometry.of(input_shape, weight_shape, dtype=dtype, **options)
    return g, *(rng.integers(-4, 5, shape).astype(dtype)
                for shape in (g.in_shape, g.weight_shape, g.out_channels, g.out_shape))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_direct_interpreted(case, dtype, interpreter):
    g, x, weight, bias, grad = make(*case, dtype)
    linear, saved = conv.algorithms()["direct"].forward(x, weight, bias, g)
    np.testing.assert_array_equal(linear, expected(g, x, weight, bias))
    for relu in (False, True):
        out, grad_input, grad_weight, grad_bias = run(conv.algorithms()["direct"], g, x, weight, bias, grad, relu)
        np.testing.assert_array_equal(out, np.maximum(linear, 0) if relu else linear)
        used = grad * (linear > 0) if relu else grad
        value = (used * (linear - bias[:, None, None])).sum()
        assert (grad_input * x).sum() == (grad_weight * weight).sum() == value
        np.testing.assert_array_equal(grad_bias, used.sum((0, 2, 3)))


@pytest.mark.parametrize("name", ["direct", "winograd"])
def test_compiled_and_interpreted_give_the_same_bits_on_integers(name, few_kernels, monkeypatch):
    """F(2 x 2, 3 x 3) and direct do not round here."""
    monkeypatch.setattr(winograd, "best_tile", lambda geometry: 2)
    algorithm, operands = conv.algorithms()[name], make((17, 2, 6, 5), (3, 2, 3, 3), {"padding": 1})
    compiled = run(algorithm, *operands, relu=True)
    simd_interpreter.install(monkeypatch)
    for a, b in zip(run(algorithm, *operands, relu=True), compiled, strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_kernel_is_among_them(interpreter):
    for channels, images in (3, 1), (3, 3), (24, 17):    # few and many: the gradient of the weight has two blocks
        operands = make((images, 2, 6, 5), (channels, 2, 3, 3), {"padding": 1})
        for name in ("direct", "winograd"):
            run(conv.algorithms()[name], *operands, relu=True)
    run(conv.algorithms()["direct"], *make((3, 2, 6, 5), (3, 2, 3, 3), {"stride": 2}))
    run(conv.algorithms()["direct"], *make((16, 2, 3, 4), (2, 1, 2, 2), {"groups": 2}))
    assert interpreter.called == set(simd_interpreter.FACTORIES)


@pytest.mark.parametrize("pixels", [1, 15, 16, 17, 40])
@pytest.mark.parametrize("parts", [1, 3])
def test_relu_gradient_interpreted(pixels, parts, interpreter, monkeypatch, rng):
    monkeypatch.setattr(relu_gradient, "JOBS", 3 * parts)
    monkeypatch.setattr(relu_gradient, "LEAST", 1)
    grad, out = (interpreter.allow(rng.standard_normal((3, 1, pixels, 1)).astype("f4")) for _ in range(2))
    gated, sums = relu_gradient.gate(grad, out)
    np.testing.assert_array_equal(gated, np.where(out > 0, grad, 0))
    np.testing.assert_allclose(sums, gated.sum((1, 2, 3), dtype=float), atol=1e-5)


@pytest.mark.parametrize(("module", "name"), [(winograd_forward, "forward_places"),
                                              (winograd_backward, "backward_places")])
def test_a_vector_less_of_scratch_memory_is_noticed(module, name, interpreter, monkeypatch):
    """This shows that the kernel uses all of its scratch memory, and that the interpreter sees an access beyond it."""
    places, algorithm = getattr(module, name), conv.algorithms()["winograd"]
    operands = make((16, 2, 6, 5), (16, 2, 3, 3), {"padding": 1})
    run(algorithm, *operands)

    def too_small(F, s, blocks):
        found = places(F, s, blocks)
        return found._replace(end=found.end - F.lanes)
    monkeypatch.setattr(module, name, too_small)
    with pytest.raises(AssertionError, match="lie outside of every array"):
        run(algorithm, *operands)


@pytest.mark.parametrize(("index", "access"), [(-1, "read"), (-1, "write"), (5, "read")])
def test_an_index_outside_of_an_array_is_noticed(index, access, interpreter):
    def kernel(array):
        if access == "read":
            array[index]
        else:
            array[index] = 0
    with pytest.raises((AssertionError, IndexError), match="is negative|out of bounds"):
        interpreter.compiled(simd_interpreter.types.void(simd_interpreter.types.float64[::1]), kernel)(np.zeros(5))


def test_what_a_kernel_unpacks_is_what_was_packed():
    blocks, sizes = winograd_forward.ForwardBlocks(5, 4, 3, 2, 1, 6), winograd_forward.Sizes(*range(12))
    task = winograd_forward.ForwardTask(winograd_forward.ForwardArrays(7, 8, 9, 10, 11), sizes, blocks,
                                        winograd_forward.ForwardPlaces(*range(6)), winograd_forward.Products(*range(5)),
                                        True)
    assert simd_interpreter.unpack(winograd_forward.ForwardTask, pack(task)) == task
