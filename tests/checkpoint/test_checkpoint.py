import errno
import json
import math
import os
import struct

import numpy as np
import pytest

from minicnn import functional as F
from minicnn.checkpoint import Checkpoint, CheckpointError, load, load_into, save
from minicnn.errors import InputTypeError
from minicnn.models import MLP
from minicnn.optim import AdamW, OneCycleLR
from minicnn.tensor import Tensor


def state(seed=0):
    rng = np.random.default_rng(seed)
    return {"conv1.weight": rng.normal(size=(4, 1, 3, 3)).astype(np.float32), "conv1.bias": rng.normal(size=4)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.safetensors"


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype and a[name].shape == b[name].shape and np.array_equal(a[name], b[name])


# The loaded values are the saved values.

def test_everything_comes_back(path):
    optimizer = {"lr": 0.1, "betas": (0.9, 0.999), "name": "AdamW", "0.step": 3, "0.exp_avg": np.arange(3.0)}
    save(path, state(), optimizer, {"epoch": 3, "history": [{"loss": 1 / 3}]})
    found = load(path)
    assert_same(found.model, state())
    assert found.meta == {"epoch": 3, "history": [{"loss": 1 / 3}]} and found.path == path
    assert found.optimizer.pop("0.exp_avg").tolist() == [0, 1, 2]
    assert found.optimizer == {"lr": 0.1, "betas": [0.9, 0.999], "name": "AdamW", "0.step": 3}
    for array in found.model.values():
        array += 1                                # our own, writable


def test_no_optimizer_and_an_empty_one_differ(path):
    save(path, state())
    assert load(path).optimizer is None and load(path).meta == {}
    save(path, {}, {})
    assert load(path).optimizer == {} and load(path).model == {}


@pytest.mark.parametrize("array", [
    np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1), np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(10)[::-2], np.broadcast_to(np.float32(2), (3, 2)), np.arange(5, dtype=">f4"), np.arange(5, dtype="<i8"),
    np.array(1.5), np.zeros((0, 3), np.float32), np.array([True, False]), np.array([1, 2], np.uint8)])
def test_any_memory_order_byte_order_and_dtype_is_stored_right(path, array):
    save(path, {"a": array})
    found = load(path).model["a"]
    assert found.shape == array.shape and found.dtype == array.dtype.newbyteorder("=")
    assert np.array_equal(found, array) and found.flags.c_contiguous


def test_floats_in_meta_are_exact_and_numpy_scalars_become_python_ones(path):
    floats = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, math.inf, math.nan]
    floats += np.random.default_rng(0).random(50).tolist()
    scalars = {"n": np.int64(3), "x": np.float32(0.1), "yes": np.bool_(True), "big": 2 ** 128}
    save(path, {}, meta={"floats": floats, **scalars})
    meta = load(path).meta
    assert struct.pack("57d", *meta["floats"]) == struct.pack("57d", *floats)
    assert meta["n"] == 3 and meta["x"] == float(np.float32(0.1)) and meta["yes"] is True and meta["big"] == 2 ** 128


def test_a_training_run_resumes_to_the_same_bits(path):
    def make():
        weight = Tensor(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4), requires_grad=True)
        optimizer = AdamW([weight], lr=0.1)
        return weight, optimizer, OneCycleLR(optimizer, 0.3, 20)

    def steps(weight, optimizer, schedule, batches):
        for t in batches:
            optimizer.zero_grad()
            x = Tensor(np.random.default_rng(t).normal(size=(4, 2)).astype(np.float32))
            (F.tanh(weight @ x) * (weight @ x)).sum().backward()
            optimizer.step()
            schedule.step()
    whole, first, second = make(), make(), make()
    steps(*whole, range(20))
    steps(*first, range(7))
    save(path, {"w": first[0].data}, first[1].state_dict(), {"schedule": first[2].state_dict()})
    found = load(path)
    second[0].data[...] = found.model["w"]
    second[1].load_state_dict(found.optimizer)
    second[2].load_state_dict(found.meta["schedule"])
    steps(*second, range(7, 20))
    assert whole[0].data.tobytes() == second[0].data.tobytes()


# Other programs.

def test_the_file_is_laid_out_as_safetensors_says(path):
    save(path, {"w": np.arange(6, dtype=np.float32).reshape(2, 3).T}, {"m": np.ones(1)}, {"epoch": 1})
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    assert header["__metadata__"]["format"] == "pt"
    assert json.loads(header["__metadata__"]["minicnn"]) == {"format": 2, "meta": {"epoch": 1}, "optimizer": {}}
    begin, end = header["w"]["data_offsets"]
    assert np.frombuffer(data[8 + size:][begin:end], "<f4").tolist() == [0, 3, 1, 4, 2, 5]
    assert header["w"]["shape"] == [3, 2] and header.keys() == {"__metadata__", "w", "optim.m"}


