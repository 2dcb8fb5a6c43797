"""Drawing on the page's canvas: by mouse, touch and keys; undo, centre, files of pictures; what the panels show."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from minicnn.data import load

THREE = [[10, 14], [9, 20], [13, 23], [17, 19], [22, 24], [27, 20], [27, 14]]


def draw_by_mouse(opened, *points):
    """Press at the first of the points (y, x), go through the others, release."""
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By
    stage = opened.browser.find_element(By.ID, "stage")
    cell = stage.size["width"] / 38
    chain, middle = ActionChains(opened.browser, duration=20), 19
    for k, (y, x) in enumerate(points):
        chain.move_to_element_with_offset(stage, round((x - middle) * cell), round((y - middle) * cell))
        if k == 0:
            chain.click_and_hold()
    chain.release().perform()
    opened.computed()


def choose(opened, tool):
    opened.run("document.querySelector(`input[name=tool][value=${arguments[0]}]`).click()", tool)


def test_a_drawing_is_classified_and_moved(opened):
    opened.run("document.querySelector('#digits .drawing').click()")
    opened.computed()
    assert opened.text("text").startswith("The canvas is empty: draw a digit. A black canvas is taken for ")
    draw_by_mouse(opened, *THREE)
    assert opened.text("text").startswith("Your drawing, in the centre. Taken for 3,")
    pixels = opened.drawing()
    assert pixels.max() == 255 and ((pixels > 0) & (pixels < 255)).any()             # soft edges
    assert pixels[int(THREE[2][0]), int(THREE[2][1])] > 100 and pixels[0].max() == 0
    centre = [opened.maps("maps", row) for row in range(4)]
    choose(opened, "move")
    opened.run("minicnn.move(2, 9)")
    opened.computed()
    assert opened.text("text").startswith("Your drawing, 4 px right, 3 px up.")
    np.testing.assert_array_equal(opened.drawing(), pixels)
    for row, before in enumerate(centre):                               # another map may be the largest
        np.testing.assert_allclose(opened.maps("maps", row)[:, :-3, 4:], before[:, 3:, :-4], rtol=0.05, atol=1e-6)


def test_both_computations_of_a_drawing_agree_and_the_pool_forgets_odd_moves(opened, rng):
    opened.draw(*[rng.uniform(2, 36, (4, 2)) for _ in range(3)])
    for dy, dx in [(5, 5), (3, 9), (4, 5), (0, 10), (10, 1)]:
        opened.go(10, dy, dx, "equal")
        opened.computed()
        known = 5 * (22 - abs(dy - 5)) * (22 - abs(dx - 5))
        assert opened.text("agree") == \
            f"conv4, φ(T x) and T φ(x): equal in all {known:,} pixels that both maps have."
        assert not opened.maps("equal", 2)[opened.maps("equal", 2) >= 0].any()
        even = (dy - 5) % 2 == 0 and (dx - 5) % 2 == 0
        assert ("differ" in opened.text("forgets")) != even
        opened.go(10, dy, dx, mode="map")
        opened.computed()
        moved = [opened.maps("maps", row) for row in range(5)]
        opened.go(10, dy, dx)
        for row, maps in enumerate(moved):
            known = maps >= 0
            assert known.any()
            np.testing.assert_array_equal(maps[known], opened.maps("maps", row)[known])
    opened.run("document.getElementById('spoil').click()")
    opened.go(10, 3, 9, "equal")
    opened.computed()
    assert "pixels differ" in opened.text("agree")


def test_the_board_of_a_drawing(opened):
    opened.draw(THREE)
    opened.go(10, 5, 5, "pool")
    opened.computed()
    assert opened.text("board-text").startswith("Equal at 25 places; ")
    opened.draw([[10.0, 10.0]])
    before = opened.text("board-text")
    opened.run("minicnn.undo()")
    opened.computed()
    assert opened.text("board-text") != before


def test_erase_undo_and_clear(opened):
    opened.go(7, 5, 5)
    digit = np.asarray(opened.run("return Array.from(minicnn.canvasOf(7, 5, 5))"), np.uint8).reshape(38, 38)
    choose(opened, "eraser")
    assert "The eraser changes the digit on the canvas" in opened.text("draw-text")
    draw_by_mouse(opened, [19, 8], [19, 30])
    erased = opened.drawing()
    assert not erased[19, 10:28].any() and (erased[:15] == digit[:15]).all() and digit[19].any()
    opened.run("document.getElementById('clear').click()")
    opened.computed()
    assert not opened.drawing().any() and "The canvas is empty" in opened.text("text")
    for expected in (erased, None):
        opened.run("document.getElementById('undo').click()")
        opened.computed()
        if expected is not None:
            np.testing.assert_array_equal(opened.drawing(), expected)
    assert opened.text("text").startswith("Digit 7,")
    opened.run("document.getElementById('undo').click()")
    assert opened.text("draw-text") == "There is nothing to undo."


def test_the_keyboard_draws(opened):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    opened.run("document.querySelector('#digits .drawing').click()")
    stage = opened.browser.find_element(By.ID, "stage")
    stage.send_keys(Keys.HOME, " ", *[Keys.ARROW_DOWN] * 6, " ", *[Keys.ARROW_RIGHT] * 4)
    opened.computed()
    pixels = opened.drawing()
    assert (pixels[19:25, 18:20] > 150).all() and not pixels[:, 23:].any() and not pixels[29:].any()
    assert opened.text("draw-text") == "Row 25, column 23, pen up."
    assert opened.place == (5, 5)
    stage.send_keys(Keys.CONTROL, "z")
    opened.computed()
    assert not opened.drawing().any()
    stage.send_keys(Keys.HOME, *[Keys.ARROW_UP] * 60, *[Keys.ARROW_LEFT] * 60)
    assert opened.text("draw-text") == "Row 0, column 0, pen up."
    opened.run("minicnn.chooseDigit(10)")
    stage.send_keys(" ", Keys.ARROW_DOWN)         # the pen is down, then a digit is chosen: it is lifted
    before = opened.drawing()
    opened.run("minicnn.chooseDigit(3)")
    stage.send_keys(*[Keys.ARROW_DOWN] * 5)
    opened.computed()
    np.testing.assert_array_equal(opened.drawing(), before)
    choose(opened, "move")
    stage.send_keys(Keys.ARROW_RIGHT)
    opened.computed()
    assert opened.place == (5, 6)


def touching(opened):
    """(a function that sends a touch event with points, a function from a pixel of the canvas to a point)"""
    opened.run("minicnn.chooseDigit(10); minicnn.chooseTool('pen')")
    box = opened.run("const box = document.getElementById('stage').getBoundingClientRect();"
                     "return [box.left, box.top, box.width]")
    send = lambda kind, points: opened.browser.execute_cdp_cmd("Input.dispatchTouchEvent",
                                                               {"type": kind, "touchPoints": points})
    return send, lambda y, x: [{"x": box[0] + x * box[2] / 38, "y": box[1] + y * box[2] / 38}]


def test_a_second_finger_draws_nothing(opened):
    send, at = touching(opened)
    first, second = [{**at(y, x)[0], "id": k} for k, (y, x) in enumerate(((10, 8), (10, 30)))]
    send("touchStart", [first])
    send("touchStart", [first, second])
    for y in range(11, 20):
        send("touchMove", [{**at(y, 8)[0], "id": 0}, {**at(y, 30)[0], "id": 1}])
    send("touchEnd", [])
    opened.computed()
    assert (opened.drawing()[11:18, 7:9] > 150).all() and not opened.drawing()[:, 15:].any()


def test_a_finger_draws(opened):
    send, at = touching(opened)
    send("touchStart", at(10, 19))
    for y in range(11, 28):
        send("touchMove", at(y, 19))
    send("touchEnd", [])
    opened.computed()
    assert (opened.drawing()[11:26, 18:20] > 150).all()
    assert opened.run("return scrollY") == 0 and opened.place == (5, 5)
    assert opened.text("text").startswith("Your drawing, in the centre. Taken for 1,")


def centre_of_mass(pixels):
    return [(pixels.sum(1 - axis) * (np.arange(38) + 0.5)).sum() / pixels.sum() for axis in (0, 1)]


def test_centre_makes_what_mnist_did(opened):
    images = load("mnist5k").val_images[:200].astype(float)
    sides = [max(np.ptp(np.flatnonzero(image.any(1 - axis))) + 1 for axis in (0, 1)) for image in images]
    assert np.median(sides) == 20                                           # so the box of MNIST's digits is the page's
    opened.run("minicnn.clear()")
    opened.draw(np.asarray(THREE) * 0.4 + [1, 20])
    opened.run("document.getElementById('centre').click()")
    opened.computed()
    pixels = opened.drawing().astype(float)
    side = max(np.ptp(np.flatnonzero(pixels.any(1 - axis))) + 1 for axis in (0, 1))
    assert side in (19, 20, 21) and centre_of_mass(pixels) == pytest.approx([19, 19], abs=0.05)
    assert opened.text("draw-text").startswith("Centred: the drawing fits into 20×20 pixels")
    assert "Taken for 3," in opened.text("text")
    opened.run("document.getElementById('centre').click()")
    np.testing.assert_array_equal(opened.drawing(), pixels)                 # once more changes nothing
    opened.run("minicnn.clear(); document.getElementById('centre').click()")
    assert opened.text("draw-text") == "The canvas is empty: there is nothing to centre."


def give(opened, path):
    """Choose a file, and wait for what the page says of it."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait
    opened.browser.find_element(By.ID, "file").send_keys(str(path))
    WebDriverWait(opened.browser, 20).until(lambda _: path.name in opened.text("draw-text"))
    opened.computed()
    return opened.text("draw-text")


