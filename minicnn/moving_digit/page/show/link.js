// ---- a link: the part of the address behind # says what the reader sees, and such an address shows it again.
// It has fields like at=3,7 with & between them; a field that has its usual value is left out.
const LONGEST = 20000;                                                  // characters of an address that are read
const link = { known: "", asked: 0, ink: { strokes: -1, text: "" }, isBroken: false };
const hasAddress = /^(https?|file):$/.test(location.protocol);          // not in the frame of a notebook

class Broken extends Error {}                                           // a part of an address that means nothing here
const oneOf = (text, words) => { if (words.includes(text)) return text; throw new Broken(text); };
function numberFrom(text, low, high) {
  if (!/^-?\d{1,7}(\.\d{1,20})?(e-?\d{1,2})?$/.test(text)) throw new Broken(text);
  return Math.max(low, Math.min(high, Number(text)));
}
const integerFrom = (text, low, high) => Math.round(numberFrom(text, low, high));

// ---- a drawing: its pixels, deflated, in base64 with - and _
async function through(bytes, transform, most = Infinity) {
  const reader = new Blob([bytes]).stream().pipeThrough(transform).getReader(), parts = [];
  let length = 0;
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    parts.push(value);
    length += value.length;
    if (length > most) { reader.cancel(); throw new Broken("ink"); }
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
async function inkText() {
  const { ink } = link, { strokes, pixels } = drawing;
  if (ink.strokes !== strokes) {
    const packed = await through(pixels, new CompressionStream("deflate"));
    Object.assign(ink, { strokes, text: pixels.some(Boolean) ? btoa(String.fromCharCode(...packed))
      .replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "") : "" });
  }
  return ink.text;
}
async function inkFrom(text) {
  const size = drawing.pixels.length;
  if (!text) return new Uint8Array(size);
  try {
    const packed = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const pixels = await through(packed, new DecompressionStream("deflate"), size);
    if (pixels.length === size) return pixels;
  } catch { /* it is broken in one way or another */ }
  throw new Broken("ink");
}

// ---- the fields. write(): the present text. read(text): checks it, and returns a function that shows it
const checkRadio = (name, value) => { document.querySelector(`input[name=${name}][value=${value}]`).checked = true; };
const FIELDS = {
  digit: {
    write: () => isDrawn() ? "drawing" : `@${meta.digits[state.digit].index}`,
    read(text) {
      const digit = text === "drawing" ? DRAWING : meta.digits.findIndex(({ index }) => text === `@${index}`);
      if (digit < 0) throw new Broken(text);
      return () => chooseDigit(digit);
    },
  },
  ink: {
    write: () => isDrawn() ? link.ink.text : "",
    async read(text, fields) {
      const pixels = await inkFrom(text);
      return () => { if (fields.digit === "drawing") replaceDrawing(pixels, ""); };
    },
  },
  at: {
    write: () => `${state.dy},${state.dx}`,
    read(text) {
      const [dy, dx, ...rest] = text.split(",");
      if (dx === undefined || rest.length) throw new Broken(text);
      const place = [dy, dx].map((v) => integerFrom(v, 0, ROOM));
      return () => move(...place);
    },
  },
  tab: {
    write: () => state.tab,
    read: (text) => { oneOf(text, Object.keys(panels)); return () => minicnn.chooseTab(text); },
  },
  mode: {
    write: () => state.mode,
    read(text) {
      const mode = oneOf(text, ["input", "map"]);
      return () => { checkRadio("mode", mode); change({ mode }); };
    },
  },
  spoil: {
    write: () => state.spoil ? "1" : "0",
    read(text) {
      const spoil = oneOf(text, ["0", "1"]) === "1";
      return () => { $("spoil").checked = spoil; change({ spoil }); };
    },
  },
  tool: {
    write: () => state.tool,
    read: (text) => { oneOf(text, ["move", "pen", "eraser"]); return () => chooseTool(text); },
  },
  probe: {                                                              // the row and the picture in it, y, x
    write() {
      const { probe } = state, row = byTab[state.tab].indexOf(probe?.view.row);
      return row < 0 ? "" : [row, probe.view.row.views.indexOf(probe.view), probe.y, probe.x].join();
    },
    read(text, { tab }) {
      if (!text) return () => change({ probe: null });
      const [row, tile, y, x] = text.split(",").map((v) => integerFrom(v, 0, CANVAS - 1));
      const view = byTab[tab]?.[row]?.views[tile];
      if (!view || x === undefined) throw new Broken(text);
      const most = view.size - 1;
      return () => change({ probe: { view, y: Math.min(y, most), x: Math.min(x, most) } });
    },
  },
  path: {
    write: () => state.path,
    read: (text) => { oneOf(text, Object.keys(meta.paths)); return () => choosePath(text); },
  },
  speed: {
    write: () => `${state.speed}`,
    read: (text) => { oneOf(text, SPEEDS.map(String)); return () => chooseSpeed(Number(text)); },
  },
};
const usual = {};                                                       // the text of each field at the start
function addPanelFields() {                                             // of what is chosen in a panel
  for (const [name, { kept, restored }] of Object.entries(panels)) {
    if (kept) FIELDS[name] = { write: () => kept().join(), read: (text) => restored(text.split(",")) };
  }
  for (const [name, { write }] of Object.entries(FIELDS)) usual[name] = write();
}

