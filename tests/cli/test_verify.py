"""`minicnn verify` as a user calls it."""

import json

import pytest

from minicnn.cli.main import main

MINE = """
import numpy as np
from minicnn.nn import Conv2d, MaxPool2d, ReLU, Sequential

def sharpen(f):
    return 2 * f - np.roll(f, 1, axis=3)

def brightest(f):
    return np.maximum(f, np.roll(f, 1, axis=3))

def noise(f):
    return f + np.random.default_rng().random(f.shape)

def leaves(f):
    raise SystemExit(0)

def raises(f):
    raise KeyError("no such pixel")

network = Sequential(Conv2d(1, 2, 3), ReLU(), MaxPool2d(2))
number = 5
"""


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    return str(tmp_path / "mine.py")


@pytest.fixture
def outcomes(known_operator_outcomes, monkeypatch):
    """The catalogue runs once for all tests; the command gets its outcomes."""
    monkeypatch.setattr("minicnn.equivariance.known_operators.run_catalogue",
                        lambda *progress: known_operator_outcomes)


def test_the_catalogue(outcomes, capsys):
    assert main(["verify"]) == 0
    out = capsys.readouterr().out
    assert "operators judged rightly" in out
    assert "WRONG" not in out
    assert "3x3 median" in out


def test_the_catalogue_as_json(outcomes, capsys):
    assert main(["verify", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["right"] == len(record["operators"])


@pytest.mark.parametrize(("name", "options", "status", "text"), [
    ("sharpen", [], 0, "a convolution (on the torus, 16 x 16, float64, 9 images tried)"),
    ("sharpen", ["--exhaustive", "--size", "5,6"], 0, "proved with all basis vectors"),
    ("brightest", [], 1, "not linear; equivariant to all shifts"),
    ("noise", [], 1, "not deterministic"),
    ("network", ["--domain", "window", "--layers", "--dtype", "float32"], 1, "2: not linear; equivariant to multiples"),
])
def test_your_own(name, options, status, text, mine, capsys):
    assert main(["verify", f"{mine}:{name}", *options]) == status
    assert text in capsys.readouterr().out


def test_your_own_as_json(mine, capsys):
    assert main(["verify", f"{mine}:brightest", "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert record["affine"] is False
    assert record["witnesses"][0]["law"] == "homogeneity"
    assert main(["verify", f"{mine}:network", "--layers", "--json", "--domain", "window", "--dtype", "float32"]) == 1
    assert [layer["layer"] for layer in json.loads(capsys.readouterr().out)] == ["0", "1", "2"]


def test_what_the_operator_prints_is_not_the_result(tmp_path, capsys):
    (tmp_path / "loud.py").write_text("print('hello')\ndef same(f):\n    print('again')\n    return f\n")
    assert main(["verify", f"{tmp_path / 'loud.py'}:same", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["convolution"] is True
    assert "hello" in captured.err


def test_a_module_of_the_path(capsys):
    assert main(["verify", "minicnn.functional:relu"]) == 1
    assert "L(-1 f) = -1 L(f)" in capsys.readouterr().out


def test_picture(mine, tmp_path, capsys):
    assert main(["verify", f"{mine}:sharpen", "--picture", str(tmp_path / "steps.png"), "--size", "12,9"]) == 0
    assert (tmp_path / "steps.png").stat().st_size > 10_000


@pytest.mark.parametrize(("arguments", "text"), [
    (["{mine}:raises"], "raised KeyError for an input of shape"),
    (["{mine}:leaves"], "raised SystemExit"), ([""], "write path/to/file.py"),
    (["{mine}:nothing"], "has no nothing; it has sharpen"),
    (["{mine}:number"], "is no operator but of type int"), (["nowhere.py:f"], "there is no such file"),
    (["no.module:f"], "cannot be imported"), (["nonsense"], "write path/to/file.py:function or module:attribute"),
    (["{mine}:sharpen", "--size", "5"], "--size must be two positive integers"),
    (["{mine}:sharpen", "--channels", "0"], "in_channels must be an integer of at least 1, not 0"),
    (["{mine}:sharpen", "--trials", "0"], "trials must be an integer of at least 1, not 0"),
    (["{mine}:sharpen", "--layers"], "--layers needs a Module"),
    (["--domain", "plane"], "--domain is about an operator"),
    (["{mine}:sharpen", "--picture", "steps.txt"], "must end in .png"),
    (["{mine}:network", "--picture", "steps.png"], "keep the size"),
])
def test_misuse_is_told_in_one_line(arguments, text, mine, capsys):
    assert main(["verify", *(argument.format(mine=mine) for argument in arguments)]) == 2
    captured = capsys.readouterr()
    assert text in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err
