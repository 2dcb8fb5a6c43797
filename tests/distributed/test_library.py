"""`DataParallel` in a loop of one's own, and `fit`: see `programs/`."""

import re

import numpy as np

from minicnn import Tensor, nn
from minicnn.distributed import DataParallel

from .conftest import PROGRAMS


def test_library(program):
    tests = re.findall(r"^def (\w+)\(\):", (PROGRAMS / "library.py").read_text(), re.MULTILINE)
    assert program(3, "library.py").split() == tests


def test_fit_and_resume_with_another_number_of_ranks(program, tmp_path):
    program(3, "fit_and_resume.py", tmp_path / "run")


def test_data_are_read_once_a_node(program, tmp_path):
    program(3, "read_once.py", tmp_path)


def test_one_rank_averages_nothing(monkeypatch):
    model = nn.Sequential(nn.BatchNorm1d(2))
    parallel = DataParallel(model)
    parallel.part(3)
    model(Tensor(np.eye(3, 2)))
    before = model.state_dict()
    monkeypatch.setattr(DataParallel, "sum", None)        # it would be called for each buffer
    parallel.average_buffers()
    assert all(np.array_equal(array, before[name]) for name, array in model.state_dict().items())
