"""Every operation is exported and computes the same elsewhere, or a reason says why it is not exported."""

import numpy as np
import pytest

from minicnn import Tensor, nn, no_grad
from minicnn import functional as F
from minicnn.errors import InputError
from minicnn.functional import table
from minicnn.gradcheck.operations import catalogue

pytest.importorskip("onnx")
from minicnn.interop import from_onnx  # noqa: E402
from minicnn.interop.export import NOT_EXPORTED  # noqa: E402

from .exported import Function, drawn, exported, outputs  # noqa: E402
from .graphs import runtime  # noqa: E402

REFUSED = {                     # variants that have no ONNX form, and a part of the reason
    "dropout": "it draws numbers", "batch_norm training": "needs running statistics",
    "batch_norm training, no weight": "needs running statistics", "getitem mask": "a mask with several axes",
}
SPELLED = {"sub": "subtract", "mul": "multiply", "div": "divide", "pow": "power", "neg": "negative",
           "getitem": "x[index]"}           # the kind in the catalogue: the name in OPERATIONS.md
MASK, WHERE = np.arange(12).reshape(3, 4) % 3 == 0, np.array([2, 0, -1])
MORE = {                        # functions of x (N, 3, 4): operations and arguments that the catalogue does not have
    "dot": lambda x: np.dot(x[0], 1 + x[0].T),
    "split": lambda x: tuple(np.split(x, [1], axis=2)), "array_split": lambda x: tuple(np.array_split(x, 3, axis=2)),
    "index: new axes, integers, steps": lambda x: x[:, None, -1, ::-2],
    "index: dots": lambda x: x[..., 1:3][..., None], "index: an array": lambda x: x[:, WHERE][:, :, [[0], [3]]],
    "index: a mask": lambda x: x[:, np.array([True, False, True])], "index: parts of the batch": lambda x: x[1:, 0],
    "index: backward from before the array": lambda x: np.concatenate([x[:, -9::-1], x[:, 9:-9:-2], x[:, -1:-9:-2]], 1),
    "a pool that sees padding only": lambda x: F.max_pool2d(x[:, None, :, :1], 2, 4, ((0, 1), (1, 1)), (1, 2)),
    "a factor that gives whole multiples": lambda x: F.interpolate(x[:, None], scale_factor=3.05),
    "padding of what was cut off": lambda x: F.pad(x[:, :, :1], (-1, 0, 1, 1), "circular"),
    "where: constant": lambda x: np.where(MASK, x, x * x), "where: greater": lambda x: np.where(x > 0.1, x, 0.2 * x),
    "where: two Tensors": lambda x: np.where(x[:, :1] <= x, np.exp(x), 1.0),
    "where: equal": lambda x: np.where(x == x, x, 0.0), "where: not equal": lambda x: np.where(x != 0.0, -x, 2.0),
    "softmax in float64": lambda x: F.softmax(x, 1, dtype=np.float64),
    "float32 and float64": lambda x: x.astype(np.float64) + x * np.arange(4, dtype=np.float64),
    "clip: arrays": lambda x: x.clip(-np.arange(4.0, dtype=np.float32), x * x), "clip: one bound": lambda x: x.clip(0),
    "in place": lambda x: _in_place(x), "numbers": lambda x: 2 - x / 3 + (1 + x * x) ** -0.5,
    "a reduction of nothing": lambda x: x.sum(axis=()) + x.var(axis=()), "std": lambda x: x.std(axis=(1, 2), ddof=1),
    "reshape with the batch": lambda x: x.reshape(len(x), 2, 6).transpose(1, 0, 2).reshape(2, -1),
    "broadcast_to the batch": lambda x: np.concatenate([x, np.broadcast_to(x[:1, :1], (len(x), 2, 4))], 1),
    "mean over the batch": lambda x: x - x.mean(0) + x.max(axis=0, keepdims=True), "no_grad": lambda x: _quiet(x),
    "detached": lambda x: F.relu(x.detach()) * F.sigmoid(x.data), "the input itself": lambda x: x,
    "twice": lambda x: (y := x * 2, y), "log1p": lambda x: np.log1p(x * x * 1e-6) * 1e6, "expm1": lambda x: np.expm1(
        x * 1e-6) * 1e6, "log1p of much": lambda x: np.log1p(np.exp(20 * x)),
}


def cases():
    """{name: operation} of the catalogue; a convolution once, not for each algorithm."""
    return {one.name: one for one in catalogue()
            if one.kind not in ("conv2d", "conv_transpose2d") or one.variant.startswith("im2col")}


def _in_place(x):
    y = x * 2
    y += x
    y /= 3
    return y


@no_grad
def _quiet(x):
    return F.tanh(x) + 1


CASES = cases()
EXPORTED = {name: one for name, one in CASES.items() if one.kind not in NOT_EXPORTED and name not in REFUSED
            or name == "dropout training=False"}
FIRST = {one.kind: name for name, one in reversed(EXPORTED.items())}


