// Painting. A painter gets a sheet { context, width, height, ratio, density, palette, font } and paints on it: on a screen
// the context is a canvas's, on paper it is a Paper, which writes the same strokes as SVG. So every picture is drawn once.

const FONT = "system-ui, sans-serif";

/** What painters use of a canvas's context, written as SVG. */
class Paper {
  constructor(width, height) {
    Object.assign(this, { width, height, parts: [], path: "", dash: [] });
    Object.assign(this, { fillStyle: "#000000", strokeStyle: "#000000", lineWidth: 1, globalAlpha: 1 });
    Object.assign(this, { lineCap: "butt", lineJoin: "miter", font: `12px ${FONT}` });
    Object.assign(this, { textAlign: "left", textBaseline: "alphabetic" });
  }

  /** A sheet that covers a part of this paper, and cuts off what goes beyond it. */
  sheet(x, y, width, height) {
    const context = new Paper(width, height);
    this.parts.push({ toString: () => context.markup(`x="${written(x)}" y="${written(y)}"`) });
    return { context, width, height, ratio: 1, density: 1, palette: PAPER_COLORS, font: FONT };
  }

  markup(more = 'xmlns="http://www.w3.org/2000/svg"') {
    const size = `width="${written(this.width)}" height="${written(this.height)}"`;
    return `<svg ${more} ${size}>${this.parts.join("")}</svg>`;
  }

  beginPath() {
    this.path = "";
  }

  moveTo(x, y) {
    this.path += `M${written(x)} ${written(y)}`;
  }

  lineTo(x, y) {
    this.path += `L${written(x)} ${written(y)}`;
  }

  closePath() {
    this.path += "Z";
  }

  rect(x, y, width, height) {
    this.path += `M${written(x)} ${written(y)}h${written(width)}v${written(height)}h${written(-width)}z`;
  }

  /** A whole circle: painters need no other arc. */
  arc(x, y, radius) {
    const [r, across] = [written(radius), written(2 * radius)];
    this.path += `M${written(x - radius)} ${written(y)}a${r} ${r} 0 1 0 ${across} 0a${r} ${r} 0 1 0 -${across} 0`;
  }

  setLineDash(dash) {
    this.dash = dash;
  }

  get strokes() {
    const more = Object.entries({
      "stroke-linecap": this.lineCap, "stroke-linejoin": this.lineJoin, opacity: this.globalAlpha,
      "stroke-dasharray": this.dash.map(written).join(" "),
    }).filter(([, value]) => !["butt", "miter", 1, ""].includes(value));
    const look = `fill="none" stroke="${this.strokeStyle}" stroke-width="${written(this.lineWidth)}"`;
    return [look, ...more.map(([name, value]) => `${name}="${value}"`)].join(" ");
  }

  stroke() {
    this.parts.push(`<path ${this.strokes} d="${this.path}"/>`);
  }

  fill() {
    const last = this.parts.at(-1);
    const whole = this.globalAlpha === 1;
    const look = `<path fill="${this.fillStyle}"${whole ? "" : ` opacity="${this.globalAlpha}"`} d="`;
    const together = whole && typeof last === "string" && last.startsWith(look);
    if (together) this.parts.pop();
    this.parts.push(`${together ? last.slice(0, -3) : look}${this.path}"/>`);
  }

  fillRect(...box) {
    this.beginPath();
    this.rect(...box);
    this.fill();
  }

  strokeRect(...box) {
    this.beginPath();
    this.rect(...box);
    this.stroke();
  }

  clearRect() {} // paper is blank

  fillText(text, x, y) {
    this.letter(text, x, y, `fill="${this.fillStyle}"`);
  }

  strokeText(text, x, y) {
    this.letter(text, x, y, this.strokes);
  }

  letter(text, x, y, look) {
    const [, weight, size, family] = this.font.match(/^(\d+ )?([\d.]+)px (.*)$/);
    const anchor = { left: "start", center: "middle", right: "end" }[this.textAlign];
    const down = { top: 0.78, middle: 0.35, bottom: -0.22, alphabetic: 0 }[this.textBaseline] * size;
    const plain = text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
    this.parts.push(`<text x="${written(x)}" y="${written(y + down)}" font-family="${family.replace(/"/g, "'")}" ` +
      `font-size="${size}" font-weight="${weight?.trim() ?? 400}" text-anchor="${anchor}" ${look}>${plain}</text>`);
  }

