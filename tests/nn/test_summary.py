"""Forward hooks, recorded calls, windows, products and the summary of a model."""

import numpy as np
import pytest

from minicnn import Tensor, nn
from minicnn import functional as F
from minicnn.conv import algorithms
from minicnn.models import MLP, GlobalLeNet, LeNet, small_resnet
from minicnn.nn.calls import evaluating, recorded_calls
from minicnn.nn.summary import summarize


def images(rng, *shape):
    return Tensor(rng.standard_normal(shape).astype(np.float32))


# Hooks.

def test_a_hook_sees_arguments_and_output_until_it_is_removed(rng):
    layer, seen, x = nn.Linear(3, 2, rng=rng), [], images(rng, 4, 3)
    handle = layer.register_forward_hook(lambda *call: seen.append(call))
    out = layer(x)
    assert seen == [(layer, (x,), out)] and layer.has_forward_hooks
    handle.remove()
    handle.remove()
    layer(x)
    assert len(seen) == 1 and "_forward_hooks" not in vars(layer) and not layer.has_forward_hooks


def test_hooks_run_in_order_and_may_replace_the_output(rng):
    layer, other = nn.ReLU(), nn.ReLU()
    layer.register_forward_hook(lambda module, args, output: output + 1)
    layer.register_forward_hook(lambda module, args, output: output * 10)
    assert layer(Tensor([-1.0, 2.0])).data.tolist() == [10, 30]
    assert other(Tensor([-1.0, 2.0])).data.tolist() == [0, 2], "another module of the class has no hooks"


def test_a_hook_is_a_function():
    with pytest.raises(TypeError, match=r"a hook is a function of \(module, args, output\), not a list"):
        nn.ReLU().register_forward_hook([])


def test_recorded_calls_leave_no_hook_behind_when_the_model_fails():
    model = nn.Sequential(nn.ReLU(), nn.Linear(2, 3))
    with pytest.raises(ValueError, match="linear: the input has shape"), recorded_calls(model) as calls:
        model(Tensor(np.zeros((1, 5))))
    assert [call.name for call in calls] == ["0"] and not any(m.has_forward_hooks for _, m in model.named_modules())


@pytest.mark.parametrize("algorithm", [name for name in algorithms() if name not in ("naive", "toeplitz")])
def test_a_fused_relu_is_told_apart_and_the_maps_have_the_same_bits(algorithm, rng):
    model, x = LeNet(algorithm=algorithm, rng=rng), images(rng, 2, 1, 28, 28)
    cotangent = rng.standard_normal((2, 10))
    plain = model(x)
    plain.backward(cotangent)
    gradients = [p.grad for p in model.parameters()]
    model.zero_grad()
    with recorded_calls(model) as calls:
        told = model(x)
    told.backward(cotangent)
    assert [call.name for call in calls] == [
        "conv1", "relu1", "conv2", "relu2", "conv3", "relu3", "conv4", "relu4", "pool", "fc1"]
    assert calls[0].output.data.min() < 0 and calls[1].output.data.min() == 0
    np.testing.assert_array_equal(told.data, plain.data)
    for p, gradient in zip(model.parameters(), gradients, strict=True):
        np.testing.assert_allclose(p.grad, gradient, rtol=1e-5, atol=1e-6 * abs(gradient).max())


class Fused(nn.Module):
    """A user's model that computes a convolution and its ReLU in one pass."""

    def __init__(self, rng):
        self.conv, self.last = nn.Conv2d(1, 2, 3, rng=rng), nn.Conv2d(2, 1, 3, rng=rng)

    def forward(self, x):
        return self.last(self.conv(x, relu=True), True)


