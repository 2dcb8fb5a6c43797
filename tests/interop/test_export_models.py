"""Whole networks as ONNX: the package's models, layers of nn, and free Python code; and back by from_onnx."""

import json

import numpy as np
import pytest

from minicnn import Tensor, models, nn, no_grad, optim
from minicnn import functional as F

onnx = pytest.importorskip("onnx")
from minicnn.interop import from_onnx, runtime_difference, to_onnx  # noqa: E402

from .exported import Function, drawn, exported, outputs  # noqa: E402


@pytest.fixture(autouse=True)
def without_compiling(monkeypatch):
    """Convolutions by an algorithm that needs no compiler."""
    monkeypatch.setenv("MINICNN_CONV_ALGO", "im2col")


def rng():
    return np.random.default_rng(0)


MODELS = {                      # name: (the model, the shape of its input)
    "lenet": (lambda: models.LeNet(rng=rng()), (1, 1, 28, 28)),
    "lenet-average": (lambda: models.LeNet(pool="average", rng=rng()), (1, 1, 28, 28)),
    "lenet-blur": (lambda: models.LeNet(pool="blur", rng=rng()), (1, 1, 28, 28)),
    "lenet-global": (lambda: models.GlobalLeNet(rng=rng()), (1, 1, 28, 28)),
    "mlp": (lambda: models.MLP(8, rng=rng()), (1, 1, 28, 28)),
    "small-resnet": (lambda: models.small_resnet(3, rng=rng()), (1, 3, 12, 10)),
    "resnet": (lambda: models.ResNet(2, 3, (4, 8), (1, 2), rng=rng()), (1, 2, 9, 9)),
    "unet": (lambda: models.unet(1, 2, rng=rng()), (1, 1, 16, 16)),
}


def lived_in(model):
    """The model with running statistics that are not those of a new one."""
    for _, module in model.named_modules():
        for name in module.buffers:
            array = getattr(module, name)
            array[...] = rng().uniform(0.5, 1.5, array.shape)
    return model


def same_outputs(model, proto, shape, batches=(1, 2, 7), dtype=np.float32):
    model.eval()
    for count in batches:
        x = drawn(count, *shape[1:], seed=count, dtype=dtype)
        wanted, found = model(Tensor(x)).data, outputs(proto, x)[0]
        assert wanted.shape == found.shape and wanted.dtype == found.dtype
        np.testing.assert_allclose(found, wanted, 1e-4 if dtype == np.float32 else 1e-7,
                                   1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_the_package_goes_to_onnx_and_comes_back(name):
    make, shape = MODELS[name]
    model = lived_in(make())
    proto = exported(model, shape)
    same_outputs(model, proto, shape)
    back, x = from_onnx(proto), drawn(3, *shape[1:])
    state = model.state_dict()
    assert list(back.state_dict()) == list(state) == [one.name for one in proto.graph.initializer]
    assert all(np.array_equal(state[key], array) for key, array in back.state_dict().items())
    assert [key for key, _ in back.named_parameters()] == [key for key, _ in model.named_parameters()]
    np.testing.assert_allclose(back(x).data, model.eval()(Tensor(x)).data, 1e-4, 1e-5)
    back.train()(x).sum().backward()
    assert all(one.grad is not None for one in back.parameters())


def test_a_model_in_float64_stays_in_float64():
    layers = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1, dtype=np.float64, rng=rng()),
                           nn.BatchNorm2d(3, dtype=np.float64), nn.Tanh(), nn.Flatten(),
                           nn.Linear(75, 2, dtype=np.float64, rng=rng()))
    same_outputs(layers, exported(layers, (1, 1, 5, 5)), (1, 1, 5, 5), dtype=np.float64)


def test_the_default_shape_is_that_of_the_model_or_of_its_first_call():
    assert [d.dim_value for d in to_onnx(models.MLP(2, image_size=6)).graph.input[0].type.tensor_type.shape.dim] == [
        0, 1, 6, 6]
    model = nn.Sequential(nn.Conv2d(2, 1, 3))
    model(Tensor(drawn(4, 2, 5, 6)))
    shape = to_onnx(model).graph.input[0].type.tensor_type.shape.dim
    assert [one.dim_param or one.dim_value for one in shape] == ["N", 2, 5, 6]


