"""The figure of the page: valid SVG without a request, its pixels are the page's maps, labels of files are text."""

import base64
import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

SVG, SHEET = "{http://www.w3.org/2000/svg}", (1188, 840)
TABS = ("maps", "equal", "pool", "impulse", "pixel", "kernel")
EVIL = 'a<script>alert("1")</script>&\'\x01\ud800'


def figure(opened):
    return ET.fromstring(opened.run("return minicnn.figureOf()"))


def group(root, name):
    return root.find(f".//{SVG}g[@id='{name}']")


def pictures(root):
    """The embedded pictures of a part of the figure, each as uint8 (height, width, 3), without the bars of colours."""
    found = [one.get("href") for one in root.iter(f"{SVG}image")]
    assert all(href.startswith("data:image/png;base64,") for href in found)
    arrays = [np.asarray(Image.open(io.BytesIO(base64.b64decode(href.split(",")[1]))).convert("RGB")) for href in found]
    return [array for array in arrays if array.shape[0] > 1]


def words(root):
    return [one.text for one in root.iter(f"{SVG}text")]


def painted(opened, selector):
    """The colours of the canvases that are shown there."""
    found = opened.run("""return [...document.querySelectorAll(arguments[0])].filter((one) => !one.closest("[hidden]"))
        .map((one) => [one.height, one.width, Array.from(one.getContext("2d").getImageData(0, 0, one.width, one.height)
        .data)])""", selector)
    return [np.reshape(data, (height, width, 4))[..., :3] for height, width, data in found if height > 1]


def wait_for_current(opened):
    opened.settle()
    opened.promise("await minicnn.whenDrawn()")
    opened.settle()


@pytest.mark.parametrize("tab", TABS)
def test_pixels_are_those_of_the_page(opened, tab):
    opened.go(3, 4, 8, tab)
    wait_for_current(opened)
    if tab == "kernel":
        opened.run("minicnn.bench.choosePreset('median'); minicnn.bench.look(12, 14)")
        wait_for_current(opened)
    root = figure(opened)
    assert root.get("width") == "297mm" and root.get("height") == "210mm"
    assert root.get("viewBox") == "0 0 {} {}".format(*SHEET)
    expected, found = painted(opened, f"#{tab} canvas"), pictures(group(root, "panel"))
    assert len(found) == len(expected) >= 3 - (tab == "pixel")
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(pictures(group(root, "left"))[0], painted(opened, "#picture")[0])
    for one in root.iter(f"{SVG}image"):
        assert "pixelated" in one.get("style")


def test_values_behind_the_colours(opened):
    """Each colour of a feature map stands for one step, so that the numbers can be read back."""
    opened.go(3, 2, 7)
    maps = opened.maps("maps", 0)
    found = np.array(pictures(group(figure(opened), "panel"))[:len(maps)]).astype(int)
    steps = {}
    for colour, step in zip(found.reshape(-1, 3).tolist(), maps.ravel().tolist(), strict=True):
        assert steps.setdefault(tuple(colour), step) == step or abs(steps[tuple(colour)] - step) <= 1
    by_step = sorted((step, sum(colour)) for colour, step in steps.items())
    assert len(by_step) > 100 and [light for _, light in by_step] == sorted(light for _, light in by_step)


def test_words_and_numbers_stand_in_it(opened):
    opened.go(3, 4, 8)
    root = figure(opened)
    left, right = words(group(root, "left")), words(group(root, "panel"))
    for name in ("conv1", "conv4", "max-pool", *(f"channel {c}" for c in opened.run(
            "return minicnn.meta.layers[0].channels"))):
        assert name in right
    for end in opened.run("return [...document.querySelectorAll('#maps .bar-of-colours span')].map((one) => "
                          "one.textContent)"):
        assert end in right
    cells = opened.run("return [...document.querySelectorAll('#scores tbody tr')].flatMap((line) => "
                       "[...line.cells].map((cell) => cell.textContent))")
    assert [word for word in left if word in cells] == cells
    assert {"Feature maps", opened.text("text")} <= set(words(root))
    assert words(root)[2].startswith("The network is the LeNet of minicnn with the weights in the package: 67,415 par")


def test_the_kernel_bench_and_one_pixel(opened):
    opened.go(3, 5, 5, "kernel")
    opened.run("minicnn.bench.choosePreset('emboss'); minicnn.bench.look(12, 14)")
    wait_for_current(opened)
    found = words(group(figure(opened), "panel"))
    assert any("emboss" in word and "stride 1" in word for word in found)
    assert [word for word in found if word in ("2", "1", "0", "−1", "−2")][2:11] == [*"21011", "−1", "0", "−1", "−2"]
    for number in opened.run("return [...document.querySelectorAll('#bench-products td')].map((one) => "
                             "one.textContent)"):
        assert number in found
    assert opened.text("bench-sum") in found and any("The verdict on the plane: a convolution." in w for w in found)
    opened.go(3, 5, 5, "pixel")
    opened.computed()
    found = words(group(figure(opened), "panel"))
    for number in opened.run("return [...document.querySelectorAll('#pixel-products td')].map((one) => "
                             "one.textContent)"):
        assert number in found


