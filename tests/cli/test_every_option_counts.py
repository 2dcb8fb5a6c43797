"""Every option of every command is used or refused, in every way in which the command can work."""

import argparse
import contextlib

import pytest
from PIL import Image

from minicnn.cli.main import make_parser

FREE = {"quiet", "json"}            # these need no effect on the result
WAYS = {                            # command: arguments that choose a way to work
    "train": [[], ["--dry-run"], ["--model", "mlp"]],
    "eval": [[]], "predict": [["digit.png"]], "info": [[], ["--model", "mlp"]], "data": [["--dataset", "mnist5k"], []],
    "gradcheck": [[], ["user.py:square"]],
    "verify": [[], ["user.py:shift", "--size", "8,8"], ["user.py:net", "--size", "8,8", "--layers"]],
    "invariance": [["--models", "mlp", "--epochs", "1", "--images", "2", "--picture", "p.png"], ["--pools-only"]],
    "animate": [["--digits", "3", "--out", "a.html"], ["--figure", "f.png"], ["--out", "frames"]],
    "explore": [["--digits", "3"]], "export": [["model.onnx"]],
    "runs": [[]],
    "bench train": [[], ["--forward"], ["--profile"], ["--fixed"]], "bench conv": [[], ["--find"], ["--set", "random"]],
    "bench product": [[]]}
STUBS = {                           # the library does the work that these commands begin; a stub takes its place
    "runs": ["minicnn.training.find_runs"], "export": ["minicnn.interop.to_onnx"], "train": ["minicnn.training.fit"],
    "gradcheck": ["minicnn.gradcheck.user_function.check_user_function", "minicnn.gradcheck.run_catalogue"],
    "bench train": ["minicnn.bench.train.run", "minicnn.bench.profile.run", "minicnn.bench.fixed_part.run"],
    "bench conv": ["minicnn.bench.layers.run", "minicnn.bench.layers.find_records"],
    "bench product": ["minicnn.bench.matrix_product.run"]}
DRAWN = {"picture_size", "dpi"}
LATER = {                           # read after the work; `set` removes `network`
    "runs": DRAWN | {"picture"}, "bench train": DRAWN | {"chart"}, "bench conv": DRAWN | {"chart", "set"}}


class Watched(argparse.Namespace):
    """A Namespace that notes which of its attributes are read."""

    def __getattribute__(self, name):
        if not name.startswith("_"):
            vars(self).setdefault("_read", set()).add(name)
        return super().__getattribute__(name)


def parser_of(command):
    parser = make_parser()
    for word in command.split():
        parser = parser._subparsers._group_actions[0].choices[word]
    return parser


def value_of(action):
    """A text that is a value of the option: the default, a choice, or a number."""
    if action.nargs == 0:
        return []
    if action.choices:
        return [str(list(action.choices)[0])]
    return {"shape": ["3"], "by": ["1,1"], "size": ["8,8"], "picture": ["q.png"], "figure": ["g.png"],
            "out": ["b.html"], "report": ["r.html"], "digits": ["3"], "seeds": ["1"], "models": ["mlp"],
            "algo": ["direct"], "weights": ["w"], "against": ["none"], "network": ["lenet"], "algorithms": ["auto"],
             "checkpoint": ["w"], "data": ["d"], "resume": ["r"], "picture_size": ["8,4"], "dpi": ["40"],
            "beside": ["pool"]}.get(action.dest, ["2"])


@pytest.mark.parametrize(("command", "way"), [(command, way) for command, ways in WAYS.items() for way in ways],
                         ids=lambda value: " ".join(value) if isinstance(value, list) else value)
def test_an_option_is_read_or_refused(command, way, folder, monkeypatch, capsys):
    (folder / "user.py").write_text(
        "import numpy as np\nfrom minicnn import nn\nsquare = (lambda x: x * x), (lambda grad, x: 2 * grad * x)\n"
        "shift = lambda f: np.roll(f, 1, 3)\nnet = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.ReLU())\n")
    Image.new("L", (28, 28)).save("digit.png")
    parser, refused = parser_of(command), set()
    options = {action.dest: action for action in parser._actions if hasattr(action, "fallback")
               and not set(action.option_strings) & set(way) and (action.option_strings or not way)}
    for name, action in options.items():
        try:
            parser.parse_args([*way, *action.option_strings[-1:], *value_of(action)])
        except SystemExit:
            refused |= {name} if "has no effect" in capsys.readouterr().err else set()
    for name in STUBS.get(command, ["minicnn.equivariance.known_operators.run_catalogue"]):
        monkeypatch.setattr(name, stub)
    arguments = parser.parse_args(way, Watched())
    vars(arguments)["_read"] = set()
    with contextlib.suppress(Enough):
        arguments.run(arguments)
    ignored = options.keys() - vars(arguments)["_read"] - FREE - LATER.get(command, set()) - refused
    assert not ignored, f"minicnn {command} {' '.join(way)} ignores {', '.join(sorted(ignored))}"


class Enough(Exception):
    """The command has read its options."""


def stub(*arguments, **options):
    raise Enough


def test_every_command_is_tried():
    commands = set(make_parser()._subparsers._group_actions[0].choices)
    kinds = set(parser_of("bench")._subparsers._group_actions[0].choices)
    assert set(WAYS) == commands - {"bench"} | {f"bench {kind}" for kind in kinds}


def test_calibrate_takes_no_benchmark(run):
    status, out, err = run("bench", "--calibrate", "train")
    assert status == 2 and out == ""
    assert "error: --calibrate has no effect with {train,conv,product}: it measures the machine" in err


def test_no_help_names_a_default_twice():
    def parsers(parser, name):
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for word, one in action.choices.items():
                    yield from parsers(one, f"{name} {word}")
        yield name, parser
    found = dict(parsers(make_parser(), "minicnn"))
    assert len(found) > 15
    for name, parser in found.items():
        formatter = parser._get_formatter()
        for action in parser._actions:
            text = formatter._get_help_string(action) or ""
            assert text.count("default:") <= 1, f"{name}: {text}"
