// ---- the printable figure: the present state as SVG, A4 across, light. It is made from what the page shows: canvases
// become pictures of one pixel a number, tables and sentences become text.
const isOn = (node) => !node.closest("[hidden]");
const framesOf = (canvas) => [...canvas.parentElement.querySelectorAll(":scope > .frame")]
  .filter((box) => isOn(box) && !box.classList.contains("cursor")).map(({ style, classList }) => ({
    look: MARKS[[...classList].find((name) => name in MARKS)],
    box: ["left", "top", "width", "height"].map((side) => parseFloat(style[side]) / 100) }));

// Blocks of a panel, from top to bottom: { words }, { legend }, or { head, items, signs, large }
function blocksOf(node) {
  if (!isOn(node)) return [];
  if (node.matches(".settings,.probe,fieldset")) {
    const words = chosenIn(node);
    return words ? [{ words, soft: true }] : [];
  }
  if (node.matches(".row,.pictures,.products,.board")) return [picturesOf(node)];
  if (node.matches("p")) {
    if (node.querySelector(".key")) return [{ legend: node }];
    return node.matches(".text") && node.textContent ? [{ words: signOf(node) + node.textContent }] : [];
  }
  if (node.matches(".parts")) {
    const parts = [...node.children].map((part) => part.textContent).join("; ");
    return parts ? [{ words: `${node.getAttribute("aria-label")}: ${parts}` }] : [];
  }
  return node.matches("details,table,figure") ? [] : [...node.children].flatMap(blocksOf);
}
const signOf = ({ classList }) => classList.contains("yes") ? "= " : classList.contains("no") ? "≠ " : "";
function chosenIn(node) {                                               // what is chosen in its fields, as words
  const words = [...node.querySelectorAll("label")].filter(isOn).map((label) => {
    const field = label.querySelector("select,input"), name = [...label.childNodes].filter((part) => part !== field)
      .map((part) => part.textContent).join("").trim();
    if (field.type === "radio") return field.checked && name;
    const value = field.tagName === "SELECT" ? field.value && field.selectedOptions[0]?.textContent : field.value;
    return value && !field.disabled && `${name} ${value}`;
  });
  const said = [...node.querySelectorAll(":scope > span[id]")].map((one) => one.textContent);
  return [words.filter(Boolean).join("; "), ...said].join(". ").replace(/\s+/g, " ").replace(/\. $/, "");
}
function picturesOf(node) {
  const head = node.matches(".row") && { title: node.querySelector("h2").textContent,
                                         text: node.querySelector("h2 + span").textContent,
                                         bar: node.querySelector(".bar-of-colours") };
  if (node.matches(".board")) {
    return { items: [{ canvas: node.querySelector("canvas"), caption: "", frames: [] }],
             beside: node.querySelector("p").textContent.trim() };
  }
  const figures = [...node.querySelectorAll("figure")].filter((figure) => isOn(figure)
    && (figure.querySelector("canvas") || figure.querySelector("td")));
  const items = figures.map((figure) => {
    const canvas = [...figure.querySelectorAll("canvas")].find(isOn), table = figure.querySelector("table");
    const view = byTab[state.tab].flatMap(({ views }) => views).find((one) => one.canvas === canvas);
    const named = table?.caption ?? figure.querySelector("figcaption");
    return { canvas, table, caption: view?.caption ?? named.textContent,
             frames: canvas ? framesOf(canvas) : [] };
  });
  return { head, items, signs: [...node.querySelectorAll(":scope > b")].map((sign) => sign.textContent),
           large: node.matches(".products") };
}

