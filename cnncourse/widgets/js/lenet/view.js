// LeNetLive: draw a digit and see every layer of a LeNet-5 answer.

class LeNetView extends View {
  constructor(model) {
    const watched = { image: "image", centered: "image", brush: "look", layer: "unit", unit: "unit" };
    super(model, { name: "lenet", title: "LeNet-5, live", watched });
    this.network = decodeNetwork(model.get("network"));
    this.samples = model.get("samples").map(decodeBytes);
    this.scales = findScales(this.network, this.samples);
    this.spokenPixel = ""; // what is said about the pixel under the brush of the keyboard
    this.buffer = new PixelBuffer();
  }

  // What a person does ..........................................................................................

  /** The layer and the unit that are looked into; inside the layer whatever the model holds. */
  pointed() {
    const [name, unit] = this.preview ?? [this.get("layer"), this.get("unit")];
    return [name, unitInside(name, unit)];
  }

  hold([name, unit]) {
    this.preview = null;
    this.speakUnit = true;
    this.set({ layer: name, unit: unitInside(name, unit) });
  }

  load(digit) {
    const pixels = this.samples[digit];
    this.set({ image: Array.from({ length: SIDE }, (_, y) => [...pixels.subarray(y * SIDE, (y + 1) * SIDE)]) });
  }

  // Elements ....................................................................................................

  build() {
    return [
      make("div", { class: "x-live" }, this.buildPad(), this.buildReceived(), this.buildAnswer()),
      this.buildSamples(),
      this.buildLayers(),
      this.buildUnit(),
    ];
  }

  buildPad() {
    this.pad = new Pad({
      read: () => this.get("image"), write: (image) => this.set({ image }),
      brush: () => [this.get("brush") / 2 + 0.75, 1.5],
      onmove: (words) => {
        this.spokenPixel = words;
        this.ask();
      },
    });
    this.drawing = makeStage({
      label: "Your drawing, 28 by 28 pixels. Arrow keys move the brush, space draws, Delete erases; " +
        "hold Shift to draw while moving.",
      onpoint: ([y, x], event) => {
        if (isPressed(event)) this.pad.stroke(y * SIDE - 0.5, x * SIDE - 0.5, event.type === "pointerdown");
      },
      onkey: (event) => this.pad.onKey(event),
    });
    const { stage } = this.drawing;
    stage.classList.add("x-canvas");
    for (const event of ["focus", "blur"]) stage.addEventListener(event, () => this.ask());
    this.brush = slider({ label: "Brush", min: 1, max: 5, step: 0.5, oninput: (brush) => this.set({ brush }) });
    const size = make("span", { class: "x-size" }, "28 × 28");
    return group("x-panel", "Drawing", head("Draw a digit", size), stage, this.pad.tools, this.brush.element);
  }

  buildReceived() {
    this.received = makeStage({});
    this.centerer = check("Center as MNIST does", (centered) => this.set({ centered }));
    this.centerNote = make("div", { class: "x-note" });
    const size = make("span", { class: "x-size x-around" }, "32 × 32");
    return group("x-panel x-received", "What the network gets",
      head("The network gets", size), this.received.stage, this.centerer.element, this.centerNote);
  }

  buildAnswer() {
    this.said = make("span", { class: "x-said" });
    this.doubt = make("div", { class: "x-note x-doubt" });
    this.bars = DIGITS.map((_, digit) => {
      const fill = make("div", { class: "x-fill" });
      const amount = make("span", { class: "x-percent" });
      const point = (event) => this.hover(["output", [digit, 0, 0]], event);
      const row = make("div", { class: "x-bar-row", on: { pointerdown: point, pointermove: point } },
        make("span", { class: "x-digit" }, digit), make("div", { class: "x-track" }, fill), amount);
      return { row, fill, amount };
    });
    this.barList = make("div", {
      class: "x-bars", role: "application", tabindex: "0",
      on: { pointerleave: () => this.look(null), keydown: (event) => this.onMapKey("output", event) },
    }, ...this.bars.map(({ row }) => row));
    const size = make("span", { class: "x-size" }, "10 units");
    return group("x-panel x-answer", "Answer", head("It answers", size), this.said, this.doubt, this.barList);
  }

