"""The page of a report in a real browser: narrow and wide, light and dark, on paper, and without the network."""

import numpy as np
import pytest

from minicnn.equivariance import layer_reports, save_report
from minicnn.nn import Conv2d, MaxPool2d, Sequential


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    net = Sequential(Conv2d(2, 3, 3, padding=1, rng=np.random.default_rng(0)), MaxPool2d(2))
    save_report(layer_reports(net, 2, (12, 12)), path, operator="a_long_name_of_an_operator_in_a_file.py:network")
    return path.as_uri()


def opened(browser, address, width, scheme="light", medium=""):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
        "media": medium, "features": [{"name": "prefers-color-scheme", "value": scheme}]})
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False})
    browser.get(address)
    return browser.execute_script


@pytest.fixture(autouse=True)
def as_before(browser):
    yield
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


@pytest.mark.parametrize("width", [375, 1440])
def test_nothing_is_wider_than_the_screen_and_nothing_is_loaded(width, browser, address):
    run = opened(browser, address, width)
    assert run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    loaded = run("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []
    assert [one for one in browser.get_log("browser") if "Security Policy" in one["message"]] == []
    sizes = run("return [...document.querySelectorAll('svg.map')].map((one) => [one.clientWidth, one.clientHeight])")
    assert len(sizes) >= 4 and all(across > 100 and down > 100 for across, down in sizes)


def test_the_colours_follow_the_system_and_paper_is_white(browser, address):
    back = "return getComputedStyle(document.body).backgroundColor"
    assert opened(browser, address, 800, "light")(back) == "rgb(255, 255, 255)"
    assert opened(browser, address, 800, "dark")(back) == "rgb(20, 23, 27)"
    assert opened(browser, address, 800, "dark", "print")(back) == "rgb(255, 255, 255)"


def test_the_policy_forbids_the_network_and_scripts(browser, address):
    run = opened(browser, address, 800)
    run("const one = document.createElement('img'); one.src = 'http://localhost:9/a.png'; document.body.append(one);"
        "const two = document.createElement('script'); two.text = 'window.ran = 1'; document.body.append(two);")
    assert run("return window.ran") is None
    assert any("Security Policy" in one["message"] for one in browser.get_log("browser"))
