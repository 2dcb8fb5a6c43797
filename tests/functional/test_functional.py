"""functional: forward against independent formulas or torch's documented values, gradients against differences."""

import numpy as np
import pytest
from scipy.special import log_softmax as scipy_log_softmax

from minicnn import Tensor
from minicnn import functional as F
from tests.reference import assert_gradients


def spread(rng, *shape):
    """Distinct values at least 0.1 apart and 0.05 from zero, so that no kink or tie is near."""
    n = int(np.prod(shape))
    return (rng.permutation(n) - n / 2 + 0.5).reshape(shape) * 0.1


def loss_of(function, *args, **kwargs):
    return lambda x: function(x, *args, **kwargs)


LABELS = np.array([2, 0, 1, 2])
GRADIENTS = {
    "relu": (F.relu, [(3, 4)]),
    "leaky_relu": (loss_of(F.leaky_relu, 0.2), [(3, 4)]),
    "tanh": (F.tanh, [(3,)]),
    "sigmoid": (F.sigmoid, [(3,)]),
    "linear": (F.linear, [(2, 3), (4, 3), (4,)]),
    "linear without bias": (F.linear, [(2, 3), (4, 3)]),
    "linear, more axes": (F.linear, [(2, 5, 3), (4, 3), (4,)]),
    "linear, one sample": (F.linear, [(3,), (4, 3), (4,)]),
    "flatten": (loss_of(F.flatten, 1), [(2, 3, 4)]),
    "max_pool2d": (loss_of(F.max_pool2d, 2), [(2, 3, 6, 6)]),
    "max_pool2d overlapping": (loss_of(F.max_pool2d, 3, 1, 1), [(1, 2, 4, 5)]),
    "max_pool2d dilated": (loss_of(F.max_pool2d, 2, 1, 0, 2), [(1, 1, 5, 5)]),
    "max_pool2d ceil": (loss_of(F.max_pool2d, 2, ceil_mode=True), [(1, 1, 5, 3)]),
    "max_pool2d single": (loss_of(F.max_pool2d, (1, 2)), [(2, 3, 4)]),
    "avg_pool2d": (loss_of(F.avg_pool2d, 2), [(2, 3, 5, 4)]),
    "avg_pool2d padded": (loss_of(F.avg_pool2d, 3, 2, 1), [(1, 2, 5, 5)]),
    "avg_pool2d without padding": (loss_of(F.avg_pool2d, 3, 2, 1, count_include_pad=False), [(1, 2, 5, 5)]),
    "avg_pool2d ceil": (loss_of(F.avg_pool2d, 2, 2, 1, True), [(1, 1, 6, 5)]),
    "avg_pool2d divisor": (loss_of(F.avg_pool2d, 2, divisor_override=3), [(1, 1, 4, 4)]),
    "adaptive_avg_pool2d": (loss_of(F.adaptive_avg_pool2d, (2, 3)), [(1, 2, 5, 7)]),
    "adaptive_max_pool2d": (loss_of(F.adaptive_max_pool2d, (2, 3)), [(1, 2, 5, 7)]),
    "global average": (loss_of(F.adaptive_avg_pool2d, 1), [(2, 2, 3, 3)]),
    "log_softmax": (F.log_softmax, [(3, 4)]),
    "log_softmax over rows": (loss_of(F.log_softmax, 0), [(3, 4)]),
    "cross_entropy": (loss_of(F.cross_entropy, LABELS), [(4, 3)]),
    "cross_entropy everything": (loss_of(F.cross_entropy, LABELS, np.array([0.5, 2, 1.0]), ignore_index=0,
                                         label_smoothing=0.1), [(4, 3)]),
    "cross_entropy sum": (loss_of(F.cross_entropy, LABELS, reduction="sum"), [(4, 3)]),
    "cross_entropy none": (loss_of(F.cross_entropy, LABELS, reduction="none"), [(4, 3)]),
    "cross_entropy images": (loss_of(F.cross_entropy, np.array([[[0, 2], [1, 1]]])), [(1, 3, 2, 2)]),
    "cross_entropy one": (loss_of(F.cross_entropy, np.array(2)), [(3,)]),
    "cross_entropy probabilities": (loss_of(F.cross_entropy, np.full((4, 3), 1 / 3), label_smoothing=0.2), [(4, 3)]),
    "mse_loss": (F.mse_loss, [(3, 2), (3, 2)]),
    "mse_loss none": (lambda x, y: F.mse_loss(x, y, "none"), [(3,), (3,)]),
    "batch_norm train": (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), [(4, 3, 2, 2), (3,), (3,)]),
    "batch_norm eval": (lambda x, w, b: F.batch_norm(x, np.full(3, 0.5), np.full(3, 2.0), w, b),
                        [(4, 3, 2, 2), (3,), (3,)]),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient(name, rng):
    operation, shapes = GRADIENTS[name]
    assert_gradients(operation, [spread(rng, *shape) for shape in shapes], rng)