def test_a_call_with_relu_is_told_as_two_and_computed_as_one(rng):
    model, x = Fused(rng), images(rng, 2, 1, 9, 9)
    expected = model(x).data
    with recorded_calls(model) as calls:
        out = model(x)
    assert [call.name for call in calls] == ["conv", "conv.relu", "last", "last.relu"]
    for before, after in (calls[:2], calls[2:]):
        assert before.output.data.min() < 0 and after.inputs[0] is before.output
        np.testing.assert_array_equal(after.output.data, np.maximum(before.output.data, 0))
    assert out is calls[-1].output
    np.testing.assert_array_equal(out.data, expected)
    layers = summarize(model, (2, 1, 9, 9))
    assert [layer.name for layer in layers] == ["conv", "conv.relu", "last", "last.relu"]
    assert [layer.parameters for layer in layers] == [20, 0, 19, 0]


def test_a_hook_may_ask_for_the_keyword_arguments(rng):
    layer, seen, x = nn.Conv2d(1, 1, 3), [], images(rng, 1, 1, 3, 3)
    layer.register_forward_hook(lambda *call: seen.append(call), with_kwargs=True)
    out = layer(x, relu=True)
    assert seen == [(layer, (x,), {"relu": True}, out)]


def test_evaluating_gives_each_module_its_own_mode_back():
    model = nn.Sequential(nn.Dropout(), nn.Dropout().eval())
    with pytest.raises(KeyError), evaluating(model):
        assert not any(module.training for _, module in model.named_modules())
        raise KeyError
    assert [module.training for _, module in model.named_modules()] == [True, True, False]


# Windows.

@pytest.mark.parametrize(("layer", "size"), [
    (nn.Conv2d(1, 1, (3, 2), (2, 1), dilation=(1, 3)), (13, 11)), (nn.MaxPool2d((2, 3), dilation=2), (9, 12)),
    (nn.AvgPool2d(3, 2), (9, 8)), (nn.AdaptiveAvgPool2d((2, 4)), (8, 12)), (nn.ReLU(), (5, 4)),
    (nn.BatchNorm2d(1), (5, 4)),
])
def test_the_window_is_where_an_output_pixel_has_a_gradient(layer, size, rng):
    layer.eval()
    seen = []
    for pixel in ((0, 0), (1, 0), (0, 1)):
        x = Tensor(rng.standard_normal((1, 1, *size)).astype(np.float32) + 5, requires_grad=True)
        layer(x)[0, 0][pixel].backward()
        if isinstance(layer, nn.MaxPool2d):         # only one pixel of a maximum's window has a gradient
            kernel, step = (2, 3), 2
            first = pixel[0] * kernel[0], pixel[1] * kernel[1]
            seen.append((first, tuple(a + step * (k - 1) for a, k in zip(first, kernel, strict=True))))
            assert x.grad[0, 0][tuple(slice(a, b + 1, step) for a, b in zip(*seen[-1], strict=True))].any()
        else:
            rows, columns = np.nonzero(x.grad[0, 0])
            seen.append(((rows.min(), columns.min()), (rows.max(), columns.max())))
    window = layer.window((1, 1, *size))
    assert window.span == tuple(b - a + 1 for a, b in zip(*seen[0], strict=True))
    assert window.stride == (seen[1][0][0] - seen[0][0][0], seen[2][0][1] - seen[0][0][1])


def test_windows_of_adaptive_pools_that_do_not_divide_the_map_are_the_largest():
    assert nn.AdaptiveMaxPool2d((2, 3)).window((1, 1, 5, 8)) == ((3, 4), (3, 3))
    assert nn.AdaptiveMaxPool2d(1).window((1, 1, 5, 7)) is None and nn.Linear(3, 2).window((1, 3)) is None


# Summaries.

