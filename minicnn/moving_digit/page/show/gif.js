// ---- GIF89a (CompuServe 1990), in plain JavaScript. It knows no document.
const Gif = (() => {
  const INDICES = 256, SAME = 255, CODES = 4096;                        // SAME: a pixel as in the frame before
  const channelsOf = (colour) => [colour & 255, colour >> 8 & 255, colour >> 16 & 255];

  // ---- at most 255 of the given 32-bit colours, as [red, green, blue]: median cut (Heckbert 1982), but halfway
  function boxOf(points) {                                              // its widest channel, and how wide it is
    const ends = [0, 1, 2].map((c) => points.reduce(([low, high], p) => [Math.min(low, p[c]), Math.max(high, p[c])],
                                                    [255, 0]));
    const widths = ends.map(([low, high]) => high - low), width = Math.max(...widths), c = widths.indexOf(width);
    return { points, width, c, half: (ends[c][0] + ends[c][1]) / 2 };
  }
  function palette(colours) {
    const boxes = [boxOf(colours.map(channelsOf))];
    while (boxes.length < SAME) {
      boxes.sort((a, b) => a.width - b.width);
      if (boxes.at(-1).width === 0) break;
      const { points, c, half } = boxes.pop();
      boxes.push(boxOf(points.filter((p) => p[c] <= half)), boxOf(points.filter((p) => p[c] > half)));
    }
    return boxes.map(({ points }) => [0, 1, 2].map((c) => Math.round(points.reduce((sum, p) => sum + p[c], 0)
                                                                     / points.length)));
  }
  function nearest(table) {                                             // a function: 32-bit colour -> index
    const known = new Map();
    return (colour) => {
      let index = known.get(colour);
      if (index === undefined) {
        const colours = channelsOf(colour);
        const far = table.map((entry) => entry.reduce((sum, v, c) => sum + (v - colours[c]) ** 2, 0));
        index = far.indexOf(Math.min(...far));
        known.set(colour, index);
      }
      return index;
    };
  }

  // ---- the LZW codes of one frame of 8-bit indices (appendix F). add(indices) may be called many times
  function codes() {
    const CLEAR = INDICES, END = INDICES + 1, children = new Uint16Array(CODES << 8);      // of (code, index); 0: none
    let out = new Uint8Array(1 << 16), length = 0, prefix = -1, next = END + 1, width = 9, held = 0, bits = 0;
    function put(code) {
      held |= code << bits;
      for (bits += width; bits >= 8; bits -= 8, held >>>= 8) {
        if (length === out.length) { const larger = new Uint8Array(2 * length); larger.set(out); out = larger; }
        out[length++] = held & 255;
      }
    }
    put(CLEAR);
    return {
      add(indices) {
        for (const index of indices) {
          if (prefix < 0) { prefix = index; continue; }
          const at = prefix << 8 | index;
          if (children[at]) { prefix = children[at]; continue; }
          put(prefix);
          prefix = index;
          if (next < CODES) {
            if (next === 1 << width) width++;
            children[at] = next++;
          } else {
            put(CLEAR);
            children.fill(0);
            [next, width] = [END + 1, 9];
          }
        }
      },
      blocks() {                                                        // all of it, in blocks of at most 255 bytes
        put(prefix);
        if (next === 1 << width && width < 12) width++;
        put(END);
        if (bits) { [width, bits] = [8 - bits, bits]; put(0); }
        const count = Math.ceil(length / 255), all = new Uint8Array(length + count + 1);
        for (let k = 0; k < count; k++) {
          const block = out.subarray(255 * k, Math.min(255 * k + 255, length));
          all[256 * k] = block.length;
          all.set(block, 256 * k + 1);
        }
        return all;
      },
    };
  }

  // ---- the parts of the file
  const two = (v) => [v & 255, v >> 8];
  const letters = (text) => Array.from(text, (c) => c.charCodeAt(0));
  const head = (width, height, table) => new Uint8Array([                // a table of 256 colours; the frames repeat
    ...letters("GIF89a"), ...two(width), ...two(height), 0xF7, 0, 0, ...table.flat(), ...Array(768 - 3 * table.length)
      .fill(0), 0x21, 0xFF, 11, ...letters("NETSCAPE2.0"), 3, 1, 0, 0, 0]);
  const before = (width, height, hundredths) => new Uint8Array([        // of a frame: how long it stands, where it lies
    0x21, 0xF9, 4, 5, ...two(hundredths), SAME, 0, 0x2C, 0, 0, 0, 0, ...two(width), ...two(height), 0, 8]);
  const TAIL = new Uint8Array([0x3B]);
  return { SAME, palette, nearest, codes, head, before, TAIL };
})();