@pytest.mark.parametrize("name", GRADIENTS)
def test_dtype_is_kept_and_inputs_are_not_changed(name, rng):
    operation, shapes = GRADIENTS[name]
    arrays = [spread(rng, *shape).astype(np.float32) for shape in shapes]
    tensors = [Tensor(a.copy(), requires_grad=True) for a in arrays]
    out = operation(*tensors)
    out.backward(np.ones(out.shape))
    for tensor, array in zip(tensors, arrays, strict=True):
        assert out.dtype == tensor.grad.dtype == np.float32
        np.testing.assert_array_equal(tensor.data, array)


def test_relu_at_the_kink_and_at_nan():
    x = Tensor([0.0, -0.0, np.nan], requires_grad=True)
    y = F.relu(x)
    y.backward(np.ones(3))
    assert x.grad[:2].tolist() == [0.0, 0.0]
    assert np.isnan(y.data[2])


@pytest.mark.parametrize(("name", "formula"), [
    ("relu", lambda a: np.where(a > 0, a, 0)), ("leaky_relu", lambda a: np.where(a > 0, a, 0.01 * a)),
    ("tanh", lambda a: (np.exp(a) - np.exp(-a)) / (np.exp(a) + np.exp(-a))),
    ("sigmoid", lambda a: 1 / (1 + np.exp(-a))), ("log_softmax", lambda a: scipy_log_softmax(a, axis=-1))])
def test_activations_by_formula_of_tensors_arrays_and_by_keyword(name, formula, rng):
    x = rng.standard_normal((3, 4))
    for argument in (Tensor(x), x):
        np.testing.assert_allclose(getattr(F, name)(input=argument).data, formula(x), rtol=1e-13)


def test_sigmoid_does_not_overflow():
    assert F.sigmoid(Tensor([-1000.0, 1000.0])).data.tolist() == [0.0, 1.0]


def windows_of(image, kernel, stride, padding):
    """Every window of a padded image (H, W), as a slow loop."""
    (ky, kx), (sy, sx) = kernel, stride
    rows, columns = (image.shape[0] - ky) // sy + 1, (image.shape[1] - kx) // sx + 1
    return np.array([[image[y * sy:y * sy + ky, x * sx:x * sx + kx] for x in range(columns)] for y in range(rows)])


@pytest.mark.parametrize(("kernel", "stride", "padding"), [
    ((2, 2), (2, 2), 0), ((3, 2), (1, 3), 1), ((3, 3), (2, 2), 1)])
def test_pools_against_a_loop(kernel, stride, padding, rng):
    x = rng.standard_normal((2, 3, 7, 8))
    for name, value, reduce in (("max_pool2d", -np.inf, np.max), ("avg_pool2d", 0, np.mean)):
        out = getattr(F, name)(Tensor(x), kernel, stride, padding).data
        for n, c in np.ndindex(2, 3):
            padded = np.pad(x[n, c], padding, constant_values=value)
            np.testing.assert_allclose(out[n, c], reduce(windows_of(padded, kernel, stride, padding), (-2, -1)))


def test_max_pool_tie_goes_to_the_first_in_row_major_order():
    x = Tensor(np.zeros((1, 2, 2)), requires_grad=True)
    F.max_pool2d(x, 2).backward(np.ones((1, 1, 1)))
    assert x.grad.ravel().tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("where", range(4))
def test_max_pool_of_nan_is_nan(where):
    x = np.ones(4)
    x[where] = np.nan
    assert np.isnan(F.max_pool2d(Tensor(x.reshape(1, 2, 2)), 2).item())


def test_pools_take_any_memory_order(rng):
    x = rng.standard_normal((3, 2, 6, 6))
    other = np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
    for pool in (F.max_pool2d, F.avg_pool2d):
        one, two = Tensor(x, requires_grad=True), Tensor(other, requires_grad=True)
        cotangent = rng.standard_normal((3, 2, 3, 3))
        for t in (one, two):
            pool(t, 2).backward(cotangent)
        np.testing.assert_array_equal(one.grad, two.grad)


def test_log_softmax_against_scipy(rng):
    x = 100 * rng.standard_normal((3, 5))
    np.testing.assert_allclose(F.log_softmax(Tensor(x)).data, scipy_log_softmax(x, axis=-1), rtol=1e-12)


