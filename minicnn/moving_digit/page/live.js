// ---- the network in the page: questions go to a Worker, which answers them one after the other
const live = (() => {
  const setup = { layers: meta.network, weights: data.weights, depth: DEPTH, window: DIGIT, ...meta.rules };
  const waiting = [];                                            // the promises of the open questions, the oldest first
  let answer = null, worker = null;
  const settle = ({ data: { error, ...found } }) => {
    const { done, failed } = waiting.shift();
    if (error) failed(new Error(error)); else done(found);
  };
  function begin() {
    // The Worker's text stands in this page: no other file is loaded.
    const text = `${$("engine").textContent}
      let answer;
      onmessage = ({ data }) => {
        if (data.layers) { answer = answerer(data); return; }
        try {
          const found = answer(data);
          postMessage(found, found.maps.map((map) => map.buffer));
        } catch (error) { postMessage({ error: error.message }); }
      };`;
    worker = new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
    worker.onmessage = settle;
    worker.onerror = (event) => { event.preventDefault(); beside(); };
    worker.postMessage(setup);
  }
  function beside() {                                                   // no Worker: the page itself computes
    worker?.terminate();
    worker = null;
    answer = answerer(setup);
    const open = waiting.splice(0);
    put("no-worker", say("live.no_worker"));
    $("no-worker").hidden = false;
    for (const { question, done } of open) done(answer(question));
  }
  // The maps of a picture, see answers.js. picture: Uint8Array (height, width, DEPTH)
  function ask(slot, picture, height = CANVAS, width = height) {
    const question = { slot, picture, height, width };
    if (answer) return new Promise((done) => { setTimeout(() => done(answer(question))); });
    return new Promise((done, failed) => {
      waiting.push({ question, done, failed });
      worker.postMessage(question);
    });
  }
  try { begin(); } catch { beside(); }
  return { ask, hasWorker: () => worker !== null };
})();

// Is the network in the page that of minicnn? All numbers of the first digit are compared with those in the file.
async function checkLive() {
  const { maps, logits } = await live.ask("check", canvasOf(0, CENTRE, CENTRE));
  let at = 0, worst = 0;
  for (const numbers of [...maps, logits]) {
    const expected = data.reference.subarray(at, at += numbers.length);
    const largest = expected.reduce((most, v) => Math.max(most, Math.abs(v)), 0) || 1;
    for (let i = 0; i < numbers.length; i++) worst = Math.max(worst, Math.abs(numbers[i] - expected[i]) / largest);
  }
  const fine = worst <= 1e-5 && at === data.reference.length;
  put("check", fine ? say("live.checked", { count: integer(at), error: worst.toExponential(0) })
    : say("live.differs", { error: number(worst) }));
  return { worst, compared: at, fine };
}
