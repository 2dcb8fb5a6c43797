# %% [markdown]
# # Transposed convolution
# A convolution with stride 2 makes images smaller. Its adjoint, the transposed convolution, makes them larger: each
# pixel adds the kernel, times its value, to the output, two pixels after its neighbour. It is not the inverse.

# %%
import numpy as np

from minicnn import functional as F
from minicnn import viz
from minicnn.data import load
from minicnn.equivariance.matrix import operator_matrix

path = viz.picture_path("transposed_convolution.png")
rng = np.random.default_rng(0)
weight = rng.standard_normal((3, 2, 3, 3))                  # from 2 channels to 3, and transposed from 3 to 2
x, y = rng.standard_normal((1, 2, 9, 9)), rng.standard_normal((1, 3, 4, 4))

# %% [markdown]
# ## The adjoint
# <conv(x), y> = <x, transposed(y)> for all x and y. `backward` of a convolution uses this: the transposed convolution
# brings the gradient from the output back to the input.

# %%
small, large = F.conv2d(x, weight, stride=2).data, F.conv_transpose2d(y, weight, stride=2).data
print("conv2d:", x.shape, "->", small.shape, "  conv_transpose2d:", y.shape, "->", large.shape)
print(f"<conv(x), y> = {(small * y).sum():.10f}\n<x, transposed(y)> = {(x * large).sum():.10f}")

# %% [markdown]
# ## The transposed matrix
# A convolution without a bias is a matrix A: one row for each output pixel. The transposed convolution is A^T.

# %%
matrix = operator_matrix(weight, 9, stride=2)
print("A has the shape", matrix.shape)
print(f"largest difference from A^T y: {abs(matrix.T @ y.ravel() - large.ravel()).max():.1e}")

# %% [markdown]
# ## The checkerboard
# Tap i of input pixel q meets output pixel p = 2 q + i. Along one axis, a kernel of 3 has the taps 0, 1, 2: even pixels
# meet two taps (0 and 2), odd pixels only one (1). In two dimensions these are 4, 2 or 1 taps: a checkerboard, also
# where the image is constant. With a kernel of 4 every pixel meets two taps along each axis: 0 and 2, or 1 and 3. So
# the kernel should be a multiple of the stride (Odena et al. 2016, "Deconvolution and Checkerboard Artifacts").

# %%
counts = {}
for size in (3, 4):
    counts[size] = F.conv_transpose2d(np.ones((1, 1, 5, 5)), np.ones((1, 1, size, size)), stride=2).data[0, 0]
    inside = counts[size][2:-2, 2:-2]                       # fewer taps meet the pixels at the border
    print(f"kernel {size}: taps that meet a pixel inside: {np.unique(inside).astype(int)}")
    print(inside.astype(int))

# %% [markdown]
# ## A digit, enlarged with equal weights

# %%
digit = load("mnist5k").val_images[:1, None] / 255.0
figure, axes = viz.new_figure(11, 3.2, columns=4)
for ax, size in zip(axes[:2], counts, strict=True):
    ax.imshow(counts[size], cmap="cividis", vmin=0, vmax=4)
    for (row, column), count in np.ndenumerate(counts[size]):
        ax.text(column, row, f"{count:.0f}", ha="center", va="center", color="black" if count > 2 else "white")
    ax.set(title=f"taps for each pixel, kernel {size}", xticks=[], yticks=[])
for ax, size in zip(axes[2:], counts, strict=True):
    kernel = np.full((1, 1, size, size), 4 / size ** 2)
    ax.imshow(F.conv_transpose2d(digit, kernel, stride=2).data[0, 0, 4:54, 4:54], cmap="gray_r")
    ax.set(title=f"enlarged with kernel {size}", xticks=[], yticks=[])
print(f"picture: {path}")
viz.save(figure, path)
