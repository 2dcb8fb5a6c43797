// The feature maps of all layers: of the moved picture, or the moved maps of the picture in the centre
const against = () => movesMap() ? [-shiftY(), -shiftX()] : [0, 0];     // the shift of the digit, if the map is moved
panel("maps", {
  build() {
    meta.layers.forEach(({ name, sees, channels, of }, layer) => {
      const which = channels.length < of ? `${channels.length}\u00a0of\u00a0${of}\u00a0channels`
        : `all\u00a0${of}\u00a0channels`;
      addRow("maps", name, `${SIZE[layer]}×${SIZE[layer]}, sees\u00a0${sees}×${sees}; ${which}`, tilesOf(layer),
             { offset: against });
    });
    addRow("maps", "max-pool", `${POOL}×${POOL}, sees\u00a0${meta.pool_sees}×${meta.pool_sees}; of\u00a0{{last}}`,
           tilesOf(LAST + 1), { offset: against });
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
    put("mode-text", state.mode === "input" ? "The {{noun}} is moved; these are the maps of the moved picture."
      : "The {{noun}} stays in the centre; its maps are moved to where the frame is. Hatched: not known.");
  },
});