def test_the_same_state_gives_the_same_bytes(path):
    save(path, state(), {"0.m": np.ones(3)}, {"epoch": 1})
    first = path.read_bytes()
    save(path, dict(reversed(state().items())), {"0.m": np.ones(3)}, {"epoch": 1})
    assert path.read_bytes() == first


def write_plain(path, tensors, metadata=None):
    from safetensors.numpy import save_file
    save_file(tensors, path, metadata)


def test_a_file_without_our_metadata_loads_with_a_word(path, caplog):
    for metadata in (None, {"format": "pt"}):
        write_plain(path, state() | {"optim.x": np.ones(2)}, metadata)
        caplog.clear()
        found = load(path)
        assert "a.safetensors has no checksum of minicnn: damage to its numbers would not be seen" in caplog.text
        assert_same(found.model, state() | {"optim.x": np.ones(2)})
        assert found.meta == {} and found.optimizer is None


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_the_prefixes_of_wrappers_are_taken_off_with_a_notice(path, prefix):
    write_plain(path, {prefix + name: array for name, array in state().items()})
    with pytest.warns(UserWarning, match=f"a.safetensors: took the prefix '{prefix}' off each name"):
        found = load(path)
    assert_same(found.model, state())


def test_a_prefix_that_only_some_names_have_is_part_of_the_name(path):
    write_plain(path, {"module.w": np.ones(2), "b": np.ones(2)})
    assert load(path).model.keys() == {"module.w", "b"}


def test_torch_reads_ours_and_we_read_torchs(path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file
    save(path, state())
    found = load_file(path)
    assert_same({name: tensor.numpy() for name, tensor in found.items()}, state())
    save_file({name: torch.tensor(array) for name, array in state(1).items()}, path)
    assert_same(load(path).model, state(1))


# tests/files tests files that cannot be written.

@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_failure_to_write_leaves_the_old_file_and_nothing_else(path, monkeypatch, number):
    save(path, state(0), meta={"epoch": 1})

    def fail(*args):
        raise OSError(number, os.strerror(number))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(CheckpointError, match=r"a.safetensors could not be written: .* An existing file is "
                           "unchanged") as caught:
            save(path, state(1), meta={"epoch": 2})
    assert caught.value.__cause__.errno == number
    assert os.listdir(path.parent) == [path.name] and load(path).meta == {"epoch": 1}
    assert_same(load(path).model, state(0))
    save(path, state(1), meta={"epoch": 2})
    assert load(path).meta == {"epoch": 2} and os.listdir(path.parent) == [path.name]


def test_what_cannot_be_stored_is_refused_before_anything_is_written(path):
    save(path, state())
    cases = [(({"w": [1.0]},), "w is a list, not an array"),
             (({"w": np.array(["a"])},), "w has dtype <U1, which a checkpoint cannot store"),
             (({"optim.w": np.ones(1)},), "'optim.w' begins with 'optim.', which marks the optimiser's"),
             ((state(), {}, {"a": np.ones(2)}), r"hold a ndarray, which JSON does not; use its tolist\(\)"),
             ((state(), {"a": {1, 2}}), "the metadata hold a set, which JSON does not")]
    for arguments, message in cases:
        with pytest.raises((TypeError, ValueError), match=message):
            save(path, *arguments)
    assert_same(load(path).model, state())


# Load into a model.

class Model:
    def load_state_dict(self, state_dict, strict=True):
        assert strict
        if "conv1.weight" not in state_dict:
            raise ValueError("missing: conv1.weight; unexpected: fc.weight")
        self.state = state_dict
        return [], []


def test_load_into(path):
    model = Model()
    save(path, state())
    assert load_into(load(path), model) == ([], [])
    assert_same(model.state, state())
    save(path, {"fc.weight": np.ones(2)})
    with pytest.raises(CheckpointError, match="a.safetensors is of another model than this Model: missing: conv1"):
        load_into(load(path), model)
    with pytest.raises(CheckpointError, match="this checkpoint is of another model"):
        load_into(Checkpoint({}), model)


def test_what_is_no_path_no_checkpoint_and_no_model(tmp_path):
    save(os.fsencode(tmp_path / "a.safetensors"), {"w": np.ones(2)})
    assert load(os.fsencode(tmp_path / "a.safetensors")).path == tmp_path / "a.safetensors"
    for call in (lambda: load(None), lambda: save(None, {})):
        with pytest.raises(InputTypeError, match="the path of a file is needed, not a NoneType"):
            call()
    with pytest.raises(InputTypeError, match="load_into: a Checkpoint from load is needed, not a str"):
        load_into("a.safetensors", MLP())
    with pytest.raises(InputTypeError, match="load_into: the model must be a Module, not a NoneType"):
        load_into(load(tmp_path / "a.safetensors"), None)
