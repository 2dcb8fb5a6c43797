"""Which output of an operator is judged, and the order of its axes."""

from collections import namedtuple

import numpy as np
import pytest

from minicnn import InputError, InputTypeError
from minicnn.adapters import as_operator
from minicnn.equivariance import (
    OperatorError,
    assert_convolution,
    assert_equivariant,
    derivation,
    impulse_response,
    layer_reports,
    verify_convolution,
)
from minicnn.nn import MaxPool2d

Maps = namedtuple("Maps", "sharp flat")


def several(f):
    return np.roll(f, 1, 2), f ** 2


def named(f):
    return {"sharp": np.roll(f, 1, 2), "flat": f.sum()}


def fields(f):
    return Maps(np.roll(f, 1, 2), f.sum())


@pytest.mark.parametrize(("op", "output"), [(several, 0), (several, -2), (named, 0), (named, "sharp"),
                                            (fields, 0), (fields, "sharp"), (lambda f: list(several(f)), 0)])
def test_an_output_is_chosen(op, output):
    report = verify_convolution(op, 1, (8, 6), trials=2, output=output)
    assert report and report.impulse_response.origin == (-1, 0) and report.called == f"output {output}"
    assert impulse_response(op, 1, (8, 6), output=output).origin == (-1, 0)
    assert assert_equivariant(op, 1, (8, 6), output=output, shifts=[(1, 0)]) == [((1, 0), 0.0)]
    assert assert_convolution(op, 1, (8, 6), output=output, trials=2).called == f"output {output}"
    assert derivation(as_operator(op, output), np.ones((1, 3, 4)))


def test_channels_last():
    calls = []

    def op(f):
        calls.append((f.shape[1:], f.flags.c_contiguous))
        return np.concatenate([np.roll(f, 1, 2), f], 3)
    report = verify_convolution(op, 3, (8, 6), trials=2, layout="nhwc")
    assert report.impulse_response.kernel.shape == (6, 3, 1, 2) and report.called == "axes (N, H, W, C)"
    assert set(calls) == {((8, 6, 3), True)}
    assert impulse_response(op, 3, (8, 6), layout="nhwc").kernel.shape == (6, 3, 1, 2)
    assert len(assert_equivariant(op, 3, (8, 6), layout="nhwc")) == 6
    twice = as_operator(as_operator(several, 1), layout="nhwc")
    assert verify_convolution(twice, 2, (4, 4), trials=2).called == "axes (N, H, W, C), output 1"
    first = as_operator(several, 0)
    assert verify_convolution(first, 2, (4, 4), trials=2, output=1).called == "output 1"


def test_layers_of_a_module_with_a_layout():
    layer, = layer_reports(MaxPool2d(2), 8, (1, 8), "torus", layout="nhwc", trials=1)    # it pools W and C
    assert layer.report.offset.shape == (4,) and layer.report.size == (1, 8)


def inplace(f):
    f += 1
    return f


@pytest.mark.parametrize(("op", "options", "message"), [
    (several, {}, r"returned a tuple of 2: 0 is an array of shape \(1, 1, 8, 8\), 1 is an .*: choose an output, as in "
                  r"output=0"),
    (named, {}, r"returned a dict of 2: 'sharp' is an array of .*: choose an output, as in output='sharp'"),
    (lambda f: [], {}, r"returned an empty list; it must return an array"),
    (several, {"output": 2}, r"the operator has no output 2; it returned a tuple of 2: .*\. Choose one of 0 to 1"),
    (named, {"output": "blunt"}, r"the operator has no output 'blunt'; .*Choose one of 'sharp', 'flat'"),
    (several, {"output": "sharp"}, r"has no output 'sharp'; .*Choose one of 0 to 1"),
    (abs, {"output": 0}, r"output=0 chooses one of several outputs, but the operator returned one ndarray: leave it"),
    (named, {"output": "flat"}, r"the operator returned a float64; it must return an array"),
    (lambda f, mask: f * mask, {}, r"raised TypeError .*; it needs 2 inputs \(f, mask\): write a function of one imag"),
    (inplace, {"layout": "nhwc"}, "the operator changed its input in place"),
    (lambda f: f @ np.ones((1, 2)), {}, r"raised ValueError.*; but it takes an array of shape \(1, 8, 8, 1\): if its "
                                        r"images are \(N, H, W, C\), choose layout='nhwc'"),
])
def test_what_is_not_chosen_is_named(op, options, message):
    with pytest.raises(OperatorError, match=message):
        verify_convolution(op, 1, (8, 8), trials=1, **options)


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"output": 1.5}, InputTypeError, r"output must be the place or the name of an output, as in output=0, not 1.5"),
    ({"output": True}, InputTypeError, "output must be the place"),
    ({"layout": "hwc"}, InputError, r"layout must be 'nchw' \(channels first\) or 'nhwc' \(channels last\), not 'hwc'"),
])
def test_misuse(options, error, message):
    with pytest.raises(error, match=message):
        verify_convolution(abs, **options)


def test_the_command_line(tmp_path, capsys):
    from minicnn.cli.main import main
    (tmp_path / "my.py").write_text("import numpy as np\n\ndef op(f):\n    return {'a': np.roll(f, 1, 2), 'b': f}\n")
    options = ["verify", f"{tmp_path}/my.py:op", "--size", "8,8", "--quiet"]
    assert main([*options, "--output", "a", "--layout", "nhwc"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "axes (N, H, W, C), output a)" in out and "the origin at (0, -1)" in out
    assert main([*options, "--output", "1"]) == 0
    assert main(options) == 2
    assert "'b' is an array of shape (1, 1, 8, 8); it must return an array (N, C, H, W): choose an output, as in " \
        "--output a" in capsys.readouterr().err
