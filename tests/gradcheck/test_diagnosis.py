"""Wrong gradients are caught, located and explained."""

import numpy as np
import pytest

from minicnn import Tensor, record
from minicnn import functional as F
from minicnn.gradcheck import GradcheckError, gradcheck, safe_inputs
from tests.gradcheck.functions import leaf, sum_of_squares

# Wrong gradients are caught and located.

@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("element", [(0, 0), (1, 2), (2, 3)])
def test_one_element_off_by_1e_4(rng, element, fast):
    def spoil(grad, dx):
        dx[element] *= 1 + 1e-4
        return dx

    (x,) = safe_inputs((3, 4), rng=rng)
    value = 2 * x.data[element]
    message = (rf"gradient of input 0, shape \(3, 4\), is wrong at its element \({element[0]}, {element[1]}\): "
               rf"d output 0 \({element[1]},\) is analytically {value * 1.0001:.8g}\d*, numerically {value:.3g}")
    with pytest.raises(GradcheckError, match=message):
        gradcheck(sum_of_squares(spoil), x, fast_mode=fast)


def test_one_element_of_a_convolution_off_by_1e_4(rng):
    def conv(x, w):
        inner = F.conv2d(x.detach(), w.detach())

        def vjp(grad):
            a, b = leaf(x.data), leaf(w.data)
            F.conv2d(a, b).backward(grad)
            b.grad[1, 0, 2, 1] *= 1 + 1e-4
            return a.grad, b.grad
        return record(inner.data.copy(), (x, w), vjp, "conv")

    with pytest.raises(GradcheckError, match=r"input 1, .* element \(1, 0, 2, 1\).*\n?.*relative error 1\.0e-04"):
        gradcheck(conv, safe_inputs((1, 2, 5, 5), (2, 2, 3, 3), rng=rng), eps=1, rtol=1e-10, atol=1e-12)


def test_raise_exception_false_returns_false(rng):
    inputs = safe_inputs((2, 2), rng=rng)
    assert gradcheck(sum_of_squares(lambda grad, dx: dx / 2), inputs, raise_exception=False) is False


@pytest.mark.parametrize("factor, says", [(-1, "the sign is wrong"), (0.5, r"analytic = 0\.5 x numeric everywhere"),
                                          (0, "Backward gave zeros")])
def test_a_constant_factor_is_named(rng, factor, says):
    with pytest.raises(GradcheckError, match=says):
        gradcheck(sum_of_squares(lambda grad, dx: factor * dx), safe_inputs((2, 3), rng=rng))


def test_a_missing_gradient_is_named(rng):
    inputs = safe_inputs((2,), (2,), rng=rng)
    with pytest.raises(GradcheckError, match=r"input 1, .* analytically 0, .*\n.*zeros for this input"):
        gradcheck(lambda x, y: record(x.data + y.data, (x, y), lambda grad: (grad, None), "f"), inputs)
    with pytest.raises(GradcheckError, match=r"input 1, .*\nBackward gave no gradient for this input \(None\)"):
        gradcheck(lambda x, y: x + y.detach(), inputs)
    with pytest.raises(GradcheckError, match="input 0, .*\nBackward gave no gradient"):
        gradcheck(lambda x: Tensor(x.data * 2), inputs[0], fast_mode=True)


def test_a_gradient_that_is_not_finite_is_named(rng):
    with pytest.raises(GradcheckError, match="Backward gave nan"):
        gradcheck(sum_of_squares(lambda grad, dx: dx * np.nan), safe_inputs((2, 2), rng=rng),
                  check_undefined_grad=False)


def correlate(x, w):
    return np.correlate(x, w, "valid")


def correlate_backward(grad, x, w, flip=True):
    return np.convolve(grad, w if flip else w[::-1]), np.correlate(x, grad, "valid")


@pytest.mark.parametrize("fast", [False, True])
def test_forgetting_to_flip_the_kernel(rng, fast):
    inputs = rng.standard_normal(7), rng.standard_normal(3)
    assert gradcheck((correlate, correlate_backward), inputs, eps=1, rtol=1e-10, fast_mode=fast)
    wrong = lambda grad, x, w: correlate_backward(grad, x, w, flip=False)
    why = "" if fast else ".*\n.*needs the flipped kernel"     # to see it takes every entry
    with pytest.raises(GradcheckError, match=r"input 0, shape \(7,\)" + why):
        gradcheck((correlate, wrong), inputs, fast_mode=fast)


def test_forgetting_to_flip_the_kernel_in_two_dimensions(rng):
    def conv(x, w):
        def vjp(grad):
            padded = np.pad(grad, ((0, 0), (0, 0), (2, 2), (2, 2)))
            not_flipped = w.data.transpose(1, 0, 2, 3)
            return F.conv2d(Tensor(padded), Tensor(not_flipped)).data, None
        return record(F.conv2d(x.detach(), w.detach()).data.copy(), (x, w), vjp, "conv")

    x, w = safe_inputs((1, 1, 5, 4), (1, 1, 3, 3), rng=rng)
    with pytest.raises(GradcheckError, match="input 0, .*\n.*last 2 axes .* flipped kernel"):
        gradcheck(conv, (x, w.detach()), eps=1)


def test_forgetting_to_transpose(rng):
    pair = (lambda x, w: x @ w, lambda grad, x, w: (grad @ w, x.T @ grad))
    with pytest.raises(GradcheckError, match="input 0, "):
        gradcheck(pair, (rng.standard_normal((2, 3)), rng.standard_normal((3, 3))))
    swapped = (lambda x: (x * x).sum(), lambda grad, x: 2 * grad * x.T)
    with pytest.raises(GradcheckError, match="input 0, .*\n.*is a transpose missing"):
        gradcheck(swapped, rng.standard_normal((3, 3)))


def test_forgetting_to_unbroadcast(rng):
    pair = (lambda x, b: x + b, lambda grad, x, b: (grad, grad))
    with pytest.raises(GradcheckError, match=r"input 1 has shape \(3, 4\), but the input has shape \(4,\): sum"):
        gradcheck(pair, (rng.standard_normal((3, 4)), rng.standard_normal(4)))
    first_row = (lambda x, b: x + b, lambda grad, x, b: (grad, grad[0]))
    with pytest.raises(GradcheckError, match=r"input 1, .* analytically 0, numerically 1"):
        gradcheck(first_row, (rng.standard_normal((3, 4)), rng.standard_normal(4)))


def test_forgetting_to_accumulate(rng):
    def take_backward(grad, x, rows):
        dx = np.zeros_like(x)
        dx[rows] = grad                             # += is lost where a row is taken twice
        return dx, None

    with pytest.raises(GradcheckError, match=r"input 0, .* element \(1, [01]\): .*ally 0, numerically 1, .* 2 of 36"):
        gradcheck((lambda x, rows: x[rows], take_backward), (rng.standard_normal((3, 2)), np.array([1, 0, 1])))


def test_the_wrong_output_is_named(rng):
    with pytest.raises(GradcheckError, match=r"input 0, .* d output 1 \(2,\) is"):
        gradcheck(lambda x: (x * 2, sum_of_squares(lambda grad, dx: dx * np.array([1, 1, 3]))(x)),
                  safe_inputs((2, 3), rng=rng))
