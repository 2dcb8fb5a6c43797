"""The table of all operations is up to date and complete, and finds new operations by itself."""

import inspect

import pytest

from minicnn import functional as F
from minicnn.functional import table
from minicnn.tensor.methods import Methods
from minicnn.tensor.numpy_functions import recorded
from minicnn.tensor.operators import Operators


def test_the_page_is_up_to_date():
    assert table.markdown() == table.PAGE.read_text(), "run python -m minicnn.functional.table"


def test_every_operation_has_one_row():
    rows = table.rows()
    assert sorted(row.functional for row in rows if row.functional) == sorted(F.__all__)
    methods = [row.method for row in rows if row.method.startswith("x.")]
    assert sorted(methods) == sorted(f"x.{name}" for name in vars(Methods) if not name.startswith("_"))
    operators = {name for name, method in vars(Operators).items() if inspect.isfunction(method)}
    assert operators - {"__pos__", "__abs__"} - {name.replace("__", "__r", 1) for name in table.OPERATORS} == set(
        table.OPERATORS)
    assert len({row.numpy for row in rows if row.numpy}) == len([row for row in rows if row.numpy])
    assert len([row for row in rows if row.numpy]) == len(set(recorded().values())) + 2          # argmax and argmin
    assert all(row.what for row in rows)


def test_one_row_joins_the_names_of_an_operation():
    found = {row.functional or row.numpy: row for row in table.rows()}
    assert found["std"][:4] == ("std", "x.std", "np.std", "")
    assert found["np.abs"][:4] == ("", "x.abs", "np.abs", "") and found["np.add"].method == "x + y"
    assert found["np.concatenate"].pytorch == "cat" and found["scipy.special.erf"].method == ""
    assert found["np.sum"].what.startswith("The sum. Terms") and found["batch_norm"].source.startswith("Ioffe")


def test_a_new_operation_gets_a_row(monkeypatch):
    def brand_new(input):
        """The first line | of the docstring.

        References
        ----------
        Somebody 2020,
        equation 1.

        Examples
        --------
        """
    monkeypatch.setattr(F, "__all__", [*F.__all__, "brand_new"])
    monkeypatch.setattr(F, "brand_new", brand_new, raising=False)
    row = "| `brand_new` |  |  |  | The first line \\| of the docstring. | Somebody 2020, equation 1. |\n"
    assert row in table.markdown()


def test_pytorch_has_its_names():
    torch = pytest.importorskip("torch")
    assert not [name for name in table.TORCH.values() if not hasattr(torch, name) and not hasattr(torch.Tensor, name)]
    assert set(table.TORCH) <= {function.__name__ for function in recorded()} | set(vars(Methods))
