// ---- a drawing centred as MNIST's digits are, and files of pictures
const BOX = 20;                                                         // MNIST: a digit just fits into 20 x 20 pixels
const OVERVIEW = 600, MOST = 160;                                    // pixels of the longer side: of a file, of its ink
const LEAST_CONTRAST = 40;                                              // of 255, between ink and paper

// Where the ink is: its box and its centre of mass. null: there is none
function inkOf(pixels, height, width, depth = DEPTH) {
  let top = height, bottom = 0, left = width, right = 0, mass = 0, sy = 0, sx = 0;
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += depth) {
      const ink = Math.max(...pixels.subarray(at, at + depth));
      if (!ink) continue;
      top = Math.min(top, y); bottom = Math.max(bottom, y + 1); left = Math.min(left, x);
      right = Math.max(right, x + 1);
      mass += ink; sy += ink * (y + 0.5); sx += ink * (x + 0.5);
    }
  }
  if (!mass) return null;
  return { top, bottom, left, right, side: Math.max(bottom - top, right - left), y: sy / mass, x: sx / mass };
}
// The picture `zoom` times as large, with its point (y, x) in the middle of the canvas: bilinear, 16 points a pixel
function resample(pixels, height, width, { y, x, zoom }) {
  const out = new Uint8Array(CANVAS * CANVAS * DEPTH), POINTS = 4;
  const value = (i, j, c) => i < 0 || j < 0 || i >= height || j >= width ? 0 : pixels[(i * width + j) * DEPTH + c];
  for (let k = 0; k < CANVAS * CANVAS * DEPTH; k++) {
    const c = k % DEPTH, column = Math.floor(k / DEPTH) % CANVAS, row = Math.floor(k / DEPTH / CANVAS);
    let sum = 0;
    for (let point = 0; point < POINTS * POINTS; point++) {
      const v = (row + (Math.floor(point / POINTS) + 0.5) / POINTS - CANVAS / 2) / zoom + y - 0.5;
      const u = (column + (point % POINTS + 0.5) / POINTS - CANVAS / 2) / zoom + x - 0.5;
      const i = Math.floor(v), j = Math.floor(u), b = v - i, a = u - j;
      sum += (1 - b) * ((1 - a) * value(i, j, c) + a * value(i, j + 1, c))
        + b * ((1 - a) * value(i + 1, j, c) + a * value(i + 1, j + 1, c));
    }
    out[k] = Math.round(sum / POINTS ** 2);
  }
  return out;
}
// As MNIST's digits; null: there is no ink. A digit that already has the size is moved by whole pixels, as MNIST's were
function centred(pixels, height = CANVAS, width = CANVAS) {
  const ink = inkOf(pixels, height, width);
  if (!ink) return null;
  if (Math.abs(ink.side - BOX) <= 1) {
    return paste(pixels, height, width, Math.round(CANVAS / 2 - ink.y), Math.round(CANVAS / 2 - ink.x), CANVAS);
  }
  const side = ink.side < BOX ? ink.side + 1 : ink.side;              // enlarged, it has half a pixel more on each side
  return resample(pixels, height, width, { ...ink, zoom: BOX / side });
}
function centreDrawing() {
  const out = centred(isDrawn() ? drawing.pixels : canvasOf(state.digit, CENTRE, CENTRE));
  if (!out) return tell(say("file.nothing"));
  replaceDrawing(out, say("file.centred"));
  return move(CENTRE, CENTRE);
}

