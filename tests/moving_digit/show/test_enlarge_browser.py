"""A map, enlarged in a dialog: by a double click or the key Enter; its pixels, the maps beside it, and the way on."""

import pytest

SHOWN = """
const canvas = document.getElementById('enlarged-map');
const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
return { open: document.getElementById('enlarged').open, title: document.getElementById('enlarged-title').textContent,
         text: document.getElementById('enlarged-text').textContent, focus: document.activeElement.id,
         pixels: [...data], how: !document.getElementById('enlarged-how').hidden };
"""
MAP = """
const { canvas } = minicnn.byTab[minicnn.state.tab][arguments[0]].views[arguments[1]];
canvas.scrollIntoView({ block: 'center' });
return canvas;
"""


@pytest.fixture
def actions(opened):
    from selenium.webdriver.common.action_chains import ActionChains

    def perform(name, *arguments):
        getattr(ActionChains(opened.browser), name)(*arguments).perform()
        opened.settle()
    return perform


@pytest.mark.parametrize("width", [375, 1440])
def test_a_double_click_enlarges_a_map(opened, actions, width):
    from selenium.webdriver.common.keys import Keys
    opened.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False})
    canvas = opened.run(MAP, 1, 2)
    pixels = opened.run("const { width, height } = arguments[0]; return "
                        "[...arguments[0].getContext('2d').getImageData(0, 0, width, height).data]", canvas)
    actions("double_click", canvas)
    shown = opened.run(SHOWN)
    name = opened.run("return arguments[0].getAttribute('aria-label')", canvas)
    assert (shown["open"], shown["title"], shown["focus"], shown["how"]) == (True, name, "enlarged-map", True)
    assert shown["pixels"] == pixels and len(set(pixels)) > 10
    place, size = shown["text"].split(":")[0], opened.run("return arguments[0].width", canvas)
    row, column = (int(word.rstrip(",:")) for word in place.split() if word.rstrip(",:").isdigit())
    assert abs(row - size // 2) <= 1 and abs(column - size // 2) <= 1
    actions("send_keys", Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_LEFT)
    assert opened.run(SHOWN)["text"].startswith(f"conv2, row {row + 2}, column {column - 1}:")
    frame = opened.run("""
        const [map, here] = ['enlarged-map', 'enlarged-here'].map((id) => document.getElementById(id)
          .getBoundingClientRect()), size = document.getElementById('enlarged-map').width;
        return [(here.top + here.height / 2 - map.top) / map.height * size,
                (here.left + here.width / 2 - map.left) / map.width * size,
                document.getElementById('enlarged').getBoundingClientRect().right]""")
    assert frame[0] == pytest.approx(row + 2.5, abs=0.3) and frame[1] == pytest.approx(column - 0.5, abs=0.3)
    assert frame[2] <= width
    actions("send_keys", Keys.ESCAPE)
    assert not opened.run(SHOWN)["open"] and opened.run("return document.activeElement === arguments[0]", canvas)


def test_enter_enlarges_and_leads_to_the_pixel_step_by_step(opened, actions):
    from selenium.webdriver.common.keys import Keys
    canvas = opened.run(MAP, 0, 0)
    opened.run("arguments[0].focus()", canvas)
    actions("send_keys", Keys.ENTER)
    assert opened.run(SHOWN)["title"].startswith("conv1")
    actions("send_keys", "3", "f")                                      # the keys of the page do not count here
    assert opened.run("return [minicnn.state.digit, document.body.classList.contains('lecture')]") == [0, False]
    actions("send_keys", Keys.ARROW_RIGHT)
    for button in ("next", "next", "before"):
        opened.run(f"document.getElementById('enlarged-{button}').click()")
        opened.settle()
    channel = opened.run("return minicnn.meta.layers[0].channels[1]")
    assert opened.run(SHOWN)["title"].endswith(f"channel {channel}")
    row, column = opened.run("const { size } = minicnn.byTab.maps[0].views[0]; return [size >> 1, (size >> 1) + 1]")
    opened.run("document.getElementById('enlarged-how').click()")
    opened.settle()
    chosen = opened.run("return minicnn.pixel.chosen")
    assert opened.run("return minicnn.state.tab") == "pixel" and not opened.run(SHOWN)["open"]
    assert (chosen["layer"], chosen["channel"], chosen["y"], chosen["x"]) == (0, channel, row, column)


def test_maps_that_no_panel_explains_are_enlarged_too(opened, actions):
    for tab in ("equal", "pool", "impulse"):
        opened.run(f"minicnn.chooseTab('{tab}')")
        opened.settle()
        actions("double_click", opened.run(MAP, 0, 0))
        shown = opened.run(SHOWN)
        assert shown["open"] and not shown["how"] and shown["text"]
        opened.run("document.getElementById('enlarged-close').click()")
