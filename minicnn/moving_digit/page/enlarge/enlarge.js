// ---- one map, enlarged in a dialog: by a double click or a double tap on it, or by the key Enter
const large = { view: null, y: 0, x: 0 };
function enlarge(view, { y, x }) {
  Object.assign(large, { view, y, x });
  view.canvas.focus();                                                  // it gets the focus back
  $("enlarged").showModal();
  $("enlarged-map").focus();
  change({});
}
// The step-by-step panel explains the maps of the convolutions
const isExplained = ({ layer, row }) => state.tab === "maps" && !row.kernel && layer <= LAST;
function drawEnlarged() {
  if (!$("enlarged").open) return;
  const { view, y, x } = large, { row, size, canvas } = view;
  put("enlarged-title", canvas.getAttribute("aria-label"));
  $("enlarged-map").setAttribute("aria-label", canvas.getAttribute("aria-label"));
  screenOf($("enlarged-map"), { height: size, width: size }).context.drawImage(canvas, 0, 0);
  screenOf($("enlarged-bar"), row.bar.canvas).context.drawImage(row.bar.canvas, 0, 0);
  ["enlarged-low", "enlarged-high"].forEach((id, end) => put(id, row.ends[end].textContent));
  const part = `${100 / size}%`;
  Object.assign($("enlarged-here").style, { top: `${100 * y / size}%`, left: `${100 * x / size}%`, width: part,
                                            height: part });
  put("enlarged-text", tellPixel(large));
  $("enlarged-how").hidden = !isExplained(view);
}
function enlargeNext(step) {
  const { views } = large.view.row;
  large.view = views[(views.indexOf(large.view) + step + views.length) % views.length];
  change({});
}
function explainPixel() {
  const { view, y, x } = large, { layer, row } = view;
  const channel = meta.layers[layer].channels[row.views.indexOf(view)];
  $("enlarged").close();
  minicnn.pixel.choose({ layer, channel, y, x });
  chooseTab("pixel");
  $("tab-pixel").focus();
}
function listenEnlarge() {
  for (const view of Object.values(byTab).flat().flatMap(({ views }) => views)) {
    view.canvas.addEventListener("dblclick", (event) => enlarge(view, pixelAt(view.canvas, event)));
    view.canvas.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      enlarge(view, state.probe?.view === view ? state.probe : middleOf(view));
    });
  }
  const map = $("enlarged-map");
  const point = ({ y, x }) => {
    const inside = (v) => Math.max(0, Math.min(large.view.size - 1, v));
    Object.assign(large, { y: inside(y), x: inside(x) });
    change({});
  };
  for (const type of ["pointermove", "pointerdown"]) map.addEventListener(type, (event) => point(pixelAt(map, event)));
  map.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (!step) return;
    event.preventDefault();
    point({ y: large.y + step[0], x: large.x + step[1] });
  });
  $("enlarged-before").addEventListener("click", () => enlargeNext(-1));
  $("enlarged-next").addEventListener("click", () => enlargeNext(1));
  $("enlarged-how").addEventListener("click", explainPixel);
  $("enlarged-close").addEventListener("click", () => $("enlarged").close());
}
