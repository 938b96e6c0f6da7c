// ShapeExplorer: how big the output is, which pixels each window reads, and what that costs.
// A convolution and its transpose are one relation read in two directions: window a lies on the pixels
// b = a·s + u·d − p, u = 0 … k − 1. Forward, the windows are the output and the pixels the input, with p zeros
// around it. Transposed, the windows are the input and the pixels the output, cropped by p. All grids are square, so
// the arithmetic is that of one axis.

const LARGEST_GRID = 32; // cells a side that are still seen one by one, on a phone too
const RANGES = { input: [1, 16], kernel: [1, 7], stride: [1, 4], padding: [0, 6], dilation: [1, 4] };
const GEOMETRY = Object.keys(RANGES);
const LETTERS = { input: "H", kernel: "k", stride: "s", padding: "p", dilation: "d" };
const CHANNELS = [1, 4096];
const YOUR_OWN = "your own";
const PRESETS = Object.fromEntries(
  [
    ["valid: no padding", 7, 3, 1, 0, 1],
    ["same: the size stays", 7, 3, 1, 1, 1],
    ["strided: half the size", 7, 3, 2, 1, 1],
    ["the floor bites", 8, 3, 2, 0, 1],
    ["dilated: a wide window", 9, 3, 1, 2, 2],
    ["dilated and strided: holes", 10, 3, 2, 2, 2],
    ["patches side by side", 16, 4, 4, 0, 1],
    ["1 × 1", 7, 1, 1, 0, 1],
    ["like AlexNet's first layer", 16, 7, 4, 2, 1], // 1 left over, as from 224 with 11, 4 and 2
    ["transposed: twice the size", 4, 4, 2, 1, 1, "transposed"],
    ["transposed: a checkerboard", 5, 3, 2, 0, 1, "transposed"],
  ].map(([name, input, kernel, stride, padding, dilation, view = "forward"]) =>
    [name, { view, input, kernel, stride, padding, dilation }]),
);

// --- arithmetic ---------------------------------------------------------------------------------------------

const spanOf = ({ kernel, dilation }) => dilation * (kernel - 1) + 1;

/** Cells along a side: `windows`, the `pixels` they lie on, and `grid`, the pixels with their border. */
function sides(settings) {
  const { view, input, stride, padding } = settings;
  const span = spanOf(settings);
  if (view === "transposed") {
    const grid = (input - 1) * stride + span;
    return { windows: input, pixels: grid - 2 * padding, grid, output: grid - 2 * padding };
  }
  const grid = input + 2 * padding;
  const windows = Math.floor((grid - span) / stride) + 1;
  return { windows, pixels: input, grid, output: windows };
}

function fitsTogether(settings) {
  const { windows, pixels, grid } = sides(settings);
  return windows >= 1 && pixels >= 1 && grid <= LARGEST_GRID;
}

/** The pixels of window a, below 0 and from `pixels` on in the border. */
const tapsOf = ({ kernel, stride, padding, dilation }, a) =>
  Array.from({ length: kernel }, (_, u) => a * stride + u * dilation - padding);

/** The windows that lie on pixel b, each as [a, u]: window and tap. */
function readersOf(settings, b) {
  const found = [];
  for (let a = 0; a < sides(settings).windows; a += 1) {
    const u = tapsOf(settings, a).indexOf(b);
    if (u >= 0) found.push([a, u]);
  }
  return found;
}

/** How many windows lie on each pixel, border included. */
function countsAlong(settings) {
  const counts = new Array(sides(settings).grid).fill(0);
  for (let a = 0; a < sides(settings).windows; a += 1) {
    for (const b of tapsOf(settings, a)) counts[b + settings.padding] += 1;
  }
  return counts;
}

/** The pixels that no window lies on. */
function unreadOf(settings) {
  const { padding } = settings;
  const counts = countsAlong(settings).slice(padding, padding + sides(settings).pixels);
  return counts.flatMap((count, b) => (count === 0 ? [b] : []));
}

/** [least, most] that one setting can be beside the others. Between them everything fits. */
function limits(settings, name) {
  const [low, high] = RANGES[name];
  const values = Array.from({ length: high - low + 1 }, (_, index) => low + index);
  const legal = values.filter((value) => fitsTogether({ ...settings, [name]: value }));
  return legal.length ? [legal[0], legal.at(-1)] : [low, low - 1];
}

/** Why settings do not fit, as the end of a sentence. */
function misfit(settings) {
  const { view, input, padding } = settings;
  const { grid, pixels } = sides(settings);
  if (view === "forward") {
    return `the kernel would span ${spanOf(settings)} pixels, and the padded input has ${input + 2 * padding}`;
  }
  if (pixels < 1) return `cropping ${padding} on every side would leave nothing of ${grid} pixels`;
  return `the output would be ${grid} pixels wide before it is cropped, and ${LARGEST_GRID} are shown at most`;
}

/** A letter of the notation. */
const variable = (letter) => make("i", { class: "x-letter" }, letter);

const titled = (name) => name[0].toUpperCase() + name.slice(1);

