// What settings are called, and what is said of a training.

const NAMES = {
  lr: "Learning rate", batch_size: "Batch size", optimizer: "Optimizer", momentum: "Momentum", schedule: "Schedule",
  epochs: "Epochs", initialization: "Initialization", activation: "Activation", batch_norm: "Batch norm", seed: "Seed",
};
const SETTINGS = Object.keys(NAMES);
const CHOICES = {
  optimizer: {
    SGD: "SGD", momentum: "Momentum", Nesterov: "Nesterov", RMSprop: "RMSprop", Adam: "Adam", AdamW: "AdamW",
  },
  batch_size: Object.fromEntries([4, 8, 16, 32, 64, 128, 256].map((size) => [size, `${size} images`])),
  schedule: {
    constant: "constant", step_decay: "a tenth after each third", cosine: "cosine to 0", warmup_cosine: "warm-up, then cosine",
  },
  initialization: { zero: "zero", small: "too small (0.01)", xavier: "Xavier (Glorot)", he: "He", large: "too large (4 × He)" },
  activation: { relu: "ReLU", leaky_relu: "leaky ReLU", tanh: "tanh", sigmoid: "sigmoid" },
};
const LAYER_NAMES = ["Conv 1", "Conv 2", "Hidden", "Output"];
const GUESSING = Math.log(10); // the loss of giving a tenth to each digit

const rateText = (lr) => String(Number(lr.toPrecision(3)));
const raised = (power) => withMinus(String(power)).replace(/./g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit] ?? "⁻");
const powerText = (power) => (Math.abs(power) < 3 ? String(10 ** power) : `10${raised(power)}`);

/** 0.00123, 12.3, 45,600, 4.6·10⁻⁸ */
function short(value) {
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e9)) {
    const [mantissa, power] = value.toExponential(1).split("e");
    return `${withMinus(mantissa)}·10${raised(Number(power))}`;
  }
  return Math.abs(value) >= 1000 ? grouped(Number(value.toPrecision(3))) : withMinus(String(Number(value.toPrecision(3))));
}

/** A setting and its value: "learning rate 0.3", "batch norm on". */
function settingText(name, value) {
  const others = { lr: rateText, batch_norm: (on) => (on ? "on" : "off") };
  const text = CHOICES[name]?.[value] ?? others[name]?.(value) ?? value;
  return `${NAMES[name].toLowerCase()} ${text}`;
}

/** What momentum means for an optimizer, or null where there is none. */
const momentumOf = ({ optimizer }) => ({ momentum: "μ", Nesterov: "μ", Adam: "β₁", AdamW: "β₁" }[optimizer] ?? null);

/** Where one network stands, or what became of it. */
function standingOf(run) {
  const { diverged, step, points, dead } = run;
  if (diverged) {
    const loss = Number.isFinite(diverged.loss)
      ? `its loss is ${short(diverged.loss)}, over a hundred times that of the start`
      : "its loss is no longer a number";
    return `Diverged at step ${diverged.step}: ${loss}. Its training stops here.`;
  }
  const point = points.at(-1);
  if (!point) return "Training begins.";
  const gone = dead.findIndex((share) => share === 1);
  const right = `${inPercent(point.test_accuracy)} of the held-out digits right after ${step} step${step === 1 ? "" : "s"}`;
  if (step && gone >= 0) return `${LAYER_NAMES[gone]} is dead: no unit answers to any digit, so no gradient passes. ${capital(right)}.`;
  if (point.step > 200 && point.test_accuracy < 0.15) return `${capital(right)}: no better than guessing, loss ${short(point.test_loss)}.`;
  return `${capital(right)}, loss ${short(point.test_loss)}.`;
}

/** The sentence below the controls. */
function verdictOn({ runs, settings, going, over, changed }) {
  if (!runs[0].step && !runs[0].diverged && !going) {
    return "Press Train: the network learns 2,000 handwritten digits, here in your browser, and is tested on 500 others " +
      "that are held out. You may change the learning rate while it learns.";
  }
  const words = runs.length > 1
    ? runs.map((run, which) => `${capital(settingText(changed, settings[which][changed]))}: ${standingOf(run)}`)
    : runs.map(standingOf);
  return `${words.join(" ")}${over && !runs.every(({ diverged }) => diverged) ? " All epochs are done." : ""}`;
}

/** How far training is, and how fast. */
function progressOf({ runs, settings, speed }) {
  const trained = runs.reduce((sum, run) => sum + run.step, 0) * settings[0].batch_size;
  const { step, steps, perEpoch } = runs.reduce((most, run) => (run.step > most.step ? run : most));
  const pace = speed && trained > 1000 ? ` · ${grouped(Math.round(speed / 10) * 10)} images/s` : "";
  return `Step ${grouped(step)} of ${grouped(steps)} · epoch ${(step / perEpoch).toFixed(1)} of ${settings[0].epochs}${pace}`;
}

function summaryOf(settings, changed) {
  const own = ["optimizer", "lr", "batch_size", "schedule", "initialization", "activation", "batch_norm", "seed"];
  const words = own.map((name) => settingText(name, settings[0][name])).join(", ");
  return `${capital(words)}${changed ? `; what if ${settingText(changed, settings[1][changed])}` : ""}.`;
}
