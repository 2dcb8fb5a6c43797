// ---- a drawing centred as MNIST's digits are, and files of pictures
const BOX = 20;                                                         // MNIST: a digit just fits into 20 x 20 pixels
const MOST = 160;                                                       // pixels of the longer side of a file, reduced
const LEAST_CONTRAST = 40;                                              // of 255, between ink and paper

// Where the ink is: its box [top, bottom, left, right] and its centre of mass. null: there is none
function inkOf(pixels, height, width) {
  let top = height, bottom = 0, left = width, right = 0, mass = 0, sy = 0, sx = 0;
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += DEPTH) {
      const ink = Math.max(...pixels.subarray(at, at + DEPTH));
      if (!ink) continue;
      top = Math.min(top, y); bottom = Math.max(bottom, y + 1); left = Math.min(left, x); right = Math.max(right, x + 1);
      mass += ink; sy += ink * (y + 0.5); sx += ink * (x + 0.5);
    }
  }
  return mass ? { side: Math.max(bottom - top, right - left), y: sy / mass, x: sx / mass } : null;
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
function centred(pixels, height = CANVAS, width = CANVAS) {             // as MNIST's digits; null: there is no ink
  const ink = inkOf(pixels, height, width);
  return ink && resample(pixels, height, width, { ...ink, zoom: BOX / ink.side });
}
function centreDrawing() {
  const out = centred(isDrawn() ? drawing.pixels : canvasOf(state.digit, CENTRE, CENTRE));
  if (!out) return say("The canvas is empty: there is nothing to centre.");
  replaceDrawing(out, "Centred: the drawing fits into 20×20 pixels, and its centre of mass is in the middle. All digits "
    + "that the network has learned from lie so; it is not sure of others.");
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
function inkOfGrey(grey) {                                              // paper becomes 0, ink 255. null: all is equal
  const sorted = grey.slice().sort(), paper = sorted[sorted.length >> 1], ink = sorted.at(-1);
  if (ink - paper < LEAST_CONTRAST) return null;
  const least = paper + 0.25 * (ink - paper);                           // shadows and noise of the paper
  return grey.map((v) => Math.max(0, Math.min(255, Math.round(255 * (v - least) / (0.85 * (ink - least))))));
}
function pixelsOf(bitmap, width, height) {                              // the picture, reduced in the browser
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}
function fromDigit(bitmap) {                                            // [pixels, what was done], or [null, reason]
  const size = `${bitmap.width}×${bitmap.height} pixels`, asItIs = bitmap.width === DIGIT && bitmap.height === DIGIT;
  const zoom = Math.min(1, MOST / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((n) => Math.max(1, Math.round(n * zoom)));
  let grey = greyed(pixelsOf(bitmap, width, height));
  const inverted = isOnPaper(grey, width, height);
  if (inverted) grey = grey.map((v) => 255 - v);
  const words = `${size}${inverted ? ", dark on light: inverted" : ""}`;
  if (asItIs) return [paste(grey, DIGIT, DIGIT, CENTRE, CENTRE, CANVAS), `${words}, taken as it is`];
  const ink = inkOfGrey(grey);
  if (!ink) return [null, `${size}, but there is no ink in it: all its pixels are almost equal`];
  return [centred(ink, height, width), `${words}, fitted into 20×20 pixels and centred as MNIST's digits are`];
}
function fromPicture(bitmap) {                                          // for a network of other pictures: cover the window
  const zoom = DIGIT / Math.min(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width, bitmap.height].map((n) => Math.max(DIGIT, Math.round(n * zoom)));
  const image = pixelsOf(bitmap, width, height), grey = DEPTH === 1 && greyed(image);
  const all = grey || Uint8Array.from({ length: 3 * width * height },
                                      (_, k) => image.data[4 * Math.floor(k / 3) + k % 3]);
  const window = paste(all, height, width, -Math.floor((height - DIGIT) / 2), -Math.floor((width - DIGIT) / 2), DIGIT);
  return [paste(window, DIGIT, DIGIT, CENTRE, CENTRE, CANVAS),
          `${bitmap.width}×${bitmap.height} pixels, reduced to 28×28, the middle of it`];
}
async function openPicture(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return say(`${file.name} is not a picture that this browser can read: take a PNG, JPEG, GIF, WebP or BMP file.`);
  }
  const [pixels, words] = (meta.own ? fromPicture : fromDigit)(bitmap);
  bitmap.close();
  if (!pixels) return say(`${file.name}: ${words}.`);
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
    else say("That was not a file: drop a file of a picture.");
  });
}
