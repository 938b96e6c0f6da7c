// What is painted: drawings, the maps of a layer, what a unit sees, and tiles of numbers.

const HIDDEN_LAYERS = LAYERS.slice(0, -1); // those whose maps are painted; the output is bars

/** Where the maps of a layer stand on a sheet: cells of whole device pixels. */
function layoutOf({ maps, side, columns, largest, ...layer }, width, ratio) {
  const across = columns[width < NARROW * ratio ? 1 : 0];
  const gap = Math.round(layer.gap * ratio);
  const most = Math.floor((width - (across - 1) * gap) / (across * side));
  const cell = clamp(Math.round(largest * ratio), 1, Math.max(1, most));
  const pitch = cell * side + gap;
  const rows = Math.ceil(maps / across);
  const top = Math.round(2 * ratio); // room for the frame around a map at the edge
  const left = across * pitch - gap + 2 * top > width ? 0 : top;
  return {
    across, cell, pitch, left, top, height: rows * pitch - gap + 2 * top,
    corner: (map) => [left + (map % across) * pitch, top + Math.floor(map / across) * pitch],
  };
}

function paintGrays({ context, width, height }, side, grayAt, buffer = new PixelBuffer()) {
  buffer.resize(side, side);
  for (let at = 0; at < side * side; at += 1) {
    const gray = grayAt(at);
    buffer.pixels[at] = packed([gray, gray, gray]);
  }
  buffer.draw(context, [0, 0, width, height]);
}

/** What the network gets: 28 × 28 pixels with black around them. */
function paintReceived(sheet, shown, buffer) {
  paintGrays(sheet, FIELD, (at) => {
    const [y, x] = [Math.floor(at / FIELD) - MARGIN, (at % FIELD) - MARGIN];
    return y < 0 || x < 0 || y >= SIDE || x >= SIDE ? 0 : shown[y * SIDE + x];
  }, buffer);
}

/** A value between −1 and 1 → its packed color. */
const shaderOf = (palette) => shader((share) => signedColor(palette, emphasized(2 * share - 1)), -1, 1);

function paintLayer({ context, width, ratio, palette }, layer, values, largest, shadeOf, buffer = new PixelBuffer()) {
  const { maps, side } = layer;
  const { corner, cell } = layoutOf(layer, width, ratio);
  buffer.resize(maps * side, side); // one map below the other
  for (let at = 0; at < values.length; at += 1) buffer.pixels[at] = shadeOf(values[at] / largest);
  context.strokeStyle = css(mix(palette.surface, palette.muted, 0.35));
  context.lineWidth = Math.max(1, Math.round(ratio));
  for (let map = 0; map < maps; map += 1) {
    const [x, y] = corner(map);
    buffer.draw(context, [x, y, cell * side, cell * side], { top: map * side, height: side });
    context.strokeRect(x - 0.5, y - 0.5, cell * side + 1, cell * side + 1);
  }
}

/** What the pointed unit sees of the pixels that the network gets. */
function markReceived(sheet, { y, x, size }) {
  const step = sheet.width / FIELD;
  const edge = Math.min(step * size, sheet.width - 4 * sheet.ratio); // the whole field is framed from inside
  const inset = size === FIELD ? 2 * sheet.ratio : 0;
  drawFrame(sheet, x * step + inset, y * step + inset, edge, edge);
}

/** Around all units of a strip, whose last row may be shorter. */
function outlineStrip({ context, ratio }, { maps }, { across, cell, corner }) {
  const [[left, top], [lastLeft, lastTop]] = [corner(0), corner(maps - 1)];
  const [right, lastRight] = [corner(Math.min(across, maps) - 1)[0] + cell, lastLeft + cell];
  const step = lastRight < right ? lastTop : lastTop + cell;
  context.lineWidth = 1.5 * ratio;
  context.beginPath();
  context.moveTo(left, top);
  for (const turn of [[right, top], [right, step], [lastRight, step], [lastRight, lastTop + cell], [left, lastTop + cell]]) {
    context.lineTo(...turn);
  }
  context.closePath();
  context.stroke();
}

/** What the pointed unit sees of a layer before its own; in its own, the unit and its map in frames. */
function markLayer(sheet, layer, { name, seen: { [layer.name]: seen } }) {
  if (!seen) return;
  const { context, width, ratio, palette } = sheet;
  const layout = layoutOf(layer, width, ratio);
  const { corner, cell } = layout;
  const { y, x, size } = seen;
  context.strokeStyle = css(palette.mark);
  const own = layer.name === name;
  if (!own && layer.side === 1) { // it is read whole
    outlineStrip(sheet, layer, layout);
    return;
  }
  for (const map of seen.maps ?? Array.from({ length: layer.maps }, (_, index) => index)) {
    const [left, top] = corner(map);
    const box = [left + x * cell, top + y * cell, size * cell, size * cell];
    if (layer.side > 1) {
      context.lineWidth = (own ? 2 : 1.5) * ratio;
      if (own) context.strokeRect(left - ratio, top - ratio, cell * layer.side + 2 * ratio, cell * layer.side + 2 * ratio);
      else context.strokeRect(...box);
    }
    if (own) {
      const room = cell < 6 * ratio ? ratio : 0; // what is small is framed from outside
      drawFrame(sheet, box[0] - room, box[1] - room, box[2] + 2 * room, box[3] + 2 * room);
    }
  }
}

