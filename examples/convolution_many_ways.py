# %% [markdown]
# # One convolution, computed in six ways and by hand
# The definition, a matrix product, compiled loops, a Fourier transform, Winograd's tiles and a sparse matrix give the
# same result up to rounding. Their costs differ.

# %%
import math
import time

import numpy as np

from minicnn import functional as F
from minicnn.conv import Geometry, algorithms
from minicnn.conv.runtime.threads import set_num_threads

rng = np.random.default_rng(0)
image = rng.standard_normal((2, 3, 12, 12)).astype(np.float32)
weight = rng.standard_normal((4, 3, 5, 5)).astype(np.float32)

# %% [markdown]
# ## By hand: every output pixel is a sum over a window

# %%
by_hand = np.zeros((2, 4, 8, 8))
for y, x in np.ndindex(8, 8):
    window = image[:, :, y:y + 5, x:x + 5].astype(np.float64)
    by_hand[:, :, y, x] = np.einsum("ncij,kcij->nk", window, weight)

# %% [markdown]
# ## By each algorithm of minicnn

# %%
for name, algorithm in algorithms().items():
    out = F.conv2d(image, weight, algorithm=name).data
    error = abs(out - by_hand).max()
    print(f"{name:9} largest difference from the sum by hand: {error:.1e}; source: {algorithm.reference}")

# %% [markdown]
# ## Their costs: a layer of the LeNet, 64 images, on one thread
# Some algorithms are slow and only show a method. Their predicted cost is infinite, and they are left out here.

# %%
set_num_threads(1)
image = rng.standard_normal((64, 20, 24, 24)).astype(np.float32)
weight = rng.standard_normal((40, 20, 5, 5)).astype(np.float32)
geometry = Geometry.of(image.shape, weight.shape)
for name, algorithm in algorithms().items():
    if algorithm.cost(geometry) == math.inf:
        continue
    F.conv2d(image, weight, algorithm=name)                             # the first call may compile
    times = []
    for _ in range(3):
        start = time.perf_counter()
        F.conv2d(image, weight, algorithm=name)
        times.append(time.perf_counter() - start)
    print(f"{name:9} {1e3 * min(times):7.1f} ms")
print("For each output pixel and channel, Winograd needs 4 products, and the definition needs 25.")
