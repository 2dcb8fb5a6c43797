"""DLPack: memory shared with other libraries, and what is copied or refused."""

import numpy as np
import pytest

import minicnn
from minicnn import InputError, InputTypeError, Tensor, no_grad


class Foreign:
    """An array of another library, which knows only DLPack."""

    def __init__(self, array, device=(1, 0)):
        self.array, self.device = array, device

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("array", [np.ones((2, 3)), np.ones((2, 3), order="F"), np.ones((4, 6))[::2, ::3],
                                   np.array(2.0), np.zeros((0, 3))])
def test_memory_is_shared_both_ways(array, dtype):
    array = array.astype(dtype)
    x = Tensor(array)
    out = np.from_dlpack(x)
    assert out.dtype == dtype and out.shape == array.shape and x.__dlpack_device__() == (1, 0)
    back = minicnn.from_dlpack(Foreign(array))
    assert back.dtype == dtype and back.shape == array.shape and not back.requires_grad
    if array.size:
        assert np.shares_memory(out, array) and out.strides == array.strides and np.shares_memory(back.data, array)
        assert not np.shares_memory(minicnn.from_dlpack(Foreign(array), copy=True).data, array)
    assert minicnn.from_dlpack(Foreign(array), copy=False).shape == array.shape
    assert not np.shares_memory(minicnn.from_dlpack(x, copy=True).data, array)
    assert np.shares_memory(minicnn.from_dlpack(x).data, array) or not array.size


def test_what_others_must_not_write_or_cannot_read_is_copied():
    frozen = np.arange(4.0)
    frozen.flags.writeable = False
    odd = np.zeros(3, "f8,f4")["f0"]
    result = (Tensor([1.0, 2.0], requires_grad=True) * 2).detach().data
    for array in (frozen, np.arange(4.0)[::-1], np.broadcast_to(np.float32(2), (2, 3)), odd, result):
        x = Tensor(array)
        assert np.array_equal(np.from_dlpack(x), array) and not np.shares_memory(np.from_dlpack(x), array)
        with pytest.raises(InputError, match=r"__dlpack__: copy=False, but this array (is read-only|has negative str)"):
            x.__dlpack__(copy=False)
    array = np.ones(2)
    assert "dltensor" in repr(Tensor(array).__dlpack__(copy=True))


def test_a_gradient_is_not_dropped_in_silence():
    x = Tensor([1.0], requires_grad=True)
    with pytest.raises(InputTypeError, match=r"requires a gradient, which the other library .*give x.detach"):
        np.from_dlpack(x)
    with no_grad():
        assert np.from_dlpack(x) == 1
    assert np.shares_memory(np.from_dlpack(x.detach()), x.data)


def test_other_numbers_are_converted():
    for array in (np.arange(3), np.array([True, False]), np.arange(3, dtype=np.uint8)):
        assert minicnn.from_dlpack(Foreign(array)).data.dtype == np.float32
        with pytest.raises(InputError, match=r"copy=False, but a Tensor holds float32 or float64, not"):
            minicnn.from_dlpack(Foreign(array), copy=False)


@pytest.mark.parametrize(("given", "options", "error", "message"), [
    ([1.0], {}, InputTypeError, "a list has no DLPack: give an array of NumPy, PyTorch, JAX"),
    (Foreign(np.ones(2), (2, 0)), {}, InputTypeError, r"is on the DLPack device \(2, 0\); minicnn computes on the CPU"),
    (Foreign(np.ones(2, "M8[s]")), {}, InputTypeError, "NumPy cannot use this .*Foreign of dtype unknown"),
    (Foreign(np.ones(2, complex)), {}, InputTypeError, "a Tensor holds float32 or float64, not complex128"),
    (Foreign(np.ones(2)), {"copy": 1}, InputTypeError, "from_dlpack: copy must be True or False"),
])
def test_what_cannot_be_imported(given, options, error, message):
    with pytest.raises(error, match=message):
        minicnn.from_dlpack(given, **options)


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"dl_device": (2, 0)}, InputError, r"is in the memory of the CPU, which is device \(1, 0\), not \(2, 0\)"),
    ({"stream": 1}, InputError, "the CPU has no streams, so stream must be None, not 1"),
    ({"copy": 1}, InputTypeError, "__dlpack__: copy must be True or False"),
])
def test_what_cannot_be_exported(options, error, message):
    with pytest.raises(error, match=message):
        Tensor([1.0]).__dlpack__(**options)


def test_with_torch():
    torch = pytest.importorskip("torch")
    array = np.arange(6.0).reshape(2, 3)
    there = torch.from_dlpack(Tensor(array))
    there[0, 1] = 10
    assert array[0, 1] == 10 and there.dtype == torch.float64
    assert torch.from_dlpack(Tensor(array[:, ::-1])).tolist() == array[:, ::-1].tolist()
    given = torch.ones(2, 3)
    here = minicnn.from_dlpack(given)
    if np.lib.NumpyVersion(np.__version__) >= "2.1.0":         # NumPy 2.0 imports arrays read-only
        here.data[0, 0] = 7
        assert given[0, 0] == 7
    assert minicnn.from_dlpack(given.T).shape == (3, 2)
    with pytest.raises(InputTypeError, match=r"torch.Tensor requires a gradient, and its history .*x.detach"):
        minicnn.from_dlpack(given.requires_grad_())
    for other in (torch.ones(2, dtype=torch.bfloat16), torch.ones(2, device="meta"), torch.eye(2).to_sparse(),
                  torch.ones(2, dtype=torch.float16)):
        with pytest.raises(InputTypeError, match=r"float32|CPU"):
            minicnn.from_dlpack(other)
