// ShapeExplorer: how big the output is, which pixels each window reads, and what that costs.

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
    [name, { view, input, kernel, stride, padding, dilation, output_padding: 0 }]),
);

class ShapeView extends View {
  constructor(model) {
    const names = ["view", ...GEOMETRY, "step", "show_counts", "in_channels", "out_channels", "groups"];
    const watched = Object.fromEntries(names.map((name) => [name, "settings"]));
    super(model, { name: "shape", title: "Shape explorer", watched });
    this.settings = { view: "forward", input: 1, kernel: 1, stride: 1, padding: 0, dilation: 1, output_padding: 0 };
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
    this.pixel = bothSides(this.settings).map(({ before, grid }, axis) => clamp(at[axis], -before, grid - before - 1));
    this.preview = null;
    this.speakPoint = true;
    this.ask();
  }

  hold({ of, at }) {
    if (of === "windows") this.setStep(at[0] * acrossOf(this.settings) + at[1]);
    else this.setPixel(at);
  }

  /** One setting, as near as fits; the window stays where it is in proportion. */
  setOne(name, wish) {
    const { settings, reason } = change(this.settings, name, wish);
    this.setAll(settings, reason);
  }

  setAxis(name, axis, wish) {
    const pair = this.settings[name];
    this.setOne(name, isApart(this.settings) ? pair.map((value, index) => (index === axis ? wish : value)) : wish);
  }

  /** Height and width apart, or together again as the height is. */
  setTogether(together) {
    const lost = together ? GEOMETRY.filter((name) => new Set(this.settings[name]).size > 1) : [];
    const reason = lost.length ? `The width is as the height again: ${joined(lost.map((name) => named(name).toLowerCase()))}.` : "";
    this.setAll(setApart(this.settings, !together), reason);
  }

  setAll(settings, reason = "") {
    this.player.pause();
    this.preview = null;
    const [before, after] = [this.settings, settings].map((each) => bothSides(each).map(({ windows }) => windows));
    const moved = windowOf(this.settings, this.step()).map((index, axis) => (before[axis] === 1 ? (after[axis] - 1) >> 1
      : Math.round((index * (after[axis] - 1)) / (before[axis] - 1))));
    this.settings = settings;
    this.reason = reason;
    this.pushes += 1;
    this.set({ ...settings, step: moved[0] * after[1] + moved[1] });
  }

  choosePreset(name) {
    this.pixel = null;
    if (name in PRESETS) this.setAll(setApart(PRESETS[name], isApart(this.settings)));
    else this.ask();
  }

  reset() {
    this.pixel = null;
    this.grouping.channel = 0;
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
    this.sliders = Object.fromEntries(GEOMETRY.map((name) => [name, AXES.map((_, axis) => this.buildSlider(name, axis))]));
    this.sliderRow = make("div", { class: "x-sliders" });
    this.addedRow = make("div", { class: "x-added" });
    this.apart = check("Height and width apart", (apart) => this.setTogether(!apart));
    this.formula = make("div", { class: "x-equation", role: "img" });
    this.fault = make("div", { class: "x-fault" });
    this.remark = make("div");
    this.panels = { input: this.buildPanel("input"), output: this.buildPanel("output") };
    this.grouping = new Grouping({
      read: () => this.channels(), write: (changes) => this.set(changes), refresh: () => this.ask(),
      say: (sentence) => this.spoken.say(sentence), open: this.get("groups") > 1,
    });
    this.pointing = make("p", { class: "x-sentence" });
    return [
      make("div", { class: "x-bar" }, this.preset.element, this.view.element, this.resetButton()),
      make("div", { class: "x-pair" }, this.panels.input.element, operator("→"), this.panels.output.element),
      this.pointing,
      this.buildSteps(),
      this.sliderRow,
      make("div", { class: "x-more" }, this.apart.element, this.addedRow),
      this.formula,
      make("div", { class: "x-remark" }, this.fault, this.remark),
      this.buildCosts(),
      this.grouping.element,
    ];
  }