@pytest.mark.parametrize("layer, shape", [
    (nn.Dropout(0.5), (1, 4)), (nn.Identity(), (1, 4)), (nn.PReLU(3), (1, 3, 2)), (nn.PReLU(), (1, 3)),
    (nn.LayerNorm((3, 2)), (1, 3, 2)), (nn.LayerNorm(2, elementwise_affine=False), (1, 3, 2)),
    (nn.GroupNorm(2, 4), (1, 4, 3, 3)), (nn.InstanceNorm2d(2, affine=True), (1, 2, 3, 3)),
    (nn.InstanceNorm2d(2, track_running_stats=True), (1, 2, 3, 3)), (nn.BatchNorm1d(4), (1, 4)),
    (nn.Conv1d(2, 3, 3, padding="same", padding_mode="circular"), (1, 2, 6)),
    (nn.Conv2d(2, 4, 3, stride=2, padding=1, padding_mode="reflect", groups=2), (1, 2, 6, 5)),
    (nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1), (1, 2, 4, 3)),
    (nn.Residual(nn.Linear(4, 4)), (1, 2, 4)), (nn.Linear(4, 3, bias=False), (1, 2, 5, 4)),
    (nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), (1, 2, 3, 3)),
], ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None)
def test_a_layer_goes_to_onnx_and_comes_back(layer, shape):
    lived_in(layer)
    proto = exported(layer, shape)
    same_outputs(layer, proto, shape)
    assert sorted(from_onnx(proto).state_dict()) == sorted(layer.state_dict())


