"""The reference implementation of the tests: central differences, windows by slices, convolution and blur by scipy.

It also has inputs without kinks and ties, and the memory orders in which every result must be the same.
"""

import numpy as np
from scipy.signal import correlate2d

from minicnn import Tensor


def assert_gradients(operation, arrays, rng, eps=1e-5, rtol=1e-6):
    """Every partial derivative of <cotangent, operation(*arrays)> with a random cotangent, in float64."""
    arrays = [np.array(a, np.float64) for a in arrays]
    tensors = [Tensor(a.copy(), requires_grad=True) for a in arrays]
    out = operation(*tensors)
    cotangent = rng.standard_normal(out.shape)
    out.backward(cotangent)
    value = lambda: np.sum(cotangent * operation(*[Tensor(a.copy()) for a in arrays]).data)
    for array, tensor in zip(arrays, tensors, strict=True):
        numeric = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            middle = array[index]
            array[index] = middle + eps
            above = value()
            array[index] = middle - eps
            numeric[index] = (above - value()) / (2 * eps)
            array[index] = middle
        assert tensor.grad.shape == array.shape and tensor.grad.dtype == array.dtype
        np.testing.assert_allclose(tensor.grad, numeric, rtol=rtol, atol=rtol * max(1, abs(numeric).max()))


def assert_same_function(layer, function, array, rng, *others):
    """layer(x, *others) and function(x) have the same output, and the same gradient for a random cotangent."""
    x, y = Tensor(array, requires_grad=True), Tensor(array, requires_grad=True)
    out, expected = layer(x, *others), function(y)
    np.testing.assert_array_equal(out.data, expected.data)
    cotangent = rng.standard_normal(out.shape)
    out.backward(cotangent)
    expected.backward(cotangent)
    np.testing.assert_array_equal(x.grad, y.grad)


NUMPY_MODES = {"zeros": "constant", "circular": "wrap", "reflect": "reflect", "replicate": "edge"}


def conv2d(x, weight, bias=None, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1, mode="zeros"):
    """Cross-correlation in float64, channel by channel."""
    x, weight = np.asarray(x, np.float64), np.asarray(weight, np.float64)
    x = np.pad(x, ((0, 0), (0, 0), *padding), mode=NUMPY_MODES[mode])
    k, c = weight.shape[:2]
    spread = np.zeros((k, c, *(d * (n - 1) + 1 for d, n in zip(dilation, weight.shape[2:], strict=True))))
    spread[:, :, ::dilation[0], ::dilation[1]] = weight
    per_group = k // groups
    out = np.stack([np.stack([
        sum(correlate2d(image[o // per_group * c + i], spread[o, i], mode="valid") for i in range(c))
        [::stride[0], ::stride[1]] for o in range(k)]) for image in x])
    return out if bias is None else out + np.asarray(bias, np.float64)[:, None, None]


def windows(image, kernel, stride=(1, 1)):
    """Every window of an image (H, W), by slices: shape (OH, OW, *kernel)."""
    (ky, kx), (sy, sx) = kernel, stride
    rows, columns = (image.shape[0] - ky) // sy + 1, (image.shape[1] - kx) // sx + 1
    return np.array([[image[y * sy:y * sy + ky, x * sx:x * sx + kx] for x in range(columns)] for y in range(rows)])


def blur_pool2d(x, size, stride):
    """Channel by channel: np.pad, correlate2d with a row of Pascal's triangle, every stride-th pixel."""
    (ky, kx), (sy, sx) = (value if isinstance(value, tuple) else (value, value) for value in (size, stride))
    kernel = np.outer(PASCAL[ky], PASCAL[kx]).astype(float)
    kernel /= kernel.sum()
    margins = [((k - 1) // 2, int(np.ceil((k - 1) / 2))) for k in (ky, kx)]
    return np.stack([np.stack([correlate2d(np.pad(channel, margins, "reflect"), kernel, mode="valid")[::sy, ::sx]
                               for channel in image]) for image in x])


PASCAL = {1: [1], 2: [1, 1], 3: [1, 2, 1], 4: [1, 3, 3, 1], 5: [1, 4, 6, 4, 1], 6: [1, 5, 10, 10, 5, 1],
          7: [1, 6, 15, 20, 15, 6, 1]}            # copied from the paper's code


def distinct(rng, *shape):
    """Values at least 0.1 apart and 0.05 from zero: no kink and no tie is near."""
    n = int(np.prod(shape))
    return (rng.permutation(n) - n / 2 + 0.5).reshape(shape) * 0.1


def assert_adjoint(operation, x, rng, rtol=1e-12):
    """operation(x) is linear in x, and backward is its adjoint: <operation(x), y> = <x, gradient>, for two random x."""
    for values in (x, rng.standard_normal(x.shape).astype(x.dtype)):
        tensor = Tensor(values, requires_grad=True)
        out = operation(tensor)
        cotangent = rng.standard_normal(out.shape).astype(x.dtype)
        out.backward(cotangent)
        assert tensor.grad.shape == x.shape and tensor.grad.dtype == out.dtype == x.dtype
        left, right = (out.data * cotangent).sum(dtype=float), (values * tensor.grad).sum(dtype=float)
        scale = np.abs(out.data * cotangent).sum(dtype=float) + 1e-300
        assert abs(left - right) <= rtol * scale


def unaligned(a):
    """A copy that begins one byte after an aligned address."""
    raw = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    raw[...] = a
    return raw


ORDERS = [              # functions that give the same numbers in another memory order
    np.asfortranarray, unaligned, lambda a: a.repeat(2, -1)[..., ::2], lambda a: a[..., ::-1].copy()[..., ::-1],
    lambda a: np.ascontiguousarray(a.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2),
    lambda a: unaligned(a.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)]