  buildSamples() {
    const thumbs = this.samples.map((pixels, digit) => {
      const canvas = make("canvas", { width: SIDE, height: SIDE, ...hidden });
      paintGrays({ context: canvas.getContext("2d"), width: SIDE, height: SIDE }, SIDE, (at) => pixels[at]);
      const load = button("", () => this.load(digit), { class: "x-button x-thumb", "aria-label": `Take the ${DIGITS[digit]}` });
      load.append(canvas);
      return load;
    });
    return group("x-samples", "Digits of MNIST",
      make("span", { class: "x-note" }, "Or take one of MNIST’s test digits:"), make("div", { class: "x-thumbs" }, ...thumbs));
  }

  buildLayers() {
    const kinds = kindsOf(this.network);
    this.stages = {};
    const rows = HIDDEN_LAYERS.map((layer) => {
      const moves = layer.side > 1 ? "Arrow keys move the unit, Page Up and Page Down change the map." : "Arrow keys choose one.";
      const parts = makeStage({
        label: `${titleOf(layer)}, ${extentOf(layer, "by")}. ${moves}`,
        onpoint: (share, event) => {
          const unit = this.unitAt(layer, share);
          if (unit) this.hover([layer.name, unit], event);
          else if (event.type === "pointermove") this.look(null);
        },
        onleave: () => this.look(null),
        onkey: (event) => this.onMapKey(layer.name, event),
      });
      this.stages[layer.name] = parts;
      const title = make("span", { class: "x-title" }, titleOf(layer));
      const size = make("span", { class: "x-size" }, ` ${extentOf(layer)}`);
      return make("div", { class: "x-layer" },
        make("div", { class: "x-head" }, make("span", {}, title, size), make("span", { class: "x-note" }, kinds[layer.name])),
        parts.stage);
    });
    return group("x-layers", "Layers", ...rows,
      make("div", { class: "x-note" },
        "Blue is positive, vermillion negative, plain is zero. Each layer has one scale for all drawings."));
  }

  buildUnit() {
    const hold = (axis) => (index) => {
      const [name, unit] = this.pointed();
      this.hold([name, unit.map((old, at) => (at === axis ? index : old))]);
    };
    this.layer = choice({
      label: "Layer", options: LAYERS.map((layer) => [layer.name, titleOf(layer)]),
      onchange: (name) => this.hold([name, this.strongest(name)]),
    });
    this.axes = ["Map", "Row", "Column"].map((label, axis) => slider({ label, min: 0, max: 1, oninput: hold(axis) }));
    this.tiles = ["It reads", "Its weights", "Products"].map((label) => {
      const canvas = make("canvas", { class: "x-picture", ...hidden });
      const frame = make("div", { class: "x-tile-frame", role: "img" }, canvas);
      const caption = make("div", { class: "x-caption", ...hidden }, label);
      return { frame, canvas, element: make("div", { class: "x-tiles" }, caption, frame) };
    });
    this.operators = [operator("×"), operator("=")];
    const [read, weights, products] = this.tiles.map(({ element }) => element);
    this.place = make("span");
    this.value = make("span", { class: "x-value" });
    this.reason = make("div", { class: "x-note x-reason" });
    return group("x-magnifier", "One unit",
      head("One unit", ...holdHints("Point at a map; a click holds the unit, arrow keys move it.", "Tap a map.")),
      make("div", { class: "x-choosing" }, this.layer.element, ...this.axes.map(({ element }) => element)),
      make("div", { class: "x-reading" }, read, this.operators[0], weights, this.operators[1], products),
      make("p", { class: "x-sum" }, this.place, this.value), this.reason);
  }

  // Pointing ....................................................................................................

