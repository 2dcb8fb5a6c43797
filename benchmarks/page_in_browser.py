"""The page of `minicnn explore` in a headless Chromium, for the benchmarks of the page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OPTIONS = ("headless", "no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update",
           "disable-sync", "no-first-run", "window-size=1280,900")


@contextmanager
def opened_page(folder: Path) -> Iterator:
    """A selenium driver that has opened the page with its default digits, in `folder`."""
    from selenium import webdriver
    from selenium.webdriver.support.ui import WebDriverWait

    from minicnn.cli.main import main
    path = folder / "explore.html"
    assert main(["explore", "--quiet", "--out", str(path)]) == 0
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
    for option in (*OPTIONS, f"user-data-dir={folder / 'profile'}"):
        options.add_argument(f"--{option}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.get(path.as_uri())
        WebDriverWait(driver, 20).until(lambda it: it.execute_script("return Boolean(window.minicnn?.ready)"))
        yield driver
    finally:
        driver.quit()