@pytest.mark.parametrize("tab", TABS)
def test_nothing_sticks_out_of_the_sheet(opened, tmp_path, tab):
    opened.go(3, 9, 1, tab, "map")
    wait_for_current(opened)
    if tab == "kernel":
        opened.run("minicnn.bench.choosePreset('median')")
        wait_for_current(opened)
    path = tmp_path / "figure.svg"
    path.write_text(opened.run("return minicnn.figureOf()"), encoding="utf-8")
    opened.browser.get(path.as_uri())
    assert opened.run("return performance.getEntriesByType('resource').length") == 0
    outside = opened.run("""const [svg, [wide, tall]] = [document.documentElement, arguments[0]];
        const scale = svg.getBoundingClientRect().width / wide;
        return [...svg.querySelectorAll("text, image, rect")].map((one) => [one.getBoundingClientRect(),
            one.textContent]).filter(([box]) => box.left < 0 || box.top < 0 || box.right > wide * scale + 0.5 ||
            box.bottom > tall * scale + 0.5).map(([, text]) => text)""", SHEET)
    assert outside == []
    assert opened.run("const box = document.documentElement.getBoundingClientRect();"
                      "return box.width / box.height") == pytest.approx(297 / 210, abs=1e-3)
    opened.browser.get("about:blank")
    opened.browser.execute_script("document.body.innerHTML = '<p id=trouble hidden></p>'")


def test_white_in_a_dark_page_too(opened):
    opened.go(3, 4, 8, "impulse")
    light = opened.run("return minicnn.figureOf()")
    opened.run("document.getElementById('theme').click()")
    opened.settle()
    dark = opened.pixels("impulse", 1)
    assert opened.run("return minicnn.figureOf()") == light
    assert opened.run("return document.documentElement.className") == "dark"
    np.testing.assert_array_equal(opened.pixels("impulse", 1), dark)


def test_a_label_of_a_file_is_text(opened):
    opened.run("minicnn.meta.classes[0] = arguments[0]; minicnn.meta.source = arguments[1]", EVIL[:-1], EVIL[:-1])
    opened.run("minicnn.meta.classes[0] += '\\ud800 ' + 'M'.repeat(300)")
    opened.go(0, 4, 8)
    text = opened.run("return minicnn.figureOf()")
    root = ET.fromstring(text)
    assert "<script" not in text and list(root.iter(f"{SVG}script")) == []
    label = next(word for word in words(group(root, "left")) if word.startswith("a<sc"))
    assert EVIL[:len(label) - 1].startswith(label[:-1]) and label.endswith("…")
    assert any('a<script>alert("1")</script>&\'\ufffd' in word for word in words(root))


def test_the_button_saves_a_file(opened, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait
    opened.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    opened.go(7, 4, 8, "equal")
    opened.browser.find_element(By.ID, "figure").click()
    path = tmp_path / "minicnn-equal.svg"
    WebDriverWait(opened.browser, 20).until(lambda _: path.exists())
    assert words(ET.parse(path).getroot())[0] == "Do they agree?"


def test_frames(opened):
    """Window, ghost and receptive field lie around the pixels that they frame."""
    opened.go(3, 4, 8, "maps", "map")
    opened.run("const [view] = minicnn.byTab.maps[1].views; minicnn.change({ probe: { view, y: 10, x: 12 } })")
    opened.settle()
    left = group(figure(opened), "left")
    picture = next(left.iter(f"{SVG}image"))
    x, y, side = (float(picture.get(name)) for name in ("x", "y", "width"))
    found = {}
    for rect in [*left.iter(f"{SVG}rect")][::-1]:                         # the symbols of the legend come after
        by = float(rect.get("stroke-width", 0)) / 2
        box = [float(rect.get(name)) for name in ("y", "x", "width", "height")]
        found[rect.get("stroke")] = [(box[0] + by - y) * 38 / side, (box[1] + by - x) * 38 / side,
                                     (box[2] - 2 * by) * 38 / side, (box[3] - 2 * by) * 38 / side]
    assert found["#0060a8"] == pytest.approx([5, 5, 28, 28], abs=0.01)
    top, leftmost = 10 - (4 - 5), 12 - (8 - 5)              # the map is moved: its pixel sees where the digit still is
    assert found["#e69f00"] == pytest.approx([top, leftmost, 9, 9], abs=0.01)
    assert found["#6b7280"] == pytest.approx([4, 8, 28, 28], abs=0.01)
