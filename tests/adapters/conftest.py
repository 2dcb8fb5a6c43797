"""These files import JAX, and are therefore not for this process: `test_jax.py` runs each in another one."""

import sys

import pytest

collect_ignore = ["flax_cases.py", "jax_cases.py", "keras_cases.py"]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads of PyTorch that wait for work on images of 8 x 8 only disturb."""
    torch = sys.modules.get("torch")
    threads = torch and torch.get_num_threads()
    if torch:
        torch.set_num_threads(1)
    yield
    if torch:
        torch.set_num_threads(threads)
