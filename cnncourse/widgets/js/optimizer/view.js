// OptimizerExplorer: one to four optimizers race down a landscape, at rates and from a start of one's choice.

const MOST_RUNS = 4;
const ORDER = ["SGD", "momentum", "Adagrad", "Adam", "RMSprop", "Nesterov", "AdamW"]; // in which they are added
const RACED = ["surface", "start", "steps", "schedule", "runs"];

class OptimizerView extends View {
  constructor(model) {
    const watched = Object.fromEntries([...RACED, "shown", "show_sweep"].map((name) => [name, "race"]));
    super(model, { name: "optimizer", title: "Optimizer explorer", watched });
    this.racers = [];
    this.swept = new Map();
  }

  get surface() {
    return SURFACES[this.race.settings.surface];
  }

  // What a person does ..........................................................................................

  change(changes) {
    this.player.pause();
    this.set(changes);
  }

  setSurface(surface) {
    this.startFault.textContent = "";
    this.change({ surface, start: [...SURFACES[surface].start] });
  }

  hold(point) {
    const { window: sides } = this.surface;
    const start = point.map((value, axis) => Math.round(clamp(value, ...sides[axis]) * 1000) / 1000);
    this.startFault.textContent = "";
    this.change({ start });
  }

  setSteps(steps) {
    const shown = this.get("shown");
    this.change({ steps, ...(shown !== null && shown >= steps ? { shown: null } : {}) });
  }

  setRun(which, changed) {
    this.change({ runs: this.get("runs").map((run, index) => (index === which ? changed : run)) });
  }

  add() {
    const runs = this.get("runs");
    if (runs.length >= MOST_RUNS) return;
    const optimizer = ORDER.find((name) => runs.every((run) => run.optimizer !== name));
    this.change({ runs: [...runs, { optimizer, ...OPTIMIZERS[optimizer] }] });
  }

  remove(which) {
    const runs = this.get("runs");
    if (runs.length < 2) return;
    this.change({ runs: runs.filter((_, index) => index !== which) });
    this.adder.focus();
  }

  setShown(step, keepPlaying = false) {
    if (!keepPlaying) this.player.pause();
    const { steps } = this.race.settings;
    const shown = clamp(step, 0, steps);
    this.speakStep = !keepPlaying;
    this.set({ shown: shown === steps ? null : shown });
  }

  takeBest(which = null) {
    const runs = this.get("runs").map((run, index) => {
      const best = bestOf(this.sweepOf(run));
      return (which === null || which === index) && best >= 0 ? { ...run, lr: SWEEP[best] } : run;
    });
    this.change({ runs });
  }

  // Elements ....................................................................................................

  build() {
    this.startFault = make("div", { class: "x-fault", role: "alert" });
    this.player = this.buildPlayer();
    this.landscapes = choice({
      label: "Landscape", options: Object.entries(SURFACES).map(([name, { title }]) => [name, title]),
      onchange: (name) => this.setSurface(name),
    });
    this.schedules = choice({
      label: "Schedule of the rates", options: Object.entries(SCHEDULES), onchange: (schedule) => this.change({ schedule }),
    });
    this.stepCount = scale({ label: "Steps", values: STEPS, measure: Math.log, oninput: (steps) => this.setSteps(steps) });
    this.scrubber = slider({ label: "Step shown", min: 0, max: 1, oninput: (step) => this.setShown(step) });
    this.sentence = make("p", { class: "x-sentence" });
    this.cards = make("div", { class: "x-racers" });
    this.adder = button("+ Add an optimizer", () => this.add());
    return [
      make("div", { class: "x-lines" },
        make("div", { class: "x-bar" },
          this.landscapes.element, this.schedules.element, this.stepCount.element, this.resetButton()),
        make("div", { class: "x-race" }, this.buildLandscape(), this.buildCurves()),
        this.sentence,
        make("div", { class: "x-steps" }, make("div", { class: "x-tools" }, this.player.element), this.scrubber.element),
        make("div", { class: "x-magnifier" }, this.cards),
        this.buildSweep()),
    ];
  }

  buildPlayer() {
    return new Player({
      start: () => this.race.shown >= this.race.settings.steps && this.setShown(0, true),
      next: () => {
        this.setShown(this.race.shown + Math.max(1, Math.round(this.race.settings.steps / 160)), true);
        return this.get("shown") !== null;
      },
      pace: () => clamp(6000 / this.race.settings.steps, 33, 160),
    });
  }

