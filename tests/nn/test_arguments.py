"""PyTorch's order of arguments, arguments by keyword, arrays instead of Tensors, and what a layer refuses by name."""

import inspect

import numpy as np
import pytest

from minicnn import Tensor, nn
from minicnn import functional as F

LAYERS = {
    "Conv2d": lambda: nn.Conv2d(2, 3, 3), "BatchNorm2d": lambda: nn.BatchNorm2d(2), "Linear": lambda: nn.Linear(6, 3),
    "MaxPool2d": lambda: nn.MaxPool2d(2), "AvgPool2d": lambda: nn.AvgPool2d(2), "BlurPool2d": lambda: nn.BlurPool2d(3),
    "AdaptiveAvgPool2d": lambda: nn.AdaptiveAvgPool2d(2), "AdaptiveMaxPool2d": lambda: nn.AdaptiveMaxPool2d(2),
    "Flatten": nn.Flatten, "Dropout": lambda: nn.Dropout().eval(), "LeakyReLU": nn.LeakyReLU,
    "LogSoftmax": nn.LogSoftmax, "Softmax": nn.Softmax, "PReLU": lambda: nn.PReLU(2), "Hardtanh": nn.Hardtanh,
    "ReLU6": nn.ReLU6, "ELU": nn.ELU, "SiLU": nn.SiLU, "GELU": nn.GELU, "Softplus": nn.Softplus,
    "GroupNorm": lambda: nn.GroupNorm(1, 2), "LayerNorm": lambda: nn.LayerNorm(6),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(2),
    "ReLU": nn.ReLU, "Sigmoid": nn.Sigmoid, "LogSigmoid": nn.LogSigmoid, "Tanh": nn.Tanh,
}


@pytest.mark.parametrize("name", LAYERS)
def test_arrays_and_keywords(name, rng):
    layer, x = LAYERS[name](), rng.standard_normal((2, 2, 5, 6)).astype(np.float32)
    expected = layer(Tensor(x)).data
    for out in layer(x), layer(input=x), layer(input=Tensor(x)):
        assert isinstance(out, Tensor)
        np.testing.assert_array_equal(out.data, expected)


@pytest.mark.parametrize("name", [name for name in nn.__all__ if isinstance(getattr(nn, name), type)
                                  and name not in ("Module", "Parameter", "Sequential", "BlurPool2d", "Residual")])
def test_the_order_of_arguments_is_pytorchs(name):
    torch = pytest.importorskip("torch")
    ours, theirs = (inspect.signature(getattr(package, name).__init__) for package in (nn, torch.nn))
    left, right = ([p.name for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD
                    and p.name not in ("self", "inplace", "size_average", "reduce", "min_value", "max_value")]
                   for signature in (ours, theirs))
    assert left == (right[:len(left)] if name.endswith("Loss") else right)      # options of losses: by name only


