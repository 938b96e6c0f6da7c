// What is painted of whole networks: their totals by category, a map of all of them; and the picture for paper.

const COLUMNS = 680; // pixels from which on the totals stand side by side

/** How high the bars of one quantity are, and the totals as a whole. */
const quantityHeight = (count) => (count > 1 ? 20 + 30 * count : 32);
const totalsHeight = (count, width) => (width >= COLUMNS ? quantityHeight(count) : 3 * quantityHeight(count) + 2 * 12);

/** A bar for each network and quantity, in the colors of its categories, as long as its share of the largest. */
function paintTotals(sheet, networks) {
  const { context, palette, width } = sheet;
  const [columns, gap, several] = [width >= COLUMNS ? 3 : 1, 26, networks.length > 1];
  const wide = (width - gap * (columns - 1)) / columns;
  paintGround(sheet);
  Object.entries(QUANTITIES).forEach(([what, title], index) => {
    const x = (index % columns) * (wide + gap);
    const y = Math.floor(index / columns) * (quantityHeight(networks.length) + 12);
    const most = Math.max(1, ...networks.map((network) => network[what]));
    write(sheet, title, x, y + 8, { size: 12.5, color: css(palette.muted) });
    networks.forEach((network, which) => {
      const top = y + (several ? 36 + 30 * which : 20);
      const number = exactly(what, network[what]);
      write(sheet, number, x + wide, top - (several ? 10 : 12), { size: 13, weight: 650, align: "right" });
      const room = wide - textWidth(sheet, number, 13, 650) - 10;
      if (several) write(sheet, shortened(sheet, titleOf(network.settings), room, 12), x, top - 10, { size: 12 });
      context.fillStyle = css(mix(palette.surface, palette.ink, 0.07));
      context.fillRect(x, top, wide, 9);
      let left = x;
      sharesOf(network, what).forEach((sum, category) => {
        const length = (wide * sum) / most;
        context.fillStyle = css(kindColor(sheet, category));
        if (length > 0) context.fillRect(left, top, length, 9);
        left += length;
      });
    });
  });
}

/** The text, or its beginning with an ellipsis, in so many pixels. */
function shortened(sheet, text, room, size) {
  let shown = text;
  while (shown.length > 1 && textWidth(sheet, shown, size) > room) shown = `${shown.replace("…", "").slice(0, -1)}…`;
  return shown;
}

/** A square of the color of a category. */
function paintSwatch({ context, palette }, category) {
  context.fillStyle = css(kindColor({ palette }, category));
  context.fillRect(0, 0, 12, 12);
}

// --- the map ----------------------------------------------------------------------------------------------------

const MAP_FRAME = [46, 26, 14, 34]; // pixels left, above, right and below of the plot
const DECADES = ["1", "10", "100", "1 k", "10 k", "100 k", "1 M", "10 M", "100 M", "1 G", "10 G", "100 G", "1 T"];

/** Where the map puts a network, and the lines of its axes. */
function mapScale(dots, width, height) {
  const [left, top, right, bottom] = MAP_FRAME;
  const axis = (what) => {
    const logs = dots.map((dot) => Math.log10(dot[what]));
    return [Math.min(...logs) - 0.25, Math.max(...logs) + 0.25];
  };
  const [x, y] = [axis("multiply_adds"), axis("parameters")];
  const across = (power) => left + ((power - x[0]) / (x[1] - x[0])) * (width - left - right);
  const down = (power) => top + ((y[1] - power) / (y[1] - y[0])) * (height - top - bottom);
  const lines = ([low, high]) => DECADES.flatMap((text, power) => (power >= low && power <= high ? [[power, text]] : []));
  return {
    at: (dot) => [across(Math.log10(dot.multiply_adds)), down(Math.log10(dot.parameters))],
    across, down, verticals: lines(x), horizontals: lines(y), box: [left, top, width - right, height - bottom],
  };
}

function paintAxes(sheet, { across, down, verticals, horizontals, box }) {
  const { context, palette } = sheet;
  const [left, top, right, bottom] = box;
  const look = { size: 11, color: css(palette.muted) };
  context.fillStyle = css(palette.line);
  for (const [power] of verticals) context.fillRect(Math.round(across(power)), top, 1, bottom - top);
  for (const [power] of horizontals) context.fillRect(left, Math.round(down(power)), right - left, 1);
  for (const [power, text] of verticals) write(sheet, text, across(power), bottom + 10, { ...look, align: "center" });
  for (const [power, text] of horizontals) write(sheet, text, left - 6, down(power), { ...look, align: "right" });
  write(sheet, "multiply-adds →", right, bottom + 26, { ...look, align: "right" });
  write(sheet, "↑ parameters", 0, top - 12, look);
}

function dot({ context, palette }, [x, y], radius, color, ring = palette.surface) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = css(color);
  context.fill();
  context.strokeStyle = css(ring);
  context.lineWidth = 1.25;
  context.stroke();
}

/** All networks; those of the first one's family darker, those chosen in their own marks, with as many names as fit. */
function paintMap(sheet, { dots, chosen, pointed }) {
  const { palette, context } = sheet;
  const scale = mapScale(dots, sheet.width, sheet.height);
  paintGround(sheet);
  paintAxes(sheet, scale);
  const family = entryOf(pointed ?? chosen[0]).family;
  const rank = (each) => (each.model === pointed ? 0 : chosen.includes(each.model) ? 1 : each.family === family ? 2 : 3);
  const order = [...dots].sort((a, b) => rank(a) - rank(b));
  for (const each of [...order].reverse()) {
    const own = rank(each) < 3;
    dot(sheet, scale.at(each), own ? 5 : 4, own ? palette.positive : mix(palette.surface, palette.muted, 0.75));
  }
  nameDots(sheet, scale, order, rank);
  for (const model of new Set([...chosen, ...(pointed ? [pointed] : [])])) {
    const [x, y] = scale.at(dots.find((each) => each.model === model));
    strokeTwice(sheet, () => context.arc(x, y, model === pointed ? 10 : 8, 0, 2 * Math.PI));
  }
}

