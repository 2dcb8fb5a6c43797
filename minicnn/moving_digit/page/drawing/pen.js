// ---- drawing on the canvas: strokes with soft edges, as those of MNIST; undo; the cursor of the keyboard
const RADIUS = { pen: 1.05, eraser: 1.6 }, SOFT = 1.3;              // pixels: half the width of a stroke; its soft edge
const HISTORY = 200;                                                    // strokes that can be undone
const history = [];
const cursor = { y: CANVAS / 2, x: CANVAS / 2, down: false };
const tell = (text) => put("draw-text", text);

function remember() {                                                 // before each change; a digit becomes the drawing
  history.push({ pixels: drawing.pixels, digit: state.digit });
  showDrawing();
  tell(isDrawn() ? "" : say("draw.became"));
  if (history.length > HISTORY) history.shift();
  drawing.pixels = isDrawn() ? drawing.pixels.slice() : canvasOf(state.digit, CENTRE, CENTRE);
  if (!isDrawn()) chooseDigit(DRAWING);
}
// The panel of the impulse shows no drawing: what draws leaves it
const showDrawing = () => { if (state.tab === "impulse") chooseTab("maps"); };
function changed() {
  drawing.strokes++;
  drawThumbnail();
  pursue();                                                             // at once, not in the next frame
  change({});
}
function replaceDrawing(pixels, words) {
  remember();
  drawing.pixels = pixels;
  tell(words);
  changed();
}
function undo() {
  if (!history.length) return tell(say("draw.nothing_to_undo"));
  showDrawing();
  const { pixels, digit } = history.pop();
  drawing.pixels = pixels;
  cursor.down = false;
  chooseDigit(digit);
  tell(say(history.length ? "draw.one_less" : "draw.first_undone"));
  return changed();
}
const clear = () => replaceDrawing(new Uint8Array(drawing.pixels.length), say("draw.empty"));

// A straight stroke between two points (y, x) of the drawing; pixel i reaches from i to i + 1
function stroke([y0, x0], [y1, x1], tool) {
  const radius = RADIUS[tool], reach = radius + SOFT / 2, { pixels } = drawing;
  const low = (a, b) => Math.max(0, Math.floor(Math.min(a, b) - reach));
  const high = (a, b) => Math.min(CANVAS - 1, Math.ceil(Math.max(a, b) + reach));
  const length = (y1 - y0) ** 2 + (x1 - x0) ** 2;
  for (let i = low(y0, y1); i <= high(y0, y1); i++) {
    for (let j = low(x0, x1); j <= high(x0, x1); j++) {
      const y = i + 0.5 - y0, x = j + 0.5 - x0;
      const t = length ? Math.max(0, Math.min(1, (y * (y1 - y0) + x * (x1 - x0)) / length)) : 0;
      const far = Math.hypot(y - t * (y1 - y0), x - t * (x1 - x0));
      const ink = Math.round(255 * Math.max(0, Math.min(1, (reach - far) / SOFT)));
      for (let c = 0, at = (i * CANVAS + j) * DEPTH; c < DEPTH; c++, at++) {
        pixels[at] = tool === "pen" ? Math.max(pixels[at], ink) : Math.min(pixels[at], 255 - ink);
      }
    }
  }
}
function drawLine(points, tool = "pen") {                             // one stroke through points (y, x) of the drawing
  remember();
  points.forEach((point, k) => stroke(points[Math.max(0, k - 1)], point, tool));
  changed();
}
const onDrawing = ({ clientY, clientX }) => {                           // the point of the drawing below the pointer
  const box = $("stage").getBoundingClientRect(), size = box.width / CANVAS;
  return [(clientY - box.top) / size - (state.dy - CENTRE), (clientX - box.left) / size - (state.dx - CENTRE)];
};
function listenPen(stage) {
  let last = null, tool = "pen", finger = null;
  stage.addEventListener("pointerdown", (event) => {
    if (last || state.tool === "move" || event.button > 0 && event.button !== 5) return;
    tool = event.button === 5 ? "eraser" : state.tool;                  // 5: the other end of a stylus
    remember();
    last = onDrawing(event);
    stroke(last, last, tool);
    finger = event.pointerId;                                           // a second finger draws nothing
    stage.setPointerCapture(finger);
    changed();
  });
  stage.addEventListener("pointermove", (event) => {
    if (!last || event.pointerId !== finger) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) {
      const point = onDrawing(each);
      stroke(last, point, tool);
      last = point;
    }
    changed();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, (event) => { if (event.pointerId === finger) last = null; });
  }
}

