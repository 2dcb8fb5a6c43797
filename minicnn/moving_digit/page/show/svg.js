// ---- SVG elements for the figure. Lengths are quarters of a millimetre: the sheet, A4 across, has 1188 x 840
const SVG = "http://www.w3.org/2000/svg", SHEET_WIDE = 1188, SHEET_TALL = 840;
const INK = "#16191d", PALE = "#4b5563", LINE = "#8a93a0", FACE = "Helvetica,Arial,sans-serif";
const MARKS = {                                                         // frames, and the symbols of the legends
  window: { stroke: "#0060a8", "stroke-width": 1.5, "stroke-dasharray": "5 3" },
  ghost: { stroke: "#6b7280", "stroke-width": 2 }, sees: { stroke: "#e69f00", "stroke-width": 3 },
  unknown: { fill: "url(#unknown)", stroke: LINE }, negative: { fill: "#0072b2", stroke: LINE },
  zero: { fill: "#ffffff", stroke: LINE }, positive: { fill: "#d55e00", stroke: LINE },
};
// XML has no way to write these characters; all others are escaped by the browser
const UNWRITABLE = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;
const writable = (text) => String(text).replace(UNWRITABLE, "\uFFFD");

function element(parent, tag, attributes = {}, text = "") {
  const made = parent.ownerDocument.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, typeof value === "number" ? Number(value.toFixed(3)) : writable(value));
  }
  made.textContent = writable(text);
  return parent.appendChild(made);
}
const ruler = document.createElement("canvas").getContext("2d");
function widthOf(text, size, weight = "normal") {
  ruler.font = `${weight} ${size}px ${FACE}`;
  return ruler.measureText(text).width;
}
function linesOf(text, width, size, weight) {                           // lines that fit; a long word is cut
  const lines = [];
  let line = "";
  for (const word of text.trim().split(/[ \n]+/)) {
    const longer = line ? `${line} ${word}` : word;
    if (widthOf(longer, size, weight) <= width) { line = longer; continue; }
    if (line) lines.push(line);
    line = "";
    for (const sign of word) {
      if (line && widthOf(line + sign, size, weight) > width) { lines.push(line); line = ""; }
      line += sign;
    }
  }
  return line ? [...lines, line] : lines;
}
// Text below y; returns where it ends. `most`: the number of lines
function write(parent, x, y, text, { width = Infinity, size = 14, fill = INK, weight = "normal", anchor = "start",
                                     most = Infinity } = {}) {
  const lines = linesOf(text, width, size, weight), shown = lines.slice(0, most);
  if (lines.length > most) shown[most - 1] = shown[most - 1].replace(/.$/u, "…");
  shown.forEach((line, k) => element(parent, "text", { x, y: y + (1.25 * k + 0.95) * size, "font-size": size, fill,
                                                       "font-weight": weight, "text-anchor": anchor }, line));
  return y + 1.25 * size * shown.length;
}
const pngs = new Map();                                            // of the canvases, as long as one figure is made
function image(parent, canvas, x, y, width, height) {
  if (!pngs.has(canvas)) pngs.set(canvas, canvas.toDataURL("image/png"));
  element(parent, "image", { x, y, width, height, href: pngs.get(canvas), preserveAspectRatio: "none",
                             style: "image-rendering:crisp-edges;image-rendering:pixelated" });
}
function outlined(parent, x, y, width, height, look) {
  return element(parent, "rect", { x, y, width, height, fill: "none", ...look });
}
// A legend: words with symbols before them, the spans .key of the page. Returns where it ends
function legend(parent, left, y, paragraph, width, size = 13) {
  let x = left, run = [];
  const flush = () => {
    if (run.length) element(parent, "text", { x, y: y + size, "font-size": size, fill: PALE }, run.join(" "));
    x += widthOf(`${run.join(" ")} `, size) + (run.length ? 8 : 0);
    run = [];
  };
  const fits = (wide) => x + widthOf(`${run.join(" ")} `, size) + wide <= left + width;
  const wrap = (wide) => {
    if (fits(wide) || x === left && !run.length) return;
    flush();
    [x, y] = [left, y + 1.3 * size];
  };
  const accept = (node) => node.hidden ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT;
  const walk = document.createTreeWalker(paragraph, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT, accept);
  while (walk.nextNode()) {
    const node = walk.currentNode, look = MARKS[[...node.classList ?? []].find((name) => name in MARKS)];
    if (look) {
      flush();
      wrap(80);
      outlined(parent, x, y + 3, 16, 11, look);
      x += 21;
    } else if (node.nodeType === Node.TEXT_NODE) {
      for (const word of node.textContent.split(/[ \n]+/).filter(Boolean)) {
        wrap(widthOf(word, size));
        run.push(word);
      }
    }
  }
  flush();
  return y + 1.4 * size;
}
