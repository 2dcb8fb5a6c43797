"""Fixtures of the tests of the benchmarks."""

import importlib
import sys

import pytest

from minicnn.bench import libraries
from minicnn.cli.main import main


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every test runs in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def bench(capsys):
    """A function that runs `minicnn bench` with its arguments; -> exit status, stdout, stderr."""
    def run(*arguments):
        status = main(["bench", *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err
    return run


@pytest.fixture
def add_library(folder, monkeypatch):
    """A function that makes code known as a library to compare with; -> its competitor."""
    def add(name, code):
        (folder / f"{name}.py").write_text(code)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("PYTHONPATH", str(folder))                   # for the workers
        monkeypatch.setitem(libraries.found(), name, importlib.import_module(name).LIBRARY)
        del sys.modules[name]                                           # the next test has another
        return libraries.competitors([name])[0]
    return add
