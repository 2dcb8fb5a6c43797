// One pixel of a map, step by step: for each channel of the layer before, a window times a kernel
const MOST = 10;                                                 // channels that have a button, the largest parts first
const first = meta.network.findIndex(({ kind }) => kind !== "conv2d");
const layers = first < 0 ? meta.network : meta.network.slice(0, first); // the convolutions before the first other layer
const LARGEST = null;                                                   // open the channel with the largest part
const chosen = { layer: 0, channel: 0, y: 12, x: 14, open: LARGEST };
let sliding = null;                                                    // see show/slide.js
let answer = null;                                               // { maps, shapes } of the Worker, of the picture shown

// The channels before a layer: { values, height, width, name }
function before(layer, c) {
  if (layer > 0) {
    const [, height, width] = answer.shapes[layer - 1];
    return { values: answer.maps[layer - 1].subarray(c * height * width, (c + 1) * height * width), height, width,
             name: say("pixel.channel_of", { number: c, layer: layers[layer - 1].name }) };
  }
  const ink = canvasOf(state.digit, state.dy, state.dx), { mean, std } = meta.rules;
  const normalised = (_, i) => (ink[i * DEPTH + c] / 255 - mean[c]) / std[c];
  return { values: Float64Array.from({ length: CANVAS * CANVAS }, normalised), height: CANVAS, width: CANVAS,
           name: DEPTH === 1 ? say("pixel.picture") : say("pixel.colour", { number: c }) };
}
// Where the window of the chosen pixel begins, and how far it reaches
function place() {
  const { kernel, stride, padding, dilation } = layers[chosen.layer];
  return { top: chosen.y * stride[0] - padding[0], left: chosen.x * stride[1] - padding[1],
           tall: dilation[0] * (kernel[0] - 1) + 1, wide: dilation[1] * (kernel[1] - 1) + 1 };
}
// The window, the weights and the products of one channel, (y, x)
function part(c) {
  const { kernel: [kh, kw], dilation, weight, in: channels } = layers[chosen.layer], { top, left } = place();
  const { values, height, width } = before(chosen.layer, c), window = new Float64Array(kh * kw);
  for (let u = 0, k = 0; u < kh; u++) {
    for (let v = 0; v < kw; v++, k++) {
      const y = top + u * dilation[0], x = left + v * dilation[1];
      if (y >= 0 && x >= 0 && y < height && x < width) window[k] = values[y * width + x];
    }
  }
  const at = weight + (chosen.channel * channels + c) * kh * kw, weights = data.weights.subarray(at, at + kh * kw);
  const products = window.map((v, k) => v * weights[k]);
  return { window, weights, products, sum: products.reduce((a, b) => a + b, 0) };
}

function show(name, image, lut, hides = () => false) {      // black to bright: from the smallest to the largest value
  const { values } = image;
  const [low, high] = values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  const steps = Float64Array.from(values, (v, i) => hides(i) ? -1 : 255 * (v - low) / (high - low || 1));
  paint(screenOf($(`pixel-${name}`), image), steps, lut, [low, high]);
  return say("word.range", { low: written(low), high: written(high) });
}
function outline(id, [top, left, tall, wide], { height, width }) {        // a frame around pixels of a picture
  Object.assign($(id).style, { top: `${100 * top / height}%`, left: `${100 * left / width}%`,
                               height: `${100 * tall / height}%`, width: `${100 * wide / width}%` });
}

