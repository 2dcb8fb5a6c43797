"""What is left in the cells of a notebook that a real kernel executed."""

import os
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs pip install 'minicnn[notebooks]'")
nbclient = pytest.importorskip("nbclient", reason="needs pip install 'minicnn[notebooks]'")
pytest.importorskip("ipykernel", reason="needs pip install 'minicnn[notebooks]'")

CELLS = """
import numpy as np
from minicnn import Tensor, nn, viz
from minicnn.data import load
from minicnn.models import MLP
from minicnn.training import Settings, fit
model, data = MLP(8, rng=np.random.default_rng(0)), load("mnist5k")
---
fit(model, data, Settings(epochs=3), progress=True)
---
model
---
Tensor(data.val_images[:3, None])
---
figure, ax = viz.new_figure(2, 1)
viz.save(figure, viz.picture_path("a.png"))
---
from minicnn.equivariance import verify_convolution
verify_convolution(lambda f: 2 * f)
---
from minicnn.progress import shown
with shown(True, "work") as progress:
    for step in range(20_000):
        progress.update(step, 20_000, "steps")
        if step == 10_000:
            progress.note("half")
    print("a line of the work")
---
with shown(True, "work") as progress:
    progress.update(1, 2)
    1 / 0
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """The outputs of each cell."""
    folder = tmp_path_factory.mktemp("notebook")
    cells = [nbformat.v4.new_code_cell(text.strip()) for text in CELLS.split("---")]
    cells[-1].metadata["tags"] = ["raises-exception"]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
        nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3",
                                resources={"metadata": {"path": str(folder)}}).execute()
    assert os.path.exists(folder / "a.png")
    return [cell.outputs for cell in notebook.cells]


def test_a_training_leaves_its_lines_and_its_history(outputs):
    bar, history = outputs[1]
    lines = bar["data"]["text/plain"].split("\n")
    assert lines[0].startswith("fit: done in ") and [line[:9] for line in lines[1:]] == ["epoch 1/3", "epoch 2/3",
                                                                                         "epoch 3/3"]
    assert "<progress" not in bar["data"]["text/html"] and history["data"]["text/html"].startswith("<table>")
    assert history["data"]["text/plain"].startswith("[{'epoch': 1") and "<img" in history["data"]["text/html"]


def test_results_are_shown(outputs):
    model, images, figure, report = (cell[-1]["data"] for cell in outputs[2:6])
    assert "for an input of shape" in model["text/html"] and "784" not in model["text/plain"].split("\n")[0]
    assert 'alt="Tensor of shape (3, 1, 28, 28)' in images["text/html"]
    assert "image/png" in figure and "<b>a convolution (" in report["text/html"]


def test_a_bar_floods_nothing(outputs):
    bar, line = outputs[6]
    assert bar["data"]["text/plain"].split("\n")[1:] == ["half"] and line["text"] == "a line of the work\n"
    bar, error = outputs[7]
    assert bar["data"]["text/plain"].startswith("work: stopped at 50%") and error["ename"] == "ZeroDivisionError"
