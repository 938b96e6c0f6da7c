// OptimizerExplorer: one to four optimizers race down a landscape, at rates and from a start of one's choice.
// The arithmetic is that of cnncourse.scratch line by line, one rounding for each operation from left to right, so that
// a path here is the path there: beyond a stable rate the smallest difference would grow into another path.

const FAR = 1e6; // a coordinate beyond ± this has left for good
const MOST_RUNS = 4;
const MANTISSAS = [1, 1.1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.5, 2.8, 3, 3.5, 4, 4.5, 5, 5.5, 6, 7, 8, 9];
const SWEEP_MANTISSAS = [1, 1.4, 1.8, 2.5, 3, 4, 5.5, 7];
const decades = (mantissas) =>
  [...[-4, -3, -2, -1, 0].flatMap((power) => mantissas.map((mantissa) => Number(`${mantissa}e${power}`))), 10];
const RATES = decades(MANTISSAS);
const SWEEP = decades(SWEEP_MANTISSAS);
const STEPS = [10, 20, 30, 50, 70, 100, 150, 200, 250, 300, 350, 400, 450, 500, 1000];
const HUNDREDTHS = Array.from({ length: 100 }, (_, index) => index / 100);
const TINY = 1e-40; // stands for no height at all where a logarithm is drawn
const LOWEST = -16; // the lowest power of ten drawn: below it there is only rounding
const KEPT = [0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999];
const DECAYS = [0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1];

// What an optimizer starts with, and its own settings.
const OPTIMIZERS = {
  SGD: { lr: 0.001 },
  momentum: { lr: 0.001, momentum: 0.9 },
  Nesterov: { lr: 0.001, momentum: 0.9 },
  Adagrad: { lr: 0.1 },
  RMSprop: { lr: 0.01, alpha: 0.99 },
  Adam: { lr: 0.01, betas: [0.9, 0.999] },
  AdamW: { lr: 0.01, betas: [0.9, 0.999], weight_decay: 0.01 },
};
const ORDER = ["SGD", "momentum", "Adagrad", "Adam", "RMSprop", "Nesterov", "AdamW"]; // in which they are added

const SCHEDULES = {
  constant: "constant",
  step_decay: "a tenth after each third",
  cosine: "cosine to 0",
  warmup_cosine: "warm-up, then cosine",
  cosine_restarts: "cosine, restarted twice",
  one_cycle: "one cycle",
};

// --- surfaces -----------------------------------------------------------------------------------------------

const beale = (x, y) => [1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y * y * y];

const SURFACES = {
  bowl: {
    title: "Bowl",
    formula: "(x² + y²) / 2",
    height: (x, y) => (x * x + y * y) / 2,
    slope: (x, y) => [x, y],
    minima: [[0, 0]],
    least: 0,
    window: [[-2, 2], [-2, 2]],
    start: [-1.5, 1],
  },
  ravine: {
    title: "Ravine",
    formula: "(x² + 50y²) / 2",
    height: (x, y) => (x * x + 50 * y * y) / 2,
    slope: (x, y) => [x, 50 * y],
    minima: [[0, 0]],
    least: 0,
    window: [[-2, 2], [-2, 2]],
    start: [-1.8, 0.6],
  },
  saddle: {
    title: "Saddle",
    formula: "x² − y² + y⁴/2",
    height: (x, y) => x * x - y * y + (y * y * y * y) / 2,
    slope: (x, y) => [2 * x, 2 * y * y * y - 2 * y],
    minima: [[0, 1], [0, -1]],
    least: -0.5,
    window: [[-2, 2], [-2, 2]],
    start: [-1.5, 0.001],
  },
  rosenbrock: {
    title: "Rosenbrock’s valley",
    formula: "(1 − x)² + 100(y − x²)²",
    height: (x, y) => {
      const [a, b] = [1 - x, y - x * x];
      return a * a + 100 * b * b;
    },
    slope: (x, y) => {
      const [a, b] = [1 - x, y - x * x];
      return [-2 * a - 400 * x * b, 200 * b];
    },
    minima: [[1, 1]],
    least: 0,
    window: [[-2, 2], [-1, 3]],
    start: [0, 0],
  },
  beale: {
    title: "Beale’s plain",
    formula: "(1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²",
    height: (x, y) => {
      const [a, b, c] = beale(x, y);
      return a * a + b * b + c * c;
    },
    slope: (x, y) => {
      const [a, b, c] = beale(x, y);
      return [
        2 * a * (y - 1) + 2 * b * (y * y - 1) + 2 * c * (y * y * y - 1),
        2 * a * x + 4 * b * x * y + 6 * c * x * y * y,
      ];
    },
    minima: [[3, 0.5]],
    least: 0,
    window: [[-4.5, 4.5], [-4.5, 4.5]],
    start: [1, 1.5],
  },
  himmelblau: {
    title: "Himmelblau’s valleys",
    formula: "(x² + y − 11)² + (x + y² − 7)²",
    height: (x, y) => {
      const [a, b] = [x * x + y - 11, x + y * y - 7];
      return a * a + b * b;
    },
    slope: (x, y) => {
      const [a, b] = [x * x + y - 11, x + y * y - 7];
      return [4 * a * x + 2 * b, 2 * a + 4 * b * y];
    },
    minima: [
      [3, 2],
      [-2.805118086952745, 3.131312518250573],
      [-3.779310253377747, -3.2831859912861696],
      [3.5844283403304917, -1.8481265269644036],
    ],
    least: 0,
    window: [[-6, 6], [-6, 6]],
    start: [0, 0],
  },
};

function distance(surface, [x, y]) {
  return Math.min(...surface.minima.map((minimum) => Math.hypot(x - minimum[0], y - minimum[1])));
}

// --- schedules and optimizers -------------------------------------------------------------------------------

const anneal = (start, stop, part) => stop + ((start - stop) * (1 + Math.cos(Math.PI * part))) / 2;

/** step, from 0, → learning rate, over so many steps */
function makeSchedule(name, lr, steps) {
  const third = Math.ceil(steps / 3);
  const warmup = Math.floor(steps / 10);
  const [first, last] = [lr / 25, lr / 25 / 10000];
  const rise = 0.3 * steps - 1;
  return {
    constant: () => lr,
    step_decay: (step) => lr * [1, 0.1, 0.1 * 0.1][Math.floor(step / third)],
    cosine: (step) => anneal(lr, 0, step / steps),
    warmup_cosine: (step) =>
      (step < warmup ? (lr * (step + 1)) / warmup : anneal(lr, 0, (step - warmup) / (steps - warmup))),
    cosine_restarts: (step) => anneal(lr, 0, (step % third) / third),
    one_cycle: (step) =>
      (step <= rise ? anneal(first, lr, step / rise) : anneal(lr, last, (step - rise) / (steps - 1 - rise))),
  }[name];
}