async function hashNow() {
  if (isDrawn()) await inkText();
  return Object.entries(FIELDS).map(([name, { write }]) => [name, write()])
    .filter(([name, text]) => text !== usual[name]).map(([name, text]) => `${name}=${text}`).join("&");
}
async function actionsOf(hash) {
  if (hash.length > LONGEST) throw new Broken(hash);
  const given = {};
  let parts;
  try { parts = decodeURIComponent(hash).split("&"); } catch { throw new Broken(hash); }
  for (const part of parts) {
    const at = part.indexOf("="), name = part.slice(0, at);
    if (at < 0 || !Object.hasOwn(FIELDS, name) || Object.hasOwn(given, name)) throw new Broken(part);
    given[name] = part.slice(at + 1);
  }
  const fields = { ...usual, ...given }, actions = [];
  for (const [name, { read }] of Object.entries(FIELDS)) {
    try { actions.push(await read(fields[name], fields)); } catch (error) {
      throw error instanceof Broken ? new Broken(`${name}=${fields[name]}`) : error;
    }
  }
  return actions;
}
async function openAddress() {                                          // shows what the address says
  const hash = location.hash.slice(1);
  if (!hash || hash === link.known) return;
  link.known = hash;
  try {
    for (const act of await actionsOf(hash)) act();
    if (link.isBroken) $("trouble").hidden = true;
    link.isBroken = false;
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    link.isBroken = true;
    trouble(say("show.broken", { part: error.message.slice(0, 40) }));
  }
}
// Called after each change: the address follows when nothing has changed for half a second
function keepAddress() {
  clearTimeout(link.asked);
  link.asked = setTimeout(() => { if (!isPlaying() && !saver.busy) writeAddress(); }, 500);
}
async function writeAddress() {
  link.known = await hashNow();
  const [before] = location.href.split("#"), address = link.known ? `${before}#${link.known}` : before;
  if (hasAddress && address !== location.href) window.history.replaceState(null, "", address);
  return address;
}
async function copyLink() {
  pause();
  const address = await writeAddress();
  $("address").value = address;
  let copied = true;
  try { await navigator.clipboard.writeText(address); } catch { copied = false; }
  $("address").hidden = copied;
  if (!copied) { $("address").focus(); $("address").select(); }
  put("show-text", say(copied ? "show.copied" : "show.select", { count: integer(address.length) }));
}
async function listenLink() {
  addPanelFields();
  $("copy-link").hidden = !hasAddress;
  $("copy-link").addEventListener("click", copyLink);
  addEventListener("hashchange", openAddress);
  await openAddress();
}
