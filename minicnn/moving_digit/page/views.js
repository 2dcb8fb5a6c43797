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
const DIFFERS = ORANGE.map((_, i) => ORANGE[Math.round(255 * Math.sqrt(i / 255))]);  // so that small ones are seen
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
const byTab = {};                                                       // of each tab: rows { views, lut, offset, ... }
function screen(canvas) {
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
  return { canvas, context, image, pixels: new Uint32Array(image.data.buffer) };
}
// values: steps of 0 to 255; -1: not known. ends: the numbers of the steps 0 and 255, for the figure
function paint(view, values, lut, ends) {
  Object.assign(view, { lut, ends });
  const { pixels, canvas } = view, width = canvas.width;
  for (let i = 0; i < pixels.length; i++) {
    const v = values[i];
    pixels[i] = v < 0 ? hatch[(i % width + Math.floor(i / width)) & 1] : lut[v < 255 ? Math.round(v) : 255];
  }
  view.context.putImageData(view.image, 0, 0);
}
const paintBar = (bar, lut) => paint(bar, Int16Array.from({ length: 128 }, (_, i) => i < 3 ? 0 : 2 * i + 1), lut);
const screens = new Map();
function screenOf(canvas, { height, width }) {                          // of that size; made anew if the size changes
  if (canvas.width !== width || canvas.height !== height || !screens.has(canvas)) {
    Object.assign(canvas, { width, height });
    screens.set(canvas, screen(canvas));
  }
  return screens.get(canvas);
}
function pixelAt(canvas, event) {                                       // the pixel of a canvas below the pointer
  const box = canvas.getBoundingClientRect(), inside = (v, n) => Math.max(0, Math.min(n - 1, Math.floor(v * n)));
  return { y: inside((event.clientY - box.top) / box.height, canvas.height),
           x: inside((event.clientX - box.left) / box.width, canvas.width) };
}
function tint(v, numbers) {                                             // [colour, percent]: by sign and size
  const largest = numbers.reduce((most, one) => Math.max(most, Math.abs(one)), 0) || 1;
  return [v < 0 ? "#0072b2" : "#d55e00", Math.round(55 * Math.abs(v) / largest)];
}
function fillTable(table, numbers, columns, round) {                    // numbers in rows, coloured by sign and size
  table.replaceChildren();
  numbers.forEach((v, k) => {
    const cell = (k % columns ? table.rows[table.rows.length - 1] : table.insertRow()).insertCell();
    const [colour, strength] = tint(v, numbers);
    cell.textContent = written(round(v));
    cell.style.background = `color-mix(in srgb, ${colour} ${strength}%, transparent)`;
  });
}
function addRow(tab, title, text, tiles, options = {}) {                // a tile: layer, size, caption, values
  const line = make("div", $(tab).querySelector(".rows"), { className: "row" });
  const head = make("div", line);
  make("h2", head, { textContent: title });
  const words = make("span", head, { textContent: text });
  const [{ layer }] = tiles;
  const row = { lut: () => HEAT, offset: () => [0, 0], range: () => ["0", number(now.scale(layer))],
                value: (q) => q / 255 * now.scale(layer), kernel: false, words, ...options };
  const bar = make("div", head, { className: "bar-of-colours" });
  row.bar = screen(make("canvas", bar, { width: 128, height: 1 }));
  row.bar.canvas.setAttribute("aria-hidden", "true");
  row.ends = [make("span", bar), make("span", bar)];
  row.views = tiles.map((tile) => {
    const { size, caption } = tile, figure = make("figure", line);
    const canvas = make("canvas", figure, { width: size, height: size });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${title}, ${caption}`);
    const label = make("figcaption", figure, { textContent: caption });
    const view = { values: new Float64Array(size * size), short: caption, ...tile, ...screen(canvas), row, label };
    const point = (event) => change({ probe: { view, ...pixelAt(canvas, event) } });
    canvas.addEventListener("pointermove", point);
    canvas.addEventListener("pointerdown", point);
    canvas.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && change({ probe: null }));
    return view;
  });
  byTab[tab].push(row);
  return row;
}
function tilesOf(layer, maps, size = layer <= LAST ? SIZE[layer] : POOL) {  // one for each channel that is shown
  return meta.layers[Math.min(layer, LAST)].channels.map((c, index) => ({
    layer, size, caption: say("word.channel_number", { number: c }), short: c,
    ...(maps && { values: channel(maps, index, size) }) }));
}
