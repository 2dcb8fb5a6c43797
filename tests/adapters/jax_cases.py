"""Functions and arrays of JAX as they stand; `test_jax.py` runs these tests in a process of their own."""

import numpy as np
import pytest

import minicnn
from minicnn import InputError, InputTypeError, Tensor
from minicnn.equivariance import verify_convolution
from minicnn.equivariance.matrix import eigenvalues, operator_matrix
from minicnn.gradcheck import GradcheckError, GradcheckWarning, gradcheck
from minicnn.invariance.functions import on_arrays

jax = pytest.importorskip("jax")
jnp, lax = jax.numpy, jax.lax
WEIGHT = np.random.default_rng(0).normal(size=(2, 1, 3, 3))


def convolve(x, weight=WEIGHT, stride=1, padding="VALID"):
    wrapped = jnp.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="wrap") if padding == "VALID" else x
    return lax.conv_general_dilated(wrapped, jnp.asarray(weight, x.dtype), (stride, stride), padding)


def pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")


SINGLE = jnp.ones((1, 1, 1, 1), jnp.float32)
KNOWN = {                       # function, start of the verdict, lattice
    "roll": (lambda x: jnp.roll(x, 1, 3) * 0.3, "a convolution", (1, 1)),
    "jit": (jax.jit(lambda x: jnp.roll(x, 1, 3) * 0.3), "a convolution", (1, 1)),
    "conv": (convolve, "a convolution", (1, 1)),
    "stride": (lambda x: convolve(x, stride=2), "not a convolution, but every 2 x 2-th pixel of one", (2, 2)),
    "zeros": (lambda x: convolve(x, padding="SAME"), "not a convolution at the border, (1, 1, 1, 1)", (None, None)),
    "relu": (jax.nn.relu, "not linear; equivariant to all shifts", (1, 1)),
    "pool": (pool, "not linear; equivariant to multiples of 2", (2, 2)),
    "fft": (lambda x: jnp.fft.irfft2(jnp.fft.rfft2(x) * 0.5, s=x.shape[2:]), "a convolution", (1, 1)),
    "resize": (lambda x: jax.image.resize(x, (*x.shape[:2], 16, 16), "nearest"), "not a convolution, but one", (1, 1)),
    "flip": (lambda x: jnp.flip(x, 3), "linear; equivariant to all shifts down, multiples of 4 across", (1, 4)),
    "only float32": (lambda x: lax.conv_general_dilated(x, SINGLE, (1, 1), "VALID"), "a convolution", (1, 1)),
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_verdict(name):
    op, verdict, lattice = KNOWN[name]
    report = verify_convolution(op, size=(8, 8), trials=2)
    assert report.verdict.startswith(verdict) and report.called == "called with arrays of JAX", report
    assert report.lattice == lattice
    assert report.dtype == ("float32" if name == "only float32" else "float64")
    assert jnp.ones(1).dtype == jnp.float32                 # the 64-bit mode is off again


def test_matrix_spectrum_and_invariance():
    blur = jax.jit(lambda x: (jnp.roll(x, 1, 3) + 2 * x + jnp.roll(x, -1, 3)) / 4)
    np.testing.assert_allclose(operator_matrix(blur, (1, 4)).toarray()[0], [0.5, 0.25, 0, 0.25])
    np.testing.assert_allclose(eigenvalues(blur, (1, 4)), [[1, 0.5, 0, 0.5]], atol=1e-15)
    pooled = on_arrays(jax.jit(lambda x: x.max((2, 3))))(np.eye(4, dtype=np.float32)[None, None])
    assert pooled.tolist() == [[1.0]] and pooled.dtype == np.float32


def test_dlpack():
    x = minicnn.from_dlpack(jnp.arange(3.0))
    assert x.data.tolist() == [0, 1, 2] and x.dtype == np.float32
    assert jnp.from_dlpack(Tensor([1.0, 2.0])).tolist() == [1, 2]


def custom(forward, backward):
    """A jax.custom_vjp of one array."""
    made = jax.custom_vjp(forward)
    made.defvjp(lambda x: (forward(x), x), lambda x, grad: (backward(grad, x),))
    return made


X = np.array([0.3, -1.2, 2.0])
PARAMETERS = {"w": np.ones((3, 2)), "b": np.zeros(2), "n": 3}
RIGHT = {                       # function, inputs
    "sin": (jnp.sin, (X,)),
    "jit": (jax.jit(lambda a, b: (a * b).sum()), (X, X)), "lambda": (lambda x: jnp.exp(x), (X,)),
    "grad": (jax.grad(lambda a: (a ** 3).sum()), (X,)), "custom": (custom(jnp.sin, lambda g, x: g * jnp.cos(x)), (X,)),
    "tree": (lambda p, x: {"out": [jnp.tanh(x @ p["w"] + p["b"])]}, (PARAMETERS, X)),
    "indices": (lambda x, n: (x[n], jnp.argmax(x)), (X, np.array([0, 2]))),
    "Partial": (jax.tree_util.Partial(lambda w, x: w * x, X), (X,)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_gradients_pass(name):
    func, inputs = RIGHT[name]
    assert gradcheck(func, inputs) and gradcheck(func, inputs, fast_mode=True)
    assert jnp.ones(1).dtype == jnp.float32


WRONG = {
    "factor": (custom(jnp.square, lambda g, x: g * x), r"input 0, shape \(3,\), .*\nanalytic = 0.5 x numeric"),
    "sign": (custom(jnp.square, lambda g, x: -2 * g * x), "the sign is wrong"),
    "clipped": (custom(jnp.square, lambda g, x: 2 * x * jnp.clip(g, -1, 1)), "not linear in its cotangent"),
    "forgotten use": (lambda x: x * jax.lax.stop_gradient(x), "one of two uses of the input"),
    "forgotten path": (lambda x: x - jax.lax.stop_gradient(x.mean()), "a way from the input to the output is"),
    "complex": (lambda x: x * 1j, "output 0 is complex128, and only real"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_gradients_are_located(name):
    with pytest.raises(GradcheckError, match=WRONG[name][1]):
        gradcheck(WRONG[name][0], X)


@pytest.mark.parametrize(("func", "given", "message"), [
    (jnp.abs, jnp.array([1j]), "input 0 is complex64, and only gradients of real numbers"),
    (jnp.argmax, X, "must return a floating-point array of JAX, .* not an array of int64"),
    (jnp.sin, np.array([1, 2]), "nothing to check"),
])
def test_what_has_no_gradient(func, given, message):
    with pytest.raises((InputTypeError, InputError), match=message):
        gradcheck(func, given)


def test_float32_is_said():
    only = lambda x: lax.conv_general_dilated(x, SINGLE, (1, 1), "VALID")
    with pytest.warns(GradcheckWarning, match="works only in float32 .*same dtypes"):
        assert gradcheck(only, np.ones((1, 1, 2, 2)))
    with pytest.warns(GradcheckWarning, match="input 0: float32 is too coarse"):
        assert gradcheck(jnp.sin, jnp.asarray(X, jnp.float32))


def test_the_command_line_tries_jax(tmp_path, capsys):
    from minicnn.cli.main import main
    (tmp_path / "my.py").write_text("import jax.numpy as jnp\ndef right(x, y):\n    return jnp.sin(x) @ y.T\n"
                                    "def wrong(x):\n    return jnp.ones(7) + jnp.sin(x)\n")
    assert main(["gradcheck", f"{tmp_path}/my.py:right", "--quiet"]) == 0
    assert "my.py:right was called with arrays of JAX, and differentiated by jax.vjp" in " ".join(
        capsys.readouterr().out.split())
    assert main(["gradcheck", f"{tmp_path}/my.py:wrong", "--quiet"]) == 2
    assert "wrong raised ValueError: Incompatible shapes" in capsys.readouterr().err
