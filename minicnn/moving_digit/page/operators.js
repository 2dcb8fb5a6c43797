// ---- operators on one grey image, for the kernel bench. An image is { values: Float64Array, height, width }, (y, x).
// An operator is { kind, kernel, side, flipped, stride, dilation, padding }. kind "kernel": a convolution if `flipped`,
// else a cross-correlation, with the side x side numbers of `kernel`. The other kinds are no convolutions.
// padding says what lies beyond the border: "zeros", "circular" or "none" (then the result is smaller).
const Operators = (() => {
  const image = (height, width, values = new Float64Array(height * width)) => ({ values, height, width });
  const wrap = (v, n) => ((v % n) + n) % n;
  const largestOf = (...images) => images.reduce((most, { values }) =>
    values.reduce((top, v) => Math.max(top, Math.abs(v)), most), 0);
  const turned = (kernel) => Float64Array.from(kernel).reverse();       // by 180 degrees
  const mean = (window) => window.reduce((sum, v) => sum + v, 0) / window.length;

  // What an operator makes of the pixels in its window, (y, x)
  const OF_WINDOW = {
    kernel: ({ kernel, flipped }) => {
      const weight = flipped ? turned(kernel) : kernel;
      return (window) => {
        let sum = 0;
        for (let i = 0; i < weight.length; i++) sum += weight[i] * window[i];
        return sum;
      };
    },
    median: () => (window) => Float64Array.from(window).sort()[window.length >> 1],
    maximum: () => (window) => Math.max(...window),
    contrast: () => (window) => {                                       // the centre, by the spread of its neighbours
      const middle = mean(window), spread = Math.sqrt(mean(window.map((v) => (v - middle) ** 2)));
      return (window[window.length >> 1] - middle) / (1 + spread);
    },
  };
  // Operators without a window: the number at (y, x) of the result
  const OF_PIXEL = {
    relu: ({ values, width }) => (y, x) => Math.max(0, values[y * width + x]),
    gain: ({ values, height, width }) => (y, x) =>                      // darker to the corners, as a lens is
      values[y * width + x] / (1 + ((y - (height - 1) / 2) / height) ** 2 + ((x - (width - 1) / 2) / width) ** 2),
    mirror: ({ values, width }) => (y, x) => values[y * width + width - 1 - x],
  };
  const hasWindow = ({ kind }) => kind in OF_WINDOW;

  const reach = ({ side, dilation }) => dilation * (side - 1) / 2;      // to each side of the centre
  function padded({ values, height, width }, by, padding) {
    if (padding === "none") return image(height, width, values);
    const out = image(height + 2 * by, width + 2 * by);
    for (let y = 0; y < out.height; y++) {
      for (let x = 0; x < out.width; x++) {
        const [i, j] = [y - by, x - by], inside = i >= 0 && j >= 0 && i < height && j < width;
        if (!inside && padding !== "circular") continue;
        out.values[y * out.width + x] = values[wrap(i, height) * width + wrap(j, width)];
      }
    }
    return out;
  }
  // The pixels in the window of the pixel (y, x) of the result, in a Float64Array (y, x)
  function windowAt(wide, { side, stride, dilation }, y, x, window) {
    for (let u = 0, k = 0; u < side; u++) {
      for (let v = 0, p = (y * stride + u * dilation) * wide.width + x * stride; v < side; v++, k++, p += dilation) {
        window[k] = wide.values[p];
      }
    }
    return window;
  }
  function sizeOf(operator, height, width) {                            // [height, width] of the result; below 1: none
    if (!hasWindow(operator)) return [height, width];
    const lost = operator.padding === "none" ? 2 * reach(operator) : 0;
    return [height, width].map((n) => Math.floor((n - lost - 1) / operator.stride) + 1);
  }
  function apply(operator, from) {
    const out = image(...sizeOf(operator, from.height, from.width).map((n) => Math.max(n, 0))), { height, width } = out;
    const wide = hasWindow(operator) && padded(from, reach(operator), operator.padding);
    const window = new Float64Array(operator.side ** 2);
    const number = hasWindow(operator) ? OF_WINDOW[operator.kind](operator) : OF_PIXEL[operator.kind](from);
    for (let y = 0, o = 0; y < out.height; y++) {
      for (let x = 0; x < out.width; x++, o++) {
        out.values[o] = hasWindow(operator) ? number(windowAt(wide, operator, y, x, window)) : number(y, x);
      }
    }
    return out;
  }
  // One pixel of the result, step by step: its window, the weights that meet it, and where the window lies
  function steps(operator, from, y, x) {
    const by = operator.padding === "none" ? 0 : reach(operator);
    const window = windowAt(padded(from, reach(operator), operator.padding), operator, y, x,
                            new Float64Array(operator.side ** 2));
    const weights = operator.flipped ? turned(operator.kernel) : Float64Array.from(operator.kernel);
    return { window, weights, products: weights.map((w, k) => w * window[k]),
             top: y * operator.stride - by, left: x * operator.stride - by };
  }
  // |H| of a kernel at the frequencies -pi to pi, (down, across): the sum of kernel times exp(-i w n)
  function magnitude({ kernel, side, dilation }, count) {
    const out = image(count, count), frequency = (k) => 2 * Math.PI * (k - count / 2) / count;
    for (let y = 0, o = 0; y < count; y++) {
      for (let x = 0; x < count; x++, o++) {
        let real = 0, imaginary = 0;
        kernel.forEach((weight, k) => {
          const angle = dilation * (frequency(y) * Math.floor(k / side) + frequency(x) * (k % side));
          real += weight * Math.cos(angle);
          imaginary -= weight * Math.sin(angle);
        });
        out.values[o] = Math.hypot(real, imaginary);
      }
    }
    return out;
  }
  return { image, wrap, largestOf, apply, steps, magnitude, hasWindow, sizeOf, reach };
})();