/** Change one setting and keep the others, as near to the wish as fits. `reason` says in words what did not fit. */
function change(settings, name, wish) {
  if (name === "view") return turn(settings, wish);
  const [low, high] = limits(settings, name);
  const value = Math.max(low, Math.min(high, Math.round(wish)));
  const changed = { ...settings, [name]: value };
  const [least, most] = RANGES[name];
  const tried = Math.max(least, Math.min(most, Math.round(wish)));
  if (value === tried) return { settings: changed, reason: "" };
  const limit = tried > value ? "at most" : "at least";
  const why = misfit({ ...settings, [name]: tried });
  return { settings: changed, reason: `${titled(name)} is ${limit} ${value} here: at ${tried}, ${why}.` };
}

/** Look at the settings from the other side; where that cannot be, the input changes, then the dilation. */
function turn(settings, view) {
  const turned = { ...settings, view };
  const reasons = [];
  for (const name of ["input", "dilation"]) {
    if (fitsTogether(turned)) break;
    const [low, high] = limits(turned, name);
    const value = low > high ? RANGES[name][1] : Math.max(low, Math.min(high, turned[name]));
    if (value !== turned[name]) reasons.push(`${titled(name)} is ${value} now: at ${turned[name]}, ${misfit(turned)}.`);
    turned[name] = value;
  }
  return { settings: turned, reason: reasons.join(" ") };
}

/** What a layer from C to O channels costs for one image; `border` of its multiply-adds meet the border. */
function costOf(settings, channelsIn, channelsOut) {
  const { windows, output, pixels } = sides(settings);
  const counts = countsAlong(settings).slice(settings.padding, settings.padding + pixels);
  const inside = counts.reduce((total, count) => total + count, 0) ** 2;
  const pairs = channelsIn * channelsOut;
  const multiplyAdds = pairs * settings.kernel ** 2 * windows ** 2;
  return {
    values: channelsOut * output ** 2,
    weights: pairs * settings.kernel ** 2,
    multiplyAdds,
    border: multiplyAdds - pairs * inside,
  };
}

// --- words --------------------------------------------------------------------------------------------------

const grouped = (value) => value.toLocaleString("en-US");

