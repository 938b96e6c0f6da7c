// Two plots with logarithmic heights: the losses along the steps, and the final losses over the rates.

/** Where a plot lies on its sheet. */
const plotFrame = ({ width, height }, [left, top, right, bottom]) =>
  ({ left, top, width: Math.max(10, width - left - right), height: Math.max(10, height - top - bottom) });

const curveFrame = (sheet) => plotFrame(sheet, [38, 8, 12, 22]);

/** A loss as the power of ten that it lies above the minimum, and the powers between which a plot shows some. */
const levelOf = ({ least }, loss) => Math.log10(Math.max(TINY, loss - least));
const levelRange = (first, levels, above) => [
  Math.max(LOWEST, Math.floor(levels.reduce((low, level) => Math.min(low, level), first - 2))),
  Math.min(Math.ceil(first) + above, Math.ceil(levels.reduce((high, level) => Math.max(high, level), first) + 0.05)),
];

/** Lines at powers of ten, at most six of them. */
function paintDecades(sheet, { left, top, width, height }, [low, high]) {
  const { context, palette } = sheet;
  const every = Math.max(1, Math.ceil((high - low) / 6));
  for (let power = Math.ceil(low / every) * every; power <= high; power += every) {
    const y = top + ((high - power) / (high - low)) * height;
    context.fillStyle = css(palette.line);
    context.fillRect(left, Math.round(y), width, 1);
    const text = power === 0 ? "1" : power === 1 ? "10" : `10${raised(power)}`;
    write(sheet, text, left - 6, y, { size: 11, color: css(palette.muted), align: "right" });
  }
}

function paintCurves(sheet, { settings, results, shown }) {
  const { context, palette } = sheet;
  const { steps, surface } = settings;
  const land = SURFACES[surface];
  const frame = curveFrame(sheet);
  const { left, top, width, height } = frame;
  const levels = results.flatMap(({ losses, count }) => Array.from(losses.subarray(0, count), (loss) => levelOf(land, loss)));
  const [low, high] = levelRange(levels[0], levels, 3);
  paintDecades(sheet, frame, [low, high]);
  const color = css(palette.muted);
  [0, 0.5, 1].forEach((share) => write(sheet, String(Math.round(share * steps)), left + share * width + (share === 1 ? 6 : 0),
    top + height + 6, { size: 11, color, align: share === 1 ? "right" : "center", baseline: "top" }));
  const across = (step) => left + (step / steps) * width;
  const down = (loss) => top + ((high - levelOf(land, loss)) / (high - low)) * height;
  const box = [left, top - 1, left + width, top + height + 1];
  context.fillStyle = css(palette.ink);
  context.globalAlpha = 0.5;
  context.fillRect(Math.round(across(shown)) - 0.5, top, 1, height);
  context.globalAlpha = 1;
  results.forEach((result, index) => {
    const { losses, count } = result;
    const at = (which) => [across(which), down(losses[which])];
    const now = indexAt(result, shown);
    const look = { color: runColor(sheet, index), width: 1.8, dash: DASHES[index] };
    strokePart(context, [now, count - 1], at, box, { ...look, alpha: 0.28 });
    strokePart(context, [0, now], at, box, look);
    const [x, y] = at(now);
    if (isGone(result, shown)) {
      const inside = clamp(y, top + 5, top + height);
      strokeHaloed(context, () => cross(context, x, inside, 4.5), [palette.surface, 5], [look.color, 2.4]);
    } else paintMarker(sheet, index, x, clamp(y, top, top + height), 4.4, 2.5);
  });
}

