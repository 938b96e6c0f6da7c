// ShapeExplorer: how big the output is, which pixels each window reads, and what that costs.

const CHANNELS = [1, 4096];
const YOUR_SETTINGS = "your own";
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

/** A letter of the notation. */
const variable = (letter) => make("i", { class: "x-letter" }, letter);

class ShapeView extends View {
  constructor(model) {
    const names = ["view", ...GEOMETRY, "step", "show_counts", "in_channels", "out_channels"];
    const watched = Object.fromEntries(names.map((name) => [name, "settings"]));
    super(model, { name: "shape", title: "Shape explorer", watched, sharing });
    this.settings = { view: "forward", input: 1, kernel: 1, stride: 1, padding: 0, dilation: 1 };
    this.reason = "";
    this.pixel = null; // the pixel that was chosen instead of a window
    this.light = null; // the setting whose slider is used
    this.pushes = 0; // a slider that was pushed too far goes back, though nothing else changes
  }

  // What a person does ..........................................................................................

  /** The step, or the nearest there is. */
  step() {
    return clamp(this.get("step"), 0, lastStep(this.settings));
  }

  setStep(step, keepPlaying = false) {
    if (!keepPlaying) this.player.pause();
    this.pixel = this.preview = null;
    this.speakPoint = !keepPlaying;
    this.set({ step: clamp(step, 0, lastStep(this.settings)) });
  }

  setPixel(at) {
    this.player.pause();
    const { padding } = this.settings;
    const last = sides(this.settings).grid - padding - 1;
    this.pixel = at.map((index) => clamp(index, -padding, last));
    this.preview = null;
    this.speakPoint = true;
    this.ask();
  }

  hold({ of, at }) {
    if (of === "windows") this.setStep(at[0] * sides(this.settings).windows + at[1]);
    else this.setPixel(at);
  }

  /** One setting, as near as fits; the window stays where it is in proportion. */
  setOne(name, wish) {
    const { settings, reason } = change(this.settings, name, wish);
    this.setAll(settings, reason);
  }

  setAll(settings, reason = "") {
    this.player.pause();
    this.preview = null;
    const [before, after] = [sides(this.settings).windows, sides(settings).windows];
    const moved = windowOf(this.settings, this.step()).map((index) =>
      before === 1 ? (after - 1) >> 1 : Math.round((index * (after - 1)) / (before - 1)));
    this.settings = settings;
    this.reason = reason;
    this.pushes += 1;
    this.set({ ...settings, step: moved[0] * after + moved[1] });
  }

  choosePreset(name) {
    this.pixel = null;
    if (name in PRESETS) this.setAll({ ...PRESETS[name] });
    else this.ask();
  }

  reset() {
    this.pixel = null;
    this.reason = "";
    this.pushes += 1;
  }

  // Elements ....................................................................................................

  build() {
    const names = [...Object.keys(PRESETS), YOUR_SETTINGS];
    this.preset = choice({
      label: "Example", options: names.map((name) => [name, name]), onchange: (name) => this.choosePreset(name),
    });
    this.view = segments({
      label: "Convolution", options: [["forward", "forward"], ["transposed", "transposed"]],
      onchange: (view) => this.setOne("view", view),
    });
    this.sliders = Object.fromEntries(GEOMETRY.map((name) => [name, this.buildSlider(name)]));
    this.formula = make("div", { class: "x-equation", role: "img" });
    this.fault = make("div", { class: "x-fault" });
    this.remark = make("div");
    this.panels = { input: this.buildPanel("input"), output: this.buildPanel("output") };
    this.pointing = make("p", { class: "x-sentence" });
    return [
      make("div", { class: "x-bar" }, this.preset.element, this.view.element, this.ends()),
      make("div", { class: "x-pair" }, this.panels.input.element, operator("→"), this.panels.output.element),
      this.pointing,
      this.buildSteps(),
      make("div", { class: "x-sliders" }, ...GEOMETRY.map((name) => this.sliders[name].element)),
      this.formula,
      make("div", { class: "x-remark" }, this.fault, this.remark),
      this.buildCosts(),
    ];
  }

