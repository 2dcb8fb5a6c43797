# %% [markdown]
# # Assertions for your own tests
# Is a layer equivariant to shifts, and is a filter a convolution? Two assertions answer that in your tests. They take
# functions of arrays, functions of SciPy and scikit-image, and modules and functions of PyTorch and JAX as they stand.
# `python -m pytest examples/your_own_tests.py` runs the three tests below.

# %%
from functools import partial

import numpy as np
import scipy.ndimage

from minicnn.equivariance import ConvolutionError, EquivarianceError, assert_convolution, assert_equivariant
from minicnn.nn import Conv2d, MaxPool2d, ReLU, Sequential

blur = partial(scipy.ndimage.gaussian_filter, sigma=1, mode="wrap")             # "wrap": the image is a torus
conv = Conv2d(1, 4, 3, padding=1, padding_mode="circular", rng=np.random.default_rng(0))
network = Sequential(conv, ReLU(), MaxPool2d(2))

# %% [markdown]
# ## Three tests

# %%
def test_the_blur_is_a_convolution_that_keeps_the_brightness():
    report = assert_convolution(blur, size=9)
    np.testing.assert_allclose(report.impulse_response.kernel.sum(), 1)


def test_the_layers_before_the_pool_are_equivariant_to_all_shifts():
    assert_equivariant(Sequential(conv, ReLU()), size=8)


def test_the_network_is_equivariant_to_multiples_of_its_stride():
    assert_equivariant(network, size=8, shifts=[(2, 0), (0, 2), (4, -2)])


for check in (test_the_blur_is_a_convolution_that_keeps_the_brightness,
              test_the_layers_before_the_pool_are_equivariant_to_all_shifts,
              test_the_network_is_equivariant_to_multiples_of_its_stride):
    check()
    print(f"{check.__name__}: passed")

# %% [markdown]
# ## What a failure says
# A failure names the law, the shift, the pixel, its two values, a small input, the first layer that breaks the law, the
# reason, and what would mend it.

# %%
try:
    assert_equivariant(Sequential(conv, ReLU(), Conv2d(4, 1, 3, padding=1)), size=8)
except EquivarianceError as error:
    print(error)

# %%
try:
    assert_convolution(partial(scipy.ndimage.median_filter, size=3, mode="wrap"), size=9)
except ConvolutionError as error:
    print(error)
    print("first broken law:", error.report.witness.law)

# %% [markdown]
# `save_report(error.report, "median.html")` writes a page with the counterexamples as pictures.
