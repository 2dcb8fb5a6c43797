"""conv2d on Tensors: a single image, the ReLU at its end, its messages, and `shapes_only`."""

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F
from minicnn.conv import algorithms
from minicnn.functional.convolution import shapes_only
from tests import reference


def test_a_single_image_is_a_batch_of_one(rng):
    x, w, cotangent = rng.standard_normal((2, 5, 6)), rng.standard_normal((3, 2, 3, 3)), rng.standard_normal((3, 3, 4))
    single, batch = Tensor(x, requires_grad=True), Tensor(x[None], requires_grad=True)
    out = F.conv2d(single, w)
    np.testing.assert_allclose(out.data, reference.conv2d(x[None], w)[0], rtol=1e-12, atol=1e-13)
    out.backward(cotangent)
    F.conv2d(batch, w).backward(cotangent[None])
    np.testing.assert_array_equal(single.grad, batch.grad[0])


@pytest.mark.parametrize("algorithm", [name for name in algorithms() if name not in ("naive", "toeplitz")])
def test_relu_at_the_end_is_relu_afterwards(algorithm, rng):
    arrays = rng.standard_normal((4, 2, 9, 8)), rng.standard_normal((5, 2, 3, 3)), rng.standard_normal(5)
    cotangent, found = rng.standard_normal((4, 5, 7, 6)), []
    for function in (lambda *a: F.conv2d(*a, algorithm=algorithm, relu=True),
                     lambda *a: F.relu(F.conv2d(*a, algorithm=algorithm))):
        tensors = [Tensor(a, requires_grad=True) for a in arrays]
        out = function(*tensors)
        out.backward(cotangent)
        found.append([out.data, *(t.grad for t in tensors)])
    np.testing.assert_array_equal(found[0][0], found[1][0])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_shapes_only_computes_nothing_but_checks_everything(monkeypatch):
    direct = type(algorithms()["direct"])
    monkeypatch.setattr(direct, "forward", lambda *args, **options: pytest.fail("a kernel ran"))
    x, w = Tensor(np.ones((2, 3, 7, 8), np.float32)), Tensor(np.ones((4, 3, 3, 3), np.float32), requires_grad=True)
    with shapes_only():
        with shapes_only():
            pass
        out = F.conv2d(x, w, padding=1, stride=2, algorithm="direct")
        assert F.conv2d(x.data[0], w.data, algorithm="direct").shape == (4, 5, 6)
        with pytest.raises(ValueError, match="conv2d: the input has 3 channels, so the weight must"):
            F.conv2d(x, w[:, :2], algorithm="direct")
    assert out.shape == (2, 4, 4, 4) and out.dtype == np.float32 and not out.data.any()
    with pytest.raises(pytest.fail.Exception, match="a kernel ran"):
        F.conv2d(x, w, algorithm="direct")


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda x: F.conv2d(x, np.ones((1, 3, 2, 2))), ValueError, "conv2d: the input has 2 channels"),
    (lambda x: F.conv2d(x, np.ones((1, 2, 9, 9))), ValueError, "conv2d: the kernel spans 9 x 9 pixels but"),
    (lambda x: F.conv2d(x, np.ones((1, 2, 2, 2), np.float32)), TypeError, "the input is float64 but the weight flo"),
    (lambda x: F.conv2d(x, np.ones((1, 2, 2, 2)), np.ones(2)), ValueError, r"the bias must have shape \(1,\) and d"),
    (lambda x: F.conv2d(x, np.ones((1, 2, 2, 2)), algorithm="best"), ValueError, "no convolution algorithm is called"),
])
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(Tensor(np.ones((2, 2, 6, 6)), requires_grad=True))
