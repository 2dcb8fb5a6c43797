"""checks.py and errors.py: values that pass, values that are refused, and the messages."""

import inspect
import math
import re

import numpy as np
import pytest

import minicnn
from minicnn import Tensor, errors, functional, init, models, nn
from minicnn.checks import communicator, generator, integer, is_integer, number, one_of, optional_generator, pair
from minicnn.data.loader import DataLoader
from minicnn.distributed import DataParallel
from minicnn.equivariance import assert_equivariant
from minicnn.errors import InputError, InputTypeError, MinicnnError
from minicnn.gradcheck import gradcheck
from minicnn.training import fit

NO_INTEGERS = [1.0, True, None, "1", [1], np.float64(1), np.bool_(True), np.array([1, 2]), np.array(1.0)]


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_integers(value):
    assert is_integer(value)
    for found in (integer("n", value), integer("n", value, 3)):
        assert type(found) is int and found == 3
    found = pair("stride", value, 3)
    assert found == (3, 3) and {type(side) for side in found} == {int}


@pytest.mark.parametrize("value", NO_INTEGERS)
def test_what_is_no_integer(value):
    assert not is_integer(value)
    message = re.escape(f"n must be an integer of at least 0, not {value!r}")
    with pytest.raises(InputError, match=f"^{message}$"):
        integer("n", value, 0)
    with pytest.raises(InputError, match="^n must be an integer, not "):
        integer("n", value)
    with pytest.raises(InputError, match="^stride must be an integer or a pair of integers of at least 0, not "):
        pair("stride", (1, value), 0)


def test_least():
    assert integer("n", -10**30) == -10**30 and integer("n", 0, 0) == 0
    with pytest.raises(InputError, match="^seed must be an integer of at least 0, not -1$"):
        integer("seed", -1, 0)
    assert number("p", 0, least=0) == 0 and number("p", -3) == -3
    with pytest.raises(InputError, match="^p must be a number of at least 0, not -0.5$"):
        number("p", -0.5, least=0)
    with pytest.raises(InputError, match="^lr must be a number above 0, not 0$"):
        number("lr", 0, above=0)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int64(2)])
def test_numbers(value):
    found = number("lr", value, above=1)
    assert type(found) is float and found == 2


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, "1", 1j, True, 10**400, np.array([1.0])])
def test_what_is_no_number(value):
    with pytest.raises(InputError, match="^lr must be a number, not " + re.escape(repr(value))):
        number("lr", value)


@pytest.mark.parametrize("value", [(1, 2), [1, 2], (np.int64(1), 2)])
def test_pairs(value):
    assert pair("stride", value, 1) == (1, 2)


@pytest.mark.parametrize("value", [(1,), (1, 2, 3), (), (0, 1), (1, 0), "12", {1, 2}])
def test_what_is_no_pair(value):
    with pytest.raises(InputError, match="^stride must be an integer or a pair of integers of at least 1, not " +
                       re.escape(repr(value))):
        pair("stride", value, 1)


def test_one_of():
    assert one_of("pool", "max", ("max", "average")) == "max"
    for value in ("median", None, ["max"], np.array(["max", "average"])):
        for choices in (("max", "average"), {"max": 1, "average": 2}):
            with pytest.raises(InputError, match="^pool must be one of 'max', 'average', not " +
                               re.escape(repr(value))):
                one_of("pool", value, choices)


def test_generator(rng):
    assert generator("rng", rng) is rng
    assert generator("rng", None, 5).random() == np.random.default_rng(5).random()
    for value, seed in ((5, None), (None, None), (np.random.RandomState(1), 2)):
        with pytest.raises(InputTypeError, match="^rng must be a numpy.random.Generator such as .*, not " +
                           re.escape(repr(value))):
            generator("rng", value, seed)
    with pytest.raises(InputError, match="^seed must be an integer of at least 0, not -1"):
        generator("rng", None, -1)


def test_optional_generator(rng):
    assert optional_generator("rng", rng) is rng
    assert optional_generator("rng", None).random() != optional_generator("rng", None).random()


