"""Every example runs, is short, and is in the list of examples/README.md."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
PICTURES = {"train_lenet", "impulse_response", "translation_equivariance", "invariance_and_pooling"}


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_example(script, tmp_path):
    picture = tmp_path / "picture.png"
    process = subprocess.run([sys.executable, "-W", "error", script, picture], cwd=tmp_path, capture_output=True,
                             text=True, timeout=1200, env=ENVIRONMENT)
    assert process.returncode == 0, process.stderr
    assert picture.exists() == (script.stem in PICTURES) == (f"picture: {picture}" in process.stdout)
    assert "nan" not in process.stdout.split()


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_a_picture_that_cannot_be_written_is_told_before_the_work(name, tmp_path):
    process = subprocess.run([sys.executable, FOLDER / f"{name}.py", tmp_path / "nowhere" / "a.png"], cwd=tmp_path,
                             capture_output=True, text=True, env=ENVIRONMENT)
    assert process.returncode == 1 and process.stdout == "" and "Traceback" not in process.stderr
    assert "a.png could not be written: its directory does not exist; create it first" in process.stderr


def test_the_list_is_complete_and_examples_are_short():
    listed = (FOLDER / "README.md").read_text()
    for script in FOLDER.glob("*.py"):
        assert f"`{script.name}`" in listed
        lines = script.read_text().splitlines()
        assert len(lines) <= 80, script.name
        assert lines[0] == "# %% [markdown]", script.name
