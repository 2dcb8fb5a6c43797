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
function subtract(a, b, out) {                                // |a - b| where both are known, and counts of differences
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
function hide(values, n, sy, sx) {                                      // pixels that T phi(x) does not know
  for (let i = 0, o = 0; i < n; i++) {
    for (let j = 0; j < n; j++, o++) if (i < sy || i >= n + sy || j < sx || j >= n + sx) values[o] = -1;
  }
}
function poolOf(values, out, n = POOL, width = SIZE[LAST]) {        // rounding keeps the order, so the maximum is right
  for (let i = 0, o = 0; i < n; i++) {
    for (let j = 0; j < n; j++, o++) {
      const a = 2 * i * width + 2 * j, four = [values[a], values[a + 1], values[a + width], values[a + width + 1]];
      out[o] = Math.min(...four) < 0 ? -1 : Math.max(...four);
    }
  }
}
const channel = (maps, c, size) => maps.subarray(c * size * size, (c + 1) * size * size);

// ---- the float maps of the picture on the canvas, and of the same picture in the centre: what the Worker has found
const found = { key: "", dy: CENTRE, dx: CENTRE, digit: -1, here: null, centre: null, sheet: null, scales: null };
const wanted = () =>
  `${state.digit} ${isDrawn() ? drawing.strokes : 0} ${state.dy} ${state.dx} ${state.tab === "pool"}`;
const needsFloats = () => isDrawn() || panels[state.tab].floats;
const isCurrent = () => (!needsFloats() || found.key === wanted()) && !panels[state.tab].pending();
let busy = false;
async function pursue() {                                            // ask for the newest picture, if it is needed
  if (busy || found.key === wanted() || !needsFloats()) return;
  busy = true;
  try { await ask(); } catch (error) { trouble(say("live.failed", { reason: error.message })); }
  busy = false;
}
async function ask() {
  const key = wanted(), { digit, dy, dx, tab } = state, started = performance.now();
  const inCentre = dy === CENTRE && dx === CENTRE, x = canvasOf(digit, CENTRE, CENTRE);
  const whole = tab === "pool" && digit === DRAWING ? paste(x, CANVAS, CANVAS, CENTRE, CENTRE, SHEET) : null;
  const [centre, moved, sheet] = await Promise.all([
    live.ask("centre", x), inCentre ? null : live.ask("here", canvasOf(digit, dy, dx)),
    whole && live.ask("sheet", whole, SHEET)]);
  const here = moved ?? centre;
  Object.assign(found, { key, digit, dy, dx, here, centre, sheet, seconds: (performance.now() - started) / 1000,
                         ink: inkOf(x, CANVAS, CANVAS), scales: scalesOf(here, centre) });
  change({ probe: state.probe });
}
const scalesOf = (...answers) => meta.layers.map(({ channels }, layer) => answers.reduce((most, { maps, shapes }) =>
  channels.reduce((top, c) => channel(maps[layer], c, shapes[layer][1]).reduce((a, b) => Math.max(a, b), top), most), 0)
  || 1);

// ---- two sources of maps, in steps: 255 steps are the largest value of the layer
const stored = {                                                        // a digit of the file, at any of its places
  ready: () => true,
  place: () => [state.dy, state.dx],
  key: () => state.digit,
  scale: (layer) => meta.scales[state.digit][Math.min(layer, LAST)],
  fill(layer, index, out) {                                             // a map of T x, of all but the last layer
    const width = SIZE[layer] + ROOM, at = (state.digit * meta.layers[layer].channels.length + index) * width * width;
    cut(data[NAMES[layer]], at, width, ROOM - state.dy, ROOM - state.dx, SIZE[layer], out);
  },
  fillMoved(layer, index, out) {                                   // the same of T phi(x), which equals it: see explore
    stored.fill(layer, index, out);
    hide(out, SIZE[layer], shiftY(), shiftX());
  },
  deepest(dy, dx) {                                                       // all channels, computed for this place alone
    const area = CHANNELS * SIZE[LAST] ** 2, at = (state.digit * SIDE * SIDE + dy * SIDE + dx) * area;
    return data[NAMES[LAST]].subarray(at, at + area);
  },
  pool(dy, dx) {
    const area = CHANNELS * POOL ** 2, at = (state.digit * SIDE * SIDE + dy * SIDE + dx) * area;
    return data.pool.subarray(at, at + area);
  },
  logits() {
    const count = meta.classes.length, at = ((state.digit * SIDE + state.dy) * SIDE + state.dx) * count;
    return data.logits.subarray(at, at + count);
  },
};
const drawn = {                                                         // the drawing, as far as the Worker has got
  ready: () => found.digit === DRAWING && found.scales !== null,
  place: () => [found.dy, found.dx],
  key: () => found.key,
  scale: (layer) => found.scales[Math.min(layer, LAST)],
  steps(answer, layer) {                                                // the channels that are shown, once computed
    const { maps, shapes } = answer, size = shapes[layer][1], { channels } = meta.layers[Math.min(layer, LAST)];
    const known = (answer.steps ??= [])[layer], factor = 255 / drawn.scale(layer);
    if (known?.factor === factor) return known.out;
    const out = new Float64Array(channels.length * size * size);
    channels.forEach((c, index) => out.set(channel(maps[layer], c, size), index * size * size));
    for (let i = 0; i < out.length; i++) out[i] *= factor;
    answer.steps[layer] = { out, factor };
    return out;
  },
  fill(layer, index, out) { out.set(channel(drawn.steps(found.here, layer), index, SIZE[layer])); },
  fillMoved(layer, index, out) {
    shift(drawn.steps(found.centre, layer), index * SIZE[layer] ** 2, SIZE[layer], shiftY(), shiftX(), out);
  },
  deepest: (dy, dx) => drawn.steps(dy === CENTRE && dx === CENTRE ? found.centre : found.here, LAST),
  pool(dy, dx) {
    if (dy === CENTRE && dx === CENTRE) return drawn.steps(found.centre, LAST + 1);
    if (dy === found.dy && dx === found.dx) return drawn.steps(found.here, LAST + 1);
    const out = new Float64Array(CHANNELS * POOL * POOL), part = new Float64Array(SIZE[LAST] ** 2);
    const whole = drawn.steps(found.sheet, LAST);
    for (let c = 0; c < CHANNELS; c++) {
      cut(whole, c * (SIZE[LAST] + ROOM) ** 2, SIZE[LAST] + ROOM, ROOM - dy, ROOM - dx, SIZE[LAST], part);
      poolOf(part, channel(out, c, POOL));
    }
    return out;
  },
  logits: () => found.here.logits,
};
let now = stored;
const shiftY = () => now.place()[0] - CENTRE, shiftX = () => now.place()[1] - CENTRE;
stored.floats = drawn.floats = () =>                                 // { here, centre }: answers of the Worker, or null
  found.digit === state.digit && found.dy === now.place()[0] && found.dx === now.place()[1] ? found : null;
