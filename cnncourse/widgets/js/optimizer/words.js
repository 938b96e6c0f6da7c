// What is said of a race. A race is { settings, results, shown, least }: what was raced, the runs, the step that is shown,
// and the height from which losses are measured.

const raised = (power) => withMinus(String(power)).replace(/./g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit] ?? "⁻");

/** 0.00123, 12.3, 4.56 × 10⁻⁸ */
function short(value, digits = 3) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e-3 && size < 1e4) return withMinus(String(Number(value.toPrecision(digits))));
  const [mantissa, power] = value.toExponential(digits - 1).split("e");
  return `${withMinus(mantissa)} × 10${raised(Number(power))}`;
}

const rateText = (lr) => String(Number(lr.toPrecision(4)));
const named = (run) => `${capital(run.optimizer)} at ${rateText(run.lr)}`;
const pairText = (point) => `(${point.map((value) => format(value, 3)).join(", ")})`;

/** " with gradient noise σ = 0.5, seed 3", or nothing. */
const noiseText = ({ noise, seed }) => (noise ? ` with gradient noise σ = ${rateText(noise)}, seed ${seed}` : "");

/** Where those who race are at a step: how far from a minimum, or, where none is known, how low. */
function standingsText(land, racing, step, many) {
  const leads = (first, word) => (step === 0 ? "All start" : `After ${step} steps ${named(first)} is${many ? ` ${word}:` : ""}`);
  if (!land.minima.length) {
    const [run, , loss] = racing.reduce((best, other) => (other[2] < best[2] ? other : best));
    return `${leads(run, "lowest")} at a loss of ${short(loss)}.`;
  }
  const [run, away] = racing.reduce((best, other) => (other[1] < best[1] ? other : best));
  const goal = `${land.minima.length > 1 ? "a" : "the"} minimum`;
  return `${leads(run, "nearest")} ${away === 0 ? `exactly at ${goal}` : `${short(away)} from ${goal}`}.`;
}

const wentWhere = ({ undefinedAt }) => (undefinedAt ? "came to where the function is not finite" : "diverged");

/** Where everyone is at a step, and who has left by then. */
function verdictOn({ settings, results }, step) {
  const [land, { runs }] = [landOf(settings), settings];
  const gone = [];
  const racing = [];
  runs.forEach((run, index) => {
    const result = results[index];
    if (isGone(result, step)) gone.push([run, result]);
    else racing.push([run, distance(land, pointAt(result, step)), result.losses[step]]);
  });
  const words = gone.map(([run, result]) =>
    `${named(run)} ${wentWhere(result)} at step ${result.step}; last finite loss ${short(result.losses[result.count - 1])}.`);
  if (racing.length) words.unshift(standingsText(land, racing, step, runs.length > 1));
  return words.join(" ");
}

function summaryOf(race) {
  const { start, steps } = race.settings;
  const from = `from ${pairText(start)}, ${steps} steps${noiseText(race.settings)}`;
  return `${landOf(race.settings).title} ${from}. ${verdictOn(race, steps)}`;
}

/** What the losses are measured from, and what stands beside a run. */
const aboveText = (land) => (land.minima.length ? "above the minimum" : "above the lowest seen");
const standingTitles = (land) => (land.minima.length ? ["loss − min", "distance"] : ["loss", "above lowest"]);

/**
 * What stands beside a run at the step shown: its loss above the minimum, its distance from one; where none is known, its
 * loss and how far that is above the lowest seen; or that it diverged.
 */
function standingOf({ settings, results, shown, least }, index) {
  const land = landOf(settings);
  const result = results[index];
  if (isGone(result, shown)) return [result.undefinedAt ? "not finite" : "diverged", `at step ${result.step}`];
  const at = indexAt(result, shown);
  const above = short(result.losses[at] - least);
  return land.minima.length ? [above, short(distance(land, pointAt(result, at)))] : [short(result.losses[at]), above];
}
