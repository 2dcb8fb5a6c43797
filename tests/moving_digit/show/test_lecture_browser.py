"""For lectures: each key does what the help says; full screen has large type, and nothing sticks out sideways."""

import pytest

SCREENS = ((1280, 720), (1920, 1080), (1024, 768))
TABS = ("maps", "equal", "pool", "impulse", "pixel", "kernel")


def press(opened, *keys):
    from selenium.webdriver.common.action_chains import ActionChains
    ActionChains(opened.browser).send_keys(*keys).perform()
    opened.settle()


def blur(opened):
    opened.run("document.activeElement.blur()")


def state(opened):
    return opened.run("const { digit, dy, dx, tab, tool } = minicnn.state; return { digit, dy, dx, tab, tool }")


def is_lecture(opened):
    return opened.run("return document.body.classList.contains('lecture')")


@pytest.fixture
def keys():
    from selenium.webdriver.common.keys import Keys
    return Keys


def test_each_key_does_what_the_help_says(opened, keys, tmp_path):
    blur(opened)
    done = set()

    def says(text, key, *pressed, **expected):
        rows = opened.run("return [...document.getElementById('keys').rows].map((row) => "
                          "[...row.cells].map((cell) => cell.textContent))")
        assert [key, text] in rows
        press(opened, *pressed)
        found = state(opened)
        assert found == found | expected, text
        done.add(text)

    for digit in range(10):
        says("choose that digit", "0 … 9", str(digit), digit=digit)
    says("choose your drawing", "D", "d", digit=10)
    arrows = (keys.ARROW_UP, keys.ARROW_LEFT, keys.ARROW_LEFT, keys.ARROW_DOWN, keys.ARROW_DOWN, keys.ARROW_RIGHT)
    says("move the digit by one pixel", "← ↑ → ↓", *arrows, dy=6, dx=4)
    says("back to the centre", "Home", keys.HOME, dy=5, dx=5)
    for tab in (*TABS[1:], TABS[0]):
        says("the next panel", "]", "]", tab=tab)
    for tab in TABS[::-1]:
        says("the panel before", "[", "[", tab=tab)
    press(opened, keys.PAGE_DOWN, keys.PAGE_UP)                         # they scroll the page, as ever
    assert state(opened)["tab"] == "maps"
    for tool, text in (("pen", "the pointer is a pen"), ("eraser", "the pointer is an eraser"),
                       ("move", "the pointer moves the digit")):
        says(text, tool[0].upper(), tool[0], tool=tool)
    says("full screen with large type, and back", "F", "f")
    assert is_lecture(opened)
    says("in full screen: on, to the rest of the panel, then to the next one", "Page Down", keys.PAGE_DOWN, tab="equal")
    says("in full screen: back, to the panel before", "Page Up", keys.PAGE_UP, tab="maps")
    press(opened, "f")
    assert not is_lecture(opened)
    press(opened, "F")
    assert is_lecture(opened)
    says("leave full screen", "Esc", keys.ESCAPE)
    opened.run("if (document.body.classList.contains('lecture')) document.exitFullscreen()")
    opened.settle()
    assert not is_lecture(opened)
    saved = tmp_path / "minicnn-maps.svg"
    opened.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    says("save what is shown as a figure (SVG)", "S", "s")
    from selenium.webdriver.support.ui import WebDriverWait
    WebDriverWait(opened.browser, 20).until(lambda _: saved.exists())
    says("this list of keys", "?", "?")
    assert opened.run("return document.getElementById('help').open")
    of_the_canvas = {text for text in opened.run("return [...document.getElementById('keys').rows].map((row) => "
                                                 "row.cells[1].textContent)") if text not in done}
    assert of_the_canvas == {"on the canvas: play the animation, or pause it", "take the last stroke back",
                             "on a map: point at the next pixel, also of the next map",
                             "on a map: enlarge it, as a double click does",     # see the tests of enlarging
                             "on the canvas, with pen or eraser: move it",       # see the tests of the pen and player
                             "on the canvas, with pen or eraser: put it down, or lift it"}


def test_no_key_counts_where_text_is_typed_or_with_ctrl(opened, keys):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    opened.go(3, 5, 5, "kernel")
    before = state(opened)
    opened.browser.find_element(By.CSS_SELECTOR, "#bench-kernel input").send_keys("7", keys.HOME, "1", "f", "]",
                                                                                  keys.ARROW_LEFT)
    opened.browser.find_element(By.ID, "bench-preset").send_keys("s", "b", keys.ARROW_DOWN)
    blur(opened)
    for held in (keys.CONTROL, keys.ALT, keys.META):
        opened.run("for (const key of ['4', 'f', ']', 'ArrowLeft']) document.body.dispatchEvent(new KeyboardEvent("
                   "'keydown', { key, bubbles: true, [arguments[0]]: true }))",
                   {keys.CONTROL: "ctrlKey", keys.ALT: "altKey", keys.META: "metaKey"}[held])
    ActionChains(opened.browser).key_down(keys.CONTROL).send_keys(keys.ARROW_LEFT).key_up(keys.CONTROL).perform()
    opened.settle()
    assert state(opened) == before and not is_lecture(opened)
    slider = opened.browser.find_element(By.ID, "right")
    slider.send_keys(keys.ARROW_RIGHT)                                  # the slider moves the digit, and once only
    opened.settle()
    assert opened.place == (5, 6)
    slider.send_keys("4")
    opened.settle()
    assert state(opened)["digit"] == 4


