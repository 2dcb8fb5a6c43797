// ---- a window slides over the input, pixel by pixel of the map, in rows; the map is filled in behind it
// slider(into, tab, { size, at, go }): size() is [height, width] of the map, at() the pixel { y, x } that is shown or
// null, go(y, x) shows another one. The slider is off until a reader starts it, and after leave().
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
  const step = () => {                                                  // the first pixel follows the last one
    const [height, width] = size(), here = at(), count = height * width;
    if (state.tab !== tab || !count) return stop();
    const next = here && on ? here.y * width + here.x + 1 : 0;
    on = true;
    go(Math.floor(next % count / width), next % width);
    return next === count - 1 && stop();
  };
  const start = () => {
    timer = setInterval(step, 1000 / Number(speed.value));
    playing.textContent = say("show.pause");
    into.dataset.playing = "yes";
  };
  const playing = button(say("slide.window"), () => timer ? stop() : start());
  button(say("slide.step"), () => { stop(); step(); });
  const speed = make("select", make("label", into, { textContent: `${say("show.speed")} ` }));
  for (const value of SLIDES) make("option", speed, { value, textContent: value });
  speed.value = calm.matches ? 1 : 10;
  speed.addEventListener("change", () => { if (timer) { stop(); start(); } });
  return {
    leave() { stop(); on = false; },
    hides: (i) => on && i > at().y * size()[1] + at().x,                // pixel i of the map is not yet filled in
    isPlaying: () => timer !== 0,
    isOn: () => on,
  };
}
