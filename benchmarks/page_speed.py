"""How fast is the page of `minicnn explore`? A stroke of the pen, a move of a digit, and the first picture.

    python benchmarks/page_speed.py

In a headless Chromium: 100 strokes of about two pixels, from the call that draws to the frame that shows all their
maps; the longest time that the page did not listen meanwhile, if that was more than 50 ms; the work of a frame while a
digit of the file is moved; the time from opening the file to the first picture. Needs selenium and Chromium with its
chromedriver.
"""

import argparse
import json
import tempfile
from pathlib import Path
from statistics import median

from page_in_browser import opened_page

STROKES = """const [tab] = arguments, done = arguments[arguments.length - 1];
const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
const shown = async () => {                                 // until the maps of the newest picture are drawn
  while (!minicnn.isCurrent() || minicnn.drawnKey !== minicnn.found.key) await frame();
};
(async () => {
  minicnn.chooseTab(tab);
  minicnn.clear();
  await shown();
  const strokes = [], work = [], worker = [], blocked = [0];
  const seen = new PerformanceObserver((list) => blocked.push(...list.getEntries().map((entry) => entry.duration)));
  seen.observe({ entryTypes: ["longtask"] });
  for (let k = 0, y = 19, x = 19; k < 100; k++) {
    const to = [19 + 9 * Math.sin(k / 5), 19 + 7 * Math.cos(k / 7)], start = performance.now();
    minicnn.drawLine([[y, x], to]);
    await shown();
    strokes.push(performance.now() - start);
    work.push(minicnn.lastFrameMs);
    worker.push(1000 * minicnn.found.centre.seconds);
    [y, x] = to;
  }
  minicnn.chooseTab("maps");
  minicnn.chooseDigit(3);
  const moves = [];
  for (let k = 0; k < 100; k++) {
    minicnn.move(3 * k % 11, 7 * k % 11);
    await frame();
    await frame();
    moves.push(minicnn.lastFrameMs);
  }
  return { strokes, work, worker, moves, blocked: Math.max(...blocked) };
})().then(done, (error) => done(String(error)));"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, opened_page(Path(folder)) as page:
        page.set_script_timeout(300)
        size = (Path(folder) / "explore.html").stat().st_size
        first = page.execute_script("return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
                                    "?? null")
        found = {"bytes": size, "first_picture_ms": first}
        for tab in ("maps", "equal", "pool"):
            numbers = page.execute_async_script(STROKES, tab)
            found[tab] = {name: median(values) if isinstance(values, list) else values
                          for name, values in numbers.items()}
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"{size / 1e6:.2f} MB; first picture after {first:.0f} ms. Medians of 100, in ms:")
    print("panel   stroke to picture   in the Worker   work of a frame   a digit moved   longest task")
    for tab in ("maps", "equal", "pool"):
        print(f"{tab:6}" + "".join(f"{found[tab][name]:{width}.{digits}f}" for name, width, digits in (
            ("strokes", 19, 0), ("worker", 16, 0), ("work", 18, 1), ("moves", 16, 1), ("blocked", 15, 0))))


if __name__ == "__main__":
    main()
