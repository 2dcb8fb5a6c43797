// The network in plain JavaScript: convolution, ReLU, pools and linear layers on typed arrays, with sums in double
// precision. The same text runs in the page and in the Worker (live.js); so it knows no document.
//
// A map is a Float64Array in the order (channel, y, x). A layer is { kind, name, relu, ... } as network.py writes it:
//   conv2d      in, out, kernel, stride, padding, dilation [y, x each]; weight and bias begin there in the weights
//   max_pool2d, avg_pool2d    kernel, stride [y, x each]
//   linear      in, out, weight, bias
// network() keeps all maps. A new input is compared with the one before: only pixels that see a change are computed.
// Every pixel is the same sum in the same order, wherever it lies: a moved input gives moved maps, to the last bit.
const Engine = (() => {
  const LANES = 4;                                                      // output channels in registers
  const SLACK = 8;                                                      // pixels that a block reads and does not use

  function outputShape({ kind, out, kernel, stride, padding = [0, 0], dilation = [1, 1] }, [channels, ...size]) {
    if (kind === "linear") return [out, 1, 1];
    return [kind === "conv2d" ? out : channels, ...size.map((n, axis) =>
      Math.floor((n + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis]) + 1)];
  }

  // weight (out, in, ky, kx) as (out / 4, in, ky, kx, 4): what a block of channels needs lies in one row
  function pack({ in: channels, out, kernel, weight, bias }, weights) {
    const taps = channels * kernel[0] * kernel[1], blocks = Math.ceil(out / LANES);
    const packed = new Float64Array(blocks * taps * LANES), start = new Float64Array(blocks * LANES);
    for (let c = 0; c < out; c++) {
      for (let tap = 0; tap < taps; tap++) {
        packed[(Math.floor(c / LANES) * taps + tap) * LANES + c % LANES] = weights[weight + c * taps + tap];
      }
      if (bias !== null) start[c] = weights[bias + c];
    }
    return { packed, start };
  }

  // Two neighbouring pixels of four channels at a time: eight sums stay in registers
  function convolve(step, x, box) {
    const { packed, start, output, shape: [out, h, w], padded: [channels, height, width], layer } = step;
    const { kernel: [kh, kw], stride: [sy, sx], dilation: [dy, dx], relu } = layer, area = h * w;
    const jump = height * width - kh * dy * width, down = dy * width - kw * dx;
    for (let block = 0; block < out; block += LANES) {
      const many = Math.min(LANES, out - block);
      for (let i = box[0]; i < box[1]; i++) {
        for (let j = box[2]; j < box[3]; j += 2) {
          let a0 = start[block], a1 = start[block + 1], a2 = start[block + 2], a3 = start[block + 3];
          let b0 = a0, b1 = a1, b2 = a2, b3 = a3, q = block * channels * kh * kw, p = i * sy * width + j * sx;
          for (let c = 0; c < channels; c++, p += jump) {
            for (let u = 0; u < kh; u++, p += down) {
              for (let v = 0; v < kw; v++, p += dx, q += LANES) {
                const s = x[p], t = x[p + sx], w0 = packed[q], w1 = packed[q + 1], w2 = packed[q + 2],
                  w3 = packed[q + 3];
                a0 += w0 * s; a1 += w1 * s; a2 += w2 * s; a3 += w3 * s;
                b0 += w0 * t; b1 += w1 * t; b2 += w2 * t; b3 += w3 * t;
              }
            }
          }
          const sums = [a0, a1, a2, a3], beside = [b0, b1, b2, b3];
          for (let lane = 0, o = block * area + i * w + j; lane < many; lane++, o += area) {
            output[o] = relu && !(sums[lane] > 0) ? 0 : sums[lane];
            if (j + 1 < box[3]) output[o + 1] = relu && !(beside[lane] > 0) ? 0 : beside[lane];
          }
        }
      }
    }
  }

  function pool({ layer, output, shape: [channels, h, w], padded: [, height, width] }, x, box) {
    const { kind, kernel: [kh, kw], stride: [sy, sx], relu } = layer, largest = kind === "max_pool2d";
    for (let c = 0; c < channels; c++) {
      for (let i = box[0]; i < box[1]; i++) {
        for (let j = box[2]; j < box[3]; j++) {
          let value = largest ? -Infinity : 0;
          for (let u = 0; u < kh; u++) {
            for (let v = 0, p = (c * height + i * sy + u) * width + j * sx; v < kw; v++, p++) {
              value = largest ? Math.max(value, x[p]) : value + x[p] / (kh * kw);
            }
          }
          output[(c * h + i) * w + j] = relu && !(value > 0) ? 0 : value;
        }
      }
    }
  }

  function linear({ layer, output, weights }, x) {
    const { in: count, out, weight, bias, relu } = layer;
    for (let k = 0; k < out; k++) {
      let sum = bias === null ? 0 : weights[bias + k];
      for (let i = 0, q = weight + k * count; i < count; i++) sum += weights[q + i] * x[i];
      output[k] = relu && !(sum > 0) ? 0 : sum;
    }
  }

  // The pixels of a layer's output that see a pixel of the box [top, bottom, left, right] of its input
  function spread({ kernel, stride, padding = [0, 0], dilation = [1, 1] }, box, size) {
    return [0, 1].flatMap((axis) => [
      Math.max(0, Math.ceil((box[2 * axis] + padding[axis] - dilation[axis] * (kernel[axis] - 1)) / stride[axis])),
      Math.min(size[axis], Math.floor((box[2 * axis + 1] - 1 + padding[axis]) / stride[axis]) + 1)]);
  }

  // The smallest box that holds all pixels in which two inputs differ; null: they are equal
  function changed(before, now, [channels, height, width]) {
    let top = height, bottom = -1, left = width, right = -1;
    for (let c = 0, k = 0; c < channels; c++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++, k++) {
          if (before[k] === now[k]) continue;
          if (y < top) top = y;
          if (y > bottom) bottom = y;
          if (x < left) left = x;
          if (x > right) right = x;
        }
      }
    }
    return bottom < 0 ? null : [top, bottom + 1, left, right + 1];
  }

  function stepOf(layer, weights, shape) {                              // one layer with its memory
    const padding = layer.padding || [0, 0];
    const padded = [shape[0], shape[1] + 2 * padding[0], shape[2] + 2 * padding[1]];
    const out = outputShape(layer, shape), slack = layer.kind === "conv2d" ? SLACK * (layer.stride[1] + 1) : 0;
    if (layer.kind === "linear" ? layer.in !== shape[0] * shape[1] * shape[2] : Math.min(...out) < 1) {
      throw new Error(`${layer.name} does not take ${shape.join("×")} numbers`);
    }
    return { layer, weights, padding, padded, from: shape, shape: out,
             input: new Float64Array(padded[0] * padded[1] * padded[2] + slack),
             output: new Float64Array(out[0] * out[1] * out[2]), ...(layer.kind === "conv2d" && pack(layer, weights)) };
  }

  function copyIn({ from: [channels, height, width], padding: [py, px], padded: [, tall, wide], input }, x) {
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < height; y++) {
        const at = (c * height + y) * width;
        input.set(x.subarray(at, at + width), (c * tall + y + py) * wide + px);
      }
    }
  }

  // A network for inputs of one shape (channels, height, width). run(input) returns the maps of all layers, which the
  // next run overwrites.
  function network(layers, weights, shape) {
    let last = shape;
    const steps = layers.map((layer) => {
      const step = stepOf(layer, weights, last);
      last = step.shape;
      return step;
    });
    let before = null;
    const run = (input) => {
      let box = before ? changed(before, input, shape) : [0, shape[1], 0, shape[2]], x = input;
      before = Float64Array.from(input);
      for (const step of box ? steps : []) {
        const { layer } = step;
        copyIn(step, x);
        if (layer.kind === "linear") {
          linear(step, step.input);
        } else {
          box = spread(layer, box, step.shape.slice(1));
          (layer.kind === "conv2d" ? convolve : pool)(step, step.input, box);
        }
        x = step.output;
      }
      return steps.map((step) => step.output);
    };
    return { run, shapes: steps.map((step) => step.shape) };
  }

  return { network, outputShape };
})();
