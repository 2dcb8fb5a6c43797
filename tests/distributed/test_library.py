"""`DataParallel` in a loop of one's own, and `fit`: see `programs/`."""

import re

from .conftest import PROGRAMS


def test_library(program):
    tests = re.findall(r"^def (\w+)\(\):", (PROGRAMS / "library.py").read_text(), re.MULTILINE)
    assert program(3, "library.py").split() == tests


def test_fit_and_resume_with_another_number_of_ranks(program, tmp_path):
    program(3, "fit_and_resume.py", tmp_path / "run")


def test_data_are_read_once_a_node(program, tmp_path):
    program(3, "read_once.py", tmp_path)
