// ---- a snapshot: the pictures and words that one sees, and how they are painted on one large picture
const Snapshot = (() => {
  const STAGE = 8, LEFT = CANVAS * STAGE, RIGHT = 6 * 110, GAP = 8, EDGE = 16;           // pixels of the large picture
  const CELL = 260, BETWEEN = 24;                                         // the widest picture; canvas and panel apart
  const SMALL = 12, LARGE = 14, LINE = 1.3;                                              // sizes of letters; of a line
  const SENTENCES = ["text", "agree", "forgets"];

  // The canvas and the pictures of the panel that are seen: { canvas, group }, group: the element with those of one row
  function seenPictures() {
    const all = [...$(state.tab).querySelectorAll("canvas[role=img]")].filter((canvas) => canvas.offsetParent !== null);
    return [$("picture"), ...all].map((canvas) => {
      const figure = canvas.closest("figure");
      return { canvas, figure, group: (figure ?? canvas).parentElement };
    });
  }
  // The frames over a canvas, as parts of its width and height
  const framesOver = (canvas) => [...canvas.parentElement.querySelectorAll(":scope > .frame:not(.cursor, [hidden])")]
    .map((element) => {
      const { borderTopColor, borderTopStyle, borderTopWidth } = getComputedStyle(element), { style } = element;
      return { box: [style.left, style.top, style.width, style.height].map((text) => parseFloat(text) / 100),
               width: Math.round(parseFloat(borderTopWidth)), dashed: borderTopStyle === "dashed",
               colour: borderTopColor };
    });
  const atlas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  function atlasFor(pictures) {                                           // one below the other: where each begins
    let height = 0;
    const tops = pictures.map(({ canvas }) => { height += canvas.height; return height - canvas.height; });
    Object.assign(atlas.canvas, { height, width: Math.max(...pictures.map(({ canvas }) => canvas.width)) });
    return tops;
  }
  function snapshot(pictures, tops) {
    pictures.forEach(({ canvas }, k) => atlas.drawImage(canvas, 0, tops[k]));
    const words = (element) => element?.textContent.trim() ?? "";
    const sentences = SENTENCES.filter((id) => !$(id).hidden).map((id) => signOf($(id)) + words($(id)));
    return {
      pixels: atlas.getImageData(0, 0, atlas.canvas.width, atlas.canvas.height), sentences,
      lines: sentences.reduce((sum, text) => sum + linesOf(text, LEFT, LARGE).length + 0.5, 0),
      captions: pictures.map(({ canvas, figure }) => figure ? words(figure.querySelector("figcaption"))
        : canvas.getAttribute("aria-label") ?? ""),
      titles: pictures.map(({ group }) => [group.querySelector("h2"), group.querySelector("h2 + span")].map(words)),
      frames: pictures.map(({ canvas }) => framesOver(canvas)),
    };
  }

  // ---- the places of all on the large picture
  const big = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  function setFont(size, bold = false) {
    big.font = `${bold ? "bold " : ""}${size}px ${FACE}`;
  }
  function layoutOf(pictures, tops, shots) {
    const groups = [...new Set(pictures.slice(1).map(({ group }) => group))];
    const members = groups.map((group) => Array.from(pictures.keys()).slice(1)
      .filter((k) => pictures[k].group === group));
    const cell = Math.min(CELL, Math.floor(RIGHT / Math.max(...members.map(({ length }) => length))));
    const places = [{ x: EDGE, y: EDGE, zoom: STAGE, top: tops[0], ...sidesOf(pictures[0]) }], titles = [];
    let y = EDGE;
    for (const row of members) {
      if (shots[0].titles[row[0]][0]) {
        titles.push({ y, k: row[0] });
        y += Math.ceil(LARGE * LINE) + 2;
      }
      let tall = 0, lines = 0;
      row.forEach((k, column) => {
        const size = sidesOf(pictures[k]), longest = Math.max(size.width, size.height);
        const zoom = Math.max(1, Math.floor((cell - GAP) / longest));
        places[k] = { x: EDGE + LEFT + BETWEEN + column * cell, y, zoom, top: tops[k], ...size };
        tall = Math.max(tall, zoom * size.height);
        const captions = new Set(shots.map((shot) => shot.captions[k]));
        lines = Math.max(lines, ...Array.from(captions, (text) => linesOf(text, cell - GAP, SMALL).length));
      });
      y += tall + Math.ceil(lines * SMALL * LINE) + GAP + 4;
    }
    const below = Math.max(...shots.map(({ lines }) => lines));
    const height = Math.max(y, 2 * EDGE + LEFT + Math.ceil(below * LARGE * LINE) + GAP);
    return { places, titles, cell, width: 2 * EDGE + LEFT + BETWEEN + RIGHT, height };
  }
  const sidesOf = ({ canvas }) => ({ width: canvas.width, height: canvas.height });

  // ---- painting
  const colourOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  function writeLines(text, x, y, size, width, colour) {                  // the y below them
    setFont(size);
    big.fillStyle = colour;
    for (const line of linesOf(text, width, size)) {
      big.fillText(line, x, y);
      y += size * LINE;
    }
    return y;
  }
  function paintFrame({ box, colour, dashed, width }, at) {
    const [x, y, wide, tall] = box.map((v, k) => Math.round(v * at.zoom * (k % 2 ? at.height : at.width)));
    big.strokeStyle = colour;
    big.lineWidth = width;
    big.setLineDash(dashed ? [4, 3] : []);
    big.strokeRect(at.x + x + width / 2, at.y + y + width / 2, wide - width, tall - width);
  }
  function paintShot(shot, { places, titles, cell, width, height }) {     // on big
    const { canvas } = big, ink = colourOf("--ink"), soft = colourOf("--soft");
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    Object.assign(big, { imageSmoothingEnabled: false, textBaseline: "top", fillStyle: colourOf("--back") });
    big.fillRect(0, 0, width, height);
    atlas.putImageData(shot.pixels, 0, 0);
    places.forEach((at, k) => {
      const [w, h] = [at.width, at.height], [wide, tall] = [at.zoom * w, at.zoom * h];
      big.fillStyle = colourOf("--line");
      big.fillRect(at.x - 1, at.y - 1, wide + 2, tall + 2);
      big.drawImage(atlas.canvas, 0, at.top, w, h, at.x, at.y, wide, tall);
      for (const one of shot.frames[k]) paintFrame(one, at);
      writeLines(shot.captions[k], at.x, at.y + tall + 3, SMALL, cell - GAP, soft);
    });
    for (const { y, k } of titles) {
      const [title, words] = shot.titles[k], { x } = places[k];
      setFont(LARGE, true);
      big.fillStyle = ink;
      big.fillText(title, x, y);
      const after = x + big.measureText(title).width + GAP;
      setFont(SMALL);
      big.fillStyle = soft;
      big.fillText(words, after, y + 2);
    }
    shot.sentences.reduce((y, text) => writeLines(text, EDGE, y, LARGE, LEFT, ink) + LARGE * LINE / 2,
                          2 * EDGE + LEFT - 4);
  }
  return { seenPictures, atlasFor, snapshot, layoutOf, paintShot, big, colourOf };
})();
