// ---- colours, as 32-bit pixels; the lightness of a ramp grows, so hue is not needed
const rgb = (r, g, b) => (255 << 24 | b << 16 | g << 8 | r) >>> 0;
function ramp(...stops) {
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const at = i / 255 * (stops.length - 1), k = Math.min(Math.floor(at), stops.length - 2);
    return rgb(...stops[k].map((a, c) => Math.round(a + (stops[k + 1][c] - a) * (at - k))));
  });
}
const GREY = ramp([0, 0, 0], [255, 255, 255]);
const HEAT = ramp([0, 18, 46], [42, 66, 109], [104, 107, 115], [170, 157, 110], [255, 234, 105]);
const ORANGE = ramp([185, 75, 0], [235, 150, 20], [255, 245, 170]);
const DIFFERS = ORANGE.map((_, i) => ORANGE[Math.round(255 * Math.sqrt(i / 255))]);     // so that small differences are visible
ORANGE[0] = DIFFERS[0] = rgb(12, 24, 40);                               // equal
let SIGNED, hatch;
function readTheme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim().match(/[0-9a-f]{2}/gi).map((two) => parseInt(two, 16));
  const zero = colour("--zero");
  SIGNED = ramp([0, 114, 178], zero, [213, 94, 0]);
  SIGNED[128] = SIGNED[127] = rgb(...zero);
  hatch = [rgb(...colour("--hatch-1")), rgb(...colour("--hatch-2"))];
}

