"""Functions of one plane, as those of SciPy and scikit-image; and functions that are no operator of any library."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from scipy import ndimage, signal

from minicnn.equivariance import verify_convolution
from minicnn.equivariance.operator import OperatorError

CROSS = np.array([[0.0, 1.0, 0.0], [1.0, -4.0, 2.0], [0.0, 1.0, 0.0]])
KNOWN = {                       # function, start of the verdict, lattice
    "gaussian": (partial(ndimage.gaussian_filter, sigma=1, mode="wrap"), "a convolution", (1, 1)),
    "gaussian, reflect": (partial(ndimage.gaussian_filter, sigma=1), "linear; equivariant to no", (None, None)),
    "uniform": (partial(ndimage.uniform_filter, size=3, mode="wrap"), "a convolution", (1, 1)),
    "sobel": (partial(ndimage.sobel, axis=1, mode="grid-wrap"), "a convolution", (1, 1)),
    "laplace": (partial(ndimage.laplace, mode="wrap"), "a convolution", (1, 1)),
    "convolve": (partial(ndimage.convolve, weights=CROSS, mode="wrap"), "a convolution", (1, 1)),
    "constant": (partial(ndimage.correlate, weights=CROSS, mode="constant"), "not a convolution at the border", None),
    "median": (partial(ndimage.median_filter, size=3, mode="wrap"), "not linear; equivariant to all shifts", (1, 1)),
    "shift": (partial(ndimage.shift, shift=(1, 0), order=1, mode="grid-wrap"), "a convolution", (1, 1)),
    "convolve2d": (partial(signal.convolve2d, in2=CROSS, mode="same", boundary="wrap"), "a convolution", (1, 1)),
}


@pytest.mark.parametrize("name", KNOWN)
def test_functions_of_scipy(name):
    op, verdict, lattice = KNOWN[name]
    report = verify_convolution(op, 2, (8, 8), trials=2)
    assert report.verdict.startswith(verdict) and report.called == "called with each plane (H, W) by itself", report
    assert lattice is None or report.lattice == lattice


@pytest.mark.parametrize(("name", "options", "verdict"), [
    ("gaussian", {"sigma": 1, "mode": "wrap"}, "a convolution"),
    ("median", {"mode": "wrap"}, "not linear; equivariant to all shifts"),
    ("sobel", {"mode": "wrap"}, "not linear; equivariant to all shifts"),
    ("laplace", {}, "not a convolution at the border"),
])
def test_functions_of_skimage(name, options, verdict):
    filters = pytest.importorskip("skimage.filters")
    report = verify_convolution(partial(getattr(filters, name), **options), size=(8, 8), trials=2)
    assert report.verdict.startswith(verdict), report


def test_a_function_that_fails_on_images_gets_planes():
    def transposed(plane):
        height, width = plane.shape
        return plane[::-1, :]
    report = verify_convolution(transposed, 2, (8, 8), trials=2)
    assert report.called == "called with each plane (H, W) by itself" and report.lattice == (4, 1)
    assert verify_convolution(lambda f: ndimage.gaussian_filter(f, (0, 0, 1, 1), mode="wrap"), size=(8, 8)).called == ""


def test_the_first_error_is_told():
    with pytest.raises(OperatorError, match=r"raised ValueError for an input of shape \(1, 1, 8, 8\), float64: mine"):
        verify_convolution(fails, size=(8, 8))


def fails(f):
    raise ValueError("mine")


def test_no_framework_is_imported():
    code = ("import sys, numpy as np\nfrom minicnn.equivariance import verify_convolution\n"
            "verify_convolution(lambda f: np.roll(f, 1, 3), size=(4, 4), trials=1)\n"
            "assert not {'torch', 'jax', 'skimage', 'cv2', 'keras'} & set(sys.modules)")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
