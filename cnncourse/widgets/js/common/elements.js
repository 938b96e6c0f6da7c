// Elements of a page: native controls with their labels, and stages to point at.

/** Make an element: make("button", { class: "x", type: "button", on: { click } }, "text", child). */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A name for an element that nothing else on the page has, in any module. */
const uniqueId = () => `explorer-${Math.random().toString(36).slice(2, 12)}`;

const hidden = { "aria-hidden": "true" };
const operator = (sign, more = "") => make("div", { class: `x-operator ${more}`, ...hidden }, sign);
const group = (name, label, ...children) => make("div", { class: name, role: "group", "aria-label": label }, ...children);

/** A title at the left, and what is beside it. */
const head = (title, ...beside) => make("div", { class: "x-head" }, make("span", { class: "x-title" }, title), ...beside);

/** What a pointer can do here, in words for a mouse and for a finger. */
const hints = (mouse, finger) => [
  make("span", { class: "x-note x-by-mouse" }, mouse), make("span", { class: "x-note x-by-finger" }, finger),
];

/** The same where a click holds what is pointed at; once it does, how to let go. */
const holdHints = (mouse, finger) => [
  ...hints(mouse, finger), make("span", { class: "x-note x-by-mouse x-if-pinned" }, "Held. Click it again, or press Escape, to let go."),
];

/** A native select with its label above it. `options` are [value, text] pairs; `offer` replaces them. */
function choice({ label, options = [], onchange }) {
  const id = uniqueId();
  const select = make("select", { id, class: "x-select", on: { change: () => onchange(select.value) } });
  const element = make("div", { class: "x-field" }, make("label", { for: id, class: "x-label" }, label), select);
  const offer = (pairs) => select.replaceChildren(...pairs.map(([value, text]) => make("option", { value }, text)));
  const show = (value) => {
    select.value = value;
  };
  offer(options);
  return { element, offer, show };
}

/** A native range with its label and its value above it. */
function slider({ label, min, max, step = 1, oninput }) {
  const id = uniqueId();
  const shown = make("span", { class: "x-amount", ...hidden });
  const range = make("input", {
    type: "range", id, class: "x-range", min, max, step,
    on: { input: () => oninput(Number(range.value)) },
  });
  const named = make("label", { for: id, class: "x-label" }, label);
  const element = make("div", { class: "x-field" }, make("div", { class: "x-labels" }, named, shown), range);
  const show = (value, limit = null, text = String(value)) => {
    if (limit !== null) range.max = limit;
    range.value = value;
    shown.textContent = text;
    if (text !== String(value)) range.setAttribute("aria-valuetext", text);
  };
  return { element, range, named, show };
}

/** Native radio buttons in one row, one of them chosen. */
function segments({ label, options, onchange }) {
  const name = uniqueId();
  const radios = new Map();
  const items = options.map(([value, text]) => {
    const radio = make("input", { type: "radio", name, value, on: { change: () => onchange(value) } });
    radios.set(String(value), radio);
    return make("label", { class: "x-segment" }, radio, make("span", {}, text));
  });
  const legend = make("legend", { class: "x-label" }, label);
  const element = make("fieldset", { class: "x-segments" }, legend, make("div", { class: "x-segment-row" }, ...items));
  const show = (value) => {
    const radio = radios.get(String(value));
    if (radio) radio.checked = true;
  };
  return { element, show };
}

function button(text, onclick, attributes = {}) {
  return make("button", { type: "button", class: "x-button", ...attributes, on: { click: onclick } }, text);
}

/** A box to tick, with its label. */
function check(label, onchange = () => {}) {
  const box = make("input", { type: "checkbox", on: { change: () => onchange(box.checked) } });
  return { box, element: make("label", { class: "x-check" }, box, label) };
}

/**
 * A field for a number within `limits()`, a whole one if so wanted. What is not legal is marked while it is typed; when
 * it is left, `fault` says why it does not count, and the number is again what `read()` gives. `refuse(value)` may say
 * why a number within the limits does not count either.
 */
class NumberField {
  constructor({ label, letter = "", limits, whole = false, step, read, write, fault, refuse = () => "" }) {
    Object.assign(this, { label, limits, whole, read, write, fault, refuse });
    const id = uniqueId();
    this.input = make("input", {
      id, type: "number", class: "x-number", step, enterkeyhint: "done", inputmode: whole ? "numeric" : "decimal",
      on: { input: () => this.take(false), change: () => this.take(true) },
    });
    this.element = make("div", { class: "x-field" }, make("label", { for: id, class: "x-label" }, label, letter), this.input);
  }

  take(final) {
    const { input, whole } = this;
    const [low, high] = this.limits();
    const value = Number(input.value);
    const kind = whole ? Number.isInteger(value) : Number.isFinite(value);
    const inside = input.value !== "" && kind && value >= low && value <= high;
    const rule = inside ? this.refuse(value)
      : `${this.label} must be a ${whole ? "whole " : ""}number from ${format(low)} to ${format(high)}`;
    const legal = rule === "";
    input.toggleAttribute("aria-invalid", false);
    if (!legal && !final) input.setAttribute("aria-invalid", "true");
    this.fault.textContent = legal || !final ? "" : `${rule}. It stays ${format(this.read())}.`;
    if (!legal && final) input.value = this.read();
    if (legal) this.write(value);
  }

  /** Show what is held, except to somebody who is typing. */
  show() {
    if (document.activeElement !== this.input) this.clear();
  }

  clear() {
    this.input.value = this.read();
    this.input.toggleAttribute("aria-invalid", false);
  }
}

/** Keys pressed inside an explorer are its own: a notebook must not move to another cell, nor a site to another page. */
function keepKeys(root) {
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab listens before anyone else, and looks for this
  root.addEventListener("keydown", (event) => {
    const passing = event.ctrlKey || event.metaKey || event.altKey || ["Tab", "Escape"].includes(event.key);
    if (!passing) event.stopPropagation();
  });
}

/** Where a key leads, of places by key; undefined for other keys, which keep their meaning. */
function placeOf(event, places) {
  if (event.key in places) event.preventDefault();
  return places[event.key];
}

/** The four neighbors of a place by arrow key. */
const neighbors = ([y, x], step = 1) => ({
  ArrowUp: [y - step, x], ArrowDown: [y + step, x], ArrowLeft: [y, x - step], ArrowRight: [y, x + step],
});

const isPressed = (event) => event.type === "pointerdown" || (event.buttons & 1) === 1;

/**
 * A picture with a transparent one above it for marks. `onpoint` gets [y, x] as shares of its size, and the event. A
 * stage with `onkey` is a control of its own, any other a picture.
 */
function makeStage({ label = null, onpoint = () => {}, onleave = () => {}, onkey = null }) {
  const picture = make("canvas", { class: "x-picture", ...hidden });
  const marks = make("canvas", { class: "x-marks", ...hidden });
  const role = onkey ? { role: "application", tabindex: "0" } : { role: "img" };
  const stage = make("div", { class: "x-stage", "aria-label": label, ...role }, picture, marks);
  const point = (event) => {
    const box = picture.getBoundingClientRect();
    onpoint([(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width], event);
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    point(event);
  });
  stage.addEventListener("pointermove", point);
  stage.addEventListener("pointerleave", onleave);
  if (onkey) stage.addEventListener("keydown", onkey);
  return { stage, picture, marks };
}
