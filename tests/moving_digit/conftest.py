"""The trained LeNet, and its page in a browser."""

import pytest

from minicnn.models import lenet
from tests.moving_digit.opened_page import Page


@pytest.fixture(scope="module")
def model():
    return lenet(pretrained=True, algorithm="direct")


@pytest.fixture
def opened(browser, page):
    from selenium.webdriver.support.ui import WebDriverWait
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False})
    browser.get(page.as_uri())
    WebDriverWait(browser, 20).until(lambda it: it.execute_script("return Boolean(window.minicnn?.ready)"))
    yield Page(browser)
    said = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert [entry for entry in said if entry["source"] != "rendering"] == []    # reading pixels gives warnings
    assert browser.execute_script("return document.getElementById('trouble').hidden")
