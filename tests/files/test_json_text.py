"""JSON that every reader accepts."""

import json

import pytest

from minicnn.files.json_text import as_json


def test_what_json_does_not_have_is_null_and_a_word_says_where(caplog):
    value = {"loss": float("nan"), "errors": [1.5, float("-inf")], "deep": {"a": (float("inf"), 2)}}
    assert json.loads(as_json(value), parse_constant=pytest.fail) == {
        "loss": None, "errors": [1.5, None], "deep": {"a": [None, 2]}}
    assert caplog.messages == ["minicnn: loss is nan, errors[1] is -inf, deep.a[0] is inf: written as null, because "
                               "JSON has neither NaN nor infinity"]
    caplog.clear()
    as_json([float("nan")] * 5)
    assert "[0] is nan, [1] is nan, [2] is nan, and 2 more: written as null" in caplog.text
    caplog.clear()
    assert as_json(float("nan"), warn=False) == "null" and as_json({"a": 1.0}) == '{"a": 1.0}' and not caplog.text
