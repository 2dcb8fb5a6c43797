"""One pixel of a map, step by step, in a real browser: the parts of its sum against the engine."""

import numpy as np
import pytest

from minicnn.data.placement import place
from tests.moving_digit.engine import canvas, maps_of


def map_before(model, digit, layer, dy, dx):
    """What goes into a convolution, (C, H, W) in float64."""
    found = maps_of(model, digit, dy, dx)[f"conv{layer}"] if layer else canvas(digit, dy, dx)[0]
    return found.astype(np.float64)


def step(opened, **chosen):
    from selenium.webdriver.support.ui import WebDriverWait
    opened.run("minicnn.pixel.total = null; minicnn.pixel.choose(arguments[0])", chosen)
    WebDriverWait(opened.browser, 20).until(lambda it: it.execute_script("return minicnn.pixel.total !== null"))
    return opened.run("return {...minicnn.pixel}")


@pytest.mark.parametrize(("layer", "channel", "y", "x"),
                         [(0, 7, 12, 14), (1, 3, 12, 14), (2, 39, 25, 0), (3, 4, 10, 11)])
def test_parts_are_those_of_the_engine(opened, contents, model, layer, channel, y, x):
    opened.go(3, 2, 8, "pixel")
    found = step(opened, layer=layer, channel=channel, y=y, x=x)
    conv = getattr(model, f"conv{layer + 1}")
    weight, bias = conv.weight.data[channel].astype(np.float64), float(conv.bias.data[channel])
    window = map_before(model, contents[1]["images"][3], layer, 2, 8)[:, y:y + 5, x:x + 5]
    parts = (window * weight).sum((1, 2))
    np.testing.assert_allclose(found["parts"], parts, rtol=0, atol=1e-5 * np.abs(parts).max())
    assert found["total"] == pytest.approx(parts.sum() + bias, abs=1e-5 * np.abs(parts).max())
    assert found["value"] == max(0, found["total"])
    assert found["stored"] == pytest.approx(found["value"], abs=1e-5 * np.abs(parts).max())
    assert ("It is above 0: the ReLU leaves it." in opened.text("pixel-sum")) == (found["total"] > 0)
    assert opened.text("pixel-sum").startswith(f"conv{layer + 1}, channel {channel}, row {y}, column {x}: the ")
    largest = int(np.abs(parts).argmax())
    cells = opened.run(CELLS, "pixel-products")
    expected = window[largest], weight[largest], window[largest] * weight[largest]
    for shown, exact in zip(cells, expected, strict=True):
        np.testing.assert_allclose(np.reshape(shown, (5, 5)), exact, rtol=6e-3, atol=6e-4)


def test_a_channel_opens_and_a_click_chooses_the_pixel(opened):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    opened.go(3, 5, 5, "pixel")
    step(opened, layer=1, channel=3, y=12, x=14)
    buttons = opened.browser.find_elements(By.CSS_SELECTOR, "#pixel-parts button")
    assert len(buttons) == 10 and buttons[0].get_attribute("aria-pressed") == "true"
    buttons[4].click()
    opened.settle()
    buttons = opened.browser.find_elements(By.CSS_SELECTOR, "#pixel-parts button")
    assert [button.get_attribute("aria-pressed") for button in buttons].index("true") == 4
    number = buttons[4].text.split(":")[0]
    assert opened.text("pixel-input-text").startswith(f"channel {number} of conv1; from 0 to ")
    canvas = opened.browser.find_element(By.ID, "pixel-map")
    opened.run("arguments[0].scrollIntoView({ block: 'center' })", canvas)
    ActionChains(opened.browser).move_to_element(canvas).click().perform()
    opened.settle()
    assert abs(opened.run("return minicnn.pixel.chosen.y") - 15) <= 1
    assert abs(opened.run("return minicnn.pixel.chosen.x") - 15) <= 1


def test_numbers_outside_are_brought_inside(opened):
    opened.go(3, 5, 5, "pixel")
    step(opened, layer=0, channel=999, y=999, x=-3)
    assert opened.run("const { channel, y, x } = minicnn.pixel.chosen; return [channel, y, x]") == [19, 33, 0]


PLAY, BACK, NEXT = range(3)                                                 # the buttons of a slider
SHOWN = "const { y, x } = minicnn.pixel.chosen; return [y, x]"
HATCHED = """const canvas = document.getElementById(arguments[0]), { width, height } = canvas;
const all = canvas.getContext('2d').getImageData(0, 0, width, height).data, style = getComputedStyle(document.body);
const ink = ['--hatch-1', '--hatch-2'].map((name) => style.getPropertyValue(name).trim().slice(1));
return Array.from({ length: width * height }, (_, i) => ink.includes(
  [0, 1, 2].map((c) => all[4 * i + c].toString(16).padStart(2, '0')).join('')));"""


CELLS = """return [...document.querySelectorAll(`#${arguments[0]} table`)].map((table) =>
  [...table.querySelectorAll('td')].map((cell) => Number(cell.textContent.replace('−', '-'))));"""


def press(opened, group, button):
    opened.run("document.querySelectorAll(`#${arguments[0]} button`)[arguments[1]].click()", group, button)
    opened.settle()


def test_the_window_slides_and_the_map_fills_in_behind_it(opened):
    from selenium.webdriver.support.ui import WebDriverWait
    opened.go(3, 5, 5, "pixel")
    step(opened, layer=1, channel=3, y=12, x=14)
    assert not any(opened.run(HATCHED, "pixel-map"))
    for k in range(32):
        press(opened, "pixel-slide", NEXT)
        assert opened.run(SHOWN) == list(divmod(k, 30))
        assert opened.run(HATCHED, "pixel-map") == [i > k for i in range(900)]
    opened.run("const speed = document.querySelector('#pixel-slide select'); speed.value = 30;")
    press(opened, "pixel-slide", PLAY)
    WebDriverWait(opened.browser, 20).until(lambda it: it.execute_script(SHOWN)[1] > 4)
    press(opened, "pixel-slide", PLAY)
    stopped = opened.run(SHOWN)
    assert opened.run("return document.getElementById('pixel-slide').dataset.playing") == "no"
    opened.settle()
    assert opened.run(SHOWN) == stopped
    step(opened, y=3, x=3)
    assert not any(opened.run(HATCHED, "pixel-map"))