@pytest.mark.parametrize(("make", "message"), [
    (lambda: nn.MaxPool2d(3, 2, 0, 1, 1), "MaxPool2d: return_indices must be True or False"),
    (lambda: nn.AdaptiveMaxPool2d(2, 1), "AdaptiveMaxPool2d: return_indices must be True or False"),
    (lambda: F.max_pool2d(np.ones((1, 2, 2)), 2, return_indices=1), "max_pool2d: return_indices must be True or False"),
    (lambda: nn.MaxPool2d(3, 2, ((3, 0), (0, 0))), r"MaxPool2d: each number of padding .* must be less than the span"),
    (lambda: nn.AvgPool2d(2, padding=((0, 1), 1)), r"AvgPool2d: padding must be an integer or a pair of integers of"),
    (lambda: nn.AvgPool2d(2, dilation=0), "AvgPool2d: dilation must be"),
    (lambda: nn.MaxPool2d(2, padding=2), "MaxPool2d: padding .* must be at most half the kernel"),
    (lambda: nn.BlurPool2d(3, None), "BlurPool2d: stride must be an integer or a pair"),
    (lambda: nn.Flatten(None), "Flatten: start_dim must be an integer, not None"),
    (lambda: nn.Flatten(1, 2.0), "Flatten: end_dim must be an integer, not 2.0"),
    (lambda: nn.MaxPool2d(0), "MaxPool2d: kernel_size must be an integer or a pair"),
    (lambda: nn.AvgPool2d(2, divisor_override=0), "AvgPool2d: divisor_override must not be 0"),
    (lambda: F.avg_pool2d(np.ones((1, 2, 2)), 2, divisor_override=0), "avg_pool2d: divisor_override must not be 0"),
    (lambda: F.avg_pool2d(np.ones((1, 2, 2)), 2, divisor_override=1.5), "divisor_override must be an integer"),
    (lambda: nn.AdaptiveAvgPool2d((2, 2, 2)), "AdaptiveAvgPool2d: output_size must be an integer or a pair"),
    (lambda: nn.Linear(2, 3, True, np.float64), "Linear: device must be None or 'cpu', not <class 'numpy.float64'>"),
    (lambda: nn.Linear(2, 3, dtype=np.int32), "Linear: dtype must be float32 or float64"),
    (lambda: nn.Conv2d(2, 3, 3, dtype="float16"), "Conv2d: dtype must be float32 or float64, not 'float16'"),
    (lambda: nn.Conv2d(2, 3, 3, bias=None), "Conv2d: bias must be True or False"),
    (lambda: nn.Conv2d(2, 3, 3, padding=-1), "padding must be an integer or a pair"),
    (lambda: nn.Conv2d(2, 3, 3, padding_mode="mirror"), "Conv2d: padding_mode must be one of 'zeros', 'circular'"),
    (lambda: nn.BatchNorm2d(2, 0), "BatchNorm2d: eps must be a number above 0, not 0"),
    (lambda: nn.BatchNorm2d(2, momentum=np.nan), "BatchNorm2d: momentum must be a number, not nan"),
    (lambda: nn.BatchNorm2d(2, momentum=True), "BatchNorm2d: momentum must be a number, not True"),
    (lambda: nn.BatchNorm2d(2, 1e-5, 0.1, np.float64), "BatchNorm2d: affine must be True or False"),
    (lambda: nn.PReLU(0), "PReLU: num_parameters must be an integer of at least 1, not 0"),
    (lambda: nn.PReLU(1, np.inf), "PReLU: init must be a number, not inf"),
    (lambda: nn.PReLU(1, dtype=int), "PReLU: dtype must be float32 or float64"),
    (lambda: nn.PReLU(2)(np.ones((2, 3))), r"prelu: for an input of shape \(2, 3\) the weight must have shape"),
    (lambda: nn.Hardtanh(1, 1), "Hardtanh: max_val must be a number above 1.0, not 1"),
    (lambda: nn.ELU(1j), "ELU: alpha must be a number, not 1j"),
    (lambda: nn.GELU("fast"), "GELU: approximate must be one of 'none', 'tanh', not 'fast'"),
    (lambda: nn.Softplus(0), "Softplus: beta must not be 0"),
    (lambda: nn.Softplus(1, None), "Softplus: threshold must be a number, not None"),
    (lambda: nn.Softmax(1.5), "Softmax: dim must be an integer, not 1.5"),
    (lambda: nn.LeakyReLU(None), "LeakyReLU: negative_slope must be a number, not None"),
    (lambda: F.leaky_relu(np.ones(2), 1j), "leaky_relu: negative_slope must be a number, not 1j"),
    (lambda: nn.Dropout(np.nan), "Dropout: p must be between 0 and 1, not nan"),
    (lambda: nn.CrossEntropyLoss(label_smoothing=-0.1), "CrossEntropyLoss: label_smoothing must be between 0 and 1"),
    (lambda: nn.CrossEntropyLoss(ignore_index=1.0), "CrossEntropyLoss: ignore_index must be an integer"),
    (lambda: nn.MSELoss("max"), "MSELoss: reduction must be one of"),
    (lambda: nn.L1Loss(reduction="max"), "L1Loss: reduction must be one of 'mean', 'sum', 'none', not 'max'"),
    (lambda: nn.HuberLoss(delta=0), "HuberLoss: delta must be a number above 0, not 0"),
    (lambda: nn.SmoothL1Loss(beta=-1), "SmoothL1Loss: beta must be a number of at least 0, not -1"),
    (lambda: nn.KLDivLoss(reduction="max"), "KLDivLoss: reduction must be one of 'mean', 'batchmean'"),
    (lambda: nn.KLDivLoss(log_target=0), "KLDivLoss: log_target must be True or False, not 0"),
    (lambda: nn.NLLLoss(ignore_index=None), "NLLLoss: ignore_index must be an integer, not None"),
    (lambda: nn.NLLLoss(Tensor(np.ones(2), True)), "NLLLoss: weight requires a gradient, but has none: give weight.d"),
    (lambda: nn.BCELoss("a"), "a Tensor holds float32 or float64, not <U1"),
    (lambda: nn.BCEWithLogitsLoss(pos_weight=Tensor(np.ones(2), True)), "BCEWithLogitsLoss: pos_weight requires"),
    (lambda: F.cross_entropy(np.ones((1, 2)), np.ones((1, 2)), ignore_index=0), "ignore_index=0 ignores samples"),
    (lambda: F.cross_entropy(np.ones((1, 2)), [0], Tensor(np.ones(2), True)), "weight requires a gradient, but has"),
    (lambda: F.log_softmax(np.ones((1, 2)), 2), "log_softmax: dim must be from -2 to 1 for 2 axes, not 2"),
    (lambda: F.linear(np.ones((1, 2)), np.ones((3, 2)), np.ones(1)), r"linear: the bias must have shape \(3,\)"),
])
def test_what_is_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        make()
    assert type(caught.value).__module__ == "minicnn"


