"""The files that the page saves: each frame of the GIF and of the PNG files against what the page shows there."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageSequence
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from minicnn.moving_digit import path
from minicnn.notebook import frame

WRITE = """const [pixels, width, height] = arguments, { Gif } = minicnn;
const table = Array.from({ length: 255 }, (_, k) => [k, 255 - k, k ^ 85]), codes = Gif.codes();
for (let at = 0; at < pixels.length; at += 999) codes.add(Uint8Array.from(pixels.slice(at, at + 999)));
const all = [Gif.head(width, height, table), Gif.before(width, height, 7), codes.blocks(), Gif.TAIL];
return all.flatMap((part) => Array.from(part));"""


@pytest.fixture
def downloads(opened, tmp_path):
    """A function: wait for a file that the page saves, and read it."""
    opened.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})

    def read(name):
        WebDriverWait(opened.browser, 60).until(lambda _: (tmp_path / name).exists())
        WebDriverWait(opened.browser, 5).until(lambda _: opened.text("show-text").startswith(f"Saved as {name}: "))
        return (tmp_path / name).read_bytes()
    read.folder = tmp_path
    return read


def squares(opened, image):
    """What a saved frame has for each pixel of each picture: one uint8 array (h, w, zoom, zoom, 3) for a picture."""
    found = []
    for at in opened.run("return minicnn.saved.places"):
        x, y, zoom, w, h = (at[name] for name in ("x", "y", "zoom", "width", "height"))
        part = image[y:y + h * zoom, x:x + w * zoom]
        found.append(part.reshape(h, zoom, w, zoom, 3).swapaxes(1, 2))
    return found


def shown(opened):
    """The pixels on the page: of the canvas, and of each picture of the panel, uint8 (h, w, 3)."""
    found = opened.run("""return [document.getElementById("picture"),
        ...document.querySelectorAll("[role=tabpanel]:not([hidden]) canvas[role=img]")].map((canvas) => [canvas.height,
          canvas.width, [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]]);""")
    return [np.reshape(values, (h, w, 4)).astype(np.uint8)[..., :3] for h, w, values in found]


def check_frame(opened, image, place, tolerance):
    opened.run("minicnn.move(...arguments[0])", [int(v) for v in place])
    opened.computed()
    saved, pictures = squares(opened, np.asarray(image.convert("RGB"))), shown(opened)
    assert len(saved) == len(pictures) > 5
    middle = saved[0].shape[2] // 2                                     # the dashed frame lies at edges of pixels
    worst = abs(saved[0][:, :, middle, middle].astype(int) - pictures[0]).max()
    for square, picture in zip(saved[1:], pictures[1:], strict=True):
        assert square.shape[2] >= 2 and (square == square[:, :, :1, :1]).all()                # each pixel is a square
        worst = max(worst, abs(square[:, :, 0, 0].astype(int) - picture).max())
    assert worst <= tolerance


@pytest.mark.parametrize("tab", ["maps", "pool", "impulse"])
def test_the_gif_shows_one_pass_of_the_path(opened, downloads, tab):
    opened.go(3, 4, 4, tab)
    opened.run("minicnn.chooseSpeed(5)")
    opened.computed()
    opened.browser.find_element(By.ID, "save-gif").click()
    image = Image.open(io.BytesIO(downloads(f"minicnn-{tab}-circle.gif")))
    frames, places = [frame.copy() for frame in ImageSequence.Iterator(image)], path("circle")
    assert len(frames) == len(places) == 40 and image.info["loop"] == 0 and image.size[0] >= 640
    assert {frame.info["duration"] for frame in frames} == {200}                              # milliseconds
    assert opened.place == (4, 4)
    for k in (0, 11, 39):
        check_frame(opened, frames[k], places[k], 2)                    # of 255: a GIF has at most 256 colours
    assert np.ptp(np.asarray(frames[5].convert("L"))[328:346, 16:150]) > 150               # words below the canvas


@pytest.mark.parametrize("width", [1280, 375])
def test_the_png_files_of_a_drawing_have_the_exact_colours(opened, downloads, width):
    opened.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                   {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500})
    opened.draw([[10, 12], [12, 24], [26, 18]])
    opened.run("document.getElementById('theme').click(); minicnn.chooseTab('equal'); minicnn.choosePath('zigzag')")
    opened.computed()
    opened.browser.find_element(By.ID, "save-png").send_keys(Keys.ENTER)
    archive = zipfile.ZipFile(io.BytesIO(downloads("minicnn-equal-zigzag-png.zip")))
    places = path("zigzag")
    assert archive.testzip() is None and archive.namelist() == [f"frame-{k:03}.png" for k in range(len(places))]
    for k in (0, 7):
        image = Image.open(io.BytesIO(archive.read(f"frame-{k:03}.png")))
        assert image.size[0] >= 640
        check_frame(opened, image, places[k], 0)


@pytest.mark.parametrize("way", ["button", "key", "other tab", "drag"])
def test_saving_can_be_stopped(opened, downloads, way):
    opened.go(2, 6, 3)
    opened.run("minicnn.choosePath('all')")
    opened.browser.find_element(By.ID, "save-gif").click()
    assert opened.text("show-text").startswith("One pass of the path is being saved.")
    assert opened.run("return document.activeElement.id") == "stop-saving"
    assert not opened.browser.find_element(By.ID, "play").is_enabled()
    before = opened.run("return minicnn.frames")
    WebDriverWait(opened.browser, 20).until(lambda _: opened.run("return minicnn.frames") > before + 3)
    if way == "button":
        opened.browser.find_element(By.ID, "stop-saving").click()
    elif way == "key":
        opened.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    elif way == "other tab":
        opened.browser.find_element(By.ID, "tab-equal").click()
    else:
        opened.run("minicnn.move(9, 9)")
    WebDriverWait(opened.browser, 5).until(lambda _: opened.text("show-text").startswith("Nothing was saved"))
    assert ("the view was changed" in opened.text("show-text")) == (way in ("other tab", "drag"))
    opened.settle()
    assert (opened.place == (6, 3)) == (way in ("button", "key"))
    assert opened.browser.find_element(By.ID, "play").is_enabled() and list(downloads.folder.iterdir()) == []


def test_the_frame_of_a_notebook_saves_but_has_no_address(browser, page, tmp_path):
    outside, folder = tmp_path / "notebook.html", tmp_path / "saved"
    outside.write_text(frame(page.read_text(encoding="utf-8"), 900, "a page"), encoding="utf-8")
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    browser.get(outside.as_uri())
    browser.switch_to.frame(0)
    try:
        WebDriverWait(browser, 20).until(lambda it: it.execute_script("return Boolean(window.minicnn?.ready)"))
        assert not browser.find_element(By.ID, "copy-link").is_displayed()
        browser.execute_script("minicnn.choosePath('zigzag')")
        browser.find_element(By.ID, "save-gif").click()
        WebDriverWait(browser, 30).until(lambda _: (folder / "minicnn-maps-zigzag.gif").exists())
    finally:
        browser.switch_to.default_content()
    assert browser.current_url == outside.as_uri()
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize(("height", "width", "kind"), [
    (211, 307, "noise"), (50, 5000, "one colour"), (1, 1, "one colour"), (300, 300, "two colours"), (90, 90, "steps")])
def test_any_pixels_are_encoded(opened, rng, height, width, kind):
    pixels = {"noise": lambda: rng.integers(0, 255, (height, width)), "one colour": lambda: np.full((height, width), 9),
              "two colours": lambda: rng.integers(0, 2, (height, width)) * 254,
              "steps": lambda: np.add.outer(np.arange(height), np.arange(width)) % 255}[kind]()
    data = bytes(opened.run(WRITE, pixels.ravel().tolist(), width, height))
    image = Image.open(io.BytesIO(data))
    assert image.size == (width, height) and image.info["duration"] == 70
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), np.stack([pixels, 255 - pixels, pixels ^ 85], -1))


def test_the_palette(opened, rng):
    packed = lambda colours: (0xFF000000 | colours @ [1, 256, 65536]).tolist()
    few, many = rng.integers(0, 256, (255, 3)), rng.integers(0, 256, (3000, 3))
    assert sorted(opened.run("return minicnn.Gif.palette(arguments[0])", packed(few))) == sorted(few.tolist())
    table = np.array(opened.run("return minicnn.Gif.palette(arguments[0])", packed(many)))
    assert len(table) == 255
    indices = opened.run("return arguments[0].map(minicnn.Gif.nearest(arguments[1]))", packed(many), table.tolist())
    off = np.linalg.norm(table[indices] - many, axis=1)
    np.testing.assert_allclose(off, np.linalg.norm(table[:, None] - many, axis=2).min(0))
    assert off.max() < 50 and off.mean() < 20                            # a cube of 6 levels has 44 and 24
