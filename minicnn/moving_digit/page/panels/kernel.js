// The kernel bench: one operator of the reader's own, its response to an impulse, its spectrum, and the verdict on it
const SPECTRUM = 64, MOST = 1e6;                                         // pixels; the largest number of a kernel
const binomial = [1, 4, 6, 4, 1];
const PRESETS = {
  identity: [0, 0, 0, 0, 1, 0, 0, 0, 0],
  mean: Array(9).fill(1 / 9),
  gaussian: binomial.flatMap((a) => binomial.map((b) => a * b / 256)),
  sharpen: [0, -1, 0, -1, 5, -1, 0, -1, 0],
  sobel_vertical: [1, 0, -1, 2, 0, -2, 1, 0, -1],
  sobel_horizontal: [1, 2, 1, 0, 0, 0, -1, -2, -1],
  laplacian: [0, 1, 0, 1, -4, 1, 0, 1, 0],
  emboss: [2, 1, 0, 1, 1, -1, 0, -1, -2],
  random: () => Array.from({ length: 25 }, () => Math.round(200 * Math.random() - 100) / 100),
};
const OTHERS = ["median", "maximum", "contrast", "gain", "mirror", "relu"];      // kinds that are no convolutions
const DOMAINS = { circular: ["torus"], zeros: ["plane", "torus", "window"], none: ["window"] };
const EVERYWHERE = ["torus", "plane", "window"];
const OWN = "own";

const operator = { kind: "kernel", side: 3, flipped: true, stride: 1, dilation: 1, padding: "zeros",
                   kernel: PRESETS.sobel_vertical };
const bench = { operator, domain: "plane", at: null, report: null, drawn: "", judged: 0, size: [0, 0] };

function trained() {                                                    // kernels of the first layer, if they fit
  const [first] = meta.network, [side, wide] = first.kernel ?? [];
  if (first.in !== 1 || side !== wide || ![3, 5, 7].includes(side)) return {};
  return Object.fromEntries(meta.layers[0].channels.map((c) => [`${first.name} ${c}`,
    Array.from(data.weights.subarray(first.weight + c * side * side, first.weight + (c + 1) * side * side))]));
}

// ---- the settings
function configure(what) {                                              // the operator is another one
  bench.sliding.leave();
  Object.assign(operator, what);
  const domains = Operators.hasWindow(operator) ? DOMAINS[operator.padding] : EVERYWHERE;
  if (!domains.includes(bench.domain)) [bench.domain] = domains;
  for (const option of $("bench-domain").options) option.disabled = !domains.includes(option.value);
  $("bench-domain").value = bench.domain;
  for (const name of ["side", "stride", "dilation", "padding"]) $(`bench-${name}`).value = operator[name];
  $("bench-flipped").value = operator.flipped ? "yes" : "no";
  const has = operator.kind === "kernel" ? ["kernel", "window"] : Operators.hasWindow(operator) ? ["window"] : [];
  for (const element of $("kernel").querySelectorAll("[data-needs]")) {
    element.hidden = !has.includes(element.dataset.needs);
  }
  bench.report = null;
  bench.judged++;
  change({});
}
function choosePreset(name) {
  $("bench-preset").value = name;
  if (name === OWN) { configure({ kind: "kernel" }); return; }          // the numbers that stand in the table
  if (OTHERS.includes(name)) { bench.at = null; configure({ kind: name }); return; }
  const kernel = presets[name] instanceof Function ? presets[name]() : presets[name];
  configure({ kind: "kernel", kernel: [...kernel], side: Math.sqrt(kernel.length) });
  fillKernel();
}
let presets = PRESETS;
function resizeKernel(side) {                                           // the old numbers stay in the middle
  const before = operator.side, by = (side - before) / 2;
  const kernel = Array.from({ length: side * side }, (_, k) => {
    const y = Math.floor(k / side) - by, x = k % side - by;
    return y >= 0 && x >= 0 && y < before && x < before ? operator.kernel[y * before + x] : 0;
  });
  configure({ side, kernel });
  fillKernel();
}
function fillKernel() {
  const table = $("bench-kernel"), { side, kernel } = operator;
  if (table.rows.length !== side) {
    table.tBodies[0]?.remove();
    const body = table.createTBody();
    for (let y = 0; y < side; y++) {
      const row = body.insertRow();
      for (let x = 0; x < side; x++) {
        const input = make("input", row.insertCell(), { type: "number", step: "any", inputMode: "decimal" });
        input.setAttribute("aria-label", say("bench.cell", { y, x }));
        input.addEventListener("input", () => {
          const value = Number(input.value);
          if (input.value === "" || !Number.isFinite(value)) return;
          const changed = [...operator.kernel];
          changed[y * side + x] = Math.max(-MOST, Math.min(MOST, value));
          $("bench-preset").value = OWN;
          configure({ kernel: changed });
        });
        input.addEventListener("change", () => putBack(input, y, x));
      }
    }
  }
  table.querySelectorAll("input").forEach((input, k) => { input.value = Number(kernel[k].toPrecision(3)); });
}

