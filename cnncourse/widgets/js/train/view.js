// TrainLive: a small convolutional network that learns in the page.

const SPEAK_EVERY = 8000; // ms between sentences while a network trains
const KEEP_EVERY = 1000; // ms between records

class TrainView extends View {
  constructor(model) {
    const watched = Object.fromEntries([...SETTINGS, "what_if"].map((name) => [name, "run"]));
    super(model, { name: "train", title: "A network that learns in the page", watched: { ...watched, digit: "digit" } });
    this.held = heldDigits();
    this.buffer = new PixelBuffer();
    Object.assign(this, { id: 0, begun: false, spokenAt: 0, keptAt: 0 });
  }

  // What a person does ..........................................................................................

  /** Whoever trains is called when there is something to train. */
  tell(message) {
    if (!this.laborer) {
      this.laborer = new Laborer((report) => this.hear(report));
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches; // then a picture a second
      this.laborer.tell({ digits: DIGITS, pause: still ? 1000 : 80, look: this.get("digit") });
    }
    const begin = { id: this.id, settings: this.scene.settings };
    this.laborer.tell(this.begun ? message : { begin, look: this.get("digit"), ...message });
    this.begun = true;
  }

  train() {
    const { going, over } = this.scene;
    if (over) this.startAnew();
    this.scene.going = !going;
    this.tell({ go: !going });
    this.speak(going ? `Paused. ${progressOf(this.scene)}. ${verdictOn(this.scene)}` : "Training.");
    this.ask();
  }

  step() {
    if (this.scene.over) return;
    this.scene.going = false;
    this.speakNext = true;
    this.tell({ go: false, step: true });
  }

  /** The first weights again; training goes on if it is going on. */
  startAnew(going = false) {
    this.id += 1;
    this.begun = false;
    if (this.laborer && this.scene?.going) this.laborer.tell({ go: false });
    this.scene = makeScene({ ...this.state, record: null }, this.held);
    this.keep();
    if (going) {
      this.scene.going = true;
      this.tell({ go: true });
    }
  }

  startOver() {
    this.startAnew();
    this.speak("Back at the first weights.");
    this.ask();
  }

  reset() {
    this.startAnew();
  }

  lookAt(digit) {
    this.set({ digit: (digit + this.held.count) % this.held.count });
  }

  // What the laborer reports .....................................................................................

  hear(report) {
    if (report.id !== this.id) return;
    const { going } = this.scene;
    takeReport(this.scene, report);
    const ended = going && !report.going && report.over;
    if (ended || this.speakNext) this.speak(verdictOn(this.scene));
    else if (report.going && Date.now() - this.spokenAt > SPEAK_EVERY) {
      this.speak(`Epoch ${Math.floor(report.runs[0].step / report.runs[0].perEpoch)}. ${verdictOn(this.scene)}`);
    }
    this.speakNext = false;
    if (!report.going || Date.now() - this.keptAt > KEEP_EVERY) this.keep();
    this.ask();
  }

  speak(sentence) {
    this.spokenAt = Date.now();
    this.spoken.say(sentence);
  }

  /** The curves go into the model, for paper and for Python. */
  keep() {
    this.keptAt = Date.now();
    const record = recordOf(this.scene);
    if (record === null && this.get("record") === null) return;
    this.model.set("record", record);
    this.model.save_changes();
  }

  // Elements ....................................................................................................

