# %% [markdown]
# # From equivariance to invariance
# The maps of a convolution move along with the digit. To answer "a seven, wherever it is" a network must forget the
# place. Pooling does that.

# %%
import sys

from minicnn import viz
from minicnn.data import load
from minicnn.invariance import compare_models, compare_pools, comparison_table, parameter_argument
from minicnn.progress import on_stderr

print(parameter_argument())

# %% [markdown]
# ## How much a pooled map changes when the digit moves

# %%
data = load("mnist5k")
for row in compare_pools(data.val_images[:16]):
    print(f"{row.pool:20} even shifts {row.even:.3f}, odd shifts {row.odd:.3f}   ({row.of})")

# %% [markdown]
# ## Trained in the middle, tested elsewhere
# Two epochs each and 100 digits, so that it is quick. `minicnn invariance` trains for longer.

# %%
with on_stderr("networks") as progress:
    results = compare_models(["mlp", "lenet", "lenet-global"], data, epochs=2, images=100, progress=progress)
header, rows = comparison_table(results)
for row in [header, *rows]:
    print("  ".join(f"{cell:>11}" if i else f"{cell:32}" for i, cell in enumerate(row)))
figure, ax = viz.new_figure(8, 4.5)
viz.model_comparison(results, ax)
viz.save(figure, sys.argv[1] if len(sys.argv) > 1 else "invariance.png")
