"""The page of `minicnn explore` in a real browser: its pictures against the engine, and all ways to move the digit."""

import numpy as np
import pytest

from minicnn.moving_digit.exploration import quantise
from minicnn.notebook import frame
from tests.moving_digit.engine import SIZES, maps_of, window_logits
from tests.moving_digit.opened_page import Page


def test_shows_the_engines_numbers(opened, contents, model, rng):
    meta, arrays = contents
    for digit, dy, dx in zip(*(rng.integers(high, size=4).tolist() for high in (10, 11, 11)), strict=True):
        found = maps_of(model, arrays["images"][digit], dy, dx)
        opened.go(digit, dy, dx)
        for row, name in enumerate([*SIZES, "pool"]):
            layer = min(row, 3)
            expected = quantise(found[name][meta["layers"][layer]["channels"]], meta["scales"][digit][layer])
            np.testing.assert_array_equal(opened.maps("maps", row), expected)
        logits = window_logits(model, arrays["images"][digit], dy, dx).astype(np.float64)
        percents = 100 * np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        cells = opened.run("return [...document.querySelectorAll('#scores tbody tr')].map("
                           "(line) => [...line.cells].map((cell) => cell.textContent))")
        for k, (name, percent, score) in enumerate(cells):
            assert name == str(k) and float(score.replace("−", "-")) == pytest.approx(logits[k], abs=0.0502)
            assert float(percent.removesuffix(" %")) == pytest.approx(percents[k], abs=0.0502)
        assert f"Taken for {logits.argmax()}, " in opened.text("text")
        assert opened.text("text").startswith(f"Digit {meta['digits'][digit]['label']}, ")


def test_both_ways_agree(opened, rng):
    for dy, dx in rng.integers(11, size=(4, 2)).tolist():
        opened.go(4, dy, dx)
        moved_input = [opened.maps("maps", row) for row in range(4)]
        opened.go(4, dy, dx, mode="map")
        assert opened.text("caption") == "Class scores of the moved map in the dashed frame"
        for row, expected in enumerate(moved_input):
            found = opened.maps("maps", row)
            known, size = found >= 0, found.shape[-1]
            assert known[0].sum() == (size - abs(dy - 5)) * (size - abs(dx - 5))
            np.testing.assert_array_equal(found[known], expected[known])
        pooled = opened.maps("maps", 4)
        opened.go(4, dy, dx)
        np.testing.assert_array_equal(pooled[pooled >= 0], opened.maps("maps", 4)[pooled >= 0])


def test_difference_is_dark_and_lights_up_if_spoiled(opened):
    opened.go(2, 3, 9, "equal")
    first, second, difference = (opened.maps("equal", row) for row in range(3))
    known = second >= 0
    np.testing.assert_array_equal(difference[known], abs(first - second)[known])
    assert not difference[known].any() and known[0].sum() == 20 * 18
    assert len({tuple(pixel) for pixel in opened.pixels("equal", 2)[known]}) == 1
    assert opened.text("agree") == "conv4, φ(T x) and T φ(x): equal in all 1,800 pixels that both maps have."
    opened.run("document.getElementById('spoil').click()")
    opened.settle()
    difference = opened.maps("equal", 2)
    differ = int((difference > 0).sum())
    assert differ > 100 and f"{differ:,} of " in opened.text("equal-text")
    assert len({tuple(pixel) for pixel in opened.pixels("equal", 2)[difference > 0]}) > 10


