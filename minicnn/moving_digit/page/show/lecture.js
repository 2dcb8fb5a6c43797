// ---- for lectures: the whole screen, large type, one panel. lecture.css has the layout; the class stands at the body
const inLecture = () => document.body.classList.contains("lecture");
function setLecture(on) {
  document.body.classList.toggle("lecture", on);
  put("lecture", say(on ? "lecture.leave" : "lecture.enter"));
  for (const id of ["panel-before", "panel-title", "panel-next"]) $(id).hidden = !on;
  for (const { label, caption, short } of Object.values(byTab).flat().flatMap(({ views }) => views)) {
    label.textContent = on ? short : caption;
  }
  drawLecture();
}
async function enterLecture() {
  setLecture(true);
  try {                                                                 // where it is not allowed: only the layout
    await document.documentElement.requestFullscreen?.();
  } catch { /* as in the frame of a notebook */ }
}
function leaveLecture() {
  setLecture(false);
  if (document.fullscreenElement) document.exitFullscreen();
}
const toggleLecture = () => inLecture() ? leaveLecture() : enterLecture();
function drawLecture() {                                              // the panel's name; its maps are as large as fit
  if (!inLecture()) return;
  const rows = byTab[state.tab], names = Object.keys(byTab);
  put("panel-title", `${$(`tab-${state.tab}`).textContent} (${names.indexOf(state.tab) + 1}/${names.length})`);
  $(state.tab).style.setProperty("--rows", rows.length);
  $(state.tab).style.setProperty("--columns", Math.max(1, ...rows.map(({ views }) => views.length)));
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
  document.addEventListener("fullscreenchange", () => { if (!document.fullscreenElement) setLecture(false); });
  setLecture(false);
}
