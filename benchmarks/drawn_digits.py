"""Does the page of `minicnn explore` read what people draw? Digits of the official test set are drawn as strokes.

    python benchmarks/drawn_digits.py --digits 1000

Each digit is thinned to lines one pixel wide. The pen of the page follows these lines in a headless Chromium, and the
page's own network classifies the drawing: as it is drawn, then drawn off the centre and smaller, then the same after
the button Centre. A drawing counts if its class is the one that the network gives to the original. Needs selenium,
Chromium with its chromedriver, scikit-image, and the IDX files of MNIST (MINICNN_DATA).
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from page_in_browser import opened_page

from minicnn.data import load

PLACES = {"drawn in the centre": (1.0, 0, 0), "drawn 4 pixels off": (1.0, 4, 4),
          "drawn half as large, 4 pixels off": (0.5, 4, -4)}            # size, pixels down, pixels to the right
ASK = """const [lines, centre] = arguments, done = arguments[arguments.length - 1];
const best = (scores) => scores.indexOf(Math.max(...scores));
minicnn.clear();
for (const line of lines) minicnn.drawLine(line);
if (centre) minicnn.centreDrawing();
minicnn.live.ask("benchmark", minicnn.drawing.pixels).then(({ logits }) => done(best(logits)));"""


def lines_of(image):
    """Paths through the pixels of the thinned digit, each a list of points (y, x). They meet every pixel."""
    from skimage.morphology import skeletonize
    left = {(int(y), int(x)) for y, x in np.argwhere(skeletonize(image > 100))}
    lines = []
    while left:
        line, stack = [], [left.pop()]
        line.append(stack[0])
        while stack:                                # a walk that goes back where a branch ends
            y, x = stack[-1]
            beside = [(y + i, x + j) for i, j in ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))]
            step = next((one for one in beside if one in left), None)
            if step is None:
                stack.pop()
                step = stack[-1] if stack else None
            else:
                left.remove(step)
                stack.append(step)
            if step:
                line.append(step)
        lines.append([(y + 0.5, x + 0.5) for y, x in line])
    return lines


def placed(lines, size, down, right):
    """The lines on the canvas of 38 pixels."""
    return [[((y - 14) * size + 19 + down, (x - 14) * size + 19 + right) for y, x in line] for line in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--digits", type=int, default=100, help="the first digits of the test set (default: 100)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    data = load("mnist")
    images = data.test_images[:arguments.digits]
    with tempfile.TemporaryDirectory() as folder, opened_page(Path(folder)) as page:
        ask = lambda lines, centre: page.execute_async_script(ASK, lines, centre)
        originals = [page.execute_async_script(
            "const [pixels] = arguments, done = arguments[arguments.length - 1]; minicnn.live.ask('benchmark',"
            "Uint8Array.from(pixels)).then(({ logits }) => done(logits.indexOf(Math.max(...logits))));",
            np.pad(image, 5).ravel().tolist()) for image in images]
        lines, found = [lines_of(image) for image in images], {}
        for name, place in PLACES.items():
            for centre in (False, True):
                classes = [ask(placed(one, *place), centre) for one in lines]
                found[name + (", centred" if centre else "")] = int(np.sum(np.equal(classes, originals)))
    if arguments.json:
        print(json.dumps({"digits": len(images), "same_class": found}))
        return
    print(f"of {len(images)} digits, the drawing has the class of the original:")
    for name, count in found.items():
        print(f"{name:50} {count:6} {100 * count / len(images):6.1f} %")


if __name__ == "__main__":
    main()