def test_summary_of_the_lenet():
    layers = {layer.name: layer for layer in summarize(LeNet(), (64, 1, 28, 28))}
    assert [x.receptive_field for x in layers.values()] == [5, 5, 9, 9, 13, 13, 17, 17, 18, None]
    assert layers["conv2"].multiply_adds == 400 * 40 * 20 * 25 and layers["relu2"].multiply_adds == 0
    assert layers["conv1"].algorithm in algorithms() and layers["relu1"].algorithm is None
    assert layers["pool"].out_shape == (5, 6, 6)
    assert sum(x.parameters for x in layers.values()) == 67_415
    assert [x.multiply_adds for x in summarize(MLP(84), (1, 1, 28, 28))] == [784 * 84, 840]
    assert summarize(GlobalLeNet(), (1, 1, 28, 28))[-1].receptive_field is None, "a global pool sees the whole map"


class Shared(nn.Module):
    """One convolution under two names, called twice."""

    def __init__(self):
        self.first = self.second = nn.Conv2d(1, 1, 3)

    def forward(self, x):
        return self.second(self.first(x))


def test_a_shared_module_is_counted_once():
    model = Shared()
    layers = summarize(model, (1, 1, 8, 8))
    assert [layer.parameters for layer in layers] == [10, 0] and [layer.receptive_field for layer in layers] == [3, 5]
    assert [name for name, _ in model.named_modules()] == ["", "first"]


def test_a_field_that_is_no_square():
    model = nn.Sequential(nn.Conv2d(1, 2, (3, 1), stride=(2, 1)), nn.Conv2d(2, 1, (3, 5)))
    assert [layer.receptive_field for layer in summarize(model, (1, 1, 20, 20))] == [(3, 1), (7, 5)]


class OwnConvolution(nn.Module):
    """A user's layer that defines `geometry`."""

    def __init__(self):
        self.weight = nn.Parameter(np.ones((1, 1, 3, 3), np.float32))

    def forward(self, x):
        return F.conv2d(x, self.weight, dilation=2)

    def geometry(self, in_shape):
        return nn.Conv2d(1, 1, 3, dilation=2).geometry(in_shape)


def test_a_users_layer_tells_its_own_window_and_products():
    layer, = summarize(nn.Sequential(OwnConvolution()), (2, 1, 9, 9))
    assert (layer.receptive_field, layer.multiply_adds, layer.parameters) == (5, 25 * 9, 9)
    assert layer.algorithm in algorithms()


def test_a_summary_changes_nothing(rng):
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng), nn.BatchNorm2d(2), nn.Dropout(rng=rng), nn.BatchNorm2d(2).eval())
    before, state, modes = model.state_dict(), rng.bit_generator.state, [m.training for m in model]
    for _ in range(3):
        summarize(model, (4, 1, 6, 6))
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert rng.bit_generator.state == state and [m.training for m in model] == modes
    assert not any(m.has_forward_hooks for _, m in model.named_modules())


def test_a_summary_runs_no_convolution(monkeypatch):
    naive = algorithms()["naive"]
    monkeypatch.setattr(type(naive), "forward", lambda *args, **options: pytest.fail("a kernel ran"))
    layers = summarize(LeNet(algorithm="naive"), (64, 1, 28, 28))
    assert [layer.algorithm for layer in layers if layer.algorithm] == 4 * ["naive"]
    with pytest.raises(pytest.fail.Exception, match="a kernel ran"):
        LeNet(algorithm="naive")(Tensor(np.zeros((1, 1, 28, 28), np.float32)))


class Several(nn.Module):
    """A layer of two inputs whose output is of another kind each time."""

    def __init__(self, wrap):
        self.wrap = wrap

    def forward(self, x, other=None):
        return self.wrap(x * 2 + (0 if other is None else other))


class Around(nn.Module):
    def __init__(self, wrap, call, unwrap=lambda out: out):
        self.conv, self.own = nn.Conv2d(1, 1, 3, padding=1), Several(wrap)
        self.call, self.unwrap = call, unwrap

    def forward(self, x):
        x = self.conv(x)
        return self.conv(self.unwrap(self.call(self.own, x)))


@pytest.mark.parametrize(("wrap", "unwrap"), [
    (lambda x: x, lambda out: out), (lambda x: (x, None), lambda out: out[0]), (lambda x: [3, x], lambda out: out[1]),
    (lambda x: {"sizes": (1, 2), "map": [x]}, lambda out: out["map"][0])])