def test_cross_entropy_by_hand(rng):
    x, w = rng.standard_normal((4, 3)), np.array([1.0, 2.0, 5.0])
    log_p = scipy_log_softmax(x, axis=1)
    picked = -log_p[np.arange(4), LABELS]
    assert F.cross_entropy(Tensor(x), LABELS).item() == pytest.approx(picked.mean())
    assert F.cross_entropy(Tensor(x), LABELS, w).item() == pytest.approx((picked * w[LABELS]).sum() / w[LABELS].sum())
    assert F.cross_entropy(Tensor(x), LABELS, ignore_index=2).item() == pytest.approx(picked[1:3].mean())
    one_hot = np.eye(3)[LABELS]
    assert F.cross_entropy(Tensor(x), one_hot).item() == pytest.approx(picked.mean())
    assert F.cross_entropy(Tensor(x), LABELS, label_smoothing=0.3).item() == pytest.approx(
        -((0.7 * one_hot + 0.1) * log_p).sum(1).mean())
    with np.errstate(invalid="ignore"):
        assert np.isnan(F.cross_entropy(Tensor(x), np.full(4, -100)).item())


def test_dropout(rng):
    x = Tensor(np.ones((100, 100)), requires_grad=True)
    out = F.dropout(x, 0.25, rng=rng)
    assert set(np.unique(out.data)) == {0.0, 1 / 0.75}
    assert (out.data == 0).mean() == pytest.approx(0.25, abs=0.02)
    out.backward(np.ones(x.shape))
    np.testing.assert_array_equal(x.grad, out.data)
    assert F.dropout(x, 0.25, training=False) is x
    assert not F.dropout(x, 1.0, rng=rng).data.any()


def test_batch_norm_moves_the_running_statistics(rng):
    x = rng.standard_normal((8, 3, 2, 2))
    mean, var = np.zeros(3), np.ones(3)
    F.batch_norm(Tensor(x), mean, var, training=True)
    np.testing.assert_allclose(mean, 0.1 * x.mean((0, 2, 3)))
    np.testing.assert_allclose(var, 0.9 + 0.1 * x.var((0, 2, 3), ddof=1))


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.linear(x, Tensor(np.ones((2, 3)))), r"linear: the input has shape \(2, 2, 6, 6\), the weight"),
    (lambda x: F.max_pool2d(x, 7), r"max_pool2d: the window spans \(7, 7\) pixels but the padded image has only \(6"),
    (lambda x: F.max_pool2d(x, 2, padding=2), "max_pool2d: padding .* must be at most half the kernel"),
    (lambda x: F.max_pool2d(x, 0), "max_pool2d: kernel_size must be an integer or a pair"),
    (lambda x: F.avg_pool2d(x[0, 0], 2), "avg_pool2d: the input must have shape"),
    (lambda x: F.adaptive_avg_pool2d(x, 0), "adaptive pooling: output_size must be"),
    (lambda x: F.flatten(x, 3, 1), "flatten: cannot join the axes 3 to 1"),
    (lambda x: F.dropout(x, 1.5), "dropout: p must be between 0 and 1, not 1.5"),
    (lambda x: F.dropout(x), "dropout: give rng="),
    (lambda x: F.batch_norm(x, None, None), "batch_norm: evaluation needs running_mean"),
    (lambda x: F.batch_norm(x[:1, :, :1, :1], None, None, training=True), "batch_norm: training needs more than one"),
    (lambda x: F.mse_loss(x, np.ones(3)), "mse_loss: the input has shape"),
    (lambda x: F.mse_loss(x, x, "max"), "mse_loss: reduction must be"),
    (lambda x: F.cross_entropy(x[0, 0], np.array([0, 1, 2, 3, 4, 6])), r"the label 6 at \(5,\) is not one of the 6 cl"),
    (lambda x: F.cross_entropy(x[0, 0], np.array([0, -1, 2, 3, 4, 5])), r"the label -1 at \(1,\)"),
    (lambda x: F.cross_entropy(x[0, 0], np.array([0, 1])), "the class indices must be integers of shape"),
    (lambda x: F.cross_entropy(x[0, 0], np.ones((6, 2))), "probabilities must have the input's shape"),
    (lambda x: F.cross_entropy(x[0, 0], Tensor(np.zeros(6, int))), "give the indices as an array of integers"),
    (lambda x: F.conv2d(x, Tensor(np.ones((1, 3, 2, 2)))), "conv2d: the input has 2 channels"),
    (lambda x: F.cross_entropy(x[0, 0], np.zeros(6, int), np.ones(2)), "weight must have shape"),
    (lambda x: F.cross_entropy(x[0, 0], np.zeros(6, int), reduction="max"), "reduction must be"),
    (lambda x: F.cross_entropy(x[0, 0], np.zeros(6, int), label_smoothing=2), "label_smoothing must be"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(Tensor(np.ones((2, 2, 6, 6)), requires_grad=True))
