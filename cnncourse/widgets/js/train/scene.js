// A scene: what the page knows of the networks in training, from their settings and from what the laborer reports.

const LIVE = ["lr", "momentum"]; // what may change while a network trains; all else begins anew
const IMAGE = 14;

/** The levels (0 … 15) of one held-out digit, and its label. */
function heldDigits() {
  const { labels, images } = DIGITS.test;
  const text = images.replace(/[g-z]/g, (letter) => "0".repeat(letter.charCodeAt(0) - 101));
  const area = IMAGE * IMAGE;
  const levels = (digit) => Array.from(text.slice(digit * area, (digit + 1) * area), (level) => parseInt(level, 16));
  const firsts = Array.from({ length: 10 }, (_, label) => labels.indexOf(String(label)));
  return { count: labels.length, labels, levels, firsts };
}

/** The settings of the first network, and of the second if there is one. */
function settingsOf(state) {
  const own = Object.fromEntries(SETTINGS.map((name) => [name, state[name]]));
  return state.what_if ? [own, { ...own, ...state.what_if }] : [own];
}

/** What a network looks like before it learns: so that there is something to see at once, and on paper. */
function untrained(settings, { levels }, digit) {
  const { mean, std } = DIGITS;
  const x = Float32Array.from(levels(digit), (level) => (level / 15 - mean) / std);
  const perEpoch = Math.floor(DIGITS.train.labels.length / settings.batch_size);
  const run = Object.assign(Object.create(Run.prototype), {
    network: new Network(settings), held: { x }, area: x.length,
  });
  return {
    step: 0, steps: settings.epochs * perEpoch, perEpoch, diverged: null, over: false, dead: null, gradients: null,
    points: [], losses: [], rates: [], ...run.look(0),
  };
}

function makeScene(state, held) {
  const settings = settingsOf(state);
  const runs = settings.map((each) => untrained(each, held, state.digit));
  runs.forEach((run, which) => restore(run, state.record?.[which]));
  const changed = state.what_if ? Object.keys(state.what_if)[0] : null;
  return { settings, runs, changed, going: false, over: false, speed: null };
}

/** Curves that were kept, as columns, come back as points. */
function restore(run, kept) {
  if (!kept) return;
  const { rates, diverged, dead, ...columns } = kept;
  const names = Object.keys(columns);
  run.points = columns.step.map((_, at) => Object.fromEntries(names.map((name) => [name, columns[name][at]])));
  Object.assign(run, { rates, diverged, dead, step: columns.step.at(-1) });
}

/** The curves of all runs as columns, to be kept. */
function recordOf({ runs }) {
  if (!runs[0].step && !runs[0].diverged) return null;
  const names = ["step", "train_loss", "train_accuracy", "test_loss", "test_accuracy"];
  return runs.map(({ points, rates, diverged, dead }) => ({
    ...Object.fromEntries(names.map((name) => [name, points.map((point) => point[name])])),
    rates, dead, diverged: diverged && { ...diverged, loss: Number.isFinite(diverged.loss) ? diverged.loss : null },
  }));
}

/** A report goes into the scene: curves grow, the rest is replaced. */
function takeReport(scene, { runs, going, over, speed }) {
  Object.assign(scene, { going, over, speed });
  runs.forEach(({ losses, points, rate, ...now }, which) => {
    const run = scene.runs[which];
    Object.assign(run, now, { over: now.diverged !== null || now.step >= now.steps });
    run.losses.push(...losses);
    run.points.push(...points);
    const last = run.rates.at(-1);
    if (!last || last[0] !== now.step) run.rates.push([now.step, rate]);
    else last[1] = rate;
  });
}

/** The numbers of the explorer's state. */
function numbersOf({ settings, runs, changed }, digit) {
  const [first, second] = runs.map(({ step, perEpoch, losses, points, diverged, gradients, dead, probabilities }) => ({
    step, epoch: step / perEpoch, train_loss: losses.at(-1) ?? points.at(-1)?.train_loss ?? null,
    test_loss: points.at(-1)?.test_loss ?? null, test_accuracy: points.at(-1)?.test_accuracy ?? null,
    diverged: diverged && diverged.step, gradients: gradients && [...gradients], dead, probabilities,
  }));
  const what_if = changed ? { [changed]: settings[1][changed] } : null;
  return { settings: { ...settings[0], what_if }, digit, ...first, second: second ?? null };
}
