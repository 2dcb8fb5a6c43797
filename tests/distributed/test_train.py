"""`mpiexec -n N minicnn train`: one log, one result, one directory; and what it refuses."""

import json
import os
import subprocess

import numpy as np
import pytest

from tests.data.idx_files import idx_bytes

from .conftest import MINICNN, environment

TRAIN = [*MINICNN, "train", "--dataset", "mnist5k", "--model", "mlp"]
SHORT = [*TRAIN, "--dry-run", "--epochs", "2", "--batch-size", "50"]


@pytest.mark.slow
def test_two_ranks_give_one_result(mpiexec, tmp_path):
    status, out, err = mpiexec(2, *TRAIN, "--epochs", "2", "--json")
    result = json.loads(out)
    assert status == 0 and out.count("\n") == 1 and result["ranks"] == 2 and result["epochs"] == 2
    assert err.startswith("2 ranks on 1 computer, with ") and err.count("\n") == err.count("epoch") + 2
    assert sorted(os.listdir(tmp_path / "runs")) == ["mnist5k-seed1"]
    assert sorted(os.listdir(tmp_path / "runs" / "mnist5k-seed1")) == [
        "best.safetensors", "history.jsonl", "last.safetensors", "learning_curve.png", "result.json"]
    status, out, err = mpiexec(1, *TRAIN, "--epochs", "2", "--json")            # one process is a usual training
    assert status == 0 and "ranks" not in err and json.loads(out)["ranks"] == 1
    assert abs(json.loads(out)["val_error"] - result["val_error"]) <= 0.005


@pytest.mark.slow
def test_two_ranks_of_the_lenet_reach_the_error_of_one(mpiexec, tmp_path):
    train = [*MINICNN, "train", "--dataset", "mnist5k", "--epochs", "2", "--json"]
    one, two = (json.loads(mpiexec(n, *train)[1]) for n in (1, 2))
    assert abs(one["val_error"] - two["val_error"]) <= 0.005 and two["val_error"] < 0.1


def test_ranks_with_other_options_are_refused(start, tmp_path):
    """mpiexec can give each rank its own command."""
    process = start(1, *SHORT, ":", "-n", "1", *SHORT, "--lr", "0.5")
    out, err = process.communicate()
    assert process.returncode == 2 and out == ""
    assert err.splitlines()[-1] == \
        "minicnn train: error: rank 1 would not do the same work as rank 0: lr is 0.5 instead of 0.002"


@pytest.mark.parametrize("options, message", [
    (["--lr", "-1"], "argument --lr: lr must be a number above 0, not -1.0"),
    (["--model", "nofile.py:Net"], "nofile.py: there is no such file"),
    (["--dataset", "mnist", "--data", "full"], "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3"),
    (["--out", "full"], "full exists and is not empty: choose another directory"),
    (["--lr", "1e30", "--optimizer", "sgd"], "the loss is nan in epoch 1, batch 2: try a smaller learning rate")])
def test_an_error_is_told_once(options, message, mpiexec, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    status, out, err = mpiexec(2, *SHORT, *options)
    assert status == 2 and out == "" and err.count("minicnn train: error: ") == 1 and message in err
    assert "Traceback" not in err


def test_memory_mapped_idx_files(mpiexec, tmp_path):
    (tmp_path / "mine").mkdir()
    rng = np.random.default_rng(0)
    for name, array in (("images", rng.integers(0, 256, (60, 8, 7))), ("labels", np.arange(60) % 3)):
        (tmp_path / "mine" / f"{name}.idx").write_bytes(idx_bytes(array.astype(np.uint8)))
    train = [*MINICNN, "train", "--data", "mine", "--model", "mlp", "--epochs", "2", "--batch-size", "7", "--json"]
    results = [json.loads(mpiexec(n, *train)[1]) for n in (1, 2)]
    one, two = ({name: result[name] for name in ("dataset", "source", "images", "val_error")} for result in results)
    assert one == two and one["images"] == [48, 12, 0] and [result["ranks"] for result in results] == [1, 2]
    assert mpiexec(2, *MINICNN, "train", "--resume", "runs/mine-seed1", "--epochs", "3", "--quiet")[0] == 0


def test_without_mpi4py_the_ranks_do_not_train(mpiexec, tmp_path):
    (tmp_path / "hide" / "mpi4py").mkdir(parents=True)
    (tmp_path / "hide" / "mpi4py" / "__init__.py").write_text("raise ImportError('there is no mpi4py')")
    path = os.pathsep.join([str(tmp_path / "hide"), environment()["PYTHONPATH"]])
    status, out, err = mpiexec(2, *SHORT, PYTHONPATH=path)
    assert status == 2 and out == "" and not (tmp_path / "runs").exists()
    assert err == ("minicnn train: error: 2 processes of minicnn train were started (the environment variable PMI_SIZE "
                   "is 2), and each would do the whole work. To share the work, install MPI: pip install "
                   "mpi4py mpich (there is no mpi4py)\n")


def test_an_mpiexec_of_another_mpi_is_told(tmp_path):
    pytest.importorskip("mpi4py")
    done = subprocess.run(SHORT, cwd=tmp_path, env=environment(OMPI_COMM_WORLD_SIZE="3"), text=True,
                          capture_output=True)
    assert done.returncode == 2 and "The library of MPI that mpi4py has found (" in done.stderr
    assert "knows of 1: use the mpiexec of the same MPI" in done.stderr


def test_ranks_without_images_are_told(mpiexec):
    status, _, err = mpiexec(3, *TRAIN, "--dry-run", "--batch-size", "2")
    assert status == 0 and err.count("1 of 3 ranks have no images in any step, because a batch has 2: give a larger "
                                     "--batch-size, or start fewer ranks\n") == 1


def test_another_command_is_refused_once(mpiexec, tmp_path):
    status, out, err = mpiexec(2, *MINICNN, "eval", "--picture", "a.png")
    assert status == 2 and out == "" and not list(tmp_path.iterdir()) and err.count("\n") == 1
    assert err.startswith("minicnn eval: error: 2 processes of minicnn eval were started (the environment variable ")
