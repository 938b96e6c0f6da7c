// OptimizerExplorer: one to four optimizers race down a landscape, at rates and from a start of one's choice.
// The arithmetic is that of cnncourse.scratch line by line, one rounding for each operation from left to right, so that
// a path here is the path there: beyond a stable rate the smallest difference would grow into another path.

const FAR = 1e6; // a coordinate beyond ± this has left for good
const decades = (mantissas) =>
  [...[-4, -3, -2, -1, 0].flatMap((power) => mantissas.map((mantissa) => Number(`${mantissa}e${power}`))), 10];
const SWEEP = decades([1, 1.4, 1.8, 2.5, 3, 4, 5.5, 7]);

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

const SCHEDULES = {
  constant: "constant",
  step_decay: "a tenth after each third",
  cosine: "cosine to 0",
  warmup_cosine: "warm-up, then cosine",
  cosine_restarts: "cosine, restarted twice",
  one_cycle: "one cycle",
};

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
function raceAll({ surface, start, steps, schedule, runs }) {
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

const pointAt = ({ xs, ys }, index) => [xs[index], ys[index]];

/** Whether a run has diverged by a step, and where it is then: at its last point if it has. */
const isGone = (result, step) => result.step !== null && result.step <= step;
const indexAt = (result, step) => Math.min(step, result.count - 1);
