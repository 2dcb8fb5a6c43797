# %% [markdown]
# # From equivariance to invariance
# The maps of a convolution move with the digit. The class of a digit does not depend on its place, so a network must
# forget the place. Pooling does that.

# %%
from minicnn import viz
from minicnn.data import load
from minicnn.invariance import compare_models, compare_pools, comparison_table, parameter_argument
from minicnn.progress import on_stderr

path = viz.picture_path("invariance.png")
print(parameter_argument())

# %% [markdown]
# ## How much does a pooled map change when the digit moves?

# %%
data = load("mnist5k")
rows = compare_pools(data.val_images[:16])
for of in dict.fromkeys(row.of for row in rows):
    print(f"\nrelative change of the pooled map of {of}:")
    for row in rows:
        if row.of == of:
            print(f"  {row.pool:24} even shifts {row.even:.3f}, odd shifts {row.odd:.3f}")

# %% [markdown]
# ## Trained in the middle, tested at other places
# Each network trains for two epochs, and 100 digits are tested. `minicnn invariance` trains for longer.

# %%
with on_stderr("networks") as progress:
    results = compare_models(["mlp", "lenet", "lenet-global"], data, epochs=2, images=100, progress=progress)
header, table = comparison_table(results)
print("\naccuracy in % by the distance that the digit is moved:")
for line in [header, *table]:
    print("  ".join(f"{cell:>11}" if i else f"{cell:32}" for i, cell in enumerate(line)))
figure, ax = viz.new_figure(8, 4.5)
viz.model_comparison(results, ax)
print(f"picture: {path}")
viz.save(figure, path)
