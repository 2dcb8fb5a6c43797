"""The types of options, each with good and bad text, and the options that would be ignored."""

import argparse
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from minicnn.cli import options
from minicnn.cli.commands.train import _new_directory, _quoted
from minicnn.cli.options import (
    Parser,
    add_settings,
    commas,
    destination,
    given_path,
    name_of,
    names,
    shape,
    to_integer,
    to_number,
)
from minicnn.errors import InputError


@pytest.mark.parametrize(("parse", "text", "value"), [
    (to_integer(), "-3", -3), (to_integer(1), "7", 7), (to_integer(0, 9), " 9 ", 9),
    (to_number(above=0), "2e-3", 0.002), (to_number(above=0, most=100), "100", 100.0),
    (commas(to_integer(0), "1,2"), "4", (4,)), (commas(to_integer(0), "1,2"), "1, 2,1", (1, 2, 1)),
    (commas(to_integer(1), "16,16", 2), "5,6", (5, 6)),
    (name_of(("a", "b")), "b", "b"), (names(lambda: ("a", "b"), "a,b"), "b,a", ("b", "a")),
    (shape, "3,4", (3, 4)), (shape, "(5,)", (5,)), (shape, "(2, 3)", (2, 3)),
    (destination(".png", ".pdf"), "a.PNG", Path("a.PNG"))])
