// What is painted: the two pictures, their marks, and the picture for paper.

/** How the values of an output are shown: the view that stands for "automatic", and the ends of its scale. */
function legendOf({ view, kernel }, [low, high]) {
  const resolved = resolveView(view, kernel);
  const largest = Math.max(-low, high) || 1;
  const [from, to] = { signed: [-largest, largest], magnitude: [0, largest], picture: [0, 255] }[resolved];
  return { view: resolved, from, to, clipped: resolved === "picture" && (low < -1e-9 || high > 255 + 1e-9) };
}

/** The color at a share, 0 … 1, of the scale. */
function shade(palette, view, share) {
  if (view === "signed") return signedColor(palette, emphasized(2 * share - 1));
  return mix([0, 0, 0], [255, 255, 255], view === "magnitude" ? emphasized(share) : share);
}

/** The numbers below a scale: at its ends, and at 0 if that is in the middle. */
const ticksOf = ({ view, from, to }) =>
  (view === "signed" ? [from, 0, to] : [from, null, to]).map((value) => (value === null ? "" : format(value, 1)));

/** The picture with its padding, which is a little grayer. */
function paintInput({ context, width, height }, padded, padding, buffer = new PixelBuffer()) {
  const inner = Uint32Array.from({ length: 256 }, (_, gray) => packed([gray, gray, gray]));
  const outer = Uint32Array.from({ length: 256 }, (_, gray) => packed(mix([gray, gray, gray], [128, 134, 140], 0.4)));
  buffer.resize(padded.height, padded.width);
  for (let y = 0, at = 0; y < padded.height; y += 1) {
    const rowInside = y >= padding && y < padded.height - padding;
    for (let x = 0; x < padded.width; x += 1, at += 1) {
      const inside = rowInside && x >= padding && x < padded.width - padding;
      buffer.pixels[at] = (inside ? inner : outer)[padded.values[at]];
    }
  }
  buffer.draw(context, [0, 0, width, height]);
}

function paintOutput({ context, width, height, palette }, result, { view, from, to }, buffer = new PixelBuffer()) {
  const shadeOf = shader((share) => shade(palette, view, share), from, to);
  buffer.resize(result.height, result.width);
  result.values.forEach((value, at) => (buffer.pixels[at] = shadeOf(view === "magnitude" ? Math.abs(value) : value)));
  buffer.draw(context, [0, 0, width, height]);
}

/** The window of the pointed output pixel, and where the padding ends. */
function markInput(sheet, padded, { kernel, stride, padding }, { i, j }) {
  const { context, width, height, ratio, palette } = sheet;
  const [stepY, stepX] = [height / padded.height, width / padded.width];
  if (padding) {
    context.setLineDash([4 * ratio, 3 * ratio]);
    context.lineWidth = ratio;
    context.strokeStyle = css(palette.mark);
    context.strokeRect(padding * stepX, padding * stepY, width - 2 * padding * stepX, height - 2 * padding * stepY);
    context.setLineDash([]);
  }
  const k = kernel.length;
  const box = [j * stride * stepX, i * stride * stepY, k * stepX, k * stepY];
  drawFrame(sheet, ...box);
  if (k * stepX < 24 * ratio) drawLeads(sheet, ...box);
}

function markOutput(sheet, result, { i, j }) {
  const { ratio } = sheet;
  const [stepY, stepX] = [sheet.height / result.height, sheet.width / result.width];
  const [height, width] = [Math.max(stepY, 5 * ratio), Math.max(stepX, 5 * ratio)];
  const box = [(j + 0.5) * stepX - width / 2, (i + 0.5) * stepY - height / 2, width, height];
  drawFrame(sheet, ...box);
  if (width < 24 * ratio) drawLeads(sheet, ...box);
}

/** What the cells of a kernel are tinted with. */
function tintOf(palette, weights) {
  const largest = largestSize(weights);
  return (weight) => signedColor(palette, (palette.tint * weight) / largest);
}

// --- on paper ------------------------------------------------------------------------------------------------

function paintKernel(sheet, kernel) {
  const [cell, tint] = [sheet.width / kernel.length, tintOf(sheet.palette, kernel.flat())];
  const size = Math.min(17, cell / 3);
  const texts = fitAll(kernel.flat(), (word) => word.length * size * 0.58 < cell - 4, weightText);
  kernel.forEach((row, u) => row.forEach((weight, v) => {
    const color = tint(weight);
    sheet.context.fillStyle = css(color);
    sheet.context.fillRect(v * cell + 1, u * cell + 1, cell - 2, cell - 2);
    write(sheet, texts[u * row.length + v], (v + 0.5) * cell, (u + 0.5) * cell, { size, color: inkOn(color), align: "center" });
  }));
}

function paintScale(sheet, legend) {
  const { context, width, palette } = sheet;
  for (let step = 0; step < 64; step += 1) {
    context.fillStyle = css(shade(palette, legend.view, (step + 0.5) / 64));
    context.fillRect((step * width) / 64, 0, width / 64 + 0.5, 10);
  }
  const color = css(palette.muted);
  ticksOf(legend).forEach((text, index) =>
    write(sheet, text, (index * width) / 2, 19, { size: 11, color, align: ["left", "center", "right"][index] }));
}

/** The three panels and one sum → SVG. */
function still(state) {
  const padded = pad(pictureOf(state), state.padding, state.mode);
  const result = crossCorrelate(padded, state.kernel, state.stride);
  const legend = legendOf(state, extent(result.values));
  const at = sumAt(state, padded, result, clampAll(state.point, [0, 0], [result.height - 1, result.width - 1]));
  const side = 256;
  const sized = ({ height, width }) => [width, height].map((length) => (side * length) / Math.max(height, width));

  const paper = new Paper(720, 24 + side + 66);
  const page = paper.sheet(0, 0, paper.width, paper.height);
  const around = state.padding ? ` + ${state.padding} around` : "";
  const shape = ({ height, width }) => `${height} × ${width}`;
  const inner = { height: padded.height - 2 * state.padding, width: padded.width - 2 * state.padding };
  titlePart(page, 0, 0, side, "Input", shape(inner) + around);
  titlePart(page, 281, 0, 158, "Kernel", state.kernel_name);
  titlePart(page, 464, 0, side, "Output", shape(result));
  write(page, "⋆", 268.5, 24 + side / 2, { size: 26, align: "center" });
  write(page, "=", 451.5, 24 + side / 2, { size: 20, align: "center" });

  const input = paper.sheet(0, 24, ...sized(padded));
  paintInput(input, padded, state.padding);
  markInput(input, padded, state, at);
  paintKernel(paper.sheet(281, 24 + (side - 158) / 2, 158, 158), state.kernel);
  const output = paper.sheet(464, 24, ...sized(result));
  paintOutput(output, result, legend);
  markOutput(output, result, at);
  output.context.strokeStyle = css(output.palette.line);
  output.context.strokeRect(0.5, 0.5, output.width - 1, output.height - 1);
  paintScale(paper.sheet(464, 24 + side + 8, side, 28), legend);
  const place = `Row ${at.i}, column ${at.j}: ${spelledSum(at.products)} = `;
  write(page, `${place}${format(at.value, 4)}`, 0, 24 + side + 56, { size: 13 });
  return paper.markup();
}
