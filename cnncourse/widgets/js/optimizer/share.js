// What of an OptimizerExplorer can be said in an address and in Python.

const LEAST_NESTEROV = 0.01; // without momentum there is nothing to look ahead along

/** A run, with all of its settings and no others. */
function runFault(run) {
  if (!isPlain(run) || !Object.hasOwn(OPTIMIZERS, run.optimizer)) return `an optimizer of ${Object.keys(OPTIMIZERS).join(", ")}`;
  const kept = legal.number(0, 0.9999);
  const checks = {
    lr: legal.number(1e-4, 10), alpha: kept, betas: legal.each(kept, kept), weight_decay: legal.number(0, 1),
    momentum: legal.number(run.optimizer === "Nesterov" ? LEAST_NESTEROV : 0, 0.9999),
  };
  const names = Object.keys(OPTIMIZERS[run.optimizer]);
  if (!same(Object.keys(run).sort(), ["optimizer", ...names].sort())) return `${run.optimizer} with ${names.join(", ")}`;
  const wrong = names.find((name) => checks[name](run[name]));
  return wrong ? `${run.optimizer} whose ${wrong} is ${checks[wrong](run[wrong])}` : "";
}

const runsFault = (runs) =>
  (Array.isArray(runs) && runs.length >= 1 && runs.length <= MOST_RUNS
    ? runs.map((run, index) => runFault(run) && `a list whose item ${index + 1} is ${runFault(run)}`).find(Boolean) ?? ""
    : `a list of 1 to ${MOST_RUNS} optimizers`);

/** A run as short as Python takes it. */
function shortRun({ optimizer, ...settings }) {
  const own = Object.entries(settings).filter(([name, value]) => !same(value, OPTIMIZERS[optimizer][name]));
  return own.length ? { optimizer, ...Object.fromEntries(own) } : optimizer;
}

/** The landscape of a state, or null where a function of one's own has none. */
function landIn(state) {
  try {
    return landOf(state);
  } catch (error) {
    if (error instanceof FormulaError) return null;
    throw error;
  }
}

/** Why something cannot be read or drawn, without the full stop; "" if it can. */
function formulaFault(attempt) {
  try {
    attempt();
    return "";
  } catch (error) {
    if (error instanceof FormulaError) return error.message.replace(/\.$/, "");
    throw error;
  }
}

const sideOf = (ends) =>
  Array.isArray(ends) && ends.length === 2 && ends.every((end) => isNumber(end, -FARTHEST, FARTHEST)) && ends[1] - ends[0] >= NARROWEST;

const sharing = new Sharing("OptimizerExplorer", {
  still,
  table: () => ({
    surface: [legal.oneOf([...Object.keys(SURFACES), "own"]), "rosenbrock"],
    function: [must("text with x and y", (text) => typeof text === "string"), "x^2 + 3y^2 + sin(3x)"],
    window: [
      must(`two pairs of numbers within ±${FARTHEST}, each at least ${NARROWEST} apart`,
        (window) => Array.isArray(window) && window.length === 2 && window.every(sideOf)),
      [[-2, 2], [-2, 2]],
    ],
    start: [
      (start, state) => (landIn(state) ? legal.each(...landIn(state).window.map((limits) => legal.number(...limits)))(start) : ""),
      (state) => landOf(state).start,
    ],
    steps: [legal.whole(10, 1000), 500],
    schedule: [legal.oneOf(Object.keys(SCHEDULES)), "constant"],
    noise: [legal.number(0, 100), 0],
    seed: [legal.whole(0, 9999), 0],
    runs: [runsFault, ["SGD", "momentum", "Adagrad", "Adam"].map((optimizer) => ({ optimizer, ...OPTIMIZERS[optimizer] }))],
    shown: [(shown, { steps }) => legal.orNull(legal.whole(0, steps))(shown), null],
    show_sweep: [legal.flag, false],
  }),
  settle: (state, given) => ({
    ...state,
    start: "surface" in given && !("start" in given) ? landIn(state)?.start ?? state.start : state.start,
    shown: state.shown === null || "shown" in given ? state.shown : Math.min(state.shown, state.steps),
  }),
  fault(state) {
    const why = formulaFault(() => ownLandscape(state.function, state.window));
    if (why) return why;
    return Number.isFinite(landOf(state).height(...state.start)) ? "" : "start must be where the function is finite";
  },
  spell: (given) => (given.runs ? { ...given, runs: given.runs.map(shortRun) } : given),
});
