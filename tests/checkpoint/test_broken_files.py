"""Checkpoints that are damaged, hostile or of another kind: always a CheckpointError, and never much memory."""

import contextlib
import json
import os
import struct
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy

from minicnn.checkpoint import CheckpointError, load, load_into, save
from minicnn.checkpoint.tensor_file import HEADER_LIMIT
from minicnn.errors import InputError, InputTypeError
from minicnn.models import MLP


def state():
    return {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([True, False])}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.safetensors"


def file_of(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


# The checksum.

def test_a_flipped_bit_is_found_wherever_it_is(path):
    save(path, state(), {"0.m": np.ones(2)}, {"epoch": 1})
    content = bytearray(path.read_bytes())
    for i in range(len(content)):                       # `python -m tests.fuzz` flips all bits
        content[i] ^= 1 << 3 * i % 8
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="a.safetensors(:| is| cannot be)"):
            load(path)
        content[i] ^= 1 << 3 * i % 8
    path.write_bytes(content)
    assert load(path).meta == {"epoch": 1}


def test_a_changed_number_is_told_from_a_file_that_is_cut_off(path):
    save(path, state())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="a.safetensors is damaged: its checksum does not fit its contents. .*"
                       "another program changed it.*Take an earlier checkpoint or copy it again"):
        load(path)


def test_a_checksum_cannot_be_taken_off(path):
    save(path, state())
    for key in (b"checksum", b"sha256\":"):
        content = path.read_bytes().replace(key, key[::-1] if key.isalpha() else b"sha257\":", 1)
        assert content != path.read_bytes()
        (path.parent / "b.safetensors").write_bytes(content)
        with pytest.raises(CheckpointError, match="b.safetensors is damaged: its checksum does not fit"):
            load(path.parent / "b.safetensors")


