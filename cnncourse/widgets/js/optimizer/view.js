// OptimizerExplorer: one to four optimizers race down a landscape, at rates and from a start of one's choice.

const MOST_RUNS = 4;
const ORDER = ["SGD", "momentum", "Adagrad", "Adam", "RMSprop", "Nesterov", "AdamW"]; // in which they are added
const RACED = ["surface", "function", "window", "start", "steps", "schedule", "noise", "seed", "runs"];

/** Call `ontap` with a place, in shares of a stage, where a finger touched it and did not swipe. */
function watchTaps(stage, ontap) {
  let press = null;
  stage.addEventListener("pointerdown", (event) => {
    press = event.pointerType === "touch" && event.isPrimary ? [event.clientX, event.clientY] : null;
  });
  stage.addEventListener("pointercancel", () => {
    press = null; // the page scrolls
  });
  stage.addEventListener("pointerup", ({ clientX, clientY }) => {
    const box = stage.getBoundingClientRect();
    const tapped = press && Math.hypot(clientX - press[0], clientY - press[1]) < 8;
    press = null;
    if (tapped) ontap([(clientY - box.top) / box.height, (clientX - box.left) / box.width]);
  });
}

class OptimizerView extends View {
  constructor(model) {
    const watched = Object.fromEntries([...RACED, "shown", "show_sweep"].map((name) => [name, "race"]));
    super(model, { name: "optimizer", title: "Optimizer explorer", watched, sharing });
    this.racers = [];
    this.swept = new Map();
  }

  get surface() {
    return landOf(this.race.settings);
  }

  // What a person does ..........................................................................................

  change(changes) {
    this.player.pause();
    this.set(changes);
  }

  setSurface(surface) {
    this.startFault.textContent = "";
    this.change({ surface, start: [...landOf({ ...this.state, surface }).start] });
  }

  /** Another function or another window; the start stays if it can. */
  setOwn(changes) {
    const land = landOf({ ...this.state, ...changes });
    const start = this.get("start");
    const [[x0, x1], [y0, y1]] = land.window;
    const stays = start[0] >= x0 && start[0] <= x1 && start[1] >= y0 && start[1] <= y1 && Number.isFinite(land.height(...start));
    this.startFault.textContent = "";
    this.change({ ...changes, ...(stays ? {} : { start: [...land.start] }) });
  }

  setStart(start) {
    const finite = Number.isFinite(this.surface.height(...start));
    this.startFault.textContent = finite ? ""
      : `The function is not finite at ${pairText(start)}. The start stays at ${pairText(this.get("start"))}.`;
    if (finite) this.change({ start });
  }

