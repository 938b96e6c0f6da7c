// AttentionExplorer: whom each patch of a picture looks at, in every head of a small Vision Transformer.

const PATIENCE = 8; // ms: while one draws, an answer that takes longer waits until the stroke is painted

class AttentionView extends View {
  constructor(model) {
    const watched = {
      picture: "image", drawing: "image", brush: "look", layer: "at", head: "at", patch: "at", numbers: "look",
    };
    super(model, { name: "attention", title: "Attention in a Vision Transformer", watched });
    this.network = decodeNetwork(VIT);
    this.samples = model.get("samples");
    Object.assign(this, { mode: "point", cost: 0, timer: 0, spokenPixel: "", buffer: new PixelBuffer() });
    this.stops.push(() => clearTimeout(this.timer));
  }

  get state() {
    return { samples: this.samples, ...super.state };
  }

  // What a person does ..........................................................................................

  /** What is looked at, a preview included. */
  pointed() {
    const { layer, head, patch } = this.state;
    return { layer, head, patch, ...this.preview };
  }

  hold(place) {
    this.preview = null;
    this.speakGaze = true;
    this.set(place);
  }

  draw(rows) {
    this.drawn = true;
    this.set({ picture: "drawing", drawing: rows });
  }

  choose(mode) {
    this.mode = mode;
    this.preview = null;
    this.ask();
  }

  reset() {
    this.mode = "point";
  }

  // Elements ....................................................................................................

  build() {
    return [
      this.buildSamples(),
      this.buildBar(),
      make("div", { class: "x-gaze" },
        this.buildPicture(), this.buildWeights(), this.buildRollout(), this.buildWords(), this.buildMaps(), this.buildAnswer()),
    ];
  }

  buildSamples() {
    this.thumbs = Object.entries(this.samples).map(([name, text]) => {
      const [pixels, canvas] = [decodeBytes(text), make("canvas", { width: SIDE, height: SIDE, ...hidden })];
      const buffer = new PixelBuffer();
      buffer.resize(SIDE, SIDE);
      pixels.forEach((gray, at) => (buffer.pixels[at] = packed([gray, gray, gray])));
      buffer.draw(canvas.getContext("2d"), [0, 0, SIDE, SIDE]);
      const attributes = { class: "x-button x-thumb", "aria-label": `Take ${name}` };
      const thumb = button("", () => this.set({ picture: name }), attributes);
      thumb.append(canvas);
      return { name, thumb };
    });
    return group("x-samples x-pictures", "Pictures of Fashion-MNIST",
      make("span", { class: "x-note" }, "Take a test image:"),
      make("div", { class: "x-thumbs" }, ...this.thumbs.map(({ thumb }) => thumb)));
  }

  buildBar() {
    const tokens = Array.from({ length: TOKENS }, (_, token) => [token, capital(calledToken(token).replace("the ", ""))]);
    this.token = choice({ label: "Who looks", options: tokens, onchange: (token) => this.hold({ patch: patchOf(Number(token)) }) });
    const layers = Array.from({ length: LAYERS }, (_, index) => [index + 1, index + 1]);
    this.layer = segments({ label: "Layer", options: layers, onchange: (layer) => this.hold({ layer }) });
    this.head = segments({ label: "Head", options: ROWS.map((head) => [head, head]), onchange: (head) => this.hold({ head }) });
    return make("div", { class: "x-bar" }, this.token.element, this.layer.element, this.head.element, this.resetButton());
  }

  buildPicture() {
    this.pad = new Pad({
      read: () => this.rows(), write: (rows) => this.draw(rows),
      brush: () => [this.get("brush") / 2 + 0.5, 1],
      onmove: (words) => {
        this.spokenPixel = words;
        this.ask();
      },
    });
    this.pad.eraser.box.addEventListener("change", () => this.choose("draw"));
    this.picture = makeStage({
      label: "Picture",
      onpoint: ([y, x], event) => {
        if (this.mode === "point") this.hover({ patch: patchOf(tokenAt([y, x])) }, event);
        else if (isPressed(event)) this.pad.stroke(y * TALL - STRIP - 0.5, x * SIDE - 0.5, event.type === "pointerdown");
      },
      onleave: () => this.look(null),
      onkey: (event) => (this.mode === "point" ? this.onPatchKey(event) : this.pad.onKey(event)),
    });
    const { stage } = this.picture;
    for (const event of ["focus", "blur"]) stage.addEventListener(event, () => this.ask());
    this.modes = segments({
      label: "A press", options: [["point", "points"], ["draw", "draws"]], onchange: (mode) => this.choose(mode),
    });
    this.brush = slider({ label: "Brush", min: 1, max: 9, step: 0.5, oninput: (brush) => this.set({ brush }) });
    this.pictureName = make("span", { class: "x-size" });
    return group("x-panel x-shown", "Picture",
      head("Picture", this.pictureName), stage, this.modes.element, this.pad.tools, this.brush.element);
  }

