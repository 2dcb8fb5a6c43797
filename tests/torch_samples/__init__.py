"""PyTorch's own test inputs (OpInfo), given to minicnn. `python -m tests.torch_samples` counts those compared."""
