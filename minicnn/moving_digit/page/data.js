// The page of minicnn explore. page.py puts these files into one script, in this order; they share their names.
//   engine.js, answers.js   the network in plain JavaScript; a Worker runs the same text. They know no document.
//   data.js       the numbers of the file (`meta`, `data`), sizes, `state`: what the reader has chosen; `change(what)`
//                 changes it, and one frame later everything is drawn
//   live.js       `live.ask(slot, picture)` promises all float maps of a picture, from the Worker
//   sources.js    `now`: the maps of the picture on the canvas, in steps of 0 to 255. A digit of the file (`stored`)
//                 and a drawing (`drawn`) have the same functions, so that a panel need not know which one it shows
//   views.js      colours; a row of maps (`addRow`) with its bar of colours; a pixel that the reader points at
//   stage.js      the canvas, the class scores, the sentences below them
//   frame.js      `panel(name, parts)` adds a tab; `draw()` draws one frame: the stage, then the panel that is shown
//   drawing/pen.js, pictures.js     draw, erase, undo, centre; files of pictures. They change `drawing`
//   controls.js   mouse, keys, sliders, tabs;   start.js   the first frame, and `window.minicnn` for tests
//   show/play.js  the digit goes along a path;   link.js   what the reader sees, as a part of the address
//   show/slide.js  a window slides over the input of a map
//   enlarge/      one map in a dialog
//   show/keys.js, point.js, lecture.js, svg.js, figure.js   the table of keys and its help; the pixels of the maps by
//                 keyboard; full screen; the figure as SVG
//   show/save.js  an animation as a file: snapshot.js has its pictures; gif.js and zip.js write, and know no document
//   operators.js, laws.js   for the kernel bench: operators on one grey image, and the verifier. They know no document
//   texts/texts.toml   every text, in all languages; texts/say.js   say("section.key", values): one of them
// A panel is page/panels/NAME.html (its markup) and NAME.js, and a line in PANELS of page.py. NAME.js stands in a
// block: its names are its own. It calls panel("NAME", { build, draw, floats }). draw(now) fills its rows.
// If `floats` is true, now.floats() has the numbers of all channels, or null until the Worker has answered.
const $ = (id) => document.getElementById(id);
const make = (tag, parent, properties = {}) =>
  parent.appendChild(Object.assign(document.createElement(tag), properties));
const put = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };
const POINT = say("number.point"), THOUSANDS = say("number.thousands");
const decimal = (text) => text.replace("-", "−").replace(".", POINT);   // of toFixed, for a text
const number = (value) => Number(value.toPrecision(3)).toString().replace(".", POINT);
const written = (value) => number(value).replace("-", "−");
const integer = (value) => value.toLocaleString("en").replaceAll(",", THOUSANDS);
const trouble = (text) => { $("trouble").textContent = text; $("trouble").hidden = false; };
if (typeof DecompressionStream === "undefined") {
  trouble(say("page.old_browser"));
  return;
}

// ---- numbers of the file: typed arrays over one buffer, (digit, place, channel, y, x), see page.py
const meta = JSON.parse($("meta").textContent);
const packed = Uint8Array.from(atob($("blob").textContent), (c) => c.charCodeAt(0));
const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
const buffer = await new Response(stream).arrayBuffer();
const data = {};
for (const [name, { type, shape, begin }] of Object.entries(meta.arrays)) {
  const length = shape.reduce((a, b) => a * b, 1);
  data[name] = type === "float32" ? new Float32Array(buffer, begin, length) : new Uint8Array(buffer, begin, length);
}
const CANVAS = meta.canvas, DIGIT = meta.digit, ROOM = CANVAS - DIGIT, CENTRE = meta.centre, SIDE = ROOM + 1;
const SHEET = CANVAS + ROOM;                                            // see exploration.py
const MIDDLE = CENTRE * SIDE + CENTRE;                                  // the place in the centre
const SIZE = meta.layers.map(({ sees }) => CANVAS - sees + 1);          // of the LeNet 34, 30, 26, 22
const LAST = SIZE.length - 1;                                           // the last convolution; LAST + 1 is the pool
const POOL = Math.floor(SIZE[LAST] / 2), CHANNELS = meta.layers[LAST].channels.length;
const SEES = [...meta.layers.map((layer) => layer.sees), meta.pool_sees];
const NAMES = [...meta.layers.map((layer) => layer.name), "pool"];
const AREA = DIGIT * DIGIT, DEPTH = data.images.length / (meta.digits.length * AREA);      // 1: grey, 3: colour
const DRAWING = meta.digits.length;                                     // the number of the drawing, after the digits

const state = { digit: 0, dy: CENTRE, dx: CENTRE, mode: "input", tab: "maps", spoil: false, probe: null, tool: "move",
                path: "circle", speed: 10 };
const isDrawn = () => state.digit === DRAWING;
const movesMap = () => state.tab === "maps" && state.mode === "map";    // else the input is moved
const spoiled = () => state.tab === "equal" && state.spoil;

// The drawing x, in the centre: pixels 0 to 255, (y, x, colour). `strokes` counts its changes.
const drawing = { pixels: new Uint8Array(CANVAS * CANVAS * DEPTH), strokes: 0 };

function paste(source, height, width, top, left, side) {          // a picture on a black canvas; what sticks out is cut
  const out = new Uint8Array(side * side * DEPTH);
  const from = Math.max(0, -left), to = Math.min(width, side - left);
  for (let y = Math.max(0, -top); y < Math.min(height, side - top) && from < to; y++) {
    out.set(source.subarray((y * width + from) * DEPTH, (y * width + to) * DEPTH),
            ((top + y) * side + left + from) * DEPTH);
  }
  return out;
}
const canvasOf = (digit, dy, dx) => digit === DRAWING               // T x: the canvas with a digit or the drawing there
  ? paste(drawing.pixels, CANVAS, CANVAS, dy - CENTRE, dx - CENTRE, CANVAS)
  : paste(data.images.subarray(digit * AREA * DEPTH, (digit + 1) * AREA * DEPTH), DIGIT, DIGIT, dy, dx, CANVAS);
