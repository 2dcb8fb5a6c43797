// ---- input of the user: digits, dragging, keys, sliders, tabs, the probe, the theme; then the first frame
const clamp = (v) => Math.max(0, Math.min(ROOM, v));
const move = (dy, dx) => change({ dy: clamp(dy), dx: clamp(dx) });

function pick(buttons, index, attribute) {                              // mark one button of a group; the tab key stops at it
  buttons.forEach((button, k) => {
    button.setAttribute(attribute, k === index);
    button.tabIndex = k === index ? 0 : -1;
  });
}
function arrowsChoose(buttons, choose) {                                // arrow keys choose the next button of a group
  buttons.forEach((button, k) => {
    button.addEventListener("click", () => choose(k));
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = (k + step + buttons.length) % buttons.length;
      choose(next);
      buttons[next].focus();
    });
  });
}

function listenDigits() {
  const buttons = meta.digits.map(({ label, index }, k) => {
    const button = make("button", $("digits"), { type: "button", title: `${named(label)}, validation image ${index}` });
    button.setAttribute("role", "radio");
    button.setAttribute("aria-label", button.title);
    const small = screen(make("canvas", button, { width: DIGIT, height: DIGIT }));
    small.pixels.set(inks[k]);
    small.context.putImageData(small.image, 0, 0);
    return button;
  });
  const choose = (k) => { pick(buttons, k, "aria-checked"); change({ digit: k }); };
  arrowsChoose(buttons, choose);
  pick(buttons, 0, "aria-checked");
  return choose;
}

function listenStage() {
  const stage = $("stage");
  let drag = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    drag = { y: event.clientY, x: event.clientX, dy: state.dy, dx: state.dx, pixel: stage.clientWidth / CANVAS };
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!drag) return;
    move(drag.dy + Math.round((event.clientY - drag.y) / drag.pixel),
         drag.dx + Math.round((event.clientX - drag.x) / drag.pixel));
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { drag = null; });
  stage.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (event.ctrlKey || event.altKey || event.metaKey || !step && event.key !== "Home") return;
    event.preventDefault();
    if (step) move(state.dy + step[0], state.dx + step[1]);
    else move(CENTRE, CENTRE);
  });
  $("right").addEventListener("input", () => move(state.dy, CENTRE + Number($("right").value)));
  $("down").addEventListener("input", () => move(CENTRE + Number($("down").value), state.dx));
  board.addEventListener("click", (event) => {
    const box = board.getBoundingClientRect();
    move(Math.floor((event.clientY - box.top) / box.height * SIDE),
         Math.floor((event.clientX - box.left) / box.width * SIDE));
  });
}

function listenTabs() {
  const names = Object.keys(byTab), buttons = names.map((name) => $(`tab-${name}`));
  const choose = (k) => {
    pick(buttons, k, "aria-selected");
    names.forEach((name, other) => { $(name).hidden = other !== k; });
    $("probe-layer").value = "";
    $("stage").setAttribute("aria-label", `Canvas of 38 by 38 pixels. Arrow keys move the ${
      names[k] === "impulse" ? "Dirac" : "{{noun}}"}, Home brings it to the centre.`);
    change({ tab: names[k], probe: null });
    change({});
  };
  arrowsChoose(buttons, choose);
  choose(0);
  return (name) => choose(names.indexOf(name));
}

function listenOptions() {
  for (const radio of document.querySelectorAll("input[name=mode]")) {
    radio.checked = radio.value === state.mode;                         // after a reload the browser may keep another choice
    radio.addEventListener("change", () => change({ mode: radio.value }));
  }
  $("spoil").checked = false;
  $("spoil").addEventListener("change", () => change({ spoil: $("spoil").checked }));
  NAMES.forEach((name, layer) => make("option", $("probe-layer"), { value: layer, textContent: name }));
  const probe = () => {
    const view = byTab.maps[$("probe-layer").value]?.views[0];
    for (const id of ["probe-y", "probe-x"]) $(id).disabled = !view;
    if (!view) return change({ probe: null });
    const [y, x] = ["probe-y", "probe-x"].map((id) => {
      $(id).max = view.size - 1;
      return Math.max(0, Math.min(view.size - 1, Math.round(Number($(id).value)) || 0));
    });
    change({ probe: { view, y, x } });
    return change({});                                                  // a screen reader then reads it
  };
  for (const id of ["probe-layer", "probe-y", "probe-x"]) $(id).addEventListener("input", probe);
  $("probe").addEventListener("submit", (event) => event.preventDefault());
  $("probe-layer").value = "";
  for (const id of ["probe-y", "probe-x"]) $(id).disabled = true;
}

function listenTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const set = (isDark) => {
    document.documentElement.className = isDark ? "dark" : "";
    $("theme").textContent = isDark ? "Light colours" : "Dark colours";
    readTheme();
    change({ probe: state.probe });
  };
  const follow = () => set(dark.matches);
  dark.addEventListener("change", follow);
  $("theme").addEventListener("click", () => {
    dark.removeEventListener("change", follow);                         // from now on the reader's choice counts
    set(document.documentElement.className !== "dark");
  });
  follow();
}

function tellAbout() {
  const numbers = meta.digits.map(({ label, index }) => meta.own ? `${meta.classes[label]} (image ${index})`
    : `${label} (@${index})`).join(", ");
  const from = meta.own ? `The pictures are validation images of ${meta.own}: ${numbers}. Around them the canvas is `
    + "black."
    : `The digits are validation images of its 5,000 embedded MNIST digits: ${numbers}. They are from the training set `
    + "of MNIST, so the network may have seen them.";
  const white = DEPTH === 3 ? ["The impulse is a white pixel: red, green and blue are 1 and all others 0. So the kernels "
    + "are sums over the three colours."] : [];
  for (const text of [
    `The network is the LeNet of minicnn with ${meta.source}: ${integer(meta.parameters)} parameters. ${from}`,
    "Every place was computed by minicnn in float32 with its direct convolution. For each of the 121 places, all "
    + "layers and all channels, the map of the moved image was compared with the moved map, and the same for the "
    + `impulse: ${integer(meta.compared)} numbers, all exactly equal.`,
    "So conv1, conv2 and conv3 are stored once, for a scene of 48×48 pixels, and the page cuts out the part that "
    + "belongs to the place. The maps of conv4, the pooled maps and the class scores are stored for each place.",
    "Maps are stored in 255 steps from 0 to the largest value of the layer for this {{noun}}, which stands at its bar of "
    + "colours. The differences shown are those of the stored steps; less than half a step they could not show. The "
    + "comparison above was made before, on all the {{noun}}s' floats.",
    "Of conv1, conv2 and conv3 the 6 channels with most energy are shown: the squares of what differs from the empty "
    + "background, summed over the {{noun}}s here. Their maps have one scale.",
    "The class scores need 28×28 pixels, for the linear layer takes 180 numbers, 5 maps of 6×6 after the pool. So they "
    + "are those of the dashed frame in the middle of the canvas: what was moved out of it is cut off. Its pool starts "
    + "at the frame's corner, so its 6×6 pixels are not among the 11×11 of the pooled map here. The score is what the "
    + "linear layer gives, the probability its softmax. The moved map T φ(x) is known in all of that frame and equals "
    + "φ(T x) there, so it gives the same scores.", ...white,
  ]) make("li", $("about"), { textContent: text });
}

window.minicnn = { ready: false, frames: 0, lastFrameMs: 0, state, meta, data, byTab };
for (let k = 0; k < Math.min(LINES, meta.classes.length); k++) {
  const line = make("tr", $("scores").tBodies[0]);
  const name = make("th", line, { scope: "row" });
  const bar = make("div", make("td", line), { className: "bar" });
  lines.push({ line, name, bar: make("i", bar), percent: make("span", bar), score: make("td", line) });
}
readTheme();
buildRows();
listenStage();
listenOptions();
tellAbout();
Object.assign(window.minicnn, { chooseDigit: listenDigits(), chooseTab: listenTabs(), move });
listenTheme();
cancelAnimationFrame(asked);
draw();
window.minicnn.ready = true;