  hold(point) {
    const { window: sides } = this.surface;
    this.setStart(point.map((value, axis) => clamp(Math.round(value * 1000) / 1000, ...sides[axis])));
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
      label: "Landscape", options: [...Object.entries(SURFACES).map(([name, { title }]) => [name, title]), ["own", "Your own"]],
      onchange: (name) => this.setSurface(name),
    });
    this.schedules = choice({
      label: "Schedule of the rates", options: Object.entries(SCHEDULES), onchange: (schedule) => this.change({ schedule }),
    });
    this.stepCount = scale({ label: "Steps", values: STEPS, measure: Math.log, oninput: (steps) => this.setSteps(steps) });
    this.scrubber = slider({ label: "Step shown", min: 0, max: 1, oninput: (step) => this.setShown(step) });
    this.yours = new OwnFunction({
      read: (name) => this.get(name), write: (changes) => this.setOwn(changes), said: (fault) => this.spoken.say(fault),
    });
    this.sentence = make("p", { class: "x-sentence" });
    this.cards = make("div", { class: "x-racers" });
    this.adder = button("+ Add an optimizer", () => this.add());
    return [
      make("div", { class: "x-lines" },
        make("div", { class: "x-bar" },
          this.landscapes.element, this.schedules.element, this.stepCount.element, this.ends()),
        this.buildNoise(), this.yours.element,
        make("div", { class: "x-race" }, this.buildLandscape(), this.buildCurves()),
        this.sentence,
        make("div", { class: "x-steps" }, make("div", { class: "x-tools" }, this.player.element), this.scrubber.element),
        make("div", { class: "x-magnifier" }, this.cards),
        this.buildSweep()),
    ];
  }

  buildNoise() {
    this.noiseFault = make("div", { class: "x-fault", role: "alert" });
    this.sigma = scale({
      label: "Gradient noise σ", values: NOISES, measure: (value) => Math.log(value + 0.003), oninput: (noise) => this.change({ noise }),
    });
    this.seed = new NumberField({
      label: "Seed", limits: () => [0, 9999], whole: true, step: 1, read: () => this.get("seed"),
      write: (seed) => this.change({ seed }), fault: this.noiseFault,
    });
    const note = make("div", { class: "x-note" }, "Each step, σ times a normal draw is added to both slopes: the same for everyone.");
    return make("div", { class: "x-noise" }, this.sigma.element, this.seed.element, note, this.noiseFault);
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
    watchTaps(stage, (share) => this.grabbed || this.holdAt(share));
    this.formula = make("span", { class: "x-size" });
    this.starts = ["x", "y"].map((letter, axis) => new NumberField({
      label: `Start ${letter}`, step: 0.05, limits: () => this.surface.window[axis], read: () => this.get("start")[axis],
      write: (value) => this.setStart(this.get("start").map((old, index) => (index === axis ? value : old))),
      fault: this.startFault,
    }));
    this.fields = [...this.starts, this.seed, ...this.yours.fields];
    this.legend = make("span");
    return group("x-panel x-land", "Landscape",
      head("Paths", this.formula),
      stage,
      make("div", { class: "x-starts" }, ...this.starts.map(({ element }) => element),
        make("div", { class: "x-note" }, "Drag the ring: every path starts there.", make("br"), this.legend)),
      this.startFault);
  }

  buildCurves() {
    this.curves = makeStage({
      onpoint: (share, event) => {
        const { type, pointerType, clientX: x, clientY: y } = event;
        if (type === "pointerdown") this.press = [x, y];
        // A finger may be about to scroll the page: it counts once it goes across, and a tap when it ends.
        const swipe = pointerType === "touch" && Math.abs(x - this.press?.[0]) <= Math.abs(y - this.press?.[1]);
        if (isPressed(event) && !swipe) this.showAt(share);
      },
    });
    watchTaps(this.curves.stage, (share) => this.showAt(share));
    this.standing = make("div", { class: "x-standing", role: "table", "aria-label": "Where each optimizer is" });
    this.curvesHead = head("");
    return group("x-panel x-curves", "Losses", this.curvesHead, this.curves.stage, this.standing);
  }

  buildSweep() {
    this.sweeper = check("Find the best rates", (wanted) => this.set({ show_sweep: wanted }));
    this.sweepStage = makeStage({});
    this.bests = make("div", { class: "x-bests" });
    this.takeAll = button("Take all the best", () => this.takeBest());
    const caption = make("div", { class: "x-note" },
      "The whole race at 41 rates. Above, a cross where it diverged; below, a tick at each rate chosen now.");
    this.sweepHead = head("", this.takeAll);
    this.sweepBody = make("div", { class: "x-sweep-body" },
      this.sweepHead, caption, this.sweepStage.stage, this.bests);
    return group("x-magnifier x-sweep", "Learning rates",
      make("div", { class: "x-tools" }, this.adder, this.sweeper.element), this.sweepBody);
  }

  // Pointing ....................................................................................................

  /** The mouse moves the start from anywhere; a finger drags the ring: a swipe beside it scrolls the page. */
  onPoint(share, event) {
    const down = event.type === "pointerdown";
    if (down) this.grabbed = event.target === this.handle;
    const swipe = event.pointerType === "touch" && (down || !this.grabbed);
    if (isPressed(event) && !swipe) this.holdAt(share);
  }

  holdAt([down, across]) {
    const [[x0, x1], [y0, y1]] = this.surface.window;
    const exact = [x0 + across * (x1 - x0), y1 - down * (y1 - y0)];
    this.hold(exact.map((value) => Math.round(value * 100) / 100));
  }

  /** The step at a place of the curves. */
  showAt([, across]) {
    const { clientWidth, clientHeight } = this.curves.stage;
    const { left, width } = curveFrame({ width: clientWidth, height: clientHeight });
    this.setShown(Math.round(clamp((across * clientWidth - left) / width, 0, 1) * this.race.settings.steps));
  }

  onKey(event) {
    const [[x0, x1], [y0, y1]] = this.surface.window;
    const [x, y] = this.get("start");
    const [step, rise] = [(x1 - x0) / 80, (y1 - y0) / 80];
    const point = placeOf(event, {
      ArrowUp: [x, y + rise], ArrowDown: [x, y - rise], ArrowLeft: [x - step, y], ArrowRight: [x + step, y],
      PageUp: [x, y + 10 * rise], PageDown: [x, y - 10 * rise], Home: [x0, y], End: [x1, y],
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
    const { steps, runs } = settings;
    const land = landOf(settings);
    const raced = this.outdated("race", settings);
    const results = raced ? raceAll(settings) : this.race.results;
    this.race = { settings, results, shown: Math.min(steps, this.get("shown") ?? steps) };
    this.race.sweeps = this.get("show_sweep") ? runs.map((run) => this.sweepOf(run)) : null;
    this.race.least = leastOf(settings, results, this.race.sweeps);
    this.root.dataset.state = JSON.stringify({
      ...settings,
      runs: runs.map((run, index) => {
        const { losses, count, step } = results[index];
        const point = pointAt(results[index], count - 1);
        const away = land.minima.length ? distance(land, point) : null;
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
    const { surface, function: text, window: sides } = race.settings;
    if (this.outdated("landscape", surface, surface === "own" && [text, sides], look)) {
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
    const { settings: { surface, start, steps, schedule, noise, runs }, shown } = this.race;
    const known = this.surface.minima.length > 0;
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
    this.sigma.show(noise);
    this.yours.element.hidden = surface !== "own";
    this.yours.show();
    for (const field of this.fields) field.show();
    this.formula.textContent = known ? this.surface.formula : "";
    this.legend.textContent = known ? "✚ is a minimum. From line to line the height grows 3.2-fold."
      : "From line to line the height above the lowest drawn grows 3.2-fold; hatched: not finite.";
    const above = aboveText(this.surface);
    this.curvesHead.firstChild.textContent = `Loss ${above}`;
    this.sweepHead.firstChild.textContent = known ? "Final loss against learning rate" : `Final loss ${above} against learning rate`;
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
    const land = this.surface;
    const rows = this.rowsFor("standing", (run, index, mark) => {
      const cells = [cell("cell"), cell("cell")];
      const name = make("div", { role: "rowheader", class: "x-standing-name" }, mark, capital(run.optimizer));
      return { cells, element: make("div", { class: "x-standing-row", role: "row" }, name, ...cells) };
    });
    if (rows) {
      this.rows = rows;
      this.standingStep = cell("columnheader");
      this.standingTitles = [cell("columnheader"), cell("columnheader")];
      this.standing.replaceChildren(
        make("div", { class: "x-standing-row x-label", role: "row" }, this.standingStep, ...this.standingTitles),
        ...rows.map(({ element }) => element));
    }
    this.standingStep.textContent = `Step ${this.race.shown}`;
    standingTitles(land).forEach((text, column) => (this.standingTitles[column].textContent = text));
    this.rows.forEach(({ cells, element }, index) => {
      element.classList.toggle("is-gone", isGone(this.race.results[index], this.race.shown));
      standingOf(this.race, index).forEach((text, column) => (cells[column].textContent = text));
    });
  }

  showBests() {
    const { runs, noise } = this.race.settings;
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
      const said = best < 0 ? `${name}: diverged at every rate` : `${name}: best at ${rateText(SWEEP[best])}${noise ? ", with this noise" : ""}`;
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