  /** A map over the picture with its scale below. */
  buildMap(name, title, ...more) {
    const parts = makeStage({});
    const bar = make("div", { class: "x-scale-bar" });
    const most = make("span");
    const ticks = make("div", { class: "x-ticks" }, make("span", {}, "0"), most);
    const scale = make("div", { class: "x-scale", ...hidden }, bar, ticks);
    const called = make("span", { class: "x-title" }, title);
    const element = group(`x-panel ${name}`, title, make("div", { class: "x-head" }, called), parts.stage, scale, ...more);
    return { ...parts, bar, most, called, element };
  }

  buildWeights() {
    this.numbers = check("Weights in percent", (numbers) => this.set({ numbers }));
    this.weights = this.buildMap("x-weights", "Attention",
      this.numbers.element, make("div", { class: "x-note" }, WEIGHTS_WORDS));
    return this.weights.element;
  }

  buildRollout() {
    const formula = make("div", { class: "x-note" }, make("b", {}, ROLLOUT), make("br"), ROLLOUT_WORDS);
    this.rolled = this.buildMap("x-rolled", "Rollout, class token", formula);
    return this.rolled.element;
  }

  buildWords() {
    this.said = make("p", { class: "x-sentence" });
    this.extent = make("div", { class: "x-note" });
    return make("div", { class: "x-words" }, this.said, this.extent);
  }

  buildMaps() {
    this.maps = makeStage({
      label: `All heads and layers: ${ROWS.length} rows of ${LAYERS} maps. Arrow keys choose one.`,
      onpoint: (share, event) => {
        const place = this.mapAt(share);
        if (place) this.hover(place, event);
        else if (event.type === "pointermove") this.look(null);
      },
      onleave: () => this.look(null),
      onkey: (event) => this.onMapKey(event),
    });
    this.mapsTitle = make("span", { class: "x-size" });
    return group("x-panel x-heads", "All heads and layers",
      head("All heads and layers", this.mapsTitle), this.maps.stage, make("div", { class: "x-note" }, MAPS_WORDS));
  }

  buildAnswer() {
    this.verdict = make("span", { class: "x-said" });
    this.doubt = make("div", { class: "x-note x-doubt" });
    this.bars = CLASSES.map((name) => {
      const fill = make("div", { class: "x-fill" });
      const amount = make("span", { class: "x-percent" });
      const row = make("div", { class: "x-bar-row" },
        make("span", { class: "x-name" }, name), make("div", { class: "x-track" }, fill), amount);
      return { row, fill, amount };
    });
    this.barList = make("div", { class: "x-bars", role: "img" }, ...this.bars.map(({ row }) => row));
    return group("x-panel x-answer", "Answer", head("It answers"), this.verdict, this.doubt, this.barList);
  }

  // Pointing ....................................................................................................

  rows() {
    const { pixels } = askedOf(this.state);
    return Array.from({ length: SIDE }, (_, y) => [...pixels.subarray(y * SIDE, (y + 1) * SIDE)]);
  }

  onPatchKey(event) {
    const { patch } = this.pointed();
    const [row, column] = patch === "class token" ? [0, 1] : patch;
    const places = { ...neighbors([row, column]), Home: [0, column], End: [GRID, GRID] };
    const place = placeOf(event, places);
    if (!place) return;
    const [y, x] = clampAll(place, [0, 1], [GRID, GRID]);
    this.hold({ patch: y === 0 ? "class token" : [y, x] });
  }

  /** { layer, head } under a point, or null between the maps. */
  mapAt([y, x]) {
    const { picture } = this.maps;
    const { across, down, left, top, wide, tall } = layoutOf(picture.width, window.devicePixelRatio || 1);
    const [dy, dx] = [y * picture.height - top, x * picture.width - left];
    const [index, layer] = [Math.floor(dy / down), Math.floor(dx / across)];
    const inside = index >= 0 && index < ROWS.length && layer >= 0 && layer < LAYERS;
    return inside && dy - index * down < tall && dx - layer * across < wide ? { layer: layer + 1, head: ROWS[index] } : null;
  }

  onMapKey(event) {
    const { layer, head } = this.pointed();
    const place = placeOf(event, { ...neighbors([ROWS.indexOf(head), layer]), Home: [0, 1], End: [ROWS.length - 1, LAYERS] });
    if (!place) return;
    const [index, next] = clampAll(place, [0, 1], [ROWS.length - 1, LAYERS]);
    this.hold({ layer: next, head: ROWS[index] });
  }

  // From the model to the screen ................................................................................

  /** The network answers; how long it took is remembered. */
  think() {
    const start = performance.now();
    this.result = answerTo(this.network, this.asked.pixels);
    this.thought = this.revision.image;
    this.cost = performance.now() - start;
    this.spoken.say([this.spokenPixel, ...verdictOn(this.result.probabilities)].join(" ").trim());
    this.spokenPixel = "";
  }

