"""The commands know all networks of the package."""

import json

from minicnn.cli.main import main
from minicnn.models import MODELS


def test_the_command_line_knows_all_models(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert set(MODELS) == {"lenet", "lenet-average", "lenet-blur", "lenet-global", "mlp"}
    assert main(["info", "--model", "lenet-blur", "--json"]) == 0
    layers = {layer["name"]: layer for layer in json.loads(capsys.readouterr().out)}
    assert layers["pool.0"]["receptive_field"] == 18 and layers["pool.1"]["receptive_field"] == 21
    assert layers["pool.1"]["out_shape"] == [5, 6, 6]
    training = ["train", "--dataset", "mnist5k", "--model", "lenet-global", "--dry-run", "--quiet", "--out", "run"]
    assert main(training) == 0
    assert main(["eval", "run", "--json"]) == 0
    assert '"model": "lenet-global"' in capsys.readouterr().out