def test_the_library_of_the_format_reads_ours(path):
    arrays = {str(dtype): np.arange(5).astype(dtype) for dtype in
              ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")} | {"empty": np.zeros((0, 3))}
    save(path, arrays, meta={"text": "\u00e9\U0001f600\"\\"})
    found = safetensors.numpy.load_file(path)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
    assert load(path).meta == {"text": "\u00e9\U0001f600\"\\"}


# Files that cannot be read.

def test_a_missing_file_a_directory_and_a_pipe(tmp_path):
    for name in ("no.safetensors", "a" * 300, "a\0b"):
        with pytest.raises(CheckpointError, match=f"{name}: there is no such file; give the name of a checkpoint"):
            load(tmp_path / name)
    with pytest.raises(CheckpointError, match="is a directory; give the name of a checkpoint"):
        load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for name in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(CheckpointError, match=f"{name}: cannot be read: it is not a regular file"):
            load(name)


def test_truncated_anywhere_or_of_another_kind(path):
    save(path, state(), {"0.m": np.ones(3)}, {"epoch": 1})
    data = path.read_bytes()
    pieces = [data[:n] for n in (*range(0, 64, 7), len(data) // 2, len(data) - 1)]
    for piece in [*pieces, data + b"x", b"<html>404 not found</html>", b"PK\x03\x04" + bytes(100)]:
        path.write_bytes(piece)
        with pytest.raises(CheckpointError, match=r"a.safetensors is not a complete .*\(.*cut off.*earlier"):
            load(path)


DATA = bytes(8)


@pytest.mark.parametrize(("content", "message"), [
    (file_of(b"[" * 100_000), "its JSON is too deep"),
    (file_of(b"[1]"), "its JSON is a list, not a dict"),
    (file_of(b"\xff\xfe{}"), "can't decode byte"),
    (file_of({"w\ud800": entry()}, DATA), "surrogates not allowed"),
    (file_of({"w": 3}), "'w' has no dtype, shape and data_offsets"),
    (file_of({"w": {"dtype": "F32"}}), "'w' has no dtype, shape and data_offsets"),
    (file_of({"w": entry(shape=(2.0,))}, DATA), "'w' has a wrong dtype, shape or data_offsets"),
    (file_of({"w": entry(shape=(True, 2))}, DATA), "'w' has a wrong dtype, shape or data_offsets"),
    (file_of({"w": entry(shape=(-2,))}, DATA), "'w' has a wrong dtype, shape or data_offsets"),
    (file_of({"w": entry(dtype=["F32"])}, DATA), "'w' has a wrong dtype, shape or data_offsets"),
    (file_of({"w": entry(offsets=(0, 8, 9))}, DATA), "'w' has a wrong dtype, shape or data_offsets"),
    (file_of({"w": entry(shape=(3,))}, DATA), "'w' has another number of bytes than its shape needs"),
    (file_of({"w": entry(offsets=(8, 0))}, DATA), "'w' has another number of bytes than its shape needs"),
    (file_of({"w": entry(shape=(0, 2 ** 62, 2 ** 62), offsets=(0, 0))}), "'w' has a shape that no array can have"),
    (file_of({"w": entry(shape=[1] * 65, dtype="U8", offsets=(0, 1))}, b"0"), "'w' has a shape that no array can have"),
    (file_of({"w": entry(), "v": entry()}, DATA), "does not begin where the array before it ends"),
    (file_of({"w": entry(), "v": entry(offsets=(4, 12))}, bytes(12)), "does not begin where the array before it ends"),
    (file_of({"w": entry(offsets=(8, 16))}, bytes(16)), "does not begin where the array before it ends"),
    (file_of({"w": entry()}, bytes(9)), "its arrays need 8 bytes, and there are 9"),
    (file_of(b'{"w":%s,"w":%s}' % ((json.dumps(entry()).encode(),) * 2), DATA), "the key 'w' stands twice"),
    (file_of({"__metadata__": {"a": 1}}), "its metadata are not texts"),
    (file_of({"__metadata__": None}) + b"x", "its arrays need 0 bytes, and there are 1"),
    *((file_of({"__metadata__": wrong}), "its metadata are not texts") for wrong in ([1], [], 0, "", False)),
    (struct.pack("<Q", 2 ** 63) + b"{}", "it has 10 bytes, and its header would have 9,223,372,036,854,775,808"),
    (struct.pack("<Q", HEADER_LIMIT + 8) + b" " * (HEADER_LIMIT + 8), "its header has 16,777,224 bytes, more than")])
def test_structures_that_are_refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"a.safetensors is not a complete safetensors file .*{message}"):
        load(path)


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2", "F4", "C64", "f32", "F" * 1000])
def test_dtypes_that_numpy_does_not_have(path, dtype):
    path.write_bytes(file_of({"w": entry(dtype=dtype)}, DATA))
    with pytest.raises(CheckpointError, match=rf"a.safetensors cannot be read: w has a dtype that NumPy does not have "
                       rf"\({dtype[:80]}\); save it as float32"):
        load(path)


def test_a_boolean_of_another_byte(path):
    path.write_bytes(file_of({"w": entry("BOOL", (2,), (0, 2))}, b"\1\2"))
    with pytest.raises(CheckpointError, match="a.safetensors is damaged: w is of BOOL and has bytes other than 0"):
        load(path)


def write_plain(path, tensors, metadata=None):
    safetensors.numpy.save_file(tensors, path, metadata)


@pytest.mark.parametrize("text", ["{", "[]", "3", '"meta"', "{}", '{"meta": 3}', '{"meta": {}, "optimizer": 1}',
                                  '{"meta": {}, "format": null}', '{"meta": {}, "format": 1.5}',
                                  '{"meta": {}, "format": true}', '{"meta": {}, "format": "2"}',
                                  '{"meta": {}, "format": 0}', '{"meta": {"a": 1, "a": 2}}', "[" * 100_000,
                                  '{"meta": {"n": ' + "9" * 5000 + "}}"])
def test_damaged_metadata(path, text):
    write_plain(path, state(), {"minicnn": text})
    with pytest.raises(CheckpointError, match="a.safetensors: its metadata are damaged .*Take an earlier"):
        load(path)


def test_a_newer_format(path):
    write_plain(path, state(), {"minicnn": json.dumps({"format": 3, "tensors": {}})})
    with pytest.raises(CheckpointError, match="a.safetensors: this checkpoint has format 3; this version of minicnn "
                       "reads up to 2: install a newer minicnn"):
        load(path)


def test_format_1_had_the_model_and_the_algorithm_among_the_settings(path):
    settings = {"model": "mlp", "epochs": 2, "lr": 0.1, "algorithm": "direct"}
    write_plain(path, state(), {"minicnn": json.dumps({"meta": {"settings": settings, "epoch": 1}, "optimizer": {}})})
    assert load(path).meta == {"settings": {"epochs": 2, "lr": 0.1}, "epoch": 1, "model": "mlp", "algorithm": "direct"}
    write_plain(path, state(), {"minicnn": json.dumps({"meta": {"settings": 3}})})
    assert load(path).meta == {"settings": 3}


# Memory.

@pytest.mark.parametrize("content", [
    file_of({f"{i}": entry("U8", (0,), (0, 0)) for i in range(10_000)}),
    file_of({"__metadata__": {f"{i}": "" for i in range(60_000)}}),
    file_of(b"[" + b"[]," * 300_000 + b"1]"),
    file_of({"__metadata__": {"minicnn": "[" + "[]," * 300_000 + "1]"}}),
    file_of({"__metadata__": {"minicnn": '{"meta":{"a":[' + "{}," * 300_000 + "1]}}"}}),
    file_of({"__metadata__": {"sha256": "a", "minicnn": '"sha256":"a"' * 40_000}})])
def test_memory_is_at_most_50_times_the_header(path, content):
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match="a.safetensors") if b"sha256" in content or b"[]" in content else \
                contextlib.nullcontext():
            load(path)
        assert tracemalloc.get_traced_memory()[1] < 50 * len(content)
    finally:
        tracemalloc.stop()


def test_an_array_that_the_header_states_but_the_file_lacks_is_not_allocated(path):
    path.write_bytes(file_of({"w": entry("U8", (2 ** 40,), (0, 2 ** 40))}, DATA))
    with pytest.raises(CheckpointError, match="its arrays need 1,099,511,627,776 bytes, and there are 8"):
        load(path)


# What a checkpoint cannot hold.

def test_metadata_and_names_that_cannot_be_stored(path):
    with pytest.raises(CheckpointError, match="could not be written: the names and metadata take 16,777,[0-9]+ bytes, "
                       "more than 16,777,216. An existing file is unchanged"):
        save(path, {}, meta={"text": "a" * HEADER_LIMIT})
    loop = {}
    loop["loop"] = loop
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for meta, message in ((loop, "Circular reference"), ({"deep": deep}, "recursion"),
                          ({1: 2, "1": 3}, "'1' stands twice"), ({(1, 2): 3}, "keys must be str")):
        with pytest.raises((InputError, InputTypeError), match=f"save: the metadata cannot be stored .*: .*{message}"):
            save(path, {}, meta=meta)
    for name in (3, "__metadata__", "\ud800"):
        with pytest.raises(InputError, match="save: an array or value has the name .*; give it another text"):
            save(path, {name: np.ones(2)})
    assert not path.exists()


# Weights.

@pytest.mark.parametrize(("value", "count"), [(np.nan, 1), (np.inf, 2), (-np.inf, 7)])
def test_weights_that_are_not_finite_load_with_a_word(path, caplog, value, count):
    weight = np.ones((4, 2), np.float32)
    weight.reshape(-1)[:count] = value
    save(path, {"fc.weight": weight, "fc.bias": np.ones(2)}, {"0.m": np.full(2, np.nan)})
    np.testing.assert_array_equal(load(path).model["fc.weight"], weight)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: fc.weight has NaN or infinity in {count} of 8 numbers"]


@pytest.mark.parametrize(("change", "message"), [
    (lambda w: w.astype(np.int8), ": fc1.weight is int8, but the MLP has float32: the file is quantised"),
    (lambda w: w.astype(bool), ": fc1.weight is bool, but the MLP has float32: the file is quantised"),
    (lambda w: w.astype(np.float64) + 1e300, " is of another model.* fc1.weight has 1.0e.300, which is too large")])
def test_quantised_weights_are_not_cast_in_silence(path, change, message):
    model = MLP(4, rng=np.random.default_rng(0))
    before = model.state_dict()
    save(path, model.state_dict() | {"fc1.weight": change(before["fc1.weight"]), "fc1.bias": before["fc1.bias"] + 1})
    with pytest.raises(CheckpointError, match=f"a.safetensors{message}"):
        load_into(load(path), model)
    assert all(np.array_equal(array, before[name]) for name, array in model.state_dict().items())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user for a while")
def test_a_directory_that_may_not_be_searched(tmp_path):
    """The file may be there, so that "no such file" would be a guess."""
    save(tmp_path / "a.safetensors", {"w": np.ones(2)})
    os.chmod(tmp_path, 0)
    os.seteuid(65534)
    try:
        with pytest.raises(CheckpointError, match="Permission denied"):
            load(tmp_path / "a.safetensors")
    finally:
        os.seteuid(0)
