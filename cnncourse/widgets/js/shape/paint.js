// What is painted: two grids to one scale, and what is pointed at. A scene is { settings, step, counted, pointed }.

/** Which grid a panel holds: the "windows" or the "pixels" they lie on. */
const roleOf = ({ view }, name) => ((name === "input") === (view === "forward") ? "pixels" : "windows");
const panelOf = (settings, role) => (roleOf(settings, "input") === role ? "input" : "output");

/** Where the cells of a grid are drawn on a square of `side`: all cells of both grids are of one size. Pairs are [y, x]. */
function layoutOf(settings, role, side) {
  const both = bothSides(settings);
  const most = Math.max(...both.map(({ grid }) => grid));
  const cell = side / most >= 6 ? Math.floor((side - 2) / most) : (side - 2) / most;
  const pixels = role === "pixels";
  const counts = both.map(({ grid, windows }) => (pixels ? grid : windows));
  return {
    cell, counts,
    borders: both.map(({ before }) => (pixels ? before : 0)),
    inside: both.map((axis) => (pixels ? axis.pixels : axis.windows)),
    corners: counts.map((count) => Math.floor((side - cell * count) / 2)),
  };
}

/** Gray for what is given, blue for what is computed. */
const baseOf = ({ surface, ink, positive }, name) =>
  (name === "input" ? mix(surface, ink, 0.1) : mix(surface, positive, 0.42));

/** Text in the middle of a cell, if it fits there. */
function writeInside(sheet, text, x, y, cell, color, most = 12) {
  const { context, ratio, font } = sheet;
  const size = Math.min(most, (0.9 * cell) / ratio);
  context.font = `${size * ratio}px ${font}`;
  if (size < 8 || context.measureText(text).width > cell - 3 * ratio) return;
  write(sheet, text, x + cell / 2, y + cell / 2 + 0.5 * ratio, { size, color, align: "center" });
}

/** The lines of a grid, each once; dotted where the cells are not real. */
function paintLines({ context, ratio }, [y, x], cell, [rows, columns], color, dotted = false) {
  if (cell < 4 * ratio) return;
  const width = Math.max(1, Math.round(ratio));
  context.strokeStyle = css(color);
  context.lineWidth = width;
  if (dotted) context.setLineDash([2 * ratio, 2 * ratio]);
  context.beginPath();
  const line = (index) => Math.round(index * cell) + width / 2;
  for (let index = 0; index <= rows; index += 1) {
    context.moveTo(x, y + line(index));
    context.lineTo(x + columns * cell + width, y + line(index));
  }
  for (let index = 0; index <= columns; index += 1) {
    context.moveTo(x + line(index), y);
    context.lineTo(x + line(index), y + rows * cell + width);
  }
  context.stroke();
  context.setLineDash([]);
}

/** Slanted lines, which go on from cell to cell. */
function paintHatch({ context, ratio, palette }, x, y, cell) {
  const gap = 5 * ratio;
  const box = [x, y, x + cell, y + cell];
  context.beginPath();
  for (let at = Math.floor((x + y) / gap) * gap; at < x + y + 2 * cell + gap; at += gap) {
    const line = clipped(at - y, y, at - y - cell, y + cell, box);
    if (!line) continue;
    context.moveTo(line[0], line[1]);
    context.lineTo(line[2], line[3]);
  }
  context.strokeStyle = css(palette.negative);
  context.lineWidth = 1.25 * ratio;
  context.stroke();
}

function paintWindows(sheet, name, { settings, step }) {
  const { context, palette } = sheet;
  const { cell, counts, corners } = layoutOf(settings, "windows", sheet.width);
  const [rows, columns] = counts;
  for (let index = 0; index < rows * columns; index += 1) {
    const [y, x] = [corners[0] + Math.floor(index / columns) * cell, corners[1] + (index % columns) * cell];
    const done = name === "input" || index <= step;
    context.fillStyle = css(done ? baseOf(palette, name) : palette.surface);
    context.fillRect(x, y, cell, cell);
  }
  paintLines(sheet, corners, cell, counts, palette.line);
}

/** The cells of the pixels' grid: where they are, how many windows lie on them, and their color. */
function pixelCells({ palette, width }, name, { settings, step, counted }) {
  const { cell, borders, inside, corners } = layoutOf(settings, "pixels", width);
  const { surface, ink } = palette;
  const [rows, columns] = axesOf(settings).map(countsAlong);
  const most = Math.max(...rows) * Math.max(...columns);
  const reached = name === "output" ? writtenUpTo(settings, step) : () => true;
  const strong = name === "input" ? ink : palette.positive;
  return rows.flatMap((down, r) => columns.map((across, c) => {
    const outside = [r, c].some((index, axis) => index < borders[axis] || index >= borders[axis] + inside[axis]);
    const times = down * across;
    let color = outside ? mix(surface, ink, 0.03) : reached(r, c) ? baseOf(palette, name) : surface;
    if (counted && !outside) color = mix(surface, strong, 0.04 + (0.36 * times) / most);
    return { x: corners[1] + c * cell, y: corners[0] + r * cell, outside, times, color };
  }));
}

/** A line before the last rows and the last columns, those that output padding adds. */
function paintAdded(sheet, [top, left], cell, [rows, columns], added) {
  const { context, ratio, palette } = sheet;
  const [y, x] = [top + (rows - added[0]) * cell, left + (columns - added[1]) * cell];
  context.beginPath();
  context.moveTo(left, y);
  if (added[0]) context.lineTo(x, y);
  else context.moveTo(x, y);
  if (added[1]) context.lineTo(x, top);
  context.strokeStyle = css(palette.ink);
  context.lineWidth = 2.5 * ratio;
  context.stroke();
}

