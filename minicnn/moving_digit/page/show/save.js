// ---- save one pass of the path as a file: first snapshots of all its places, then pictures of them. The work is done
// in small steps, so that the page stays awake.
const STEP = 6;                                                         // ms without a rest
const { big } = Snapshot;
const saver = { busy: false, stopped: "" };                             // stopped: the reason, in words
let rested = 0;
async function rest() {
  if (performance.now() - rested > STEP) {
    await new Promise((done) => { setTimeout(done); });
    rested = performance.now();
  }
  if (saver.stopped) throw new Stopped();
}
class Stopped extends Error {}
const nextFrame = () => new Promise((done) => { requestAnimationFrame(done); });
const shownView = () => [document.documentElement.className, drawing.strokes, ...["digit", "tab", "mode", "spoil",
  ...Object.keys(panels)].map((name) => FIELDS[name]?.write())].join();

async function takeSnapshots(told) {
  const before = [state.dy, state.dx], view = shownView(), shots = [], places = placesOf();
  let pictures = null, tops = null;
  try {
    for (const place of places) {
      goTo(place);
      do await nextFrame(); while (!saver.stopped && (asked || !isCurrent()));
      if (state.dy !== place[0] || state.dx !== place[1] || view !== shownView()) saver.stopped ||= say("show.changed");
      await rest();
      pictures ??= Snapshot.seenPictures();
      tops ??= Snapshot.atlasFor(pictures);
      shots.push(Snapshot.snapshot(pictures, tops));
      told(shots.length / places.length / 2);
    }
  } finally {
    if (saver.stopped !== say("show.changed")) goTo(before);
  }
  return { shots, layout: Snapshot.layoutOf(pictures, tops, shots) };
}

// ---- the colours of a GIF: those of the pictures, and of the words, whose edges are mixed with the background
const numberOf = (colour) => {
  big.fillStyle = colour;
  return Number(`0xff${big.fillStyle.slice(1).match(/../g).reverse().join("")}`);
};
function wordColours() {
  const back = numberOf(Snapshot.colourOf("--back")), mixes = ["--ink", "--soft"].flatMap((name) => {
    const ink = numberOf(Snapshot.colourOf(name)), part = (c, by, t) => Math.round((c >> by & 255) * t);
    return Array.from({ length: 9 }, (_, k) => rgb(...[0, 8, 16].map((by) => part(back, by, 1 - k / 8)
                                                                      + part(ink, by, k / 8))));
  });
  return [numberOf(Snapshot.colourOf("--line")), ...mixes];
}
async function gifOf({ shots, layout }, told) {
  const colours = new Set(wordColours()), { width, height } = layout, hundredths = 100 / state.speed;
  for (const { pixels, frames } of shots) {
    for (const colour of new Uint32Array(pixels.data.buffer)) colours.add(colour);
    for (const { colour } of frames.flat()) colours.add(numberOf(colour));
    await rest();
  }
  const table = Gif.palette([...colours].filter((colour) => colour >>> 24)), indexOf = Gif.nearest(table);
  const parts = [Gif.head(width, height, table)], rows = Math.ceil(40000 / width);
  const last = new Uint8Array(width * height).fill(Gif.SAME);           // the frame before
  for (const [k, shot] of shots.entries()) {
    Snapshot.paintShot(shot, layout);
    const codes = Gif.codes();
    for (let y = 0; y < height; y += rows) {
      const { data } = big.getImageData(0, y, width, Math.min(rows, height - y));
      const old = last.subarray(y * width, (y + rows) * width), indices = new Uint8Array(old.length);
      new Uint32Array(data.buffer).forEach((colour, i) => {
        const index = indexOf(colour);
        indices[i] = index === old[i] ? Gif.SAME : index;
        old[i] = index;
      });
      codes.add(indices);
      await rest();
    }
    parts.push(Gif.before(width, height, hundredths), codes.blocks());
    told(0.5 + (k + 1) / shots.length / 2);
  }
  return new Blob([...parts, Gif.TAIL], { type: "image/gif" });
}
async function zipOf({ shots, layout }, told) {
  const entries = [];
  for (const [k, shot] of shots.entries()) {
    Snapshot.paintShot(shot, layout);
    const blob = await new Promise((done) => { big.canvas.toBlob(done, "image/png"); });
    entries.push([`frame-${String(k).padStart(3, "0")}.png`, new Uint8Array(await blob.arrayBuffer())]);
    await rest();
    told(0.5 + (k + 1) / shots.length / 2);
  }
  return new Blob(zipped(entries), { type: "application/zip" });
}

// ---- the buttons
function download(blob, name) {
  const a = make("a", document.body, { href: URL.createObjectURL(blob), download: name, hidden: true });
  a.click();
  a.remove();
  setTimeout(() => URL.revokeObjectURL(a.href), 60000);
}
function showBusy(busy) {
  saver.busy = busy;
  for (const id of ["save-gif", "save-png", "play", "path", "speed"]) $(id).disabled = busy;
  $("saving").hidden = !busy;
}
async function save(format, ending) {
  if (saver.busy) return;
  pause();
  saver.stopped = "";
  showBusy(true);
  $("stop-saving").focus();
  put("show-text", say("show.saving"));
  try {
    const told = (done) => { $("saved").value = done; };
    told(0);
    const taken = await takeSnapshots(told), blob = await format(taken, told);
    const name = `minicnn-${state.tab}-${state.path}${ending}`, size = decimal((blob.size / 1e6).toFixed(1));
    download(blob, name);
    minicnn.saved = taken.layout;                                       // for tests
    put("show-text", say("show.saved", { name, count: taken.shots.length, size }));
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    put("show-text", saver.stopped);
  } finally {
    const back = document.activeElement === $("stop-saving");
    showBusy(false);
    if (back) $("save-gif").focus();
    change({});
  }
}
function listenSave() {
  const stop = () => { saver.stopped = say("show.stopped"); };
  $("save-gif").addEventListener("click", () => save(gifOf, ".gif"));
  $("save-png").addEventListener("click", () => save(zipOf, "-png.zip"));
  $("stop-saving").addEventListener("click", stop);
  document.addEventListener("keydown", (event) => {
    if (!saver.busy || event.key !== "Escape") return;
    event.preventDefault();                                             // it does not leave the full screen layout, too
    stop();
  });
}
