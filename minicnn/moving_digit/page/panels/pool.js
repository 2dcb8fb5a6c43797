// The pooled maps of the moved picture and the moved pooled maps; and all 121 places at once
const board = $("board"), boardScreen = screen(board), boardValues = new Int16Array(SIDE * SIDE);
const BUDGET = 6;                                                       // ms of a frame for places that are compared
let boardKey = null, means = [];
const pending = () => boardKey !== now.key() || means.length < SIDE * SIDE;
function compareAll() {                                                // as many places as the time of one frame allows
  if (boardKey !== now.key()) [boardKey, means] = [now.key(), []];
  const start = performance.now();
  while (pending() && performance.now() - start < BUDGET) {
    means.push(comparePool(Math.floor(means.length / SIDE), means.length % SIDE).mean);
  }
  comparePool(...now.place());                                          // the maps of this place again
  if (pending()) change({ probe: state.probe });
}
function drawBoard() {
  if (pending()) compareAll();
  const largest = Math.max(...means) || 1, whole = !pending();
  const equal = means.filter((mean) => mean === 0).length, worst = number(largest / 255 * now.scale(LAST));
  if (whole) {
    put("board-text", say("pool.found", { equal, worst }));
    board.setAttribute("aria-label", say("pool.board_equal", { equal, count: SIDE * SIDE }));
  }
  boardValues.fill(0);
  means.forEach((mean, k) => { boardValues[k] = mean ? Math.max(1, Math.round(255 * mean / largest)) : 0; });
  paint(boardScreen, boardValues, ORANGE);
  boardScreen.pixels[state.dy * SIDE + state.dx] = rgb(86, 180, 233);
  boardScreen.context.putImageData(boardScreen.image, 0, 0);
}
panel("pool", {
  pending: () => pending() && !(isDrawn() && !found.sheet),
  build() {
    const half = () => [shiftY() - 2 * pooled.y, shiftX() - 2 * pooled.x];
    put("board-places", say("pool.places", { count: SIDE * SIDE }));
    $("pool").classList.toggle("five", CHANNELS <= 5);
    addRow("pool", "P φ(T x)", say("pool.of_moved"), tilesOf(LAST + 1, poolOfMoved));
    addRow("pool", "T′ P φ(x)", "", tilesOf(LAST + 1, movedPool), { offset: half }).words.id = "half";
    addRow("pool", say("word.difference"), say("word.dark"), tilesOf(LAST + 1, poolDifference), { lut: () => DIFFERS });
    board.addEventListener("click", (event) => {
      const box = board.getBoundingClientRect();
      move(Math.floor((event.clientY - box.top) / box.height * SIDE),
           Math.floor((event.clientX - box.left) / box.width * SIDE));
    });
  },
  draw(_, { pooled: { y, x, differ } }) {
    mark("pool-text", $("forgets").textContent, !differ);
    if (!isDrawn() || found.sheet) drawBoard();
    const moved = ways(x, y).replaceAll(" px ", "\u00a0px\u00a0") || say("pool.nothing");
    put("half", say(isOdd() ? "pool.best" : "pool.half", { way: moved }));
  },
});