function paintPixels(sheet, name, scene) {
  const { context, palette, ratio } = sheet;
  const { cell, counts, borders, inside, corners } = layoutOf(scene.settings, "pixels", sheet.width);
  const { surface, line, muted } = palette;
  const cells = pixelCells(sheet, name, scene);
  for (const { x, y, color } of cells) {
    context.fillStyle = css(color);
    context.fillRect(x, y, cell, cell);
  }
  const dotted = cell >= 10 * ratio;
  const outer = dotted ? mix(line, muted, 0.4) : mix(surface, line, 0.7);
  if (counts.some((count, axis) => count > inside[axis])) paintLines(sheet, corners, cell, counts, outer, dotted);
  for (const { x, y, outside, times, color } of cells) {
    if (!outside && times === 0) paintHatch(sheet, x, y, cell);
    else if (scene.counted) writeInside(sheet, String(times), x, y, cell, outside ? css(muted) : inkOn(color));
    else if (outside && name === "input" && cell >= 15 * ratio) writeInside(sheet, "0", x, y, cell, css(muted), 11);
  }
  const inner = corners.map((corner, axis) => corner + borders[axis] * cell);
  paintLines(sheet, inner, cell, inside, line);
  const added = addedOf(scene.settings);
  if (added.some(Boolean)) paintAdded(sheet, inner, cell, inside, added);
}

function paintGrid(sheet, name, scene) {
  if (roleOf(scene.settings, name) === "pixels") paintPixels(sheet, name, scene);
  else paintWindows(sheet, name, scene);
}

/** The cell that is pointed at in its frame, and what belongs to it in the other grid: sheets by their role. */
function paintMarks(sheets, { settings, counted, pointed: { of, at } }) {
  const lit = belongTo(settings, { of, at });
  const places = Object.fromEntries(Object.entries(sheets).map(([role, sheet]) => {
    const { cell, borders, corners } = layoutOf(settings, role, sheet.width);
    return [role, { sheet, cell, spot: (index, axis) => corners[axis] + (index + borders[axis]) * cell }];
  }));
  const other = places[of === "windows" ? "pixels" : "windows"];
  const { cell, spot, sheet: { context, ratio, palette: { mark, surface } } } = other;
  const color = mix(surface, mark, luminance(surface) > 0.5 ? 0.62 : 0.85);
  const thick = clamp(cell / 5, 1, 3 * ratio);
  for (const [r, u] of lit[0]) {
    for (const [c, v] of lit[1]) {
      const [y, x] = [spot(r, 0), spot(c, 1)];
      if (counted && of === "windows") {
        context.strokeStyle = css(mark);
        context.lineWidth = thick;
        context.strokeRect(x + thick, y + thick, cell - 2 * thick, cell - 2 * thick);
      } else {
        const inset = cell > 8 * ratio ? 1.5 * ratio : 0;
        context.fillStyle = css(color);
        context.fillRect(x + inset, y + inset, cell - 2 * inset, cell - 2 * inset);
        writeInside(other.sheet, `${u},${v}`, x, y, cell, inkOn(color), 11.5);
      }
    }
  }
  const frame = ({ sheet, cell: width, spot: place }, [r, c], [rows, columns]) => {
    const room = width < 10 * ratio ? 2 * ratio : 0; // what is small is framed from outside
    drawFrame(sheet, place(c, 1) - room, place(r, 0) - room, columns * width + 2 * room, rows * width + 2 * room);
  };
  if (of === "windows") frame(other, [lit[0][0][0], lit[1][0][0]], axesOf(settings).map(spanOf));
  frame(places[of], at, [1, 1]);
}

// --- on paper ------------------------------------------------------------------------------------------------

/** Both grids, one window and how the size of the output comes about → SVG. */
function still(state) {
  const { step, show_counts: counted, in_channels: C, out_channels: O, groups, ...rest } = state;
  const settings = setApart(rest, isApart(rest));
  const pointed = { of: "windows", at: windowOf(settings, step) };
  const scene = { settings, step, counted, pointed };
  const [side, left] = [330, 390];
  const cost = costOf(settings, C, O, groups);
  const inGroups = groups === 1 ? "" : ` in ${groups} groups`;
  const lines = [
    ...settingLines(settings),
    sentenceOn(settings, pointed),
    `From ${plural(C, "channel")} to ${O}${inGroups}: ${plural(cost.weights, "weight")}, ${plural(cost.multiplyAdds, "multiply-add")}.`,
  ].flatMap((line) => wrapped(line, 112));
  const paper = new Paper(720, 24 + side + 14 + 20 * lines.length);
  const page = paper.sheet(0, 0, paper.width, paper.height);
  const sheets = {};
  ["input", "output"].forEach((name, index) => {
    titlePart(page, index * left, 0, side, capital(name), sizeOf(settings, name).join(""));
    const sheet = paper.sheet(index * left, 24, side, side);
    paintGrid(sheet, name, scene);
    sheets[roleOf(settings, name)] = sheet;
  });
  paintMarks(sheets, scene);
  write(page, "→", 360, 24 + side / 2, { size: 22, align: "center" });
  lines.forEach((line, index) => write(page, line, 0, 24 + side + 18 + 20 * index, { size: 12.5 }));
  return paper.markup();
}