  /** [map, row, column] under a point, or null between the maps. */
  unitAt(layer, [y, x]) {
    const { picture } = this.stages[layer.name];
    const { across, cell, pitch, left, top } = layoutOf(layer, picture.width, window.devicePixelRatio || 1);
    const [down, right] = [y * picture.height - top, x * picture.width - left];
    const [mapRow, mapColumn] = [Math.floor(down / pitch), Math.floor(right / pitch)];
    const map = mapRow * across + mapColumn;
    const [row, column] = [Math.floor((down - mapRow * pitch) / cell), Math.floor((right - mapColumn * pitch) / cell)];
    const { side, maps } = layer;
    const inside = mapRow >= 0 && mapColumn >= 0 && mapColumn < across && map < maps && row < side && column < side;
    return inside ? [map, row, column] : null;
  }

  strongest(name) {
    const { side } = BY_NAME[name];
    const answers = this.result.values[name];
    const at = answers.indexOf(Math.max(...answers));
    return [Math.floor(at / (side * side)), Math.floor(at / side) % side, at % side];
  }

  onMapKey(name, event) {
    const { maps, side, columns } = BY_NAME[name];
    const [held, pointed] = this.pointed();
    const [map, row, column] = held === name ? pointed : this.strongest(name);
    const across = columns ? columns[this.root.clientWidth < NARROW ? 1 : 0] : 1;
    const within = Object.fromEntries(Object.entries(neighbors([row, column])).map(([key, place]) => [key, [map, ...place]]));
    const steps = side > 1
      ? { ...within, PageUp: [map - 1, row, column], PageDown: [map + 1, row, column] }
      : {
          ArrowUp: [map - across, 0, 0], ArrowDown: [map + across, 0, 0],
          ArrowLeft: [map - 1, 0, 0], ArrowRight: [map + 1, 0, 0], PageUp: [map - 10, 0, 0], PageDown: [map + 10, 0, 0],
        };
    const unit = placeOf(event, { ...steps, Home: [0, row, column], End: [maps - 1, row, column] });
    if (unit) this.hold([name, unit]);
  }

  // From the model to the screen ................................................................................

  answer() {
    if (this.outdated("result", this.revision.image)) {
      this.result = answerTo(this.network, this.state);
      this.spoken.say([this.spokenPixel, ...verdictOn(this.result)].join(" ").trim());
    } else if (this.spokenPixel) this.spoken.say(this.spokenPixel);
    this.spokenPixel = "";
    this.at = unitOf(this.result, ...this.pointed());
    const { probabilities, empty, pixels, shown } = this.result;
    const { name, unit, value, before, seen: { input } } = this.at;
    const total = (grays) => grays.reduce((sum, gray) => sum + gray, 0);
    this.root.dataset.state = JSON.stringify({
      probabilities, empty, centered: this.get("centered"), ink: total(pixels), received: total(shown),
      layer: name, unit, value, before, field: [input.y, input.x, input.size],
    });
  }

  show() {
    const { image, look } = this.revision;
    if (this.outdated("shades", look)) this.shadeOf = shaderOf(this.palette);
    if (this.outdated("answers", image, look)) {
      this.showControls();
      this.showPictures();
      this.showLayers();
      this.showAnswer();
    }
    this.showMarks();
    this.showUnit();
  }

  showControls() {
    const [brush, centered] = [this.get("brush"), this.get("centered")];
    this.brush.show(brush, null, `${brush} pixels`);
    this.centerer.box.checked = centered;
    this.centerNote.textContent = centered
      ? "Scaled to 20 pixels, its center of mass in the middle, two pixels of black around."
      : "As drawn, two pixels of black around.";
  }

  showPictures() {
    const { pixels, shown, empty } = this.result;
    paintGrays(this.sheet(this.drawing.picture), SIDE, (at) => pixels[at], this.buffer);
    paintReceived(this.sheet(this.received.picture), shown, this.buffer);
    this.received.stage.setAttribute("aria-label",
      empty ? "The network gets 32 by 32 black pixels." : "The drawing as the network gets it, 32 by 32 pixels.");
  }