  buildLandscape() {
    this.landscape = makeStage({
      onpoint: (share, event) => this.onPoint(share, event), onkey: (event) => this.onKey(event),
    });
    const { stage } = this.landscape;
    this.handle = make("div", { class: "x-handle", ...hidden });
    stage.append(this.handle);
    this.formula = make("span", { class: "x-size" });
    this.fields = ["x", "y"].map((letter, axis) => new NumberField({
      label: `Start ${letter}`, step: 0.05, limits: () => this.surface.window[axis], read: () => this.get("start")[axis],
      write: (value) => this.change({ start: this.get("start").map((old, index) => (index === axis ? value : old)) }),
      fault: this.startFault,
    }));
    return group("x-panel x-land", "Landscape",
      head("Paths", this.formula),
      stage,
      make("div", { class: "x-starts" }, ...this.fields.map(({ element }) => element),
        make("div", { class: "x-note" }, "Drag the ring: every path starts there.", make("br"),
          "✚ is a minimum. From line to line the height grows 3.2-fold.")),
      this.startFault);
  }

  buildCurves() {
    this.curves = makeStage({
      onpoint: ([, across], event) => {
        if (!isPressed(event)) return;
        const { clientWidth, clientHeight } = this.curves.stage;
        const { left, width } = curveFrame({ width: clientWidth, height: clientHeight });
        this.setShown(Math.round(clamp((across * clientWidth - left) / width, 0, 1) * this.race.settings.steps));
      },
    });
    this.standing = make("div", { class: "x-standing", role: "table", "aria-label": "Where each optimizer is" });
    return group("x-panel x-curves", "Losses", head("Loss above the minimum"), this.curves.stage, this.standing);
  }

  buildSweep() {
    this.sweeper = check("Find the best rates", (wanted) => this.set({ show_sweep: wanted }));
    this.sweepStage = makeStage({});
    this.bests = make("div", { class: "x-bests" });
    this.takeAll = button("Take all the best", () => this.takeBest());
    const caption = make("div", { class: "x-note" },
      "The whole race at 41 rates. Above, a cross where it diverged; below, a tick at each rate chosen now.");
    this.sweepBody = make("div", { class: "x-sweep-body" },
      head("Final loss against learning rate", this.takeAll), caption, this.sweepStage.stage, this.bests);
    return group("x-magnifier x-sweep", "Learning rates",
      make("div", { class: "x-tools" }, this.adder, this.sweeper.element), this.sweepBody);
  }

  // Pointing ....................................................................................................

  onPoint([down, across], event) {
    if (!isPressed(event)) return;
    const [[x0, x1], [y0, y1]] = this.surface.window;
    const exact = [x0 + across * (x1 - x0), y1 - down * (y1 - y0)];
    this.hold(exact.map((value) => Math.round(value * 100) / 100));
  }

  onKey(event) {
    const [[x0, x1]] = this.surface.window;
    const [x, y] = this.get("start");
    const step = (x1 - x0) / 80;
    const point = placeOf(event, {
      ArrowUp: [x, y + step], ArrowDown: [x, y - step], ArrowLeft: [x - step, y], ArrowRight: [x + step, y],
      PageUp: [x, y + 10 * step], PageDown: [x, y - 10 * step], Home: [x0, y], End: [x1, y],
    });
    if (point) this.hold(point);
  }

  // From the model to the screen ................................................................................

  sweepOf(run) {
    const { settings } = this.race;
    const key = JSON.stringify([settings, { ...run, lr: 0 }], (name, value) => (name === "runs" ? null : value));
    if (!this.swept.has(key)) {
      if (this.swept.size > 50) this.swept.clear();
      this.swept.set(key, sweep(settings, run));
    }
    return this.swept.get(key);
  }

  answer() {
    const settings = Object.fromEntries(RACED.map((name) => [name, this.get(name)]));
    const { surface, steps, runs } = settings;
    const raced = this.outdated("race", settings);
    const results = raced ? raceAll(settings) : this.race.results;
    this.race = { settings, results, shown: Math.min(steps, this.get("shown") ?? steps) };
    this.race.sweeps = this.get("show_sweep") ? runs.map((run) => this.sweepOf(run)) : null;
    this.root.dataset.state = JSON.stringify({
      ...settings,
      runs: runs.map((run, index) => {
        const { losses, count, step } = results[index];
        const point = pointAt(results[index], count - 1);
        const away = distance(SURFACES[surface], point);
        return { ...run, diverged: step !== null, step, point, loss: losses[count - 1], distance: away };
      }),
      shown: this.race.shown,
      best: this.race.sweeps && this.race.sweeps.map((finals) => SWEEP[bestOf(finals)] ?? null),
    });
    if (raced) this.spoken.say(summaryOf(this.race));
    else if (this.speakStep) this.spoken.say(verdictOn(this.race, this.race.shown));
    this.speakStep = false;
  }

  show() {
    const { race, revision: { look } } = this;
    if (this.outdated("runs", look)) {
      const style = getComputedStyle(this.root);
      this.palette.runs = RUN_COLORS.map((color, index) => readColor(style.getPropertyValue(`--x-run-${index + 1}`), color));
    }
    // Everything is painted before anything is written: what is written moves the layout, which painting asks for.
    this.sweepBody.hidden = race.sweeps === null;
    const scaled = { scaled: true };
    if (this.outdated("landscape", race.settings.surface, look)) {
      paintLandscape(this.sheet(this.landscape.picture, scaled), this.surface);
    }
    paintPaths(this.sheet(this.landscape.marks, scaled), race);
    paintCurves(this.sheet(this.curves.picture, scaled), race);
    if (race.sweeps) paintSweep(this.sheet(this.sweepStage.picture, scaled), race);
    this.showControls();
    this.showStanding();
    if (race.sweeps) this.showBests();
  }