  /** About: digits are as wide as that in most fonts. */
  measureText(text) {
    return { width: 0.58 * text.length * Number(this.font.match(/([\d.]+)px/)[1]) };
  }

  image(png, [x, y, width, height], smooth) {
    const place = `x="${written(x)}" y="${written(y)}" width="${written(width)}" height="${written(height)}"`;
    this.parts.push(`<image ${place} preserveAspectRatio="none" style="image-rendering:${smooth ? "auto" : "pixelated"}" ` +
      `href="data:image/png;base64,${encodeBytes(png)}"/>`);
  }
}

const written = (number) => String(Number(number.toFixed(2)));

/** Text at a place of a sheet, in ink unless another color is given. */
function write({ context, palette, font, ratio }, text, x, y, look = {}) {
  const { size = 12, weight = 400, color = css(palette.ink), align = "left", baseline = "middle" } = look;
  context.font = `${weight === 400 ? "" : `${weight} `}${size * ratio}px ${font}`;
  context.fillStyle = color;
  context.textAlign = align;
  context.textBaseline = baseline;
  context.fillText(text, x, y);
}

/** Words in lines of at most so many letters. */
const wrapped = (text, length) => text.match(new RegExp(`.{1,${length}}(?:\\s|$)`, "g")) ?? [];

/** A title above a part of a paper, and at its right what it is worth knowing; the part begins 24 below `y`. */
function titlePart(sheet, x, y, width, title, aside = "") {
  write(sheet, title, x, y + 9, { size: 13, weight: 650 });
  write(sheet, aside, x + width, y + 9, { color: css(sheet.palette.muted), align: "right" });
}

// --- pictures of pixels --------------------------------------------------------------------------------------

/** A picture whose pixels are set as 0xAABBGGRR, and which is then drawn larger, on a canvas or on paper. */
class PixelBuffer {
  /** Make room for so many pixels; what they were is forgotten. */
  resize(height, width) {
    this.drawn = false;
    if (this.pixels && this.height === height && this.width === width) return;
    Object.assign(this, { height, width, pixels: new Uint32Array(height * width), canvas: null });
  }

  /** Draw rows `top` … of the picture into a box, as square pixels with sharp edges, or smoothly. */
  draw(context, box, { top = 0, height = this.height, smooth = false } = {}) {
    if (context instanceof Paper) {
      const part = this.pixels.subarray(top * this.width, (top + height) * this.width);
      if (part.length > 64) context.image(encodePng(part, this.width), box, smooth);
      else fillCells(context, part, this.width, box);
      return;
    }
    context.imageSmoothingEnabled = smooth;
    context.imageSmoothingQuality = "high";
    const scale = box[2] / this.width;
    const sharp = smooth || scale < 1 || Math.abs(Math.round(scale) - scale) < 1e-9;
    const source = sharp ? this.onCanvas() : this.enlarged(Math.ceil(scale));
    const grown = source.width / this.width;
    if (!sharp || scale < 1) context.imageSmoothingEnabled = true;
    context.drawImage(source, 0, top * grown, source.width, height * grown, ...box);
  }

  onCanvas() {
    this.canvas ??= make("canvas", { width: this.width, height: this.height });
    if (!this.drawn) {
      const image = new ImageData(new Uint8ClampedArray(this.pixels.buffer), this.width, this.height);
      this.canvas.getContext("2d").putImageData(image, 0, 0);
    }
    this.drawn = true;
    return this.canvas;
  }

  /** A whole number of times as large: made smaller from there, pixels keep sharp edges at any scale. */
  enlarged(times) {
    const [width, height] = [this.width * times, this.height * times];
    this.large ??= make("canvas");
    if (this.large.width !== width) this.large.width = width;
    if (this.large.height !== height) this.large.height = height;
    const context = this.large.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(this.onCanvas(), 0, 0, width, height);
    return this.large;
  }
}

const channels = (pixel) => [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255];

