"""Print for each operation how many samples are compared, and why the others are not."""

import importlib
from pathlib import Path

from .samples import compare_samples

total = 0
for path in sorted(Path(__file__).parent.glob("test_*.py")):
    for name, adapter in getattr(importlib.import_module(f".{path.stem}", __package__), "OPERATIONS", {}).items():
        try:
            counts = compare_samples(name, adapter)
        except AssertionError as error:
            print(f"{path.stem} {name}: FAILED {error}")
            continue
        total += counts["compared"]
        print(f"{path.stem} {name}: {', '.join(f'{count} {reason}' for reason, count in counts.items())}")
print(f"{total} samples compared")