  buildSlider(name) {
    const [min, max] = RANGES[name];
    const label = make("span", {}, `${capital(name)} `, variable(LETTERS[name]));
    const made = slider({ label, min, max, oninput: (value) => this.setOne(name, value) });
    const legal = make("div", { class: "x-legal", ...hidden });
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
      onleave: () => this.look(null),
      onkey: (event) => this.onKey(name, event),
    });
    made.size = make("span", { class: "x-size" });
    made.around = make("span", { class: "x-size x-around" });
    made.note = make("div", { class: "x-note" });
    made.element = group(`x-panel x-${name}`, capital(name),
      head(capital(name), make("span", {}, made.size, made.around)), made.stage, made.note);
    return made;
  }

  buildSteps() {
    this.player = new Player({
      start: () => this.step() >= lastStep(this.settings) && this.setStep(0, true),
      next: () => {
        this.setStep(this.step() + 1, true);
        return this.step() < lastStep(this.settings);
      },
      pace: () => clamp(8000 / (lastStep(this.settings) + 1), 60, 450),
    });
    this.back = button("◀ Back", () => this.setStep(this.step() - 1), { "aria-label": "Back one window" });
    this.next = button("Next ▶", () => this.setStep(this.step() + 1), { "aria-label": "Next window" });
    this.stepper = slider({ label: "Step", min: 1, max: 1, oninput: (value) => this.setStep(value - 1) });
    this.counterText = make("span");
    this.counter = check(this.counterText, (counted) => this.set({ show_counts: counted }));
    return make("div", { class: "x-steps" },
      make("div", { class: "x-tools" }, this.back, this.player.element, this.next), this.stepper.element, this.counter.element);
  }

  buildCosts() {
    this.channelFault = make("div", { class: "x-fault", role: "alert" });
    const channels = (name, label, letter) => new NumberField({
      label, letter: make("span", {}, " ", variable(letter)), limits: () => CHANNELS, whole: true, step: 1,
      read: () => this.get(name), write: (count) => this.set({ [name]: count }), fault: this.channelFault,
    });
    this.fields = [channels("in_channels", "Channels in", "C"), channels("out_channels", "Channels out", "O")];
    const cost = (label) => {
      const [value, product] = [make("span", { class: "x-amount" }), make("span", { class: "x-product" })];
      const name = make("span", { class: "x-label" }, label);
      return { value, product, element: make("div", { class: "x-cost" }, name, value, product) };
    };
    this.costs = { values: cost("Output values"), weights: cost("Weights"), multiplyAdds: cost("Multiply-adds") };
    this.wasted = make("div", { class: "x-note" });
    return group("x-magnifier", "Cost",
      head("What it costs", make("span", { class: "x-note" }, "For one image, without bias.")),
      make("div", { class: "x-costs" },
        make("div", { class: "x-channels" }, ...this.fields.map(({ element }) => element)),
        ...Object.values(this.costs).map(({ element }) => element)),
      this.channelFault, this.wasted);
  }

  // Pointing ....................................................................................................

  /** What is looked at: under the mouse, else the chosen pixel, else the window of the step. */
  pointed() {
    if (this.preview) return this.preview;
    return this.pixel ? { of: "pixels", at: this.pixel } : { of: "windows", at: windowOf(this.settings, this.step()) };
  }

  onPoint(name, share, event) {
    const { marks } = this.panels[name];
    const of = roleOf(this.settings, name);
    const { cell, count, border, corner } = layoutOf(this.settings, of, marks.width);
    const at = share.map((value) => Math.floor((value * marks.width - corner) / cell));
    if (at.every((index) => index >= 0 && index < count)) this.hover({ of, at: at.map((index) => index - border) }, event);
    else {
      if (event.type === "pointerdown") this.pixel = null;
      this.look(null);
    }
  }

  onKey(name, event) {
    const of = roleOf(this.settings, name);
    const { count, border } = layoutOf(this.settings, of, 1000);
    const [first, last] = [-border, count - border - 1];
    const [i, j] = of === "windows" ? windowOf(this.settings, this.step()) : this.pixel ?? this.middlePixel();
    if (event.key === "Escape" && this.pixel) {
      this.pixel = null;
      this.ask();
    }
    const at = placeOf(event, {
      ...neighbors([i, j]), PageUp: [first, j], PageDown: [last, j], Home: [i, first], End: [i, last],
    });
    if (at) this.hold({ of, at: at.map((index) => clamp(index, first, last)) });
  }

  /** The pixel below the middle of the window. */
  middlePixel() {
    const { stride, padding } = this.settings;
    return windowOf(this.settings, this.step()).map((index) => index * stride - padding + (spanOf(this.settings) >> 1));
  }

  // From the model to the screen ................................................................................

  /**
   * Take over what the model holds. Where that does not fit, show the nearest that does, and leave the model alone:
   * several settings that were changed together arrive one after the other.
   */
  readSettings() {
    const held = Object.fromEntries(["view", ...GEOMETRY].map((name) => [name, this.get(name)]));
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

  answer() {
    this.readSettings();
    const { settings } = this;
    const size = sides(settings);
    const inside = (index) => index >= -settings.padding && index < size.grid - settings.padding;
    if (this.pixel && !this.pixel.every(inside)) this.pixel = null;
    const pointed = this.pointed();
    this.scene = { settings, step: this.step(), counted: this.get("show_counts"), pointed };
    this.cost = costOf(settings, this.get("in_channels"), this.get("out_channels"));
    const lit = belongTo(settings, pointed);
    this.root.dataset.state = JSON.stringify({
      ...settings, output: size.output, step: this.step(), windows: size.windows ** 2,
      pointed: panelOf(settings, pointed.of), at: pointed.at,
      lit: lit[0].flatMap(([y]) => lit[1].map(([x]) => [y, x])),
      unread: unreadOf(settings), weights: this.cost.weights, multiply_adds: this.cost.multiplyAdds,
    });
    if (this.outdated("said", settings, this.reason)) {
      this.spoken.say([this.reason, summaryOf(settings), remarkOn(settings)].filter(Boolean).join(" "));
    } else if (this.speakPoint) this.spoken.say(sentenceOn(settings, pointed));
    this.speakPoint = false;
  }

  show() {
    const { settings, scene, revision: { look } } = this;
    if (this.outdated("geometry", settings, look, this.pushes, this.reason)) this.showGeometry();
    if (this.outdated("grids", settings, look, scene.step, scene.counted)) {
      this.showSteps();
      for (const [name, { picture }] of Object.entries(this.panels)) paintGrid(this.sheet(picture), name, scene);
    }
    const sheets = Object.entries(this.panels).map(([name, { marks }]) => [roleOf(settings, name), this.sheet(marks)]);
    paintMarks(Object.fromEntries(sheets), scene);
    this.showCosts();
    this.pointing.textContent = sentenceOn(settings, scene.pointed);
  }

  showGeometry() {
    const { settings } = this;
    const { padding, view } = settings;
    const forward = view === "forward";
    const same = ([, preset]) => Object.entries(preset).every(([name, value]) => settings[name] === value);
    this.preset.show(Object.entries(PRESETS).find(same)?.[0] ?? YOUR_SETTINGS);
    this.view.show(view);
    for (const name of GEOMETRY) this.sliders[name].show(settings);
    for (const [name, panel] of Object.entries(this.panels)) {
      const side = name === "input" ? settings.input : sides(settings).output;
      [panel.size.textContent, panel.around.textContent] = sizeOf(settings, name);
      const moves = roleOf(settings, name) === "pixels" ? "Arrow keys choose a pixel" : "Arrow keys move the window";
      panel.stage.setAttribute("aria-label", `${capital(name)}, ${side} by ${side}. ${moves}.`);
    }
    const dotted = padding ? (forward ? "Dotted: padding, all zeros." : "Dotted: cropped away.") : "";
    const hatched = unreadOf(settings).length ? `Hatched: never ${forward ? "read" : "written to"}.` : "";
    this.panels[panelOf(settings, "pixels")].note.textContent = `${dotted} ${hatched}`.trim();
    this.panels[panelOf(settings, "windows")].note.replaceChildren(
      ...hints("Point at a cell of either grid; a click holds it.", "Tap a cell of either grid."));
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
    const { settings } = this;
    const { view, stride } = settings;
    const { output, grid } = sides(settings);
    const span = (...content) => make("span", {}, ...content);
    const line = (...content) => make("span", { class: "x-line" }, ...content);
    const divided = (top, bottom) => make("span", { class: "x-fraction" }, span(...top), span(bottom));
    const bracket = (text) => make("span", { class: "x-floor" }, text);
    const floor = (content) => span(bracket("⌊"), content, bracket("⌋"), " + 1");
    const letter = (name) => variable(LETTERS[name]);
    const number = (name) => make("span", { class: "x-of", "data-of": name }, settings[name]);
    const extent = (of) => [of("dilation"), "·(", of("kernel"), ` ${MINUS} 1)`];
    const forward = (of) =>
      floor(divided([of("input"), " + 2·", of("padding"), ` ${MINUS} `, ...extent(of), ` ${MINUS} 1`], of("stride")));
    const transposed = (of) =>
      span("(", of("input"), ` ${MINUS} 1)·`, of("stride"), ` ${MINUS} 2·`, of("padding"), " + ", ...extent(of), " + 1");
    const size = view === "forward" ? forward : transposed;
    const worked = view === "forward" ? [floor(divided([grid - spanOf(settings)], stride)), " = "] : [];
    this.formula.replaceChildren(
      line(span(variable("H"), "′ = "), size(letter)),
      line(" = ", size(number)),
      line(" = ", ...worked, make("b", { class: "x-value" }, output)),
    );
    this.formula.setAttribute("aria-label", `Output: ${workedSize(settings, output)}`);
    this.lightUp(this.light);
  }

  showSteps() {
    const { step } = this.scene;
    const last = lastStep(this.settings);
    this.stepper.show(step + 1, last + 1, `${step + 1} of ${last + 1}`);
    this.back.setAttribute("aria-disabled", step === 0);
    this.next.setAttribute("aria-disabled", step === last);
    this.counter.box.checked = this.scene.counted;
  }

  showCosts() {
    const { cost, settings } = this;
    const [C, O] = [this.get("in_channels"), this.get("out_channels")];
    const { windows, output } = sides(settings);
    const k = settings.kernel;
    for (const field of this.fields) field.show();
    const weights = `${O} · ${C} · ${k}²`;
    const rows = { values: `${O} · ${output}²`, weights, multiplyAdds: `${weights} · ${windows}²` };
    for (const [name, product] of Object.entries(rows)) {
      this.costs[name].value.textContent = grouped(cost[name]);
      this.costs[name].product.textContent = product;
    }
    const share = `${grouped(cost.border)} of the multiply-adds`;
    this.wasted.textContent = !cost.border ? "" : settings.view === "forward"
      ? `${share} meet a zero of the padding.` : `${share} are cropped away.`;
  }
}

const render = ({ model, el }) => new ShapeView(model).begin(el);
