"""`minicnn verify` as a user calls it."""

import json

import numpy as np
import pytest

MINE = """
import numpy as np, time
from minicnn.nn import Conv2d, Flatten, Linear, MaxPool2d, Module, ReLU, Sequential

def sharpen(f):
    return 2 * f - np.roll(f, 1, axis=3)

def vignette(f):
    gain = np.ones((16, 16), f.dtype)
    gain[5, 7] += 1e-4
    return f * gain

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

def make_wrong(n=3):
    return Conv2d(1, n, 3)

def two_channels(f):
    return np.concatenate([f, 2 * f], 1)

def slow(f):
    time.sleep(0.05)
    return f

network = Sequential(Conv2d(1, 2, 3), ReLU(), MaxPool2d(2))
classifier = Sequential(Conv2d(1, 2, 3), MaxPool2d(2), Flatten(), Linear(98, 10))
flat = Sequential(Flatten(), Linear(256, 3))

class Broken(Module):
    def forward(self, f):
        raise KeyError("no")
broken = Broken()
number = 5
"""


@pytest.fixture(autouse=True)
def mine(folder):
    (folder / "mine.py").write_text(MINE)


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_the_catalogue(columns, run, known_operator_outcomes, monkeypatch):
    outcomes = known_operator_outcomes
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("minicnn.equivariance.known_operators.run_catalogue", lambda *_: outcomes)
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
    monkeypatch.setattr("minicnn.equivariance.known_operators.run_catalogue", lambda *_: [*outcomes, Wrong()])
    status, out, err = run("verify", "--json")
    record = json.loads(out)
    assert status == 1 and record["right"] == len(outcomes) == len(record["operators"]) - 1
    assert "minicnn verify: the verifier's verdict on the operators marked WRONG is not the known one" in err
    assert "WRONG" in run("verify")[1]