/** Few pixels, as rectangles. */
function fillCells(context, pixels, columns, [x, y, width, height]) {
  const [across, down] = [width / columns, height / (pixels.length / columns)];
  pixels.forEach((pixel, index) => {
    context.fillStyle = css(channels(pixel));
    context.fillRect(x + (index % columns) * across, y + Math.floor(index / columns) * down, across, down);
  });
}

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** Pixels as a PNG of at most 256 colors, the nearest where there are more. It is not compressed: a server does that. */
function encodePng(pixels, width) {
  const height = pixels.length / width;
  const colors = new Map();
  const indices = new Uint8Array(pixels.length);
  for (const levels of [255, 127, 63, 31, 15, 7]) {
    const near = Array.from({ length: 256 }, (_, value) => Math.round((Math.round((value * levels) / 255) * 255) / levels));
    colors.clear();
    pixels.forEach((pixel, at) => {
      const color = packed(channels(pixel).map((value) => near[value]));
      if (!colors.has(color)) colors.set(color, colors.size);
      indices[at] = colors.get(color);
    });
    if (colors.size <= 256) break;
  }

  const whole = (value) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);
  const chunk = (name, body) => {
    const named = [...[...name].map((letter) => letter.charCodeAt(0)), ...body];
    const check = named.reduce((crc, byte) => CRC[(crc ^ byte) & 255] ^ (crc >>> 8), 0xffffffff);
    return [...whole(body.length), ...named, ...whole(~check)];
  };
  const rows = [];
  indices.forEach((value, at) => (at % width ? rows.push(value) : rows.push(0, value)));
  const stored = [0x78, 0x01]; // zlib: blocks that are stored as they are, then Adler's sum
  for (let at = 0; at < rows.length; at += 65535) {
    const block = rows.slice(at, at + 65535);
    const [low, high] = [block.length & 255, block.length >> 8];
    stored.push(at + 65535 >= rows.length ? 1 : 0, low, high, low ^ 255, high ^ 255);
    for (const byte of block) stored.push(byte);
  }
  const [a, b] = rows.reduce(([one, two], byte) => [(one + byte) % 65521, (two + one + byte) % 65521], [1, 0]);
  stored.push(...whole(((b << 16) | a) >>> 0));
  return Uint8Array.from([
    ...[137, 80, 78, 71, 13, 10, 26, 10], ...chunk("IHDR", [...whole(width), ...whole(height), 8, 3, 0, 0, 0]),
    ...chunk("PLTE", [...colors.keys()].flatMap(channels)), ...chunk("IDAT", stored), ...chunk("IEND", []),
  ]);
}

// --- strokes ---------------------------------------------------------------------------------------------------

/** Strokes that are seen on black, on white and on every color between: bright inside dark. */
function strokeTwice({ context, ratio, palette }, path) {
  for (const [stroke, width] of [["rgba(0, 0, 0, 0.75)", 4], [css(palette.mark), 2]]) {
    context.strokeStyle = stroke;
    context.lineWidth = width * ratio;
    context.beginPath();
    path();
    context.stroke();
  }
}

const drawFrame = (sheet, ...box) => strokeTwice(sheet, () => sheet.context.rect(...box));

/** Four short lines that lead the eye to a frame of a few pixels. */
function drawLeads(sheet, x, y, width, height) {
  const { context, ratio } = sheet;
  const [middleX, middleY, near, far] = [x + width / 2, y + height / 2, 4 * ratio, 11 * ratio];
  const line = (fromX, fromY, toX, toY) => {
    context.moveTo(fromX, fromY);
    context.lineTo(toX, toY);
  };
  strokeTwice(sheet, () => {
    line(middleX, y - near, middleX, y - far);
    line(middleX, y + height + near, middleX, y + height + far);
    line(x - near, middleY, x - far, middleY);
    line(x + width + near, middleY, x + width + far, middleY);
  });
}

/** The part of a line between two points that lies in a box, or null (Liang and Barsky). */
function clipped(x0, y0, x1, y1, [left, top, right, bottom]) {
  let [enter, leave] = [0, 1];
  const [dx, dy] = [x1 - x0, y1 - y0];
  for (const [move, room] of [[-dx, x0 - left], [dx, right - x0], [-dy, y0 - top], [dy, bottom - y0]]) {
    if (move === 0 && room < 0) return null;
    if (move < 0) enter = Math.max(enter, room / move);
    else if (move > 0) leave = Math.min(leave, room / move);
  }
  return enter > leave ? null : [x0 + enter * dx, y0 + enter * dy, x0 + leave * dx, y0 + leave * dy];
}