@pytest.mark.parametrize("call", [lambda own, x: own(x, x), lambda own, x: own(x, other=x), lambda own, x: own(x=x),
                                  lambda own, x: own(other=[x][0], x=x)])
def test_a_layer_of_several_inputs_and_outputs(wrap, unwrap, call):
    layers = summarize(Around(wrap, call, unwrap), (2, 1, 5, 6))
    assert [layer.name for layer in layers] == ["conv", "own", "conv"]
    assert {layer.out_shape for layer in layers} == {(1, 5, 6)}
    assert [layer.parameters for layer in layers] == [10, 0, 0] and layers[-1].receptive_field == 5


def test_a_model_of_several_inputs():
    layers = summarize(Several(lambda x: x), [(1, 2, 5, 5), (1, 2, 1, 1)])
    assert [(layer.name, layer.out_shape) for layer in layers] == [("", (2, 5, 5))]


FLAT = Tensor(np.zeros((1, 1, 4, 4), np.float32))


@pytest.mark.parametrize(("model", "shape", "message"), [
    (Around(lambda x: "text", lambda own, x: own(x), lambda out: FLAT), (1, 1, 4, 4),
     "summarize: the layer 'own' returns a str and no Tensor"),
    (Around(lambda x: (x.shape, None), lambda own, x: own(x), lambda out: FLAT), (1, 1, 4, 4),
     r"'own' returns \(\(a int, a int, a int, a int\), a NoneType\) and no"),
    (nn.ReLU(), (1, 2.5), r"input_shape must be as in \(1, 3, 8, 8\)"), (nn.ReLU(), 5, "input_shape must be as in"),
    (nn.ReLU(), (10 ** 18, 1, 2, 2), r"an input of shape \(10{18}, 1, 2, 2\) has too many numbers: give fewer images"),
    (nn.ReLU(), (1, -2), "input_shape must be as in"), (F.relu, (1, 2), "the model must be a Module, not <function"),
])
def test_what_cannot_be_summarised_is_named(model, shape, message):
    with pytest.raises((ValueError, TypeError), match=message):
        summarize(model, shape)


class Branches(nn.Module):
    """A 3x3 convolution of stride 2 and a 1x1 one beside it, their sum, and a 3x3 convolution of both."""

    def __init__(self, rng=None):
        self.long, self.short = nn.Conv2d(1, 2, 3, 2, 1, rng=rng), nn.Conv2d(1, 2, 1, 2, rng=rng)
        self.norm, self.relu, self.last = nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 2, 3, padding=1, rng=rng)

    def forward(self, x):
        return self.last(self.relu(self.norm(self.long(x)) * 2 + self.short(x)))


def test_the_field_of_a_sum_of_branches_is_the_largest():
    layers = {layer.name: layer.receptive_field for layer in summarize(Branches(), (1, 1, 9, 9))}
    assert layers == {"long": 3, "norm": 3, "short": 1, "relu": 3, "last": 7}
    layers = {layer.name: layer.receptive_field for layer in summarize(small_resnet(), (1, 1, 28, 28))}
    assert layers["layer1.2.relu2"] == layers["layer2.0.downsample.1"] == 29
    assert layers["layer2.0.conv1"] == 29 + 2 * 2 and layers["layer2.2.relu2"] == 33 + 5 * 2 * 4


def test_the_field_is_what_a_pixel_depends_on(rng):
    model = Branches(rng).eval()
    model.long.bias.data[...] = 10                      # the ReLU lets everything through
    x = images(rng, 1, 1, 31, 31)
    x.requires_grad = True
    out = model(x)
    cotangent = np.zeros(out.shape)
    cotangent[0, 0, 8, 8] = 1
    out.backward(cotangent)
    rows, columns = np.nonzero(x.grad[0, 0])
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (7, 7)
