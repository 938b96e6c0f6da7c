// What is painted of one network: its parts as blocks on the ground, their costs hanging below, the names of stages.

const KIND_COLORS = [[0, 114, 178], [0, 128, 94], [192, 79, 0], [163, 64, 122], [126, 138, 150]]; // on paper
const kindColor = ({ palette }, category) => (palette.kinds ?? KIND_COLORS)[category];

const BLOCKS = { head: 24, tall: 138, bars: 46, labels: 36 }; // rows of the picture, in pixels
const BLOCKS_HEIGHT = BLOCKS.head + BLOCKS.tall + 6 + BLOCKS.bars + BLOCKS.labels;
const GROUND = BLOCKS.head + BLOCKS.tall;
const EDGE = 4; // pixels for the frame of what is pointed at
const THINNEST = 2.5; // pixels of a block
const BAR = 7; // pixels: bars are alike, so that only their length speaks
const WIDEST = 24; // pixels for each root of a channel

/** How finely a network can be drawn on so many pixels. */
const mostParts = (width) => Math.floor(width / 10);

/** The name of the stage, or of what stands for one, that a part belongs to. */
const stageOf = (path, opened) => pathOf(path.replace(/#\d+$/, ""), depthOf(opened) + 1);

/** Where each part stands: as wide as the root of its channels, as high as the root of its side. */
function placesOf({ parts, opened, largest, input }, width) {
  const stages = parts.map(({ path }) => stageOf(path, opened));
  const single = stages.every((stage, index) => stage !== stages[index - 1]);
  const gap = parts.length > 40 ? 2 : 3;
  const before = stages.map((stage, index) => (single || stage === stages[index - 1] ? gap : 3 * gap));
  const solids = input ? [{ side: input.side, channels: input.channels }, ...parts] : parts;
  if (!input) before[0] = 0;
  const room = width - 3 * EDGE - before.reduce((sum, each) => sum + each, 0);
  const roots = solids.map(({ channels }) => Math.sqrt(channels));
  let unit = Math.min(WIDEST, room / roots.reduce((sum, root) => sum + root, 0));
  for (let round = 0; round < 8; round += 1) { // what is too thin is drawn thicker, at the cost of the others
    const thin = roots.filter((root) => root * unit < THINNEST);
    const rest = roots.reduce((sum, root) => sum + (root * unit < THINNEST ? 0 : root), 0);
    if (rest) unit = Math.min(WIDEST, Math.max(0.01, (room - thin.length * THINNEST) / rest));
  }
  let x = EDGE;
  const places = solids.map(({ side }, index) => {
    const height = Math.max(3, BLOCKS.tall * Math.sqrt(side / largest));
    const place = { x, width: Math.max(THINNEST, roots[index] * unit), height };
    x += place.width + (before[input ? index : index + 1] ?? 0);
    return place;
  });
  return { input: input ? places[0] : null, places: input ? places.slice(1) : places, stages, end: x };
}

/** A sheet in the color of the page. */
function paintGround({ context, width, height, palette }) {
  context.fillStyle = css(palette.surface);
  context.fillRect(0, 0, width, height);
}

/** A block with the depth that a square map has, seen from the left above. */
function paintSolid({ context, palette }, { x, width, height }, color) {
  const [right, up] = [0.055 * height, 0.05 * height];
  const top = GROUND - height;
  const face = (tint, ...corners) => {
    context.fillStyle = css(tint);
    context.beginPath();
    corners.forEach(([left, down], index) => (index ? context.lineTo(left, down) : context.moveTo(left, down)));
    context.closePath();
    context.fill();
  };
  const end = x + width;
  face(mix(color, [255, 255, 255], 0.4), [x, top], [x + right, top - up], [end + right, top - up], [end, top]);
  face(mix(color, [0, 0, 0], 0.4), [end, top], [end + right, top - up], [end + right, GROUND - up], [end, GROUND]);
  face(mix(color, palette.surface, 0.1), [x, top], [end, top], [end, GROUND], [x, GROUND]);
}

/** Lines between the layers that multiply inside of one block. */
function paintInside({ context, palette }, { x, width, height }, layers) {
  const count = layers.filter(({ multiply_adds }) => multiply_adds > 0).length;
  if (count < 2 || width / count < 3) return;
  context.fillStyle = css(palette.surface);
  context.globalAlpha = 0.5;
  for (let line = 1; line < count; line += 1) context.fillRect(x + (line * width) / count - 0.4, GROUND - height, 0.8, height);
  context.globalAlpha = 1;
}

/** How wide a text is on a sheet. */
function textWidth({ context, font }, text, size, weight = 400) {
  context.font = `${weight === 400 ? "" : `${weight} `}${size}px ${font}`;
  return context.measureText(text).width;
}

/** Labels of which none may touch another: the more important ones come first. */
class Labels {
  constructor(sheet) {
    Object.assign(this, { sheet, taken: [] });
  }

  /** Write a text around x if there is room. */
  put(text, x, y, { size = 11, align = "center", inside = [0, this.sheet.width], gap = 5, halo = 0, ...look } = {}) {
    const { context, palette } = this.sheet;
    const width = textWidth(this.sheet, text, size, look.weight);
    const shift = { left: 0, center: width / 2, right: width }[align];
    const left = clamp(x - shift, inside[0], Math.max(inside[0], inside[1] - width));
    const box = [left - gap, y - 0.6 * size, left + width + gap, y + 0.6 * size];
    const clash = width > inside[1] - inside[0] || this.taken.some((other) =>
      box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1]);
    if (clash) return false;
    this.taken.push(box);
    if (halo) {
      Object.assign(context, { textAlign: "left", textBaseline: "middle", lineJoin: "round" });
      Object.assign(context, { strokeStyle: css(palette.surface), lineWidth: halo });
      context.strokeText(text, left, y);
    }
    write(this.sheet, text, left, y, { size, ...look });
    return true;
  }
}

/** Where the stages begin and end: [{ stage, from, to, first, last }], indices of parts and pixels. */
function stagesOf({ places, stages }) {
  const found = [];
  stages.forEach((stage, index) => {
    const { x, width } = places[index];
    const last = found.at(-1);
    if (last?.stage === stage) Object.assign(last, { last: index, to: x + width });
    else found.push({ stage, first: index, last: index, from: x, to: x + width });
  });
  return found;
}

/** Below the ground: the names of the stages, and how many channels they end with. */
function paintStages(sheet, drawing, layout) {
  const { context, palette } = sheet;
  const labels = new Labels(sheet);
  const y = GROUND + 6 + BLOCKS.bars;
  const stages = stagesOf(layout);
  const short = ({ stage }) => stage.match(/[^.]+(\.\d+)*$/)[0]; // the last word, with what numbers follow it
  for (const { from, to } of stages) {
    context.fillStyle = css(palette.line);
    context.fillRect(from, y + 3, to - from, 1.5);
  }
  const order = [...stages].sort((a, b) => b.to - b.from - (a.to - a.from));
  for (const each of order) {
    const { from, to, last } = each;
    const shown = labels.put(short(each), (from + to) / 2, y + 13, { color: css(palette.ink), inside: [0, sheet.width] });
    const part = drawing.parts[last];
    const { output, channels } = drawing.opened ? part : joinedTo(part, drawing.parts[last + 1]?.input);
    const texts = [shapeText(output).replace(/ /g, ""), grouped(channels)];
    const look = { size: 11, color: css(palette.muted) };
    if (shown) texts.some((text) => labels.put(text, (from + to) / 2, y + 27, look));
  }
}

/** Above the blocks: the side of the maps wherever it changes, but for what is averaged in between, as for a gate. */
function paintSides(sheet, { parts, input }, layout) {
  const labels = new Labels(sheet);
  const look = { size: 11, color: css(sheet.palette.muted), gap: 3, align: "left" };
  const solids = [...(input ? [[input, layout.input]] : []), ...parts.map((part, index) => [part, layout.places[index]])];
  const lastMap = solids.findLastIndex(([{ side }]) => side > 1);
  let before = null;
  solids.forEach(([{ side, output }, { x, height }], index) => {
    if (side <= 1 && index < lastMap) return;
    const text = output?.length === 2 && side > 1 ? plural(output[0], "token") : String(Math.round(side));
    if (text !== before) labels.put(text, x + 0.05 * height, GROUND - 1.05 * height - 8, look);
    before = text;
  });
}

/** The blocks, with their costs below: bars as long as their share of the longest in any network shown. */
function paintBlocks(sheet, drawing) {
  const { context, palette } = sheet;
  const layout = placesOf(drawing, sheet.width);
  paintGround(sheet);
  if (drawing.input) paintSolid(sheet, layout.input, mix(palette.surface, palette.ink, 0.35));
  drawing.parts.forEach((part, index) => {
    paintSolid(sheet, layout.places[index], kindColor(sheet, part.category));
    paintInside(sheet, layout.places[index], part.layers);
  });
  context.fillStyle = css(palette.muted);
  context.fillRect(0, GROUND, layout.end, 1);
  drawing.parts.forEach((part, index) => {
    const { x, width } = layout.places[index];
    const share = part[drawing.bars] / drawing.longest;
    context.fillStyle = css(mix(palette.surface, kindColor(sheet, part.category), 0.75));
    const wide = Math.min(BAR, width);
    if (share > 0) context.fillRect(x + (width - wide) / 2, GROUND + 4, wide, Math.max(0.75, share * BLOCKS.bars));
  });
  paintSides(sheet, drawing, layout);
  paintStages(sheet, drawing, layout);
}

/** A frame around what is pointed at. */
function paintPointed(sheet, drawing, path) {
  const layout = placesOf(drawing, sheet.width);
  const chosen = drawing.parts.flatMap((part, index) =>
    (part.path === path || isInside(part.path, path) ? [layout.places[index]] : []));
  if (!chosen.length) return;
  const [first, last] = [chosen[0], chosen.at(-1)];
  const height = Math.max(...chosen.map((place) => place.height));
  drawFrame(sheet, first.x - 1.5, GROUND - height - 1.5, last.x + last.width - first.x + 3, height + BLOCKS.bars + 8);
}

/** The path at a place of the picture: of a part, or of a stage where its name stands; null beside them. */
function pathUnder(drawing, width, x, y) {
  const layout = placesOf(drawing, width);
  if (y > GROUND + 6 + BLOCKS.bars) {
    return stagesOf(layout).find(({ from, to }) => x >= from - 3 && x <= to + 3)?.stage ?? null;
  }
  const distance = ({ x: left, width: wide }) => Math.max(left - x, x - left - wide, 0);
  const nearest = layout.places.reduce((best, place, index) =>
    (distance(place) < distance(layout.places[best]) ? index : best), 0);
  return distance(layout.places[nearest]) < 6 ? drawing.parts[nearest].path : null;
}
