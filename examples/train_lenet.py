# %% [markdown]
# # Train a LeNet
# Four 5x5 convolutions, one max-pool and one linear layer learn 4,000 real digits.

# %%
import numpy as np

from minicnn import viz
from minicnn.data import load
from minicnn.models import LeNet
from minicnn.training import Settings, evaluate, fit

path = viz.picture_path("mistakes.png")
data = load("mnist5k")
model = LeNet(rng=np.random.default_rng(1))
print(model)

# %%
history = fit(model, data, Settings(epochs=3), progress=True)
for record in history:
    print(f"epoch {record['epoch']}: validation error {record['val_error']:.1%}")

# %% [markdown]
# ## Which digits are wrong?

# %%
found = evaluate(model, data.val_images, data.val_labels)
wrong = np.flatnonzero(found.predictions != data.val_labels)
print(f"{len(wrong)} of {len(data.val_labels)} validation digits are wrong")
figure, ax = viz.new_figure(7, 5)
viz.worst_mistakes(data.val_images, data.val_labels, found, ax)
print(f"picture: {path}")
viz.save(figure, path)