def test_good_text(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(("parse", "text", "message"), [
    (to_integer(1), "0", "must be an integer of at least 1, not '0'"),
    (to_integer(0), "-1", "must be an integer of at least 0, not '-1'"),
    (to_integer(0, 9), "10", "must be an integer from 0 to 9, not '10'"),
    (to_integer(), "1.5", "must be an integer, not '1.5'"), (to_integer(), "", "must be an integer, not ''"),
    (to_integer(), "1_000", "must be an integer, not '1_000'"),
    (to_integer(), "9" * 19, "must be an integer, not '999"),
    (to_integer(), "٣", "must be an integer"),
    (to_number(above=0), "0", "must be a number above 0, not '0'"), (to_number(above=0), "inf", "above 0, not 'inf'"),
    (to_number(above=0, most=100), "101", "must be a number above 0 and at most 100, not '101'"),
    (to_number(above=0), "fast", "must be a number above 0, not 'fast'"),
    (commas(to_integer(0), "1,2"), "1,,2", "in '1,,2': each must be an integer of at least 0, not ''; write as in 1,2"),
    (commas(to_integer(0), "1,2"), "a", "^must be an integer of at least 0, not 'a'"),
    (commas(to_integer(1), "16,16", 2), "5", "write 2 values with a comma between, as in 16,16, not '5'"),
    (commas(to_integer(1), "16,16", 2), "5,0", "each must be an integer of at least 1, not '0'"),
    (name_of(("a", "b")), "c", "must be one of a, b, not 'c'"),
    (names(("a", "b"), "a,b"), "a,c", "in 'a,c': each must be one of a, b, not 'c'"),
    (names(("a", "b"), "a,b"), "b,a,b", "in .b,a,b.: b stands there twice; name it once"),
    (options.given_path, " ", "the path is empty: name a file"),
    (shape, "0,3", "each must be an integer of at least 1, not '0'"), (shape, "", "must be an integer of at least 1"),
    (destination(".png"), "a.txt", "a.txt: the name must end in .png"),
    (destination(".png"), "nowhere/a.png", "its directory does not exist; create it first"),
    (destination(".png"), "folder.png", "directory")])
def test_bad_text_says_what_was_given_and_expected(parse, text, message, folder):
    (folder / "folder.png").mkdir()
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        parse(text)


@dataclass
class Settings:
    steps: int = field(default=3, metadata={"help": "how many"})
    rate: float = field(default=0.5, metadata={"help": "how fast"})
    depth: int = 1

    def __post_init__(self):
        if self.steps < 1:
            raise InputError(f"steps must be at least 1, not {self.steps}")


@pytest.fixture
def parser():
    parser = Parser(prog="minicnn draw")
    parser.add_argument("target", nargs="?", metavar="FILE")
    parser.add_argument("--picture", type=destination(".png"), default="picture.png")
    parser.add_argument("--size", type=to_integer(1), default=4, help="how large")
    parser.add_argument("--kind", choices=("line", "dot"), default="line")
    parser.add_argument("--text", action="store_true")
    add_settings(parser, Settings, but=("depth",), rate=(None, "0.5 where not given"))
    parser.refuse("size", unless="target")
    parser.refuse("picture", "kind", when="text", because="there is no picture")
    parser.refuse("size", when=("kind", "dot"))
    parser.refuse("steps", when=lambda given: given.steps > 99, because="nobody looks at so many")
    return parser


def test_defaults_and_fields_of_a_dataclass(parser, folder):
    found = parser.parse_args(["file", "--steps", "7"])
    assert (found.target, found.size, found.kind, found.text, found.steps, found.rate) == ("file", 4, "line", False, 7,
                                                                                         None)
    assert found.picture == Path("picture.png") and found.destinations == [Path("picture.png")]
    text = " ".join(parser.format_help().split())
    assert parser.options == ["target", "picture", "size", "kind", "text", "steps", "rate"] and "depth" not in text
    assert "--steps N how many (default: 3)" in text and "--rate X how fast; 0.5 where not given" in text


def test_a_destination_that_is_not_used_is_not_checked(parser, folder, monkeypatch):
    monkeypatch.setattr("minicnn.cli.options.values.check_destination", lambda *arguments: pytest.fail("checked"))
    assert parser.parse_args(["--text"]).picture is None


@pytest.mark.parametrize(("given", "message"), [
    (["--size", "4"], "--size has no effect without FILE"),             # the default, but given
    (["--text", "--picture", "a.png"],
     "--picture has no effect with --text: there is no picture. Leave out one of the two"),
    (["--text", "--kind", "line"], "--kind has no effect with --text"),
    (["file", "--kind", "dot", "--size", "3"], "--size has no effect with --kind dot. Leave out one of the two"),
    (["--steps", "100"], "--steps has no effect here: nobody looks at so many"),
    (["--steps", "0"], "argument --steps: steps must be at least 1, not 0"),
    (["--steps", "x"], "argument --steps: must be an integer, not 'x'"),
    (["--steps", "1_0"], "argument --steps: must be an integer, not '1_0'"),
    (["--rate", "1_0"], "argument --rate: must be a number, not '1_0'"),
    (["--rate", "x"], "argument --rate: must be a number, not 'x'")])
def test_an_option_that_would_be_ignored_is_refused(given, message, parser, capsys):
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(given)
    assert stop.value.code == 2
    assert re.match(re.escape(f"minicnn draw: error: {message}"), capsys.readouterr().err)


def test_examples_are_folded_into_one_command_and_floats_are_short(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "42")
    parser = Parser(prog="minicnn draw", epilog="example: minicnn draw --augment shift --seed 2 --out runs/shifted")
    parser.add_argument("--limit", default=60.0, help="seconds")
    text = parser.format_help()
    assert max(map(len, text.splitlines())) <= 40 and "seconds (default: 60)" in text
    example = text[text.index("example:"):].rstrip()
    assert "\n" in example and example.replace("\\\n", " ").split() == [
        "example:", "minicnn", "draw", "--augment", "shift", "--seed", "2", "--out", "runs/shifted"]


def test_the_default_destination_is_checked_too(parser, folder, capsys):
    Path("picture.png").mkdir()
    with pytest.raises(SystemExit):
        parser.parse_args([])
    assert "argument --picture: picture.png could not be written: it is a directory" in capsys.readouterr().err


# Odd paths.

LONG = "a" * 300


@pytest.mark.parametrize(("arguments", "message"), [
    (["train", "--out", LONG], f"argument --out: {LONG} could not be written: the name is too long"),
    (["train", "--resume", LONG], f"--resume {LONG}: there is no last.safetensors in it"),
    (["eval", LONG], f"{LONG}: there is no such file"), (["data", "--data", LONG], "there is no such directory"),
    (["data", "--data", "~nobody-here/x"], "--data ~nobody-here/x: there is no such directory")])
def test_a_name_that_is_too_long_or_of_nobody(arguments, message, refused):
    assert message in refused(*arguments)


@pytest.mark.parametrize(("arguments", "name"), [
    (["train", "--dry-run", "--dataset", "mnist5k"], "runs"), (["train", "--out", "run"], "run"),
    (["animate"], "animation.gif"), (["animate", "--out", "frames"], "frames"),
    (["eval", "--picture", "a.png"], "a.png")])
def test_a_current_directory_that_was_removed(arguments, name, refused, folder, monkeypatch):
    (folder / "gone").mkdir()
    monkeypatch.chdir(folder / "gone")
    (folder / "gone").rmdir()
    assert f"{name} could not be written: the current directory does not exist any more" in refused(*arguments)


def test_the_home_directory(folder, monkeypatch):
    """A shell leaves the ~ of --out=~/run as it is."""
    monkeypatch.setenv("HOME", str(folder))
    assert given_path("~/digits") == str(folder / "digits")
    assert destination(".png")("~/a.png") == folder / "a.png" and _new_directory("~/run") == folder / "run"
    with pytest.raises(argparse.ArgumentTypeError, match="the path is empty"):
        given_path(" ")


def test_a_path_in_a_line_for_the_shell():
    assert [_quoted(Path(name)) for name in ("runs/a", "my run", "-x")] == ["runs/a", "'my run'", "./-x"]