// ---- drawing of a block at (x, y). Returns where it ends. columns: of the widest row of maps
const HEAD = 140, GAP = 8;
function drawBlock(parent, block, x, y, width, side, columns) {
  if (block.words) return 4 + write(parent, x, y, block.words, { width, fill: block.soft ? PALE : INK });
  if (block.legend) return 4 + legend(parent, x, y, block.legend, width);
  const { head, items, signs = [], large, beside } = block, left = head ? x + HEAD : x;
  const gap = signs.length ? 26 : GAP, count = head ? columns : items.length;
  const most = (width - (left - x) - gap * (count - 1)) / count;
  const wide = Math.min(most, side * (large ? 1.5 : 1));
  let end = head ? drawHead(parent, head, x, y) : y;
  items.forEach((item, k) => {
    const at = left + k * (wide + gap), bottom = drawItem(parent, item, at, y, wide, head);
    if (signs[k]) write(parent, at + wide + gap / 2, y + wide / 2 - 12, signs[k], { size: 18, anchor: "middle" });
    end = Math.max(end, bottom);
  });
  if (beside) write(parent, x + wide + 14, y, beside, { width: width - wide - 14, size: 13, fill: PALE });
  return end + 6;
}
function drawHead(parent, { title, text, bar }, x, y) {
  y = write(parent, x, y, title, { width: HEAD - 10, size: 15, weight: "bold" });
  y = write(parent, x, y, text, { width: HEAD - 10, size: 12, fill: PALE });
  const [low, high] = [...bar.querySelectorAll("span")].map((end) => end.textContent);
  return drawBar(parent, bar.querySelector("canvas"), low, high, x, y + 3, HEAD - 14);
}
function drawBar(parent, canvas, low, high, x, y, width) {              // a bar of colours with its two numbers
  image(parent, canvas, x, y, width, 8);
  outlined(parent, x, y, width, 8, { stroke: LINE });
  write(parent, x, y + 9, low, { size: 12 });
  return write(parent, x + width, y + 9, high, { size: 12, anchor: "end" });
}
function drawItem(parent, { canvas, table, caption, frames }, x, y, wide, inRow) {
  const tall = canvas ? wide * canvas.height / canvas.width : wide;
  if (canvas) drawFramed(parent, canvas, frames, x, y, wide, tall);
  else drawTable(parent, table, x, y, wide);
  let end = y + tall + 2;
  if (inRow) return write(parent, x + wide / 2, end, caption, { size: 12, fill: PALE, anchor: "middle" });
  const view = canvas && screens.get(canvas);
  if (view?.ends) end = drawBar(parent, barOf(view.lut), ...view.ends.map(written), x, end + 3, wide);
  return write(parent, x, end, caption, { width: wide, size: 12, fill: PALE });
}
function drawFramed(parent, canvas, frames, x, y, wide, tall) {
  image(parent, canvas, x, y, wide, tall);
  outlined(parent, x, y, wide, tall, { stroke: LINE });
  for (const { look, box: [left, top, width, height] } of frames) {
    const by = look["stroke-width"] / 2;                                // the line lies outside of the pixels
    const around = (more) => [x + left * wide - more, y + top * tall - more, width * wide + 2 * more,
                              height * tall + 2 * more];
    outlined(parent, ...around(by), { stroke: "#ffffff", "stroke-width": 2 * by + 2, "stroke-opacity": 0.6 });
    outlined(parent, ...around(by), look);
  }
}
function barOf(lut) {
  const bar = screen(Object.assign(document.createElement("canvas"), { width: 128, height: 1 }));
  paintBar(bar, lut);
  return bar.canvas;
}
function drawTable(parent, table, x, y, wide) {
  const rows = [...table.rows].map(({ cells }) => [...cells]), cell = wide / rows[0].length;
  const words = (one) => (one.querySelector("input")?.value ?? one.textContent).replace("-", "−");
  const numbers = rows.flat().map((one) => Number(words(one).replace("−", "-").replace(POINT, ".")));
  const size = Math.min(14, 0.9 * cell / Math.max(...rows.flat().map((one) => widthOf(words(one), 1))));
  rows.flat().forEach((one, k) => {
    const at = [x + k % rows[0].length * cell, y + Math.floor(k / rows[0].length) * cell];
    const [fill, percent] = tint(numbers[k], numbers);
    outlined(parent, ...at, cell, cell, { fill, "fill-opacity": percent / 100, stroke: LINE });
    element(parent, "text", { x: at[0] + cell / 2, y: at[1] + cell / 2 + 0.35 * size, "font-size": size, fill: INK,
                              "text-anchor": "middle" }, words(one));
  });
}
// The canvas with its frames, and the class scores below it
function drawLeft(parent, x, y, side) {
  drawFramed(parent, $("picture"), framesOf($("picture")), x, y, side, side);
  const words = $("legend").cloneNode(true);
  if (!state.probe) words.querySelector(".line").remove();              // it says how to point at a pixel
  y = legend(parent, x, y + side + 3, words, side) + 6;
  if (!isOn($("scores"))) return;
  y = write(parent, x, y, $("caption").textContent, { width: side, size: 13, fill: PALE }) + 4;
  const named = Math.min(110, 8 + Math.max(...lines.map(({ name }) => widthOf(name.textContent, 14, "bold"))));
  const scale = side - named - 108;
  for (const { line, name, bar, percent, score } of lines) {
    const weight = line.classList.contains("best") ? "bold" : "normal";
    write(parent, x, y, name.textContent, { width: named, weight, most: 1 });
    outlined(parent, x + named, y + 2, scale, 13, { fill: "#f3f4f6" });
    const share = Number(bar.style.transform.slice(7, -1));
    outlined(parent, x + named, y + 2, scale * share, 13, { fill: "#56b4e9" });
    write(parent, x + side - 46, y, percent.textContent, { weight, anchor: "end" });
    write(parent, x + side, y, score.textContent, { weight, anchor: "end" });
    y += 19;
  }
}