@pytest.mark.parametrize(("mean", "var", "message"), [
    (np.zeros(1), np.ones(1), r"running_mean must have shape \(2,\), one number for each channel, not \(1,\)"),
    (np.zeros(2), None, "running_var is missing: give running_mean and running_var, or None for both"),
    (np.zeros(2, int), np.ones(2), "running_mean must be an array or a Tensor of float32 or float64, not int64"),
    ([0.0, 0.0], np.ones(2), "running_mean must be an array or a Tensor of float32 or float64, not list"),
    (Tensor(np.zeros(2), requires_grad=True), np.ones(2), "running_mean must not require a gradient"),
])
def test_running_statistics_that_do_not_fit(mean, var, message):
    for training in (True, False):
        with pytest.raises((ValueError, TypeError), match=message):
            F.batch_norm(np.ones((3, 2)), mean, var, training=training)


def test_running_statistics_that_are_read_only():
    mean = np.zeros(2)
    mean.flags.writeable = False
    with pytest.raises(TypeError, match="training changes running_mean in place, but the array is read-only"):
        F.batch_norm(np.ones((3, 2)), mean, np.ones(2), training=True)
    assert F.batch_norm(np.ones((3, 2)), mean, np.ones(2)).shape == (3, 2)


def test_running_statistics_may_be_tensors(rng):
    x, arrays = rng.standard_normal((6, 2)), [np.zeros(2), np.ones(2)]
    tensors = [Tensor(array.copy()) for array in arrays]
    for running in (arrays, tensors):
        F.batch_norm(x, *running, training=True, momentum=0.3)
    for array, tensor in zip(arrays, tensors, strict=True):
        np.testing.assert_array_equal(array, tensor.data)
    np.testing.assert_allclose(tensors[0].data, 0.3 * x.mean(0))
    np.testing.assert_array_equal(F.batch_norm(x, *tensors).data, F.batch_norm(x, *arrays).data)


def test_batch_norm_with_the_average_of_all_batches(rng):
    norm, batches = nn.BatchNorm2d(2, momentum=None, dtype=np.float64), rng.standard_normal((4, 5, 2, 3, 3))
    for i, batch in enumerate(batches):
        norm(batch)
        np.testing.assert_allclose(norm.running_mean, batches[:i + 1].mean((0, 1, 3, 4)), rtol=1e-12)
    np.testing.assert_allclose(norm.running_var, batches.var((1, 3, 4), ddof=1).mean(0), rtol=1e-12)
    other = nn.BatchNorm2d(2, momentum=None, dtype=np.float64)
    other.load_state_dict(norm.state_dict())
    assert other.num_batches_tracked == 4
    for one in (norm, other):
        one(batches[0])
    np.testing.assert_array_equal(norm.running_mean, other.running_mean)


def test_batch_norm_without_weight_or_statistics(rng):
    x = rng.standard_normal((3, 2, 4, 4))
    norm = nn.BatchNorm2d(2, 1e-5, 0.1, False, False).eval()
    assert norm.state_dict() == {} and norm.parameters() == [] and "affine=False" in repr(norm)
    np.testing.assert_array_equal(norm(x).data, F.batch_norm(x, None, None, training=True).data)
    assert list(nn.BatchNorm2d(2, bias=False).state_dict()) == ["weight", "running_mean", "running_var"]
