// A control for each setting, and the values that a second network takes at first.

const RATE_STEPS = 20; // places of the slider in a factor of ten

/** 0.0001 … 10 by places of the slider, in two digits. */
const rateAt = (place) => Number((10 ** (place / RATE_STEPS - 4)).toPrecision(2));
const placeOfRate = (lr) => Math.round(RATE_STEPS * (Math.log10(lr) + 4));

/** { element, show(value) } for a setting; `change(value)` takes what a person chose. */
function controlFor(name, { label = NAMES[name], read, change, fault }) {
  if (name === "lr") {
    const made = slider({ label, min: 0, max: 5 * RATE_STEPS, oninput: (place) => change(rateAt(place)) });
    return { element: made.element, show: (lr) => {
      made.show(placeOfRate(lr), null, rateText(lr));
      made.range.setAttribute("aria-valuetext", rateText(lr));
    } };
  }
  if (name === "momentum") {
    const made = slider({ label, min: 0, max: 0.99, step: 0.01, oninput: change });
    return { ...made, show: (value) => made.show(value) };
  }
  if (name === "epochs") {
    const made = slider({ label, min: 1, max: 50, oninput: change });
    return { element: made.element, show: (value) => made.show(value) };
  }
  if (name === "batch_norm") {
    const made = check(label, change);
    const element = make("div", { class: "x-field x-norm" }, made.element);
    return { element, show: (value) => { made.box.checked = value; } };
  }
  if (name === "seed") {
    const field = new NumberField({ label, limits: () => [0, 9999], whole: true, step: 1, read, write: change, fault });
    return { element: field.element, field, show: () => field.show() };
  }
  const numeric = name === "batch_size";
  return choice({
    label, options: Object.entries(CHOICES[name]), onchange: (value) => change(numeric ? Number(value) : value),
  });
}

/** What a second network has at first in place of a setting of the first one. */
function otherwise(name, settings) {
  const { lr, optimizer, momentum, schedule, activation, seed } = settings;
  const { batch_size: size, initialization: start, batch_norm: norm } = settings;
  return {
    lr: lr <= 0.5 ? rateAt(placeOfRate(lr) + RATE_STEPS) : rateAt(placeOfRate(lr) - RATE_STEPS),
    batch_size: size === 256 ? 8 : 256,
    optimizer: optimizer === "SGD" ? "momentum" : "SGD",
    momentum: momentum ? 0 : 0.9,
    schedule: schedule === "cosine" ? "constant" : "cosine",
    initialization: start === "small" ? "he" : "small",
    activation: activation === "sigmoid" ? "relu" : "sigmoid",
    batch_norm: !norm,
    seed: seed === 9999 ? 0 : seed + 1,
  }[name];
}

/** The second network: which setting differs, and a control for its value. */
class WhatIf {
  /** `change(what_if)` takes { setting: value } or null. */
  constructor({ change, read, fault }) {
    Object.assign(this, { change, read, fault, name: null, control: null });
    const names = SETTINGS.filter((name) => name !== "epochs");
    this.which = choice({
      label: "What if … (a second network)",
      options: [["", "no second network"], ...names.map((name) => [name, `another ${NAMES[name].toLowerCase()}`])],
      onchange: (name) => change(name ? { [name]: otherwise(name, read()) } : null),
    });
    this.place = make("div", { class: "x-other" });
    this.note = make("div", { class: "x-note" });
    this.element = group("x-what-if", "Second network", this.which.element, this.place, this.note);
  }

  show(whatIf) {
    const name = whatIf ? Object.keys(whatIf)[0] : "";
    if (name !== this.name) {
      this.name = name;
      this.control = name && controlFor(name, {
        label: `${NAMES[name]} of the second`, read: () => this.value, change: (value) => this.change({ [name]: value }),
        fault: this.fault,
      });
      this.place.replaceChildren(...(name ? [this.control.element] : []));
      this.note.textContent = {
        "": "Two networks learn side by side, one setting apart.",
        seed: "All else is the same; first weights and the order of the images are others.",
        initialization: "All else is the same; the first weights are the same draws, scaled.",
      }[name] ?? "All else is the same, with the first weights and the order of the images.";
    }
    this.value = whatIf?.[name];
    this.which.show(name);
    this.control?.show?.(this.value);
  }
}
