"""A training on MNIST: `minicnn train` and the same training in PyTorch, whole processes in turn.

    python benchmarks/epoch.py [--model lenet] [--epochs 1] [--shift] [--data DIR] [--repeats 3]

Both train on 55,000 images (AdamW, one cycle, batch 64), keep the weights with the least validation error, and print
their errors on the validation and the test images. PyTorch uses its faster layout, channels_last. Batches come from
minicnn's DataLoader. The seconds are those of the whole process, with imports and reading of the data.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from statistics import median

BATCH, LR, WEIGHT_DECAY = 64, 2e-3, 1e-2


def train_in_torch(name, epochs, shift, data_dir):
    """Train a network in PyTorch and print its errors as JSON."""
    import numpy as np
    import torch
    from torch.nn.functional import cross_entropy

    from minicnn.bench.libraries.torch import MODULES
    from minicnn.data import DataLoader, load, normalize
    data = load("mnist", data_dir)
    torch.manual_seed(1)
    model = MODULES[name]().to(memory_format=torch.channels_last)
    steps = epochs * -(-len(data.train_images) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=steps)

    @torch.no_grad()
    def error(images, labels):
        model.eval()
        batches = torch.from_numpy(normalize(images)).to(memory_format=torch.channels_last).split(256)
        predictions = torch.cat([model(batch).argmax(1) for batch in batches]).numpy()
        return float((predictions != labels).mean())
    best = None
    for epoch in range(epochs):
        model.train()
        for images, labels in DataLoader(data.train_images, data.train_labels, BATCH, shuffle=True,
                                         max_shift=2 * shift, rng=np.random.default_rng([1, epoch])):
            optimizer.zero_grad()
            x = torch.from_numpy(images).to(memory_format=torch.channels_last)
            cross_entropy(model(x), torch.from_numpy(labels)).backward()
            optimizer.step()
            schedule.step()
        found = error(data.val_images, data.val_labels)
        if best is None or found < best[0]:
            best = found, {key: tensor.clone() for key, tensor in model.state_dict().items()}
    model.load_state_dict(best[1])
    print(json.dumps({"val_error": best[0], "test_error": error(data.test_images, data.test_labels)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=("lenet", "small-resnet"), default="lenet")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--shift", action="store_true", help="move each image by up to 2 pixels")
    parser.add_argument("--data", help="directory with the four IDX files (else MINICNN_DATA, else the cache)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--torch", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.torch:
        return train_in_torch(arguments.model, arguments.epochs, arguments.shift, arguments.data)
    same = ["--model", arguments.model, "--epochs", str(arguments.epochs)]
    same += ["--data", arguments.data] if arguments.data else []
    seconds = {"minicnn": [], "PyTorch channels_last": []}
    with tempfile.TemporaryDirectory() as out:
        for n in range(arguments.repeats):
            commands = {"minicnn": [sys.executable, "-P", "-m", "minicnn", "train", "--dataset", "mnist", "--seed", "1",
                                    "--quiet", "--json", "--out", f"{out}/{n}", *same,
                                    *["--augment", "shift"] * arguments.shift],
                        "PyTorch channels_last": [sys.executable, __file__, "--torch", *same,
                                                  *["--shift"] * arguments.shift]}
            for name, command in commands.items():
                start = time.perf_counter()
                result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
                seconds[name].append(time.perf_counter() - start)
                errors = {key: value for key, value in json.loads(result).items() if key in ("val_error", "test_error")}
                print(f"{name:22} {seconds[name][-1]:6.1f} s  {errors}", flush=True)
    ratio = median(seconds["PyTorch channels_last"]) / median(seconds["minicnn"])
    print(f"minicnn takes 1/{ratio:.2f} of PyTorch's time (medians of {arguments.repeats}, in turn)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
