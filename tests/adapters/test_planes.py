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
    "constant": (partial(ndimage.correlate, weights=CROSS, mode="constant"), "not a convolution at the border",
                 (None, None)),
    "median": (partial(ndimage.median_filter, size=3, mode="wrap"), "not linear; equivariant to all shifts", (1, 1)),
    "shift": (partial(ndimage.shift, shift=(1, 0), order=1, mode="grid-wrap"), "a convolution", (1, 1)),
    "convolve2d": (partial(signal.convolve2d, in2=CROSS, mode="same", boundary="wrap"), "a convolution", (1, 1)),
}


@pytest.mark.parametrize("name", KNOWN)
def test_functions_of_scipy(name):
    op, verdict, lattice = KNOWN[name]
    report = verify_convolution(op, 2, (8, 8), trials=2)
    assert report.verdict.startswith(verdict) and report.called == "called with each plane (H, W) by itself", report
    assert report.lattice == lattice


@pytest.mark.parametrize(("name", "options", "verdict", "lattice"), [
    ("gaussian", {"sigma": 1, "mode": "wrap"}, "a convolution", (1, 1)),
    ("median", {"mode": "wrap"}, "not linear; equivariant to all shifts", (1, 1)),
    ("sobel", {"mode": "wrap"}, "not linear; equivariant to all shifts", (1, 1)),
    ("laplace", {}, "not a convolution at the border", (None, None)),
])
def test_functions_of_skimage(name, options, verdict, lattice):
    filters = pytest.importorskip("skimage.filters")
    report = verify_convolution(partial(getattr(filters, name), **options), size=(8, 8), trials=2)
    assert report.verdict.startswith(verdict) and report.lattice == lattice, report


@pytest.mark.parametrize(("name", "options", "domain", "verdict", "lattice"), [
    ("GaussianBlur", {"ksize": (3, 3), "sigmaX": 1}, "torus", "not a convolution at the border, (1, 1, 1, 1)", None),
    ("blur", {"ksize": (3, 3), "borderType": 0}, "plane", "a convolution", (1, 1)),
    ("filter2D", {"ddepth": -1, "kernel": CROSS, "borderType": 0}, "plane", "a convolution", (1, 1)),
    ("Sobel", {"ddepth": -1, "dx": 1, "dy": 0, "borderType": 0}, "plane", "a convolution", (1, 1)),
    ("dilate", {"kernel": np.ones((3, 3), np.uint8)}, "window", "not linear; equivariant to no shift", (None, None)),
    ("flip", {"flipCode": 1}, "torus", "linear; equivariant to all shifts down, multiples of 4", (1, 4)),
    ("resize", {"dsize": None, "fx": 2, "fy": 2, "interpolation": 0}, "torus", "not a convolution, but one after 2 x 2",
     (1, 1)),
    ("medianBlur", {"ksize": 3}, "torus", "not linear; equivariant to no shift", (None, None)),
])
def test_functions_of_opencv(name, options, domain, verdict, lattice):
    cv2 = pytest.importorskip("cv2")
    report = verify_convolution(partial(getattr(cv2, name), **options), 2, (8, 8), domain, trials=2)
    assert report.verdict.startswith(verdict) and report.called == "called with each plane (H, W) by itself", report
    assert report.dtype == ("float32" if name == "medianBlur" else "float64")
    assert lattice is None or report.lattice == lattice


def test_a_function_of_opencv_that_takes_uint8_only():
    cv2 = pytest.importorskip("cv2")
    with pytest.raises(OperatorError, match="OpenCV refuses a plane of float32: .*CV_8UC1.*A function of uint8 needs"):
        verify_convolution(cv2.equalizeHist, size=(8, 8))
    wrapped = lambda f: cv2.blur(cv2.copyMakeBorder(f, 1, 1, 1, 1, cv2.BORDER_WRAP), (3, 3))[1:-1, 1:-1]
    assert verify_convolution(wrapped, size=(8, 8), trials=2).convolution


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
