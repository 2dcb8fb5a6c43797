// ---- the verifier in the page: does an operator keep the laws of a convolution? The laws, the shifts and the words
// are those of minicnn's verify_convolution; the images are fewer, and what passes as rounding is simpler: EPSILON
// times the largest number of the two sides.
const Laws = (() => {
  const EPSILON = 1e-12, FACTORS = [-1, 0.5, -1.7, 2];
  const { image, wrap, largestOf } = Operators;
  const combine = (a, b, f) => image(a.height, a.width, a.values.map((v, i) => f(v, b.values[i])));
  const scaled = (a, factor) => image(a.height, a.width, a.values.map((v) => factor * v));

  function random(seed) {                                               // numbers from 0 to 1, the same for each seed
    let state = seed >>> 0;
    return () => {                                                      // Numerical Recipes (3rd ed.), 7.1: ranqd1
      state = (Math.imul(1664525, state) + 1013904223) >>> 0;
      return (state >>> 8) / 2 ** 24;
    };
  }
  // An impulse; noise of both signs; integers; a few bright pixels; bright noise
  function trials(height, width, seed) {
    const draw = random(seed), fill = (f) => image(height, width, Float64Array.from({ length: height * width }, f));
    const centre = (height >> 1) * width + (width >> 1);
    return [fill((_, i) => i === centre ? 1 : 0), fill(() => 2 * draw() - 1), fill(() => Math.floor(19 * draw()) - 9),
            fill(() => draw() < 0.02 ? 4 * draw() - 2 : 0), fill(() => 1 + draw())];
  }
  // shifted[i, j] = from[i - dy, j - dx]. On the torus pixels come in at the opposite side, else zeros do.
  function shifted({ values, height, width }, [dy, dx], domain) {
    const out = image(height, width);
    for (let y = 0, o = 0; y < height; y++) {
      for (let x = 0; x < width; x++, o++) {
        const i = y - dy, j = x - dx, inside = i >= 0 && j >= 0 && i < height && j < width;
        if (inside || domain === "torus") out.values[o] = values[wrap(i, height) * width + wrap(j, width)];
      }
    }
    return out;
  }
  function crop({ values, width }, top, left, side) {
    const out = image(side, side);
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) out.values[y * side + x] = values[(top + y) * width + left + x];
    }
    return out;
  }

  // The two sides of a law, for one input: `left` and `right` are images, `known` the pixels that can be compared
  const homogeneity = (op, factor) => ({ name: "homogeneity", says: `L(${factor} f) = ${factor} L(f)`,
    sides: (f) => ({ left: op(scaled(f, factor)), right: scaled(op(f), factor) }) });
  const additivity = (op, g) => ({ name: "additivity", says: "L(f + g) = L(f) + L(g)", g,
    sides: (f) => ({ left: op(combine(f, g, (a, b) => a + b)), right: combine(op(f), op(g), (a, b) => a + b) }) });
  function equivariance(op, { domain, side, margin }, by, out) {
    const sides = (f) => {
      let before = f, after;
      if (domain === "window") {                                        // two crops of a larger image
        before = crop(f, margin, margin, side);
        after = crop(f, margin - by[0], margin - by[1], side);
      } else {
        if (domain === "plane") before = shifted(shifted(f, by, domain), by.map((d) => -d), domain);
        after = shifted(before, by, domain);
      }
      const left = op(after), unmoved = op(before);
      const known = shifted(image(left.height, left.width, left.values.map(() => 1)), out, domain);
      return { left, right: shifted(unmoved, out, domain), known };
    };
    return { name: "equivariance", says: `op(S f) = S op(f), S = ${place(by)}`, by, sides };
  }
  // op(f) = h * f, where the displacement of an output pixel o from an input pixel p is rate o - p
  function convolution(op, { domain, side, margin }, h, rate) {
    const sides = (f) => {
      const left = op(domain === "window" ? crop(f, margin, margin, side) : f), right = image(left.height, left.width);
      for (let y = 0, o = 0; y < left.height; y++) {
        for (let x = 0; x < left.width; x++, o++) {
          for (const [dy, dx, weight] of h) {
            let i = rate * y - dy, j = rate * x - dx;
            if (domain === "torus") { i = wrap(i, side); j = wrap(j, side); }
            if (domain === "window") { i += margin; j += margin; }
            if (i >= 0 && j >= 0 && i < f.height && j < f.width) right.values[o] += weight * f.values[i * f.width + j];
          }
        }
      }
      return { left, right };
    };
    return { name: "convolution", says: "op(f) = h * f", sides };
  }

  const place = ([y, x]) => `(${y}, ${x})`;
  // Try a law on images: whether it holds, the pixels where it fails, and the first image that breaks it.
  // brief: stop at that image
  function attempt(law, images, brief = false) {
    let failing = null, witness = null, error = 0;
    for (const f of images) {
      const { left, right, known } = law.sides(f), { width } = left;
      const largest = largestOf(left, right);
      failing ??= { fails: new Uint8Array(left.values.length), unknown: known?.values.map((v) => 1 - v), ...left };
      let worst = 0, at = 0;
      left.values.forEach((v, i) => {
        const off = known && !known.values[i] ? 0 : Math.abs(v - right.values[i]);
        if (off > EPSILON * largest) failing.fails[i] = 1;
        if (off > worst) { worst = off; at = i; }
      });
      error = Math.max(error, worst);
      if (worst > EPSILON * largest) {
        witness ??= { law, f, left, right, known, at: [Math.floor(at / width), at % width],
                      values: [left.values[at], right.values[at]] };
        if (brief) break;
      }
    }
    return { name: law.name, says: law.says, passed: !witness, witness, failing, error };
  }

  // Shifts to try along an axis, [of the input, of the output]; as shift_candidates in minicnn/equivariance/domains.py
  function candidates(side, out, domain) {
    const all = Array.from({ length: side - 1 }, (_, k) => k + 1);
    if (domain === "torus") {
      const alpha = Math.max(1, side / out), found = all.filter((a) => side % a === 0 && a % alpha === 0);
      return [...(found[0] === 1 ? [] : [[1, 0]]), ...found.map((a) => [a, a / alpha])];
    }
    const near = side / out, strides = all.filter((s) => s >= 2 && near > 1 && s < Math.floor(near) + 2);
    strides.sort((a, b) => Math.abs(a - near) - Math.abs(b - near));
    const found = all.flatMap((m) => [1, ...strides].map((s) => [m * s, m]));
    return found.filter(([a, b]) => a <= Math.max(1, Math.floor(side / 3)) && b < out);
  }
  // The widths [top, bottom, left, right] of a border that holds all failing pixels, or null
  function border({ fails, unknown, height, width }, most = 0.5) {
    const bad = (y, x) => fails[y * width + x] || unknown?.[y * width + x];
    const upTo = (n) => Array.from({ length: n }, (_, i) => i);
    const rows = upTo(height).map((y) => upTo(width).every((x) => bad(y, x)));
    const columns = upTo(width).map((x) => upTo(height).every((y) => bad(y, x)));
    const leading = (flags) => { const first = flags.indexOf(false); return first < 0 ? flags.length : first; };
    const [top, bottom, left, right] = [rows, rows.toReversed(), columns, columns.toReversed()].map(leading);
    if (top + bottom >= most * height || left + right >= most * width) return null;
    for (let y = top; y < height - bottom; y++) for (let x = left; x < width - right; x++) if (bad(y, x)) return null;
    return [top, bottom, left, right];
  }
  // [dy, dx, weight] where the weight is not 0. An operator that keeps every rate-th pixel shows the weights of one
  // phase for each impulse.
  function response(op, { side, domain }, rate) {
    const centre = side >> 1, found = [], near = (d) => domain === "torus" ? wrap(d + centre, side) - centre : d;
    for (let k = 0; k < rate * rate; k++) {
      const impulse = image(side, side), y = centre + Math.floor(k / rate), x = centre + k % rate;
      impulse.values[y * side + x] = 1;
      const { values, width } = op(impulse);
      values.forEach((weight, o) => {
        if (weight) found.push([near(rate * Math.floor(o / width) - y), near(rate * (o % width) - x), weight]);
      });
    }
    return found;
  }

  const shiftsIn = ([down, across]) => {
    const words = (step) => step === null ? say("verdict.no_shift") : step === 1 ? say("verdict.all_shifts")
      : say("verdict.multiples", { step });
    if (down === 1 && across === 1) return say("verdict.all");
    return down === null && across === null ? say("verdict.none")
      : say("verdict.some", { down: words(down), across: words(across) });
  };
  function verdictOf({ linear, lattice, isConvolution }, rate, matches, halo) {
    const kind = rate === 1 ? say("verdict.of_one") : say("verdict.of_every", { rate }), shifts = shiftsIn(lattice);
    if (!linear) return say("verdict.not_linear", { shifts });
    if (isConvolution) return say("verdict.convolution");
    if (matches) return say("verdict.but", { kind, shifts });
    return halo ? say("verdict.border", { widths: halo.join(", "), kind }) : say("verdict.linear", { shifts });
  }

  // The smallest shift along an axis that the operator keeps, or null; and the rate: pixels in for a pixel out
  async function stepAlong(axis, op, context, shifts, laws, pause) {
    const along = (n) => axis ? [0, n] : [n, 0], { side, domain, out } = context;
    let inside = 0;
    for (const [index, [a, b]] of candidates(side, out, domain).entries()) {
      await pause();
      const law = equivariance(op, context, along(a), along(b));
      const found = attempt(law, shifts, index > 0 && (domain === "torus" || inside > 0));
      if (!index || found.passed) laws.push(found);
      if (found.passed) return { step: a, rate: b ? a / b : 1 };
      if (!inside && b && border(found.failing, 1)) inside = a / b;
    }
    return { step: null, rate: inside };
  }
  // op: image -> image, of side x side pixels. Calls `await pause()` between the laws, so that the page can draw.
  // Returns { verdict, isConvolution, linear, lattice, laws, response, domain, side, witness }; verdict: in words;
  // witness: the first law that is broken.
  async function verify(op, domain, side, pause, seed = 1) {
    const margin = domain === "window" ? side : 0, wide = side + 2 * margin;
    const context = { domain, side, margin, out: op(image(side, side)).height };
    const images = trials(side, side, seed), large = margin ? trials(wide, wide, seed) : images, laws = [];
    for (const factor of FACTORS) {
      await pause();
      laws.push(attempt(homogeneity(op, factor), images));
    }
    laws.push(attempt(additivity(op, images[2]), images.slice(1)));
    const linear = laws.every(({ passed }) => passed);
    const shifts = [...large, ...(linear ? [] : large.map((f) => scaled(f, -3)))];
    const found = [];
    for (const axis of [0, 1]) found.push(await stepAlong(axis, op, context, shifts, laws, pause));
    const lattice = found.map(({ step }) => step);
    const rate = domain === "torus" ? side / context.out : found[0].rate || found[1].rate || 1;
    await pause();
    const h = linear ? response(op, context, rate) : [];
    const last = linear && attempt(convolution(op, context, h, rate), large);
    if (last) laws.push(last);
    const halo = last && !last.passed ? border(last.failing) : null, matches = last && last.passed;
    const seen = { linear, lattice, isConvolution: matches && rate === 1 && lattice[0] === 1 && lattice[1] === 1 };
    return { ...seen, verdict: verdictOf(seen, rate, matches, halo), laws, response: h, domain, side,
             witness: laws.find(({ passed }) => !passed)?.witness ?? null };
  }
  // Enough pixels that a border of this width stays narrower than half of the image; divisible by 1, 2, 3 and 4
  const sideFor = (reach) => 12 * Math.ceil((4 * reach + 1) / 12);
  return { verify, sideFor };
})();
