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
function drawProbe() {
  const { probe } = state;
  let text = "Point at a pixel of a map, or tap it, to see which pixels of the canvas it sees.", box = null;
  if (probe) {
    const { view, y, x } = probe, { row, layer, size } = view, step = view.values[y * size + x];
    const [oy, ox] = row.offset(), sees = SEES[layer], stride = layer <= LAST ? 1 : 2;
    const top = stride * y + oy, left = stride * x + ox, last = sees - 1;
    const value = written(row.value(step, view));
    text = `${NAMES[layer]}${row.kernel ? ", kernel" : ""}, row ${y}, column ${x}: `;
    if (step >= 0 && !row.kernel) box = [top, left, sees];
    text += step < 0 ? "not known here." : row.kernel ? `${value}.`
      : `${value}. It sees ${sees}×${sees} pixels, rows ${top} to ${top + last}, columns ${left} to ${left + last}.`;
  }
  frame($("sees"), box);
  $("legend-sees").hidden = !box;
  put("legend-text", text);
}

const mark = (id, text, equal) => { put(id, text); $(id).className = `text ${equal ? "yes" : "no"}`; };
const way = (v, plus, minus) => v ? `${Math.abs(v)} px ${v > 0 ? plus : minus}` : "";
const where = () => [way(shiftX(), "right", "left"), way(shiftY(), "down", "up")].filter(Boolean).join(", ")
  || "in the centre";
const named = (label) => meta.own ? `Picture of ${meta.classes[label]}` : `Digit ${label}`;
const LINES = 10, lines = [];                                           // the lines of the table of scores
for (let k = 0; k < Math.min(LINES, meta.classes.length); k++) {
  const line = make("tr", $("scores").tBodies[0]);
  const name = make("th", line, { scope: "row" });
  const bar = make("div", make("td", line), { className: "bar" });
  lines.push({ line, name, bar: make("i", bar), percent: make("span", bar), score: make("td", line) });
}
function drawScores() {
  const logits = now.logits(), order = Array.from(logits, (_, k) => k);
  if (meta.classes.length > LINES) order.sort((a, b) => logits[b] - logits[a]);        // the most probable classes only
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
function advice() {                                                  // if the drawing does not lie as MNIST's digits do
  const { side, y, x } = found.ink;
  const off = Math.hypot(y + found.dy - CENTRE - CANVAS / 2, x + found.dx - CENTRE - CANVAS / 2);
  return meta.own || off <= 3 && side >= 15 && side <= 25 ? ""
    : " It does not lie as the digits of MNIST do; the button Centre mends this.";
}
function sentence({ best, p }) {                                        // what is on the canvas, and its class
  if (state.tab === "impulse") return `Dirac, ${where()}.`;
  const taken = `Taken for ${meta.classes[best]}, ${(100 * p).toFixed(1)} %`;
  if (isDrawn()) {
    return found.ink ? `Your drawing, ${where()}. ${taken}.${advice()}`
      : `The canvas is empty: draw a {{noun}}. A black canvas is taken for ${meta.classes[best]}, because the network `
        + "has no class for nothing.";
  }
  const { label } = meta.digits[state.digit];
  return `${named(label)}, ${where()}. ${taken}${best === label ? "" : ": wrong"}.`;
}
function drawTexts(deepest, pool, seen) {
  const dirac = state.tab === "impulse";
  put("text", sentence(seen));
  const steps = (q) => number(q / 255 * now.scale(LAST));
  const verdict = ({ known, differ, largest }) => differ
    ? `${integer(differ)} of ${integer(known)} pixels differ, by up to ${steps(largest)}`
    : `equal in all ${integer(known)} pixels that both maps have`;
  const one = `{{last}}, φ(T x) and T φ(x): ${verdict(deepest)}${spoiled() ? " (moved one pixel too far)" : ""}.`;
  const two = `Pooled map, ${isOdd() ? "odd" : "even"} shift: ${verdict(pool)}.`;
  mark("agree", one, !deepest.differ);
  mark("forgets", two, !pool.differ);
  const few = meta.classes.length > LINES ? `; the ${LINES} most probable of ${meta.classes.length} classes` : "";
  put("caption", (movesMap() ? "Class scores of the moved map in the dashed frame"
    : "Class scores of the 28×28 pixels in the dashed frame") + few);
  for (const id of ["agree", "forgets", "scores", "legend-window"]) $(id).hidden = dirac;
  $("legend-ghost").hidden = !movesMap() || isDrawn();
}
function drawSliders() {
  for (const [id, place, plus, minus] of [["right", state.dx, "right", "left"], ["down", state.dy, "down", "up"]]) {
    const value = place - CENTRE, words = way(value, plus, minus) || "centre";
    $(id).value = value;
    $(id).setAttribute("aria-valuetext", words);
    put(`${id}-text`, words);
  }
}
