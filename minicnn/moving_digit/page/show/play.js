// ---- play: the digit or the drawing goes along a path, whatever panel is shown
const SPEEDS = [2, 5, 10, 20];                                   // steps a second; each step lasts whole hundredths
const player = { asked: 0, step: 0, due: 0 };
const isPlaying = () => player.asked !== 0;
const placesOf = () => meta.paths[state.path];                          // (y, x), from 0 to ROOM
// The maps of what is on the canvas are drawn, as far as they come from the Worker
const isSettled = () => !asked && (found.key === wanted() || !needsFloats());

function nearest(places) {                                     // the step of the path that is next to the digit
  const far = places.map(([y, x]) => Math.hypot(y - state.dy, x - state.dx));
  return far[player.step] === 0 ? player.step : far.indexOf(Math.min(...far));
}
// `probe` is named, so that a screen reader hears nothing before the end
const goTo = ([dy, dx]) => change({ dy, dx, probe: state.probe });
function tick(time) {
  player.asked = requestAnimationFrame(tick);
  if (time < player.due || !isSettled()) return;
  player.due = Math.max(player.due + 1000 / state.speed, time);
  const places = placesOf();
  player.step = (player.step + 1) % places.length;
  goTo(places[player.step]);
}
function play() {
  if (isPlaying() || saver.busy) return;
  player.step = nearest(placesOf());
  player.due = performance.now();
  put("play", say("show.pause"));
  player.asked = requestAnimationFrame(tick);
}
function pause() {
  if (!isPlaying()) return;
  cancelAnimationFrame(player.asked);
  player.asked = 0;
  put("play", say("show.play"));
  change({});                                                           // a screen reader hears where it is
}
const toggle = () => isPlaying() ? pause() : play();

function choosePath(path) {
  $("path").value = path;
  player.step = 0;
  change({ path, probe: state.probe });
  if (isPlaying()) player.step = nearest(placesOf());
}
function chooseSpeed(speed) {
  $("speed").value = speed;
  change({ speed, probe: state.probe });
}
function listenPlayer() {
  $("play").addEventListener("click", toggle);
  $("path").addEventListener("change", () => choosePath($("path").value));
  $("speed").addEventListener("change", () => chooseSpeed(Number($("speed").value)));
  $("stage").addEventListener("pointerdown", pause);
  $("stage").addEventListener("keydown", (event) => {                   // with a pen the space bar puts it down
    if (event.key !== " " || state.tool !== "move" || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    if (!event.repeat) toggle();
  });
  choosePath("circle");
  chooseSpeed(matchMedia("(prefers-reduced-motion: reduce)").matches ? SPEEDS[0] : 10);
}
