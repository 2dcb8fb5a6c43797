# %% [markdown]
# # A residual block by hand
# A residual block computes y = x + f(x). The shortcut x has no weights. It carries the input forward and the gradient
# backward, past all layers of f (He et al. 2016, "Deep Residual Learning for Image Recognition").

# %%
import numpy as np

from minicnn import Tensor, nn, optim, viz
from minicnn import functional as F
from minicnn.data import load, normalize

path = viz.picture_path("residual_block.png")
rng = np.random.default_rng(0)


def layers(rng, dtype=np.float32):
    return nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False, dtype=dtype, rng=rng), nn.ReLU(),
                         nn.Conv2d(8, 8, 3, padding=1, bias=False, dtype=dtype, rng=rng))


# %% [markdown]
# ## The gradient takes two ways
# For a cotangent g of y, the gradient of x is g + J^T g. The first term comes by the shortcut, unchanged. J is the
# Jacobian matrix of f, and J^T g comes through the layers of f.

# %%
f, g = layers(rng, np.float64), rng.standard_normal((1, 8, 6, 6))
x = Tensor(rng.standard_normal((1, 8, 6, 6)), requires_grad=True)
y = x + f(x)
y.backward(g)
alone = Tensor(x.data, requires_grad=True)
f(alone).backward(g)
print(f"largest difference from g + J^T g: {abs(x.grad - (g + alone.grad)).max():.1e}")
print("nn.Residual(f) is the same block:", np.array_equal(nn.Residual(f)(x).data, y.data))
print(f"size of g: {np.linalg.norm(g):.2f}, of J^T g: {np.linalg.norm(alone.grad):.2f}")

# %% [markdown]
# ## Thirty blocks
# With the usual weights at the start, J^T makes a gradient about five times smaller. Without shortcuts there are thirty
# such factors: nearly nothing arrives at the first block, and it learns nothing. With shortcuts the term g arrives.

# %%
data = load("mnist5k")
digits = F.avg_pool2d(Tensor(normalize(data.train_images[:1000])), 4).data         # 7 x 7 pixels
labels = data.train_labels[:1000]


def network(wrap, rng):
    blocks = [wrap(layers(rng)) for _ in range(30)]
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, rng=rng), *blocks, nn.Flatten(), nn.Linear(8 * 49, 10, rng=rng))


figure, (left, right) = viz.new_figure(9, 3.6, columns=2)
for name, wrap, style in (("plain: f(x)", lambda f: f, "s-"), ("residual: x + f(x)", nn.Residual, "o-")):
    model, losses = network(wrap, np.random.default_rng(1)), []
    x, inputs = Tensor(digits[:64]), []
    for layer in model:
        x = layer(x)
        x.retain_grad()
        inputs.append(x)                                # of the next layer
    F.cross_entropy(x, labels[:64]).backward()
    sizes = [np.linalg.norm(x.grad.astype(np.float64)) for x in inputs[:30]]
    optimizer = optim.AdamW(model.parameters(), lr=2e-3)
    for step in range(60):
        batch = np.arange(64 * step, 64 * (step + 1)) % len(labels)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(Tensor(digits[batch])), labels[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"{name:18}  gradient at block 1: {sizes[0]:.1e}, at block 30: {sizes[-1]:.1e}; "
          f"loss {losses[0]:.2f} -> {np.mean(losses[-10:]):.2f}")
    left.semilogy(range(1, 31), sizes, style, markersize=3, label=name)
    right.plot(losses, style, markersize=2, label=name)
left.set(xlabel="block", ylabel="size of the gradient of its input", title="Before training")
right.set(xlabel="step", ylabel="loss", title="Training")
right.legend()
print(f"picture: {path}")
viz.save(figure, path)