// Paper is white: for the figure and the printer the page takes its light colours, and then its own again
let themeOnScreen = null;
function takeTheme(theme) {
  document.documentElement.className = theme;
  readTheme();
  draw();
}
function toPaper() {
  themeOnScreen ??= document.documentElement.className;
  takeTheme("");
}
function toScreen() {
  takeTheme(themeOnScreen ?? "");
  themeOnScreen = null;
}
function figureOf() {                                                   // the text of the SVG
  toPaper();
  try {
    return new XMLSerializer().serializeToString(sheet());
  } finally {
    pngs.clear();
    toScreen();
  }
}
function sheet() {
  const file = document.implementation.createDocument(SVG, "svg"), svg = file.documentElement, edge = 36, side = 300;
  for (const [name, value] of Object.entries({ width: "297mm", height: "210mm", "font-family": FACE,
                                               viewBox: `0 0 ${SHEET_WIDE} ${SHEET_TALL}` })) {
    svg.setAttribute(name, value);
  }
  element(svg, "title", {}, document.title);
  const hatched = element(element(svg, "defs"), "pattern", { id: "unknown", width: 6, height: 6,
                                                             patternUnits: "userSpaceOnUse" });
  element(hatched, "path", { d: "M0 0h3v6h3v-3h-6z", fill: "#c9ced6" });
  element(svg, "rect", { width: SHEET_WIDE, height: SHEET_TALL, fill: "#ffffff" });
  const wide = SHEET_WIDE - 2 * edge, title = $(`tab-${state.tab}`).textContent;
  let top = write(svg, edge, edge - 8, title, { size: 26, weight: "bold", width: wide, most: 1 }) + 2;
  top = write(svg, edge, top, $("text").textContent, { size: 16, width: wide, most: 2 }) + 14;
  const foot = SHEET_TALL - edge - 4;
  write(svg, edge, foot, origin(), { size: 12, width: wide, fill: PALE, most: 1 });
  drawLeft(element(svg, "g", { id: "left" }), edge, top, side);
  const right = element(svg, "g", { id: "panel" }), x = edge + side + 28, blocks = blocksOf($(state.tab));
  const columns = Math.max(...blocks.map(({ head, items }) => head ? items.length : 1));
  const body = (size) => {
    right.replaceChildren();
    return blocks.reduce((y, block) => drawBlock(right, block, x, y, SHEET_WIDE - edge - x, size, columns), top);
  };
  let size = 210, end = body(size);
  while (end > foot - 8 && size > 36) end = body(size *= 0.95);         // the largest maps that fit
  const zoom = Math.min(1, (foot - 8 - top) / (end - top));
  if (zoom < 1) right.setAttribute("transform", `translate(${x} ${top}) scale(${zoom}) translate(${-x} ${-top})`);
  return file;
}
async function whenDrawn() {                                            // all maps and verdicts, or 5 s are over
  const end = performance.now() + 5000;
  do {
    await new Promise((done) => { setTimeout(done, 30); });
  } while (!(isSettled() && isCurrent()) && performance.now() < end);
}
async function saveFigure() {
  await whenDrawn();
  download(new Blob([figureOf()], { type: "image/svg+xml" }), `minicnn-${state.tab}.svg`);
}
function listenFigure() {
  addEventListener("beforeprint", toPaper);
  addEventListener("afterprint", toScreen);
  $("figure").addEventListener("click", saveFigure);
}
