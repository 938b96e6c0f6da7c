// What is painted: the picture and its patches, the weights of one token over it, the maps of all heads and layers.

const STRIP = PATCH + 1; // the rows above the picture where the class token stands, in pixels of the picture
const TALL = SIDE + STRIP;
const GHOST = 0.24; // how much of the picture shines through the weights
const FULL = 0.4; // the weight with the strongest color in the small maps
const ROWS = [...Array.from({ length: HEADS }, (_, head) => head + 1), "mean"]; // of the small maps

/** Where a token stands, on a sheet as wide as the picture. */
function boxOf({ width }, token) {
  const step = width / SIDE;
  if (token === 0) return [0, 0, PATCH * step, PATCH * step];
  const [row, column] = patchOf(token);
  return [(column - 1) * PATCH * step, (STRIP + (row - 1) * PATCH) * step, PATCH * step, PATCH * step];
}

/** The token at a place, given in shares of the sheet: above the picture the class token. */
function tokenAt([y, x]) {
  const row = Math.floor((y * TALL - STRIP) / PATCH);
  if (y * TALL < STRIP) return 0;
  return tokenOf(clampAll([row + 1, Math.floor((x * SIDE) / PATCH) + 1], [1, 1], [GRID, GRID]));
}

/** Thin lines between the patches, and around the class token. */
function paintGrid(sheet, color) {
  const { context, width, ratio } = sheet;
  const [step, line] = [(width * PATCH) / SIDE, Math.max(1, Math.round(ratio))];
  const top = (STRIP * width) / SIDE;
  context.fillStyle = color;
  for (let index = 0; index <= GRID; index += 1) {
    const at = clamp(Math.round(index * step - line / 2), 0, width - line);
    context.fillRect(at, top, line, width);
    context.fillRect(0, top + at, width, line);
  }
  context.strokeStyle = color;
  context.lineWidth = line;
  context.strokeRect(line / 2, line / 2, step - line, step - line);
}

function labelClass(sheet, text) {
  const step = sheet.width / SIDE;
  write(sheet, text, (STRIP + 0.5) * step, (PATCH / 2) * step, { size: 12.5, color: css(sheet.palette.muted) });
}

function paintPixels(sheet, colorAt, buffer = new PixelBuffer()) {
  const step = sheet.width / SIDE;
  buffer.resize(SIDE, SIDE);
  for (let at = 0; at < SIDE * SIDE; at += 1) buffer.pixels[at] = packed(colorAt(at));
  buffer.draw(sheet.context, [0, STRIP * step, sheet.width, sheet.width]);
}

/** The picture, cut into patches, and the class token above it. */
function paintPicture(sheet, pixels, buffer) {
  const { context, palette } = sheet;
  paintPixels(sheet, (at) => [pixels[at], pixels[at], pixels[at]], buffer);
  context.fillStyle = css(mix(palette.surface, palette.muted, 0.25));
  context.fillRect(...boxOf(sheet, 0));
  paintGrid(sheet, "rgba(128, 128, 128, 0.55)");
  labelClass(sheet, "class token");
}

/** The weights of a row over the picture, from 0 to the largest of them. */
function paintWeights(sheet, row, pixels, { numbers = false, buffer } = {}) {
  const { context, palette, ratio, width } = sheet;
  const most = Math.max(...row);
  const colors = Array.from(row, (weight) => signedColor(palette, emphasized(weight / most)));
  const ghost = (numbers ? 0.4 : 1) * GHOST;
  paintPixels(sheet, (at) => {
    const token = tokenOf([Math.floor(at / SIDE / PATCH) + 1, Math.floor((at % SIDE) / PATCH) + 1]);
    return mix(colors[token], palette.ink, (ghost * pixels[at]) / 255);
  }, buffer);
  context.fillStyle = css(colors[0]);
  context.fillRect(...boxOf(sheet, 0));
  paintGrid(sheet, css(mix(palette.surface, palette.muted, 0.4), 0.6));
  labelClass(sheet, `class token ${inPercent(row[0])}`);
  if (!numbers) return;
  const size = Math.min(12, (0.42 * width * PATCH) / SIDE / ratio);
  row.forEach((weight, token) => {
    if (token === 0) return;
    const [x, y, side] = boxOf(sheet, token);
    const look = { size, align: "center", color: inkOn(colors[token]) };
    write(sheet, (100 * weight).toFixed(weight < 0.0995 ? 1 : 0), x + side / 2, y + side / 2 + ratio, look);
  });
}

const frameToken = (sheet, token) => {
  const [x, y, width, height] = boxOf(sheet, token);
  const room = sheet.ratio;
  drawFrame(sheet, Math.max(room, x), Math.max(room, y), Math.min(width, sheet.width - x - room), Math.min(height, sheet.height - y - room));
};

// --- the maps of all heads and layers ----------------------------------------------------------------------------

/** Where the small maps stand: a column for each layer, a row for each head and one for their mean. */
function layoutOf(width, ratio) {
  const [left, top, gap, line] = [46, 20, 7, 2].map((length) => Math.round(length * ratio));
  const room = width - left - 2 * line;
  const cell = Math.max(1, Math.floor((room - (LAYERS - 1) * gap) / (LAYERS * GRID)));
  const across = Math.floor((room - cell * GRID) / (LAYERS - 1)); // the last column ends at the right
  const down = cell * (GRID + 1) + line + gap;
  return {
    cell, line, across, down, left, top, wide: cell * GRID, tall: cell * (GRID + 1) + line,
    height: top + ROWS.length * down - gap + 2 * line,
    corner: (layer, row) => [left + (layer - 1) * across, top + row * down],
  };
}

