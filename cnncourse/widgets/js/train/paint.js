// What is painted: the curves of loss, accuracy and rate, and tiles of kernels and maps; all in pixels of the page.
// A scene is { settings, runs, changed, going, over, speed }; the curves of a run hang on it as they grow.

const RUN_COLORS = [[0, 114, 178], [192, 79, 0]]; // on paper

const runColor = ({ palette }, which) => (palette.runs ?? RUN_COLORS)[which];

/** Axes of a plot over epochs → { across, down, box }; `ticks` are [height from 0 to 1, text]. */
function paintAxes(sheet, { epochs, ticks, guess = null }) {
  const { context, palette } = sheet;
  const [left, top, width, height] = [37, 7, sheet.width - 47, sheet.height - 41];
  const [across, down] = [(epoch) => left + (epoch / epochs) * width, (share) => top + (1 - share) * height];
  const look = { size: 11, color: css(palette.muted) };
  for (const [share, text] of ticks) {
    context.fillStyle = css(palette.line);
    context.fillRect(left, Math.round(down(share)), width, 1);
    write(sheet, text, left - 6, down(share), { ...look, align: "right" });
  }
  for (const epoch of epochs > 1 ? [0, Math.round(epochs / 2), epochs] : [0, 1]) {
    const align = epoch === epochs ? "right" : "center";
    const x = across(epoch) + (epoch === epochs ? 4 : 0);
    write(sheet, String(epoch), x, top + height + 5, { ...look, align, baseline: "top" });
  }
  write(sheet, "epochs", left + width / 2, top + height + 20, { ...look, align: "center", baseline: "top" });
  if (guess !== null) {
    const y = down(guess);
    context.strokeStyle = css(palette.muted);
    context.lineWidth = 1;
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(left, y);
    context.lineTo(left + width, y);
    context.stroke();
    context.setLineDash([]);
    write(sheet, "guessing", left + width - 2, y - 7, { ...look, size: 10.5, align: "right" });
  }
  return { across, down, top, height };
}

/** A line through [x, y] points, its gaps left open. */
function strokeLine({ context }, points, { color, width, dash = [], alpha = 1 }) {
  Object.assign(context, { strokeStyle: css(color), lineWidth: width, globalAlpha: alpha, lineJoin: "round" });
  context.setLineDash(dash);
  context.beginPath();
  points.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}

function markDivergence(sheet, which, x, y) {
  for (const [color, width] of [[sheet.palette.surface, 6], [runColor(sheet, which), 2.6]]) {
    for (const turn of [1, -1]) strokeLine(sheet, [[x - 5, y - 5 * turn], [x + 5, y + 5 * turn]], { color, width });
  }
}

/** A curve of training, dashed, and one of the held-out digits, drawn through; a dot at its end. */
function paintCurves(sheet, { down, across }, run, which, [trained, held], shareOf) {
  const color = runColor(sheet, which);
  const { points, perEpoch } = run;
  const line = (name) => points.filter((point) => Number.isFinite(point[name] ?? NaN))
    .map((point) => [across(point.step / perEpoch), down(shareOf(point[name]))]);
  strokeLine(sheet, line(trained), { color, width: 1.6, dash: [2, 3] });
  const tested = line(held);
  strokeLine(sheet, tested, { color, width: 2.2 });
  paintEnd(sheet, tested, color);
}

/** A dot where a curve has come to. */
function paintEnd({ context }, points, color) {
  if (!points.length) return;
  context.fillStyle = css(color);
  context.beginPath();
  context.arc(...points.at(-1), 3.4, 0, 2 * Math.PI);
  context.fill();
}

/** The loss, by powers of ten: single batches faintly, their means and the held-out digits over them. */
function paintLoss(sheet, { settings, runs }) {
  const values = runs.flatMap(({ losses, points, diverged }) =>
    [diverged?.loss ?? 0, ...losses, ...points.flatMap((at) => [at.train_loss, at.test_loss])])
    .filter((loss) => loss > 0 && Number.isFinite(loss));
  const extent = values.reduce(([low, high], loss) => [Math.min(low, loss), Math.max(high, loss)], [0.2, 5]);
  const low = Math.max(-4, Math.floor(Math.log10(extent[0])));
  const high = Math.min(9, Math.ceil(Math.log10(extent[1])));
  const shareOf = (loss) => clamp((Math.log10(Math.max(loss, 1e-9)) - low) / (high - low), 0, 1);
  const ticks = [];
  const every = Math.ceil((high - low) / 6);
  for (let power = low; power <= high; power += every) ticks.push([shareOf(10 ** power), powerText(power)]);
  const axes = paintAxes(sheet, { epochs: settings[0].epochs, ticks, guess: shareOf(GUESSING) });
  const { across, down, top } = axes;
  runs.forEach((run, which) => {
    const stride = Math.max(1, Math.ceil(run.losses.length / 300)); // so many batches to a pixel or two: their mean
    const batches = [];
    const place = (step, loss) => batches.push([across(step / run.perEpoch), down(shareOf(loss))]);
    for (let at = 0; at < run.losses.length; at += stride) {
      const some = run.losses.slice(at, at + stride);
      place((at + some.length), some.reduce((sum, loss) => sum + loss, 0) / some.length);
    }
    if (Number.isFinite(run.diverged?.loss)) place(run.diverged.step, run.diverged.loss);
    strokeLine(sheet, batches, { color: runColor(sheet, which), width: 1, alpha: 0.35 });
  });
  runs.forEach((run, which) => paintCurves(sheet, axes, run, which, ["train_loss", "test_loss"], shareOf));
  runs.forEach(({ diverged, perEpoch }, which) => {
    const y = Number.isFinite(diverged?.loss) ? down(shareOf(diverged.loss)) : top;
    if (diverged) markDivergence(sheet, which, across(diverged.step / perEpoch), Math.max(top + 3, y));
  });
}