  build() {
    this.fault = make("div", { class: "x-fault", role: "alert" });
    this.trainer = button("", () => this.train(), { class: "x-button x-train" });
    this.stepper = button("One step", () => this.step());
    const anew = button("Start over", () => this.startOver(), { title: "The first weights again, with these settings" });
    this.controls = Object.fromEntries(SETTINGS.map((name) => [name, controlFor(name, {
      read: () => this.get(name), change: (value) => this.set({ [name]: value }), fault: this.fault,
    })]));
    this.fields = [this.controls.seed.field];
    this.whatIf = new WhatIf({
      change: (what_if) => this.set({ what_if }), read: () => settingsOf(this.state)[0], fault: this.fault,
    });
    this.progress = make("span", { class: "x-size" });
    this.sentence = make("p", { class: "x-sentence" });
    this.stops.push(() => this.laborer?.end());
    const { lr, ...others } = this.controls;
    return [make("div", { class: "x-training" },
      make("div", { class: "x-go" },
        make("div", { class: "x-buttons" }, this.trainer, this.stepper, anew, this.resetButton()), lr.element),
      group("x-knobs", "Settings", ...Object.values(others).map(({ element }) => element)),
      make("div", { class: "x-said-now" }, this.progress, this.fault, this.sentence),
      this.buildPlots(),
      this.whatIf.element,
      this.buildInside())];
  }

  buildPlots() {
    this.plots = [["Loss", "log scale", paintLoss], ["Accuracy", "% right", paintAccuracy], ["Learning rate", "log scale", paintRate]]
      .map(([title, unit, painter]) => {
        const { stage, picture } = makeStage({});
        const panel = group("x-panel x-plot", `${title}, curves`, head(title, make("span", { class: "x-size" }, unit)), stage);
        return { title, painter, stage, picture, panel };
      });
    this.legend = make("div", { class: "x-legend x-note" });
    return make("div", {}, make("div", { class: "x-plots" }, ...this.plots.map(({ panel }) => panel)), this.legend);
  }

  buildInside() {
    this.thumbs = this.held.firsts.map((digit, label) => {
      const thumb = button("", () => this.lookAt(digit), { class: "x-button x-thumb", "aria-label": `Show it a ${label}` });
      const canvas = make("canvas", { width: IMAGE, height: IMAGE, ...hidden });
      paintDigit({ context: canvas.getContext("2d"), width: IMAGE, height: IMAGE }, this.held.levels(digit), IMAGE);
      thumb.append(canvas);
      return thumb;
    });
    this.insides = make("div", { class: "x-insides" });
    return group("x-magnifier", "Inside the network",
      head("Inside", make("span", { class: "x-note" }, "A held-out digit goes through the network as it is now:")),
      make("div", { class: "x-thumbs" }, ...this.thumbs), this.insides,
      make("div", { class: "x-note" }, "Blue is positive, vermillion negative, plain is zero. Gradient: root mean square over a " +
        "layer’s weights, in the last batch, on a scale by powers of ten. Dead: units with no slope at any of the 500 held-out digits."));
  }

  /** Kernels, maps, gradients and dead units of one network. */
  buildNetwork(which) {
    const stages = ["Kernels of conv 1, 5×5", "Its 8 maps", "The 16 maps of conv 2"].map((title, part) => {
      const made = makeStage(part === 1 ? { onkey: (event) => this.onKey(event) } : {});
      const element = make("div", {}, make("div", { class: "x-caption" }, title), made.stage);
      return { ...made, title, element };
    });
    const rows = LAYER_NAMES.map((name) => {
      const fill = make("div", { class: "x-fill" });
      const [amount, dead] = [0, 0].map(() => make("span", { role: "cell" }));
      const bar = make("div", { class: "x-track", ...hidden }, fill);
      const title = make("span", { role: "rowheader" }, name);
      const element = make("div", { class: "x-layer-row", role: "row" }, title, bar, amount, dead);
      return { element, fill, amount, dead };
    });
    const heads = ["Layer", "Gradient", "Dead"].map((text) => make("span", { role: "columnheader" }, text));
    const table = make("div", { class: "x-layer-table", role: "table", "aria-label": "Gradients and dead units" },
      make("div", { class: "x-layer-row x-label", role: "row" }, ...heads), ...rows.map(({ element }) => element));
    const [name, says] = [make("div", { class: "x-title" }), make("div", { class: "x-says" })];
    const element = make("div", { class: "x-inside" }, name,
      make("div", { class: "x-tiles" }, ...stages.map((stage) => stage.element)), make("div", {}, says, table));
    element.style.setProperty("--run", `var(--x-run-${which + 1})`);
    return { element, name, says, stages, rows };
  }

