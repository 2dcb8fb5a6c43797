"""The German and the French page in a real browser: long words fit, every text exists, axe-core finds nothing."""

import pytest

from minicnn.cli.main import main
from tests.moving_digit.opened_page import Page

WORDS = {"de": ("Ziffer", "Zeichenfläche"), "fr": ("chiffre", "Zone de")}


@pytest.fixture(scope="module", params=WORDS)
def spoken(request, tmp_path_factory):
    """(language, its page with two digits)"""
    path = tmp_path_factory.mktemp("spoken") / "page.html"
    assert main(["explore", "--lang", request.param, "--digits", "3,8", "--out", str(path), "--quiet"]) == 0
    return request.param, path


@pytest.fixture
def translated(spoken, browser):
    from selenium.webdriver.support.ui import WebDriverWait
    browser.get(spoken[1].as_uri())
    WebDriverWait(browser, 20).until(lambda it: it.execute_script("return Boolean(window.minicnn?.ready)"))
    browser.get_log("browser")
    yield Page(browser)
    said = [one for one in browser.get_log("browser") if one["level"] == "SEVERE"]
    assert said == [] and browser.execute_script("return document.getElementById('trouble').hidden")


def resize(page, width, height=900):
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                 {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})


def violations(page):
    """What axe-core finds, as (rule, elements)."""
    axe = pytest.importorskip("axe_core_python.selenium", reason="pip install axe-core-python").Axe()
    return [(one["id"], [node["target"] for node in one["nodes"]]) for one in axe.run(page.browser)["violations"]]


@pytest.mark.parametrize("width", [375, 1024, 1440])
def test_every_panel_fits_and_can_be_read_aloud(translated, spoken, width):
    resize(translated, width)
    assert translated.run("return document.documentElement.lang") == spoken[0]
    for tab in translated.run("return Object.keys(minicnn.byTab)"):
        translated.go(0, 3, 9, tab, "map")
        translated.computed()
        assert translated.run("return document.documentElement.scrollWidth") <= width
        assert translated.outside() == [] and violations(translated) == [], tab


@pytest.mark.parametrize("width", [375, 1440])
def test_the_list_of_keys_fits(translated, width):
    resize(translated, width)
    translated.run("document.getElementById('help').showModal()")
    assert translated.outside() == [] and violations(translated) == []


def test_full_screen_has_room_for_long_words(translated):
    resize(translated, 1024, 768)
    translated.run("document.documentElement.requestFullscreen = undefined; document.getElementById('lecture').click()")
    for tab in translated.run("return Object.keys(minicnn.byTab)"):
        translated.go(0, 3, 9, tab)
        translated.computed()
        wide = translated.run("return [document.documentElement, ...document.querySelectorAll('.left, .right')].map("
                              "(one) => one.scrollWidth - one.clientWidth)")
        assert wide == [0, 0, 0], tab
        assert translated.run("const box = document.querySelector('.left');"
                              "return box.scrollHeight - box.clientHeight") <= 0, tab


def test_words_and_numbers(translated, spoken):
    noun, canvas = WORDS[spoken[0]]
    assert noun in translated.run("return document.title")
    assert canvas in translated.run("return document.querySelector('.left').getAttribute('aria-label')")
    assert translated.promise("return (await minicnn.checked).fine") and "89\u202f195" in translated.text("check")


def test_every_button_speaks(translated):
    """What is said after a stroke, a choice or a wrong file, and in no value a text is missing."""
    translated.run("minicnn.undo(); minicnn.clear(); minicnn.centreDrawing();")
    translated.draw([[10, 14], [27, 20]])
    translated.run("minicnn.centreDrawing(); for (const tool of ['pen', 'eraser', 'move']) minicnn.chooseTool(tool);")
    for tab in translated.run("return Object.keys(minicnn.byTab)"):
        translated.go(2, 4, 6, tab)
        translated.computed()
    translated.run("for (const { value } of document.getElementById('bench-preset').options) {"
                   "minicnn.bench.choosePreset(value); }")
    translated.promise("await minicnn.openPicture(new File(['no picture'], 'notes.png'));")
    assert "notes.png" in translated.text("draw-text")
    assert "undefined" not in translated.run("return document.body.innerText")