/** What makes a rule (p, g, lr) → new p for one coordinate, which keeps what it remembers from step to step. */
const UPDATES = {
  SGD: () => (p, g, lr) => p - lr * g,
  momentum: ({ momentum }) => velocity(momentum, false),
  Nesterov: ({ momentum }) => velocity(momentum, true),
  Adagrad: () => {
    let s = 0;
    return (p, g, lr) => {
      s = s + g * g;
      return p - (lr * g) / (Math.sqrt(s) + 1e-10);
    };
  },
  RMSprop: ({ alpha }) => {
    let s = 0;
    return (p, g, lr) => {
      s = alpha * s + (1 - alpha) * (g * g);
      return p - lr * (g / (Math.sqrt(s) + 1e-8));
    };
  },
  Adam: ({ betas }) => moments(betas, 0),
  AdamW: ({ betas, weight_decay: decay }) => moments(betas, decay),
};

function velocity(momentum, nesterov) {
  let b = null;
  return (p, g, lr) => {
    b = b === null ? g : momentum * b + g;
    return p - lr * (nesterov ? g + momentum * b : b);
  };
}

function moments([beta1, beta2], decay) {
  let [power1, power2, m, v] = [1, 1, 0, 0];
  return (p, g, lr) => {
    const kept = decay ? p * (1 - lr * decay) : p;
    power1 *= beta1;
    power2 *= beta2;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * (g * g);
    return kept - (lr * (m / (1 - power1))) / (Math.sqrt(v / (1 - power2)) + 1e-8);
  };
}

/**
 * Follow one run → { xs, ys, losses, count, step }: `count` points, the start among them, and the step, from 1, whose
 * point was not finite, beyond FAR or without a finite height; null if there was none. That point is not on the path.
 */
function descend(surface, run, [startX, startY], steps, schedule) {
  const { height, slope } = surface;
  const rate = makeSchedule(schedule, run.lr, steps);
  const [updateX, updateY] = [UPDATES[run.optimizer](run), UPDATES[run.optimizer](run)];
  const [xs, ys, losses] = [0, 1, 2].map(() => new Float64Array(steps + 1));
  let [x, y] = [startX, startY];
  [xs[0], ys[0], losses[0]] = [x, y, height(x, y)];
  for (let index = 0; index < steps; index += 1) {
    const lr = rate(index);
    const gradient = slope(x, y);
    x = updateX(x, gradient[0], lr);
    y = updateY(y, gradient[1], lr);
    const loss = height(x, y);
    if (!(Number.isFinite(loss) && Math.abs(x) <= FAR && Math.abs(y) <= FAR)) {
      return { xs, ys, losses, count: index + 1, step: index + 1 };
    }
    xs[index + 1] = x;
    ys[index + 1] = y;
    losses[index + 1] = loss;
  }
  return { xs, ys, losses, count: steps + 1, step: null };
}

/** All runs of the settings. */
function race({ surface, start, steps, schedule, runs }) {
  return runs.map((run) => descend(SURFACES[surface], run, start, steps, schedule));
}

/** The final loss of one run at every rate of SWEEP, null where it diverged. */
function sweep({ surface, start, steps, schedule }, run) {
  return SWEEP.map((lr) => {
    const { losses, count, step } = descend(SURFACES[surface], { ...run, lr }, start, steps, schedule);
    return step === null ? losses[count - 1] : null;
  });
}

/** The index of the lowest final loss, the lowest rate among equals; −1 if all diverged. */
function bestOf(finals) {
  return finals.reduce((best, loss, index) =>
    (loss !== null && (best < 0 || loss < finals[best]) ? index : best), -1);
}

// --- words --------------------------------------------------------------------------------------------------

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
const named = (run) => `${run.optimizer} at ${rateText(run.lr)}`;
const capital = (text) => text[0].toUpperCase() + text.slice(1);

const nearest = (values, wish, measure = (value) => value) =>
  values.reduce((best, value, index) =>
    (Math.abs(measure(value) - measure(wish)) < Math.abs(measure(values[best]) - measure(wish)) ? index : best), 0);

// --- parts --------------------------------------------------------------------------------------------------

/** A slider over a list of values. What a kernel sets between them is shown at the nearest place, as it is. */
function scale({ label, values, measure, write = String, oninput }) {
  const made = slider({ label, min: 0, max: values.length - 1, oninput: (index) => oninput(values[index]) });
  const range = made.element.querySelector("input");
  const show = (value) => {
    made.show(nearest(values, value, measure), null, write(value));
    range.setAttribute("aria-valuetext", write(value));
  };
  return { element: made.element, range, show };
}

const DASHES = [[], [7, 3.5], [0.5, 4], [9, 3.5, 0.5, 3.5]];

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

function cross(context, x, y, size) {
  context.beginPath();
  context.moveTo(x - size, y - size);
  context.lineTo(x + size, y + size);
  context.moveTo(x + size, y - size);
  context.lineTo(x - size, y + size);
}