class Attention(nn.Module):
    """Patches with a learned token and positions, attention with two heads, and a head that shares its weight."""

    def __init__(self):
        self.patches = nn.Conv2d(1, 8, 4, stride=4, rng=rng())
        self.token, self.places = nn.Parameter(drawn(1, 1, 8)), nn.Parameter(drawn(1, 5, 8, seed=1))
        self.qkv, self.norm = nn.Linear(8, 24, rng=rng()), nn.LayerNorm(8)
        self.out = nn.Linear(8, 8, rng=rng())
        self.head = nn.Linear(8, 8, rng=rng())
        self.head.weight = self.out.weight              # tied
        self.scale, self.mask = nn.Parameter(np.float32(0.7)), np.float32([[1, 1, 0, 1, 1]])
        self.buffers = ("mask",)

    def forward(self, x):
        x = self.patches(x)
        x = x.reshape(x.shape[0], 8, -1).transpose(0, 2, 1)
        x = np.concatenate([np.broadcast_to(self.token, (len(x), 1, 8)), x], axis=1) + self.places
        n, length, width = x.shape
        q, k, v = np.split(self.qkv(self.norm(x)).reshape(n, length, 3, 2, width // 2).transpose(2, 3, 0, 1, 4), 3)
        weights = F.softmax(q[0] @ k[0].swapaxes(-1, -2) * self.scale + self.mask, -1)
        heads = (weights @ v[0]).transpose(1, 2, 0, 3).reshape(n, length, width)
        return {"class": self.head(x[:, 0] + F.gelu(self.out(heads))[:, 0]), "mean": x.mean(axis=1)}


def test_free_python_code_becomes_a_graph_with_the_same_parameters():
    model = Attention()
    proto, x = exported(model, (1, 1, 8, 8)), drawn(3, 1, 8, 8)
    assert [one.name for one in proto.graph.output] == ["class", "mean"]
    for one, other, third in zip(model(Tensor(x)).values(), outputs(proto, x), from_onnx(proto)(x), strict=True):
        np.testing.assert_allclose(other, one.data, 1e-4, 1e-5)
        np.testing.assert_allclose(third.data, one.data, 1e-4, 1e-5)
    back = from_onnx(proto)
    assert [name for name, _ in back.named_parameters()] == [name for name, _ in model.named_parameters()]
    assert "head.weight" not in back.state_dict() and "mask" in back.buffers
    optimizer = optim.SGD(back.parameters(), lr=0.1)
    (back(x)[0] ** 2).sum().backward()
    optimizer.step()
    assert float(back.state_dict()["scale"]) != float(model.scale.data)


def test_several_inputs_have_the_names_of_forward():
    class Two(nn.Module):
        def forward(self, image, place):
            return F.relu(image).sum(axis=(1, 2)) + place, image
    proto = exported(Two(), [(1, 3, 4), drawn(1, 1)])
    assert [one.name for one in proto.graph.input] == ["image", "place"]
    x, place = drawn(2, 3, 4), drawn(2, 1)
    np.testing.assert_allclose(outputs(proto, x, place)[0], Two()(Tensor(x), Tensor(place))[0].data, 1e-5)


def test_the_example_of_the_documentation():
    proto = to_onnx(nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.ReLU()), inputs=(1, 3, 2, 2))
    assert [node.name for node in proto.graph.node] == ["0/Flatten", "1/Gemm", "2/Relu"]
    assert [one.name for one in proto.graph.initializer] == ["1.weight", "1.bias"]


def test_entries_that_do_not_fit_the_initializers_are_ignored():
    proto = to_onnx(nn.Linear(2, 3), inputs=(1, 2))
    for wrong in ('["other"]', "[[]]", "3", "{", '["weight", "weight"]'):
        for entry in proto.metadata_props:
            entry.value = wrong if entry.key == "minicnn.buffers" else entry.value
        assert list(from_onnx(proto).state_dict()) == ["weight", "bias"], wrong


def test_nodes_have_the_names_of_their_layers_and_lengths_are_open():
    proto = exported(models.small_resnet(1), (1, 1, 8, 8))
    names = [node.name for node in proto.graph.node]
    assert "layer1.0.bn1/BatchNormalization" in names and len(set(names)) == len(names)
    shapes = [one.type.tensor_type.shape.dim[0].dim_param for one in (proto.graph.input[0], proto.graph.output[0])]
    assert shapes == ["N", "N"]
    merged = exported(Function(lambda x: x.reshape(-1, 2)), (1, 3, 4))
    assert merged.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "output_0"


def test_the_initializers_are_a_state_of_pytorch():
    torch = pytest.importorskip("torch")
    model = lived_in(nn.Sequential(nn.Conv2d(1, 3, 3, rng=rng()), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(),
                                   nn.Linear(48, 2, rng=rng())))
    other = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.ReLU(), torch.nn.Flatten(),
                                torch.nn.Linear(48, 2)).eval()
    proto, x = exported(model, (1, 1, 6, 6)), drawn(3, 1, 6, 6)
    arrays = {one.name: torch.from_numpy(onnx.numpy_helper.to_array(one).copy()) for one in proto.graph.initializer}
    other.load_state_dict(arrays)
    with torch.no_grad():
        np.testing.assert_allclose(outputs(proto, x)[0], other(torch.from_numpy(x)).numpy(), 1e-4, 1e-5)


def test_a_name_that_is_taken_is_made_longer():
    class Named(nn.Module):
        def __init__(self):
            self.input, self.output, self.Constant = (nn.Parameter(drawn(3, seed=i)) for i in range(3))

        def forward(self, x):
            out = (x + self.input) * self.output + self.Constant * 2
            return {"input": out, "": x, "Mul": x * 3, "output": self.output * 1}
    model, x = Named(), drawn(2, 3)
    proto = exported(model, (1, 3))
    assert [one.name for one in proto.graph.input] == ["input_"]
    assert [one.name for one in proto.graph.output] == ["input__", "output_", "Mul", "output__"]
    assert [one.name for one in proto.graph.initializer] == ["input", "output", "Constant"]
    for one, other in zip(model(Tensor(x)).values(), outputs(proto, x), strict=True):
        np.testing.assert_allclose(other, one.data, 1e-5, 1e-6)


