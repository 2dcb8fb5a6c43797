// ---- what the page says of itself; the first frame
const origin = () => say("about.network", { ...meta, parameters: integer(meta.parameters) });
function tellAbout() {
  const numbers = meta.digits.map(({ label, index }) => meta.own
    ? say("about.image", { name: meta.classes[label], index }) : `${label} (@${index})`).join(", ");
  const from = meta.own ? say("about.from_own", { data: meta.own, numbers }) : say("about.from_mnist", { numbers });
  const depth = meta.layers[LAST].of, inside = Math.floor((DIGIT - SEES[LAST] + 1) / 2);
  const before = LAST > 1 ? say("word.through", { first: NAMES[0], last_one: NAMES[LAST - 1] }) : NAMES[0];
  const stored = LAST ? [say("about.stored", { layers: before, side: `${SHEET}×${SHEET}` })] : [];
  for (const text of [
    `${origin()} ${from}`, say("about.drawing"), say("about.places", { compared: integer(meta.compared) }),
    [...stored, say("about.each_place")].join(" "), say("about.steps"), say("about.channels"),
    say("about.scores", { numbers: depth * inside ** 2, depth, inside: `${inside}×${inside}`,
                          pool: `${POOL}×${POOL}` }),
    ...(DEPTH === 3 ? [say("about.white")] : []),
  ]) make("li", $("about"), { textContent: text });
}

window.minicnn = { ready: false, frames: 0, lastFrameMs: 0, state, meta, data, byTab, panels, found, isCurrent, live,
                   drawing, drawLine, canvasOf, centreDrawing, checkLive, clear, undo, chooseTool, openPicture,
                   play, pause, isPlaying, choosePath, chooseSpeed, writeAddress, change, Gif };
readTheme();
for (const { build } of Object.values(panels)) build();
const chooseTab = listenTabs();
Object.assign(window.minicnn, { chooseDigit, chooseTab, move, figureOf, whenDrawn });
listenStage();
listenPlayer();
listenSave();
listenKeys();
listenMaps();
listenEnlarge();
listenLecture();
listenFigure();
listenTools();
listenFiles();
listenOptions();
tellAbout();
listenTheme();
cancelAnimationFrame(asked);
await listenLink();
draw();
window.minicnn.ready = true;
window.minicnn.checked = checkLive();
