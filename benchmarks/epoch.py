"""One epoch of MNIST: `minicnn train` and the same training in PyTorch, whole processes in turn.

    python benchmarks/epoch.py [--data DIR] [--repeats 3]

Both train the LeNet on 55,000 images (AdamW, one cycle, batch 64) and then print the error on the validation and the
test images. PyTorch uses its faster layout, channels_last, and takes batches from a tensor that is normalised
beforehand, without a DataLoader. The seconds are those of the whole process, with imports and reading of the data.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from statistics import median

BATCH, LR, WEIGHT_DECAY = 64, 2e-3, 1e-2


def train_in_torch(data_dir):
    """Train the LeNet in PyTorch and print its errors as JSON."""
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    from minicnn.data import load, normalize
    data = load("mnist", data_dir)
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(1, 20, 5), nn.ReLU(), nn.Conv2d(20, 40, 5), nn.ReLU(), nn.Conv2d(40, 40, 5),
                          nn.ReLU(), nn.Conv2d(40, 5, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(180, 10))
    model = model.to(memory_format=torch.channels_last)
    images = torch.from_numpy(normalize(data.train_images)).to(memory_format=torch.channels_last)
    labels = torch.from_numpy(data.train_labels.astype("int64"))
    steps = -(-len(images) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=steps)
    order = torch.randperm(len(images))
    for chosen in order.split(BATCH):
        optimizer.zero_grad()
        cross_entropy(model(images[chosen]), labels[chosen]).backward()
        optimizer.step()
        schedule.step()

    @torch.no_grad()
    def error(images, labels):
        batches = torch.from_numpy(normalize(images)).to(memory_format=torch.channels_last).split(256)
        predictions = torch.cat([model(batch).argmax(1) for batch in batches]).numpy()
        return float((predictions != labels).mean())
    print(json.dumps({"val_error": error(data.val_images, data.val_labels),
                      "test_error": error(data.test_images, data.test_labels)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="directory with the four IDX files (else MINICNN_DATA, else the cache)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--torch", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.torch:
        return train_in_torch(arguments.data)
    place = ["--data", arguments.data] if arguments.data else []
    seconds = {"minicnn": [], "PyTorch channels_last": []}
    with tempfile.TemporaryDirectory() as out:
        for n in range(arguments.repeats):
            commands = {"minicnn": [sys.executable, "-P", "-m", "minicnn", "train", "--dataset", "mnist", "--epochs",
                                    "1", "--seed", "1", "--quiet", "--json", "--out", f"{out}/{n}", *place],
                        "PyTorch channels_last": [sys.executable, __file__, "--torch", *place]}
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
