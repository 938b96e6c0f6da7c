// What is said of a race. A race is { settings, results, shown }: what was raced, the runs, the step that is shown.

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

/** Where everyone is at a step, and who has left by then. */
function verdictOn({ settings: { surface, runs }, results }, step) {
  const land = SURFACES[surface];
  const gone = [];
  const racing = [];
  runs.forEach((run, index) => {
    const result = results[index];
    if (isGone(result, step)) gone.push([run, result]);
    else racing.push([run, distance(land, pointAt(result, step))]);
  });
  const words = gone.map(([run, { step: when, losses, count }]) =>
    `${named(run)} diverged at step ${when}; last finite loss ${short(losses[count - 1])}.`);
  if (racing.length) {
    const [run, away] = racing.reduce((best, other) => (other[1] < best[1] ? other : best));
    const goal = `${land.minima.length > 1 ? "a" : "the"} minimum`;
    const where = away === 0 ? `exactly at ${goal}` : `${short(away)} from ${goal}`;
    const others = runs.length > 1 ? "is nearest" : "is";
    words.unshift(step === 0 ? `All start ${where}.`
      : `After ${step} steps ${named(run)} ${others}${runs.length > 1 ? ":" : ""} ${where}.`);
  }
  return words.join(" ");
}

function summaryOf(race) {
  const { surface, start, steps } = race.settings;
  return `${SURFACES[surface].title} from ${pairText(start)}, ${steps} steps. ${verdictOn(race, steps)}`;
}

/** What stands beside a run at the step shown: its loss above the minimum, its distance from one; or that it diverged. */
function standingOf({ settings, results, shown }, index) {
  const land = SURFACES[settings.surface];
  const result = results[index];
  if (isGone(result, shown)) return ["diverged", `at step ${result.step}`];
  const at = indexAt(result, shown);
  return [short(result.losses[at] - land.least), short(distance(land, pointAt(result, at)))];
}
