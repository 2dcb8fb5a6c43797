// The answers to a Dirac: the kernels of the convolutions up to each layer
const kernels = meta.layers.map((_, layer) => {
  const values = data[`impulse${layer + 1}`];
  return { values, reach: SEES[layer], largest: values.reduce((most, v) => Math.max(most, Math.abs(v)), 0) || 1 };
});
const signedStep = (v, largest) => 128 + Math.round(127 * v / largest);
panel("impulse", {
  build() {
    const signed = { lut: () => SIGNED, value: (q, { layer }) => (q - 128) / 127 * kernels[layer].largest };
    const first = meta.layers.map(({ name }, layer) => ({ layer, size: SIZE[layer], caption: name }));
    addRow("impulse", say("impulse.here"), say("impulse.here_words"), first,
           { ...signed, range: () => [say("impulse.below"), say("impulse.above")] });
    kernels.forEach(({ values, largest, reach }, layer) => {
      const through = layer ? say("word.through", { first: NAMES[0], last_one: NAMES[layer] }) : NAMES[0];
      addRow("impulse", through, say(layer ? "impulse.kernel" : "impulse.weight", { size: `${reach}×${reach}` }),
             tilesOf(layer, null, reach).map((tile, index) => ({ ...tile, values: Int16Array.from(
               channel(values, index, reach), (v) => signedStep(v, largest)) })),
             { ...signed, kernel: true, range: () => [written(-largest), written(largest)] });
    });
  },
  draw() {                                                       // the first row: the kernels at the place of the Dirac
    byTab.impulse[0].views.forEach(({ values, size }, layer) => {
      const { values: h, reach, largest } = kernels[layer];
      const top = meta.dirac + state.dy - reach + 1, left = meta.dirac + state.dx - reach + 1;
      values.fill(128);
      for (let i = Math.max(0, -top); i < reach && top + i < size; i++) {
        for (let j = Math.max(0, -left); j < reach && left + j < size; j++) {
          values[(top + i) * size + left + j] = signedStep(h[i * reach + j], largest);
        }
      }
    });
  },
});