// ---- files
function greyed({ data: rgba, width, height }) {                        // luminance, on white paper
  return Uint8Array.from({ length: width * height }, (_, i) => {
    const [r, g, b, opaque] = rgba.subarray(4 * i, 4 * i + 4), alpha = opaque / 255;
    return Math.round(255 * (1 - alpha) + alpha * (0.299 * r + 0.587 * g + 0.114 * b));
  });
}
function isOnPaper(grey, width, height) {                               // is the border light?
  const border = grey.filter((_, i) => i < width || i >= width * (height - 1) || i % width === 0
    || i % width === width - 1).sort();
  return border[border.length >> 1] > 127;
}
function levelsOf(grey) {                                               // of paper and ink. null: all is equal
  const sorted = grey.slice().sort(), paper = sorted[sorted.length >> 1], ink = sorted.at(-1);
  return ink - paper < LEAST_CONTRAST ? null : { paper, ink };
}
function inkOfGrey(grey, { paper, ink }) {                              // paper becomes 0, ink 255
  const least = paper + 0.25 * (ink - paper);                           // shadows and noise of the paper
  return grey.map((v) => Math.max(0, Math.min(255, Math.round(255 * (v - least) / (0.85 * (ink - least))))));
}
// A part of the picture, [left, top, width, height], reduced so that its longer side has at most `most` pixels
function pixelsOf(bitmap, most, part = [0, 0, bitmap.width, bitmap.height], enlarge = false) {
  const zoom = Math.min(enlarge ? Infinity : 1, most / Math.max(part[2], part[3]));
  const [width, height] = part.slice(2).map((n) => Math.max(1, Math.round(n * zoom)));
  const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, ...part, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}
const sizeOf = ({ width, height }) => say("file.size", { size: `${width}×${height}` });
function fromDigit(bitmap) {                                            // [pixels, what was done], or [null, reason]
  const whole = pixelsOf(bitmap, OVERVIEW), { width, height } = whole;
  const seen = greyed(whole), inverted = isOnPaper(seen, width, height);
  const bright = (image) => greyed(image).map((v) => inverted ? 255 - v : v), grey = bright(whole);
  const size = sizeOf(bitmap);
  const words = (...more) => [size, ...(inverted ? [say("file.inverted")] : []), ...more].join(", ");
  if (bitmap.width === DIGIT && bitmap.height === DIGIT) {
    return [paste(grey, DIGIT, DIGIT, CENTRE, CENTRE, CANVAS), words(say("file.as_it_is"))];
  }
  const levels = levelsOf(grey);
  if (!levels) return [null, `${size}, ${say("file.no_ink")}`];
  const { top, bottom, left, right } = inkOf(inkOfGrey(grey, levels), height, width, 1), zoom = bitmap.width / width;
  const part = [left, top, right - left, bottom - top].map((n) => n * zoom);
  const near = pixelsOf(bitmap, MOST, part);                            // once more, only the ink: a digit may be small
  return [centred(inkOfGrey(bright(near), levels), near.height, near.width),
          words(say("file.fitted"))];
}
function fromPicture(bitmap) {                                      // for a network of other pictures: cover the window
  const side = Math.min(bitmap.width, bitmap.height);
  const part = [(bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side];
  const image = pixelsOf(bitmap, DIGIT, part, true), grey = DEPTH === 1 && greyed(image);
  const window = grey || Uint8Array.from({ length: 3 * AREA }, (_, k) => image.data[4 * Math.floor(k / 3) + k % 3]);
  return [paste(window, DIGIT, DIGIT, CENTRE, CENTRE, CANVAS),
          `${sizeOf(bitmap)}, ${say("file.reduced")}`];
}
async function openPicture(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return tell(say("file.not_a_picture", { file: file.name }));
  }
  const [pixels, words] = (meta.own ? fromPicture : fromDigit)(bitmap);
  bitmap.close();
  if (!pixels) return tell(`${file.name}: ${words}.`);
  replaceDrawing(pixels, `${file.name}: ${words}.`);
  return move(CENTRE, CENTRE);
}
function listenFiles() {
  const input = $("file"), stage = $("stage");
  input.addEventListener("change", () => {
    if (input.files.length) openPicture(input.files[0]);
    input.value = "";                                                   // the same file may be chosen again
  });
  for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault());
  document.addEventListener("dragover", () => stage.classList.add("target"));
  for (const kind of ["dragleave", "drop"]) document.addEventListener(kind, () => stage.classList.remove("target"));
  document.addEventListener("drop", ({ dataTransfer }) => {
    if (dataTransfer.files.length) openPicture(dataTransfer.files[0]);
    else tell(say("file.no_file"));
  });
}
