"""Write the seed corpus: `python -m tests.fuzz.make_corpus`. The files are kept in the repository."""

import gzip
import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import safetensors.numpy

from minicnn.checkpoint import save
from minicnn.conv import speeds
from minicnn.data import Dataset
from minicnn.models import MLP
from minicnn.training import Settings, fit
from tests.data.idx_files import TYPES, idx_bytes
from tests.fuzz.targets import CORPUS

SOURCES = {
    "function": "def f(x):\n    return x * 2.0\n",
    "class": "import numpy as np\n\n\nclass A:\n    def __call__(self, x):\n        return np.sin(x)\n\n\nf = A()\n",
    "strings": "# -*- coding: utf-8 -*-\nf = '''\\x00 \\u00e9''' + \"%s\" % 3\n__all__ = ['f']\n",
    "error": "raise ValueError('no')\n", "exit": "import sys\nf = 1\nsys.exit(0)\n"}


def main():
    rng = np.random.default_rng(0)
    write("idx", {name: idx_bytes(rng.normal(0, 40, (2, 3, 4)).astype(name)) for name in TYPES})
    write("idx", {"labels": idx_bytes(np.arange(9, dtype=np.uint8)), "empty": idx_bytes(np.zeros((0, 3), np.uint8)),
                  "qmnist": idx_bytes(np.arange(16, dtype=np.int32).reshape(2, 8)),
                  "images.gz": gzip.compress(idx_bytes(np.ones((3, 5, 5), np.uint8)), mtime=0)})
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.safetensors")
        save(path, {"w": rng.normal(size=(2, 3)), "b": np.ones(2, bool), "n": np.array(3)}, {"0.m": np.ones(2)},
             {"epoch": 1})
        ours = path.read_bytes()
    arrays = {"w": np.ones((2, 2), np.float32), "half": np.ones(3, np.float16), "empty": np.zeros((0, 2))}
    write("tensors", {"ours": ours, "foreign": safetensors.numpy.save(arrays, {"format": "pt"}),
                      "plain": safetensors.numpy.save({"module.w": np.arange(4, dtype=np.int8)})})
    images, labels = np.zeros((8, 28, 28), np.uint8), np.arange(8)
    with TemporaryDirectory() as folder:
        fit(MLP(2, rng=rng), Dataset("tiny", "made", images, labels, images, labels), Settings(epochs=2, batch_size=4),
            out=Path(folder, "run"), extra_meta={"model": "MLP"})
        files = Path(folder, "run").glob("*.safetensors")
        write("run", {path.name: path.read_bytes() for path in files})
    write("speeds", {"speeds.json": json.dumps({"kernels": 1, "speeds": asdict(speeds.speeds())}).encode(),
                     "list": b"[1, 2]"})
    write("users", {f"{name}.txt": text.encode() for name, text in SOURCES.items()})


def write(target, contents):
    (CORPUS / target).mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (CORPUS / target / name).write_bytes(content)


if __name__ == "__main__":
    main()
