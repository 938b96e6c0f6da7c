// The cards of the optimizers: each has a select and a slider for each of its settings.

const STEPS = [10, 20, 30, 50, 70, 100, 150, 200, 250, 300, 350, 400, 450, 500, 1000];
const HUNDREDTHS = Array.from({ length: 100 }, (_, index) => index / 100);
const RATES = decades([1, 1.1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.5, 2.8, 3, 3.5, 4, 4.5, 5, 5.5, 6, 7, 8, 9]);
const KEPT = [0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999];
const DECAYS = [0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1];

const nearest = (values, wish, measure = (value) => value) =>
  values.reduce((best, value, index) =>
    (Math.abs(measure(value) - measure(wish)) < Math.abs(measure(values[best]) - measure(wish)) ? index : best), 0);

/** A slider over a list of values. What a kernel sets between them is shown at the nearest place, as it is. */
function scale({ label, values, measure, text = String, oninput }) {
  const made = slider({ label, min: 0, max: values.length - 1, oninput: (index) => oninput(values[index]) });
  const show = (value) => {
    made.show(nearest(values, value, measure), null, text(value));
    made.range.setAttribute("aria-valuetext", text(value));
  };
  return { element: made.element, show };
}

/** A canvas with the line and the marker of a run. */
function swatch(which) {
  const element = make("canvas", { class: "x-swatch", width: 52, height: 28, ...hidden });
  const paint = (palette) => {
    const context = element.getContext("2d");
    context.setTransform(2, 0, 0, 2, 0, 0);
    context.clearRect(0, 0, 26, 14);
    paintSwatch({ context, palette }, which);
  };
  return { element, paint };
}

/** A run with another optimizer: what both know keeps its value, the rest is as at first. */
function withOptimizer(run, optimizer) {
  const own = Object.entries(OPTIMIZERS[optimizer]).map(([name, value]) =>
    [name, name !== "lr" && name in run ? run[name] : value]);
  const changed = { optimizer, ...Object.fromEntries(own) };
  if (optimizer === "Nesterov" && changed.momentum === 0) changed.momentum = OPTIMIZERS.Nesterov.momentum;
  return changed;
}

/** [name, slider] for the rate and each setting that the optimizer of a run has. */
function settingSliders(run, onchange) {
  const memory = { values: KEPT, measure: (value) => -Math.log(1.00005 - value) };
  const offered = {
    lr: { label: "Learning rate", values: RATES, measure: Math.log, text: rateText },
    momentum: { label: "Momentum μ", values: run.optimizer === "Nesterov" ? HUNDREDTHS.slice(1) : HUNDREDTHS },
    alpha: { label: "Memory α", ...memory },
    beta1: { label: "Momentum β₁", values: HUNDREDTHS },
    beta2: { label: "Memory β₂", ...memory },
    weight_decay: { label: "Weight decay λ", values: DECAYS },
  };
  const names = Object.keys(OPTIMIZERS[run.optimizer]).flatMap((name) => (name === "betas" ? ["beta1", "beta2"] : [name]));
  return names.map((name) => [name, scale({ ...offered[name], oninput: (value) => onchange(name, value) })]);
}

/** A card for one run. It stays when the optimizer changes, so that the focus is not lost; its sliders follow. */
class Racer {
  /** `change(run)` takes a changed run, `remove()` takes the card away. */
  constructor(which, { change: keep, remove }) {
    Object.assign(this, { which, keep, kind: "", sliders: [], mark: swatch(which) });
    this.optimizer = choice({
      label: make("span", { class: "x-racer-name" }, this.mark.element, `Optimizer ${which + 1}`),
      options: Object.keys(OPTIMIZERS).map((name) => [name, capital(name)]),
      onchange: (name) => keep(withOptimizer(this.run, name)),
    });
    this.close = button("×", remove, { class: "x-button x-close" });
    this.fields = make("div", { class: "x-racer-fields" });
    this.element = make("div", { class: "x-racer", role: "group" }, this.optimizer.element, this.fields, this.close);
  }

  setOne(name, value) {
    const [beta1, beta2] = this.run.betas ?? [];
    const change = { beta1: { betas: [value, beta2] }, beta2: { betas: [beta1, value] } }[name] ?? { [name]: value };
    this.keep({ ...this.run, ...change });
  }

  show(run, alone) {
    this.run = run;
    if (run.optimizer !== this.kind) {
      this.kind = run.optimizer;
      this.sliders = settingSliders(run, (name, value) => this.setOne(name, value));
      this.fields.replaceChildren(...this.sliders.map(([, { element }]) => element));
      this.element.setAttribute("aria-label", `Optimizer ${this.which + 1}: ${this.kind}`);
      this.close.setAttribute("aria-label", `Remove ${this.kind}, optimizer ${this.which + 1}`);
      this.optimizer.show(this.kind);
    }
    this.close.hidden = alone;
    const [beta1, beta2] = run.betas ?? [];
    for (const [name, made] of this.sliders) made.show({ ...run, beta1, beta2 }[name]);
  }

  repaint(palette) {
    this.element.style.setProperty("--run", css(palette.runs[this.which]));
    this.mark.paint(palette);
  }
}
