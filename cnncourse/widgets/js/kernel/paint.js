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

/** Blank and hatched: the pixels of a picture that the window has not reached. */
function paintUnreached(sheet, { height, width }, reached) {
  const { context, ratio, palette } = sheet;
  const [stepY, stepX] = [sheet.height / height, sheet.width / width];
  const [top, left] = [Math.floor(reached / width) * stepY, (reached % width) * stepX];
  const middle = left ? top + stepY : top;
  const boxes = [[left, top, sheet.width, middle], [0, middle, sheet.width, sheet.height]];
  context.fillStyle = css(palette.surface);
  context.strokeStyle = css(mix(palette.surface, palette.muted, 0.55));
  context.lineWidth = ratio;
  for (const box of boxes.filter(([, from, , to]) => to - from > 0.01)) {
    context.fillRect(box[0], box[1], box[2] - box[0], box[3] - box[1]);
    context.beginPath();
    for (let x = 4 * ratio; x < sheet.width + sheet.height; x += 8 * ratio) {
      const line = clipped(x, 0, x - sheet.height, sheet.height, box);
      if (!line) continue;
      context.moveTo(line[0], line[1]);
      context.lineTo(line[2], line[3]);
    }
    context.stroke();
  }
}

/** A frame around pixels of a picture, which is found even where they are small. */
function markBox(sheet, { height, width }, [top, left, bottom, right]) {
  const { ratio } = sheet;
  const [stepY, stepX] = [sheet.height / height, sheet.width / width];
  const [tall, wide] = [(bottom - top + 1) * stepY, (right - left + 1) * stepX].map((side) => Math.max(side, 5 * ratio));
  const box = [((left + right + 1) * stepX - wide) / 2, ((top + bottom + 1) * stepY - tall) / 2, wide, tall];
  drawFrame(sheet, ...box);
  if (wide < 24 * ratio) drawLeads(sheet, ...box);
}

/** Where the padding ends, the window, and in a walk its current pixel, if that can be seen. */
function markInput(sheet, padded, padding, box, pixel = null) {
  const { context, width, height, ratio, palette } = sheet;
  const [stepY, stepX] = [height / padded.height, width / padded.width];
  if (padding) {
    context.setLineDash([4 * ratio, 3 * ratio]);
    context.lineWidth = ratio;
    context.strokeStyle = css(palette.mark);
    context.strokeRect(padding * stepX, padding * stepY, width - 2 * padding * stepX, height - 2 * padding * stepY);
    context.setLineDash([]);
  }
  markBox(sheet, padded, box);
  if (pixel && stepX >= 5 * ratio) drawFrame(sheet, pixel[1] * stepX, pixel[0] * stepY, stepX, stepY);
}

/** The pixel of the padded input that was multiplied last in a walk; null if there is none. */
const pixelNow = ({ kernel, stride }, { i, j }, step) =>
  step === null ? null : [i * stride + Math.floor(step / kernel.length), j * stride + (step % kernel.length)];

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

/** The pictures of all layers, with the frames of what one pixel depends on. */
function paintLayers(paper, page, top, state, { layers, legends, reached, fields }) {
  const side = 160;
  LAYERS.filter((layer) => layer in layers).forEach((layer, index) => {
    const picture = layers[layer];
    const x = (index * (paper.width - side)) / (LAYERS.length - 1);
    const longest = Math.max(picture.height, picture.width);
    const size = [picture.width, picture.height].map((length) => (side * length) / longest);
    titlePart(page, x, top, side, TITLES[layer]);
    const sheet = paper.sheet(x, top + 24, ...size);
    paintOutput(sheet, picture, legends[layer]);
    if (state.step !== null) paintUnreached(sheet, picture, reached[layer]);
    if (fields[layer]) markBox(sheet, picture, fields[layer]);
    sheet.context.strokeStyle = css(sheet.palette.line);
    sheet.context.strokeRect(0.5, 0.5, sheet.width - 1, sheet.height - 1);
    const range = rangeOf(picture);
    write(page, range, x, top + 24 + side + 12, { size: 12, color: css(page.palette.muted) });
  });
}

/** The three panels, the layers and one sum → SVG. */
function still(state) {
  const padded = pad(pictureOf(state), state.padding, state.mode);
  const result = crossCorrelate(padded, state.kernel, state.stride);
  const scene = sceneOf(state, padded, state.layers ? layersOf(result, state.second_kernel) : { kernel: result });
  const { at, fields, legends: { kernel: legend } } = scene;
  const side = 256;
  const sized = ({ height, width }) => [width, height].map((length) => (side * length) / Math.max(height, width));

  const bottom = 24 + side + 42 + (state.layers ? 214 : 0);
  const paper = new Paper(720, bottom + 24);
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
  markInput(input, padded, state.padding, fields.input, pixelNow(state, at, scene.step));
  paintKernel(paper.sheet(281, 24 + (side - 158) / 2, 158, 158), state.kernel);
  const output = paper.sheet(464, 24, ...sized(result));
  paintOutput(output, result, legend);
  if (state.step !== null) paintUnreached(output, result, scene.reached.kernel);
  markBox(output, result, fields.kernel);
  output.context.strokeStyle = css(output.palette.line);
  output.context.strokeRect(0.5, 0.5, output.width - 1, output.height - 1);
  paintScale(paper.sheet(464, 24 + side + 8, side, 28), legend);
  if (state.layers) paintLayers(paper, page, 24 + side + 48, state, scene);
  const { before, value } = wordsOn(scene, state);
  write(page, `${before}${value}`, 0, bottom + 14, { size: 13 });
  return paper.markup();
}
