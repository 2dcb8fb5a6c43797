"""Weights to PyTorch and back: safetensors and torch.save, tied weights, 16-bit floats, files that are refused."""

import json
import os
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from minicnn import InputError, Tensor, nn
from minicnn.checkpoint import CheckpointError, load, load_into, save
from minicnn.models import MLP

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")


def ours(seed=0):
    rng = np.random.default_rng(seed)
    return nn.Sequential(nn.Conv2d(1, 3, 3, padding=1, rng=rng), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(),
                         nn.Linear(48, 2, rng=rng))


def theirs():
    return torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3, padding=1), torch.nn.BatchNorm2d(3), torch.nn.ReLU(),
                               torch.nn.Flatten(), torch.nn.Linear(48, 2))


class Tied(nn.Module):
    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.a, self.b, self.norm = nn.Linear(3, 3, rng=rng), nn.Linear(3, 3, rng=rng), nn.BatchNorm1d(3)
        self.b.weight, self.again = self.a.weight, self.norm


class TorchTied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.norm = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3)
        self.b.weight, self.again = self.a.weight, self.norm


def read(path):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found = load(path)
    return found, [str(one.message) for one in seen]


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt", "a.PTH"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module."])
def test_a_network_of_torch_computes_the_same_here(tmp_path, name, prefix):
    torch.manual_seed(0)
    there, path = theirs().train(), tmp_path / name
    there(torch.randn(5, 1, 4, 4))                                  # sets the running statistics
    there.eval()
    state = {prefix + key: value for key, value in there.state_dict().items()}
    (safetensors_torch.save_file if name == "a.safetensors" else torch.save)(state, path)
    found, notes = read(path)
    here = ours().eval()
    assert load_into(found, here) == ([], [])
    assert notes == ([f"{path}: took the prefix {prefix!r} off each name"] if prefix else [])
    x = np.random.default_rng(1).normal(size=(2, 1, 4, 4)).astype(np.float32)
    assert np.allclose(here(Tensor(x)).data, there(torch.tensor(x)).detach().numpy(), atol=1e-6)