@pytest.mark.parametrize("call", [
    lambda rng: nn.Conv2d(1, 2, 3, rng=rng), lambda rng: nn.Linear(1, 2, rng=rng), lambda rng: nn.Dropout(rng=rng),
    lambda rng: models.LeNet(rng=rng), lambda rng: models.GlobalLeNet(rng=rng), lambda rng: models.MLP(rng=rng),
    lambda rng: functional.dropout(np.ones(3), rng=rng), lambda rng: init.normal_(np.empty((2, 2)), rng=rng),
    lambda rng: init.kaiming_uniform_(np.empty((2, 2)), rng=rng), lambda rng: assert_equivariant(np.copy, rng=rng),
    lambda rng: init.xavier_normal_(np.empty((2, 2)), rng=rng), lambda rng: gradcheck(np.copy, np.ones(2), rng=rng),
    lambda rng: DataLoader(np.zeros((1, 9, 9), np.uint8), np.zeros(1, int), rng=rng)])
@pytest.mark.parametrize("rng", [5, 0, "seed", np.random.RandomState(1)], ids=str)
def test_a_wrong_generator_is_refused_wherever_one_is_taken(call, rng):
    with pytest.raises(InputTypeError, match="rng must be a numpy.random.Generator such as .*, not " +
                       re.escape(repr(rng))):
        call(rng)


@pytest.mark.parametrize(("name", "base"), [
    ("InputError", ValueError), ("InputTypeError", TypeError), ("StateError", RuntimeError), ("FileError", OSError)])
def test_every_error_is_one_of_the_package_and_of_python(name, base):
    error = getattr(minicnn, name)
    assert issubclass(error, MinicnnError) and issubclass(error, base)
    with pytest.raises(base, match="^a reason$"):
        raise error("a reason")


def test_all_errors_are_exported():
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert classes <= set(minicnn.__all__)


def test_a_place_is_named_once():
    def fail(error):
        try:
            raise error
        except ValueError as caught:
            return errors.raised_in(caught)
    place = fail(ValueError("wrong"))
    assert re.fullmatch(r" \(in test_checks\.py, line \d+\)", place)
    assert fail(ValueError(f"wrong{place}")) == ""


MASKED = np.ma.array([1.0, 2.0], mask=[False, True])


@pytest.mark.parametrize("use", [
    lambda x: Tensor(MASKED), lambda x: Tensor([MASKED, MASKED]), lambda x: x * MASKED, lambda x: x - MASKED,
    lambda x: np.where(MASKED > 0, x, 0.0), lambda x: x[MASKED > 0], lambda x: (x * 2).backward(MASKED),
    lambda x: functional.mse_loss(x, MASKED), lambda x: functional.cross_entropy(x, np.ma.array(1, mask=True)),
    lambda x: functional.cross_entropy(x, np.array(1), MASKED),
    lambda x: nn.Linear(1, 2).load_state_dict({"bias": MASKED}, False),
    lambda x: DataLoader(np.ones((2, 1, 1, 1)), MASKED.astype(int)),
])
def test_masked_elements_are_refused(use):
    with pytest.raises(InputTypeError, match=r"element\(s\) of a masked array are masked, and would count: give array"):
        use(Tensor(np.ones(2), requires_grad=True))


def test_a_masked_array_without_masked_elements_is_an_array():
    assert Tensor(np.ma.array([1.0, 2.0])).data.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("value", ["world", 0, True, type("Comm", (), {"Get_rank": None})()])
def test_what_is_no_communicator(value):
    assert communicator("comm", None) is None
    message = "comm must be a communicator of mpi4py, such as MPI.COMM_WORLD, not "
    with pytest.raises(InputTypeError, match=f"^{message}"):
        communicator("comm", value)
    with pytest.raises(InputTypeError, match=f"DataParallel: {message}"):
        DataParallel(nn.Linear(1, 1), value)
    with pytest.raises(InputTypeError, match=f"fit: {message}"):
        fit(nn.Linear(1, 1), None, comm=value)
