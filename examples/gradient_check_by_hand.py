# %% [markdown]
# # Is that gradient right?
# Change one input a little, measure the change of the output, and compare their ratio with the gradient of backward.

# %%
import numpy as np

from minicnn import Tensor, record
from minicnn import functional as F
from minicnn.gradcheck import GradcheckError, gradcheck

rng = np.random.default_rng(0)
image = Tensor(rng.standard_normal((1, 2, 6, 6)), requires_grad=True)
weight = Tensor(rng.standard_normal((3, 2, 3, 3)), requires_grad=True)
cotangent = rng.standard_normal((1, 3, 4, 4))       # random, because ones would not show a kernel that was not flipped

# %% [markdown]
# ## By hand
# A convolution is linear in each argument, so a central difference has no truncation error. Thus the step may be 1.


# %%
def loss():
    return (F.conv2d(image, weight) * Tensor(cotangent)).sum()


loss().backward()
where = (1, 0, 2, 1)
value = weight.data[where]
weight.data[where] = value + 1
above = loss().item()
weight.data[where] = value - 1
below = loss().item()
weight.data[where] = value
print(f"backward: {weight.grad[where]:.12f}, finite difference: {(above - below) / 2:.12f}")

# %% [markdown]
# ## By gradcheck, for every input at once

# %%
print("conv2d:", gradcheck(F.conv2d, (image, weight), eps=1.0, rtol=1e-10, atol=1e-10))


# %% [markdown]
# ## A wrong gradient: the factor 2 is missing
# The check names the element, the error and the likely cause.

# %%
def square(x):
    a = x.data
    return record(a * a, (x,), lambda grad: (grad * a,))


try:
    gradcheck(square, Tensor(np.array([1.0, 2.0]), requires_grad=True))
except GradcheckError as error:
    print(error)