function paintSweep(sheet, { settings, sweeps }) {
  const { context, palette } = sheet;
  const land = SURFACES[settings.surface];
  const frame = plotFrame(sheet, [38, 34, 14, 40]);
  const { left, top, width, height } = frame;
  const levels = sweeps.flat().filter((loss) => loss !== null).map((loss) => levelOf(land, loss));
  const [low, high] = levelRange(levelOf(land, land.height(...settings.start)), levels, 2);
  paintDecades(sheet, frame, [low, high]);
  const across = (lr) => left + ((Math.log10(lr) + 4) / 5) * width;
  const down = (loss) => top + ((high - levelOf(land, loss)) / (high - low)) * height;
  const look = { size: 11, color: css(palette.muted), align: "center", baseline: "top" };
  for (const lr of [0.0001, 0.001, 0.01, 0.1, 1, 10]) {
    write(sheet, String(lr), across(lr) - (lr === 10 ? 3 : 0), top + height + 6, look);
  }
  write(sheet, "learning rate", left + width / 2, top + height + 22, look);
  const box = [left, top - 2, left + width, top + height + 2];
  sweeps.forEach((finals, index) => {
    const line = { color: runColor(sheet, index), width: 2, dash: DASHES[index] };
    const at = (which) => [across(SWEEP[which]), down(finals[which])];
    const crosses = finals.flatMap((loss, which) => (loss === null ? [which] : []));
    [-1, ...crosses].forEach((before, part) => // the pieces between the rates at which it diverged
      strokePart(context, [before + 1, (crosses[part] ?? SWEEP.length) - 1], at, box, line));
    const strip = () => crosses.forEach((which) => cross(context, across(SWEEP[which]), 6 + 7 * index, 2.2));
    strokeHaloed(context, strip, [line.color, 1.6]);
    const best = bestOf(finals);
    if (best >= 0) paintMarker(sheet, index, across(SWEEP[best]), Math.min(top + height, down(finals[best])), 6, 3);
  });
  settings.runs.forEach(({ lr }, index) => { // the rates of the race
    strokeHaloed(context, () => {
      context.moveTo(across(lr), top + height + 1);
      context.lineTo(across(lr), top + height - 9);
    }, [runColor(sheet, index), 2]);
  });
}

/** The paths, the losses, where everyone stands, and the sweep if it is shown → SVG. */
function still({ shown, show_sweep: swept, ...settings }) {
  const { surface, start, steps, schedule, runs } = settings;
  const land = SURFACES[surface];
  const race = { settings, results: raceAll(settings), shown: shown ?? steps };
  const words = wrapped(verdictOn(race, race.shown), 104);
  const foot = 24 + 340 + 26 + 18 * words.length;
  const paper = new Paper(720, foot + (swept ? 250 : 8));
  const page = paper.sheet(0, 0, paper.width, paper.height);
  titlePart(page, 0, 0, 340, "Paths", land.title);
  const picture = paper.sheet(0, 24, 340, 340);
  paintLandscape(picture, land, 240);
  paintPaths(picture, race);
  titlePart(page, 372, 0, 348, "Loss above the minimum");
  paintCurves(paper.sheet(372, 24, 348, 218), race);
  const color = css(page.palette.muted);
  const line = (y, cells, look = {}) => cells.forEach((text, index) =>
    write(page, text, [406, 610, 720][index], y, { size: 12.5, align: index ? "right" : "left", ...look }));
  line(264, [`Step ${race.shown}`, "loss − min", "distance"], { color });
  runs.forEach((run, index) => {
    const y = 288 + 22 * index;
    paintSwatch(paper.sheet(372, y - 7, 26, 14), index);
    line(y, [named(run), ...standingOf(race, index)]);
  });
  const plan = schedule === "constant" ? "" : `, ${SCHEDULES[schedule]}`;
  write(page, `${land.formula}, from ${pairText(start)}${plan}`, 0, 24 + 340 + 12, { size: 11.5, color });
  words.forEach((text, index) => write(page, text, 0, 24 + 340 + 34 + 18 * index, { size: 12.5 }));
  if (swept) {
    titlePart(page, 0, foot + 12, 720, "Final loss against learning rate");
    paintSweep(paper.sheet(0, foot + 36, 720, 210), { settings, sweeps: runs.map((run) => sweep(settings, run)) });
  }
  return paper.markup();
}