  onKey(event) {
    const digit = this.get("digit");
    const { count } = this.held;
    const next = placeOf(event, {
      ArrowLeft: digit - 1, ArrowUp: digit - 1, ArrowRight: digit + 1, ArrowDown: digit + 1, Home: 0, End: count - 1,
    });
    if (next !== undefined) this.lookAt(next);
  }

  // From the model to the screen ................................................................................

  answer() {
    const settings = settingsOf(this.state);
    const fixed = settings.map((each) => Object.entries(each).filter(([name]) => !LIVE.includes(name)));
    const changed = Object.keys(this.get("what_if") ?? {})[0] ?? null;
    if (this.outdated("begin", fixed, changed)) this.startAnew(this.scene?.going);
    else if (this.outdated("live", settings)) {
      Object.assign(this.scene, { settings });
      if (this.begun) this.laborer.tell({ change: settings.map(({ lr, momentum }) => ({ lr, momentum })) });
    }
    if (this.outdated("looked", this.get("digit"))) {
      if (this.begun) this.laborer.tell({ look: this.get("digit") });
      else this.scene = makeScene({ ...this.state, record: null }, this.held);
    }
    if (this.outdated("said", settings)) this.speak(summaryOf(settings, changed));
    this.root.dataset.state = JSON.stringify(numbersOf(this.scene, this.get("digit")));
  }

  show() {
    const { scene, revision: { look } } = this;
    if (this.outdated("runs", look)) {
      const style = getComputedStyle(this.root);
      this.palette.runs = RUN_COLORS.map((color, which) => readColor(style.getPropertyValue(`--x-run-${which + 1}`), color));
    }
    for (const { painter, picture } of this.plots) painter(this.sheet(picture, { scaled: true }), scene);
    this.showInside();
    this.showControls();
  }

  showControls() {
    const { scene } = this;
    const { going, over, settings: [settings] } = scene;
    const [icon, word] = going ? ["❚❚", "Pause"] : ["▶", over ? "Train again" : scene.runs[0].step ? "Go on" : "Train"];
    if (this.trainer.textContent !== `${icon} ${word}`) this.trainer.replaceChildren(make("span", hidden, `${icon} `), word);
    this.stepper.setAttribute("aria-disabled", over);
    for (const name of SETTINGS) this.controls[name].show(settings[name]);
    const meaning = momentumOf(settings);
    this.controls.momentum.range.disabled = meaning === null;
    this.controls.momentum.named.textContent = meaning ? `Momentum ${meaning}` : "Momentum: none";
    this.whatIf.show(this.get("what_if"));
    this.sentence.textContent = verdictOn(scene);
    this.sentence.classList.toggle("is-two", scene.runs.length > 1);
    this.sentence.classList.toggle("is-gone", scene.runs.some(({ diverged }) => diverged));
    this.progress.textContent = progressOf(scene);
    for (const { title, stage } of this.plots) {
      stage.setAttribute("aria-label", `${title} against epochs. ${verdictOn(scene)}`);
    }
    this.showLegend();
  }

  showLegend() {
    const { changed, settings } = this.scene;
    if (!this.outdated("legend", changed, settings.map((each) => each[changed]), this.revision.look)) return;
    const names = changed ? settings.map((each) => settingText(changed, each[changed])) : [""];
    const kinds = [["held", "held-out digits"], ["seen", "training batches"]];
    const lines = names.flatMap((name, which) => kinds.map(([kind, text]) => {
      const mark = make("span", { class: `x-line-mark is-${kind}`, ...hidden });
      mark.style.setProperty("--run", `var(--x-run-${which + 1})`);
      return make("span", { class: "x-legend-item" }, mark, name ? `${name}: ${text}` : text);
    }));
    this.legend.replaceChildren(...lines);
  }