function listed(values) {
  const texts = values.map((value) => format(value));
  return texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}`;
}

/** "row 3", "rows 3 to 5", "rows 0, 2 and 4" */
function places(word, values) {
  if (values.length === 1) return `${word} ${format(values[0])}`;
  const last = values.at(-1);
  const together = values.length > 2 && last - values[0] === values.length - 1;
  return `${word}s ${together ? `${format(values[0])} to ${format(last)}` : listed(values)}`;
}

const plural = (count, word) => `${grouped(count)} ${word}${count === 1 ? "" : "s"}`;

const times = (count) => (count === 1 ? "once" : count === 2 ? "twice" : `${count} times`);
const lastLines = (count) => `last ${count === 1 ? "row and column" : `${count} rows and columns`}`;
const namedLines = (indices) => `${indices.length === 1 ? "Row and column" : "Rows and columns"} ${listed(indices)}`;

/** How often the real pixels are read along both axes. */
function squaredCounts(settings) {
  const { padding } = settings;
  return countsAlong(settings).slice(padding, padding + sides(settings).pixels).map((count) => count ** 2);
}

/** Forward: what the floor drops, and what is never read or how often. */
function forwardRemark(settings) {
  const { input, padding, stride } = settings;
  const over = (sides(settings).grid - spanOf(settings)) % stride;
  const unread = unreadOf(settings);
  const atEnd = unread[0] === input - unread.length;
  const lost = `${input ** 2 - (input - unread.length) ** 2} of ${plural(input ** 2, "pixel")}`;
  let floor = "";
  if (over) {
    floor = `The floor drops a remainder of ${over}: `;
    const all = padding === 0 && atEnd && unread.length === over;
    if (all) return `${floor}the ${lastLines(over)} are never read, ${lost}.`;
    floor += over <= padding ? "only padding is lost. "
      : `no window reaches the ${lastLines(over)} of the ${padding ? "padded " : ""}input. `;
  }
  if (unread.length) {
    return `${floor}${atEnd ? `The ${lastLines(unread.length)}` : namedLines(unread)} are never read, ${lost}.`;
  }
  const counts = squaredCounts(settings);
  const [corner, least, most] = [counts[0], Math.min(...counts), Math.max(...counts)];
  if (least === most) return `${floor}Every pixel is read ${most === 1 ? "exactly once" : times(most)}.`;
  const others = corner === most ? `as seldom as ${times(least)}` : `up to ${times(most)}`;
  return `${floor}Every pixel is read: a corner ${times(corner)}, others ${others}.`;
}

/** Transposed: which sizes a convolution brings here, and how evenly the output is made. */
function transposedRemark(settings) {
  const { input, stride } = settings;
  const { output } = sides(settings);
  const most = output + stride - 1;
  const all = stride === 1 ? output : `${output} ${stride === 2 ? "and" : "to"} ${most} alike`;
  const back = `A convolution with these settings turns ${all} into ${input}; ` +
    `the transposed one turns ${input} into ${output}.`;
  const unread = unreadOf(settings);
  if (unread.length) return `${back} ${namedLines(unread)} get nothing from the input, only the bias.`;
  const counts = squaredCounts(settings);
  const [low, high] = [Math.min(...counts), Math.max(...counts)];
  return `${back} Every output pixel sums ${low === high ? plural(high, "product") : `${low} to ${high} products`}.`;
}

const remarkOn = (settings) => (settings.view === "forward" ? forwardRemark(settings) : transposedRemark(settings));

// --- the explorer -------------------------------------------------------------------------------------------

class ShapeView {
  constructor(model, host) {
    this.model = model;
    this.names = ["view", ...GEOMETRY, "step", "show_counts", "in_channels", "out_channels"];
    this.initial = Object.fromEntries(this.names.map((name) => [name, model.get(name)]));
    this.settings = { view: "forward", input: 1, kernel: 1, stride: 1, padding: 0, dilation: 1 };
    this.reason = "";
    this.preview = null; // what the mouse points at, while it does: { of: "windows" | "pixels", at: [row, column] }
    this.pixel = null; // the pixel that was chosen instead of a window
    this.light = null; // the setting whose slider is used
    this.timer = 0;
    this.revision = { look: 0, controls: 0 };
    this.made = {};
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

  /** The step, or the nearest there is. */
  step() {
    return Math.max(0, Math.min(this.last, this.model.get("step")));
  }

  get last() {
    return sides(this.settings).windows ** 2 - 1;
  }

  /** [row, column] of the window of the step. */
  place() {
    const { windows } = sides(this.settings);
    return [Math.floor(this.step() / windows), this.step() % windows];
  }

  setStep(step, keepPlaying = false) {
    if (!keepPlaying) this.pause();
    this.pixel = this.preview = null;
    this.speakPoint = !keepPlaying;
    this.set({ step: Math.max(0, Math.min(this.last, step)) });
  }

  setPixel(at) {
    this.pause();
    const { padding } = this.settings;
    const last = sides(this.settings).grid - padding - 1;
    this.pixel = at.map((index) => Math.max(-padding, Math.min(last, index)));
    this.preview = null;
    this.speakPoint = true;
    this.ask();
  }

  /** One setting, as near as fits; the window stays where it is in proportion. */
  setOne(name, wish) {
    const { settings, reason } = change(this.settings, name, wish);
    this.setAll(settings, reason);
  }

  setAll(settings, reason = "") {
    this.pause();
    this.preview = null;
    const [before, after] = [sides(this.settings).windows, sides(settings).windows];
    const moved = this.place().map((index) =>
      before === 1 ? (after - 1) >> 1 : Math.round((index * (after - 1)) / (before - 1)));
    this.settings = settings;
    this.reason = reason;
    this.revision.controls += 1; // a slider that was pushed too far goes back, though nothing else changes
    this.set({ ...settings, step: moved[0] * after + moved[1] });
  }

  reset() {
    this.pause();
    this.pixel = this.preview = null;
    this.reason = "";
    this.revision.controls += 1;
    this.set(this.initial);
    for (const field of [this.channelsIn, this.channelsOut]) field.clear();
  }

  // Playing .....................................................................................................

  play() {
    if (this.timer) {
      this.pause();
      return;
    }
    if (this.step() >= this.last) this.setStep(0, true);
    const pace = Math.max(60, Math.min(450, 8000 / (this.last + 1)));
    const tick = () => {
      this.setStep(this.step() + 1, true);
      if (this.step() >= this.last) this.pause();
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
    this.preset = choice({
      label: "Example",
      options: [...Object.keys(PRESETS), YOUR_OWN].map((name) => [name, name]),
      onchange: (name) => {
        this.pixel = null;
        if (name in PRESETS) this.setAll({ ...PRESETS[name] });
        else this.ask();
      },
    });
    this.view = segments({
      label: "Convolution", options: [["forward", "forward"], ["transposed", "transposed"]],
      onchange: (view) => this.setOne("view", view),
    });
    const reset = button("", () => this.reset(), { class: "x-button x-reset", title: "Back to the beginning" });
    reset.append(make("span", { "aria-hidden": "true" }, "↺"), make("span", { class: "x-word" }, "Reset"));

    this.sliders = Object.fromEntries(GEOMETRY.map((name) => [name, this.buildSlider(name)]));
    this.formula = make("div", { class: "x-equation", role: "img" });
    this.fault = make("div", { class: "x-fault" });
    this.remark = make("div");
    this.panels = { input: this.buildPanel("input"), output: this.buildPanel("output") };
    this.pointing = make("p", { class: "x-sentence" });

    this.root = make(
      "div",
      { class: "explorer", role: "group", "aria-label": "Shape explorer", "data-explorer": "shape" },
      make("div", { class: "x-bar" }, this.preset.element, this.view.element, reset),
      make("div", { class: "x-pair" }, this.panels.input.element,
        make("div", { class: "x-operator", "aria-hidden": "true" }, "→"), this.panels.output.element),
      this.pointing,
      this.buildSteps(),
      make("div", { class: "x-sliders" }, ...GEOMETRY.map((name) => this.sliders[name].element)),
      this.formula,
      make("div", { class: "x-remark" }, this.fault, this.remark),
      this.buildCosts(),
      this.spoken.element,
    );
    keepKeys(this.root);
    host.append(this.root);
  }

  buildSlider(name) {
    const [min, max] = RANGES[name];
    const label = make("span", {}, `${titled(name)} `, variable(LETTERS[name]));
    const made = slider({ label, min, max, oninput: (value) => this.setOne(name, value) });
    const legal = make("div", { class: "x-legal", "aria-hidden": "true" });
    made.element.append(legal);
    for (const [start, end] of [["pointerenter", "pointerleave"], ["focusin", "focusout"]]) {
      made.element.addEventListener(start, () => this.lightUp(name));
      made.element.addEventListener(end, () => this.lightUp(null));
    }
    const show = (settings) => {
      const [low, high] = limits(settings, name);
      made.show(settings[name]);
      legal.style.setProperty("--before", (low - min) / (max - min));
      legal.style.setProperty("--after", (max - high) / (max - min));
    };
    return { element: made.element, show };
  }

  buildPanel(name) {
    const made = makeStage({
      onpoint: (share, event) => this.onPoint(name, share, event),
      onleave: () => this.show(null),
      onkey: (event) => this.onKey(name, event),
    });
    made.stage.setAttribute("role", "application");
    made.stage.setAttribute("tabindex", "0");
    made.size = make("span", { class: "x-size" });
    made.around = make("span", { class: "x-size x-around" });
    made.note = make("div", { class: "x-note" });
    made.element = make("div", { class: `x-panel x-${name}`, role: "group", "aria-label": titled(name) },
      make("div", { class: "x-head" }, make("span", { class: "x-title" }, titled(name)),
        make("span", {}, made.size, made.around)),
      made.stage, made.note);
    return made;
  }

  buildSteps() {
    this.back = button("◀ Back", () => this.setStep(this.step() - 1), { "aria-label": "Back one window" });
    this.player = button("", () => this.play(), { class: "x-button x-play" });
    this.next = button("Next ▶", () => this.setStep(this.step() + 1), { "aria-label": "Next window" });
    this.stepper = slider({ label: "Step", min: 1, max: 1, oninput: (value) => this.setStep(value - 1) });
    const count = () => this.set({ show_counts: this.counter.checked });
    this.counter = make("input", { type: "checkbox", on: { change: count } });
    this.counterText = make("span");
    this.showPlaying();
    return make("div", { class: "x-steps" },
      make("div", { class: "x-tools" }, this.back, this.player, this.next),
      this.stepper.element,
      make("label", { class: "x-check" }, this.counter, this.counterText));
  }

  buildCosts() {
    this.channelsIn = this.buildChannels("in_channels", "Channels in", "C");
    this.channelsOut = this.buildChannels("out_channels", "Channels out", "O");
    const cost = (label) => {
      const [value, product] = [make("span", { class: "x-amount" }), make("span", { class: "x-product" })];
      const name = make("span", { class: "x-label" }, label);
      return { value, product, element: make("div", { class: "x-cost" }, name, value, product) };
    };
    this.costs = { values: cost("Output values"), weights: cost("Weights"), multiplyAdds: cost("Multiply-adds") };
    this.channelFault = make("div", { class: "x-fault", role: "alert" });
    this.wasted = make("div", { class: "x-note" });
    return make("div", { class: "x-magnifier", role: "group", "aria-label": "Cost" },
      make("div", { class: "x-head" }, make("span", { class: "x-title" }, "What it costs"),
        make("span", { class: "x-note" }, "For one image, without bias.")),
      make("div", { class: "x-costs" },
        make("div", { class: "x-channels" }, this.channelsIn.element, this.channelsOut.element),
        ...Object.values(this.costs).map(({ element }) => element)),
      this.channelFault, this.wasted);
  }

  buildChannels(name, label, letter) {
    const id = uniqueId();
    const [min, max] = CHANNELS;
    const input = make("input", {
      id, type: "number", class: "x-number", min, max, step: 1, inputmode: "numeric", enterkeyhint: "done",
    });
    const read = (final) => {
      const value = Number(input.value);
      const legal = input.value !== "" && Number.isInteger(value) && value >= min && value <= max;
      const kept = legal ? value : this.model.get(name);
      input.toggleAttribute("aria-invalid", false);
      if (!legal && !final) input.setAttribute("aria-invalid", "true");
      this.channelFault.textContent = legal || !final ? ""
        : `${label} must be a whole number from ${min} to ${max}. It stays ${kept}.`;
      if (!legal && final) input.value = kept;
      if (legal) this.set({ [name]: value });
    };
    input.addEventListener("input", () => read(false));
    input.addEventListener("change", () => read(true));
    const show = () => {
      if (document.activeElement !== input) input.value = this.model.get(name);
    };
    const clear = () => {
      input.value = this.model.get(name);
      input.toggleAttribute("aria-invalid", false);
      this.channelFault.textContent = "";
    };
    const element = make("div", { class: "x-field" },
      make("label", { for: id, class: "x-label" }, `${label} `, variable(letter)), input);
    return { element, show, clear };
  }

  // Pointing ....................................................................................................

  /** Which grid a panel holds: the "windows" or the "pixels" they lie on. */
  roleOf(name) {
    return (name === "input") === (this.settings.view === "forward") ? "pixels" : "windows";
  }

  panelOf(role) {
    return this.panels[this.roleOf("input") === role ? "input" : "output"];
  }

  /** What is looked at: under the mouse, else the chosen pixel, else the window of the step. */
  pointed() {
    if (this.preview) return this.preview;
    return this.pixel ? { of: "pixels", at: this.pixel } : { of: "windows", at: this.place() };
  }

  show(preview) {
    this.preview = preview;
    this.ask();
  }

  /** Where the cells of a grid are drawn on a square of `side`: all cells of both grids are of one size. */
  layout(role, side) {
    const { grid, windows } = sides(this.settings);
    const cell = side / grid >= 6 ? Math.floor((side - 2) / grid) : (side - 2) / grid;
    const count = role === "pixels" ? grid : windows;
    const border = role === "pixels" ? this.settings.padding : 0;
    return { cell, count, border, corner: Math.floor((side - cell * count) / 2) };
  }

  onPoint(name, share, event) {
    const { marks } = this.panels[name];
    const of = this.roleOf(name);
    const { cell, count, border, corner } = this.layout(of, marks.width);
    const at = share.map((value) => Math.floor((value * marks.width - corner) / cell));
    const inside = at.every((index) => index >= 0 && index < count);
    const pressed = event.type === "pointerdown" || event.buttons & 1;
    const spot = at.map((index) => index - border);
    if (!inside) {
      if (event.type === "pointerdown") this.pixel = null;
      this.show(null);
    } else if (pressed && of === "windows") this.setStep(spot[0] * count + spot[1]);
    else if (pressed) this.setPixel(spot);
    else if (event.pointerType !== "touch") this.show({ of, at: spot });
  }

  onKey(name, event) {
    const of = this.roleOf(name);
    const { count, border } = this.layout(of, 1000);
    const [first, last] = [-border, count - border - 1];
    const [i, j] = of === "windows" ? this.place() : this.pixel ?? this.middlePixel();
    const moves = {
      ArrowUp: [i - 1, j], ArrowDown: [i + 1, j], ArrowLeft: [i, j - 1], ArrowRight: [i, j + 1],
      PageUp: [first, j], PageDown: [last, j], Home: [i, first], End: [i, last],
    };
    if (event.key === "Escape" && this.pixel) {
      this.pixel = null;
      this.ask();
    }
    if (!(event.key in moves)) return;
    event.preventDefault();
    const [y, x] = moves[event.key].map((index) => Math.max(first, Math.min(last, index)));
    if (of === "windows") this.setStep(y * count + x);
    else this.setPixel([y, x]);
  }

  /** The pixel below the middle of the window. */
  middlePixel() {
    const { stride, padding } = this.settings;
    return this.place().map((index) => index * stride - padding + (spanOf(this.settings) >> 1));
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

  /** True if the key of a part is not what it was when the part was last made. */
  outdated(part, key) {
    if (this.made[part] === key) return false;
    this.made[part] = key;
    return true;
  }

  /**
   * Take over what the model holds. Where that does not fit, show the nearest that does, and leave the model alone:
   * several settings that were changed together arrive one after the other.
   */
  readSettings() {
    const held = Object.fromEntries(["view", ...GEOMETRY].map((name) => [name, this.model.get(name)]));
    const changed = Object.keys(held).filter((name) => held[name] !== this.settings[name]);
    if (!changed.length) return;
    this.reason = "";
    this.preview = null;
    const inRange = GEOMETRY.every((name) => held[name] >= RANGES[name][0] && held[name] <= RANGES[name][1]);
    if (inRange && fitsTogether(held)) {
      this.settings = held;
      return;
    }
    for (const name of changed) {
      const { settings, reason } = change(this.settings, name, held[name]);
      this.settings = settings;
      this.reason ||= reason;
    }
  }

  computeNow() {
    this.readSettings();
    const { settings, model } = this;
    const size = sides(settings);
    const inside = (index) => index >= -settings.padding && index < size.grid - settings.padding;
    if (this.pixel && !this.pixel.every(inside)) this.pixel = null;
    const { of, at } = this.pointed();
    // The cells of the other grid that belong to the one pointed at, along each axis as [cell, tap].
    this.lit = at.map((index) =>
      of === "windows" ? tapsOf(settings, index).map((b, u) => [b, u]) : readersOf(settings, index));
    this.cost = costOf(settings, model.get("in_channels"), model.get("out_channels"));
    const lit = this.lit[0].flatMap(([y]) => this.lit[1].map(([x]) => [y, x]));
    const { view, input, kernel, stride, padding, dilation } = settings;
    this.root.dataset.state = JSON.stringify({
      view, input, kernel, stride, padding, dilation, output: size.output, step: this.step(), windows: size.windows ** 2,
      pointed: of === (view === "forward" ? "windows" : "pixels") ? "output" : "input", at, lit,
      unread: unreadOf(settings), weights: this.cost.weights, multiply_adds: this.cost.multiplyAdds,
    });
    if (this.outdated("said", JSON.stringify([settings, this.reason]))) {
      this.spoken.say([this.reason, this.summary(), remarkOn(settings)].filter(Boolean).join(" "));
    } else if (this.speakPoint) this.spoken.say(this.sentence());
    this.speakPoint = false;
  }

  summary() {
    const { view, input, kernel, stride, padding, dilation } = this.settings;
    const { output } = sides(this.settings);
    const what = view === "forward" ? "" : "Transposed. ";
    const given = `Input ${input}, kernel ${kernel}, stride ${stride}, padding ${padding}, dilation ${dilation}`;
    return `${what}${given}: output ${output} by ${output}.`;
  }

  /** What is pointed at, in words. */
  sentence() {
    const { settings } = this;
    const forward = settings.view === "forward";
    const { windows, pixels } = sides(settings);
    const { of, at } = this.pointed();
    const pair = `(${at.map((index) => format(index)).join(", ")})`;
    const [rows, columns] = this.lit.map((axis) => axis.map(([index]) => index));
    const alike = rows.length > 1 && rows.join() === columns.join();
    const area = alike ? places("rows and column", rows) : `${places("row", rows)}, ${places("column", columns)}`;
    const outside = (index) => index < 0 || index >= pixels;
    if (of === "windows") {
      const taps = settings.kernel ** 2;
      const border = taps - rows.filter((y) => !outside(y)).length * columns.filter((x) => !outside(x)).length;
      const [action, all, fate] = forward
        ? [`output ${pair} reads ${area} of the input.`, `its ${plural(taps, "pixel")}`, "padding"]
        : [`input ${pair} times the kernel goes to ${area} of the output.`, `the ${plural(taps, "product")}`, "cropped"];
      const lost = border ? ` ${border} of ${all} ${border === 1 ? "is" : "are"} ${fate}.` : "";
      return `Step ${at[0] * windows + at[1] + 1} of ${windows ** 2}: ${action}${lost}`;
    }
    const count = rows.length * columns.length;
    const border = at.some(outside);
    if (forward) {
      const subject = border ? `Padding at ${pair}, always 0,` : `Input ${pair}`;
      return count ? `${subject} is read by ${plural(count, "output")}: ${area}.` : `${subject} is never read.`;
    }
    const subject = border ? `Output ${pair}, which is cropped,` : `Output ${pair}`;
    if (count === 0) return `${subject} gets nothing from the input, only the bias.`;
    return `${subject} sums ${plural(count, "product")}, from ${area} of the input.`;
  }

  paintNow() {
    const { look, controls } = this.revision;
    const geometry = JSON.stringify([this.settings, look]);
    if (this.outdated("palette", look)) {
      this.palette = readPalette(this.root);
      this.font = getComputedStyle(this.root).fontFamily;
    }
    if (this.outdated("geometry", `${geometry} ${controls} ${this.reason}`)) this.showGeometry();
    if (this.outdated("grids", `${geometry} ${this.step()} ${this.model.get("show_counts")}`)) {
      this.showSteps();
      this.paintGrids();
    }
    this.showCosts();
    this.pointing.textContent = this.sentence();
    this.paintMarks();
  }

  showGeometry() {
    const { settings } = this;
    const { input, padding, view } = settings;
    const { output } = sides(settings);
    const forward = view === "forward";
    const same = ([, preset]) => Object.entries(preset).every(([name, value]) => settings[name] === value);
    this.preset.show(Object.entries(PRESETS).find(same)?.[0] ?? YOUR_OWN);
    this.view.show(view);
    for (const name of GEOMETRY) this.sliders[name].show(settings);
    const around = padding ? (forward ? ` + ${padding} around` : `, ${padding} cropped`) : "";
    for (const [name, side] of [["input", input], ["output", output]]) {
      const panel = this.panels[name];
      const pixels = this.roleOf(name) === "pixels";
      panel.size.textContent = `${side} × ${side}`;
      panel.around.textContent = pixels ? around : "";
      const moves = pixels ? "Arrow keys choose a pixel" : "Arrow keys move the window";
      panel.stage.setAttribute("aria-label", `${titled(name)}, ${side} by ${side}. ${moves}.`);
    }
    const unread = unreadOf(settings).length > 0;
    const dotted = padding ? (forward ? "Dotted: padding, all zeros." : "Dotted: cropped away.") : "";
    const hatched = unread ? `Hatched: never ${forward ? "read" : "written to"}.` : "";
    this.panelOf("pixels").note.textContent = `${dotted} ${hatched}`.trim();
    this.panelOf("windows").note.replaceChildren(
      make("span", { class: "x-by-mouse" }, "Point at a cell of either grid; a click holds it."),
      make("span", { class: "x-by-finger" }, "Tap a cell of either grid."));
    this.counterText.textContent = forward ? "Count the reads" : "Count the products";
    this.fault.textContent = this.reason;
    this.remark.textContent = remarkOn(settings);
    this.showFormula();
  }

  /** The number of a setting in the formula, while its slider is used. */
  lightUp(name) {
    this.light = name;
    for (const number of this.formula.querySelectorAll(".x-of")) {
      number.classList.toggle("is-lit", number.dataset.of === name);
    }
  }

  /** The formula with letters, then with the numbers. */
  showFormula() {
    const { view, input, kernel, stride, padding, dilation } = this.settings;
    const { output, grid } = sides(this.settings);
    const span = (...content) => make("span", {}, ...content);
    const line = (...content) => make("span", { class: "x-line" }, ...content);
    const fraction = (top, bottom) => make("span", { class: "x-fraction" }, span(...top), span(bottom));
    const bracket = (text) => make("span", { class: "x-floor" }, text);
    const floor = (content) => span(bracket("⌊"), content, bracket("⌋"), " + 1");
    const letter = (name) => variable(LETTERS[name]);
    const number = (name) => make("span", { class: "x-of", "data-of": name }, this.settings[name]);
    const extent = (of) => [of("dilation"), "·(", of("kernel"), ` ${MINUS} 1)`];
    const forward = (of) =>
      floor(fraction([of("input"), " + 2·", of("padding"), ` ${MINUS} `, ...extent(of), ` ${MINUS} 1`], of("stride")));
    const transposed = (of) =>
      span("(", of("input"), ` ${MINUS} 1)·`, of("stride"), ` ${MINUS} 2·`, of("padding"), " + ", ...extent(of), " + 1");
    const size = view === "forward" ? forward : transposed;
    const worked = view === "forward" ? [floor(fraction([grid - spanOf(this.settings)], stride)), " = "] : [];
    this.formula.replaceChildren(
      line(span(variable("H"), "′ = "), size(letter)),
      line(" = ", size(number)),
      line(" = ", ...worked, make("b", { class: "x-value" }, output)),
    );
    const spanned = `${dilation}·(${kernel} ${MINUS} 1)`;
    this.formula.setAttribute("aria-label", view === "forward"
      ? `Output: floor of (${input} + 2·${padding} ${MINUS} ${spanned} ${MINUS} 1) / ${stride}, plus 1 = ${output}`
      : `Output: (${input} ${MINUS} 1)·${stride} ${MINUS} 2·${padding} + ${spanned} + 1 = ${output}`);
    this.lightUp(this.light);
  }

  showSteps() {
    const count = this.last + 1;
    this.stepper.show(this.step() + 1, count, `${this.step() + 1} of ${count}`);
    this.back.setAttribute("aria-disabled", this.step() === 0);
    this.next.setAttribute("aria-disabled", this.step() === this.last);
    this.counter.checked = this.model.get("show_counts");
  }

  showCosts() {
    const { model, cost, settings } = this;
    const [C, O] = [model.get("in_channels"), model.get("out_channels")];
    const { windows, output } = sides(settings);
    const k = settings.kernel;
    this.channelsIn.show();
    this.channelsOut.show();
    const rows = {
      values: `${O} · ${output}²`,
      weights: `${O} · ${C} · ${k}²`,
      multiplyAdds: `${O} · ${C} · ${k}² · ${windows}²`,
    };
    for (const [name, product] of Object.entries(rows)) {
      this.costs[name].value.textContent = grouped(cost[name]);
      this.costs[name].product.textContent = product;
    }
    const share = `${grouped(cost.border)} of the multiply-adds`;
    this.wasted.textContent = !cost.border ? "" : settings.view === "forward"
      ? `${share} meet a zero of the padding.` : `${share} are cropped away.`;
  }

  // Painting ....................................................................................................

  write(context, text, x, y, cell, color, most = 12) {
    const ratio = window.devicePixelRatio || 1;
    const size = Math.min(most * ratio, 0.9 * cell);
    context.font = `${size}px ${this.font}`;
    if (size < 8 * ratio || context.measureText(text).width > cell - 3 * ratio) return;
    context.fillStyle = color;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(text, x + cell / 2, y + cell / 2 + 0.5 * ratio);
  }

  paintGrids() {
    for (const name of ["input", "output"]) {
      const { picture, marks } = this.panels[name];
      fitCanvas(picture);
      fitCanvas(marks);
      const context = picture.getContext("2d");
      context.clearRect(0, 0, picture.width, picture.height);
      if (this.roleOf(name) === "pixels") this.paintPixels(context, picture.width, name);
      else this.paintWindows(context, picture.width, name);
    }
  }

  /** Gray for what is given, blue for what is computed. */
  base(name) {
    const { surface, ink, positive } = this.palette;
    return name === "input" ? mix(surface, ink, 0.1) : mix(surface, positive, 0.42);
  }

  paintWindows(context, side, name) {
    const { cell, count, corner } = this.layout("windows", side);
    const { surface, line } = this.palette;
    for (let index = 0; index < count * count; index += 1) {
      const [x, y] = [corner + (index % count) * cell, corner + Math.floor(index / count) * cell];
      const done = name === "input" || index <= this.step();
      context.fillStyle = css(done ? this.base(name) : surface);
      context.fillRect(x, y, cell, cell);
    }
    this.paintLines(context, corner, corner, cell, count, line);
  }

  paintPixels(context, side, name) {
    const { cell, count, border, corner } = this.layout("pixels", side);
    const { palette, settings } = this;
    const { surface, ink, line, muted } = palette;
    const counted = this.model.get("show_counts");
    const counts = countsAlong(settings);
    const most = Math.max(...counts) ** 2;
    const written = name === "output" ? this.written() : () => true;
    const faint = mix(surface, ink, 0.03);
    const ratio = window.devicePixelRatio || 1;
    const strong = name === "input" ? ink : palette.positive;
    const cells = counts.flatMap((down, r) => counts.map((across, c) => {
      const outside = [r, c].some((index) => index < border || index >= count - border);
      const times = down * across;
      let color = outside ? faint : written(r, c) ? this.base(name) : surface;
      if (counted && !outside) color = mix(surface, strong, 0.04 + (0.36 * times) / most);
      return { x: corner + c * cell, y: corner + r * cell, outside, times, color };
    }));
    for (const { x, y, color } of cells) {
      context.fillStyle = css(color);
      context.fillRect(x, y, cell, cell);
    }
    const dotted = cell >= 10 * ratio;
    const outer = dotted ? mix(line, muted, 0.4) : mix(surface, line, 0.7);
    if (border) this.paintLines(context, corner, corner, cell, count, outer, dotted);
    for (const { x, y, outside, times, color } of cells) {
      if (!outside && times === 0) this.paintHatch(context, x, y, cell);
      else if (counted) this.write(context, String(times), x, y, cell, outside ? css(muted) : inkOn(color));
      else if (outside && name === "input" && cell >= 15 * ratio) this.write(context, "0", x, y, cell, css(muted), 11);
    }
    const inner = corner + border * cell;
    this.paintLines(context, inner, inner, cell, count - 2 * border, line);
  }

  /** (row, column) of the grid → whether a window up to the present step lies on it. */
  written() {
    const { settings } = this;
    const [i, j] = this.place();
    const readers = Array.from({ length: sides(settings).grid }, (_, index) =>
      readersOf(settings, index - settings.padding).map(([a]) => a));
    return (r, c) => readers[r].some((a) => readers[c].some((b) => a < i || (a === i && b <= j)));
  }

  /** The lines of a grid, each once; dotted where the cells are not real. */
  paintLines(context, x, y, cell, count, color, dotted = false) {
    const ratio = window.devicePixelRatio || 1;
    if (cell < 4 * ratio) return;
    const width = Math.max(1, Math.round(ratio));
    const end = count * cell;
    context.strokeStyle = css(color);
    context.lineWidth = width;
    if (dotted) context.setLineDash([2 * ratio, 2 * ratio]);
    context.beginPath();
    for (let index = 0; index <= count; index += 1) {
      const at = Math.round(index * cell) + width / 2;
      context.moveTo(x, y + at);
      context.lineTo(x + end + width, y + at);
      context.moveTo(x + at, y);
      context.lineTo(x + at, y + end + width);
    }
    context.stroke();
    context.setLineDash([]);
  }

  paintHatch(context, x, y, cell) {
    const ratio = window.devicePixelRatio || 1;
    context.save();
    context.beginPath();
    context.rect(x, y, cell, cell);
    context.clip();
    context.beginPath();
    const gap = 5 * ratio;
    const start = Math.floor((x + y) / gap) * gap; // lines go on from cell to cell
    for (let at = start; at < x + y + 2 * cell + gap; at += gap) {
      context.moveTo(at - y, y);
      context.lineTo(at - y - cell, y + cell);
    }
    context.strokeStyle = css(this.palette.negative);
    context.lineWidth = 1.25 * ratio;
    context.stroke();
    context.restore();
  }

  /** The cell that is pointed at in its frame, and what belongs to it in the other grid. */
  paintMarks() {
    const { of, at } = this.pointed();
    const { mark, surface } = this.palette;
    const ratio = window.devicePixelRatio || 1;
    const counted = this.model.get("show_counts");
    const places = {};
    for (const role of ["windows", "pixels"]) {
      const { marks } = this.panelOf(role);
      const context = marks.getContext("2d");
      context.clearRect(0, 0, marks.width, marks.height);
      const { cell, border, corner } = this.layout(role, marks.width);
      places[role] = { context, cell, spot: (index) => corner + (index + border) * cell };
    }
    const other = places[of === "windows" ? "pixels" : "windows"];
    const own = places[of];
    const { cell, spot } = other;
    const color = mix(surface, mark, luminance(surface) > 0.5 ? 0.62 : 0.85);
    const thick = Math.max(1, Math.min(3 * ratio, cell / 5));
    for (const [r, u] of this.lit[0]) {
      for (const [c, v] of this.lit[1]) {
        const [x, y] = [spot(c), spot(r)];
        if (counted && of === "windows") {
          other.context.strokeStyle = css(mark);
          other.context.lineWidth = thick;
          other.context.strokeRect(x + thick, y + thick, cell - 2 * thick, cell - 2 * thick);
        } else {
          other.context.fillStyle = css(color);
          const inset = cell > 8 * ratio ? 1.5 * ratio : 0;
          other.context.fillRect(x + inset, y + inset, cell - 2 * inset, cell - 2 * inset);
          this.write(other.context, `${u},${v}`, x, y, cell, inkOn(color), 11.5);
        }
      }
    }
    const frame = ({ context, cell: width, spot: place }, [r, c], side) => {
      const room = width < 10 * ratio ? 2 * ratio : 0; // what is small is framed from outside
      drawFrame(context, mark, place(c) - room, place(r) - room, side * width + 2 * room, side * width + 2 * room);
    };
    if (of === "windows") frame(other, [this.lit[0][0][0], this.lit[1][0][0]], spanOf(this.settings));
    frame(own, at, 1);
  }
}

function render({ model, el }) {
  const view = new ShapeView(model, el);
  return () => view.destroy();
}

export { change, costOf, countsAlong, fitsTogether, limits, readersOf, sides, tapsOf, unreadOf };
export default { render };