@pytest.mark.parametrize(("mode", "size", "name"), [("L", (400, 300), "eine Drei é.png"), ("RGB", (90, 130), "3.jpg"),
                                                    ("RGBA", (1500, 60), "3 <b>.png")])
def test_a_picture_of_ink_on_paper(opened, tmp_path, mode, size, name):
    paper = {"L": 235, "RGB": (240, 230, 200), "RGBA": (0, 0, 0, 0)}[mode]
    ink = {"L": 30, "RGB": (20, 20, 120), "RGBA": (10, 10, 10, 255)}[mode]
    picture, zoom = Image.new(mode, size, paper), min(size) / 45
    points = [((x - 5) * zoom + size[0] / 3, y * zoom) for y, x in THREE]
    ImageDraw.Draw(picture).line(points, ink, round(2.2 * zoom), "curve")
    picture.save(tmp_path / name)
    said = give(opened, tmp_path / name)
    assert said == f"{name}: {size[0]}×{size[1]} pixels, dark on light: inverted, fitted into 20×20 pixels and " \
                   "centred as MNIST's digits are."
    assert centre_of_mass(opened.drawing().astype(float)) == pytest.approx([19, 19], abs=0.1)
    assert "Taken for 3," in opened.text("text")


def test_a_picture_of_mnist_is_taken_as_it_is(opened, tmp_path):
    image = load("mnist5k").val_images[5]
    for number, pixels in enumerate((image, 255 - image)):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        assert give(opened, tmp_path / f"{number}.png").endswith("taken as it is.")
        np.testing.assert_array_equal(opened.drawing()[5:33, 5:33], image)
    assert "inverted" in opened.text("draw-text")


