// What the Worker answers. A question is { slot, picture, height, width }: pixels from 0 to 255, (y, x, colour). The
// answer is { maps, shapes, logits, seconds }: one Float32Array for each layer before the first linear one, and the
// class scores of the window in the middle that the linear layers take. A slot remembers its last picture, so that
// after a stroke only the pixels that see it are computed.
function answerer({ layers, weights, depth, mean, std, window: side }) {
  const linear = layers.findIndex(({ kind }) => kind === "linear");
  const features = linear < 0 ? layers : layers.slice(0, linear);
  const pool = features.findIndex(({ kind }) => kind !== "conv2d"), convolutions = pool < 0 ? features.length : pool;
  const slots = {}, heads = {};

  function normalised(picture, height, width) {                         // (y, x, colour) to (colour, y, x)
    const area = height * width, out = new Float32Array(depth * area);
    for (let c = 0; c < depth; c++) {
      for (let i = 0; i < area; i++) out[c * area + i] = (picture[i * depth + c] / 255 - mean[c]) / std[c];
    }
    return out;
  }
  function scores(map, [channels, height, width]) {                     // of the window in the middle
    if (linear < 0) return null;
    const sees = layers.slice(0, convolutions).reduce((n, { kernel }) => n + kernel[0] - 1, 0), size = side - sees;
    const top = Math.floor((height - size) / 2), left = Math.floor((width - size) / 2);
    const cut = new Float64Array(channels * size * size);
    for (let c = 0, o = 0; c < channels; c++) {
      for (let y = 0; y < size; y++, o += size) {
        const at = (c * height + top + y) * width + left;
        cut.set(map.subarray(at, at + size), o);
      }
    }
    heads[size] ??= Engine.network(layers.slice(convolutions), weights, [channels, size, size]);
    return Float32Array.from(heads[size].run(cut).at(-1));
  }
  return ({ slot, picture, height, width }) => {
    const start = performance.now(), key = `${slot} ${height} ${width}`;
    slots[key] ??= Engine.network(features, weights, [depth, height, width]);
    const { run, shapes } = slots[key], maps = run(normalised(picture, height, width));
    const logits = scores(maps[convolutions - 1], shapes[convolutions - 1]);
    return { maps: maps.map((map) => Float32Array.from(map)), shapes, logits,
             seconds: (performance.now() - start) / 1000 };
  };
}
