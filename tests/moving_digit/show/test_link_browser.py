"""The address of the page: what stands behind # shows the same view again, and nothing in it is trusted."""

import base64
import zlib

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

STROKES = "minicnn.drawLine([[10, 12], [12, 24], [26, 18]]); minicnn.drawLine([[14, 20], [18, 20]], 'eraser');"
KERNEL = "minicnn.bench.choosePreset('gaussian'); minicnn.bench.set({ flipped: false, stride: 2 });"
VIEWS = {
    "as at the start": "",
    "a digit at a place": "minicnn.chooseDigit(7); minicnn.move(2, 9); minicnn.chooseTab('pool');",
    "a moved map": "document.querySelector('input[value=map]').click(); minicnn.move(0, 10);",
    "spoiled": "minicnn.chooseTab('equal'); document.getElementById('spoil').click();",
    "a drawing": STROKES + "minicnn.move(8, 3); minicnn.chooseTool('eraser'); minicnn.chooseTab('equal')",
    "an empty drawing": "minicnn.clear();",
    "a pixel": "minicnn.chooseTab('pixel'); minicnn.pixel.choose({ layer: 2, channel: 5, y: 3, x: 8 });"
               "minicnn.pixel.choose({ open: 4 });",
    "a probe": "minicnn.chooseTab('impulse');"
               "minicnn.change({ probe: { view: minicnn.byTab.impulse[3].views[2], y: 4, x: 7 } });",
    "a kernel": KERNEL + "minicnn.bench.look(3, 4); minicnn.chooseTab('kernel')",
    "another operator": "minicnn.bench.choosePreset('median'); minicnn.bench.domain('torus');",
    "a path": "minicnn.choosePath('zigzag'); minicnn.chooseSpeed(20);",
}
STATE = """const { state, drawing, pixel, bench, byTab } = minicnn, { probe, ...rest } = state;
return { ...rest, probe: probe && [byTab[state.tab].indexOf(probe.view.row), probe.view.layer, probe.y, probe.x],
  drawing: rest.digit === minicnn.meta.digits.length ? Array.from(drawing.pixels) : null, pixel: { ...pixel.chosen },
  bench: bench.operator, fields: [...document.querySelectorAll("select, input:not([type=number], [type=file], #address)"
  )].map((one) => one.type === "radio" || one.type === "checkbox" ? one.checked : one.value),
  numbers: [...document.querySelectorAll("#bench-kernel input, #bench-y, #bench-col")].map((one) => one.value) };"""
BOMB = base64.urlsafe_b64encode(zlib.compress(bytes(3_000_000), 9)).decode().rstrip("=")
GOOD = "kernel,3,1,1,1,zeros,plane,,"


def visit(opened, address):
    """Open the page anew at an address."""
    opened.browser.get("about:blank")
    opened.browser.get(address)
    WebDriverWait(opened.browser, 20).until(lambda it: it.execute_script("return Boolean(window.minicnn?.ready)"))
    opened.computed()


def ignored(opened):
    """The sentence on an address that the page cannot show; it is put away."""
    assert not opened.run("return document.getElementById('trouble').hidden")
    opened.run("document.getElementById('trouble').hidden = true")
    return opened.text("trouble")


@pytest.mark.parametrize("view", VIEWS)
def test_the_address_shows_the_same_again(opened, view):
    start = opened.browser.current_url
    opened.run(VIEWS[view])
    opened.computed()
    address, before = opened.promise("return minicnn.writeAddress()"), opened.run(STATE)
    assert address == opened.browser.current_url and (address == start) == (view == "as at the start")
    assert len(address) - len(start) < 700
    visit(opened, address)
    assert opened.run(STATE) == before
    assert opened.promise("return minicnn.writeAddress()") == address


def test_an_address_that_is_opened_in_the_same_page(opened):
    opened.run(STROKES + KERNEL + "minicnn.chooseTab('pixel');")
    opened.run("location.hash = 'digit=@' + minicnn.meta.digits[4].index + '&at=1,2&tab=equal'")
    WebDriverWait(opened.browser, 5).until(lambda _: opened.run("return minicnn.state.tab") == "equal")
    opened.computed()
    state = opened.run(STATE)
    assert (state["digit"], state["dy"], state["dx"]) == (4, 1, 2)
    assert state["bench"]["side"] == 3 and state["bench"]["flipped"]                  # all else is as at the start
    assert opened.text("text").startswith("Digit 4, ")