function putBack(input, y, x) {                                         // the field has the number that counts
  const used = operator.kernel[y * operator.side + x], kept = input.value !== "" && Number(input.value) === used;
  put("bench-kernel-text", kept ? ""
    : say("bench.limits", { y, x, value: written(used), limit: integer(MOST) }));
  if (!kept) input.value = used;
}

// ---- pictures
const { largestOf } = Operators;
function show(name, image, steps, lut, ends) {
  paint(screenOf($(`bench-${name}`), image), image.values.map(steps), lut, ends);
}
const signed = (largest) => (v) => 128 + Math.round(127 * v / (largest || 1));
const showSigned = (name, image, largest, map = (steps) => steps) =>
  show(name, image, map(signed(largest)), SIGNED, [-largest, largest]);
function greyPicture() {                                                // x: the canvas, as grey numbers from 0 to 1
  const ink = canvasOf(state.digit, state.dy, state.dx);
  return Operators.image(CANVAS, CANVAS, Float64Array.from({ length: CANVAS * CANVAS }, (_, i) => {
    let sum = 0;
    for (let c = 0; c < DEPTH; c++) sum += ink[i * DEPTH + c];
    return sum / DEPTH / 255;
  }));
}
const fromTo = (largest) => say("word.range", { low: written(-largest), high: written(largest) });
function drawResult(x) {
  const out = Operators.apply(operator, x), largest = largestOf(out);
  show("x", x, (v) => 255 * v, GREY, [0, 1]);
  put("bench-out-text", say("bench.result", { size: `${out.height}×${out.width}`, range: fromTo(largest) }));
  $("bench-out").hidden = !out.values.length;
  bench.size = [out.height, out.width];
  if (bench.at?.y >= out.height || bench.at?.x >= out.width || operator.kind !== "kernel") bench.sliding.leave();
  if (out.values.length) showSigned("out", out, largest, (steps) => (v, i) => bench.sliding.hides(i) ? -1 : steps(v));
  return out;
}
function drawResponse() {
  const side = 2 * Math.ceil(Operators.reach(operator)) + 5, impulse = Operators.image(side, side);
  impulse.values[(side * side - 1) / 2] = 1;
  const h = Operators.apply({ ...operator, stride: 1, padding: "zeros" }, impulse), largest = largestOf(h);
  showSigned("h", h, largest);
  put("bench-h-text", say("bench.response", { size: `${side}×${side}`, range: fromTo(largest) }));
  if (operator.kind !== "kernel") { put("bench-flip-text", ""); return; }
  const symmetric = operator.kernel.every((v, k) => v === operator.kernel[operator.kernel.length - 1 - k]);
  put("bench-flip-text",
      say(symmetric ? "bench.symmetric" : operator.flipped ? "bench.convolution" : "bench.correlation"));
  const spectrum = Operators.magnitude(operator, SPECTRUM), most = largestOf(spectrum);
  show("spectrum", spectrum, (v) => 255 * v / (most || 1), HEAT, [0, most]);
  put("bench-spectrum-text", say("bench.spectrum", { most: written(most) }));
}
function drawSteps(x, out) {
  const { at } = bench, fits = at && operator.kind === "kernel" && at.y < out.height && at.x < out.width;
  $("bench-products").hidden = !fits;
  frame($("bench-sees"), null);
  for (const [id, n] of [["bench-y", out.height], ["bench-col", out.width]]) $(id).max = n - 1;
  if (!fits) { put("bench-sum", ""); return; }
  const { window, weights, products, top, left } = Operators.steps(operator, x, at.y, at.x);
  const tables = $("bench-products").querySelectorAll("table"), { side } = operator;
  const round = (v) => Math.abs(v) < 1e-9 ? 0 : Number(v.toPrecision(2));
  [window, weights, products].forEach((numbers, k) => fillTable(tables[k], numbers, side, round));
  put("bench-weights-text", say(operator.flipped ? "bench.turned" : "word.the_kernel"));
  const sum = products.reduce((a, b) => a + b, 0);
  put("bench-sum", say("bench.sum", { sum: written(sum), ...at }));
  const reach = operator.dilation * (side - 1) + 1;
  frame($("bench-sees"), [top, left, reach]);
  drawTaps(side, reach);
}