/** As many names as find room beside the dots; those of what is chosen come first, and over dots if need be. */
function nameDots(sheet, scale, order, rank) {
  const { palette } = sheet;
  const labels = new Labels(sheet);
  const strong = order.filter((each) => rank(each) < 2);
  const boxOf = (each, radius) => {
    const [x, y] = scale.at(each);
    return [x - radius, y - radius, x + radius, y + radius];
  };
  const put = (each) => {
    const [x, y] = scale.at(each);
    const look = { size: 11, weight: strong.includes(each) ? 650 : 400, halo: strong.includes(each) ? 4 : 0, gap: 1 };
    look.color = css(rank(each) < 3 ? palette.ink : palette.muted);
    const [side, over] = strong.includes(each) ? [14, 18] : [9, 13];
    const inside = [scale.box[0], scale.box[2]];
    const beside = [[x + side, y, "left"], [x - side, y, "right"]];
    const around = [[x, "center"], [x + 8, "right"], [x - 8, "left"]];
    const places = [...beside, ...[-over, over].flatMap((by) => around.map(([from, align]) => [from, y + by, align]))];
    return places.some(([across, down, align]) => fits(sheet, each.model, across, align, inside, look) &&
      labels.put(each.model, across, down, { ...look, align }));
  };
  const dots = order.map((each) => boxOf(each, 5));
  labels.taken = [...dots, ...strong.map((each) => boxOf(each, 10))];
  const left = strong.filter((each) => !put(each));
  labels.taken = labels.taken.filter((box) => !dots.includes(box));
  for (const each of left) put(each);
  labels.taken.push(...dots);
  for (const each of order) if (!strong.includes(each)) put(each);
}

/** Whether a text lies within these limits without being moved. */
function fits(sheet, text, x, align, [from, to], { size, weight }) {
  const width = textWidth(sheet, text, size, weight);
  const left = x - { left: 0, center: width / 2, right: width }[align];
  return left >= from && left + width <= to;
}

/** The networks under a point of the map, the nearest first; those as good as at the same place follow. */
function dotsUnder(dots, width, height, x, y) {
  const { at } = mapScale(dots, width, height);
  const away = (each) => Math.hypot(at(each)[0] - x, at(each)[1] - y);
  const nearest = dots.reduce((best, each) => (away(each) < away(best) ? each : best));
  if (away(nearest) > 24) return [];
  return [nearest, ...neighborsOf(dots, nearest, width, height)];
}

/** The networks that cannot be told from one on the map. */
function neighborsOf(dots, one, width, height) {
  const { at } = mapScale(dots, width, height);
  const [x, y] = at(one);
  return dots.filter((each) => each !== one && Math.hypot(at(each)[0] - x, at(each)[1] - y) < 4);
}

// --- on paper -----------------------------------------------------------------------------------------------------

/** The networks, what is held of them, their totals, and the map → SVG. */
function still(state) {
  const width = 720;
  const scene = sceneOf(state, width);
  const { networks, drawings, held } = scene;
  const part = heldPart(scene, held);
  const lines = [
    partSentence(networks[held[0]], part),
    ...networks.flatMap((network) => [summarySentence(network), whereSentence(network)]),
    ...(networks.length > 1 ? [compareSentence(networks)] : []),
  ].flatMap((text) => wrapped(text, 112));
  const sums = totalsHeight(networks.length, width);
  const height = drawings.length * (24 + BLOCKS_HEIGHT + 8) + 24 + sums + 14 + 19 * lines.length + 330;
  const paper = new Paper(width, height);
  const page = paper.sheet(0, 0, width, height);
  let y = 0;
  drawings.forEach((drawing, which) => {
    titlePart(page, 0, y, width, titleOf(networks[which].settings), headOf(networks[which], drawing.opened));
    const sheet = paper.sheet(0, y + 24, width, BLOCKS_HEIGHT);
    paintBlocks(sheet, drawing);
    if (held[0] === which) paintPointed(sheet, drawing, part.path);
    y += 24 + BLOCKS_HEIGHT + 8;
  });
  paintLegend(page, y, scene);
  paintTotals(paper.sheet(0, y + 24, width, sums), networks);
  y += 24 + sums + 14;
  lines.forEach((text, index) => write(page, text, 0, y + 10 + 19 * index, { size: 12.5 }));
  y += 19 * lines.length + 10;
  titlePart(page, 0, y, width, "All networks, as published");
  const chosen = networks.map(({ settings: { model } }) => model);
  paintMap(paper.sheet(0, y + 24, width, 290), { dots: allNetworks(), chosen, pointed: null });
  return paper.markup();
}

/** The categories in their colors, in a row. */
function paintLegend(sheet, y, { networks, bars }) {
  let x = 0;
  for (const category of usedCategories(networks)) {
    sheet.context.fillStyle = css(kindColor(sheet, category));
    sheet.context.fillRect(x, y + 3, 12, 12);
    write(sheet, CATEGORIES[category], x + 18, y + 9.5, { size: 12 });
    x += 18 + textWidth(sheet, CATEGORIES[category], 12) + 16;
  }
  write(sheet, `Bars below the blocks: ${QUANTITIES[bars].toLowerCase()}`, sheet.width, y + 9.5,
    { size: 12, align: "right", color: css(sheet.palette.muted) });
}
