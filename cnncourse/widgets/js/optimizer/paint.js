// What is painted: the landscape, the paths over it, the losses and the sweep; all in pixels of the page.

const TINY = 1e-40; // stands for no height at all where a logarithm is drawn
const LOWEST = -16; // the lowest power of ten drawn: below it there is only rounding
const LEVELS_A_DECADE = 2; // contours
const DECADES = 4.5; // below the highest point
const RUN_COLORS = [[0, 114, 178], [192, 79, 0], [0, 128, 94], [163, 64, 122]]; // on paper
const DASHES = [[], [7, 3.5], [0.5, 4], [9, 3.5, 0.5, 3.5]];

const runColor = ({ palette }, index) => (palette.runs ?? RUN_COLORS)[index];

// --- strokes ---------------------------------------------------------------------------------------------------

/** The outline of a marker: circle, square, triangle, diamond. */
function marker(context, which, x, y, size) {
  context.beginPath();
  if (which === 0) context.arc(x, y, size, 0, 2 * Math.PI);
  else if (which === 1) context.rect(x - 0.88 * size, y - 0.88 * size, 1.76 * size, 1.76 * size);
  else {
    const points = which === 2
      ? [[0, -1.15], [1.1, 0.8], [-1.1, 0.8]]
      : [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]];
    points.forEach(([right, down], index) => {
      if (index) context.lineTo(x + right * size, y + down * size);
      else context.moveTo(x + right * size, y + down * size);
    });
    context.closePath();
  }
}

/** A filled marker that stands off from what is behind it. */
function paintMarker(sheet, which, x, y, size, halo) {
  const { context, palette } = sheet;
  marker(context, which, x, y, size);
  context.strokeStyle = css(palette.surface);
  context.lineWidth = halo;
  context.stroke();
  context.fillStyle = css(runColor(sheet, which));
  context.fill();
}

/** The present path stroked twice: wide in one color, then narrow in another. */
function strokeHaloed(context, path, ...strokes) {
  for (const [color, width] of strokes) {
    context.strokeStyle = css(color);
    context.lineWidth = width;
    context.beginPath();
    path();
    context.stroke();
  }
}

function cross(context, x, y, size) {
  context.moveTo(x - size, y - size);
  context.lineTo(x + size, y + size);
  context.moveTo(x + size, y - size);
  context.lineTo(x - size, y + size);
}

/** Add a line through points from..to to the path of the context, cut to a box however far it goes. */
function trace(context, from, to, at, box) {
  let pen = null;
  let [x0, y0] = at(from);
  for (let index = from + 1; index <= to; index += 1) {
    const [x1, y1] = at(index);
    if (Math.abs(x1 - x0) < 0.7 && Math.abs(y1 - y0) < 0.7 && index < to) continue; // too close to be seen
    const line = clipped(x0, y0, x1, y1, box);
    if (line) {
      if (!pen || pen[0] !== line[0] || pen[1] !== line[1]) context.moveTo(line[0], line[1]);
      context.lineTo(line[2], line[3]);
      pen = [line[2], line[3]];
    } else pen = null;
    [x0, y0] = [x1, y1];
  }
}

/** A part of a line of a run in its dashes. */
function strokePart(context, [from, to], at, box, { color, width, dash = [], alpha = 1 }) {
  if (from >= to) return;
  context.globalAlpha = alpha;
  context.strokeStyle = css(color);
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  context.setLineDash(dash);
  context.beginPath();
  trace(context, from, to, at, box);
  context.stroke();
  context.globalAlpha = 1;
  context.setLineDash([]);
}

/** The line and the marker by which a run is known, on a sheet of 26 × 14. */
function paintSwatch(sheet, which) {
  const color = runColor(sheet, which);
  strokePart(sheet.context, [0, 1], (end) => [1 + 24 * end, 7], [0, 0, 26, 14], { color, width: 2, dash: DASHES[which] });
  marker(sheet.context, which, 13, 7, 4);
  sheet.context.fillStyle = css(color);
  sheet.context.fill();
}

// --- the landscape ---------------------------------------------------------------------------------------------

/** (x, y) → its place on a square of `side`. */
function toPixels({ window: [[x0, x1], [y0, y1]] }, side) {
  const [scaleX, scaleY] = [side / (x1 - x0), side / (y1 - y0)];
  return (x, y) => [(x - x0) * scaleX, (y1 - y) * scaleY];
}