def test_files_that_show_no_digit(opened, tmp_path):
    opened.draw(THREE)
    before = opened.drawing()
    (tmp_path / "notes.png").write_text("no picture")
    assert give(opened, tmp_path / "notes.png") == ("notes.png is not a picture that this browser can read: take a "
                                                    "PNG, JPEG, GIF, WebP or BMP file.")
    Image.new("L", (64, 48), 128).save(tmp_path / "grey.png")
    assert give(opened, tmp_path / "grey.png") == ("grey.png: 64×48 pixels, but there is no ink in it: all its pixels "
                                                   "are almost equal.")
    np.testing.assert_array_equal(opened.drawing(), before)


def test_a_browser_without_worker(browser, page):
    from selenium.webdriver.support.ui import WebDriverWait

    from tests.moving_digit.opened_page import Page
    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.Worker"})
    try:
        browser.get(page.as_uri())
        WebDriverWait(browser, 20).until(lambda it: it.execute_script("return Boolean(window.minicnn?.ready)"))
        opened = Page(browser)
        assert "lets the page start no Worker" in opened.text("no-worker")
        assert not opened.run("return document.getElementById('no-worker').hidden || minicnn.live.hasWorker()")
        opened.run("minicnn.clear()")
        opened.draw(THREE)
        assert "Taken for 3" in opened.text("text") and opened.promise("return (await minicnn.checked).fine")
        opened.go(4, 2, 2)
        assert opened.text("text").startswith("Digit 4,")
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_the_pen_says_what_becomes_of_the_digit_and_leaves_the_impulse(opened):
    opened.go(3, 5, 5, "impulse")
    assert not opened.run("return document.getElementById('symbols').checkVisibility()")
    opened.run("document.querySelector('input[name=tool][value=pen]').click()")
    assert opened.run("return minicnn.state.tab") == "maps"
    opened.draw([(10, 10), (20, 20)])
    assert opened.text("draw-text") == "What you change is now your drawing; Undo goes back."
    assert "φ(x) is the map of x" in opened.text("symbols")
    opened.run("minicnn.chooseTab('impulse')")
    assert opened.text("draw-text") == "" and opened.run("return minicnn.state.tool") == "move"


def test_on_a_narrow_screen_the_pen_has_the_whole_width(opened):
    opened.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                   {"width": 375, "height": 800, "deviceScaleFactor": 1, "mobile": False})
    width = "return document.getElementById('stage').clientWidth"
    assert opened.run(width) < 250
    opened.run("minicnn.chooseTool('pen')")
    assert opened.run(width) > 330 and opened.outside() == []