  showLayers() {
    const ratio = window.devicePixelRatio || 1;
    for (const layer of HIDDEN_LAYERS) {
      const { name } = layer;
      const { stage, picture } = this.stages[name];
      stage.style.height = `${layoutOf(layer, Math.round(stage.clientWidth * ratio), ratio).height / ratio}px`;
      paintLayer(this.sheet(picture), layer, this.result.values[name], this.scales[name], this.shadeOf, this.buffer);
    }
  }

  showAnswer() {
    const { probabilities, empty } = this.result;
    [this.said.textContent, this.doubt.textContent] = verdictOn(this.result);
    this.root.classList.toggle("is-empty", empty);
    const first = probabilities.indexOf(Math.max(...probabilities));
    this.bars.forEach(({ row, fill, amount }, digit) => {
      fill.style.width = `${100 * probabilities[digit]}%`;
      amount.textContent = inPercent(probabilities[digit]);
      row.classList.toggle("is-first", digit === first && !empty);
    });
  }

  showUnit() {
    const { at, result } = this;
    const layer = BY_NAME[at.name];
    const flat = layer.side === 1;
    this.layer.show(at.name);
    this.axes.forEach((axis, index) => {
      axis.element.style.visibility = flat && index > 0 ? "hidden" : "";
      axis.show(at.unit[index], (index === 0 ? layer.maps : layer.side) - 1);
    });
    this.axes[0].named.textContent = flat ? "Unit" : "Map";
    this.showTiles(layer);
    this.place.textContent = placeIn(at);
    this.value.textContent = valueText(result, at);
    this.reason.textContent = reasonFor(this.network, at);
    this.bars.forEach((bar, digit) => bar.row.classList.toggle("is-pointed", at.name === "output" && digit === at.unit[0]));
    this.barList.setAttribute("aria-label", `Output, 10 units. Arrow keys choose one. ${this.said.textContent}`);
    if (this.speakUnit) this.spoken.say(`${this.place.textContent}${this.value.textContent}.`);
    this.speakUnit = false;
  }

  /** What the unit reads, its weights and their products; a pooling has none of its own. */
  showTiles({ from }) {
    const { window: read, weights, k } = this.at;
    const kernels = read.length / (k * k);
    const source = from === "input" ? "the input" : titleOf({ name: from });
    const across = k > 1 ? { 1: 1, 6: 3, 16: 4 }[kernels] : 12;
    const products = weights?.map((weight, index) => weight * read[index]);
    const windows = kernels > 1 ? `${kernels} windows` : "a window";
    const scope = k === 1 ? `${kernels} units of ${source}` : `${windows} of ${k} by ${k} in ${source}`;
    const told = (numbers, word) => {
      const most = numbers && largestSize(numbers);
      return [numbers, most, numbers && `${numbers.length} ${word}, the largest in size ${format(most, 3)}.`];
    };
    const shown = [[read, this.scales[from], `It reads ${scope}.`], told(weights, "weights"), told(products, "products")];
    shown.forEach(([numbers, most, words], index) => {
      const { element, frame, canvas } = this.tiles[index];
      element.hidden = !numbers;
      if (!numbers) return;
      frame.setAttribute("aria-label", words);
      paintTiles(this.sheet(canvas), numbers, k, across, most);
    });
    for (const sign of this.operators) sign.hidden = !weights;
  }

  showMarks() {
    markReceived(this.sheet(this.received.marks), this.at.seen.input);
    for (const layer of HIDDEN_LAYERS) markLayer(this.sheet(this.stages[layer.name].marks), layer, this.at);
    const sheet = this.sheet(this.drawing.marks);
    const { stage } = this.drawing;
    if (document.activeElement === stage && stage.matches(":focus-visible")) this.pad.mark(sheet, sheet.width / SIDE);
  }
}

const render = ({ model, el }) => new LeNetView(model).begin(el);
