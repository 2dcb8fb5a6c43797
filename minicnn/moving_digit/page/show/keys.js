// ---- keys for the whole page: one table for the handler and the help. A line is { keys, shown, says, act }: `keys`
// as in event.key (letters small), `shown` as in the help, `says` the text that explains it, see [keys] of texts.toml.
// `when()` says that the line counts now. A line without `act` is the help's only: another file listens to its keys.
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const KEYS = [
  { keys: [..."0123456789"], shown: "0 … 9", says: meta.own ? "pictures" : "digits",
    act: (key) => chooseNumber(Number(key)) },
  { keys: ["d"], shown: "D", says: "drawing", act: () => chooseDigit(DRAWING) },
  { keys: Object.keys(ARROWS), shown: "← ↑ → ↓", says: "arrows", repeats: true,
    act: (key) => move(state.dy + ARROWS[key][0], state.dx + ARROWS[key][1]) },
  { keys: ["Home"], shown: say("keys.home"), says: "centre", act: () => move(CENTRE, CENTRE) },
  { shown: say("keys.space"), says: "play" },
  { keys: ["["], shown: "[", says: "before", act: () => stepPanel(-1) },
  { keys: ["]"], shown: "]", says: "next", act: () => stepPanel(1) },
  { keys: ["PageUp"], shown: say("keys.page_up"), says: "back", when: () => inLecture(), act: () => turnPage(-1) },
  { keys: ["PageDown"], shown: say("keys.page_down"), says: "on", when: () => inLecture(), act: () => turnPage(1) },
  { keys: ["f"], shown: "F", says: "full_screen", act: () => toggleLecture() },
  { keys: ["Escape"], shown: say("keys.escape"), says: "leave", when: () => inLecture(), act: () => leaveLecture() },
  { keys: ["s"], shown: "S", says: "figure", act: () => saveFigure() },
  { keys: ["m"], shown: "M", says: "move", act: () => chooseTool("move") },
  { keys: ["p"], shown: "P", says: "pen", act: () => chooseTool("pen") },
  { keys: ["e"], shown: "E", says: "eraser", act: () => chooseTool("eraser") },
  { shown: "← ↑ → ↓", says: "map_arrows" },
  { shown: say("keys.enter"), says: "enlarge" },
  { shown: "← ↑ → ↓", says: "pen_arrows" },
  { shown: say("keys.space"), says: "pen_down" },
  { shown: say("keys.control_z"), says: "undo" },
  { keys: ["?"], shown: "?", says: "help", act: () => openHelp() },
];
function chooseNumber(number) {
  const digit = meta.own ? (number + 9) % 10 : meta.digits.findIndex(({ label }) => label === number);
  if (digit >= 0 && digit < DRAWING) chooseDigit(digit);
}
function stepPanel(step) {
  const names = Object.keys(byTab), before = $(state.tab), next = names.indexOf(state.tab) + step + names.length;
  const inside = before.contains(document.activeElement);
  chooseTab(names[next % names.length]);
  if (inside) $(`tab-${state.tab}`).focus();                            // the focus must not stay on what is hidden
}

// What an element itself does with a key stays its own
const TYPING = "select,textarea,input:not([type=radio],[type=checkbox],[type=range],[type=file])";
const OWN_KEYS = [["input[type=range],input[type=radio]", [...Object.keys(ARROWS), "Home", "PageUp", "PageDown", " "]],
                  ["button,summary,input,a[href]", [" "]]];
const isOwn = (target, key) => target.matches(TYPING)
  || OWN_KEYS.some(([elements, keys]) => keys.includes(key) && target.matches(elements));
function pressed(event) {
  const { key, target, repeat } = event, typed = event.getModifierState("AltGraph");     // as "[" on many keyboards
  if (event.defaultPrevented || event.isComposing || !typed && (event.ctrlKey || event.altKey) || event.metaKey
      || document.querySelector("dialog[open]") || isOwn(target, key)) return;
  const name = key.length === 1 ? key.toLowerCase() : key;
  const line = KEYS.find(({ keys, when }) => keys?.includes(name) && (!when || when()));
  if (!line || !$("shortcuts").checked && key.length === 1 || repeat && !line.repeats) return;
  event.preventDefault();
  line.act(key);
}

function openHelp() {
  $("help").showModal();
}
function listenKeys() {
  for (const { shown, says } of KEYS) {
    const row = $("keys").insertRow();
    make("kbd", make("th", row, { scope: "row" }), { textContent: shown });
    row.insertCell().textContent = say(`keys.${says}`);
  }
  $("shortcuts").checked = true;
  $("help-open").addEventListener("click", openHelp);
  $("help-close").addEventListener("click", () => $("help").close());
  document.addEventListener("keydown", pressed);
}