def checked(name, dtype, opset):
    """Export an operation and compare. Its input lies in a batch with one more axis."""
    operation = CASES[name]
    x, *rest = (np.asarray(getattr(one, "data", one)).astype(dtype) for one in operation.inputs)
    function = operation.func if callable(operation.func) else operation.func[0]
    model = Function(lambda x, *parameters: function(x[0], *parameters), *rest)
    compared(model, exported(model, np.stack([x, x]), opset=opset), x[None])


def compared(model, proto, x):
    """Compare a model with onnxruntime, and with the graph that from_onnx makes."""
    wanted, read = model.eval()(Tensor(x)), from_onnx(proto)(x)
    wanted, read = ([one.data for one in (out if isinstance(out, tuple) else [out])] for out in (wanted, read))
    most = 1e-5 if x.dtype == np.float32 else 1e-12
    by_float32 = 1e-7 if any(node.op_type == "Erf" for node in proto.graph.node) else 0   # so ONNX's reference does it
    for found, tolerance in ((outputs(proto, x), max(most, by_float32)), (read, most)):
        for one, other in zip(wanted, found, strict=True):
            assert one.shape == other.shape and one.dtype == other.dtype
            np.testing.assert_allclose(other, one, tolerance, tolerance)


@pytest.mark.parametrize("name", MORE)
def test_more_arguments_and_ways_to_write(name):
    model = Function(MORE[name])
    proto = exported(model, (1, 3, 4))
    for count in (2, 5):
        compared(model, proto, drawn(count, 3, 4, seed=count))


@pytest.mark.parametrize("name", EXPORTED)
def test_an_operation_computes_the_same_in_float32(name):
    checked(name, np.float32, 17)


@pytest.mark.parametrize("kind", sorted(set(FIRST) - {"fold"}))
def test_an_operation_computes_the_same_in_float64(kind):
    """All but fold: ONNX's reference cannot compute a ConvTranspose with groups."""
    checked(FIRST[kind], np.float64, 17)


@pytest.mark.parametrize("opset", [17, 21])
@pytest.mark.parametrize("make", [
    lambda: nn.LayerNorm((4, 5)), lambda: nn.LayerNorm(5, elementwise_affine=False), lambda: nn.GroupNorm(2, 6),
    lambda: nn.GroupNorm(3, 6, affine=False), lambda: nn.InstanceNorm2d(6, affine=True), lambda: nn.InstanceNorm2d(6),
    lambda: nn.BatchNorm2d(6)])
def test_normalizations_in_float64(make, opset):
    """The variance is as small as eps, so that an eps or a sum in float32 would show. onnxruntime computes it."""
    pytest.importorskip("onnxruntime")
    model, rng = make().eval(), np.random.default_rng(0)
    for parameter in model.parameters():
        parameter.data = rng.normal(size=parameter.shape)
    for name in model.buffers:
        setattr(model, name, np.full_like(getattr(model, name), 1e-6, np.float64))
    x = 1 + 1e-3 * rng.normal(size=(3, 6, 4, 5))
    proto = exported(model, [x], opset=opset)
    assert [name for name, _ in from_onnx(proto).named_parameters()] == [name for name, _ in model.named_parameters()]
    with no_grad():
        wanted = model(Tensor(x)).data
    for found in (runtime(proto, x)[0], from_onnx(proto)(x).data):
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, wanted, 1e-11, 1e-11)


@pytest.mark.parametrize("opset", [18, 19, 20, 21, 22, 23])
@pytest.mark.parametrize("name", ["sum axes", "max axes", "var", "logsumexp", "gelu", "gelu tanh", "group_norm",
                                  "pad circular", "avg_pool2d dilation, padding of four sizes, not counted",
                                  "interpolate bilinear, size=(5, 3)", "adaptive_max_pool2d output_size=(2, 4)"])
def test_newer_opsets_too(name, opset):
    checked(name, np.float32, opset)


@pytest.mark.parametrize("name", REFUSED)
def test_a_variant_without_an_onnx_form_is_refused(name):
    with pytest.raises(InputError, match=REFUSED[name]):
        checked(name, np.float32, 17)


@pytest.mark.parametrize("kind", sorted({one.kind for one in CASES.values()} & set(NOT_EXPORTED) - {"dropout"}))
def test_an_operation_that_is_not_exported_says_why(kind):
    name = next(name for name, one in CASES.items() if one.kind == kind)
    with pytest.raises(InputError, match=f"'{kind}'.*{NOT_EXPORTED[kind][:40]}"):
        checked(name, np.float32, 17)


def test_every_operation_of_the_table_is_exported_or_has_a_reason():
    """An operation counts as exported if it is tested here."""
    tested = {SPELLED.get(one.kind, one.kind) for one in EXPORTED.values()} | set(MORE)
    names = [{*row[:3], row.numpy.rpartition(".")[2], row.method.removeprefix("x.")} - {""} for row in table.rows()]
    assert [one for one in names if not one & tested and not one & set(NOT_EXPORTED)] == []
    assert set(NOT_EXPORTED) <= set().union(*names)