  /** The slider of a setting: the height's is that of both while they are together. */
  buildSlider(name, axis) {
    const [min, max] = RANGES[name];
    const label = make("span");
    const made = slider({ label, min, max, oninput: (value) => this.setAxis(name, axis, value) });
    const legal = make("div", { class: "x-legal", ...hidden });
    made.element.append(legal);
    for (const [start, end] of [["pointerenter", "pointerleave"], ["focusin", "focusout"]]) {
      made.element.addEventListener(start, () => this.lightUp(isApart(this.settings) ? `${name} ${axis}` : name));
      made.element.addEventListener(end, () => this.lightUp(null));
    }
    const show = (settings) => {
      const of = isApart(settings) ? axis : null;
      label.replaceChildren(`${named(name, of === null ? "" : ` ${AXES[axis]}`)} `, letterOf(name, of));
      const own = axesOf(settings)[axis];
      const [low, high] = limits(own, name);
      made.show(own[name]);
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
      refuse: (count) => (count % this.groups() ? `${label} must be a multiple of groups, ${this.groups()}` : ""),
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

  /** The groups that are held, or the nearest number below that divides both. */
  groups() {
    return legalGroups(this.get("in_channels"), this.get("out_channels")).findLast((count) => count <= this.get("groups"));
  }

  /** The channels and groups that the cost is of. */
  channels() {
    return { channelsIn: this.get("in_channels"), channelsOut: this.get("out_channels"), groups: this.groups() };
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
    const { cell, counts, borders, corners } = layoutOf(this.settings, of, marks.width);
    const at = share.map((value, axis) => Math.floor((value * marks.width - corners[axis]) / cell));
    if (at.every((index, axis) => index >= 0 && index < counts[axis])) {
      this.hover({ of, at: at.map((index, axis) => index - borders[axis]) }, event);
    }
    else {
      if (event.type === "pointerdown") this.pixel = null;
      this.look(null);
    }
  }

  onKey(name, event) {
    const of = roleOf(this.settings, name);
    const { counts, borders } = layoutOf(this.settings, of, 1000);
    const first = borders.map((border) => -border);
    const last = counts.map((count, axis) => count - borders[axis] - 1);
    const [i, j] = of === "windows" ? windowOf(this.settings, this.step()) : this.pixel ?? this.middlePixel();
    if (event.key === "Escape" && this.pixel) {
      this.pixel = null;
      this.ask();
    }
    const at = placeOf(event, {
      ...neighbors([i, j]), PageUp: [first[0], j], PageDown: [last[0], j], Home: [i, first[1]], End: [i, last[1]],
    });
    if (at) this.hold({ of, at: clampAll(at, first, last) });
  }

  /** The pixel below the middle of the window. */
  middlePixel() {
    const axes = axesOf(this.settings);
    return windowOf(this.settings, this.step()).map((index, axis) =>
      index * axes[axis].stride - axes[axis].padding + (spanOf(axes[axis]) >> 1));
  }

  // From the model to the screen ................................................................................

  /**
   * Take over what the model holds. Where that does not fit, show the nearest that does, and leave the model alone:
   * several settings that were changed together arrive one after the other.
   */
  readSettings() {
    const given = Object.fromEntries(["view", ...GEOMETRY].map((name) => [name, this.get(name)]));
    const held = isApart(given) ? setApart(given, true) : given;
    const own = setApart(this.settings, isApart(held));
    const changed = Object.keys(held).filter((name) => String(held[name]) !== String(own[name]));
    if (!changed.length && isApart(this.settings) === isApart(held)) return;
    this.reason = "";
    this.preview = null;
    const isInRange = (value, [low, high]) => value >= low && value <= high;
    const inRange = axesOf(held).every((axis) => GEOMETRY.every((name) => isInRange(axis[name], RANGES[name])));
    if (inRange && bothFit(held)) {
      this.settings = held;
      return;
    }
    this.settings = own;
    for (const name of changed) {
      const { settings, reason } = change(this.settings, name, held[name]);
      this.settings = settings;
      this.reason ||= reason;
    }
  }

  answer() {
    this.readSettings();
    const { settings } = this;
    const both = bothSides(settings);
    const isInside = (index, axis) => index >= -both[axis].before && index < both[axis].grid - both[axis].before;
    if (this.pixel && !this.pixel.every(isInside)) this.pixel = null;
    const pointed = this.pointed();
    this.scene = { settings, step: this.step(), counted: this.get("show_counts"), pointed };
    const { channelsIn, channelsOut, groups } = this.channels();
    this.cost = costOf(settings, channelsIn, channelsOut, groups);
    const lit = belongTo(settings, pointed);
    const unread = axesOf(settings).map(unreadOf);
    this.root.dataset.state = JSON.stringify({
      ...settings, output: outputOf(settings), step: this.step(), windows: windowsOf(settings),
      pointed: panelOf(settings, pointed.of), at: pointed.at,
      lit: lit[0].flatMap(([y]) => lit[1].map(([x]) => [y, x])),
      unread: isApart(settings) ? unread : unread[0], weights: this.cost.weights, multiply_adds: this.cost.multiplyAdds, groups,
    });
    const regrouped = this.outdated("told", groups);
    if (this.outdated("said", settings, this.reason)) {
      this.spoken.say([this.reason, summaryOf(settings), remarkOn(settings)].filter(Boolean).join(" "));
    } else if (this.speakPoint) this.spoken.say(sentenceOn(settings, pointed));
    else if (regrouped) this.spoken.say(weighingOn(this.channels(), settings, this.cost));
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
    this.grouping.show(settings, this.cost, (canvas) => this.sheet(canvas), look);
    this.pointing.textContent = sentenceOn(settings, scene.pointed);
  }

  showGeometry() {
    const { settings } = this;
    const { view } = settings;
    const [apart, forward] = [isApart(settings), view === "forward"];
    const same = ([, preset]) => String(Object.values(setApart(preset, apart))) === String(Object.values(settings));
    this.preset.show(Object.entries(PRESETS).find(same)?.[0] ?? YOUR_SETTINGS);
    this.view.show(view);
    this.apart.box.checked = apart;
    this.showSliders();
    for (const [name, panel] of Object.entries(this.panels)) {
      const [rows, columns] = axesOf(settings).map((axis) => (name === "input" ? axis.input : sides(axis).output));
      [panel.size.textContent, panel.around.textContent] = sizeOf(settings, name);
      const moves = roleOf(settings, name) === "pixels" ? "Arrow keys choose a pixel" : "Arrow keys move the window";
      panel.stage.setAttribute("aria-label", `${capital(name)}, ${rows} by ${columns}. ${moves}.`);
    }
    const dotted = bothSides(settings).some(({ before, after }) => before + after);
    const notes = [
      dotted && (forward ? "Dotted: padding, all zeros." : "Dotted: cropped away."),
      addedOf(settings).some(Boolean) && "Beyond the bold line: added by output padding.",
      axesOf(settings).some((axis) => unreadOf(axis).length) && `Hatched: never ${forward ? "read" : "written to"}.`,
    ];
    this.panels[panelOf(settings, "pixels")].note.textContent = notes.filter(Boolean).join(" ");
    this.panels[panelOf(settings, "windows")].note.replaceChildren(
      ...holdHints("Point at a cell of either grid; a click holds it.", "Tap a cell of either grid."));
    this.counterText.textContent = forward ? "Count the reads" : "Count the products";
    this.fault.textContent = this.reason;
    this.remark.textContent = remarkOn(settings);
    this.showFormula();
  }

  /** Those of the view, one for both axes or one for each; where others are there, they are not put in again. */
  showSliders() {
    const { settings } = this;
    const [apart, transposed] = [isApart(settings), settings.view === "transposed"];
    if (this.outdated("sliders", apart, transposed)) {
      const elements = (name) => this.sliders[name].slice(0, apart ? 2 : 1).map(({ element }) => element);
      this.sliderRow.classList.toggle("x-apart", apart);
      this.sliderRow.replaceChildren(...GEOMETRY.slice(0, 5).flatMap(elements));
      this.addedRow.replaceChildren(...(transposed ? elements("output_padding") : []));
    }
    for (const sliders of Object.values(this.sliders)) for (const each of sliders) each.show(settings);
  }

  /** The number of a setting in the formula, while its slider is used. */
  lightUp(name) {
    this.light = name;
    for (const number of this.formula.querySelectorAll(".x-of")) {
      number.classList.toggle("is-lit", number.dataset.of === name);
    }
  }

  /** The formula with letters, then with the numbers; of each axis where they are apart. */
  showFormula() {
    const { settings } = this;
    const [apart, axes] = [isApart(settings), axesOf(settings)];
    const shown = apart ? [0, 1] : [null];
    this.formula.replaceChildren(...shown.map((axis) =>
      make("div", { class: "x-lines" }, ...formulaLines(axes[axis ?? 0], axis))));
    const words = apart ? axes.map((axis, index) => `Output ${AXES[index]}: ${workedSize(axis)}`) : [`Output: ${workedSize(axes[0])}`];
    this.formula.setAttribute("aria-label", words.join("; "));
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
    const { channelsIn: C, channelsOut: O, groups } = this.channels();
    for (const field of this.fields) field.show();
    const axes = axesOf(settings);
    const squared = (count) => (isApart(settings) ? axes.map(count).join(" · ") : `${count(axes[0])}²`);
    const weights = `${O} · ${C / groups} · ${squared(({ kernel }) => kernel)}`;
    const rows = {
      values: `${O} · ${squared((axis) => sides(axis).output)}`, weights,
      multiplyAdds: `${weights} · ${squared((axis) => sides(axis).windows)}`,
    };
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
