"""Fixtures of the command-line tests. Each test runs in its own empty directory."""

import pytest

from minicnn.cli.main import main


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current directory of the test, which is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    return tmp_path


@pytest.fixture
def run(capsys):
    """Run a command in this process: (exit status, stdout, stderr)."""
    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err
    return run


@pytest.fixture
def refused(run):
    """Run a command that must end with status 2 and no result. Return the line of its error message."""
    def refused(*arguments):
        status, out, err = run(*arguments)
        assert status == 2 and out == "" and "Traceback" not in err, err
        line = next(line for line in err.splitlines() if ": error: " in line)
        command = "minicnn bench " + arguments[1] if arguments[0] == "bench" else f"minicnn {arguments[0]}"
        assert line.startswith(f"{command}: error: ")
        return line
    return refused
