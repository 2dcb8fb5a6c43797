// phi(T x) and T phi(x), two computations, and their difference
panel("equal", {
  build() {
    $("equal").classList.toggle("five", CHANNELS <= 5);
    addRow("equal", "φ(T x)", say("equal.of_moved"), tilesOf(LAST, ofMoved));
    addRow("equal", "T φ(x)", say("equal.moved_of"), tilesOf(LAST, movedOf),
           { offset: () => [0, spoiled() ? -1 : 0] });
    addRow("equal", say("word.difference"), say("word.dark"), tilesOf(LAST, difference), { lut: () => DIFFERS });
  },
  draw(_, { deepest }) {
    mark("equal-text", $("agree").textContent, !deepest.differ);
  },
});