  showControls() {
    const { settings: { surface, start, steps, schedule, runs }, shown } = this.race;
    while (this.racers.length > runs.length) this.racers.pop().element.remove();
    while (this.racers.length < runs.length) {
      const which = this.racers.length;
      this.racers.push(new Racer(which, { change: (run) => this.setRun(which, run), remove: () => this.remove(which) }));
      this.cards.append(this.racers[which].element);
    }
    if (this.outdated("swatches", this.revision.look, runs.length)) {
      for (const racer of this.racers) racer.repaint(this.palette);
    }
    runs.forEach((run, index) => this.racers[index].show(run, runs.length < 2));
    this.landscapes.show(surface);
    this.schedules.show(schedule);
    this.stepCount.show(steps);
    for (const field of this.fields) field.show();
    this.formula.textContent = this.surface.formula;
    const [across, down] = toPixels(this.surface, 100)(...start);
    this.handle.style.left = `${across}%`;
    this.handle.style.top = `${down}%`;
    this.landscape.stage.setAttribute("aria-label",
      `${this.surface.title}. The start is at ${pairText(start)}. Arrow keys move it.`);
    this.curves.stage.setAttribute("aria-label", `Loss curves on a logarithmic scale. ${verdictOn(this.race, steps)}`);
    this.scrubber.show(shown, steps, `${shown} of ${steps}`);
    this.adder.setAttribute("aria-disabled", runs.length >= MOST_RUNS);
    this.sweeper.box.checked = this.get("show_sweep");
    this.sentence.textContent = verdictOn(this.race, shown);
  }

  /** One row for each run, with its swatch; made anew when the runs or the look change. */
  rowsFor(part, build) {
    const { runs } = this.race.settings;
    if (!this.outdated(part, runs.map(({ optimizer }) => optimizer), this.revision.look)) return null;
    return runs.map((run, index) => {
      const mark = swatch(index);
      mark.paint(this.palette);
      return build(run, index, mark.element);
    });
  }

  showStanding() {
    const cell = (role, ...content) => make("div", { role, class: "x-standing-cell" }, ...content);
    const rows = this.rowsFor("standing", (run, index, mark) => {
      const cells = [cell("cell"), cell("cell")];
      const name = make("div", { role: "rowheader", class: "x-standing-name" }, mark, capital(run.optimizer));
      return { cells, element: make("div", { class: "x-standing-row", role: "row" }, name, ...cells) };
    });
    if (rows) {
      this.rows = rows;
      this.standingStep = cell("columnheader");
      const titles = [cell("columnheader", "loss − min"), cell("columnheader", "distance")];
      this.standing.replaceChildren(
        make("div", { class: "x-standing-row x-label", role: "row" }, this.standingStep, ...titles),
        ...rows.map(({ element }) => element));
    }
    this.standingStep.textContent = `Step ${this.race.shown}`;
    this.rows.forEach(({ cells, element }, index) => {
      element.classList.toggle("is-gone", isGone(this.race.results[index], this.race.shown));
      standingOf(this.race, index).forEach((text, column) => (cells[column].textContent = text));
    });
  }

  showBests() {
    const { runs } = this.race.settings;
    const rows = this.rowsFor("bests", (run, index, mark) => {
      const text = make("span", { class: "x-best-text" });
      const label = `Take it: the best rate of optimizer ${index + 1}, ${run.optimizer}`;
      const take = button("Take it", () => this.takeBest(index), { "aria-label": label });
      return { text, take, element: make("div", { class: "x-best" }, mark, text, take) };
    });
    if (rows) {
      this.bestRows = rows;
      this.bests.replaceChildren(...rows.map(({ element }) => element));
    }
    const words = this.race.sweeps.map((finals, index) => {
      const best = bestOf(finals);
      const { text, take } = this.bestRows[index];
      const name = capital(runs[index].optimizer);
      const said = best < 0 ? `${name}: diverged at every rate` : `${name}: best at ${rateText(SWEEP[best])}`;
      text.textContent = said;
      take.setAttribute("aria-disabled", best < 0 || SWEEP[best] === runs[index].lr);
      return said;
    });
    const taken = this.bestRows.every(({ take }) => take.getAttribute("aria-disabled") === "true");
    this.takeAll.setAttribute("aria-disabled", taken);
    this.sweepStage.stage.setAttribute("aria-label",
      `Final loss against learning rate, on logarithmic scales. ${words.join(". ")}.`);
  }
}

const render = ({ model, el }) => new OptimizerView(model).begin(el);
