// The feature maps of all layers: of the moved picture, or the moved maps of the picture in the centre
const against = () => movesMap() ? [-shiftY(), -shiftX()] : [0, 0];     // the shift of the digit, if the map is moved
panel("maps", {
  build() {
    meta.layers.forEach(({ name, sees, channels, of }, layer) => {
      const words = say("maps.row", { size: `${SIZE[layer]}×${SIZE[layer]}`, sees: `${sees}×${sees}`,
                                      shown: channels.length, count: of });
      addRow("maps", name, words, tilesOf(layer), { offset: against });
    });
    const words = say("maps.pool_row", { size: `${POOL}×${POOL}`, sees: `${meta.pool_sees}×${meta.pool_sees}` });
    addRow("maps", say("maps.pool"), words, tilesOf(LAST + 1), { offset: against });
  },
  draw() {
    byTab.maps.forEach((row, layer) => row.views.forEach(({ values, size }, index) => {
      if (layer < LAST) {
        (movesMap() ? now.fillMoved : now.fill)(layer, index, values);
      } else if (layer === LAST) {
        values.set(channel(movesMap() ? movedOf : ofMoved, index, size));
      } else if (movesMap()) {
        poolOf(channel(movedOf, index, SIZE[LAST]), values);
      } else {
        values.set(channel(poolOfMoved, index, size));
      }
    }));
    put("mode-text", say(state.mode === "input" ? "maps.moved_input" : "maps.moved_map"));
  },
});
