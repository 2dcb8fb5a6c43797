"""The player of the page: the digit or the drawing goes along a path; the reader starts and stops it in all ways."""

import itertools

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from minicnn.moving_digit import PATHS, path

RECORD = """window.seen = []; const each = () => { const { state, drawnKey } = minicnn, last = seen.at(-1);
  const now = [state.dy, state.dx, drawnKey]; if (String(now) !== String(last)) seen.push(now);
  requestAnimationFrame(each); }; each();"""


def wide(opened, width):
    opened.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                   {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500})


def click(opened, name):
    opened.browser.find_element(By.ID, name).click()


def steps(opened, count, seconds=30):
    """Wait until the page has shown `count` places; the first is that before the animation."""
    places = lambda: [tuple(place) for place, _ in itertools.groupby(opened.run("return seen"), lambda at: at[:2])]
    WebDriverWait(opened.browser, seconds).until(lambda _: len(places()) >= count)
    return places()


def playing(opened):
    running = opened.run("return minicnn.isPlaying()")
    assert opened.text("play") == ("Pause" if running else "Play")
    return running


@pytest.mark.parametrize("width", [1280, 375])
def test_the_digit_goes_along_the_path(opened, contents, width):
    wide(opened, width)
    Select(opened.browser.find_element(By.ID, "speed")).select_by_visible_text("20")
    for name in PATHS if width > 375 else ["square"]:
        assert contents[0]["paths"][name] == path(name).tolist()
        Select(opened.browser.find_element(By.ID, "path")).select_by_value(name)
        opened.run("minicnn.move(5, 5);" + RECORD)
        click(opened, "play")
        assert playing(opened)
        found, expected = steps(opened, 14)[1:14], list(map(tuple, path(name).tolist()))
        click(opened, "play")
        assert not playing(opened)
        first = expected.index(found[0])
        laps = [place for place, _ in itertools.groupby(expected[first:] + 3 * expected)]       # a circle stands still
        assert found == laps[:len(found)]
        before = min(abs(y - 5) + abs(x - 5) for y, x in expected)             # it begins beside the nearest place
        y, x = expected[first - 1]
        assert abs(y - 5) + abs(x - 5) <= before + 2


def test_the_space_bar_and_what_stops_it(opened):
    from selenium.webdriver import ActionChains
    stage = opened.browser.find_element(By.ID, "stage")
    stage.send_keys(" ")
    assert playing(opened)
    stage.send_keys(" ")
    assert not playing(opened)
    stage.send_keys(" ", Keys.ARROW_LEFT)
    assert not playing(opened)
    stage.send_keys(" ")
    opened.browser.find_element(By.ID, "right").send_keys(Keys.ARROW_RIGHT)
    assert not playing(opened)
    opened.browser.find_element(By.ID, "play").send_keys(Keys.ENTER)
    assert playing(opened)
    ActionChains(opened.browser).move_to_element(stage).click_and_hold().perform()
    assert not playing(opened)
    before = opened.place
    ActionChains(opened.browser).move_by_offset(0, 0).release().perform()
    assert opened.place == before
    opened.run("minicnn.chooseTool('pen')")
    stage.send_keys(" ", " ")
    assert not playing(opened) and opened.text("draw-text").endswith("pen up.")


def test_a_finger_stops_it(opened):
    wide(opened, 375)
    click(opened, "play")
    box = opened.run("const stage = document.getElementById('stage'); stage.scrollIntoView();"
                     "const box = stage.getBoundingClientRect(); return [box.left, box.top, box.width]")
    point = {"x": box[0] + box[2] / 2, "y": box[1] + box[2] / 2}
    for kind, points in (("touchStart", [point]), ("touchEnd", [])):
        opened.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert not playing(opened)


@pytest.mark.parametrize("tab", ["maps", "equal", "kernel"])
def test_every_step_of_a_drawing_is_drawn(opened, tab):
    opened.draw([[10, 12], [12, 24], [26, 18]])
    opened.run("minicnn.chooseTab(arguments[0])", tab)
    opened.computed()
    opened.run("document.getElementById('speed').value = 20;"
               "document.getElementById('speed').dispatchEvent(new Event('change'));" + RECORD)
    click(opened, "play")
    steps(opened, 12)
    click(opened, "play")
    opened.computed()
    seen = opened.run("return seen")
    drawn = {tuple(map(int, key.split()[2:4])) for _, _, key in seen}
    assert {(y, x) for y, x, _ in seen} <= drawn and len(drawn) >= 8


def test_a_screen_reader_hears_the_end_only(opened):
    WebDriverWait(opened.browser, 5).until(lambda _: "in the centre" in opened.text("live"))
    opened.run(RECORD + "document.getElementById('speed').value = 2;"
               "document.getElementById('speed').dispatchEvent(new Event('change'));")
    click(opened, "play")
    steps(opened, 4)
    assert "in the centre" in opened.text("live")
    click(opened, "play")
    WebDriverWait(opened.browser, 5).until(lambda _: "in the centre" not in opened.text("live"))


def test_nothing_plays_by_itself_and_calm_readers_get_slow_steps(opened):
    assert not playing(opened) and opened.run("return minicnn.state.speed") == 10
    opened.browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                   {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]})
    opened.browser.refresh()
    WebDriverWait(opened.browser, 20).until(lambda it: it.execute_script("return Boolean(window.minicnn?.ready)"))
    assert not playing(opened) and opened.run("return minicnn.state.speed") == 2