def test_keys_of_one_sign_can_be_switched_off(opened, keys):
    from selenium.webdriver.common.by import By
    opened.browser.find_element(By.ID, "help-open").click()
    opened.browser.find_element(By.ID, "shortcuts").click()
    press(opened, keys.ESCAPE)
    assert not opened.run("return document.getElementById('help').open")
    blur(opened)
    press(opened, "7", "]", "f", "?", keys.ARROW_UP)
    assert state(opened) == {"digit": 0, "dy": 4, "dx": 5, "tab": "maps", "tool": "move"} and not is_lecture(opened)


def test_the_focus_can_be_seen_on_all_that_it_reaches(opened, keys):
    """The tab key reaches every control of every panel, and each has a ring around it or around its label."""
    for tab in TABS:
        opened.go(3, 5, 5, tab)
        opened.promise("await minicnn.whenDrawn()")
        expected = opened.run("""window.reached = new Set(); return [...document.querySelectorAll(
            "button, select, summary, [tabindex='0'], input:not([type=radio])")].filter((one) =>
            one.checkVisibility() && one.tabIndex >= 0 && !one.disabled && !one.closest("dialog")).length""")
        for _ in range(expected + 8):                                   # and the radio buttons, and around the end
            press(opened, keys.TAB)
            found = opened.run("""const one = document.activeElement;
                const ring = (element) => element && getComputedStyle(element).outlineStyle !== "none";
                if (one !== document.body && one.type !== "radio") window.reached.add(one);
                return [one.tagName, one.id, ring(one) || ring(one.closest("label"))]""")
            assert found[0] == "BODY" or found[2], found
        assert opened.run("return window.reached.size") == expected, tab


