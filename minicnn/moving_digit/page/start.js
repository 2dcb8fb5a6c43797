// ---- what the page says of itself; the first frame
function tellAbout() {
  const numbers = meta.digits.map(({ label, index }) => meta.own ? `${meta.classes[label]} (image ${index})`
    : `${label} (@${index})`).join(", ");
  const from = meta.own ? `The pictures are validation images of ${meta.own}: ${numbers}. Around them the canvas is `
    + "black."
    : `The digits are validation images of its 5,000 embedded MNIST digits: ${numbers}. They are from the training set `
    + "of MNIST, so the network may have seen them.";
  const white = DEPTH === 3 ? ["The impulse is a white pixel: red, green and blue are 1 and all others 0. So the "
    + "kernels are sums over the three colours."] : [];
  const depth = meta.layers[LAST].of, inside = Math.floor((DIGIT - SEES[LAST] + 1) / 2), before = NAMES.slice(0, LAST);
  const others = LAST > 1 ? `${before.slice(0, -1).join(", ")} and ${before.at(-1)} are` : `${before} is`;
  for (const text of [
    `The network is ${meta.name} with ${meta.source}: ${integer(meta.parameters)} parameters. ${from}`,
    "Your drawing is computed by this page itself, with the weights in the file: convolutions, ReLUs, pool and linear "
    + "layer in JavaScript, with sums in double precision. It is shown in 255 steps too, but compared as it was "
    + "computed: twice, once where it lies and once in the centre. What T moves out of the canvas is cut off.",
    "Every place of the {{noun}}s was computed by minicnn in float32 with its direct convolution. For each of the 121 "
    + "places, all layers and all channels, the map of the moved image was compared with the moved map, and the same "
    + `for the impulse: ${integer(meta.compared)} numbers, all exactly equal.`,
    LAST ? `So ${others} stored once, for a scene of ${SHEET}×${SHEET} pixels, and the page cuts out the part that `
    + "belongs to the place. The maps of {{last}}, the pooled maps and the class scores are stored for each place."
    : "The maps of {{last}}, the pooled maps and the class scores are stored for each place.",
    "Maps are stored in 255 steps from 0 to the largest value of the layer for this {{noun}}, which stands at its bar "
    + "of colours. The differences shown are those of the stored steps; less than half a step they could not show. The "
    + "comparison above was made before, on all the {{noun}}s' floats.",
    "Of each layer at most 6 channels are shown, those with most energy: the squares of what differs from the empty "
    + "background, summed over the {{noun}}s here. Their maps have one scale.",
    `The class scores need 28×28 pixels, for the linear layer takes ${depth * inside ** 2} numbers, ${depth} maps `
    + `of ${inside}×${inside} after the pool. So they `
    + "are those of the dashed frame in the middle of the canvas: what was moved out of it is cut off. Its pool starts "
    + `at the frame's corner, so its ${inside}×${inside} pixels are not among the ${POOL}×${POOL} of the pooled map `
    + "here. The score is what the linear layer gives, the probability its softmax. The moved map T φ(x) is known in "
    + "all of that frame and equals φ(T x) there, so it gives the same scores.", ...white,
  ]) make("li", $("about"), { textContent: text });
}

window.minicnn = { ready: false, frames: 0, lastFrameMs: 0, state, meta, data, byTab, panels, found, isCurrent, live,
                   drawing, drawLine, canvasOf, centreDrawing, checkLive, clear, undo, chooseTool, openPicture,
                   play, pause, isPlaying, choosePath, chooseSpeed, writeAddress, change };
readTheme();
for (const { build } of Object.values(panels)) build();
Object.assign(window.minicnn, { chooseDigit, chooseTab: listenTabs(), move });
listenStage();
listenPlayer();
listenTools();
listenFiles();
listenOptions();
tellAbout();
listenTheme();
cancelAnimationFrame(asked);
await listenLink();
draw();
window.minicnn.ready = true;
window.minicnn.checked = checkLive();