/** Tiles of k × k numbers, `across` in a row, as large as they fit. */
function paintTiles({ context, width, height, ratio, palette }, numbers, k, across, most) {
  const tiles = numbers.length / (k * k);
  const down = Math.ceil(tiles / across);
  const gap = Math.round((k > 1 ? 4 : 1) * ratio);
  const line = Math.max(1, Math.round(ratio)); // around each cell
  const fits = (length, count) => (length - line - (count - 1) * gap) / (count * k);
  const cell = Math.floor(Math.min(fits(width, across), fits(height, down)));
  const pitch = cell * k + gap;
  const [left, top] = [[width, across], [height, down]].map(([length, count]) =>
    Math.floor((length - count * pitch + gap) / 2));
  context.strokeStyle = css(mix(palette.surface, palette.muted, 0.3));
  context.lineWidth = line;
  numbers.forEach((number, index) => {
    const [tile, at] = [Math.floor(index / (k * k)), index % (k * k)];
    const x = left + (tile % across) * pitch + (at % k) * cell;
    const y = top + Math.floor(tile / across) * pitch + Math.floor(at / k) * cell;
    context.fillStyle = css(signedColor(palette, emphasized(clamp(number / most, -1, 1))));
    context.fillRect(x, y, cell, cell);
    if (cell >= 5 * ratio) context.strokeRect(x + line / 2, y + line / 2, cell, cell);
  });
}

// --- on paper ------------------------------------------------------------------------------------------------

function paintBars(sheet, { probabilities, empty }) {
  const { context, palette, width } = sheet;
  const first = probabilities.indexOf(Math.max(...probabilities));
  probabilities.forEach((share, digit) => {
    const [y, weight] = [19 * digit, digit === first && !empty ? 700 : 400];
    write(sheet, String(digit), 0, y + 8, { weight });
    write(sheet, inPercent(share), width, y + 8, { size: 11.5, weight, align: "right" });
    context.fillStyle = css(mix(palette.surface, palette.muted, 0.15));
    context.fillRect(16, y + 3, width - 80, 10);
    context.fillStyle = css(empty ? palette.muted : palette.positive);
    context.fillRect(16, y + 3, (width - 80) * share, 10);
  });
}

/** What the network gets and answers, every layer, and how one unit comes to its value → SVG. */
function still(state) {
  const network = decodeNetwork(state.network);
  const scales = findScales(network, state.samples.map(decodeBytes));
  const result = answerTo(network, state);
  const at = unitOf(result, state.layer, unitInside(state.layer, state.unit));
  const heights = HIDDEN_LAYERS.map((layer) => layoutOf(layer, 720, 1).height);
  const tops = heights.map((_, index) => 236 + 30 * index + heights.slice(0, index).reduce((sum, height) => sum + height, 0));
  const paper = new Paper(720, tops.at(-1) + heights.at(-1) + 66);
  const page = paper.sheet(0, 0, paper.width, paper.height);

  titlePart(page, 0, 0, 196, "The network gets", "32 × 32");
  const received = paper.sheet(0, 24, 196, 196);
  paintReceived(received, result.shown);
  if (at.seen.input) markReceived(received, at.seen.input);
  const [said, doubt] = verdictOn(result);
  titlePart(page, 228, 0, 200, "It answers");
  write(page, said, 228, 46, { size: said.length > 8 ? 19 : 28, weight: 700, color: css(page.palette.positive) });
  wrapped(doubt, 34).forEach((line, index) => write(page, line, 228, 80 + 18 * index, { color: css(page.palette.muted) }));
  paintBars(paper.sheet(470, 24, 250, 196), result);

  const shadeOf = shaderOf(page.palette);
  const kinds = kindsOf(network);
  HIDDEN_LAYERS.forEach((layer, index) => {
    titlePart(page, 0, tops[index], 720, titleOf(layer), kinds[layer.name]);
    write(page, extentOf(layer), 30, tops[index] + 9, { color: css(page.palette.muted) });
    const sheet = paper.sheet(0, tops[index] + 20, 720, heights[index]);
    paintLayer(sheet, layer, result.values[layer.name], scales[layer.name], shadeOf);
    markLayer(sheet, layer, at);
  });
  const foot = tops.at(-1) + heights.at(-1) + 36;
  write(page, placeIn(at) + valueText(result, at), 0, foot, { size: 13, weight: 650 });
  write(page, reasonFor(network, at), 0, foot + 20, { color: css(page.palette.muted) });
  return paper.markup();
}
