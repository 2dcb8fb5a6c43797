// ---- for lectures: the whole screen, large type, one panel. lecture.css has the layout; the class stands at the body
const inLecture = () => document.body.classList.contains("lecture");
function setLecture(on) {
  document.body.classList.toggle("lecture", on);
  document.querySelector(".right").tabIndex = on ? 0 : -1;              // it may scroll: the focus must reach it
  put("lecture", say(on ? "lecture.leave" : "lecture.enter"));
  for (const id of ["panel-before", "panel-title", "panel-next"]) $(id).hidden = !on;
  for (const { label, caption, short } of Object.values(byTab).flat().flatMap(({ views }) => views)) {
    label.textContent = on ? short : caption;
  }
  fitted = "";
  change({ probe: state.probe });
}
async function enterLecture() {
  setLecture(true);
  $("stage").focus({ preventScroll: true });                            // so that the keys of the canvas count
  try {                                                                 // where it is not allowed: only the layout
    await document.documentElement.requestFullscreen?.();
  } catch { /* as in the frame of a notebook */ }
}
function leaveLecture() {
  setLecture(false);
  if (document.fullscreenElement) document.exitFullscreen();
}
const toggleLecture = () => inLecture() ? leaveLecture() : enterLecture();
function drawLecture() {
  if (!inLecture()) return;
  const names = Object.keys(byTab), key = `${state.tab} ${innerWidth} ${innerHeight}`;
  put("panel-title", `${$(`tab-${state.tab}`).textContent} (${names.indexOf(state.tab) + 1}/${names.length})`);
  if (key !== fitted && byTab[state.tab].length) fitMaps(byTab[state.tab]);
  fitted = key;
}
let fitted = "";
const LEAST = 56, BETWEEN = 8;                                          // pixels: of a map, between two maps
function fitMaps(lines) {                                               // as large as fit, their names beside or above
  const rows = $(state.tab).querySelector(".rows"), { clientWidth, clientHeight } = $(state.tab).parentElement;
  const type = parseFloat(getComputedStyle(rows).fontSize), label = (state.tab === "impulse" ? 7.6 : 6.4) * type;
  const columns = Math.max(...lines.map(({ views }) => views.length));
  rows.hidden = true;                                                   // the height of the words around the maps
  const words = $(state.tab).offsetHeight;
  rows.hidden = false;
  const tall = (clientHeight - 10 - words) / lines.length - 1.15 * type - BETWEEN, wide = clientWidth - 10;
  const beside = Math.min(tall, (wide - label) / columns - BETWEEN);
  const above = Math.min(tall - 1.15 * type, (wide + BETWEEN) / columns - BETWEEN);
  rows.classList.toggle("above", above > beside);
  rows.style.setProperty("--label", `${label}px`);
  rows.style.setProperty("--map", `${Math.floor(Math.max(LEAST, above, beside))}px`);
}
function turnPage(step) {                                               // scroll as long as the panel goes on
  const box = $(state.tab).parentElement, rest = box.scrollHeight - box.clientHeight - box.scrollTop;
  if (step > 0 ? rest > 4 : box.scrollTop > 4) { box.scrollBy(0, 0.85 * step * box.clientHeight); return; }
  stepPanel(step);
  box.scrollTop = 0;
}
function listenLecture() {
  $("lecture").addEventListener("click", toggleLecture);
  $("panel-before").addEventListener("click", () => stepPanel(-1));
  $("panel-next").addEventListener("click", () => stepPanel(1));
  $("scores").classList.toggle("named", NAMED);
  document.addEventListener("fullscreenchange", () => { if (!document.fullscreenElement) setLecture(false); });
  addEventListener("resize", () => inLecture() && change({ probe: state.probe }));
  setLecture(false);
}
