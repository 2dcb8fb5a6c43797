const $ = (id) => document.getElementById(id);
const make = (tag, parent, properties = {}) =>
  parent.appendChild(Object.assign(document.createElement(tag), properties));
const trouble = (text) => { $("trouble").textContent = text; $("trouble").hidden = false; };
if (typeof DecompressionStream === "undefined") {
  trouble("This browser cannot unpack the data in the page: take one of 2023 or later.");
  return;
}

// ---- numbers of the engine: typed arrays over one buffer, (digit, place, channel, y, x), see page.py
const meta = JSON.parse($("meta").textContent);
const packed = Uint8Array.from(atob($("blob").textContent), (c) => c.charCodeAt(0));
const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
const buffer = await new Response(stream).arrayBuffer();
const data = {};
for (const [name, { type, shape, begin }] of Object.entries(meta.arrays)) {
  const length = shape.reduce((a, b) => a * b, 1);
  data[name] = type === "float32" ? new Float32Array(buffer, begin, length) : new Uint8Array(buffer, begin, length);
}
const CANVAS = meta.canvas, DIGIT = meta.digit, ROOM = CANVAS - DIGIT, CENTRE = meta.centre, SIDE = ROOM + 1;
const MIDDLE = CENTRE * SIDE + CENTRE;                                  // the place in the centre
const SIZE = [1, 2, 3, 4].map((layer) => CANVAS - 4 * layer);           // 34, 30, 26, 22
const POOL = SIZE[3] / 2, CHANNELS = meta.arrays.conv4.shape[2];
const SEES = [...meta.layers.map((layer) => layer.sees), meta.pool_sees];
const NAMES = [...meta.layers.map((layer) => layer.name), "pool"];

const state = { digit: 0, dy: CENTRE, dx: CENTRE, mode: "input", tab: "maps", spoil: false, probe: null };
const shiftY = () => state.dy - CENTRE, shiftX = () => state.dx - CENTRE;
const movesMap = () => state.tab === "maps" && state.mode === "map";    // else the input is moved
const spoiled = () => state.tab === "equal" && state.spoil;
const scale = (layer) => meta.scales[state.digit][Math.min(layer, 3)];

// ---- moving maps: -1 stands for a pixel that is not known
function cut(source, at, width, top, left, size, out) {                 // size x size pixels of a map of the sheet
  for (let i = 0, o = 0; i < size; i++) {
    for (let j = 0, from = at + (top + i) * width + left; j < size; j++) out[o++] = source[from + j];
  }
}
function shift(source, at, size, sy, sx, out) {                         // out[i, j] = source[i - sy, j - sx]
  for (let i = 0, o = 0; i < size; i++) {
    for (let j = 0; j < size; j++, o++) {
      const y = i - sy, x = j - sx;
      out[o] = y < 0 || x < 0 || y >= size || x >= size ? -1 : source[at + y * size + x];
    }
  }
}
function subtract(a, b, out) {                                          // |a - b| where both are known, and counts of differences
  let known = 0, differ = 0, largest = 0, total = 0;
  for (let i = 0; i < a.length; i++) {
    if (a[i] < 0 || b[i] < 0) { out[i] = -1; continue; }
    const d = out[i] = Math.abs(a[i] - b[i]);
    known++; total += d;
    if (d) differ++;
    if (d > largest) largest = d;
  }
  return { known, differ, largest, mean: total / known };
}
const trio = (size) => [0, 1, 2].map(() => new Int16Array(CHANNELS * size * size));
const channel = (maps, c, size) => maps.subarray(c * size * size, (c + 1) * size * size);
const [ofMoved, movedOf, difference] = trio(SIZE[3]);                   // phi(T x), T phi(x), |their difference|
const [poolOfMoved, movedPool, poolDifference] = trio(POOL);

function compareConv4() {
  const n = SIZE[3], area = n * n, at = state.digit * SIDE * SIDE;
  const here = (at + state.dy * SIDE + state.dx) * CHANNELS * area, centre = (at + MIDDLE) * CHANNELS * area;
  ofMoved.set(data.conv4.subarray(here, here + CHANNELS * area));
  for (let c = 0; c < CHANNELS; c++) {
    shift(data.conv4, centre + c * area, n, shiftY(), shiftX() + (spoiled() ? 1 : 0), channel(movedOf, c, n));
  }
  return subtract(ofMoved, movedOf, difference);
}
const halves = (s) => [...new Set([Math.floor(s / 2) + 0, Math.ceil(s / 2) + 0])];
function comparePool(dy, dx) {                                          // the whole-pixel shift that fits best
  const area = POOL * POOL, at = state.digit * SIDE * SIDE;
  const here = (at + dy * SIDE + dx) * CHANNELS * area, centre = (at + MIDDLE) * CHANNELS * area;
  poolOfMoved.set(data.pool.subarray(here, here + CHANNELS * area));
  const attempt = (y, x) => {
    for (let c = 0; c < CHANNELS; c++) shift(data.pool, centre + c * area, POOL, y, x, channel(movedPool, c, POOL));
    return { ...subtract(poolOfMoved, movedPool, poolDifference), y, x };
  };
  let best = null, count = 0, last = null;
  for (const y of halves(dy - CENTRE)) for (const x of halves(dx - CENTRE)) {
    last = attempt(y, x);
    count++;
    if (!best || last.mean < best.mean) best = last;
  }
  return best === last ? best : attempt(best.y, best.x);
}
