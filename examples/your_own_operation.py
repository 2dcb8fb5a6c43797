# %% [markdown]
# # Add an operation: one function
# `record(result, inputs, vjp)` is the whole interface. The example is the function Swish, x sigmoid(x). Its gradient is
# checked, and then a network with it is trained.

# %%
import numpy as np

from minicnn import Tensor, nn, record
from minicnn import functional as F
from minicnn.data import load
from minicnn.gradcheck import gradcheck, safe_inputs
from minicnn.training import Settings, fit


def swish(x):
    a = x.data
    s = 1 / (1 + np.exp(-a))

    def vjp(grad):                  # (x s)' = s + x s (1 - s)
        return (grad * (s + a * s * (1 - s)),)
    return record(a * s, (x,), vjp)


# %%
print("gradcheck:", gradcheck(swish, safe_inputs((3, 4), rng=np.random.default_rng(0))))

# %% [markdown]
# ## In a network
# A Module calls the operation. The library has its parameters and its training.


# %%
class Network(nn.Module):
    def __init__(self, rng):
        self.hidden, self.out = nn.Linear(784, 32, rng=rng), nn.Linear(32, 10, rng=rng)

    def forward(self, x):
        return self.out(swish(self.hidden(F.flatten(x, 1))))


model = Network(np.random.default_rng(0))
history = fit(model, load("mnist5k"), Settings(epochs=3), progress=True)
print(f"validation error after 3 epochs: {history[-1]['val_error']:.1%}")
print("shape of the logits of one image:", model(Tensor(np.zeros((1, 1, 28, 28), np.float32))).shape)
