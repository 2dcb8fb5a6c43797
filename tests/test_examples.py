"""Every example runs, is short, and is in the list of examples/README.md.

It runs as a notebook, made by the command in that list. Without Jupyter it runs as a script.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
PICTURES = {"train_lenet", "impulse_response", "translation_equivariance", "invariance_and_pooling",
            "residual_block", "transposed_convolution", "unet_denoising"}
SLOW = {"train_lenet", "invariance_and_pooling", "convolution_many_ways", "residual_block", "unet_denoising"}
JUPYTER = all(map(find_spec, ("jupytext", "nbclient", "ipykernel")))
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py"))


def run_script(name, folder, *arguments):
    warnings = "error" if JUPYTER else "default"        # old libraries warn about the newest of those that they use
    return subprocess.run([sys.executable, "-W", warnings, FOLDER / f"{name}.py", *arguments], cwd=folder, timeout=1200,
                          capture_output=True, text=True, env=ENVIRONMENT)


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory):
    """The directory of the notebooks that the documented command makes."""
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copytree(FOLDER, folder / "examples", ignore=shutil.ignore_patterns("pictures", "notebooks"))
    command = re.search(r"^    (jupytext .*) examples/\*\.py$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    done = subprocess.run([sys.executable, "-m", *shlex.split(command.group(1)),
                           *sorted((folder / "examples").glob("*.py"))], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "examples" / "notebooks"


def run_notebook(path, folder, monkeypatch):
    """Execute a notebook. Returns the text on stdout and the number of pictures that it shows."""
    import nbclient
    import nbformat
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    notebook.cells.insert(0, nbformat.v4.new_code_cell("import warnings; warnings.simplefilter('error')"))
    nbclient.NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return ("".join(one.text for one in outputs if one.get("name") == "stdout"),
            sum("image/png" in one.get("data", ()) for one in outputs))


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in SCRIPTS])
def test_example(name, tmp_path, request, monkeypatch):
    if name.endswith("_pytorch") and find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    if JUPYTER:
        text, shown = run_notebook(request.getfixturevalue("notebooks") / f"{name}.ipynb", tmp_path, monkeypatch)
        assert shown == (name in PICTURES)
    else:
        process = run_script(name, tmp_path)
        text = process.stdout
        assert process.returncode == 0, process.stderr
    picture = re.search(r"^picture: (.*)$", text, re.MULTILINE)
    assert (picture is not None) == (name in PICTURES)
    assert [path.name for path in tmp_path.glob("*.png")] == ([picture.group(1)] if picture else [])
    assert "nan" not in text.split()


def test_the_tests_of_an_example_run_by_pytest(tmp_path):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", FOLDER / "your_own_tests.py"]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=ENVIRONMENT)
    assert process.returncode == 0 and process.stdout.startswith("... "), process.stdout


def test_a_script_writes_its_picture_to_the_path_that_it_is_given(tmp_path):
    picture = tmp_path / "other.svg"
    process = run_script("impulse_response", tmp_path, picture)
    assert process.returncode == 0, process.stderr
    assert picture.exists() and f"picture: {picture}\n" in process.stdout and not list(tmp_path.glob("*.png"))


def test_a_picture_that_cannot_be_written_is_told_before_the_work(tmp_path):
    for name in PICTURES:                       # the first cell asks for the path
        assert "\npath = viz.picture_path(" in (FOLDER / f"{name}.py").read_text().split("# %%")[2], name
    process = run_script("impulse_response", tmp_path, tmp_path / "nowhere" / "a.png")
    assert process.returncode == 1 and process.stdout == "" and "Traceback" not in process.stderr
    assert "a.png could not be written: its directory does not exist; create it first" in process.stderr


def test_the_list_is_complete_and_examples_are_short():
    listed = (FOLDER / "README.md").read_text()
    for name in SCRIPTS:
        assert f"`{name}.py`" in listed
        lines = (FOLDER / f"{name}.py").read_text().splitlines()
        assert len(lines) <= 80, name
        assert lines[0] == "# %% [markdown]", name
