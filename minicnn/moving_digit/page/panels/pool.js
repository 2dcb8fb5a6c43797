// The pooled maps of the moved picture and the moved pooled maps; and all 121 places at once
const board = $("board"), boardScreen = screen(board), boardValues = new Int16Array(SIDE * SIDE);
let boardKey = null, means = null, largest = 1;
function drawBoard() {
  if (boardKey !== now.key()) {
    means = Array.from({ length: SIDE * SIDE }, (_, k) => comparePool(Math.floor(k / SIDE), k % SIDE).mean);
    largest = Math.max(...means) || 1;
    boardKey = now.key();
    const equal = means.filter((mean) => mean === 0).length, worst = number(largest / 255 * now.scale(3));
    put("board-text", `Equal at ${equal} places; at the brightest they differ by ${worst} on average. Blue: here. `
        + "Click a place to go there.");
    board.setAttribute("aria-label", `Where the pooled map differs: equal at ${equal} of ${SIDE * SIDE} places`);
    comparePool(...now.place());                                        // the maps of this place again
  }
  means.forEach((mean, k) => { boardValues[k] = mean ? Math.max(1, Math.round(255 * mean / largest)) : 0; });
  paint(boardScreen, boardValues, ORANGE);
  boardScreen.pixels[state.dy * SIDE + state.dx] = rgb(86, 180, 233);
  boardScreen.context.putImageData(boardScreen.image, 0, 0);
}
panel("pool", {
  build() {
    const half = () => [shiftY() - 2 * pooled.y, shiftX() - 2 * pooled.x];
    $("pool").classList.add("five");
    addRow("pool", "P φ(T x)", "pool of the moved {{noun}}'s conv4", tilesOf(4, poolOfMoved));
    addRow("pool", "T′ P φ(x)", "", tilesOf(4, movedPool), { offset: half }).words.id = "half";
    addRow("pool", "|difference|", "dark: equal", tilesOf(4, poolDifference), { lut: () => DIFFERS });
    board.addEventListener("click", (event) => {
      const box = board.getBoundingClientRect();
      move(Math.floor((event.clientY - box.top) / box.height * SIDE),
           Math.floor((event.clientX - box.left) / box.width * SIDE));
    });
  },
  draw(_, { pooled: { y, x, differ } }) {
    mark("pool-text", $("forgets").textContent, !differ);
    if (!isDrawn() || found.sheet) drawBoard();
    const moved = [way(x, "right", "left"), way(y, "down", "up")].filter(Boolean).join(", ")
      .replaceAll(" px ", "\u00a0px\u00a0") || "by nothing";
    put("half", `pool in the centre, moved ${moved}${isOdd() ? ": fits best" : ""}`);
  },
});
