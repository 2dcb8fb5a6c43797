# %% [markdown]
# # The feature map moves with the digit
# Shift the digit and then compute its map, or compute the map and then shift it: the results are equal to the last bit.

# %%
import numpy as np

from minicnn import viz
from minicnn.data import load, normalize
from minicnn.data.placement import place, placements
from minicnn.models import lenet
from minicnn.moving_digit import feature_map
from minicnn.moving_digit.figure import equivariance_figure

path = viz.picture_path("equivariance.png")
model = lenet(pretrained=True, algorithm="direct").eval()
digit = load("mnist5k").val_images[:1]

# %% [markdown]
# ## All 121 places on a 38x38 canvas

# %%
offsets = placements(28, 38)
maps = feature_map(model, "conv4", normalize(place(np.repeat(digit, len(offsets), 0), 38, offsets)))
first, size = maps[0], maps.shape[-1]
exact = [np.array_equal(moved[:, dy:, dx:], first[:, :size - dy, :size - dx])
         for moved, (dy, dx) in zip(maps, offsets, strict=True)]
print(f"the map of conv4 is exactly the shifted map at {sum(exact)} of {len(exact)} places")

# %% [markdown]
# ## A pooled map moves exactly only for even shifts

# %%
pooled = model.pool(maps).data
for by in (1, 2, 3, 4):
    moved = pooled[by]                                                  # offset (0, by)
    step = by // 2
    error = abs(moved[..., step + 1:-1] - pooled[0][..., 1:pooled.shape[-1] - step - 1]).max()
    print(f"digit moved by {by}, pooled map moved by {step}: largest difference {error:.2f}")

# %%
figure, largest = equivariance_figure(model)
print(f"picture: {path}")
viz.save(figure, path)