@pytest.mark.parametrize(("name", "options", "status", "text"), [
    ("sharpen", [], 0, "a convolution (on the torus, 16 x 16, float64, 9 images tried)"),
    ("sharpen", ["--exhaustive", "--size", "5,6"], 0, "all basis vectors tried: proved if the operator is linear)"),
    ("sharpen", [], 0, "h: 1 output channel, 1 input channel, 1 x 2 pixels, the origin at (0, 0) 2 -1"),
    ("two_channels", [], 0, "h: 2 output channels, 1 input channel, 1 x 1 pixels, the origin at (0, 0)"),
    ("sharpen", [], 0, "the smallest defect that was looked for: "),
    ("vignette", ["--dtype", "float32"], 1, "equivariant to no shift"),
    ("vignette", ["--dtype", "float32", "--bound", "1e4"], 0, "a convolution"),
    ("brightest", [], 1, "not linear; equivariant to all shifts"),
    ("brightest", [], 1, "witness: L("), ("noise", [], 1, "not deterministic"),
    ("network", ["--domain", "window", "--layers", "--dtype", "float32"], 1,
     "2 MaxPool2d: not linear; equivariant to multiples"),
    ("classifier", ["--domain", "window", "--layers"], 1, "after the last image: 2 Flatten: not invariant to shifts by "
     "multiples of 2 down, 2 across: the shift"),
    ("flat", ["--layers"], 1, "no layer returns an image of several pixels after the last image: 0 Flatten: not "
     "invariant to all shifts: the shift"),
    ("network", ["--layers", "--domain", "window", "--size", "8,8"], 1, "1 ReLU: not linear; equivariant to all"),
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
    status, out, _ = run("verify", "mine.py:classifier", "--layers", "--json", "--domain", "window")
    assert status == 1 and [(layer["layer"], layer["verdict"] is None) for layer in json.loads(out)] == [
        ("0", False), ("1", False), ("2", False), ("3", False)]
    record = json.loads(run("verify", "mine.py:sharpen", "--exhaustive", "--json")[1])
    assert record["proof"] is True and record["proof_if"] == "the operator is linear" and record["picture"] is None
    record = json.loads(run("verify", "mine.py:sharpen", "--json")[1])
    assert record["proof"] is False and record["proof_if"] is None


def test_a_module_of_the_path(run):
    status, out, _ = run("verify", "minicnn.functional:relu")
    assert status == 1 and "L(-1 f) = -1 L(f)" in " ".join(out.split())


def test_picture(run, folder):
    status, out, err = run("verify", "mine.py:sharpen", "--picture", "steps.png", "--size", "12,9")
    assert status == 0 and (folder / "steps.png").stat().st_size > 10_000 and "replaced" not in err
    assert out.splitlines()[-1] == "the derivation on the torus: steps.png"
    assert "steps.png: replaced" in run("verify", "mine.py:sharpen", "--picture", "steps.png", "--size", "12,9")[2]
    _, out, _ = run("verify", "mine.py:two_channels", "--picture", "steps.png", "--channels", "3", "--size", "9,9")
    assert " ".join(out.split()).endswith("steps.png, input channel 1 of 3, output channel 1 of 6")


@pytest.mark.parametrize("size", [(28, 28), (9, 30), (16, 16)])
def test_the_digit_of_the_picture_is_in_the_middle(size, run, monkeypatch):
    seen = []
    monkeypatch.setattr("minicnn.viz.derivation", lambda found: seen.append(found.image))
    monkeypatch.setattr("minicnn.viz.save", lambda figure, path, size, dpi: None)
    run("verify", "mine.py:sharpen", "--picture", "steps.png", "--size", f"{size[0]},{size[1]}")
    assert seen[0].shape == (1, *size) and seen[0].min() < -0.05 and seen[0].max() > 0.5, "both signs"
    for axis, length in enumerate(size):
        used = np.flatnonzero((seen[0][0] > seen[0].min()).any(1 - axis))
        assert abs((used[0] + used[-1]) / 2 - (length - 1) / 2) <= 3 and len(used) >= min(size) / 2


@pytest.mark.parametrize(("arguments", "text"), [
    (["mine.py:raises"], "raised KeyError for an input of shape"), (["mine.py:raises"], "(in mine.py, line 23)"),
    (["mine.py:leaves"], "raised SystemExit"), (["mine.py:leaves"], "(in mine.py, line 20)"),
    (["mine.py:make_network"], "mine.py:make_network takes no image: each of its arguments has a default value"),
    (["minicnn.models:lenet"], "write net = lenet() into a file, and name that operator: my_file.py:net"),
    (["mine.py:make_nothing"], "mine.py:make_nothing returned an object of type NoneType, not a minicnn.nn.Module"),
    (["mine.py:any_number"], "error: the operator raised ValueError"),
    (["mine.py:network", "--channels", "2"], "error: the operator raised InputError"),
    (["mine.py:nothing"], "has no nothing; it has sharpen"), (["mine.py:number"], "is not an operator but of type int"),
    (["mine.py:Conv2d"], "mine.py:Conv2d needs the argument 'out_channels', but minicnn gives only"),
    (["mine.py:classifier"], "the operator returned shape"),
    (["mine.py:network", "--layers", "--channels", "2"], "does it need a larger --size, or other --channels?"),
    (["mine.py:broken", "--layers"], "the operator raised KeyError for an input of shape (5, 1, 16, 16)"),
    (["mine.py:network[:1]"], "write path/to/file.py:function"),
    (["minicnn.nn:nosuch"], "minicnn.nn has no nosuch; it has "),
    (["minicnn.functional:nosuch"], "minicnn.functional has no nosuch; it has adaptive_avg_pool2d, "),
    (["mine.py:slow", "--time-limit", "0.001"], "give a smaller --size or a larger --time-limit"),
    (["mine.py:sharpen", "--channels", "1000000"], "an image would have 256,000,000 numbers, more than 16,777,216"),
    (["mine.py:sharpen", "--trials", "10000000"], "give a smaller --size, fewer --channels or fewer --trials"),
    (["mine.py:sharpen", "--picture", "a.png", "--domain", "window"], "--picture has no effect here: the derivation is "
                                                                      "drawn on the torus. Leave out --domain"),
    (["nonsense"], "write path/to/file.py:function or module:attribute"),
    (["mine.py:sharpen", "--size", "5"], "argument --size: write 2 values with a comma between, as in 16,16, not '5'"),
    (["mine.py:sharpen", "--channels", "0"], "argument --channels: must be an integer of at least 1, not '0'"),
    (["mine.py:sharpen", "--trials", "0"], "argument --trials: must be an integer of at least 1, not '0'"),
    (["mine.py:sharpen", "--time-limit", "0"], "argument --time-limit: must be a number above 0, not '0'"),
    (["mine.py:sharpen", "--layers"], "an ONNX model; mine.py:sharpen is a function. Judge it as a whole, "
     "without --layers"),
    (["mine.py:network", "--layers", "--picture", "a.png"], "--picture has no effect with --layers"),
    (["--domain", "torus"], "--domain has no effect without FILE.py:FUNCTION|MODEL.onnx: it is about an operator"),
    (["mine.py:sharpen", "--bound", "0"], "argument --bound: must be a number above 0, not '0'"),
    (["--bound", "5"], "--bound has no effect without FILE.py:FUNCTION"),
    (["--time-limit", "60"], "--time-limit has no effect without FILE.py:FUNCTION"),
    (["mine.py:sharpen", "--picture", "steps.txt"], "argument --picture: steps.txt: the name must end in .png"),
    (["mine.py:network", "--picture", "steps.png"], "keep the size"),
    (["mine.py:sharpen", "--report", "a.txt"], "argument --report: a.txt: the name must end in .html"),
    (["mine.py:sharpen", "--report", "no/a.html"], "no/a.html could not be written: its directory does not exist"),
    (["--report", "a.html"], "--report has no effect without FILE.py:FUNCTION"),
])
def test_misuse_is_told_in_one_line(arguments, text, refused):
    assert text in refused("verify", *arguments)


@pytest.mark.parametrize("name", ["network", "conv"])
def test_a_module_that_does_not_fit_the_torus_is_told_the_option(name, refused, folder):
    (folder / "mine.py").write_text(MINE + "conv = Conv2d(1, 2, 3)\n")
    line = refused("verify", f"mine.py:{name}")
    assert "choose --domain window" in line and "default value" not in line and "domain=" not in line


def test_a_function_that_makes_an_operator_gets_a_short_message(run):
    status, _, err = run("verify", "mine.py:make_wrong")
    assert status == 2 and err.count("\n") == 1 and len(err) < 450
    assert "takes no image" in err and "failed: the operator raised InputError" in err and " ...)" in err


def test_the_help_says_when_the_time_is_checked(run):
    assert "may take; checked after each call" in " ".join(run("verify", "--help")[1].split())


def test_a_picture_lies_where_it_was_asked_for_although_the_users_code_changes_the_directory(run, folder):
    (folder / "elsewhere").mkdir()
    (folder / "mine.py").write_text("import os\nos.chdir('elsewhere')\ndef same(f):\n    return f\n")
    assert run("verify", "mine.py:same", "--size", "4,4", "--picture", "a.png")[0] == 0
    assert (folder / "a.png").is_file() and not list((folder / "elsewhere").iterdir())


def test_zero_padding_on_the_torus_hints_at_the_other_domains(run, folder):
    (folder / "padded.py").write_text("import numpy as np\nfrom minicnn import nn\n\nnet = nn.Sequential("
                                      "nn.Conv2d(1, 1, 3, padding=1, rng=np.random.default_rng(0)))\n")
    status, out, _ = run("verify", "padded.py:net", "--layers", "--size", "8,8")
    assert status == 1 and ("its zero padding of width 1 makes pixels at the border: use padding_mode='circular' on "
                            "the torus, or judge it with --domain plane or --domain window") in " ".join(out.split())
    assert run("verify", "padded.py:net", "--layers", "--size", "8,8", "--domain", "plane")[0] == 0


def test_a_report_beside_the_text_the_json_and_the_layers(run, folder):
    name = "a report é.html"
    status, out, err = run("verify", "mine.py:sharpen", "--size", "6,5", "--seed", "3", "--report", name)
    page = (folder / name).read_text(encoding="utf-8")
    assert status == 0 and f"the report, a page for a browser: {name}" in " ".join(out.split())
    assert "mine.py:sharpen is a convolution." in page and '<th scope="row">seed</th><td data-title="value">3<' in page
    status, out, err = run("verify", "mine.py:sharpen", "--size", "6,5", "--seed", "3", "--report", name, "--json")
    assert json.loads(out)["report"] == name and f"{name}: replaced" in err
    assert (folder / name).read_text(encoding="utf-8") == page
    status, out, _ = run("verify", "mine.py:classifier", "--layers", "--report", "layers.html", "--domain", "window")
    page = (folder / "layers.html").read_text(encoding="utf-8")
    assert status == 1 and "layers.html" in out and "breaks equivariance to shifts is 1 MaxPool2d." in page
    assert '<th scope="row">3 Linear</th>' in page
    assert len(json.loads(run("verify", "mine.py:classifier", "--layers", "--report", "layers.html", "--json",
                              "--domain", "window")[1])) == 4


@pytest.mark.parametrize("name", ["raises", "number", "nothing", "slow", "classifier"])
def test_no_report_is_written_if_nothing_was_judged(name, refused, folder):
    (folder / "old.html").write_text("old")
    for path in ("old.html", "new.html"):
        refused("verify", f"mine.py:{name}", "--report", path, *["--time-limit", "0.001"] * (name == "slow"))
    assert (folder / "old.html").read_text() == "old" and not (folder / "new.html").exists()
    (folder / "a.html").mkdir()
    assert "it is a directory" in refused("verify", "mine.py:sharpen", "--report", "a.html")


def test_a_report_lies_where_it_was_asked_for_although_the_users_code_changes_the_directory(run, folder):
    (folder / "elsewhere").mkdir()
    (folder / "mine.py").write_text("import os\nos.chdir('elsewhere')\ndef same(f):\n    return f\n")
    assert run("verify", "mine.py:same", "--size", "4,4", "--report", "a.html")[0] == 0
    assert (folder / "a.html").is_file() and not list((folder / "elsewhere").iterdir())
