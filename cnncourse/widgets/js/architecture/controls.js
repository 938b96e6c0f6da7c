// The controls of one network: which it is, its input, its width, its classes.

const NONE = "";

/** A field for a whole number where what is not legal is replaced by the nearest that is, and one sentence says so. */
class NearestField extends NumberField {
  /** `legal(wish)` → the nearest legal number; `say(wish, taken)` → the sentence, with null for what is no number. */
  constructor({ legal, say, ...rest }) {
    super({ whole: true, step: 1, limits: () => [1, Infinity], ...rest });
    Object.assign(this, { legal, say });
  }

  take(final) {
    const { input } = this;
    const wish = Number(input.value);
    const typed = input.value !== "" && Number.isFinite(wish);
    const taken = typed ? this.legal(wish) : this.read();
    input.toggleAttribute("aria-invalid", false);
    if (taken === wish && typed) {
      this.fault.textContent = "";
      this.write(taken);
    } else if (!final) input.setAttribute("aria-invalid", "true");
    else {
      this.fault.textContent = this.say(typed ? wish : null, taken);
      input.value = taken;
      this.write(taken);
    }
  }
}

/** A select of networks by family. */
function chooseNetwork({ label, none = null, onchange }) {
  const made = choice({ label, onchange });
  const families = new Map();
  for (const [model, { family }] of Object.entries(NETWORKS.networks)) {
    families.set(family, [...(families.get(family) ?? []), make("option", { value: model }, model)]);
  }
  const groups = [...families].map(([family, options]) =>
    make("optgroup", { label: NETWORKS.families[family][0] }, ...options));
  made.element.querySelector("select").replaceChildren(...(none ? [make("option", { value: NONE }, none)] : []), ...groups);
  return made;
}

class NetworkControls {
  /** `read()` → the settings or null; `write(changes)`; `choose(model)`; `nth` names them where there are two. */
  constructor({ nth, none, read, write: keep, choose, more = [] }) {
    Object.assign(this, { read, nth });
    const named = (label) => (nth ? `${label}, ${nth}` : label);
    const size = () => this.settings.input_size;
    this.fault = make("div", { class: "x-fault", role: "alert" });
    this.network = chooseNetwork({ label: nth ? "Compare with" : "Network", none, onchange: choose });
    this.size = new NearestField({
      label: named("Input size"), read: size, write: (value) => keep({ input_size: value }), fault: this.fault,
      legal: (wish) => nearestSize(this.settings.model, wish),
      say: (wish, taken) => sizeFault(this.settings.model, wish, taken),
    });
    this.range = make("input", {
      type: "range", class: "x-range", "aria-label": named("Input size by dragging"),
      on: { input: () => this.drag(keep) },
    });
    this.width = choice({ label: named("Width"), onchange: (value) => keep({ width: Number(value) }) });
    this.classes = new NearestField({
      label: named("Classes"), read: () => this.settings.classes, write: (value) => keep({ classes: value }), fault: this.fault,
      legal: (wish) => clamp(Math.round(wish), ...CLASSES), say: countFault,
    });
    this.rest = [this.width.element, this.classes.element];
    this.sizes = make("div", { class: "x-sizes" }, this.size.element, this.range);
    this.element = make("div", { class: "x-network" }, this.network.element, this.sizes, ...this.rest, ...more);
  }

  /** The slider goes over legal sizes alone, so that every step of it is one. */
  drag(keep) {
    this.fault.textContent = "";
    keep({ input_size: this.legal[Number(this.range.value)] });
  }

  get fields() {
    return [this.size, this.classes];
  }

  /** What can be chosen for a network. */
  list(model) {
    const [own, ...others] = widthsOf(model);
    Object.assign(this, { listed: model, legal: everySize(model) });
    const texts = [own, ...others].sort((a, b) => a - b).map((each) => [each, widthText(each) + (each === own ? ", default" : "")]);
    this.width.offer(texts);
    this.width.element.querySelector("select").disabled = !others.length;
    this.classes.input.disabled = !entryOf(model).any_classes;
  }

  show(settings) {
    this.settings = settings ?? this.settings;
    this.network.show(settings?.model ?? NONE);
    for (const element of [this.sizes, ...this.rest]) element.hidden = !settings;
    if (!settings) return;
    const { model, input_size, width } = settings;
    if (this.listed !== model) this.list(model);
    const [place, last] = [this.legal.indexOf(input_size), this.legal.length - 1];
    Object.assign(this.range, { min: 0, max: last, value: place, disabled: last === 0 });
    this.size.input.disabled = this.range.disabled;
    this.range.setAttribute("aria-valuetext", `${input_size} pixels`);
    this.width.show(width);
    for (const field of this.fields) field.show();
  }
}
