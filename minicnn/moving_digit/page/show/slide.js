// ---- a window slides over the input, pixel by pixel of the map, in rows; the map is filled in behind it
// slider(into, tab, { size, at, go }): size() is [height, width] of the map, at() the pixel { y, x } that is shown or
// null, go(y, x) shows another one. The slider is off until a reader starts it, and after leave(). For readers who want
// no motion, only the buttons of single steps are there.
const SLIDES = [1, 2, 5, 10, 30];                                       // steps a second
const calm = matchMedia("(prefers-reduced-motion: reduce)");
function slider(into, tab, { size, at, go }) {
  let timer = 0, on = false;
  const button = (textContent, act) => {
    const one = make("button", into, { type: "button", textContent });
    one.addEventListener("click", act);
    return one;
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    playing.textContent = say("slide.window");
    into.dataset.playing = "no";
  };
  const step = (by) => {                                                // the first pixel follows the last one
    const [height, width] = size(), here = at(), count = height * width;
    if (state.tab !== tab || !count) return stop();
    const next = here && on ? Math.max(0, here.y * width + here.x + by) % count : 0;
    on = true;
    go(Math.floor(next / width), next % width);
    return next === count - 1 && stop();
  };
  const start = () => {
    timer = setInterval(step, 1000 / Number(speed.value), 1);
    playing.textContent = say("show.pause");
    into.dataset.playing = "yes";
  };
  const playing = button(say("slide.window"), () => timer ? stop() : start());
  button(say("slide.back"), () => { stop(); step(-1); });
  button(say("slide.step"), () => { stop(); step(1); });
  const pace = make("label", into, { textContent: `${say("show.speed")} ` }), speed = make("select", pace);
  for (const value of SLIDES) make("option", speed, { value, textContent: value });
  speed.value = 10;
  speed.addEventListener("change", () => { if (timer) { stop(); start(); } });
  const still = () => {
    if (calm.matches) stop();
    playing.hidden = pace.hidden = calm.matches;
  };
  calm.addEventListener("change", still);
  still();
  return {
    leave() { stop(); on = false; },
    hides: (i) => on && i > at().y * size()[1] + at().x,                // pixel i of the map is not yet filled in
    isPlaying: () => timer !== 0,
    isOn: () => on,
  };
}
