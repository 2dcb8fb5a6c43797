// phi(T x) and T phi(x), two computations, and their difference
panel("equal", {
  build() {
    $("equal").classList.toggle("five", CHANNELS <= 5);
    addRow("equal", "φ(T x)", "{{last}} of the moved {{noun}}", tilesOf(LAST, ofMoved));
    addRow("equal", "T φ(x)", "moved {{last}} of the {{noun}} in the centre", tilesOf(LAST, movedOf),
           { offset: () => [0, spoiled() ? -1 : 0] });
    addRow("equal", "|difference|", "dark: equal", tilesOf(LAST, difference), { lut: () => DIFFERS });
  },
  draw(_, { deepest }) {
    mark("equal-text", $("agree").textContent, !deepest.differ);
  },
});
