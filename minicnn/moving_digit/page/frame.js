// ---- the comparison of two computations, of the picture on the canvas and of the moved map
const trio = (size) => [0, 1, 2].map(() => new Float64Array(CHANNELS * size * size));
const [ofMoved, movedOf, difference] = trio(SIZE[LAST]);                   // phi(T x), T phi(x), |their difference|
const [poolOfMoved, movedPool, poolDifference] = trio(POOL);
const isOdd = () => shiftY() % 2 !== 0 || shiftX() % 2 !== 0;

function compareDeepest() {
  const n = SIZE[LAST], centre = now.deepest(CENTRE, CENTRE);
  ofMoved.set(now.deepest(...now.place()));
  for (let c = 0; c < CHANNELS; c++) {
    shift(centre, c * n * n, n, shiftY(), shiftX() + (spoiled() ? 1 : 0), channel(movedOf, c, n));
  }
  return subtract(ofMoved, movedOf, difference);
}
const halves = (s) => [...new Set([Math.floor(s / 2) + 0, Math.ceil(s / 2) + 0])];
function comparePool(dy, dx) {                                          // the whole-pixel shift that fits best
  const centre = now.pool(CENTRE, CENTRE);
  poolOfMoved.set(now.pool(dy, dx));
  const attempt = (y, x) => {
    for (let c = 0; c < CHANNELS; c++) shift(centre, c * POOL * POOL, POOL, y, x, channel(movedPool, c, POOL));
    return { ...subtract(poolOfMoved, movedPool, poolDifference), y, x };
  };
  let best = null, last = null;
  for (const y of halves(dy - CENTRE)) for (const x of halves(dx - CENTRE)) {
    last = attempt(y, x);
    if (!best || last.mean < best.mean) best = last;
  }
  return best === last ? best : attempt(best.y, best.x);
}

// ---- panels, and one frame
// build() makes the rows, once. draw(now, { deepest, pooled }) fills them. floats: the panel needs now.floats().
// pending() says that the panel has not yet drawn all. kept() lists what the reader has chosen in it, numbers and words
// for the address; restored(texts) checks such a list, and returns a function that chooses it again: see show/link.js.
const panels = {};
function panel(name, parts) {
  byTab[name] = [];
  panels[name] = { build() {}, draw() {}, floats: false, pending: () => false, ...parts };
}
let pooled = { y: 0, x: 0 };
const drawnLooks = {};
function drawRows() {
  const rows = byTab[state.tab], look = `${now.key()} ${document.documentElement.className}`;
  for (const row of rows) for (const view of row.views) paint(view, view.values, row.lut());
  if (look === drawnLooks[state.tab]) return;                           // the bars of colours, if they may have changed
  drawnLooks[state.tab] = look;
  for (const row of rows) {
    paintBar(row.bar, row.lut());
    row.range().forEach((text, end) => { row.ends[end].textContent = text; });
  }
}
let asked = 0;
function draw() {
  const start = performance.now();
  asked = 0;
  now = isDrawn() ? drawn : stored;
  drawStage();
  drawSliders();
  let deepest = null;
  if (now.ready()) {
    deepest = compareDeepest();
    pooled = comparePool(...now.place());
    drawTexts(deepest, pooled, drawScores());
    panels[state.tab].draw(now, { deepest, pooled });
    drawRows();
    drawProbe();
    drawEnlarged();
  }
  drawLecture();
  pursue();
  Object.assign(window.minicnn, { lastFrameMs: performance.now() - start, frames: window.minicnn.frames + 1, deepest,
                                  pooled, drawnKey: now.key() });
}
let speaking = 0;
function change(what) {
  Object.assign(state, what);
  if (!asked) asked = requestAnimationFrame(draw);
  keepAddress();
  if ("probe" in what) return;
  clearTimeout(speaking);                                               // a screen reader hears only the end of a drag
  speaking = setTimeout(() => put("live", ["text", "agree", "forgets"].filter((id) => !$(id).hidden)
    .map((id) => $(id).textContent).join(" ")), 400);
}