def test_a_drawing_of_noise_has_a_short_address(opened, rng):
    opened.run("minicnn.drawing.pixels.set(arguments[0]); minicnn.chooseDigit(10); minicnn.drawLine([[1, 1]]);",
               rng.integers(0, 256, 38 * 38).tolist())
    opened.computed()
    before, address = opened.drawing(), opened.promise("return minicnn.writeAddress()")
    assert len(address) - address.index("#") < 2100
    visit(opened, address)
    np.testing.assert_array_equal(opened.drawing(), before)


@pytest.mark.parametrize("text", [
    "foo", "at=1", "at=1,2,3", "at=1,x", "at=1,2&at=1,2", "digit=@99999", "digit=constructor", "toString=1",
    "tab=<img src=x onerror=alert(1)>", "%E0%A4%A", "tab=maps&", "mode=both", "speed=1000", "path=valueOf",
    "probe=1,2", "probe=9,0,0,0", "pixel=1,2,3", "digit=drawing&ink=!!", "digit=drawing&ink=eJwDAAAAAAE",
    f"digit=drawing&ink={BOMB}", f"kernel={GOOD},1,2,3", f"kernel={GOOD.replace('plane', 'moon')}{',1' * 9}",
    f"kernel={GOOD}{',1' * 8},NaN", "x" * 30_000])
def test_what_the_page_does_not_know_is_ignored(opened, text):
    before, start = opened.run(STATE), opened.browser.current_url
    visit(opened, f"{start}#{text}")
    said = ignored(opened)
    assert said.startswith("The address names a view that this page cannot show: “") and len(said) < 150
    assert said.endswith("” means nothing here. The page ignores the view.")
    assert opened.run(STATE) == before
    opened.run("minicnn.move(5, 6)")
    assert opened.promise("return minicnn.writeAddress()") == f"{start}#at=5,6"


def test_numbers_are_clamped(opened):
    start = opened.browser.current_url
    visit(opened, f"{start}#at=-7,9999&pixel=99,9999,9999,9999,&kernel=kernel,3,1,9,-1,zeros,plane,99,0,1e20{',1' * 8}")
    state = opened.run(STATE)
    assert (state["dy"], state["dx"]) == (0, 10)
    assert state["bench"]["kernel"] == [1e6] + 8 * [1] and (state["bench"]["stride"], state["bench"]["dilation"]) == (
        4, 1)
    opened.run("minicnn.chooseTab('pixel')")                             # there are channels 0 to 4, of 22x22 pixels
    WebDriverWait(opened.browser, 5).until(lambda _: opened.run("return minicnn.pixel.chosen") == {
        "layer": 3, "channel": 4, "y": 21, "x": 21, "open": None})
    visit(opened, f"{start}#at%3D3%2C4")                                  # as some programs write it
    assert opened.place == (3, 4)


def test_the_address_follows_the_reader_but_not_each_step(opened):
    opened.run("minicnn.chooseTab('equal')")
    WebDriverWait(opened.browser, 5).until(lambda it: it.current_url.endswith("#tab=equal"))
    opened.run("window.written = 0; const real = history.replaceState.bind(history);"
               "history.replaceState = (...all) => { window.written++; real(...all); }; minicnn.choosePath('all');"
               "minicnn.chooseSpeed(20); minicnn.play()")
    WebDriverWait(opened.browser, 20).until(lambda _: opened.run("return minicnn.frames") > 40)
    assert opened.run("return written") == 0 and opened.browser.current_url.endswith("#tab=equal")
    opened.run("minicnn.pause()")
    WebDriverWait(opened.browser, 5).until(lambda it: "path=all&speed=20" in it.current_url)
    assert opened.run("return written") == 1


@pytest.mark.parametrize("width", [1280, 375])
def test_the_button_copies_the_address(opened, width):
    opened.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                   {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500})
    opened.run("window.copied = []; navigator.clipboard.writeText = async (text) => { copied.push(text); };"
               "minicnn.move(3, 4); minicnn.play()")
    button = opened.browser.find_element(By.ID, "copy-link")
    button.click()
    said = lambda: opened.text("show-text")
    WebDriverWait(opened.browser, 5).until(lambda _: "is copied" in said())
    copied, = opened.run("return copied")
    assert copied == opened.browser.current_url and f" {len(copied)} characters" in said()
    assert not opened.run("return minicnn.isPlaying()")
    opened.run("navigator.clipboard.writeText = () => Promise.reject(new Error('no'));")
    button.send_keys(Keys.ENTER)
    WebDriverWait(opened.browser, 5).until(lambda _: "selected" in said())
    assert opened.run("return String(getSelection())") == opened.browser.current_url
    assert opened.run("return document.documentElement.scrollWidth") <= width and opened.outside() == []