  /** On a slow machine drawing comes first: the answer waits as long as it takes itself. */
  thinkLater() {
    this.timer ||= setTimeout(() => {
      this.timer = 0;
      this.think();
      this.ask();
    }, this.cost);
  }

  answer() {
    this.asked = askedOf(this.state);
    if (this.thought !== this.revision.image) {
      if (this.drawn && this.cost > PATIENCE) this.thinkLater();
      else this.think();
    } else if (this.spokenPixel) this.spoken.say(this.spokenPixel);
    this.drawn = false;
    this.at = gazeAt(this.result, this.pointed());
    if (this.thought !== this.revision.image) return; // an answer is on its way
    const { layer, head, patch } = this.pointed();
    const { row } = this.at;
    const { probabilities, rollout: rolled } = this.result;
    this.root.dataset.state = JSON.stringify({
      picture: this.asked.picture, layer, head, patch, attention: [...row], rollout: [...rolled], probabilities,
    });
  }

  show() {
    const { look } = this.revision;
    if (this.outdated("picture", this.revision.image, look)) {
      paintPicture(this.sheet(this.picture.picture), this.asked.pixels, this.buffer);
      this.showControls();
    }
    if (this.outdated("answers", this.thought, look)) {
      this.showAnswer();
      this.showMap(this.rolled, this.result.rollout, "The class token’s rollout");
    }
    const { token, layer, head } = this.at;
    if (this.outdated("maps", this.thought, look, token)) this.showMaps();
    if (this.outdated("weights", this.thought, look, token, layer, head)) this.showWeights();
    this.showMarks();
  }

  showControls() {
    const { picture, brush, numbers } = this.asked;
    this.pictureName.textContent = picture === "drawing" ? "your drawing" : picture;
    for (const { name, thumb } of this.thumbs) thumb.setAttribute("aria-pressed", String(name === picture));
    this.brush.show(brush, null, `${brush} pixels`);
    this.numbers.box.checked = numbers;
  }

  /** A map with its scale, which goes from 0 to the largest of its weights. */
  showMap({ picture, stage, bar, most }, row, words) {
    paintWeights(this.sheet(picture), row, this.result.pixels, { numbers: this.get("numbers"), buffer: this.buffer });
    const stops = Array.from({ length: 13 }, (_, step) => css(signedColor(this.palette, emphasized(step / 12))));
    bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    most.textContent = inPercent(Math.max(...row));
    stage.setAttribute("aria-label", `${words}: from 0 to ${most.textContent}.`);
  }

  showWeights() {
    const { token, layer, head } = this.at;
    const words = gazeOf(this.at);
    this.showMap(this.weights, this.at.row, words.slice(0, -1));
    this.weights.called.textContent = headName(this.at);
    this.said.textContent = words;
    this.extent.textContent = extentOf(this.at);
    this.token.show(token);
    this.layer.show(layer);
    this.head.show(head);
    if (this.speakGaze) this.spoken.say(words);
    this.speakGaze = false;
  }

  showMaps() {
    const ratio = window.devicePixelRatio || 1;
    const { stage, picture } = this.maps;
    stage.style.height = `${layoutOf(Math.round(stage.clientWidth * ratio), ratio).height / ratio}px`;
    paintMaps(this.sheet(picture), this.result.maps, this.at.token, this.buffer);
    this.mapsTitle.textContent = `from ${calledToken(this.at.token)}`;
  }

  showAnswer() {
    const { probabilities } = this.result;
    const [said, doubt] = verdictOn(probabilities);
    [this.verdict.textContent, this.doubt.textContent] = [said, doubt];
    const first = probabilities.indexOf(Math.max(...probabilities));
    this.bars.forEach(({ row, fill, amount }, label) => {
      fill.style.width = `${100 * probabilities[label]}%`;
      amount.textContent = inPercent(probabilities[label]);
      row.classList.toggle("is-first", label === first);
    });
    this.barList.setAttribute("aria-label",
      CLASSES.map((name, label) => `${name} ${inPercent(probabilities[label])}`).join(", "));
  }

  showMarks() {
    const { token, layer, head } = this.at;
    const sheet = this.sheet(this.picture.marks);
    const { stage } = this.picture;
    const drawing = this.mode === "draw";
    frameToken(sheet, token);
    frameToken(this.sheet(this.weights.marks), token);
    markMap(this.sheet(this.maps.marks), layer, head);
    if (drawing && document.activeElement === stage && stage.matches(":focus-visible")) {
      const step = sheet.width / SIDE;
      sheet.context.translate(0, STRIP * step);
      this.pad.mark(sheet, step);
    }
    this.modes.show(this.mode);
    stage.classList.toggle("x-canvas", drawing);
    stage.setAttribute("aria-label", drawing
      ? "Picture, 28 by 28 pixels. Arrow keys move the brush, space draws, Delete erases; hold Shift to draw while moving."
      : "Picture, 7 by 7 patches and the class token. Arrow keys move the patch, Home goes to the class token.");
  }
}

const render = ({ model, el }) => new AttentionView(model).begin(el);