function drawTaps(side, reach) {                                         // the pixels that a dilated kernel takes
  const { dilation } = operator, percent = (pixels) => `${100 * pixels / reach}%`;
  const box = $("bench-sees"), count = dilation > 1 ? side * side : 0;
  if (box.dataset.taps === `${side} ${dilation}`) return;
  box.dataset.taps = `${side} ${dilation}`;
  box.replaceChildren();
  for (let k = 0; k < count; k++) {
    Object.assign(make("i", box).style, { top: percent(dilation * Math.floor(k / side)), width: percent(1),
                                          left: percent(dilation * (k % side)), height: percent(1) });
  }
}

// ---- the verdict
async function judge() {
  const mine = bench.judged, judged = { ...operator }, { domain } = bench;
  let last = performance.now();
  const pause = async () => {                                          // input is never blocked for longer than one law
    if (performance.now() - last > 6) {
      await new Promise((done) => { setTimeout(done); });
      last = performance.now();
    }
    if (mine !== bench.judged) throw new Error("superseded");
  };
  const reach = Operators.hasWindow(judged) ? Operators.reach(judged) : 1;
  const report = await Laws.verify((f) => Operators.apply(judged, f), domain, Laws.sideFor(reach), pause);
  bench.report = report;
  change({});
}
const formula = (text) => text.replaceAll("-", "−").replaceAll(".", POINT);
function drawVerdict() {
  const { report } = bench;
  $("bench-witness").hidden = !report?.witness;
  put("bench-witness-text", "");
  if (!report) { put("bench-verdict", say("bench.trying")); return; }
  mark("bench-verdict", say(`bench.verdict_${report.domain}`, report), report.isConvolution);
  const { witness } = report, rows = $("bench-laws").tBodies[0];
  rows.replaceChildren(...report.laws.map(({ says, passed, error }) => {
    const row = document.createElement("tr");
    for (const words of [formula(says), say(passed ? "bench.yes" : "bench.no"),
                         passed && error < 1e-9 ? say("bench.rounding") : decimal(error.toPrecision(2))]) {
      row.insertCell().textContent = words;
    }
    return row;
  }));
  if (witness) drawWitness(witness);
}
function drawWitness({ law, f, left, right, known, at, values }) {
  const [one, two] = law.says.split(", ")[0].split(" = ");
  const largest = largestOf(left, right), off = left.values.map((v, i) => Math.abs(v - right.values[i]));
  const most = off.reduce((a, b, i) => known && !known.values[i] ? a : Math.max(a, b), 0) || 1;
  const unknown = (map) => (v, i) => known && !known.values[i] ? -1 : map(v);
  showSigned("f", f, largestOf(f));
  $("bench-g-shown").hidden = !law.g;
  if (law.g) showSigned("g", law.g, largestOf(law.g));
  showSigned("left", left, largest, unknown);
  showSigned("right", right, largest, unknown);
  show("difference", { ...left, values: off }, unknown((v) => v > 1e-12 ? Math.max(1, 255 * v / most) : 0), DIFFERS,
       [0, most]);
  put("bench-left-text", formula(one));
  put("bench-right-text", formula(two));
  const [down, across] = law.by ?? [];
  put("bench-witness-text", say(law.by ? "bench.broken_shift" : "bench.broken", {
    law: formula(law.says), y: at[0], x: at[1], left: written(values[0]), right: written(values[1]), down,
    across }));
}