def test_the_window_slides_by_stride_dilation_and_padding(opened):
    opened.go(3, 5, 5, "kernel")
    opened.run("minicnn.bench.choosePreset('mean'); minicnn.bench.set({ stride: 2, dilation: 3, padding: 'zeros' })")
    opened.settle()
    side = opened.run("return Number(document.getElementById('bench-side').value)")
    reach, width = 3 * (side - 1) + 1, opened.run("return document.getElementById('bench-out').width")
    assert width == 19
    for k in range(21):
        press(opened, "bench-slide", NEXT)
        box = opened.run("const { top, left, width } = document.getElementById('bench-sees').style;"
                         "return [top, left, width].map((text) => parseFloat(text) * 38 / 100)")
        y, x = divmod(k, width)
        np.testing.assert_allclose(box, [2 * y - (reach - 1) // 2, 2 * x - (reach - 1) // 2, reach], atol=1e-3)
        assert opened.run(HATCHED, "bench-out") == [i > k for i in range(width * width)]
    assert opened.run("return document.querySelectorAll('#bench-sees i').length") == side * side
    assert "row 1, column 1 of the result" in opened.text("bench-sum")
    assert "minicnn verify FILE.py:FUNCTION" in opened.text("kernel")


def test_the_products_of_the_sliding_window_are_those_of_python(opened, contents):
    """Emboss, as a convolution, with stride 2, dilation 2 and 2 pixels of zeros around."""
    opened.go(3, 5, 5, "kernel")
    opened.run("minicnn.bench.choosePreset('emboss'); minicnn.bench.set({ stride: 2, dilation: 2, padding: 'zeros' })")
    opened.settle()
    picture = np.pad(place(contents[1]["images"][3][None], 38, (5, 5)).reshape(38, 38) / 255.0, 2)
    windows = np.lib.stride_tricks.sliding_window_view(picture, (5, 5))[::2, ::2, ::2, ::2].reshape(361, 3, 3)
    weight = np.array([[2, 1, 0], [1, 1, -1], [0, -1, -2]])[::-1, ::-1]             # turned: a convolution
    first = int(windows.any((1, 2)).argmax())
    opened.run("const next = document.querySelectorAll('#bench-slide button')[2];"
               "for (let k = 0; k < arguments[0]; k++) next.click();", first)
    for k in range(first, first + 4):
        press(opened, "bench-slide", NEXT)
        (y, x), window = divmod(k, 19), windows[k]
        for shown, exact in zip(opened.run(CELLS, "bench-products"), (window, weight, window * weight), strict=True):
            np.testing.assert_allclose(np.reshape(shown, (3, 3)), exact, rtol=6e-2, atol=1e-9)
        said = opened.text("bench-sum").removeprefix("Their sum is ").replace("−", "-").split(": row ")
        assert float(said[0]) == pytest.approx((window * weight).sum(), rel=6e-3, abs=6e-4)
        assert said[1] == f"{y}, column {x} of the result."
        assert opened.run(HATCHED, "bench-out").count(False) == k + 1
    press(opened, "bench-slide", BACK)
    assert opened.run(HATCHED, "bench-out").count(False) == first + 3


def test_the_sliding_window_of_a_layer_has_the_sum_of_python(opened, contents, model):
    opened.go(3, 0, 0, "pixel")
    step(opened, layer=1, channel=3, y=0, x=0)
    for _ in range(33):
        press(opened, "pixel-slide", NEXT)
    press(opened, "pixel-slide", BACK)
    assert opened.run(SHOWN) == [1, 1] and opened.run(HATCHED, "pixel-map").count(False) == 32
    weight, bias = model.conv2.weight.data[3].astype(np.float64), float(model.conv2.bias.data[3])
    parts = (map_before(model, contents[1]["images"][3], 1, 0, 0)[:, 1:6, 1:6] * weight).sum((1, 2))
    found = opened.run("return minicnn.pixel")
    np.testing.assert_allclose(found["parts"], parts, rtol=0, atol=1e-5 * np.abs(parts).max())
    assert found["total"] == pytest.approx(parts.sum() + bias, abs=1e-5 * np.abs(parts).max())


def test_another_operator_ends_the_slide(opened):
    opened.go(3, 5, 5, "kernel")
    press(opened, "bench-slide", PLAY)
    assert opened.run("return document.getElementById('bench-slide').dataset.playing") == "yes"
    opened.run("minicnn.bench.choosePreset('mean')")
    opened.settle()
    assert opened.run("return document.getElementById('bench-slide').dataset.playing") == "no"
    assert not any(opened.run(HATCHED, "bench-out"))


def test_calm_readers_get_the_buttons_of_single_steps_only(opened):
    from selenium.webdriver.common.by import By
    opened.go(3, 5, 5, "pixel")
    press(opened, "pixel-slide", PLAY)
    opened.browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                   {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]})
    opened.settle()
    assert opened.run("return document.getElementById('pixel-slide').dataset.playing") == "no"
    buttons = opened.browser.find_elements(By.CSS_SELECTOR, "#pixel-slide button")
    assert [button.is_displayed() for button in buttons] == [False, True, True]
    assert not opened.browser.find_element(By.CSS_SELECTOR, "#pixel-slide select").is_displayed()