function paintAccuracy(sheet, { settings, runs }) {
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => [share, `${100 * share}`]);
  const axes = paintAxes(sheet, { epochs: settings[0].epochs, ticks, guess: 0.1 });
  runs.forEach((run, which) => paintCurves(sheet, axes, run, which, ["train_accuracy", "test_accuracy"], (share) => share));
}

/** The rate as it was, and, faintly, as it will be. */
function paintRate(sheet, { settings, runs }) {
  const rates = settings.map(({ lr }) => lr);
  const seen = runs.flatMap((run) => run.rates.map(([, rate]) => rate));
  const high = Math.min(1, Math.ceil(Math.log10(Math.max(...rates, ...seen)) + 1e-9));
  const low = Math.max(-6, Math.min(high - 3, Math.floor(Math.log10(Math.min(...rates)))));
  const shareOf = (rate) => clamp((Math.log10(Math.max(rate, 1e-12)) - low) / (high - low), 0, 1);
  const ticks = [];
  const every = Math.ceil((high - low) / 4);
  for (let power = low; power <= high; power += every) ticks.push([shareOf(10 ** power), powerText(power)]);
  const { across, down } = paintAxes(sheet, { epochs: settings[0].epochs, ticks });
  runs.forEach((run, which) => {
    const { schedule, lr } = settings[which];
    const color = runColor(sheet, which);
    const planned = [];
    for (let part = 0; part <= 120; part += 1) {
      const step = Math.round(run.step + (part / 120) * Math.max(0, run.steps - 1 - run.step));
      planned.push([across(step / run.perEpoch), down(shareOf(lr * scheduled(schedule, step, run.steps)))]);
    }
    if (!run.over) strokeLine(sheet, planned, { color, width: 1.6, dash: [2, 3], alpha: 0.75 });
    const seenRates = run.rates.map(([step, rate]) => [across(step / run.perEpoch), down(shareOf(rate))]);
    strokeLine(sheet, seenRates, { color, width: 2.2 });
    paintEnd(sheet, seenRates, color);
  });
}

// --- tiles -----------------------------------------------------------------------------------------------------

const TILES_ACROSS = 8;

/** Where square tiles stand in rows of eight: of whole pixels, as large as they fit. */
function tilesOn(width, side, ratio) {
  const gap = Math.round(4 * ratio);
  const most = (width - 2 - (TILES_ACROSS - 1) * gap) / TILES_ACROSS;
  const cell = Math.max(1, Math.floor(most)) / side;
  const pitch = cell * side + gap;
  return { cell, pitch, height: (count) => Math.ceil(count / TILES_ACROSS) * pitch - gap + 2 };
}

/** Tiles of numbers from vermillion over nothing to blue, with one scale. */
function paintTiles(sheet, values, side, buffer = new PixelBuffer()) {
  const { context, width, ratio, palette } = sheet;
  const area = side * side;
  const { cell, pitch } = tilesOn(width, side, ratio);
  const largest = largestSize(Array.from(values));
  buffer.resize(values.length / area * side, side);
  values.forEach((value, at) => {
    const share = Number.isFinite(value) ? value / largest : 0;
    buffer.pixels[at] = packed(signedColor(palette, emphasized(share)));
  });
  context.strokeStyle = css(mix(palette.surface, palette.muted, 0.4));
  context.lineWidth = Math.max(1, Math.round(ratio));
  for (let tile = 0; tile < values.length / area; tile += 1) {
    const [x, y] = [(tile % TILES_ACROSS) * pitch + 1, Math.floor(tile / TILES_ACROSS) * pitch + 1];
    buffer.draw(context, [x, y, cell * side, cell * side], { top: tile * side, height: side });
    context.strokeRect(x - 0.5, y - 0.5, cell * side + 1, cell * side + 1);
  }
}

/** A digit in the levels of its file, white on black. */
function paintDigit({ context, width, height }, levels, side, buffer = new PixelBuffer()) {
  buffer.resize(side, side);
  levels.forEach((level, at) => {
    buffer.pixels[at] = packed([17 * level, 17 * level, 17 * level]);
  });
  buffer.draw(context, [0, 0, width, height]);
}