  showInside() {
    const { scene, revision: { look } } = this;
    if (this.outdated("networks", scene.runs.length)) {
      this.networks = scene.runs.map((_, which) => this.buildNetwork(which));
      this.insides.replaceChildren(...this.networks.map(({ element }) => element));
    }
    const digit = this.get("digit");
    const label = Number(this.held.labels[digit]);
    this.thumbs.forEach((thumb, which) => thumb.setAttribute("aria-pressed", this.held.firsts[which] === digit));
    scene.runs.forEach((run, which) => {
      const { name, says, stages, rows } = this.networks[which];
      name.hidden = !scene.changed;
      if (scene.changed) name.textContent = capital(settingText(scene.changed, scene.settings[which][scene.changed]));
      this.showSaying(says, run.probabilities, label);
      rows.forEach((row, layer) => this.showLayer(row, run, layer));
      if (!this.outdated(`tiles ${which}`, look, digit, run.step, this.id, scene.runs.length)) return;
      [[run.kernels, 5], [run.maps[0], 14], [run.maps[1], 7]].forEach(([values, side], part) => {
        const { stage, picture, title } = stages[part];
        const ratio = window.devicePixelRatio || 1;
        const { height } = tilesOn(Math.round(stage.clientWidth * ratio), side, ratio);
        stage.style.height = `${height(values.length / side / side) / ratio}px`;
        paintTiles(this.sheet(picture), values, side, this.buffer);
        const shown = part ? ` for held-out digit ${digit}, a ${label}` : "";
        stage.setAttribute("aria-label", `${title}${shown}.${part === 1 ? " Arrow keys choose another digit." : ""}`);
      });
    });
  }

  showSaying(element, probabilities, label) {
    const best = probabilities.reduce((first, share, digit) => (share > probabilities[first] ? digit : first), 0);
    const sure = Number.isFinite(probabilities[best]);
    const said = sure ? `it says ${best}, ${inPercent(probabilities[best])}` : "its answer is no number";
    element.textContent = `A ${label}: ${said}`;
    element.classList.toggle("is-right", sure && best === label);
  }

  showLayer({ fill, amount, dead }, run, layer) {
    const gradient = run.gradients?.[layer] ?? null;
    const share = gradient > 0 ? clamp((Math.log10(gradient) + 7) / 8, 0.01, 1) : 0; // from 10⁻⁷ to 10
    fill.style.width = `${100 * share}%`;
    amount.textContent = gradient === null ? "–" : short(Number(gradient.toPrecision(2)));
    dead.textContent = layer > 2 ? "" : run.dead ? `${Math.round(100 * run.dead[layer])} %` : "–";
  }
}

const render = ({ model, el }) => new TrainView(model).begin(el);

/** The curves, as far as they are kept, the first kernels and the settings → SVG. */
function still(state) {
  const scene = makeScene(state, heldDigits());
  const trained = scene.runs[0].points.length > 0;
  const words = `${summaryOf(scene.settings, scene.changed)} ${trained ? verdictOn(scene) : "Not trained yet: it learns in the page."}`;
  const lines = wrapped(words, 110);
  const paper = new Paper(720, 334 + 18 * lines.length);
  const page = paper.sheet(0, 0, paper.width, paper.height);
  [["Loss, log scale", paintLoss, 0, 268], ["Accuracy, % right", paintAccuracy, 282, 212], ["Learning rate, log scale", paintRate, 508, 212]]
    .forEach(([title, painter, x, width]) => {
      titlePart(page, x, 0, width, title);
      painter(paper.sheet(x, 24, width, 210), scene);
    });
  const look = { size: 11.5, align: "right", color: css(page.palette.muted) };
  write(page, "Line: held-out digits. Dashes: training batches.", 720, 255, look);
  titlePart(page, 0, 246, 330, "The 8 kernels of conv 1 before training");
  paintTiles(paper.sheet(0, 270, 360, 46), scene.runs[0].kernels, 5);
  lines.forEach((text, line) => write(page, text, 0, 334 + 18 * line, { size: 12.5 }));
  return paper.markup();
}