/** At every pixel of a square, the contours below it, as a number that is whole on a contour. */
function contourLevels({ height, least, window: [[x0, x1], [y0, y1]] }, side) {
  const levels = new Float32Array(side * side);
  for (let row = 0; row < side; row += 1) {
    const y = y1 - ((row + 0.5) / side) * (y1 - y0);
    for (let column = 0; column < side; column += 1) {
      const x = x0 + ((column + 0.5) / side) * (x1 - x0);
      levels[row * side + column] = LEVELS_A_DECADE * Math.log10(Math.max(1e-12, height(x, y) - least));
    }
  }
  const lowest = levels.reduce((top, level) => Math.max(top, level)) - LEVELS_A_DECADE * DECADES;
  return levels.map((level) => level - lowest);
}

/** The colors between which a landscape lies: low, high, and its contours. */
function landColors({ surface, ink }) {
  return luminance(surface) < 0.2
    ? [mix(surface, ink, 0.02), mix(surface, [126, 158, 190], 0.42), mix(surface, [150, 180, 210], 0.62)]
    : [surface, mix(surface, [88, 122, 156], 0.52), mix(surface, [60, 90, 122], 0.62)];
}

/** Heights as bands between contours, half a decade apart, with smooth edges. */
function paintLandscape(sheet, surface, finest = 900) {
  const side = Math.min(Math.round(sheet.width * sheet.density), finest);
  const levels = contourLevels(surface, side);
  const [low, high, line] = landColors(sheet.palette);
  const count = LEVELS_A_DECADE * DECADES;
  const buffer = new PixelBuffer();
  buffer.resize(side, side);
  for (let row = 0, at = 0; row < side; row += 1) {
    for (let column = 0; column < side; column += 1, at += 1) {
      const value = levels[at];
      const across = levels[column + 1 < side ? at + 1 : at] - value;
      const down = levels[row + 1 < side ? at + side : at] - value;
      const steep = Math.max(1e-6, Math.sqrt(across * across + down * down));
      const band = Math.floor(value);
      const part = value - band;
      // How much of this pixel lies beyond the contour below or above it.
      const below = Math.max(-0.5, Math.min(0, part / steep - 0.5));
      const above = Math.max(0, Math.min(0.5, 0.5 - (1 - part) / steep));
      const level = Math.max(0, Math.min(count, band + below + above + 0.5));
      const crowded = Math.max(0, Math.min(1, 1.6 - 4 * steep)); // lines that would run together fade
      const near = Math.min(part, 1 - part) / steep;
      const contour = value < -0.5 ? 0 : Math.max(0, Math.min(1, 1.05 - near)) * crowded;
      const share = (level / (count + 0.5)) ** 1.15;
      let pixel = 255;
      for (let channel = 2; channel >= 0; channel -= 1) {
        const fill = low[channel] + (high[channel] - low[channel]) * share;
        pixel = (pixel << 8) | Math.round(fill + (line[channel] - fill) * contour * 0.55);
      }
      buffer.pixels[at] = pixel;
    }
  }
  buffer.draw(sheet.context, [0, 0, sheet.width, sheet.height], { smooth: true });
  paintTicks(sheet, surface);
  paintMinima(sheet, surface);
}

/** A scale along the left and the lower edge, inside the picture. */
function paintTicks(sheet, { window: [[x0, x1], [y0, y1]] }) {
  const { context, palette, width: side } = sheet;
  const gap = x1 - x0 > 6 ? (x1 - x0 > 10 ? 3 : 2) : 1;
  const look = { size: 11, color: css(mix(palette.muted, palette.ink, 0.35)) };
  for (let value = Math.ceil(x0 / gap) * gap; value <= x1; value += gap) {
    const x = ((value - x0) / (x1 - x0)) * side;
    if (x < 14 || x > side - 14) continue;
    write(sheet, format(value), x, side - 6, { ...look, align: "center", baseline: "bottom" });
    context.fillRect(Math.round(x), side - 4, 1, 4);
  }
  for (let value = Math.ceil(y0 / gap) * gap; value <= y1; value += gap) {
    const y = ((y1 - value) / (y1 - y0)) * side;
    if (y < 14 || y > side - 22) continue;
    write(sheet, format(value), 7, y + 1, look);
    context.fillRect(0, Math.round(y), 4, 1);
  }
}

