"""Fixtures of all tests. There is no global random state: a test that draws numbers uses `rng`."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from minicnn.files import cache_dir

# numba reads this variable when it is imported. Every test has a cache directory of its own; the compiled kernels stay
# from one run of the tests to the next.
os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_dir() / "kernels"))

MNIST = Path(os.environ.get("MINICNN_DATA") or Path(__file__).parents[2] / "shared" / "mnist")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def mnist_dir():
    """The directory with the four official MNIST files: MINICNN_DATA, or shared/mnist beside the repository."""
    if not MNIST.is_dir():
        pytest.skip("full MNIST is not at hand: set MINICNN_DATA to its directory")
    return MNIST


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """No test reads or writes the user's cache, or depends on what the user has set."""
    for name in ("MINICNN_DATA", "MINICNN_CONV_ALGO", "MINICNN_VERBOSE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MINICNN_HOME", str(tmp_path / "home"))


@pytest.fixture
def few_kernels(request, monkeypatch):
    """Winograd with one tile for each kernel size and one size of register blocks, because kernels compile for seconds.

    The blocks do not fit most numbers of channels and tiles. The interpreter compiles nothing, so with it all sizes are
    used.
    """
    from minicnn.conv.algorithms import winograd
    if "interpreter" not in request.fixturenames:
        tile = {2: 4, 3: 4, 4: 3, 5: 4, 6: 3, 7: 2}     # r -> m of F(m x m, r x r)
        monkeypatch.setattr(winograd, "best_tile", lambda geometry: tile[geometry.kernel[0]])
        monkeypatch.setattr(winograd, "product_block_size", lambda channels, columns: (3, 2))
        monkeypatch.setattr(winograd, "weight_block_size", lambda channels, vectors: (2, 1))
    winograd.tiling_of.cache_clear()
    yield
    winograd.tiling_of.cache_clear()


@pytest.fixture
def interpreter(monkeypatch):
    from tests.conv.kernels import simd_interpreter
    return simd_interpreter.install(monkeypatch)


@pytest.fixture
def threads():
    """set_num_threads. At the end of the test the old number is restored."""
    from threadpoolctl import threadpool_limits

    from minicnn.conv.runtime import threads
    before = threads._threads
    with threadpool_limits():                   # restores the numbers of threads at the end
        yield threads.set_num_threads
    threads._threads = before


@pytest.fixture(scope="session")
def page(tmp_path_factory):
    """The page of `minicnn explore` with its default digits, as the command writes it."""
    from minicnn.cli.main import main
    path = tmp_path_factory.mktemp("explore") / "explore.html"
    assert main(["explore", "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def contents(page):
    """The numbers in that page."""
    from minicnn.moving_digit import embedded
    return embedded(page.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def known_operator_outcomes():
    """The outcomes of the catalogue of known operators, which runs once for all tests."""
    from minicnn.equivariance.known_operators import run_catalogue
    return run_catalogue()


CHROMIUM = ("headless", "no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update",
            "disable-sync", "no-first-run")


@pytest.fixture(scope="session")
def browser():
    """A Chromium without a window, which is ended afterwards."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install "
                                                                 "minicnn[browser]")
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("no Chromium with its chromedriver is installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        for option in (*CHROMIUM, f"user-data-dir={profile}", "window-size=1280,900"):
            options.add_argument(f"--{option}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        yield started
        started.quit()
