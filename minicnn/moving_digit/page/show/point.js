// ---- the pixels of the maps by keyboard: the tab key reaches the maps of a panel once, the arrow keys then go from
// pixel to pixel, and from map to map
function pointAt(view, y, x) {
  for (const one of byTab[state.tab].flatMap(({ views }) => views)) one.canvas.tabIndex = one === view ? 0 : -1;
  if (document.activeElement !== view.canvas) view.canvas.focus();
  change({ probe: { view, y, x } });
  clearTimeout(speaking);
  speaking = setTimeout(() => put("live", $("legend-text").textContent), 400);
}
function nextMap(view, down, across) {                                  // the map below or beside, or none
  const rows = byTab[state.tab], row = rows.indexOf(view.row), column = view.row.views.indexOf(view);
  const { views } = rows[row + down] ?? { views: [] };
  return down ? views[Math.min(column, views.length - 1)] : view.row.views[column + across];
}
function pointByKey(event, view) {
  const step = ARROWS[event.key];
  if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const at = state.probe?.view === view ? state.probe : middleOf(view), [y, x] = [at.y + step[0], at.x + step[1]];
  if (Math.min(y, x) >= 0 && Math.max(y, x) < view.size) { pointAt(view, y, x); return; }
  const next = nextMap(view, ...step);
  if (!next) return;
  const entered = (v, by) => by ? (by > 0 ? 0 : next.size - 1) : Math.min(v, next.size - 1);
  pointAt(next, entered(y, step[0]), entered(x, step[1]));
}
const middleOf = ({ size }) => ({ y: size >> 1, x: size >> 1 });
function listenMaps() {
  for (const rows of Object.values(byTab)) {
    rows.flatMap(({ views }) => views).forEach((view, k) => {
      const { canvas } = view;
      canvas.tabIndex = k ? -1 : 0;
      canvas.addEventListener("keydown", (event) => pointByKey(event, view));
      canvas.addEventListener("blur", () => state.probe?.view === view && change({ probe: null }));
      canvas.addEventListener("mousedown", (event) => event.preventDefault());   // it keeps the arrow keys
      canvas.addEventListener("focus", () => {                          // a pointer has its own pixel
        const { y, x } = middleOf(view);
        if (canvas.matches(":focus-visible") && state.probe?.view !== view) pointAt(view, y, x);
      });
    });
  }
}
