"""Functions of the user's own files: they are found and run, and an error names their line."""

import json
import os
import sys
from pathlib import Path

import pytest

from minicnn.cli.user_code import load_object
from minicnn.errors import InputError


def write(name, text):
    Path(name).write_text(text)


def test_a_function_of_a_file_and_of_a_module():
    write("mine.py", "def double(x):\n    return 2 * x\n")
    assert load_object("mine.py:double")(3) == 6
    assert load_object("minicnn.functional:relu").__name__ == "relu"


def test_what_lies_beside_the_file_can_be_imported_also_later(folder):
    write("neighbour_one.py", "value = 1\n")
    write("neighbour_two.py", "value = 2\n")
    write("mine.py", "import neighbour_one\ndef f():\n    import neighbour_two\n"
                     "    return neighbour_one.value + neighbour_two.value\n")
    assert load_object("mine.py:f")() == 3
    assert sys.path[-1] == str(folder)                  # last, so a select.py there does not hide Python's


def test_a_file_that_changes_the_directory_or_the_path(folder):
    (folder / "elsewhere").mkdir()
    write("mine.py", "import os, sys\nos.chdir('elsewhere')\nsys.path.clear()\ndef f():\n    return 5\n")
    path = list(sys.path)
    try:
        assert load_object("mine.py:f")() == 5
    finally:
        sys.path[:] = path


@pytest.mark.parametrize(("text", "message"), [
    ("import sys\nsys.exit(0)\n", r"mine.py does not run: SystemExit: 0 \(line 2\)$"),
    ("a = 1\nb = a / 0\n", r"mine.py does not run: ZeroDivisionError: division by zero \(line 2\)$"),
    ("def f(:\n", r"^mine.py does not run: SyntaxError: invalid syntax \(line 1\)$"),
    ("import broken_neighbour\n", r"^mine.py does not run: SyntaxError: .*\(broken_neighbour.py, line 1\) \(line 1\)$"),
    ("def g(x):\n    return x\n", "mine.py has no f; it has g"), ("", "mine.py has no f; it has no functions"),
    ("__all__ = [1, 'g']\n", "mine.py has no f; it has 1, g"),
    ("__all__ = 3\n", "mine.py has no f; it has no functions"),
    ("def __getattr__(name):\n    raise KeyError(name)\n", r"mine.py has no f: KeyError: 'f' \(in mine.py, line 2\)$")])
def test_a_file_that_does_not_run(text, message):
    write("broken_neighbour.py", "def f(:\n")
    write("mine.py", text)
    with pytest.raises(InputError, match=message):
        load_object("mine.py:f")


@pytest.mark.parametrize(("spec", "message"), [
    ("nowhere.py:f", "nowhere.py: there is no such file"), ("dir.py:f", "dir.py is a directory, not a file"),
    ("beside:f", "the module beside cannot be imported: .*For the file beside.py write beside.py:FUNCTION"),
    ("no.module:f", "the module no.module cannot be imported"),
    ("mine.py", "write path/to/file.py:function or module:attribute"), ("", "write path/to/file.py:function"),
    ("minicnn:not a name", "write path/to/file.py:function"), ("minicnn:nothing", "minicnn has no nothing; it has")])
def test_what_is_not_there(spec, message, folder):
    (folder / "dir.py").mkdir()
    write("beside.py", "def f(x):\n    return x\n")
    with pytest.raises(InputError, match=message):
        load_object(spec)


def test_a_module_that_ends_the_program():
    write("leaves_at_import.py", "raise SystemExit(0)\n")
    sys.path.insert(0, ".")
    try:
        with pytest.raises(InputError, match="leaves_at_import cannot be imported: SystemExit: 0"):
            load_object("leaves_at_import:f")
    finally:
        sys.path.remove(".")


def test_a_name_that_is_too_long_is_no_file():
    for spec in (f"{'a' * 300}.py:f", f"{'a' * 300}:f", "a\0b.py:f"):
        with pytest.raises(InputError, match="there is no such file|cannot be imported"):
            load_object(spec)


def test_the_users_code_may_close_the_streams(run, folder):
    (folder / "mine.py").write_text("import sys\ndef same(f):\n    with sys.stdout as out:\n        out.write('.')\n"
                                    "    sys.stdout.close()\n    return f\n")
    status, out, err = run("verify", "mine.py:same", "--size", "5,5", "--json")
    assert status == 0 and json.loads(out)["convolution"] is True and "." in err


def test_a_pipe_is_no_file_of_code():
    os.mkfifo("pipe.py")
    with pytest.raises(InputError, match="pipe.py is a pipe or a device, not a file"):
        load_object("pipe.py:f")
