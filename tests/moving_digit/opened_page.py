"""The open page of `minicnn explore`, and what the tests ask it."""

import base64

import numpy as np

FLOATS = """const bytes = (array) => { const raw = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
let text = ""; for (let i = 0; i < raw.length; i += 4096) text += String.fromCharCode(...raw.subarray(i, i + 4096));
return btoa(text); };"""

class Page:
    """The questions of the tests to the open page."""

    def __init__(self, browser):
        self.browser = browser

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def settle(self):
        """Wait for two frames: then the page has drawn all changes."""
        self.browser.execute_async_script("const done = arguments[0];"
                                          "requestAnimationFrame(() => requestAnimationFrame(() => done()));")

    def go(self, digit, dy, dx, tab="maps", mode="input"):
        self.run("const [digit, dy, dx, tab, mode] = arguments; minicnn.chooseTab(tab); minicnn.chooseDigit(digit);"
                 "minicnn.move(dy, dx); document.querySelector(`input[value=${mode}]`).click();",
                 digit, dy, dx, tab, mode)
        self.settle()

    def text(self, name):
        return self.run("return document.getElementById(arguments[0]).textContent", name)

    def maps(self, tab, row):
        """The numbers behind the pictures of one row, int array (channels, n, n); -1: not known."""
        found = self.run("return minicnn.byTab[arguments[0]][arguments[1]].views.map("
                         "(view) => [view.size, Array.from(view.values)])", tab, row)
        return np.array([np.reshape(values, (size, size)) for size, values in found])

    def pixels(self, tab, row):
        """The painted colours on the canvases: (channels, n, n, 4)."""
        found = self.run("return minicnn.byTab[arguments[0]][arguments[1]].views.map((view) => [view.size,"
                         "Array.from(view.context.getImageData(0, 0, view.size, view.size).data)])", tab, row)
        return np.array([np.reshape(values, (size, size, 4)) for size, values in found])

    @property
    def place(self):
        return tuple(self.run("return [minicnn.state.dy, minicnn.state.dx]"))

    def outside(self):
        """The elements that stick out of the page at the left or the right, and those wider than their place."""
        return self.run("""return [...document.querySelectorAll('body *')].filter((one) => {
              const box = one.getBoundingClientRect(), wide = one.scrollWidth - one.clientWidth > 1;
              return box.width > 1 && (box.left < -0.5 || box.right > innerWidth + 0.5)
                || one.clientWidth > 1 && wide && getComputedStyle(one).overflowX === 'visible';
            }).map((one) => `${one.tagName} ${one.id} ${one.textContent.slice(0, 40)}`)""")

    def promise(self, script, *arguments):
        """The value of a promise."""
        found = self.browser.execute_async_script(
            f"const done = arguments[arguments.length - 1]; (async () => {{ {script} }})().then((value) => "
            "done([value, null]), (error) => done([null, String(error)]));", *arguments)
        assert found[1] is None, found[1]
        return found[0]

    def draw(self, *strokes, tool="pen"):
        """Draw strokes through points (y, x), and wait until their maps are drawn."""
        self.run("const [strokes, tool] = arguments; for (const stroke of strokes) minicnn.drawLine(stroke, tool);",
                 [np.asarray(stroke, float).tolist() for stroke in strokes], tool)
        self.computed()

    def computed(self):
        """Wait until the page shows the maps of what is on the canvas."""
        from selenium.webdriver.support.ui import WebDriverWait
        self.settle()
        WebDriverWait(self.browser, 20).until(lambda _: self.run("return minicnn.isCurrent()"))
        self.settle()

    def drawing(self):
        """The pixels of the drawing, in the centre: uint8 (38, 38)."""
        return np.array(self.run("return Array.from(minicnn.drawing.pixels)"), np.uint8).reshape(38, 38)

    def floats(self, slot="centre"):
        """What the Worker answers for the drawing: {layer: float32 (C, n, n)}, and the logits."""
        answer = self.promise(FLOATS + """
            const { drawing, live, canvasOf, meta } = minicnn;
            const { maps, shapes, logits } = await live.ask(arguments[0], drawing.pixels);
            return [maps.map(bytes), shapes, bytes(logits), meta.network.map(({ name }) => name)];""", slot)
        read = lambda text: np.frombuffer(base64.b64decode(text), np.float32)
        return ({name: read(text).reshape(shape) for text, shape, name in zip(*answer[:2], answer[3], strict=False)},
                read(answer[2]))
