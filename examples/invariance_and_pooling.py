# %% [markdown]
# # From equivariance to invariance
# Convolutions move along with the digit. To say "a seven, wherever it is" something must forget the place: pooling.

# %%
import sys

from minicnn import viz
from minicnn.data import load
from minicnn.invariance.maps import parameter_argument
from minicnn.invariance.networks import compare_models, comparison_table
from minicnn.invariance.pooling import compare_pools

print(parameter_argument())

# %% [markdown]
# ## How much a pooled map changes when the digit moves

# %%
data = load("mnist5k")
for row in compare_pools(data.val_images[:16]):
    print(f"{row.pool:20} even shifts {row.even:.3f}, odd shifts {row.odd:.3f}   ({row.of})")

# %% [markdown]
# ## Trained in the middle, asked elsewhere
# Two epochs each, 100 digits, to be quick; `minicnn invariance` does it properly.

# %%
results = compare_models(["mlp", "lenet", "lenet-global"], data, epochs=2, images=100, tell=print)
header, rows = comparison_table(results)
for row in [header, *rows]:
    print("  ".join(f"{cell:>11}" if i else f"{cell:32}" for i, cell in enumerate(row)))
figure, ax = viz.new_figure(8, 4.5)
viz.model_comparison(results, ax)
viz.save(figure, sys.argv[1] if len(sys.argv) > 1 else "invariance.png")
