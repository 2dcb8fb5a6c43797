"""`minicnn verify` as a user calls it."""

import json

import pytest

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

def make_network(channels=1):
    return Sequential(Conv2d(channels, 2, 3))

def make_nothing():
    return None

def any_number(*f):
    raise ValueError("no")

network = Sequential(Conv2d(1, 2, 3), ReLU(), MaxPool2d(2))
number = 5
"""


@pytest.fixture(autouse=True)
def mine(folder):
    (folder / "mine.py").write_text(MINE)


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_the_catalogue(columns, run, known_operator_outcomes, monkeypatch):
    outcomes = known_operator_outcomes
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("minicnn.equivariance.known_operators.run_catalogue", lambda progress: outcomes)
    status, out, err = run("verify", "--quiet")
    assert status == 0 and err == "" and max(map(len, out.splitlines())) <= columns
    text = " ".join(out.split())
    assert text.endswith(f"{len(outcomes)} of {len(outcomes)} operators judged rightly") and "WRONG" not in out
    assert "median" in out and "convolution" in out and "linear;" in out
    assert ("fails at" in text) == (columns == 80)


def test_the_catalogue_as_json_and_a_wrong_verdict(run, known_operator_outcomes, monkeypatch):
    outcomes = known_operator_outcomes

    class Wrong:
        right, name, entry, report = False, "mine", outcomes[0].entry, outcomes[0].report

        def to_dict(self):
            return {"name": self.name}
    monkeypatch.setattr("minicnn.equivariance.known_operators.run_catalogue", lambda progress: [*outcomes, Wrong()])
    status, out, err = run("verify", "--json")
    record = json.loads(out)
    assert status == 1 and record["right"] == len(outcomes) == len(record["operators"]) - 1
    assert "minicnn verify: the verifier's verdict on the operators marked WRONG is not the known one" in err
    assert "WRONG" in run("verify")[1]


@pytest.mark.parametrize(("name", "options", "status", "text"), [
    ("sharpen", [], 0, "a convolution (on the torus, 16 x 16, float64, 9 images tried)"),
    ("sharpen", ["--exhaustive", "--size", "5,6"], 0, "proved with all basis vectors"),
    ("sharpen", [], 0, "h: 1 x 1 kernels of 1 x 2 pixels"),
    ("brightest", [], 1, "not linear; equivariant to all shifts"),
    ("brightest", [], 1, "witness: L("), ("noise", [], 1, "not deterministic"),
    ("network", ["--domain", "window", "--layers", "--dtype", "float32"], 1, "2: not linear; equivariant to multiples"),
])
@pytest.mark.parametrize("columns", [80, 40])
def test_your_own(name, options, status, text, columns, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    found, out, err = run("verify", f"mine.py:{name}", *options, "--quiet")
    assert found == status and text in " ".join(out.split()) and err == ""
    assert max(map(len, out.splitlines())) <= columns


def test_your_own_as_json(run):
    status, out, _ = run("verify", "mine.py:brightest", "--json")
    record = json.loads(out)
    assert status == 1 and record["affine"] is False and record["witnesses"][0]["law"] == "homogeneity"
    status, out, _ = run("verify", "mine.py:network", "--layers", "--json", "--domain", "window", "--dtype", "float32")
    assert status == 1 and [layer["layer"] for layer in json.loads(out)] == ["0", "1", "2"]


def test_a_module_of_the_path(run):
    status, out, _ = run("verify", "minicnn.functional:relu")
    assert status == 1 and "L(-1 f) = -1 L(f)" in " ".join(out.split())


def test_picture(run, folder):
    status, _, err = run("verify", "mine.py:sharpen", "--picture", "steps.png", "--size", "12,9")
    assert status == 0 and (folder / "steps.png").stat().st_size > 10_000 and "replaced" not in err
    assert "steps.png: replaced" in run("verify", "mine.py:sharpen", "--picture", "steps.png", "--size", "12,9")[2]


@pytest.mark.parametrize(("arguments", "text"), [
    (["mine.py:raises"], "raised KeyError for an input of shape"), (["mine.py:raises"], "(in mine.py, line 18)"),
    (["mine.py:leaves"], "raised SystemExit"), (["mine.py:leaves"], "(in mine.py, line 15)"),
    (["mine.py:make_network"], "mine.py:make_network takes no image: each of its arguments has a default value"),
    (["minicnn.models:lenet"], "write net = lenet() into a file, and name that operator: my_file.py:net"),
    (["mine.py:make_nothing"], "mine.py:make_nothing takes no image"),
    (["mine.py:any_number"], "error: the operator raised ValueError"),
    (["mine.py:network", "--channels", "2"], "error: the operator raised InputError"),
    (["mine.py:nothing"], "has no nothing; it has sharpen"), (["mine.py:number"], "is not an operator but of type int"),
    (["nonsense"], "write path/to/file.py:function or module:attribute"),
    (["mine.py:sharpen", "--size", "5"], "argument --size: write 2 values with a comma between, as in 16,16, not '5'"),
    (["mine.py:sharpen", "--channels", "0"], "argument --channels: must be an integer of at least 1, not '0'"),
    (["mine.py:sharpen", "--trials", "0"], "argument --trials: must be an integer of at least 1, not '0'"),
    (["mine.py:sharpen", "--time-limit", "0"], "argument --time-limit: must be a number above 0, not '0'"),
    (["mine.py:sharpen", "--layers"], "--layers needs a Module; mine.py:sharpen is a function"),
    (["mine.py:network", "--layers", "--picture", "a.png"], "--picture has no effect with --layers"),
    (["--domain", "torus"], "--domain has no effect without FILE.py:FUNCTION: it is about an operator of yours"),
    (["--time-limit", "60"], "--time-limit has no effect without FILE.py:FUNCTION"),
    (["mine.py:sharpen", "--picture", "steps.txt"], "argument --picture: steps.txt: the name must end in .png"),
    (["mine.py:network", "--picture", "steps.png"], "keep the size"),
])
def test_misuse_is_told_in_one_line(arguments, text, refused):
    assert text in refused("verify", *arguments)