function paintMinima({ context, palette, width }, surface) {
  const place = toPixels(surface, width);
  context.lineCap = "butt";
  for (const [color, thick, size] of [[palette.surface, 6, 7.5], [palette.ink, 2.6, 6]]) {
    for (const [x, y] of surface.minima.map((minimum) => place(...minimum))) {
      strokeHaloed(context, () => {
        context.moveTo(x - size, y);
        context.lineTo(x + size, y);
        context.moveTo(x, y - size);
        context.lineTo(x, y + size);
      }, [color, thick]);
    }
  }
}

// --- the paths -------------------------------------------------------------------------------------------------

function paintPaths(sheet, { settings, results, shown }) {
  const { context, palette, width: side } = sheet;
  const place = toPixels(SURFACES[settings.surface], side);
  // The longest path goes first: where they lie on one another, the others stay visible up to their ends.
  const lengths = results.map(({ xs, ys, count }) => {
    let length = 0;
    for (let step = 1; step < count; step += 1) length += Math.hypot(xs[step] - xs[step - 1], ys[step] - ys[step - 1]);
    return length;
  });
  const order = [...lengths.keys()].sort((one, other) => lengths[other] - lengths[one]);
  for (const index of order) paintPath(sheet, index, results[index], shown, place);
  results.forEach((result, index) => {
    if (!isGone(result, shown)) paintHead(sheet, index, place(...pointAt(result, indexAt(result, shown))));
  });
  results.forEach((result, index) => {
    if (isGone(result, shown)) paintExit(sheet, index, result, place);
  });
  const start = place(...settings.start);
  strokeHaloed(context, () => context.arc(...start, 8, 0, 2 * Math.PI), [palette.surface, 6], [palette.ink, 2.4]);
}

/** One path, faint beyond the step shown, with a dot for each step where they can be told apart. */
function paintPath(sheet, index, result, shown, place) {
  const { context, palette, width: side } = sheet;
  const box = [-side / 4, -side / 4, 1.25 * side, 1.25 * side];
  const at = (step) => place(...pointAt(result, step));
  const [now, color] = [indexAt(result, shown), runColor(sheet, index)];
  strokePart(context, [now, result.count - 1], at, box, { color, width: 1.4, dash: DASHES[index], alpha: 0.28 });
  strokePart(context, [0, now], at, box, { color: palette.surface, width: 4.4, alpha: 0.75 });
  strokePart(context, [0, now], at, box, { color, width: 2.2, dash: DASHES[index] });
  context.fillStyle = css(color);
  let before = at(0);
  for (let step = 1; step <= now; step += 1) {
    const [x, y] = at(step);
    const inside = x >= 0 && y >= 0 && x <= side && y <= side;
    if (inside && Math.hypot(x - before[0], y - before[1]) >= 6) {
      context.beginPath();
      context.arc(x, y, 2.6, 0, 2 * Math.PI);
      context.fill();
    }
    before = [x, y];
  }
}

/** The marker at the step shown: at the edge, and smaller, where the path is outside. */
function paintHead(sheet, index, spot) {
  const inside = spot.map((value) => clamp(value, 8, sheet.width - 8));
  const outside = spot.some((value) => value < 0 || value > sheet.width);
  paintMarker(sheet, index, ...inside, outside ? 4 : 5.6, 3.4);
}

/** A cross where a path that diverged is last seen in the picture, with the step. */
function paintExit(sheet, index, result, place) {
  const { context, palette, width: side, font } = sheet;
  const at = (step) => place(...pointAt(result, step));
  let spot = at(0);
  for (let step = 1; step < result.count; step += 1) {
    const line = clipped(...at(step - 1), ...at(step), [0, 0, side, side]);
    if (line) spot = [line[2], line[3]];
  }
  const [x, y] = spot.map((value) => clamp(value, 12, side - 12));
  const color = runColor(sheet, index);
  strokeHaloed(context, () => cross(context, x, y, 6), [palette.surface, 6.5], [color, 3]);
  const right = x > side / 2;
  const [textX, text] = [x + (right ? -12 : 12), `step ${result.step}`];
  context.font = `600 12px ${font}`;
  context.textAlign = right ? "right" : "left";
  context.textBaseline = "middle";
  context.strokeStyle = css(palette.surface);
  context.lineWidth = 4;
  context.strokeText(text, textX, y);
  context.fillStyle = css(color);
  context.fillText(text, textX, y);
}
