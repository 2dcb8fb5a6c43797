"""Tables at every width, and notes about files that were replaced."""

import json
import os
import sys

import pytest

from minicnn.cli.output import WIDEST, Column, as_json, replacements, table, width, wrap

COLUMNS = (Column("name", left=True, least=8), Column("median"), Column("peak MB", 2), Column("error", 1),
           Column("flag", left=True))
ROWS = [["minicnn with a long name", "7.25", "212", "1e-7", ""], ["textbook NumPy", "600", "1 394", "3e-7", ""]]


@pytest.mark.parametrize("columns_wide", range(12, 100))
def test_no_line_is_wider_than_the_width_and_nothing_important_is_cut(columns_wide):
    text = table(COLUMNS, ROWS, columns_wide)
    assert max(map(len, text.splitlines())) <= columns_wide
    words = text.split()
    assert {"7.25", "600", "minicnn", "name", "NumPy"} <= set(words)
    assert "flag" not in words and "..." not in text            # an empty column is not shown
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


def test_the_least_important_column_goes_first_and_is_named():
    assert "do not fit" not in table(COLUMNS, ROWS, 60)
    fewer = table(COLUMNS, ROWS, 30)
    assert "1e-7" in fewer and "212" not in fewer
    assert " ".join(fewer.split()).endswith("columns that do not fit: peak MB (a wider terminal shows them)")
    fewest = table(COLUMNS, ROWS, 17)
    assert "1e-7" not in fewest and " ".join(fewest.split()).endswith(
        "columns that do not fit: peak MB, error (a wider terminal shows them)")


def test_blocks_where_not_even_the_important_columns_fit():
    text = table(COLUMNS, ROWS, 14)
    assert "median: 600" in text and "error: 1e-7" in text and "----" not in text


def test_a_table_without_rows():
    assert table((Column("a"), Column("b")), [], 40) == "a  b\n-  -"


def test_folding_keeps_words_whole():
    assert wrap("see runs/a/very/long/path.safetensors there", 10) == "see\nruns/a/very/long/path.safetensors\nthere"
    assert wrap("two\nlines", 10) == "two\nlines"


@pytest.mark.parametrize(("given", "expected"), [("40", 40), ("7", 20), ("", 80), ("wide", 80), ("0", 80)])
def test_width_of_a_pipe(given, expected, monkeypatch):
    monkeypatch.setenv("COLUMNS", given)
    assert width() == expected


def test_json_has_no_nan():
    text = as_json({"a": [1.0, float("nan"), (float("inf"),)], "b": {"c": -float("inf")}, "d": True})
    assert json.loads(text) == {"a": [1.0, None, [None]], "b": {"c": None}, "d": True}


def test_replacements_are_told(folder, capsys):
    old, other = folder / "old.txt", folder / "other.txt"
    old.write_text("old"), other.write_text("other")
    with replacements([old, other, folder / "new.txt"]):
        (folder / "new.txt").write_text("new")
        (folder / "part").write_text("new")
        os.replace(folder / "part", old)
    assert capsys.readouterr().err == f"{old}: replaced\n"


@pytest.mark.parametrize(("columns", "expected"), [(0, 80), (1, 20), (90, 90)])
def test_the_width_of_a_terminal(columns, expected, monkeypatch):
    monkeypatch.setattr("minicnn.cli.output.results", lambda: sys.__stdout__)
    monkeypatch.setattr(os, "get_terminal_size", lambda descriptor: os.terminal_size((columns, 24)))
    assert width() == expected
    monkeypatch.setenv("COLUMNS", "10000000000")
    assert width() == WIDEST