def test_names_of_layers_may_have_spaces_and_any_letters():
    model = nn.ModuleDict({"erste Schicht": nn.Linear(3, 3), "größe": nn.ReLU()})
    model.forward = lambda x: model["größe"](model["erste Schicht"](x))
    proto = exported(model, (1, 3))
    assert [node.name for node in proto.graph.node] == ["erste Schicht/Gemm", "größe/Relu"]
    assert list(from_onnx(proto).state_dict()) == ["erste Schicht.weight", "erste Schicht.bias"]


@pytest.mark.parametrize("shape", [(1, 0), (1, 1), (1, 2, 0, 3)])
def test_sizes_of_0_and_1(shape):
    proto = exported(nn.ReLU(), shape)
    assert outputs(proto, np.zeros((0, *shape[1:]), np.float32))[0].shape == (0, *shape[1:])


def test_an_operation_may_return_its_input():
    class Same(nn.Module):
        def __init__(self):
            self.factor = nn.Parameter(drawn(3))

        def forward(self, x):
            with no_grad():
                return x.astype(np.float32) * self.factor.astype(np.float32) + F.dropout(x, training=False)
    model, x = Same(), drawn(2, 3)
    proto = exported(model, (1, 3))
    assert model.factor.data.flags.writeable
    np.testing.assert_allclose(outputs(proto, x)[0], model(Tensor(x)).data, 1e-5)


def test_what_a_parameter_is_in_memory_plays_no_part():
    layer = nn.Linear(4, 3)
    layer.weight.data = np.asfortranarray(layer.weight.data)
    layer.weight.data[0, 0], layer.bias.data[1] = np.nan, np.inf
    layer.weight.data.flags.writeable = False
    layer.bias.requires_grad = False
    proto = exported(layer, (1, 4))
    assert runtime_difference(layer, proto, (1, 4)) < 1e-6
    for name, array in from_onnx(proto).state_dict().items():
        np.testing.assert_array_equal(array, layer.state_dict()[name])


def test_what_from_onnx_made_can_be_exported_again():
    first = to_onnx(models.LeNet(rng=rng()))
    again = exported(from_onnx(first), (1, 1, 28, 28))
    assert [one.name for one in again.graph.initializer] == [one.name for one in first.graph.initializer]
    x = drawn(2, 1, 28, 28)
    np.testing.assert_allclose(outputs(again, x)[0], outputs(first, x)[0], 1e-5, 1e-6)


def test_what_the_outputs_do_not_need_is_left_out():
    class Spare(nn.Module):
        def __init__(self):
            self.used, self.spare = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x):
            self.spare(x)
            return self.used(x)
    proto = exported(Spare(), (1, 2))
    assert [one.name for one in proto.graph.initializer] == ["used.weight", "used.bias"] and len(proto.graph.node) == 1


@pytest.mark.parametrize("opset, ir", [(17, 8), (18, 8), (19, 9), (21, 10), (23, 11)])
def test_the_versions_fit(opset, ir):
    proto = exported(models.MLP(2), (1, 1, 28, 28), opset=opset)
    assert (proto.opset_import[0].version, proto.ir_version, proto.producer_name) == (opset, ir, "minicnn")


def test_metadata_and_the_state_are_entries():
    proto = to_onnx(nn.Sequential(nn.BatchNorm1d(2)), inputs=(1, 2), metadata={"class_names": '["a", "b"]'})
    entries = {one.key: one.value for one in proto.metadata_props}
    assert entries["class_names"] == '["a", "b"]'
    assert json.loads(entries["minicnn.parameters"]) == ["0.weight", "0.bias"]
    assert json.loads(entries["minicnn.buffers"]) == ["0.running_mean", "0.running_var"]


def test_the_file_is_the_model_and_the_module_is_as_before(tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.ReLU())
    before, path = model.state_dict(), tmp_path / "a model ä.onnx"
    model[1].eval()
    modes = [module.training for _, module in model.named_modules()]
    proto = to_onnx(model, path, (1, 1, 5, 5))
    assert path.read_bytes() == proto.SerializeToString()
    assert [module.training for _, module in model.named_modules()] == modes
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())
    assert all(one.grad is None and one.data.flags.writeable for one in model.parameters()) and not model._first_shapes
