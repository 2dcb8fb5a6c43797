# %% [markdown]
# # What is a convolution?
# Give an image with one bright pixel to a linear, shift-equivariant operator. The output is the impulse response. It
# determines the operator: every image is a sum of shifted bright pixels, so every output is a sum of shifted impulse
# responses.

# %%
import numpy as np

from minicnn import viz
from minicnn.equivariance import derivation, impulse_response, verify_convolution
from minicnn.nn import Conv2d

path = viz.picture_path("derivation.png")
conv = Conv2d(1, 1, 3, padding=1, padding_mode="circular", dtype=np.float64, rng=np.random.default_rng(3))
h = impulse_response(conv, size=(12, 12))
print("weight:\n", conv.weight.data[0, 0].round(2))
print("impulse response, which is the weight turned by 180 degrees:\n", h.kernel[0, 0].round(2))
print("its origin:", h.origin)

# %% [markdown]
# ## The derivation, step by step, computed for one image

# %%
image = np.zeros((12, 12))
image[3:9, 5:7], image[3:5, 3:9] = 1, -1
found = derivation(conv, image)
print(found)
print(f"picture: {path}")
viz.save(viz.derivation(found), path)

# %% [markdown]
# ## Which operators are convolutions?

# %%
operators = {
    "this layer": conv, "a blur": lambda f: (np.roll(f, 1, 3) + 2 * f + np.roll(f, -1, 3)) / 4,
    "a ReLU": lambda f: np.maximum(f, 0), "a mirror": lambda f: f[..., ::-1],
    "a vignette": lambda f: f * np.linspace(0.5, 1, 16), "every other pixel": lambda f: f[:, :, ::2, ::2],
}
for name, op in operators.items():
    report = verify_convolution(op)
    print(f"{name:18} {report.verdict}")
    if report.witness:
        print(f"{'':18} {report.witness}")
