// ---- the canvas, the class scores and the sentences: what stands beside every panel
const picture = screen($("picture"));
function drawStage() {
  const { pixels } = picture;
  const [top, left] = movesMap() ? [CENTRE, CENTRE] : [state.dy, state.dx];
  if (state.tab === "impulse") {
    pixels.fill(GREY[0]);
    pixels[(meta.dirac + state.dy) * CANVAS + meta.dirac + state.dx] = GREY[255];
  } else {
    const ink = canvasOf(state.digit, top, left);
    for (let i = 0; i < pixels.length; i++) {
      pixels[i] = DEPTH === 1 ? GREY[ink[i]] : rgb(ink[3 * i], ink[3 * i + 1], ink[3 * i + 2]);
    }
  }
  picture.context.putImageData(picture.image, 0, 0);
  frame($("ghost"), movesMap() && !isDrawn() ? [state.dy, state.dx, DIGIT] : null);
  frame($("window"), state.tab === "impulse" ? null : [CENTRE, CENTRE, DIGIT]);
}
function frame(element, box) {
  element.hidden = !box;
  if (!box) return;
  const percent = (pixels) => `${100 * pixels / CANVAS}%`;
  Object.assign(element.style, { top: percent(box[0]), left: percent(box[1]), width: percent(box[2]),
                                 height: percent(box[2]) });
}
function seenBy({ view, y, x }) {                 // the pixels of the canvas that a pixel of a map sees, or null
  const { row, layer, size, values } = view, [top, left] = row.offset(), stride = layer <= LAST ? 1 : 2;
  return values[y * size + x] < 0 || row.kernel ? null : [stride * y + top, stride * x + left, SEES[layer]];
}
function tellPixel(probe) {
  const { view, y, x } = probe, { row, layer, size } = view, step = view.values[y * size + x], box = seenBy(probe);
  const map = row.kernel ? say("stage.kernel_of", { layer: NAMES[layer] }) : NAMES[layer];
  const value = written(row.value(step, view)), [top, left, sees] = box ?? [];
  const seen = step < 0 ? say("stage.unknown") : row.kernel ? `${value}.` : say("stage.sees", {
    value, size: `${sees}×${sees}`, top, left, bottom: top + sees - 1, right: left + sees - 1 });
  return [say("stage.probe", { map, y, x }), seen].join(" ");
}
function drawProbe() {
  const { probe } = state, box = probe && seenBy(probe);
  frame($("sees"), box);
  $("legend-sees").hidden = !box;
  put("legend-text", probe ? tellPixel(probe) : say("stage.point"));
}

const mark = (id, text, equal) => { put(id, text); $(id).className = `text ${equal ? "yes" : "no"}`; };
const way = (v, plus, minus) => v ? say(`way.${v > 0 ? plus : minus}`, { count: Math.abs(v) }) : "";
const ways = (x, y) => [way(x, "right", "left"), way(y, "down", "up")].filter(Boolean).join(", ");
const where = () => ways(shiftX(), shiftY()) || say("way.in_the_centre");
const named = (label) => say(meta.own ? "stage.picture_of" : "stage.digit", { name: meta.classes[label] });
const NAMED = meta.classes.some((name) => name.length > 2);              // in a lecture: only the most probable ones
const LINES = 10, lines = [];                                           // the lines of the table of scores
for (let k = 0; k < Math.min(LINES, meta.classes.length); k++) {
  const line = make("tr", $("scores").tBodies[0]);
  const name = make("th", line, { scope: "row" });
  const bar = make("div", make("td", line), { className: "bar" });
  lines.push({ line, name, bar: make("i", bar), percent: make("span", bar), score: make("td", line) });
}
function drawScores() {
  const logits = now.logits(), order = Array.from(logits, (_, k) => k);
  if (meta.classes.length > LINES || inLecture() && NAMED) order.sort((a, b) => logits[b] - logits[a]);
  const largest = Math.max(...logits), best = logits.indexOf(largest);
  const powers = Array.from(logits, (v) => Math.exp(v - largest)), total = powers.reduce((a, b) => a + b);
  lines.forEach(({ line, name, bar, percent, score }, row) => {
    const k = order[row], p = powers[k] / total;
    if (name.textContent !== meta.classes[k]) name.textContent = meta.classes[k];
    line.className = k === best ? "best" : "";
    bar.style.transform = `scaleX(${p.toFixed(4)})`;
    percent.textContent = `${decimal((100 * p).toFixed(1))} %`;
    score.textContent = decimal(logits[k].toFixed(1));
  });
  return { best, p: powers[best] / total };
}
function advice() {                                                  // if the drawing does not lie as MNIST's digits do
  const { side, y, x } = found.ink;
  const off = Math.hypot(y + found.dy - CENTRE - CANVAS / 2, x + found.dx - CENTRE - CANVAS / 2);
  return meta.own || off <= 3 && side >= 15 && side <= 25 ? ""
    : ` ${say("stage.advice")}`;
}
function sentence({ best, p }) {                                        // what is on the canvas, and its class
  if (state.tab === "impulse") return say("stage.dirac", { where: where() });
  const taken = { name: meta.classes[best], percent: decimal((100 * p).toFixed(1)) };
  if (isDrawn()) {
    return found.ink ? `${say("stage.drawing", { where: where() })} ${say("stage.taken", taken)}${advice()}`
      : say("stage.empty", taken);
  }
  const { label } = meta.digits[state.digit];
  return `${named(label)}, ${where()}. ${say(best === label ? "stage.taken" : "stage.taken_wrong", taken)}`;
}
function drawTexts(deepest, pool, seen) {
  const dirac = state.tab === "impulse";
  put("text", sentence(seen));
  const steps = (q) => number(q / 255 * now.scale(LAST));
  const verdict = ({ known, differ, largest }) => differ
    ? say("stage.differ", { differ: integer(differ), known: integer(known), largest: steps(largest) })
    : say("stage.equal", { known: integer(known) });
  const one = say(spoiled() ? "stage.agree_spoiled" : "stage.agree", { verdict: verdict(deepest) });
  const two = say(isOdd() ? "stage.odd" : "stage.even", { verdict: verdict(pool) });
  mark("agree", one, !deepest.differ);
  mark("forgets", two, !pool.differ);
  const caption = say(movesMap() ? "stage.scores_moved" : "stage.scores"), all = meta.classes.length;
  put("caption", all > LINES ? say("stage.most_probable", { caption, count: LINES, all }) : caption);
  for (const id of ["symbols", "agree", "forgets", "scores", "legend-window"]) $(id).hidden = dirac;
  $("legend-ghost").hidden = !movesMap() || isDrawn();
}
function drawSliders() {
  for (const [id, place, plus, minus] of [["right", state.dx, "right", "left"], ["down", state.dy, "down", "up"]]) {
    const value = place - CENTRE, words = way(value, plus, minus) || say("way.centre");
    $(id).value = value;
    $(id).setAttribute("aria-valuetext", words);
    put(`${id}-text`, words);
  }
}
