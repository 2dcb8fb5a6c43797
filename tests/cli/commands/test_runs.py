"""`minicnn runs`: the table, JSON, the picture; what is left out."""

import json
import shutil
from pathlib import Path

import pytest

from minicnn.checkpoint import load, save

TINY = ["train", "--dataset", "mnist5k", "--model", "mlp", "--dry-run", "--quiet"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three runs."""
    from minicnn.cli.main import main
    folder = tmp_path_factory.mktemp("made")
    for name, options in {"one": ["--epochs", "2"], "two": ["--optimizer", "sgd", "--seed", "2", "--augment", "shift"],
                          "three": ["--lr", "1e-9", "--epochs", "3"]}.items():
        assert main([*TINY, *options, "--out", str(folder / name)]) == 0
    return folder


@pytest.fixture
def runs(made, folder, capsys):
    capsys.readouterr()
    return Path(shutil.copytree(made, folder / "runs"))


def test_the_table(runs, run):
    status, out, err = run("runs")
    assert status == 0 and err == ""
    lines = out.splitlines()
    assert lines[0].split("  ")[0] == "run" and "validation" in lines[0] and "error" in lines[1]
    names = [line.split()[0] for line in lines[3:] if line.startswith("runs/")]
    assert len(names) == 3 and names[-1] == "runs/three", "the least validation error stands first"
    status, out, _ = run("runs", "runs/two", "runs/one", "runs")
    assert sum(line.startswith("runs/") for line in out.splitlines()) == 3, "each run once"


def test_at_every_width(runs, run, monkeypatch):
    for columns in (200, 80, 50, 30):
        monkeypatch.setenv("COLUMNS", str(columns))
        status, out, _ = run("runs")
        assert status == 0 and max(map(len, out.splitlines())) <= columns and "%" in out
    monkeypatch.setenv("COLUMNS", "200")
    out = run("runs")[1]
    rows = {line.split()[0]: line for line in out.splitlines() if line.startswith("runs/")}
    assert "lr 1e-09 " in rows["runs/three"] and "seed" not in rows["runs/three"] and "lr 0.002" in rows["runs/one"]
    assert "seed 2, max_shift 2, optimizer sgd" in rows["runs/two"] and "max_shift 0" not in out, "off is left out"
    assert out.endswith("settings that a row does not name: weight_decay 0.01, seed 1, optimizer adamw\n")


def test_model_data_and_what_else_differs_at_80_columns(runs, run):
    for name, size in (("two", 32), ("three", 48)):
        saved = load(runs / name / "last.safetensors")
        save(runs / name / "last.safetensors", saved.model, saved.optimizer, {
            **saved.meta, "from": "runs/one/best.safetensors",
            "rules": {**saved.meta["rules"], "size": [size, size]} if size == 48 else {"size": "large"}})
    status, out, err = run("runs")
    assert status == 0 and "mnist5k" in out and out.count("mlp") == 3 and max(map(len, out.splitlines())) <= 80
    out = " ".join(out.split())
    assert "runs/one/best.safetensors" in out and "48,48" in out and "28,28" in out
    found = {one["run"]: one for one in json.loads(run("runs", "--json")[1])["runs"]}
    assert found["runs/three"]["image_size"] == [48, 48] and found["runs/one"]["channels"] == 1
    assert found["runs/two"]["image_size"] is None and found["runs/two"]["from"] == "runs/one/best.safetensors"


def test_json(runs, run):
    for path in runs.iterdir():
        result = json.loads((path / "result.json").read_text())
        (path / "result.json").write_text(json.dumps({**result, "test_error": 0.5}))
    (runs / "foreign").mkdir()
    status, out, err = run("runs", "--json")
    result = json.loads(out)
    assert status == 0 and out.count("\n") == 1 and err == "left out: runs/foreign is not the directory of a run\n"
    assert result["left_out"] == [{"directory": "runs/foreign", "reason": "runs/foreign is not the directory of a run"}]
    errors = [one["val_error"] for one in result["runs"]]
    assert errors == sorted(errors) and result["picture"] is None
    assert result["differ"] == ["epochs", "lr", "weight_decay", "seed", "max_shift", "optimizer"]
    one = next(one for one in result["runs"] if one["run"] == "runs/one")
    history = [json.loads(line) for line in (runs / "one" / "history.jsonl").read_text().splitlines()]
    assert (one["model"], one["dataset"], one["epochs"], one["complete"], one["test_error"]) == (
        "mlp", "mnist5k", 2, True, 0.5)
    assert one["val_error"] == min(record["val_error"] for record in history)
    assert one["seconds"] == pytest.approx(sum(record["seconds"] for record in history), abs=1e-3)


@pytest.mark.parametrize("name", ["curves.png", "curves.pdf", "curves.svg"])
def test_the_picture(name, runs, run):
    status, out, _ = run("runs", "--picture", name)
    assert status == 0 and f"learning curves: {name}" in out
    assert Path(name).read_bytes()[:4] in (b"\x89PNG", b"%PDF", b"<?xm")
    if name.endswith("svg"):
        text = Path(name).read_text()
        assert all(f"<!-- {one} -->" in text for one in ("one", "two", "three"))


def test_runs_that_differ_in_the_seed_share_a_curve(folder, run, monkeypatch):
    drawn = []
    monkeypatch.setattr("minicnn.viz.learning_curves", lambda histories, ax: drawn.append(histories))
    monkeypatch.setattr("minicnn.viz.learning_curve", lambda history, ax: drawn.append(history))
    for name, seed, rate in (("net-seed1", 1, 0.001), ("net-seed2", 2, 0.001), ("slow", 1, 1e-9)):
        assert run(*TINY, "--seed", seed, "--lr", rate, "--out", f"runs/{name}")[0] == 0
    drawn.clear()                                 # a training draws its own curve
    assert run("runs", "--picture", "a.png")[0] == 0 and run("runs", "runs/slow", "--picture", "a.png")[0] == 0
    assert run("runs", Path("runs/slow").resolve(), "runs/net-seed1", "--picture", "a.png")[0] == 0
    together, alone, absolute = drawn
    assert {name: len(histories) for name, histories in together.items()} == {"net-seed… (2 seeds)": 2, "slow": 1}
    assert alone[0]["val_error"] == together["slow"][0][0]["val_error"] and set(absolute) == {"slow", "net-seed1"}


def test_a_damaged_run_is_named_and_left_out(runs, run, refused):
    last = runs / "two" / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-3])
    saved = load(runs / "one" / "last.safetensors")
    save(runs / "one" / "last.safetensors", saved.model, saved.optimizer, {**saved.meta, "history": 3})
    status, out, err = run("runs", "--json")
    result = json.loads(out)
    assert status == 0 and [one["run"] for one in result["runs"]] == ["runs/three"]
    assert err.count("left out: ") == 2 and "runs/one/last.safetensors: its metadata are damaged: history is 3" in err
    assert [one["directory"] for one in result["left_out"]] == ["runs/one", "runs/two"]
    assert "there is no run in runs/two: minicnn train makes one" in refused("runs", "runs/two")


def test_what_is_refused(runs, folder, run, refused):
    (folder / "empty").mkdir()
    (folder / "file").write_text("mine")
    before = run("runs")[1]
    for given, message in (
            (["nowhere"], "nowhere: No such file or directory: name a directory with runs"),
            (["file"], "file: Not a directory: name a directory with runs"),
            (["empty"], "there is no run in empty: minicnn train makes one"), ([""], "the path is empty"),
            (["runs", "--picture", "p.jpg"], "argument --picture: "), (["--picture", "none/p.png"], "none")):
        assert message in refused("runs", *given)
    assert run("runs")[1] == before and not Path("p.jpg").exists()
    shutil.rmtree(runs)
    assert "runs: No such file or directory: name a directory with runs" in refused("runs")