class Wrapped(nn.Module):
    """A module that has an attribute of the name that wrappers use."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.encoder, self.module = Tied(seed), nn.Linear(3, 2, rng=rng)


@pytest.mark.parametrize("rename", [
    {"encoder.": "encoder.module."}, {"encoder.": "encoder._orig_mod."}, {"encoder.a.": "encoder.module.a._orig_mod."},
    {"encoder.": "encoder._orig_mod.", "module.": "module.module."}])
def test_wrappers_of_parts_are_taken_out_of_the_names(tmp_path, rename):
    state, here, path = Wrapped(1).state_dict(), Wrapped(2), tmp_path / "a.safetensors"
    for start, other in rename.items():
        state = {name.replace(start, other, 1) if name.startswith(start) else name: value
                 for name, value in state.items()}
    save(path, state)
    with pytest.warns(UserWarning, match=r"took 'module.' and '_orig_mod.' out of \d+ names, such as '(enc|mod)"):
        assert load_into(load(path), here) == ([], [])
    for name, value in Wrapped(1).state_dict().items():
        assert np.array_equal(here.state_dict()[name], value), name
    assert here.encoder.a.weight is here.encoder.b.weight


def test_names_of_wrappers_that_the_model_has_stay(tmp_path):
    save(tmp_path / "a.safetensors", Wrapped(1).state_dict())
    assert load_into(load(tmp_path / "a.safetensors"), Wrapped(2)) == ([], [])
    save(tmp_path / "b.safetensors", {f"module.{name}": value for name, value in MLP(4).state_dict().items()} |
         {"other.module.x": np.ones(2)})
    with pytest.raises(CheckpointError, match="is of another model than this Wrapped: .*missing"):
        load_into(load(tmp_path / "b.safetensors"), Wrapped(2))


def test_a_network_of_ours_computes_the_same_there(tmp_path):
    path, here, there = tmp_path / "a.safetensors", ours(3), theirs()
    here[1].running_mean[...] = 2
    save(path, nn.torch_state_dict(here))
    there.load_state_dict(safetensors_torch.load_file(path), strict=True)
    tensors = {name: torch.from_numpy(array) for name, array in nn.torch_state_dict(here).items()}
    assert str(theirs().load_state_dict(tensors, strict=True)) == "<All keys matched successfully>"
    assert list(nn.torch_state_dict(here).keys()) and set(nn.torch_state_dict(here)) == set(there.state_dict())
    x = np.random.default_rng(1).normal(size=(2, 1, 4, 4)).astype(np.float32)
    assert np.allclose(here.eval()(Tensor(x)).data, there.eval()(torch.tensor(x)).detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("way", ["save_model", "save", "every name"])
def test_tied_weights_come_from_torch(tmp_path, way):
    torch.manual_seed(1)
    there, here, path = TorchTied(), Tied(), tmp_path / ("a.pt" if way == "save" else "a.safetensors")
    if way == "save_model":
        safetensors_torch.save_model(there, path)
    elif way == "save":
        torch.save(there.state_dict(), path)
    else:
        safetensors_torch.save_file({name: value.clone() for name, value in there.state_dict().items()}, path)
    assert load_into(load(path), here) == ([], [])
    assert here.a.weight is here.b.weight
    assert np.array_equal(here.a.weight.data, there.a.weight.detach().numpy())
    assert np.array_equal(here.b.bias.data, there.b.bias.detach().numpy())


def test_tied_weights_go_to_torch(tmp_path):
    path, here = tmp_path / "a.safetensors", Tied(5)
    for written in (here.state_dict(), nn.torch_state_dict(here)):
        there = TorchTied()
        save(path, written)
        if "b.weight" in written:
            there.load_state_dict(safetensors_torch.load_file(path), strict=True)
        else:
            safetensors_torch.load_model(there, path, strict=False)
        assert np.array_equal(there.b.weight.detach().numpy(), here.a.weight.data)
        assert there.b.weight is there.a.weight


def test_one_name_of_a_tied_weight_is_enough_and_two_must_agree():
    here = Tied()
    state = here.state_dict()
    state["b.weight"] = state.pop("a.weight") + 1
    assert here.load_state_dict(state) == ([], [])
    assert np.array_equal(here.a.weight.data, state["b.weight"])
    state["a.weight"] = state["b.weight"] + 1
    with pytest.raises(InputError, match=r"wrong values: b.weight differs from a.weight, with which it is tied"):
        here.load_state_dict(state)


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 4)])
def test_16_bit_floats_become_float32(tmp_path, name, dtype, shape):
    values = torch.tensor(np.random.default_rng(0).normal(size=shape) * 1000).to(dtype)
    (safetensors_torch.save_file if name == "a.safetensors" else torch.save)({"x": values}, tmp_path / name)
    found = load(tmp_path / name).model["x"]
    assert found.dtype == np.float32 and found.shape == shape and np.array_equal(found, values.float().numpy())
    found[...] = 0                                                  # the caller's own


def test_special_values_of_bfloat16(tmp_path, caplog):
    values = torch.tensor([np.inf, -np.inf, np.nan, -0.0, 9.2e-41, 3.38e38]).to(torch.bfloat16)
    safetensors_torch.save_file({"x": values}, tmp_path / "a.safetensors")
    found = load(tmp_path / "a.safetensors").model["x"]
    assert found.view(np.uint32).tolist() == values.float().numpy().view(np.uint32).tolist()
    assert "x has NaN or infinity in 3 of 6 numbers" in caplog.text


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_the_state_dict_inside_of_a_training_state(tmp_path, key):
    torch.save({"epoch": 3, key: theirs().state_dict(), "optimizer": {"lr": 0.1}}, tmp_path / "a.pt")
    found, notes = read(tmp_path / "a.pt")
    assert notes == [f"{tmp_path / 'a.pt'}: took the weights from its entry {key!r}"]
    load_into(found, ours())


def test_shapes_that_differ_are_listed_together(tmp_path):
    torch.save(torch.nn.Sequential(torch.nn.Conv2d(1, 4, 5), torch.nn.BatchNorm2d(4)).state_dict(), tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"a.pt is of another model than this Sequential: .*missing: 4.weight, "
                       r"4.bias; wrong shape: 0.weight is \(4, 1, 5, 5\) but must be \(3, 1, 3, 3\), 0.bias .*1.runn"):
        load_into(load(tmp_path / "a.pt"), ours())


class Hostile:
    def __reduce__(self):
        return os.mkdir, ("executed",)


@pytest.mark.parametrize(("content", "message"), [
    (lambda path: torch.save({"w": Hostile()}, path), "holds code or objects, not only weights, and loading it could"),
    (lambda path: torch.save(theirs(), path), "holds code or objects, not only weights"),
    (lambda path: path.write_bytes(pickle.dumps({"w": Hostile()})), "holds code or objects|is damaged|cannot be read"),
    (lambda path: torch.save([torch.ones(1)], path), "holds a list, not a dict of tensors by name"),
    (lambda path: torch.save({"w": 3}, path), "'w' is a int, not a tensor"),
    (lambda path: torch.save({"w": torch.ones(2, dtype=torch.complex64)}, path), "w is a tensor of torch.complex64"),
    (lambda path: torch.save({"w": torch.eye(2).to_sparse()}, path), "w is a tensor of torch.float32, torch.sparse"),
    (lambda path: path.write_bytes(b""), "cannot be read by PyTorch|is damaged"),
    (lambda path: path.write_bytes(b"PK\3\4" + bytes(100)), "cannot be read by PyTorch|is damaged"),
    (lambda path: path.write_bytes(b"hello"), "cannot be read by PyTorch|is damaged"),
    (lambda path: path.mkdir(), "is a directory"),
    (lambda path: None, "there is no such file"),
])
@pytest.mark.filterwarnings("ignore:Sparse invariant")
def test_files_that_are_refused(tmp_path, content, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content(tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=f"a.pt.*({message})"):
        load(tmp_path / "a.pt")
    assert not (tmp_path / "executed").exists()


def test_without_pytorch_the_error_says_what_to_install(tmp_path, monkeypatch):
    torch.save({}, tmp_path / "a.pt")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(CheckpointError, match=r"PyTorch, which is not installed: pip install torch"):
        load(tmp_path / "a.pt")


def test_the_command_line_takes_them(tmp_path, monkeypatch, capsys):
    from PIL import Image

    from minicnn.cli.main import main
    monkeypatch.chdir(tmp_path)
    torch.save({f"module.{name}": torch.tensor(value) for name, value in MLP(4).state_dict().items()}, "mlp.pt")
    torch.save({"w": Hostile()}, "bad.pt")
    Path("my.py").write_text("from minicnn.models import MLP\nNet = lambda: MLP(4)\n")
    Image.fromarray(np.eye(28, dtype=np.uint8) * 255).save("one.png")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main(["predict", "one.png", "--weights", "mlp.pt", "--model", "my.py:Net", "--json"]) == 0
    seen = capsys.readouterr()
    assert json.loads(seen.out)["weights"] == "mlp.pt" and "took the prefix 'module.' off each name" in seen.err
    for words in ("predict one.png --weights bad.pt", "eval bad.pt", "explore --weights bad.pt"):
        assert main(words.split()) == 2
        assert "bad.pt holds code or objects" in capsys.readouterr().err
    assert not (tmp_path / "executed").exists()
