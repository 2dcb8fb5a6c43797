// phi(T x) and T phi(x), two computations, and their difference
panel("equal", {
  build() {
    $("equal").classList.add("five");
    addRow("equal", "φ(T x)", "conv4 of the moved {{noun}}", tilesOf(3, ofMoved));
    addRow("equal", "T φ(x)", "moved conv4 of the {{noun}} in the centre", tilesOf(3, movedOf),
           { offset: () => [0, spoiled() ? -1 : 0] });
    addRow("equal", "|difference|", "dark: equal", tilesOf(3, difference), { lut: () => DIFFERS });
  },
  draw(_, { conv4 }) {
    mark("equal-text", $("agree").textContent, !conv4.differ);
  },
});