// ---- views: a canvas has the size of its map, and the browser enlarges it
const board = $("board");
const byTab = { maps: [], equal: [], pool: [], impulse: [] };           // rows: { views, layer, lut, offset, ... }
function screen(canvas) {
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
  return { canvas, context, image, pixels: new Uint32Array(image.data.buffer) };
}
function paint(view, values, lut) {
  const { pixels, canvas } = view, width = canvas.width;
  for (let i = 0; i < pixels.length; i++) {
    pixels[i] = values[i] < 0 ? hatch[(i % width + Math.floor(i / width)) & 1] : lut[values[i]];
  }
  view.context.putImageData(view.image, 0, 0);
}
function addRow(tab, title, text, tiles, options = {}) {                // a tile: layer, size, caption, values
  const line = make("div", $(tab).querySelector(".rows"), { className: "row" });
  const head = make("div", line);
  make("h3", head, { textContent: title });
  make("span", head, { innerHTML: text });
  const [{ layer }] = tiles;
  const row = { lut: () => HEAT, offset: () => [0, 0], range: () => ["0", number(scale(layer))],
                value: (q) => q / 255 * scale(layer), kernel: false, ...options };
  const bar = make("div", head, { className: "bar-of-colours" });
  row.bar = screen(make("canvas", bar, { width: 128, height: 1 }));
  row.bar.canvas.setAttribute("aria-hidden", "true");
  row.ends = [make("span", bar), make("span", bar)];
  row.views = tiles.map((tile) => {
    const { size, caption } = tile, figure = make("figure", line);
    const canvas = make("canvas", figure, { width: size, height: size });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${title}, ${caption}`);
    make("figcaption", figure, { textContent: caption });
    const view = { values: new Int16Array(size * size), ...tile, ...screen(canvas), row };
    const point = (event) => {
      const box = canvas.getBoundingClientRect(), inside = (v) => Math.max(0, Math.min(size - 1, Math.floor(v * size)));
      change({ probe: { view, y: inside((event.clientY - box.top) / box.height),
                        x: inside((event.clientX - box.left) / box.width) } });
    };
    canvas.addEventListener("pointermove", point);
    canvas.addEventListener("pointerdown", point);
    canvas.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && change({ probe: null }));
    return view;
  });
  byTab[tab].push(row);
  return row;
}
function tilesOf(layer, maps, size = layer < 4 ? SIZE[layer] : POOL) {  // one for each channel that is shown
  return meta.layers[Math.min(layer, 3)].channels.map((c, index) => ({
    layer, size, caption: `channel ${c}`, ...(maps && { values: channel(maps, index, size) }) }));
}
const number = (value) => Number(value.toPrecision(3)).toString();
const integer = (value) => value.toLocaleString("en");

function buildRows() {
  const against = () => movesMap() ? [-shiftY(), -shiftX()] : [0, 0];   // the shift of the digit, if the map is moved instead of the picture
  meta.layers.forEach(({ name, sees, channels, of }, layer) => {
    const which = channels.length < of ? `${channels.length}\u00a0of\u00a0${of}\u00a0channels`
      : `all\u00a0${of}\u00a0channels`;
    addRow("maps", name, `${SIZE[layer]}×${SIZE[layer]}, sees\u00a0${sees}×${sees}; ${which}`, tilesOf(layer),
           { offset: against });
  });
  addRow("maps", "max-pool", `${POOL}×${POOL}, sees\u00a0${meta.pool_sees}×${meta.pool_sees}; of\u00a0conv4`,
         tilesOf(4), { offset: against });
  const dark = { lut: () => DIFFERS }, tooFar = () => [0, spoiled() ? -1 : 0];
  addRow("equal", "φ(T x)", "conv4 of the moved {{noun}}", tilesOf(3, ofMoved));
  addRow("equal", "T φ(x)", "moved conv4 of the {{noun}} in the centre", tilesOf(3, movedOf), { offset: tooFar });
  addRow("equal", "|difference|", "dark: equal", tilesOf(3, difference), dark);
  const half = () => [shiftY() - 2 * pooled.y, shiftX() - 2 * pooled.x];
  addRow("pool", "P φ(T x)", "pool of the moved {{noun}}'s conv4", tilesOf(4, poolOfMoved));
  addRow("pool", "T′ P φ(x)", '<span id="half"></span>', tilesOf(4, movedPool), { offset: half });
  addRow("pool", "|difference|", "dark: equal", tilesOf(4, poolDifference), dark);
  for (const tab of ["equal", "pool"]) $(tab).classList.add("five");
  const signed = { lut: () => SIGNED, value: (q, { layer }) => (q - 128) / 127 * kernels[layer].largest };
  const first = meta.layers.map(({ name }, layer) => ({ layer, size: SIZE[layer], caption: name }));
  addRow("impulse", "where it is", "the first kernel of each row below, on the map of its layer", first,
         { ...signed, range: () => ["below 0", "above 0"] });
  kernels.forEach(({ values, largest, reach }, layer) => {
    const { name } = meta.layers[layer], through = layer ? `conv1 to ${name}` : "conv1";
    addRow("impulse", through, `kernel ${reach}×${reach}${layer ? "" : ", the weight turned"}`,
           tilesOf(layer, null, reach).map((tile, index) => ({ ...tile, values: Int16Array.from(
             values.subarray(index * reach * reach, (index + 1) * reach * reach), (v) => signedStep(v, largest)) })),
           { ...signed, kernel: true, range: () => [number(-largest), number(largest)] });
  });
}
const signedStep = (v, largest) => 128 + Math.round(127 * v / largest);
const kernels = [1, 2, 3, 4].map((layer) => {
  const values = data[`impulse${layer}`];
  return { values, reach: SEES[layer - 1], largest: values.reduce((most, v) => Math.max(most, Math.abs(v)), 0) || 1 };
});

// ---- one frame
let pooled = { y: 0, x: 0 };
function fillMaps() {
  byTab.maps.forEach((row, layer) => row.views.forEach((view, index) => {
    const n = view.size, top = ROOM - state.dy, left = ROOM - state.dx;
    if (layer < 3) {
      const width = n + ROOM, at = (state.digit * row.views.length + index) * width * width;
      cut(data[NAMES[layer]], at, width, top, left, n, view.values);
      if (movesMap()) hide(view.values, n, shiftY(), shiftX());
    } else if (layer === 3) {
      view.values.set(channel(movesMap() ? movedOf : ofMoved, index, n));
    } else if (movesMap()) {
      poolOf(channel(movedOf, index, SIZE[3]), view.values);
    } else {
      view.values.set(channel(poolOfMoved, index, n));
    }
  }));
}
function hide(values, n, sy, sx) {                                      // pixels that T phi(x) does not know
  for (let i = 0, o = 0; i < n; i++) {
    for (let j = 0; j < n; j++, o++) if (i < sy || i >= n + sy || j < sx || j >= n + sx) values[o] = -1;
  }
}
function poolOf(values, out) {                                          // rounding keeps the order, so the maximum is right
  for (let i = 0, o = 0; i < POOL; i++) {
    for (let j = 0; j < POOL; j++, o++) {
      const a = 4 * i * POOL + 2 * j, four = [values[a], values[a + 1], values[a + 2 * POOL], values[a + 2 * POOL + 1]];
      out[o] = Math.min(...four) < 0 ? -1 : Math.max(...four);
    }
  }
}
function fillImpulse() {                                                // the first row: the kernels at the place of the Dirac
  byTab.impulse[0].views.forEach(({ values, size }, layer) => {
    const { values: h, reach, largest } = kernels[layer];
    const top = meta.dirac + state.dy - reach + 1, left = meta.dirac + state.dx - reach + 1;
    values.fill(128);
    for (let i = Math.max(0, -top); i < reach && top + i < size; i++) {
      for (let j = Math.max(0, -left); j < reach && left + j < size; j++) {
        values[(top + i) * size + left + j] = signedStep(h[i * reach + j], largest);
      }
    }
  });
}
const AREA = DIGIT * DIGIT, DEPTH = data.images.length / (meta.digits.length * AREA);      // 1: grey, 3: colour
const inks = meta.digits.map((_, k) => Uint32Array.from({ length: AREA }, (_, i) => {      // pixels of the screen
  const at = (k * AREA + i) * DEPTH;
  return DEPTH === 1 ? GREY[data.images[at]] : rgb(...data.images.subarray(at, at + 3));
}));
const picture = screen($("picture"));
function drawStage() {
  const { pixels } = picture;
  pixels.fill(GREY[0]);
  const [top, left] = movesMap() ? [CENTRE, CENTRE] : [state.dy, state.dx];
  if (state.tab === "impulse") {
    pixels[(meta.dirac + state.dy) * CANVAS + meta.dirac + state.dx] = GREY[255];
  } else {
    const ink = inks[state.digit];
    for (let i = 0; i < DIGIT; i++) pixels.set(ink.subarray(i * DIGIT, (i + 1) * DIGIT), (top + i) * CANVAS + left);
  }
  picture.context.putImageData(picture.image, 0, 0);
  frame($("ghost"), movesMap() ? [state.dy, state.dx, DIGIT] : null);
  frame($("window"), state.tab === "impulse" ? null : [CENTRE, CENTRE, DIGIT]);
}
function frame(element, box) {
  element.hidden = !box;
  if (!box) return;
  const percent = (pixels) => `${100 * pixels / CANVAS}%`;
  Object.assign(element.style, { top: percent(box[0]), left: percent(box[1]), width: percent(box[2]),
                                 height: percent(box[2]) });
}
function drawProbe() {
  const { probe } = state;
  let text = "Point at a pixel of a map, or tap it, to see which pixels of the canvas it sees.", box = null;
  if (probe) {
    const { view, y, x } = probe, { row, layer, size } = view, step = view.values[y * size + x];
    const [oy, ox] = row.offset(), sees = SEES[layer], stride = layer < 4 ? 1 : 2;
    const top = stride * y + oy, left = stride * x + ox, last = sees - 1;
    const value = number(row.value(step, view)).replace("-", "−");
    text = `${NAMES[layer]}${row.kernel ? ", kernel" : ""}, row ${y}, column ${x}: `;
    if (step >= 0 && !row.kernel) box = [top, left, sees];
    text += step < 0 ? "not known here." : row.kernel ? `${value}.`
      : `${value}. It sees ${sees}×${sees} pixels, rows ${top} to ${top + last}, columns ${left} to ${left + last}.`;
  }
  frame($("sees"), box);
  $("legend-sees").hidden = !box;
  put("legend-text", text);
}

const put = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };
const mark = (id, text, equal) => { put(id, text); $(id).className = `text ${equal ? "yes" : "no"}`; };
const way = (v, plus, minus) => v ? `${Math.abs(v)} px ${v > 0 ? plus : minus}` : "";
const where = () => [way(shiftX(), "right", "left"), way(shiftY(), "down", "up")].filter(Boolean).join(", ")
  || "in the centre";
const LINES = 10, lines = [];                                           // the lines of the table of scores
const named = (label) => meta.own ? `Picture of ${meta.classes[label]}` : `Digit ${label}`;
function drawScores() {
  const count = meta.classes.length, at = ((state.digit * SIDE + state.dy) * SIDE + state.dx) * count;
  const logits = data.logits.subarray(at, at + count), order = Array.from(logits, (_, k) => k);
  if (count > LINES) order.sort((a, b) => logits[b] - logits[a]);       // the most probable classes only
  const largest = Math.max(...logits), best = logits.indexOf(largest);
  const powers = Array.from(logits, (v) => Math.exp(v - largest)), total = powers.reduce((a, b) => a + b);
  lines.forEach(({ line, name, bar, percent, score }, row) => {
    const k = order[row], p = powers[k] / total;
    if (name.textContent !== meta.classes[k]) name.textContent = meta.classes[k];
    line.className = k === best ? "best" : "";
    bar.style.transform = `scaleX(${p.toFixed(4)})`;
    percent.textContent = `${(100 * p).toFixed(1)} %`;
    score.textContent = logits[k].toFixed(1).replace("-", "−");
  });
  return { best, p: powers[best] / total };
}
function drawTexts(conv4, pool, seen) {
  const { label } = meta.digits[state.digit], dirac = state.tab === "impulse";
  put("text", dirac ? `Dirac, ${where()}.`
    : `${named(label)}, ${where()}. Taken for ${meta.classes[seen.best]}, ${(100 * seen.p).toFixed(1)} %${
      seen.best === label ? "" : ": wrong"}.`);
  const steps = (q) => number(q / 255 * scale(3));
  const verdict = ({ known, differ, largest }) => differ
    ? `${integer(differ)} of ${integer(known)} pixels differ, by up to ${steps(largest)}`
    : `equal in all ${integer(known)} pixels that both maps have`;
  const one = `conv4, φ(T x) and T φ(x): ${verdict(conv4)}${spoiled() ? " (moved one pixel too far)" : ""}.`;
  const odd = shiftY() % 2 || shiftX() % 2;
  const two = `Pooled map, ${odd ? "odd" : "even"} shift: ${verdict(pool)}.`;
  mark("agree", one, !conv4.differ);
  mark("forgets", two, !pool.differ);
  mark("equal-text", one, !conv4.differ);
  mark("pool-text", two, !pool.differ);
  const moved = [way(pool.x, "right", "left"), way(pool.y, "down", "up")].filter(Boolean).join(", ")
    .replaceAll(" px ", "\u00a0px\u00a0") || "by nothing";
  put("half", `pool in the centre, moved ${moved}${odd ? ": fits best" : ""}`);
  const few = meta.classes.length > LINES ? `; the ${LINES} most probable of ${meta.classes.length} classes` : "";
  put("caption", (movesMap() ? "Class scores of the moved map in the dashed frame"
    : "Class scores of the 28×28 pixels in the dashed frame") + few);
  put("mode-text", state.mode === "input" ? "The {{noun}} is moved; these are the maps of the moved picture."
    : "The {{noun}} stays in the centre; its maps are moved to where the frame is. Hatched: not known.");
  for (const id of ["agree", "forgets", "scores", "legend-window"]) $(id).hidden = dirac;
  $("legend-ghost").hidden = !movesMap();
  for (const [id, value, plus, minus] of [["right", shiftX(), "right", "left"], ["down", shiftY(), "down", "up"]]) {
    const words = way(value, plus, minus) || "centre";
    $(id).value = value;
    $(id).setAttribute("aria-valuetext", words);
    put(`${id}-text`, words);
  }
}
let drawnLook = "", boardDigit = -1, boardMeans = null, boardLargest = 1;
const boardScreen = screen(board), boardValues = new Int16Array(SIDE * SIDE);
function drawBoard() {
  if (boardDigit !== state.digit) {
    boardMeans = Array.from({ length: SIDE * SIDE }, (_, k) => comparePool(Math.floor(k / SIDE), k % SIDE).mean);
    boardLargest = Math.max(...boardMeans) || 1;
    boardDigit = state.digit;
    const equal = boardMeans.filter((mean) => mean === 0).length;
    const worst = number(boardLargest / 255 * scale(3));
    put("board-text", `Equal at ${equal} places; at the brightest they differ by ${worst} on average. Blue: here. `
        + "Click a place to go there.");
    board.setAttribute("aria-label", `Where the pooled map differs: equal at ${equal} of ${SIDE * SIDE} places`);
  }
  boardMeans.forEach((mean, k) => { boardValues[k] = mean ? Math.max(1, Math.round(255 * mean / boardLargest)) : 0; });
  paint(boardScreen, boardValues, ORANGE);
  boardScreen.pixels[state.dy * SIDE + state.dx] = rgb(86, 180, 233);
  boardScreen.context.putImageData(boardScreen.image, 0, 0);
}
function drawRows() {
  const rows = byTab[state.tab], look = `${state.tab} ${state.digit} ${document.documentElement.className}`;
  for (const row of rows) for (const view of row.views) paint(view, view.values, row.lut());
  if (look === drawnLook) return;                                       // the bars of colours, if they may have changed
  drawnLook = look;
  for (const row of rows) {
    paint(row.bar, Int16Array.from({ length: 128 }, (_, i) => i < 3 ? 0 : 2 * i + 1), row.lut());
    row.range().forEach((text, end) => { row.ends[end].textContent = text.replace("-", "−"); });
  }
}
let asked = 0;
function draw() {
  const start = performance.now();
  asked = 0;
  if (state.tab === "pool") drawBoard();
  const conv4 = compareConv4();
  pooled = comparePool(state.dy, state.dx);
  if (state.tab === "maps") fillMaps();
  if (state.tab === "impulse") fillImpulse();
  drawStage();
  drawRows();
  drawProbe();
  drawTexts(conv4, pooled, drawScores());
  Object.assign(window.minicnn, { lastFrameMs: performance.now() - start, frames: window.minicnn.frames + 1, conv4,
                                  pooled });
}
let speaking = 0;
function change(what) {
  Object.assign(state, what);
  if (!asked) asked = requestAnimationFrame(draw);
  if ("probe" in what) return;
  clearTimeout(speaking);                                               // a screen reader hears only the end of a drag
  speaking = setTimeout(() => put("live", ["text", "agree", "forgets"].filter((id) => !$(id).hidden)
    .map((id) => $(id).textContent).join(" ")), 400);
}
