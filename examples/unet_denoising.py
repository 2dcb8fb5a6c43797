# %% [markdown]
# # A U-Net removes noise
# A U-Net makes an image smaller step by step, and large again. At each size, a shortcut carries the details over
# (Ronneberger et al. 2015, "U-Net"). This one learns to turn a noisy digit into the digit.

# %%
import numpy as np

from minicnn import Tensor, no_grad, optim, viz
from minicnn.data import load
from minicnn.models import unet

path = viz.picture_path("unet_denoising.png")
data, rng = load("mnist5k"), np.random.default_rng(0)


def digits(images):
    return (images[:, None] / 255).astype(np.float32)


def noisy(clean):
    return clean + np.float32(0.5) * rng.standard_normal(clean.shape, np.float32)


model = unet(rng=np.random.default_rng(1))
print(f"{sum(parameter.size for parameter in model.parameters()):,} parameters")

# %% [markdown]
# ## Training
# The loss is the mean squared error: how far the output is from the digit without noise. Each step draws new noise.

# %%
clean, steps = digits(data.train_images), 120
optimizer = optim.AdamW(model.parameters(), lr=3e-3)
schedule = optim.OneCycleLR(optimizer, 3e-3, total_steps=steps)
model.train()
for step in range(steps):
    target = clean[rng.integers(0, len(clean), 32)]
    optimizer.zero_grad()
    error = model(Tensor(noisy(target))) - Tensor(target)
    loss = (error * error).mean()
    loss.backward()
    optimizer.step()
    schedule.step()
    if step % 20 == 19:
        print(f"step {step + 1}: mean squared error {loss.item():.4f}")

# %% [markdown]
# ## Digits that it has never seen

# %%
true = digits(data.val_images[:100])
given = noisy(true)
with no_grad():
    found = model.eval()(Tensor(given)).data
before, after = np.square(given - true).mean(), np.square(found - true).mean()
print(f"mean squared error before {before:.4f}, after {after:.4f}: {before / after:.0f} times smaller")

# %%
figure, ax = viz.new_figure(8, 3.4)
rows = [np.concatenate(list(images[:8, 0]), 1) for images in (given, found, true)]
ax.imshow(np.concatenate(rows), cmap="gray_r", vmin=0, vmax=1)
ax.set(xticks=[], yticks=[14, 42, 70], yticklabels=["noisy", "U-Net", "true"])
print(f"picture: {path}")
viz.save(figure, path)