@pytest.mark.parametrize(("dy", "dx", "equal"), [(3, 9, True), (4, 5, False), (5, 8, False), (2, 4, False)])
def test_pooling_forgets_odd_moves(opened, contents, dy, dx, equal):
    opened.go(3, dy, dx, "pool")
    opened.computed()
    pool, difference = contents[1]["pool"][3].astype(int), opened.maps("pool", 2)
    tried = []
    for y in {(dy - 5) // 2, -((5 - dy) // 2)}:
        for x in {(dx - 5) // 2, -((5 - dx) // 2)}:
            moved = np.full((5, 11, 11), -1)
            moved[:, max(y, 0):11 + min(y, 0), max(x, 0):11 + min(x, 0)] = \
                pool[60][:, max(-y, 0):11 - max(y, 0), max(-x, 0):11 - max(x, 0)]
            tried.append(abs(moved - pool[11 * dy + dx])[moved >= 0])
    best = min(tried, key=np.mean)
    np.testing.assert_array_equal(np.sort(difference[difference >= 0]), np.sort(best))
    assert (best.max() == 0) == equal
    words = "equal in all" if equal else f"{(best > 0).sum()} of {len(best)} pixels differ"
    assert words in opened.text("forgets")
    assert "Equal at 25 places" in opened.text("board-text")


def test_keys_sliders_and_live_text(opened):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    stage = opened.browser.find_element(By.ID, "stage")
    stage.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_UP)
    opened.settle()
    assert opened.place == (4, 7)
    assert opened.text("right-text") == "2 px right" and opened.text("down-text") == "1 px up"
    from selenium.webdriver.support.ui import WebDriverWait
    WebDriverWait(opened.browser, 5).until(lambda _: "2 px right, 1 px up" in opened.text("live"))
    live = opened.text("live")
    assert "Taken for 0" in live and "T φ(x): equal in all" in live and "pixels differ" in live
    stage.send_keys(*[Keys.ARROW_LEFT] * 15)
    opened.settle()
    assert opened.place == (4, 0)
    stage.send_keys(Keys.HOME)
    opened.browser.find_element(By.ID, "down").send_keys(Keys.ARROW_RIGHT)
    opened.settle()
    assert opened.place == (6, 5)
    tab = opened.browser.find_element(By.ID, "tab-maps")
    tab.send_keys(Keys.ARROW_RIGHT)
    assert opened.run("return document.activeElement.id") == "tab-equal"
    assert opened.run("return !document.getElementById('equal').hidden && document.getElementById('maps').hidden")
    digits = opened.browser.find_elements(By.CSS_SELECTOR, "#digits [role=radio]")
    digits[0].send_keys(Keys.ARROW_RIGHT)
    opened.settle()
    assert opened.text("text").startswith("Digit 1,") and digits[1].get_attribute("aria-checked") == "true"


def test_a_drag_with_the_mouse(opened):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By
    stage = opened.browser.find_element(By.ID, "stage")
    cell = stage.size["width"] / 38
    ActionChains(opened.browser).move_to_element(stage).click_and_hold().move_by_offset(
        round(3 * cell), round(-2 * cell)).release().perform()
    opened.settle()
    assert opened.place == (3, 8)


def test_many_moves_within_a_frame_are_drawn_once(opened):
    for tab in ("maps", "equal", "pool", "impulse"):
        opened.go(3, 5, 5, tab)
        before = opened.run("const frames = minicnn.frames;"
                            "for (let step = 0; step < 30; step++) minicnn.move(3 * step % 11, 7 * step % 11);"
                            "return frames")
        opened.settle()
        assert opened.run("return minicnn.frames") == before + 1
        assert opened.place == (3 * 29 % 11, 7 * 29 % 11)


def test_a_drag_by_touch(opened):
    box = opened.run("const box = document.getElementById('stage').getBoundingClientRect();"
                     "return [box.left, box.top, box.width]")
    x, y, cell = box[0] + box[2] / 2, box[1] + box[2] / 2, box[2] / 38
    send = lambda kind, points: opened.browser.execute_cdp_cmd("Input.dispatchTouchEvent",
                                                               {"type": kind, "touchPoints": points})
    send("touchStart", [{"x": x, "y": y}])
    for step in range(1, 5):
        send("touchMove", [{"x": x - step * cell, "y": y + step * cell}])
    send("touchEnd", [])
    opened.settle()
    assert opened.place == (9, 1)


def test_receptive_fields(opened):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select
    opened.go(3, 5, 5)
    layers = Select(opened.browser.find_element(By.ID, "probe-layer"))
    for layer, (name, sees, stride) in enumerate([("conv1", 5, 1), ("conv2", 9, 1), ("conv3", 13, 1), ("conv4", 17, 1),
                                                  ("pool", 18, 2)]):
        layers.select_by_value(str(layer))
        opened.run("for (const [id, value] of [['probe-y', 4], ['probe-x', 7]]) {"
                   "const field = document.getElementById(id); field.value = value;"
                   "field.dispatchEvent(new Event('input')); }")
        opened.settle()
        top, left = 4 * stride, 7 * stride
        assert f"{name}, row 4, column 7: " in opened.text("legend-text")
        assert f"sees {sees}×{sees} pixels, rows {top} to {top + sees - 1}, columns {left} to {left + sees - 1}." \
            in opened.text("legend-text")
        style = opened.run("const style = document.getElementById('sees').style;"
                           "return [style.top, style.left, style.width].map(parseFloat)")
        assert style == pytest.approx([100 * top / 38, 100 * left / 38, 100 * sees / 38], abs=1e-3)


def test_the_impulse_response_moves_with_the_dirac(opened, contents):
    arrays = contents[1]
    opened.go(0, 4, 6, "impulse")
    for layer, (size, reach) in enumerate(zip((34, 30, 26, 22), (5, 9, 13, 17), strict=True)):
        h = arrays[f"impulse{layer + 1}"]
        steps = 128 + np.floor(127 * h / abs(h).max() + 0.5).astype(int)
        np.testing.assert_allclose(opened.maps("impulse", layer + 1), steps, atol=1)    # ties in float32 and float64
        values = np.reshape(opened.run("return Array.from(minicnn.byTab.impulse[0].views[arguments[0]].values)", layer),
                            (size, size))
        y, x = 14 + 4 - reach + 1, 14 + 6 - reach + 1
        cut = values[max(y, 0):y + reach, max(x, 0):x + reach]
        np.testing.assert_allclose(cut, steps[0][:cut.shape[0], :cut.shape[1]], atol=1)
        values[max(y, 0):y + reach, max(x, 0):x + reach] = 128
        assert (values == 128).all()
    assert opened.text("text") == "Dirac, 1 px right, 1 px up."


def test_dark_and_light(opened):
    background = lambda: opened.run("return getComputedStyle(document.body).backgroundColor")
    opened.browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                   {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    opened.settle()
    assert background() == "rgb(20, 23, 27)"
    opened.run("document.getElementById('theme').click()")
    assert background() == "rgb(255, 255, 255)"
    opened.run("document.getElementById('theme').click()")
    opened.go(0, 5, 5, "impulse")
    assert opened.pixels("impulse", 1).shape == (6, 5, 5, 4) and background() == "rgb(20, 23, 27)"


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_sticks_out(opened, width):
    opened.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                   {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500})
    for tab in ("maps", "equal", "pool", "impulse"):
        opened.go(8, 1, 2, tab)
        assert opened.run("return document.documentElement.scrollWidth") <= width
        assert opened.outside() == []


def test_every_control_has_a_name(opened):
    nameless = opened.run(
        "return [...document.querySelectorAll('button, input, select, [role=application], [role=img]')].filter((one) =>"
        "!(one.getAttribute('aria-label') || one.labels?.length || one.textContent.trim()))"
        ".map((one) => one.outerHTML)")
    assert nameless == []


def test_works_in_the_frame_of_a_notebook(browser, page, tmp_path):
    """The frame is sandboxed: the page gets no origin, no storage and no network."""
    from selenium.webdriver.support.ui import WebDriverWait
    outside = tmp_path / "notebook.html"
    outside.write_text(frame(page.read_text(encoding="utf-8"), 900, "a page"), encoding="utf-8")
    browser.get(outside.as_uri())
    browser.switch_to.frame(0)
    try:
        WebDriverWait(browser, 20).until(lambda it: it.execute_script("return Boolean(window.minicnn?.ready)"))
        inside = Page(browser)
        inside.go(3, 2, 7)
        assert inside.place == (2, 7) and "Digit 3" in browser.find_element("tag name", "body").text
        assert inside.run("return document.getElementById('trouble').hidden") and inside.run("return origin") == "null"
        assert inside.run("return minicnn.live.hasWorker()") and inside.promise("return (await minicnn.checked).fine")
        browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
        browser.find_element("id", "figure").click()
        WebDriverWait(browser, 20).until(lambda _: (tmp_path / "minicnn-maps.svg").exists())
        browser.find_element("id", "lecture").click()               # the frame may not fill the screen, the layout can
        assert inside.run("return document.body.classList.contains('lecture') && !document.fullscreenElement")
    finally:
        browser.switch_to.default_content()
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