const weightColor = (palette, weight) => signedColor(palette, Math.sqrt(Math.min(1, weight / FULL)));

function paintMaps(sheet, maps, token, buffer = new PixelBuffer()) {
  const { context, palette, ratio, width } = sheet;
  const { cell, line, left, top, wide, tall, corner } = layoutOf(width, ratio);
  const muted = css(palette.muted);
  const shadeOf = shader((share) => weightColor(palette, share * FULL), 0, FULL);
  context.lineWidth = Math.max(1, Math.round(ratio));
  ROWS.forEach((head, index) => {
    const [, y] = corner(1, index);
    write(sheet, head === "mean" ? "mean" : `head ${head}`, 0, y + tall / 2, { color: muted });
    for (let layer = 1; layer <= LAYERS; layer += 1) {
      const [x] = corner(layer, index);
      if (index === 0) write(sheet, `layer ${layer}`, x + wide / 2, top / 2 - ratio, { color: muted, align: "center" });
      const row = rowOf(maps[layer - 1], head, token);
      buffer.resize(GRID, GRID);
      for (let patch = 0; patch < GRID * GRID; patch += 1) buffer.pixels[patch] = shadeOf(row[patch + 1]);
      buffer.draw(context, [x, y + cell + line, wide, wide]);
      context.fillStyle = css(weightColor(palette, row[0]));
      context.fillRect(x, y, cell, cell);
      context.strokeStyle = css(mix(palette.surface, palette.muted, 0.45));
      context.strokeRect(x - 0.5, y + cell + line - 0.5, wide + 1, wide + 1);
      context.strokeRect(x - 0.5, y - 0.5, cell + 1, cell + 1);
    }
  });
}

function markMap(sheet, layer, head) {
  const { tall, wide, corner, line } = layoutOf(sheet.width, sheet.ratio);
  const [x, y] = corner(layer, ROWS.indexOf(head));
  drawFrame(sheet, x - line, y - line, wide + 2 * line, tall + 2 * line);
}

// --- on paper ------------------------------------------------------------------------------------------------

function paintBars(sheet, probabilities) {
  const { context, palette, width } = sheet;
  const first = probabilities.indexOf(Math.max(...probabilities));
  probabilities.forEach((share, label) => {
    const [y, weight] = [22 * label, label === first ? 700 : 400];
    write(sheet, CLASSES[label], 0, y + 8, { weight });
    write(sheet, inPercent(share), width, y + 8, { size: 11.5, weight, align: "right" });
    context.fillStyle = css(mix(palette.surface, palette.muted, 0.15));
    context.fillRect(84, y + 3, width - 136, 10);
    context.fillStyle = css(palette.positive);
    context.fillRect(84, y + 3, (width - 136) * share, 10);
  });
}

/** The picture, whom one token looks at, the rollout; all heads and layers, and the answer → SVG. */
function still(state) {
  const asked = askedOf(state);
  const result = answerTo(decodeNetwork(VIT), asked.pixels);
  const at = gazeAt(result, asked);
  const [side, below, maps] = [224, 24 + (224 * TALL) / SIDE, layoutOf(470, 1)];
  const foot = below + 106;
  const paper = new Paper(720, foot + 24 + Math.max(maps.height, 286) + 20);
  const page = paper.sheet(0, 0, paper.width, paper.height);
  const muted = css(page.palette.muted);

  const titles = ["Picture", headName(at), "Rollout, class token"];
  const asides = [asked.picture, `0 … ${inPercent(Math.max(...at.row))}`, `0 … ${inPercent(Math.max(...result.rollout))}`];
  [0, 1, 2].forEach((index) => {
    const x = index * (720 - side) / 2;
    titlePart(page, x, 0, side, titles[index], asides[index]);
    const sheet = paper.sheet(x, 24, side, (side * TALL) / SIDE);
    if (index === 0) paintPicture(sheet, asked.pixels);
    else paintWeights(sheet, index === 1 ? at.row : result.rollout, asked.pixels, { numbers: asked.numbers });
    if (index < 2) frameToken(sheet, at.token);
  });
  const lines = [...wrapped(gazeOf(at), 100).map((line) => [line, { size: 13, weight: 650 }]),
    ...wrapped(extentOf(at), 118).map((line) => [line, { color: muted }])];
  lines.forEach(([line, look], index) => write(page, line, 0, below + 20 + 18 * index, look));

  titlePart(page, 0, foot, 470, `All heads and layers, from ${calledToken(at.token)}`);
  const sheet = paper.sheet(0, foot + 24, 470, maps.height);
  paintMaps(sheet, result.maps, at.token);
  markMap(sheet, at.layer, at.head);
  const [said, doubt] = verdictOn(result.probabilities);
  titlePart(page, 504, foot, 216, "It answers");
  write(page, said, 504, foot + 36, { size: 19, weight: 700, color: css(page.palette.positive) });
  write(page, doubt, 504, foot + 58, { color: muted });
  paintBars(paper.sheet(504, foot + 76, 216, 230), result.probabilities);
  write(page, MAPS_WORDS, 0, paper.height - 8, { size: 11.5, color: muted });
  return paper.markup();
}
