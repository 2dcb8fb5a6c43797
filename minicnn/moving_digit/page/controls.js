// ---- input of the user: digits, dragging, keys, sliders, tabs, the probe, the theme
const clamp = (v) => Math.max(0, Math.min(ROOM, v));
function move(dy, dx) {                                                 // by the reader
  pause();
  change({ dy: clamp(dy), dx: clamp(dx) });
}

function pick(buttons, index, attribute) {                        // mark one button of a group; the tab key stops at it
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

const digitButtons = [...meta.digits.map(({ label, index }) => say("draw.image", { name: named(label), index })),
                      say("draw.your_drawing")].map((title, k) => {
  const side = k === DRAWING ? CANVAS : DIGIT;
  const button = make("button", $("digits"), { type: "button", title });
  button.setAttribute("role", "radio");
  button.setAttribute("aria-label", title);
  const small = screen(make("canvas", button, { width: side, height: side }));
  if (k === DRAWING) { thumbnail = small; button.classList.add("drawing"); }
  const ink = data.images.subarray(k * AREA * DEPTH, (k + 1) * AREA * DEPTH);
  for (let i = 0; i < ink.length / DEPTH; i++) {
    small.pixels[i] = DEPTH === 1 ? GREY[ink[i]] : rgb(ink[3 * i], ink[3 * i + 1], ink[3 * i + 2]);
  }
  small.context.putImageData(small.image, 0, 0);
  return button;
});
function chooseDigit(digit) {
  if (digit !== DRAWING) cursor.down = false;                           // else the keys would change a hidden drawing
  pick(digitButtons, digit, "aria-checked");
  change({ digit });
  nameStage();
}
arrowsChoose(digitButtons, (digit) => {
  chooseDigit(digit);
  if (digit === DRAWING && state.tool === "move" && !drawing.strokes) chooseTool("pen");
});
pick(digitButtons, 0, "aria-checked");
drawThumbnail();

function listenStage() {
  const stage = $("stage");
  let drag = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button || state.tool !== "move") return;
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
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (state.tool !== "move") { penKey(event); return; }
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step && event.key !== "Home") return;
    event.preventDefault();
    if (step) move(state.dy + step[0], state.dx + step[1]);
    else move(CENTRE, CENTRE);
  });
  $("right").addEventListener("input", () => move(state.dy, CENTRE + Number($("right").value)));
  $("down").addEventListener("input", () => move(CENTRE + Number($("down").value), state.dx));
}

function listenTabs() {
  const names = Object.keys(byTab), buttons = names.map((name) => $(`tab-${name}`));
  const choose = (k) => {
    pick(buttons, k, "aria-selected");
    names.forEach((name, other) => { $(name).hidden = other !== k; });
    $("probe-layer").value = "";
    if (names[k] === "impulse" && state.tool !== "move") chooseTool("move");
    if (names[k] !== state.tab) tell("");                               // it was about the picture before
    change({ tab: names[k], probe: null });
    change({});
    nameStage();
  };
  arrowsChoose(buttons, choose);
  choose(0);
  return (name) => choose(names.indexOf(name));
}

function listenOptions() {
  for (const radio of document.querySelectorAll("input[name=mode]")) {
    radio.checked = radio.value === state.mode;                    // after a reload the browser may keep another choice
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
    $("theme").textContent = say(isDark ? "page.light" : "page.dark");
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