/** The part of a line between two points that lies in a box, or null (Liang and Barsky). */
function clipped(x0, y0, x1, y1, [left, top, right, bottom]) {
  let [enter, leave] = [0, 1];
  const [dx, dy] = [x1 - x0, y1 - y0];
  for (const [move, room] of [[-dx, x0 - left], [dx, right - x0], [-dy, y0 - top], [dy, bottom - y0]]) {
    if (move === 0 && room < 0) return null;
    if (move < 0) enter = Math.max(enter, room / move);
    else if (move > 0) leave = Math.min(leave, room / move);
  }
  return enter > leave ? null : [x0 + enter * dx, y0 + enter * dy, x0 + leave * dx, y0 + leave * dy];
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

// --- the explorer -------------------------------------------------------------------------------------------

class OptimizerView {
  constructor(model, host) {
    this.model = model;
    this.names = ["surface", "start", "steps", "schedule", "runs", "shown", "show_sweep"];
    this.initial = Object.fromEntries(this.names.map((name) => [name, model.get(name)]));
    this.timer = 0;
    this.revision = { look: 0 };
    this.made = {};
    this.racers = [];
    this.swept = new Map();
    this.spoken = announcer();
    this.compute = afterEvent(() => this.computeNow());
    this.paint = perFrame(() => this.paintNow());
    this.build(host);
    this.listen();
    this.computeNow();
    this.paintNow();
  }

  ask() {
    this.compute();
    this.paint();
  }

  // What a person does ..........................................................................................

  set(changes) {
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    this.model.save_changes();
    this.ask();
  }

  change(changes) {
    this.pause();
    this.set(changes);
  }

  setSurface(surface) {
    this.startFault.textContent = "";
    this.change({ surface, start: [...SURFACES[surface].start] });
  }

  setStart(point) {
    const { window: sides } = this.surface;
    const inside = point.map((value, axis) => Math.max(sides[axis][0], Math.min(sides[axis][1], value)));
    const start = inside.map((value) => Math.round(value * 1000) / 1000);
    this.startFault.textContent = "";
    this.change({ start });
  }

  setSteps(steps) {
    const shown = this.model.get("shown");
    this.change({ steps, ...(shown !== null && shown >= steps ? { shown: null } : {}) });
  }

  setRun(which, changes) {
    this.change({ runs: this.model.get("runs").map((run, index) => (index === which ? { ...run, ...changes } : run)) });
  }

  setOptimizer(which, optimizer) {
    const runs = this.model.get("runs").map((run, index) => {
      if (index !== which) return run;
      const own = Object.entries(OPTIMIZERS[optimizer]).map(([name, value]) =>
        [name, name !== "lr" && name in run ? run[name] : value]);
      const changed = { optimizer, ...Object.fromEntries(own) };
      if (optimizer === "Nesterov" && changed.momentum === 0) changed.momentum = OPTIMIZERS.Nesterov.momentum;
      return changed;
    });
    this.change({ runs });
  }

  add() {
    const runs = this.model.get("runs");
    if (runs.length >= MOST_RUNS) return;
    const optimizer = ORDER.find((name) => runs.every((run) => run.optimizer !== name));
    this.change({ runs: [...runs, { optimizer, ...OPTIMIZERS[optimizer] }] });
  }

  remove(which) {
    const runs = this.model.get("runs");
    if (runs.length < 2) return;
    this.change({ runs: runs.filter((_, index) => index !== which) });
    this.adder.focus();
  }

  setShown(step, keepPlaying = false) {
    if (!keepPlaying) this.pause();
    const { steps } = this.settings;
    const shown = Math.max(0, Math.min(steps, step));
    this.speakStep = !keepPlaying;
    this.set({ shown: shown === steps ? null : shown });
  }

  takeBest(which = null) {
    const runs = this.model.get("runs").map((run, index) => {
      const best = bestOf(this.sweepOf(run));
      return (which === null || which === index) && best >= 0 ? { ...run, lr: SWEEP[best] } : run;
    });
    this.change({ runs });
  }

  reset() {
    this.pause();
    this.startFault.textContent = "";
    this.set(this.initial);
    for (const field of this.starts) field.clear();
  }

  // Playing .....................................................................................................

  play() {
    if (this.timer) {
      this.pause();
      return;
    }
    const { steps } = this.settings;
    if (this.shown >= steps) this.setShown(0, true);
    const stride = Math.max(1, Math.round(steps / 160));
    const pace = Math.max(33, Math.min(160, 6000 / steps));
    const tick = () => {
      this.setShown(this.shown + stride, true);
      if (this.model.get("shown") === null) this.pause();
      else this.timer = setTimeout(tick, pace);
    };
    this.timer = setTimeout(tick, pace);
    this.showPlaying();
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.showPlaying();
  }

  showPlaying() {
    const [icon, word] = this.timer ? ["❚❚", "Pause"] : ["▶", "Play"];
    this.player.replaceChildren(make("span", { "aria-hidden": "true" }, `${icon} `), word);
  }

  // Elements ....................................................................................................

  build(host) {
    this.startFault = make("div", { class: "x-fault", role: "alert" });
    this.player = button("", () => this.play(), { class: "x-button x-play" });
    this.showPlaying();
    this.landscapes = choice({
      label: "Landscape", options: Object.entries(SURFACES).map(([name, { title }]) => [name, title]),
      onchange: (name) => this.setSurface(name),
    });
    this.schedules = choice({
      label: "Schedule of the rates", options: Object.entries(SCHEDULES), onchange: (schedule) => this.change({ schedule }),
    });
    this.stepCount = scale({ label: "Steps", values: STEPS, measure: Math.log, oninput: (steps) => this.setSteps(steps) });
    const reset = button("", () => this.reset(), { class: "x-button x-reset", title: "Back to the beginning" });
    reset.append(make("span", { "aria-hidden": "true" }, "↺"), make("span", { class: "x-word" }, "Reset"));
    this.scrubber = slider({ label: "Step shown", min: 0, max: 1, oninput: (step) => this.setShown(step) });
    this.sentence = make("p", { class: "x-sentence" });
    this.cards = make("div", { class: "x-racers" });
    this.adder = button("+ Add an optimizer", () => this.add());

    this.root = make(
      "div",
      { class: "explorer", role: "group", "aria-label": "Optimizer explorer", "data-explorer": "optimizer" },
      make("div", { class: "x-lines" },
        make("div", { class: "x-bar" }, this.landscapes.element, this.schedules.element, this.stepCount.element, reset),
        make("div", { class: "x-race" }, this.buildLandscape(), this.buildCurves()),
        this.sentence,
        make("div", { class: "x-steps" }, make("div", { class: "x-tools" }, this.player), this.scrubber.element),
        make("div", { class: "x-magnifier" }, this.cards),
        this.buildSweep()),
      this.spoken.element,
    );
    keepKeys(this.root);
    host.append(this.root);
  }

  buildLandscape() {
    this.landscape = makeStage({
      onpoint: (share, event) => this.onPoint(share, event),
      onleave: () => {},
      onkey: (event) => this.onKey(event),
    });
    const { stage } = this.landscape;
    stage.setAttribute("role", "application");
    stage.setAttribute("tabindex", "0");
    this.handle = make("div", { class: "x-handle", "aria-hidden": "true" });
    stage.append(this.handle);
    this.formula = make("span", { class: "x-size" });
    this.starts = [this.buildStart(0, "x"), this.buildStart(1, "y")];
    return make("div", { class: "x-panel x-land", role: "group", "aria-label": "Landscape" },
      make("div", { class: "x-head" }, make("span", { class: "x-title" }, "Paths"), this.formula),
      stage,
      make("div", { class: "x-starts" }, ...this.starts.map(({ element }) => element),
        make("div", { class: "x-note" }, "Drag the ring: every path starts there.", make("br"),
          "✚ is a minimum. From line to line the height grows 3.2-fold.")),
      this.startFault);
  }

  buildStart(axis, letter) {
    const id = uniqueId();
    const input = make("input", {
      id, type: "number", class: "x-number", step: 0.05, inputmode: "decimal", enterkeyhint: "done",
    });
    const read = (final) => {
      const [low, high] = this.surface.window[axis];
      const value = Number(input.value);
      const legal = input.value !== "" && Number.isFinite(value) && value >= low && value <= high;
      const start = this.model.get("start");
      input.toggleAttribute("aria-invalid", false);
      if (!legal && !final) input.setAttribute("aria-invalid", "true");
      this.startFault.textContent = legal || !final ? ""
        : `Start ${letter} must be a number from ${format(low)} to ${format(high)} here. It stays ${format(start[axis])}.`;
      if (!legal && final) input.value = start[axis];
      if (legal) this.change({ start: start.map((old, index) => (index === axis ? value : old)) });
    };
    input.addEventListener("input", () => read(false));
    input.addEventListener("change", () => read(true));
    const clear = () => {
      input.value = this.model.get("start")[axis];
      input.toggleAttribute("aria-invalid", false);
    };
    const show = () => {
      if (document.activeElement !== input) clear();
    };
    const element = make("div", { class: "x-field" }, make("label", { for: id, class: "x-label" }, `Start ${letter}`), input);
    return { element, input, show, clear };
  }

  buildCurves() {
    this.curves = makeStage({
      onpoint: (share, event) => {
        if (event.type !== "pointerdown" && !(event.buttons & 1)) return;
        const { left, width } = this.curveFrame();
        const along = (share[1] * this.curves.stage.clientWidth - left) / width;
        this.setShown(Math.round(Math.max(0, Math.min(1, along)) * this.settings.steps));
      },
      onleave: () => {},
      onkey: () => {},
    });
    this.curves.stage.setAttribute("role", "img");
    this.standing = make("div", { class: "x-standing", role: "table", "aria-label": "Where each optimizer is" });
    return make("div", { class: "x-panel x-curves", role: "group", "aria-label": "Losses" },
      make("div", { class: "x-head" }, make("span", { class: "x-title" }, "Loss above the minimum")),
      this.curves.stage, this.standing);
  }

  /** The line and the marker by which a run is known. */
  swatch(which) {
    const mark = make("canvas", { class: "x-swatch", width: 52, height: 28, "aria-hidden": "true" });
    const paint = () => {
      const context = mark.getContext("2d");
      context.setTransform(2, 0, 0, 2, 0, 0);
      context.clearRect(0, 0, 26, 14);
      context.lineWidth = 2;
      context.lineCap = "round";
      context.strokeStyle = context.fillStyle = css(this.colors[which]);
      context.setLineDash(DASHES[which]);
      context.beginPath();
      context.moveTo(1, 7);
      context.lineTo(25, 7);
      context.stroke();
      context.setLineDash([]);
      marker(context, which, 13, 7, 4);
      context.fill();
    };
    return { element: mark, paint };
  }

  /** A card for one run. It stays when the optimizer changes, so that the focus is not lost; its sliders follow. */
  buildRacer(which) {
    const mark = this.swatch(which);
    const optimizer = choice({
      label: make("span", { class: "x-racer-name" }, mark.element, `Optimizer ${which + 1}`),
      options: Object.keys(OPTIMIZERS).map((name) => [name, capital(name)]),
      onchange: (name) => this.setOptimizer(which, name),
    });
    const close = button("×", () => this.remove(which), { class: "x-button x-close" });
    const fields = make("div", { class: "x-racer-fields" });
    const element = make("div", { class: "x-racer", role: "group" }, optimizer.element, fields, close);
    let [kind, sliders] = ["", []];
    const show = (run) => {
      if (run.optimizer !== kind) {
        kind = run.optimizer;
        sliders = this.buildSettings(run, which);
        fields.replaceChildren(...sliders.map(([, { element: field }]) => field));
        element.setAttribute("aria-label", `Optimizer ${which + 1}: ${kind}`);
        close.setAttribute("aria-label", `Remove ${kind}, optimizer ${which + 1}`);
        optimizer.show(kind);
      }
      close.hidden = this.settings.runs.length < 2;
      const [beta1, beta2] = run.betas ?? [];
      for (const [name, made] of sliders) made.show({ ...run, beta1, beta2 }[name]);
    };
    const repaint = () => {
      element.style.setProperty("--run", css(this.colors[which]));
      mark.paint();
    };
    repaint();
    return { element, show, repaint };
  }

  /** [name, slider] for the rate and each setting that the optimizer of a run has. */
  buildSettings(run, which) {
    const memory = { values: KEPT, measure: (value) => -Math.log(1.00005 - value) };
    const offered = {
      lr: { label: "Learning rate", values: RATES, measure: Math.log, write: rateText },
      momentum: { label: "Momentum μ", values: run.optimizer === "Nesterov" ? HUNDREDTHS.slice(1) : HUNDREDTHS },
      alpha: { label: "Memory α", ...memory },
      beta1: { label: "Momentum β₁", values: HUNDREDTHS },
      beta2: { label: "Memory β₂", ...memory },
      weight_decay: { label: "Weight decay λ", values: DECAYS },
    };
    const names = ["lr", ...Object.keys(OPTIMIZERS[run.optimizer])
      .flatMap((name) => (name === "betas" ? ["beta1", "beta2"] : name === "lr" ? [] : [name]))];
    return names.map((name) => {
      const oninput = (value) => {
        const { betas } = this.model.get("runs")[which];
        if (name === "beta1") this.setRun(which, { betas: [value, betas[1]] });
        else if (name === "beta2") this.setRun(which, { betas: [betas[0], value] });
        else this.setRun(which, { [name]: value });
      };
      return [name, scale({ ...offered[name], oninput })];
    });
  }

  buildSweep() {
    this.sweeper = make("input", {
      type: "checkbox", on: { change: () => this.set({ show_sweep: this.sweeper.checked }) },
    });
    this.sweepStage = makeStage({ onpoint: () => {}, onleave: () => {}, onkey: () => {} });
    this.sweepStage.stage.setAttribute("role", "img");
    this.bests = make("div", { class: "x-bests" });
    this.takeAll = button("Take all the best", () => this.takeBest());
    const caption = make("div", { class: "x-note" },
      "The whole race at 41 rates. Above, a cross where it diverged; below, a tick at each rate chosen now.");
    this.sweepBody = make("div", { class: "x-sweep-body" },
      make("div", { class: "x-head" }, make("span", { class: "x-title" }, "Final loss against learning rate"), this.takeAll),
      caption, this.sweepStage.stage, this.bests);
    return make("div", { class: "x-magnifier x-sweep", role: "group", "aria-label": "Learning rates" },
      make("div", { class: "x-tools" }, this.adder,
        make("label", { class: "x-check" }, this.sweeper, "Find the best rates")),
      this.sweepBody);
  }

  // Pointing ....................................................................................................

  get surface() {
    return SURFACES[this.settings.surface];
  }

  onPoint([down, across], event) {
    const pressed = event.type === "pointerdown" || event.buttons & 1;
    if (!pressed) return;
    const [[x0, x1], [y0, y1]] = this.surface.window;
    const exact = [x0 + across * (x1 - x0), y1 - down * (y1 - y0)];
    this.setStart(exact.map((value) => Math.round(value * 100) / 100));
  }

  onKey(event) {
    const [[x0, x1], [y0, y1]] = this.surface.window;
    const [x, y] = this.model.get("start");
    const step = (x1 - x0) / 80;
    const moves = {
      ArrowUp: [x, y + step], ArrowDown: [x, y - step], ArrowLeft: [x - step, y], ArrowRight: [x + step, y],
      PageUp: [x, y + 10 * step], PageDown: [x, y - 10 * step], Home: [x0, y], End: [x1, y],
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    this.setStart(moves[event.key]);
  }

  // From the model to the screen ................................................................................

  listen() {
    this.stops = this.names.map((name) => {
      const changed = () => this.ask();
      this.model.on(`change:${name}`, changed);
      return () => this.model.off(`change:${name}`, changed);
    });
    const repaint = () => {
      this.revision.look += 1;
      this.ask();
    };
    const motion = matchMedia("(prefers-reduced-motion: reduce)");
    const still = () => {
      this.player.hidden = motion.matches;
      if (motion.matches) this.pause();
    };
    motion.addEventListener("change", still);
    still();
    this.stops.push(watchTheme(repaint), watchWidth(this.root, repaint), this.paint.cancel, this.spoken.stop,
      () => this.pause(), () => motion.removeEventListener("change", still));
  }

  destroy() {
    for (const stop of this.stops) stop();
    this.root.remove();
  }

  outdated(part, key) {
    if (this.made[part] === key) return false;
    this.made[part] = key;
    return true;
  }

  sweepOf(run) {
    const { surface, start, steps, schedule } = this.settings;
    const key = JSON.stringify([surface, start, steps, schedule, { ...run, lr: 0 }]);
    if (!this.swept.has(key)) {
      if (this.swept.size > 50) this.swept.clear();
      this.swept.set(key, sweep(this.settings, run));
    }
    return this.swept.get(key);
  }

  computeNow() {
    const { model } = this;
    this.settings = Object.fromEntries(
      ["surface", "start", "steps", "schedule", "runs"].map((name) => [name, model.get(name)]));
    const { surface, steps, runs } = this.settings;
    this.shown = Math.min(steps, model.get("shown") ?? steps);
    const key = JSON.stringify(this.settings);
    const raced = this.outdated("race", key);
    if (raced) this.results = race(this.settings);
    this.sweeps = model.get("show_sweep") ? runs.map((run) => this.sweepOf(run)) : null;
    const point = ({ xs, ys, count }) => [xs[count - 1], ys[count - 1]];
    this.root.dataset.state = JSON.stringify({
      ...this.settings,
      runs: runs.map((run, index) => {
        const result = this.results[index];
        return {
          ...run, diverged: result.step !== null, step: result.step, point: point(result),
          loss: result.losses[result.count - 1], distance: distance(SURFACES[surface], point(result)),
        };
      }),
      shown: this.shown,
      best: this.sweeps && this.sweeps.map((finals) => SWEEP[bestOf(finals)] ?? null),
    });
    if (raced) this.spoken.say(this.summary());
    else if (this.speakStep) this.spoken.say(this.verdict(this.shown));
    this.speakStep = false;
  }

  summary() {
    const { surface, start, steps } = this.settings;
    const place = start.map((value) => format(value, 3)).join(", ");
    return `${SURFACES[surface].title} from (${place}), ${steps} steps. ${this.verdict(steps)}`;
  }

  /** Where everyone is at a step, and who has left by then, in words. */
  verdict(step) {
    const { runs } = this.settings;
    const gone = [];
    const racing = [];
    runs.forEach((run, index) => {
      const result = this.results[index];
      if (result.step !== null && result.step <= step) gone.push([run, result]);
      else racing.push([run, distance(this.surface, [result.xs[step], result.ys[step]])]);
    });
    const words = gone.map(([run, { step: when, losses, count }]) =>
      `${capital(named(run))} diverged at step ${when}; last finite loss ${short(losses[count - 1])}.`);
    if (racing.length) {
      const [run, away] = racing.reduce((best, other) => (other[1] < best[1] ? other : best));
      const goal = `${this.surface.minima.length > 1 ? "a" : "the"} minimum`;
      const where = away === 0 ? `exactly at ${goal}` : `${short(away)} from ${goal}`;
      const others = runs.length > 1 ? "is nearest" : "is";
      words.unshift(step === 0 ? `All start ${where}.`
        : `After ${step} steps ${capital(named(run))} ${others}${runs.length > 1 ? ":" : ""} ${where}.`);
    }
    return words.join(" ");
  }

  paintNow() {
    const { look } = this.revision;
    if (this.outdated("palette", look)) {
      this.palette = readPalette(this.root);
      const style = getComputedStyle(this.root);
      this.font = style.fontFamily;
      this.colors = [1, 2, 3, 4].map((index) => readColor(style.getPropertyValue(`--x-run-${index}`), "#0072b2"));
    }
    // Everything is painted before anything is written: what is written moves the layout, which painting asks for.
    this.sweepBody.hidden = this.sweeps === null;
    if (this.outdated("landscape", `${this.settings.surface} ${look}`)) this.paintLandscape();
    this.paintPaths();
    this.paintCurves();
    if (this.sweeps) this.paintSweep();
    this.showControls();
    this.showStanding();
    if (this.sweeps) this.showBests();
  }

  showControls() {
    const { surface, start, steps, schedule, runs } = this.settings;
    while (this.racers.length > runs.length) this.racers.pop().element.remove();
    while (this.racers.length < runs.length) {
      this.racers.push(this.buildRacer(this.racers.length));
      this.cards.append(this.racers.at(-1).element);
    }
    if (this.outdated("swatches", this.revision.look)) for (const racer of this.racers) racer.repaint();
    this.landscapes.show(surface);
    this.schedules.show(schedule);
    this.stepCount.show(steps);
    for (const field of this.starts) field.show();
    runs.forEach((run, index) => this.racers[index].show(run));
    this.formula.textContent = this.surface.formula;
    const place = `(${start.map((value) => format(value, 3)).join(", ")})`;
    const [across, down] = this.toPixels(100)(...start);
    this.handle.style.left = `${across}%`;
    this.handle.style.top = `${down}%`;
    this.landscape.stage.setAttribute("aria-label", `${this.surface.title}. The start is at ${place}. Arrow keys move it.`);
    this.curves.stage.setAttribute("aria-label", `Loss curves on a logarithmic scale. ${this.verdict(steps)}`);
    this.scrubber.show(this.shown, steps, `${this.shown} of ${steps}`);
    this.adder.setAttribute("aria-disabled", runs.length >= MOST_RUNS);
    this.sweeper.checked = this.model.get("show_sweep");
    this.sentence.textContent = this.verdict(this.shown);
  }

  showStanding() {
    const { runs } = this.settings;
    if (this.outdated("standing", JSON.stringify([runs.map(({ optimizer }) => optimizer), this.revision.look]))) {
      const cell = (role, ...content) => make("div", { role, class: "x-standing-cell" }, ...content);
      this.rows = runs.map((run, index) => {
        const mark = this.swatch(index);
        mark.paint();
        const [loss, away] = [cell("cell"), cell("cell")];
        return { loss, away, element: make("div", { class: "x-standing-row", role: "row" },
          make("div", { role: "rowheader", class: "x-standing-name" }, mark.element, capital(run.optimizer)), loss, away) };
      });
      this.standingStep = cell("columnheader");
      this.standing.replaceChildren(
        make("div", { class: "x-standing-row x-label", role: "row" }, this.standingStep,
          cell("columnheader", "loss − min"), cell("columnheader", "distance")),
        ...this.rows.map(({ element }) => element));
    }
    this.standingStep.textContent = `Step ${this.shown}`;
    this.results.forEach((result, index) => {
      const gone = result.step !== null && result.step <= this.shown;
      const { loss, away, element } = this.rows[index];
      const at = Math.min(this.shown, result.count - 1);
      element.classList.toggle("is-gone", gone);
      loss.textContent = gone ? "diverged" : short(result.losses[at] - this.surface.least);
      away.textContent = gone ? `at step ${result.step}` : short(distance(this.surface, [result.xs[at], result.ys[at]]));
    });
  }

  // Painting ....................................................................................................

  /** Heights as bands between contours, half a decade apart, with smooth edges. Once for each surface and size. */
  paintLandscape() {
    const { picture } = this.landscape;
    fitCanvas(picture);
    fitCanvas(this.landscape.marks);
    const { height, least, window: [[x0, x1], [y0, y1]] } = this.surface;
    const side = Math.min(picture.width, 900);
    const levels = new Float32Array(side * side);
    let top = -Infinity;
    for (let row = 0; row < side; row += 1) {
      const y = y1 - ((row + 0.5) / side) * (y1 - y0);
      for (let column = 0; column < side; column += 1) {
        const x = x0 + ((column + 0.5) / side) * (x1 - x0);
        const level = Math.log10(Math.max(1e-12, height(x, y) - least));
        levels[row * side + column] = level;
        if (level > top) top = level;
      }
    }
    const [perDecade, span] = [2, 4.5];
    const count = perDecade * span;
    const { surface, ink } = this.palette;
    const dark = luminance(surface) < 0.2;
    const high = dark ? mix(surface, [126, 158, 190], 0.42) : mix(surface, [88, 122, 156], 0.52);
    const line = dark ? mix(surface, [150, 180, 210], 0.62) : mix(surface, [60, 90, 122], 0.62);
    const canvas = make("canvas", { width: side, height: side });
    const context = canvas.getContext("2d");
    const image = context.createImageData(side, side);
    const pixels = image.data;
    const from = dark ? mix(surface, ink, 0.02) : surface;
    const at = (row, column) =>
      perDecade * (levels[Math.min(side - 1, row) * side + Math.min(side - 1, column)] - top + span);
    for (let row = 0; row < side; row += 1) {
      for (let column = 0; column < side; column += 1) {
        const value = at(row, column);
        const steep = Math.max(1e-6, Math.hypot(at(row, column + 1) - value, at(row + 1, column) - value));
        const band = Math.floor(value);
        const part = value - band;
        // How much of this pixel lies beyond the contour below or above it.
        const below = Math.max(-0.5, Math.min(0, part / steep - 0.5));
        const above = Math.max(0, Math.min(0.5, 0.5 - (1 - part) / steep));
        let level = band + below + above;
        level = Math.max(0, Math.min(count, level + 0.5));
        const near = Math.min(part, 1 - part) / steep;
        const crowded = Math.max(0, Math.min(1, 1.6 - 4 * steep)); // lines that would run together fade
        const contour = value < -0.5 ? 0 : Math.max(0, Math.min(1, 1.05 - near)) * crowded;
        const share = (level / (count + 0.5)) ** 1.15;
        const index = 4 * (row * side + column);
        for (let channel = 0; channel < 3; channel += 1) {
          const fill = from[channel] + (high[channel] - from[channel]) * share;
          pixels[index + channel] = fill + (line[channel] - fill) * contour * 0.55;
        }
        pixels[index + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
    const target = picture.getContext("2d");
    target.imageSmoothingEnabled = true;
    target.imageSmoothingQuality = "high";
    target.drawImage(canvas, 0, 0, picture.width, picture.height);
    this.paintTicks(target, picture.width, [[x0, x1], [y0, y1]]);
    this.paintMinima(target, picture.width);
  }

  /** A scale along the left and the lower edge, inside the picture. */
  paintTicks(context, side, [[x0, x1], [y0, y1]]) {
    const ratio = window.devicePixelRatio || 1;
    const gap = x1 - x0 > 6 ? (x1 - x0 > 10 ? 3 : 2) : 1;
    context.font = `${11 * ratio}px ${this.font}`;
    context.fillStyle = css(mix(this.palette.muted, this.palette.ink, 0.35));
    context.strokeStyle = css(this.palette.muted);
    context.lineWidth = ratio;
    for (let value = Math.ceil(x0 / gap) * gap; value <= x1; value += gap) {
      const x = ((value - x0) / (x1 - x0)) * side;
      if (x < 14 * ratio || x > side - 14 * ratio) continue;
      context.textAlign = "center";
      context.textBaseline = "bottom";
      context.fillText(format(value), x, side - 6 * ratio);
      context.fillRect(Math.round(x), side - 4 * ratio, Math.round(ratio), 4 * ratio);
    }
    for (let value = Math.ceil(y0 / gap) * gap; value <= y1; value += gap) {
      const y = ((y1 - value) / (y1 - y0)) * side;
      if (y < 14 * ratio || y > side - 22 * ratio) continue;
      context.textAlign = "left";
      context.textBaseline = "middle";
      context.fillText(format(value), 7 * ratio, y + ratio);
      context.fillRect(0, Math.round(y), 4 * ratio, Math.round(ratio));
    }
  }

  toPixels(side) {
    const { window: [[x0, x1], [y0, y1]] } = this.surface;
    const scaleX = side / (x1 - x0);
    const scaleY = side / (y1 - y0);
    return (x, y) => [(x - x0) * scaleX, (y1 - y) * scaleY];
  }

  paintMinima(context, side) {
    const ratio = window.devicePixelRatio || 1;
    const place = this.toPixels(side);
    for (const [x, y] of this.surface.minima) {
      const [px, py] = place(x, y);
      for (const [color, width, size] of [[this.palette.surface, 6, 7.5], [this.palette.ink, 2.6, 6]]) {
        context.strokeStyle = css(color);
        context.lineWidth = width * ratio;
        context.lineCap = "butt";
        context.beginPath();
        context.moveTo(px - size * ratio, py);
        context.lineTo(px + size * ratio, py);
        context.moveTo(px, py - size * ratio);
        context.lineTo(px, py + size * ratio);
        context.stroke();
      }
    }
  }

  paintPaths() {
    const { marks } = this.landscape;
    fitCanvas(marks);
    const context = marks.getContext("2d");
    const side = marks.width;
    const ratio = window.devicePixelRatio || 1;
    const { surface, ink } = this.palette;
    const place = this.toPixels(side);
    const margin = side / 4;
    const box = [-margin, -margin, side + margin, side + margin];
    context.clearRect(0, 0, side, side);
    context.lineJoin = "round";
    context.lineCap = "round";
    const inside = ([x, y], room = 0) => x >= room && y >= room && x <= side - room && y <= side - room;
    const labels = [];
    // The longest path goes first: where they lie on one another, the others stay visible up to their ends.
    const lengths = this.results.map(({ xs, ys, count }) => {
      let length = 0;
      for (let step = 1; step < count; step += 1) length += Math.hypot(xs[step] - xs[step - 1], ys[step] - ys[step - 1]);
      return length;
    });
    const order = [...lengths.keys()].sort((one, other) => lengths[other] - lengths[one]);
    for (const index of order) {
      const result = this.results[index];
      const at = (step) => place(result.xs[step], result.ys[step]);
      const last = result.count - 1;
      const now = Math.min(this.shown, last);
      const stroke = (from, to, color, width, dash, alpha = 1) => {
        if (from >= to) return;
        context.globalAlpha = alpha;
        context.strokeStyle = css(color);
        context.lineWidth = width * ratio;
        context.setLineDash(dash.map((value) => value * ratio));
        context.beginPath();
        trace(context, from, to, at, box);
        context.stroke();
        context.globalAlpha = 1;
        context.setLineDash([]);
      };
      const color = this.colors[index];
      stroke(now, last, color, 1.4, DASHES[index], 0.28);
      stroke(0, now, surface, 4.4, [], 0.75);
      stroke(0, now, color, 2.2, DASHES[index]);
      // The points of single steps, where they can be told apart.
      context.fillStyle = css(color);
      let before = at(0);
      for (let step = 1; step <= now; step += 1) {
        const [x, y] = at(step);
        if (Math.hypot(x - before[0], y - before[1]) >= 6 * ratio && inside([x, y])) {
          context.beginPath();
          context.arc(x, y, 2.6 * ratio, 0, 2 * Math.PI);
          context.fill();
        }
        before = [x, y];
      }
    }
    this.results.forEach((result, index) => {
      const at = (step) => place(result.xs[step], result.ys[step]);
      const now = Math.min(this.shown, result.count - 1);
      const color = this.colors[index];
      const gone = result.step !== null && result.step <= this.shown;
      if (gone) labels.push({ index, spot: this.exit(result, at, side), text: `step ${result.step}` });
      else {
        const [x, y] = at(now);
        const room = 8 * ratio;
        const [headX, headY] = [x, y].map((value) => Math.max(room, Math.min(side - room, value)));
        marker(context, index, headX, headY, (inside([x, y]) ? 5.6 : 4) * ratio);
        context.lineWidth = 3.4 * ratio;
        context.strokeStyle = css(surface);
        context.stroke();
        context.fillStyle = css(color);
        context.fill();
      }
    });
    for (const label of labels) this.paintExit(context, label, side, ratio);
    const start = place(...this.settings.start);
    for (const [color, width] of [[surface, 6], [ink, 2.4]]) {
      context.strokeStyle = css(color);
      context.lineWidth = width * ratio;
      context.beginPath();
      context.arc(...start, 8 * ratio, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  /** Where a path that diverged is last seen in the picture. */
  exit(result, at, side) {
    const box = [0, 0, side, side];
    for (let step = result.count - 1; step > 0; step -= 1) {
      const line = clipped(...at(step - 1), ...at(step), box);
      if (line) return [line[2], line[3]];
    }
    return at(0);
  }

  paintExit(context, { index, spot, text }, side, ratio) {
    const room = 12 * ratio;
    const [x, y] = spot.map((value) => Math.max(room, Math.min(side - room, value)));
    const { surface } = this.palette;
    for (const [color, width] of [[surface, 6.5], [this.colors[index], 3]]) {
      context.strokeStyle = css(color);
      context.lineWidth = width * ratio;
      cross(context, x, y, 6 * ratio);
      context.stroke();
    }
    context.font = `600 ${12 * ratio}px ${this.font}`;
    const right = x > side / 2;
    context.textAlign = right ? "right" : "left";
    context.textBaseline = "middle";
    const textX = x + (right ? -12 : 12) * ratio;
    context.strokeStyle = css(surface);
    context.lineWidth = 4 * ratio;
    context.strokeText(text, textX, y);
    context.fillStyle = css(this.colors[index]);
    context.fillText(text, textX, y);
  }

  /** The frame of the loss curves, in pixels of the page. */
  curveFrame() {
    const { clientWidth: width, clientHeight: height } = this.curves.stage;
    return { left: 38, top: 8, width: Math.max(10, width - 38 - 12), height: Math.max(10, height - 8 - 22) };
  }

  /** Powers of ten between two, at most six of them. */
  paintDecades(context, { left, top, width, height }, low, high) {
    const every = Math.max(1, Math.ceil((high - low) / 6));
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (let power = Math.ceil(low / every) * every; power <= high; power += every) {
      const y = top + ((high - power) / (high - low)) * height;
      context.fillStyle = css(this.palette.line);
      context.fillRect(left, Math.round(y), width, 1);
      context.fillStyle = css(this.palette.muted);
      context.fillText(power === 0 ? "1" : power === 1 ? "10" : `10${raised(power)}`, left - 6, y);
    }
  }

  begin({ picture, stage }) {
    fitCanvas(picture);
    const ratio = window.devicePixelRatio || 1;
    const context = picture.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, stage.clientWidth, stage.clientHeight);
    context.font = `11px ${this.font}`;
    context.lineJoin = context.lineCap = "round";
    return context;
  }

  paintCurves() {
    const context = this.begin(this.curves);
    const frame = this.curveFrame();
    const { left, top, width, height } = frame;
    const { steps } = this.settings;
    const { least } = this.surface;
    const level = (loss) => Math.log10(Math.max(TINY, loss - least));
    const first = level(this.results[0].losses[0]);
    let [low, high] = [first - 2, first];
    for (const { losses, count } of this.results) {
      for (let step = 0; step < count; step += 1) {
        const value = level(losses[step]);
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    low = Math.max(LOWEST, Math.floor(low));
    high = Math.min(Math.ceil(first) + 3, Math.ceil(high + 0.05));
    this.paintDecades(context, frame, low, high);
    context.textBaseline = "top";
    context.fillStyle = css(this.palette.muted);
    for (const [share, align] of [[0, "center"], [0.5, "center"], [1, "right"]]) {
      context.textAlign = align;
      context.fillText(String(Math.round(share * steps)), left + share * width + (share === 1 ? 6 : 0), top + height + 6);
    }
    const across = (step) => left + (step / steps) * width;
    const down = (loss) => top + ((high - level(loss)) / (high - low)) * height;
    const box = [left, top - 1, left + width, top + height + 1];
    context.fillStyle = css(this.palette.ink);
    context.globalAlpha = 0.5;
    context.fillRect(Math.round(across(this.shown)) - 0.5, top, 1, height);
    context.globalAlpha = 1;
    this.results.forEach(({ losses, count, step }, index) => {
      const at = (which) => [across(which), down(losses[which])];
      const now = Math.min(this.shown, count - 1);
      const color = css(this.colors[index]);
      for (const [from, to, alpha] of [[now, count - 1, 0.28], [0, now, 1]]) {
        if (from >= to) continue;
        context.globalAlpha = alpha;
        context.strokeStyle = color;
        context.lineWidth = 1.8;
        context.setLineDash(DASHES[index]);
        context.beginPath();
        trace(context, from, to, at, box);
        context.stroke();
      }
      context.globalAlpha = 1;
      context.setLineDash([]);
      const [x, y] = at(now);
      if (step !== null && step <= this.shown) {
        const crossY = Math.max(top + 5, Math.min(top + height, y));
        for (const [shade, thick] of [[css(this.palette.surface), 5], [color, 2.4]]) {
          context.strokeStyle = shade;
          context.lineWidth = thick;
          cross(context, x, crossY, 4.5);
          context.stroke();
        }
      } else {
        marker(context, index, x, Math.max(top, Math.min(top + height, y)), 4.4);
        context.strokeStyle = css(this.palette.surface);
        context.lineWidth = 2.5;
        context.stroke();
        context.fillStyle = color;
        context.fill();
      }
    });
  }

  paintSweep() {
    const { runs } = this.settings;
    const { least } = this.surface;
    const context = this.begin(this.sweepStage);
    const { clientWidth, clientHeight } = this.sweepStage.stage;
    const frame = { left: 38, top: 34, width: clientWidth - 38 - 14, height: clientHeight - 34 - 40 };
    const { left, top, width, height } = frame;
    const level = (loss) => Math.log10(Math.max(TINY, loss - least));
    const first = level(this.surface.height(...this.settings.start));
    const levels = this.sweeps.flat().filter((loss) => loss !== null).map(level);
    const low = Math.max(LOWEST, Math.floor(Math.min(first - 2, ...levels)));
    const high = Math.min(Math.ceil(first) + 2, Math.ceil(Math.max(first, ...levels) + 0.05));
    this.paintDecades(context, frame, low, high);
    const across = (lr) => left + ((Math.log10(lr) + 4) / 5) * width;
    const down = (loss) => top + ((high - level(loss)) / (high - low)) * height;
    context.fillStyle = css(this.palette.muted);
    context.textBaseline = "top";
    context.textAlign = "center";
    for (let power = -4; power <= 1; power += 1) {
      const text = String(Number(`1e${power}`));
      context.fillText(text, across(Number(`1e${power}`)) - (power === 1 ? 3 : 0), top + height + 6);
    }
    context.fillText("learning rate", left + width / 2, top + height + 22);
    context.textAlign = "right";
    context.textBaseline = "middle";
    const box = [left, top - 2, left + width, top + height + 2];
    this.sweeps.forEach((finals, index) => {
      const color = css(this.colors[index]);
      context.strokeStyle = context.fillStyle = color;
      context.lineWidth = 2;
      context.setLineDash(DASHES[index]);
      context.beginPath();
      finals.forEach((loss, which) => {
        if (which && loss !== null && finals[which - 1] !== null) {
          trace(context, which - 1, which, (at) => [across(SWEEP[at]), down(finals[at])], box);
        }
      });
      context.stroke();
      context.setLineDash([]);
      const strip = 6 + 7 * index;
      context.lineWidth = 1.6;
      finals.forEach((loss, which) => {
        if (loss !== null) return;
        cross(context, across(SWEEP[which]), strip, 2.2);
        context.stroke();
      });
      const best = bestOf(finals);
      if (best >= 0) {
        marker(context, index, across(SWEEP[best]), Math.min(top + height, down(finals[best])), 6);
        context.strokeStyle = css(this.palette.surface);
        context.lineWidth = 3;
        context.stroke();
        context.fill();
      }
    });
    runs.forEach(({ lr }, index) => { // the rates of the race
      context.strokeStyle = css(this.colors[index]);
      context.lineWidth = 2;
      context.beginPath();
      context.moveTo(across(lr), top + height + 1);
      context.lineTo(across(lr), top + height - 9);
      context.stroke();
    });
  }

  showBests() {
    const { runs } = this.settings;
    if (this.outdated("bests", JSON.stringify([runs.map(({ optimizer }) => optimizer), this.revision.look]))) {
      this.bestRows = runs.map((run, index) => {
        const mark = this.swatch(index);
        mark.paint();
        const text = make("span", { class: "x-best-text" });
        const label = `Take it: the best rate of optimizer ${index + 1}, ${run.optimizer}`;
        const take = button("Take it", () => this.takeBest(index), { "aria-label": label });
        return { text, take, element: make("div", { class: "x-best" }, mark.element, text, take) };
      });
      this.bests.replaceChildren(...this.bestRows.map(({ element }) => element));
    }
    const words = this.sweeps.map((finals, index) => {
      const best = bestOf(finals);
      const { text, take } = this.bestRows[index];
      const name = capital(runs[index].optimizer);
      const said = best < 0 ? `${name}: diverged at every rate` : `${name}: best at ${rateText(SWEEP[best])}`;
      text.textContent = said;
      take.setAttribute("aria-disabled", best < 0 || SWEEP[best] === runs[index].lr);
      return said;
    });
    const taken = this.bestRows.every(({ take }) => take.getAttribute("aria-disabled") === "true");
    this.takeAll.setAttribute("aria-disabled", taken);
    this.sweepStage.stage.setAttribute("aria-label",
      `Final loss against learning rate, on logarithmic scales. ${words.join(". ")}.`);
  }
}

function render({ model, el }) {
  const view = new OptimizerView(model, el);
  return () => view.destroy();
}

export { RATES, STEPS, SURFACES, SWEEP, bestOf, descend, distance, makeSchedule, race, sweep };
export default { render };