function drawPixel() {
  const layer = layers[chosen.layer], [count, height, width] = answer.shapes[chosen.layer];
  Object.assign(chosen, { channel: Math.min(chosen.channel, count - 1), y: Math.min(chosen.y, height - 1),
                          x: Math.min(chosen.x, width - 1) });
  $("pixel-layer").value = chosen.layer;
  for (const [name, most] of [["channel", count], ["y", height], ["x", width]]) {
    $(`pixel-${name}`).max = most - 1;
    if (document.activeElement !== $(`pixel-${name}`)) $(`pixel-${name}`).value = chosen[name];
  }
  const parts = Array.from({ length: layer.in }, (_, c) => part(c)), bias = layer.bias === null ? 0
    : data.weights[layer.bias + chosen.channel];
  const total = parts.reduce((sum, one) => sum + one.sum, bias), value = layer.relu ? Math.max(0, total) : total;
  const map = { values: answer.maps[chosen.layer].subarray(chosen.channel * height * width,
                                                           (chosen.channel + 1) * height * width), height, width };
  const stored = map.values[chosen.y * width + chosen.x];
  const added = say(layer.in === 1 ? "pixel.sum_of_one" : "pixel.sum_of_parts", {
    ...chosen, layer: layer.name, count: layer.in, bias: written(bias), total: written(total) });
  put("pixel-sum", [added, ...(layer.relu ? [say(total > 0 ? "pixel.above" : "pixel.not_above")] : []),
                    say("pixel.map_has", { value: written(stored) })].join(" "));
  Object.assign(minicnn.pixel, { total, value, stored, parts: parts.map(({ sum }) => sum) });
  $("pixel-sum").setAttribute("aria-live", sliding.isPlaying() ? "off" : "polite");
  const order = parts.map((_, c) => c).sort((a, b) => Math.abs(parts[b].sum) - Math.abs(parts[a].sum));
  const open = chosen.open !== LARGEST && chosen.open < layer.in ? chosen.open : order[0];
  Object.assign(minicnn.pixel, { open });
  drawParts(parts, order.slice(0, MOST), open);
  const { top, left, tall, wide } = place(), input = before(chosen.layer, open), { kernel: [, kw] } = layer;
  const name = say("pixel.channel_of", { number: chosen.channel, layer: layer.name });
  put("pixel-input-text", say("word.with_range", { name: input.name, range: show("input", input, GREY) }));
  put("pixel-map-text", say("word.with_range", { name, range: show("map", map, HEAT, sliding.hides) }));
  outline("pixel-window", [top, left, tall, wide], input);
  outline("pixel-here", [chosen.y, chosen.x, 1, 1], map);
  const { window, weights, products, sum } = parts[open], tables = $("pixel-products").querySelectorAll("table");
  [window, weights, products].forEach((numbers, k) => fillTable(tables[k], numbers, kw, (v) => Number(v.toFixed(3))));
  put("pixel-products-text", say("pixel.products", { sum: written(sum) }));
}
function drawParts(parts, order, open) {
  const others = parts.length - order.length, rest = parts.reduce((sum, one) => sum + one.sum, 0)
    - order.reduce((sum, c) => sum + parts[c].sum, 0);
  put("pixel-parts-text", parts.length === 1 ? "" : [say("pixel.largest", { count: order.length }),
    ...(others ? [say("pixel.others", { count: others, rest: written(rest) })] : []), say("pixel.press")].join(" "));
  $("pixel-parts").hidden = parts.length === 1;
  const box = $("pixel-parts");
  while (box.children.length > order.length) box.lastChild.remove();
  while (box.children.length < order.length) {
    const button = make("button", box, { type: "button" });
    button.addEventListener("click", () => choose({ open: Number(button.dataset.channel) }));
  }
  order.forEach((c, k) => {
    const button = box.children[k];
    button.dataset.channel = c;
    button.textContent = `${c}: ${written(parts[c].sum)}`;
    button.setAttribute("aria-pressed", c === open);
  });
}
function choose(what) {
  if (!("open" in what)) { sliding.leave(); chosen.open = LARGEST; }
  for (const [name, value] of Object.entries(what)) chosen[name] = Math.max(0, Math.round(Number(value)) || 0);
  drawnKey = "";
  change({});
}

let drawnKey = "";
panel("pixel", {
  floats: true,
  kept: () => [chosen.layer, chosen.channel, chosen.y, chosen.x, chosen.open ?? ""],
  restored([layer, channel, y, x, open, ...rest]) {
    if (open === undefined || rest.length) throw new Broken("pixel");
    const what = { layer: integerFrom(layer, 0, layers.length - 1), channel: integerFrom(channel, 0, 1e4),
                   y: integerFrom(y, 0, CANVAS - 1), x: integerFrom(x, 0, CANVAS - 1),
                   open: open === "" ? LARGEST : integerFrom(open, 0, 1e4) };
    return () => { Object.assign(chosen, what); drawnKey = ""; };
  },
  build() {
    layers.forEach(({ name }, index) => make("option", $("pixel-layer"), { value: index, textContent: name }));
    $("pixel-layer").addEventListener("change", () => choose({ layer: $("pixel-layer").value }));
    for (const name of ["channel", "y", "x"]) {
      $(`pixel-${name}`).addEventListener("input", () => choose({ [name]: $(`pixel-${name}`).value }));
    }
    $("pixel-form").addEventListener("submit", (event) => event.preventDefault());
    $("pixel-map").addEventListener("pointerdown", (event) => choose(pixelAt($("pixel-map"), event)));
    sliding = slider($("pixel-slide"), "pixel", {
      size: () => answer ? answer.shapes[chosen.layer].slice(1) : [0, 0], at: () => chosen,
      go: (y, x) => choose({ y, x, open: chosen.open ?? minicnn.pixel.open }) });
    minicnn.pixel = { chosen, choose };
  },
  draw(now) {
    answer = now.floats()?.here;
    const key = answer && `${state.digit} ${drawing.strokes} ${state.dy} ${state.dx} ${
      document.documentElement.className}`;
    if (!answer || key === drawnKey) return;
    drawnKey = key;
    drawPixel();
  },
});