// ---- the keyboard: the arrow keys move a cursor, the space bar puts the pen down and lifts it
function drawCursor() {
  const shown = state.tool !== "move" && document.activeElement === $("stage");
  frame($("cursor"), shown ? [cursor.y - 1.5 + state.dy - CENTRE, cursor.x - 1.5 + state.dx - CENTRE, 3] : null);
  $("cursor").classList.toggle("down", cursor.down);
}
function lift() {
  cursor.down = false;
  drawCursor();
}
function penKey(event) {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  const from = [cursor.y, cursor.x];
  if (step) {
    [cursor.y, cursor.x] = from.map((v, axis) => Math.max(0.5, Math.min(CANVAS - 0.5, v + step[axis])));
  } else if (event.key === "Home") {
    [cursor.y, cursor.x] = [CANVAS / 2, CANVAS / 2];
  } else if (event.key === " ") {
    cursor.down = !cursor.down;
    if (cursor.down) remember();
  } else if (event.key === "Escape" && cursor.down) {
    cursor.down = false;
  } else {
    return;
  }
  event.preventDefault();
  if (cursor.down) {
    stroke(event.key === "Home" ? [cursor.y, cursor.x] : from, [cursor.y, cursor.x], state.tool);
    changed();
  }
  const tool = say(cursor.down ? `draw.${state.tool}_down` : `draw.${state.tool}_up`);
  tell(say("draw.at", { y: Math.floor(cursor.y), x: Math.floor(cursor.x), tool }));
  drawCursor();
}

// ---- the tools
let thumbnail = null;
function drawThumbnail() {
  const { pixels } = drawing;
  for (let i = 0; i < thumbnail.pixels.length; i++) {
    thumbnail.pixels[i] = DEPTH === 1 ? GREY[pixels[i]] : rgb(pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]);
  }
  thumbnail.context.putImageData(thumbnail.image, 0, 0);
}
function chooseTool(tool) {
  lift();
  if (tool !== "move") showDrawing();
  for (const radio of document.querySelectorAll("input[name=tool]")) {
    radio.checked = radio.value === tool;
    radio.parentElement.classList.toggle("chosen", radio.checked);
  }
  $("stage").dataset.tool = tool;
  change({ tool });
  nameStage();
  if (tool === "move") return tell("");
  const words = isDrawn() ? [] : [say(`draw.over_${tool}`)];
  return tell([...words, say(`draw.keys_${tool}`)].join(" "));
}
function nameStage() {                                                  // what a screen reader says of the canvas
  const what = say(state.tab === "impulse" ? "draw.the_dirac" : isDrawn() ? "draw.the_drawing" : "draw.the_picture");
  $("stage").setAttribute("aria-label", [say("page.canvas"), say(`draw.keys_${state.tool}`, { what })].join(" "));
}
function listenTools() {
  const stage = $("stage");
  listenPen(stage);
  for (const radio of document.querySelectorAll("input[name=tool]")) {
    radio.addEventListener("change", () => chooseTool(radio.value));
  }
  for (const [id, action] of [["undo", undo], ["clear", clear], ["centre", centreDrawing]]) {
    $(id).addEventListener("click", action);
  }
  for (const kind of ["focus", "blur"]) stage.addEventListener(kind, drawCursor);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "z" || !(event.ctrlKey || event.metaKey) || event.target.matches("input[type=number]")) return;
    event.preventDefault();
    undo();
  });
  chooseTool("move");
}
