# %% [markdown]
# # Derivatives from a tape
# Every operation writes its inputs and its derivative onto a tape. `backward` reads this tape from its end.

# %%
import numpy as np

from minicnn import Tensor, record

x = Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
y = (x * x).sum()
y.backward()
print("d sum(x^2) / dx =", x.grad, "and 2 x =", 2 * x.data)

# %% [markdown]
# ## A value that is used twice
# Each use gives a gradient. The tape adds them up.

# %%
a = Tensor(np.array(3.0), requires_grad=True)
b = a * a + a                       # da: 2 a + 1
b.backward()
print("d (a^2 + a) / da at 3 =", a.grad)

# %% [markdown]
# ## An operation of your own
# The forward pass and its vector-Jacobian product stand side by side. cube(x) = x^3, and its derivative is 3 x^2.


# %%
def cube(x):
    a = x.data
    return record(a ** 3, (x,), lambda grad: (grad * 3 * a ** 2,))


z = Tensor(np.array([1.0, -2.0]), requires_grad=True)
cube(z).sum().backward()
print("d sum(z^3) / dz =", z.grad)

# %% [markdown]
# ## Fit a line by gradient descent

# %%
rng = np.random.default_rng(0)
inputs = rng.standard_normal(100)
targets = 2 * inputs - 1 + 0.1 * rng.standard_normal(100)
slope, offset = Tensor(np.zeros(1), requires_grad=True), Tensor(np.zeros(1), requires_grad=True)
for _ in range(200):
    slope.grad = offset.grad = None
    error = slope * Tensor(inputs) + offset - Tensor(targets)
    (error * error).mean().backward()
    slope.data -= 0.1 * slope.grad
    offset.data -= 0.1 * offset.grad
print(f"y = {slope.data[0]:.2f} x + {offset.data[0]:.2f}; the data are y = 2 x - 1 plus noise")