// The numbers stand at the end of the list
function kept() {
  const { kind, side, flipped, stride, dilation, padding, kernel } = operator;
  return [kind, side, flipped ? 1 : 0, stride, dilation, padding, bench.domain, bench.at?.y ?? "", bench.at?.x ?? "",
          ...kernel];
}
function restored([kind, side, flipped, stride, dilation, padding, domain, y, x, ...numbers]) {
  const what = { kind: oneOf(kind, ["kernel", ...OTHERS]), side: Number(oneOf(side, ["3", "5", "7"])),
                 flipped: oneOf(flipped, ["0", "1"]) === "1", stride: integerFrom(stride, 1, 4),
                 dilation: integerFrom(dilation, 1, 3), padding: oneOf(padding, Object.keys(DOMAINS)),
                 kernel: numbers.map((v) => numberFrom(v, -MOST, MOST)) };
  oneOf(domain, EVERYWHERE);
  if (numbers.length !== what.side ** 2) throw new Broken("kernel");
  const at = y === "" ? null : { y: integerFrom(y, 0, CANVAS), x: integerFrom(x, 0, CANVAS) };
  const named = kind !== "kernel" ? kind
    : Object.keys(presets).find((name) => String(presets[name]) === String(what.kernel)) ?? OWN;
  return () => {
    Object.assign(bench, { domain, at });
    $("bench-preset").value = named;
    configure(what);
    fillKernel();
    if (at) look(at.y, at.x);
  };
}

panel("kernel", {
  kept,
  restored,
  pending: () => !bench.report,
  build() {
    presets = { ...PRESETS, ...trained() };
    const nameOf = (name) => name in presets && !(name in PRESETS)
      ? say("bench.trained", { layer: name.split(" ")[0], number: name.split(" ")[1] }) : say(`preset.${name}`);
    const group = (label, names) => {
      const into = make("optgroup", $("bench-preset"), { label });
      for (const name of names) make("option", into, { textContent: nameOf(name), value: name });
    };
    group(say("bench.kernels"), [...Object.keys(presets), OWN]);
    group(say("bench.others"), OTHERS);
    $("bench-preset").value = "sobel_vertical";
    $("bench-preset").addEventListener("change", () => choosePreset($("bench-preset").value));
    $("bench-side").addEventListener("change", () => resizeKernel(Number($("bench-side").value)));
    $("bench-flipped").addEventListener("change", () => configure({ flipped: $("bench-flipped").value === "yes" }));
    for (const name of ["stride", "dilation"]) {
      $(`bench-${name}`).addEventListener("change", () => configure({ [name]: Number($(`bench-${name}`).value) }));
    }
    $("bench-padding").addEventListener("change", () => {
      [bench.domain] = DOMAINS[$("bench-padding").value];
      configure({ padding: $("bench-padding").value });
    });
    $("bench-domain").addEventListener("change", () => { bench.domain = $("bench-domain").value; configure({}); });
    $("bench-out").addEventListener("pointerdown", (event) => {
      const { y, x } = pixelAt($("bench-out"), event);
      look(y, x);
    });
    for (const id of ["bench-y", "bench-col"]) {
      $(id).value = "";
      $(id).addEventListener("input", () => look(Number($("bench-y").value) || 0, Number($("bench-col").value) || 0));
    }
    $("bench-pixel").addEventListener("submit", (event) => event.preventDefault());
    bench.sliding = slider($("bench-slide"), "kernel", { size: () => bench.size, at: () => bench.at, go: goTo });
    configure({});
    fillKernel();
    window.minicnn.bench = { ...bench, Laws, Operators, choosePreset, set: configure,
                             get report() { return bench.report; }, look,
                             domain(name) { bench.domain = name; configure({}); } };
  },
  draw() {
    const ofOperator = `${bench.judged} ${Boolean(bench.report)} ${document.documentElement.className}`;
    const key = `${ofOperator} ${state.digit} ${drawing.strokes} ${state.dy} ${state.dx} ${bench.at?.y} ${
      bench.at?.x} ${bench.sliding.isOn()}`;
    if (key === bench.drawn) return;
    bench.drawn = key;
    const x = greyPicture();
    drawSteps(x, drawResult(x));
    if (ofOperator !== bench.drawnOperator) {                           // not while the picture is moved
      bench.drawnOperator = ofOperator;
      drawResponse();
      drawVerdict();
    }
    if (!bench.report && bench.asked !== bench.judged) {
      bench.asked = bench.judged;
      judge().catch((error) => { if (error.message !== "superseded") throw error; });
    }
  },
});
function look(y, x) {                                                   // by the reader: the slide ends
  bench.sliding.leave();
  goTo(y, x);
}
function goTo(y, x) {
  bench.at = { y: Math.max(0, Math.floor(y)), x: Math.max(0, Math.floor(x)) };
  Object.assign($("bench-y"), { value: bench.at.y });
  Object.assign($("bench-col"), { value: bench.at.x });
  change({});
}