def enter(opened, width, height):
    opened.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                   {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
    opened.run("document.documentElement.requestFullscreen = undefined")     # only the layout, in that size
    opened.go(3, 4, 8)
    blur(opened)
    press(opened, "f")
    assert is_lecture(opened)


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_full_screen_has_large_type_and_fits(opened, width, height):
    enter(opened, width, height)
    for tab in TABS:
        opened.run("minicnn.chooseTab(arguments[0])", tab)
        opened.promise("await minicnn.whenDrawn()")
        assert opened.run("return document.documentElement.scrollWidth") <= width
        assert opened.run("return document.documentElement.scrollHeight") <= height
        assert opened.run("return [...document.querySelectorAll('.left, .right')].filter((one) => "
                          "one.scrollWidth > one.clientWidth).length") == 0
        small = opened.run("""const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
            while (walk.nextNode()) {
              const { parentElement: one, textContent } = walk.currentNode;
              if (textContent.trim() && one.checkVisibility() && !one.closest(".hidden, script")
                && parseFloat(getComputedStyle(one).fontSize) < 22) found.push(textContent);
            }
            return found""")
        assert small == [], tab
        assert opened.run("return [...document.querySelectorAll('[role=tabpanel]')].filter((one) => "
                          "one.checkVisibility()).map((one) => one.id)") == [tab]
        assert opened.run("return document.getElementById('stage').clientWidth") >= min(0.25 * width, 0.43 * height)
        if tab in ("maps", "equal", "pool", "impulse"):                        # all maps are seen at once
            assert opened.run("const box = document.querySelector('.right');"
                              "return box.scrollHeight - box.clientHeight") <= 0, tab


def test_a_small_screen_keeps_its_own_layout(opened):
    enter(opened, 375, 800)
    for tab in TABS:
        opened.run("minicnn.chooseTab(arguments[0])", tab)
        opened.promise("await minicnn.whenDrawn()")
        assert opened.run("return document.documentElement.scrollWidth") <= 375 and opened.outside() == []
        assert opened.run("return document.getElementById('stage').clientWidth") > 150


@pytest.mark.parametrize(("width", "height"), SCREENS[::2])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_in_full_screen(opened, width, height, dark):
    axe = pytest.importorskip("axe_core_python.selenium", reason="pip install axe-core-python").Axe()
    if dark:
        opened.run("document.getElementById('theme').click()")
    enter(opened, width, height)
    for tab in TABS:
        opened.run("minicnn.chooseTab(arguments[0])", tab)
        opened.promise("await minicnn.whenDrawn()")
        assert [(one["id"], [node["target"] for node in one["nodes"]])
                for one in axe.run(opened.browser)["violations"]] == [], tab
    press(opened, "?")
    assert axe.run(opened.browser)["violations"] == []


def test_page_down_shows_the_rest_of_a_panel_first(opened, keys):
    enter(opened, 1024, 768)
    opened.run("minicnn.chooseTab('pixel'); minicnn.pixel.choose({ layer: 1, channel: 3 })")
    opened.promise("await minicnn.whenDrawn()")
    scrolled = lambda: opened.run("return document.querySelector('.right').scrollTop")
    assert scrolled() == 0
    press(opened, keys.PAGE_DOWN)
    assert scrolled() > 100 and state(opened)["tab"] == "pixel"
    press(opened, *[keys.PAGE_DOWN] * 4)
    assert state(opened)["tab"] != "pixel"
    press(opened, keys.ESCAPE)
    assert not is_lecture(opened)


def test_the_browser_s_full_screen_follows(opened):
    from selenium.webdriver.common.by import By
    opened.browser.find_element(By.ID, "lecture").click()
    opened.settle()
    assert is_lecture(opened) and opened.run("return document.fullscreenElement === document.documentElement")
    assert opened.text("lecture") == "Leave" and opened.text("panel-title") == "Feature maps (1/6)"
    opened.browser.find_element(By.ID, "panel-next").click()
    assert state(opened)["tab"] == "equal"
    opened.promise("await document.exitFullscreen()")                   # as the browser does itself after Escape
    opened.settle()
    assert not is_lecture(opened) and opened.text("lecture") == "Full screen"
    assert opened.run("return minicnn.byTab.maps[0].views[0].label.textContent").startswith("channel ")


def test_a_printed_page_is_light_and_has_no_buttons(opened):
    opened.go(3, 4, 8, "impulse")
    opened.run("document.getElementById('theme').click()")
    opened.settle()
    opened.run("dispatchEvent(new Event('beforeprint'))")
    opened.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert opened.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    corner = opened.run("return Array.from(minicnn.byTab.impulse[0].views[0].context.getImageData(0, 0, 1, 1).data)")
    assert corner == [255] * 4
    assert opened.run("return [...document.querySelectorAll('button, input, select')].filter((one) => "
                      "one.checkVisibility()).map((one) => one.id)") == ["tab-impulse"]
    opened.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    opened.run("dispatchEvent(new Event('afterprint'))")
    assert opened.run("return document.documentElement.className") == "dark"


def test_each_panel_is_printed_on_one_sheet(opened):
    import base64
    import re
    for tab in TABS:
        opened.go(3, 4, 8, tab, "map")
        opened.promise("await minicnn.whenDrawn()")
        printed = opened.browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
        assert len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(printed["data"]))) == 1, tab


def test_the_arrow_keys_go_from_pixel_to_pixel_and_from_map_to_map(opened, keys):
    opened.go(3, 4, 8)
    opened.run("document.querySelector('#maps input[value=input]').focus()")
    press(opened, keys.TAB)
    said = lambda: opened.text("legend-text").split(":")[0]
    assert said() == "conv1, row 17, column 17"
    press(opened, keys.ARROW_UP, keys.ARROW_LEFT, keys.ARROW_LEFT)
    assert said() == "conv1, row 16, column 15" and opened.place == (4, 8)
    assert "sees 5×5 pixels, rows 16 to 20, columns 15 to 19." in opened.text("legend-text")
    which = lambda: opened.run("return document.activeElement.getAttribute('aria-label')")
    first, second = opened.run("return minicnn.meta.layers[0].channels.slice(0, 2)")
    press(opened, *[keys.ARROW_RIGHT] * 19)
    assert said() == "conv1, row 16, column 0" and which() == f"conv1, channel {second}"
    press(opened, keys.ARROW_LEFT)
    assert said() == "conv1, row 16, column 33" and which() == f"conv1, channel {first}"
    press(opened, *[keys.ARROW_DOWN] * 18)
    assert said() == "conv2, row 0, column 29" and which().startswith("conv2, channel ")
    press(opened, *[keys.ARROW_UP] * 60)
    assert said() == "conv1, row 0, column 29"
    press(opened, "7", "]")
    assert state(opened)["digit"] == 7 and opened.run("return minicnn.state.probe") is None
    assert opened.text("legend-text").startswith("Point at a pixel of a map")


def test_a_click_on_another_map_points_at_its_pixel(opened, keys):
    from selenium.webdriver.common.action_chains import ActionChains
    opened.go(3, 4, 8)
    for row in (0, 1, 3):
        canvas = opened.run("return minicnn.byTab.maps[arguments[0]].views[0].canvas", row)
        ActionChains(opened.browser).move_to_element(canvas).click().perform()
        opened.settle()
        assert opened.text("legend-text").startswith(f"conv{row + 1}, row ")
    press(opened, keys.ARROW_LEFT)                                      # the arrow keys still move the digit
    assert opened.place == (4, 7)
