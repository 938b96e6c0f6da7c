// KernelExplorer: a picture, a kernel, the output, and the arithmetic of one output pixel.

const MODES = ["zeros", "reflect", "replicate", "circular"];
const KERNEL_SIZES = [1, 3, 5, 7];
const VIEWS = [
  ["automatic", "automatic"],
  ["signed", "signed colors"],
  ["magnitude", "absolute value"],
  ["picture", "gray, 0 to 255"],
];

class KernelView extends View {
  constructor(model) {
    const watched = {
      photograph: "picture", photographs: "picture", drawing: "picture", padding: "picture", mode: "picture",
      kernel: "kernel", stride: "kernel", kernel_name: "look", view: "look", point: "point", step: "point",
      layers: "layers", second_kernel: "layers", trace: "point",
    };
    const kept = Object.keys(watched).filter((name) => name !== "photographs");
    super(model, { name: "kernel", title: "Kernel explorer", watched, kept });
    this.decoded = new Map();
    this.buffers = { input: new PixelBuffer(), output: new PixelBuffer() };
  }

  // What the model holds, decoded ...............................................................................

  get isDrawing() {
    return pictureName(this.state) === DRAWING;
  }

  picture() {
    const name = pictureName(this.state);
    if (name === DRAWING) return pictureOf(this.state);
    if (!this.decoded.has(name)) this.decoded.set(name, pictureOf(this.state));
    return this.decoded.get(name);
  }

  arrived(name) {
    if (name !== "photographs") return;
    this.decoded.clear();
    this.offerPictures();
  }

  pictureLabel() {
    if (this.isDrawing) {
      return "Your drawing. Arrow keys move the brush, space paints, Delete erases; hold Shift to paint while moving.";
    }
    const { title, alt } = this.get("photographs")[pictureName(this.state)];
    return alt || title;
  }

  geometry() {
    const { height, width } = this.picture();
    const [k, stride, padding] = [this.get("kernel").length, this.get("stride"), this.get("padding")];
    const size = (n) => Math.floor((n + 2 * padding - k) / stride) + 1;
    return { height, width, k, stride, padding, rows: size(height), columns: size(width) };
  }

  inside(point, { rows, columns } = this.geometry()) {
    return clampAll(point, [0, 0], [rows - 1, columns - 1]);
  }

  get isWalking() {
    return this.get("step") !== null;
  }

  nameOf(kernel) {
    const kernels = this.get("kernels");
    const names = [this.get("kernel_name"), ...Object.keys(kernels)];
    return names.find((name) => kernels[name] && sameKernel(kernels[name], kernel)) ?? YOUR_KERNEL;
  }

  // What a person does ..........................................................................................

  /** Change what moves the output's pixels, and keep pointing at the same place of the picture. */
  setGeometry(changes) {
    const before = this.geometry();
    const place = this.get("point").map((index, axis) => {
      const middle = index * before.stride - before.padding + before.k / 2;
      return middle / (axis === 0 ? before.height : before.width);
    });
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    const after = this.geometry();
    const point = place.map((share, axis) => {
      const middle = share * (axis === 0 ? after.height : after.width);
      return Math.round((middle + after.padding - after.k / 2) / after.stride);
    });
    const [trace, step] = [this.get("trace"), this.get("step")];
    const [layer, ...at] = trace ? placeIn({ ...this.state, trace }, after, trace) : ["kernel"];
    this.set({
      point: this.inside(point, after), trace: layer === "kernel" ? null : [layer, ...at],
      step: step === null ? null : Math.min(step, after.k ** 2 - 1),
    });
  }

  setKernel(kernel) {
    this.setGeometry({ kernel, kernel_name: this.nameOf(kernel) });
  }

  setWeight(u, v, weight) {
    this.setKernel(this.get("kernel").map((row, i) => row.map((old, j) => (i === u && j === v ? weight : old))));
  }

  chooseKernel(name) {
    const kernel = this.get("kernels")[name];
    if (kernel) this.setGeometry({ kernel_name: name, kernel });
    else this.set({ kernel_name: YOUR_KERNEL });
  }

  normalize() {
    const kernel = this.get("kernel");
    const total = sum(kernel);
    this.setKernel(kernel.map((row) => row.map((weight) => weight / total)));
  }

  /** Hold a pixel of a layer. In a walk the window goes to that pixel of the output, or the walk is over. */
  hold([layer, ...at]) {
    this.player.pause();
    this.preview = null;
    this.speakPoint = true;
    const [, i, j] = placeIn(this.state, this.geometry(), [layer, ...at]);
    const last = this.get("kernel").length ** 2 - 1;
    if (layer === "kernel") this.set({ point: [i, j], trace: null, step: this.isWalking ? last : null });
    else this.set({ trace: [layer, i, j], step: null });
  }

  /** While the window walks, what is shown is the pixel under it. */
  look(place) {
    super.look(this.isWalking ? null : place);
  }

  pointed() {
    return placeIn(this.state, this.geometry(), this.preview);
  }

  /** The window goes on to { point, step } of its walk. */
  walkTo(place, quietly) {
    this.preview = null;
    this.speakPoint = !quietly;
    this.set({ ...place, trace: null });
  }

  addLayers(layers) {
    const [i, j] = this.get("point").map((index) => index >> 1);
    const { rows, columns } = sizeOfLayer("second", this.geometry());
    const trace = layers && !this.isWalking && rows && columns ? placeIn(this.state, this.geometry(), ["second", i, j]) : null;
    this.set({ layers, trace });
  }

  onOutput([y, x], event) {
    const { rows, columns } = this.geometry();
    this.hover(["kernel", Math.floor(y * rows), Math.floor(x * columns)], event);
  }

  onInput([y, x], event) {
    const { height, width, k, stride, padding } = this.geometry();
    const row = y * (height + 2 * padding) - padding;
    const column = x * (width + 2 * padding) - padding;
    const nearest = (at) => Math.round((at + padding - k / 2) / stride);
    const point = ["kernel", nearest(row), nearest(column)];
    if (!this.isDrawing) this.hover(point, event);
    else if (isPressed(event) || event.pointerType !== "touch") {
      this.look(point);
      if (isPressed(event)) this.pad.stroke(row - 0.5, column - 0.5, event.type === "pointerdown");
    }
  }

  /** Keys on the picture of a layer; they begin at the pixel that lies where another layer's is pointed at. */
  onLayerKey(layer, event) {
    const [from, ...at] = this.pointed();
    const [rows, there] = [layer, from].map((name) => sizeOfLayer(name, this.geometry()).rows);
    const [i, j] = at.map((index) => Math.floor((index * rows) / there));
    const point = placeOf(event, {
      ...neighbors([i, j]), PageUp: [i - 10, j], PageDown: [i + 10, j], Home: [i, 0], End: [i, Infinity],
    });
    if (point) this.hold([layer, ...point]);
  }

  // Elements ....................................................................................................

  build() {
    this.picker = choice({ label: "Picture", onchange: (photograph) => this.setGeometry({ photograph }) });
    this.offerPictures();
    const names = [...Object.keys(this.get("kernels")), YOUR_KERNEL];
    this.namer = choice({
      label: "Kernel", options: names.map((name) => [name, name]), onchange: (name) => this.chooseKernel(name),
    });
    this.stride = slider({ label: "Stride", min: 1, max: 4, oninput: (stride) => this.setGeometry({ stride }) });
    this.padding = slider({ label: "Padding", min: 0, max: 6, oninput: (padding) => this.setGeometry({ padding }) });
    this.mode = choice({
      label: "Padding with", options: MODES.map((mode) => [mode, mode]), onchange: (mode) => this.set({ mode }),
    });
    this.view = choice({ label: "Show the output", options: VIEWS, onchange: (view) => this.set({ view }) });
    this.formula = make("div", { class: "x-note x-formula" });
    return [
      make("div", { class: "x-bar" }, this.picker.element, this.namer.element, this.resetButton()),
      make("div", { class: "x-panels" },
        this.buildInput(), operator("⋆", "x-star"), this.buildKernel(), operator("="), this.buildOutput()),
      make("div", { class: "x-settings" },
        this.stride.element, this.padding.element, this.mode.element, this.view.element, this.formula),
      this.buildLayers(), this.buildMagnifier(),
    ];
  }

  offerPictures() {
    const names = Object.keys(this.get("photographs"));
    this.picker.offer([...names.map((name) => [name, name]), [DRAWING, "your drawing"]]);
  }

  buildInput() {
    this.pad = new Pad({
      read: () => this.get("drawing"), write: (drawing) => this.set({ drawing }), brush: () => [1.6, 1],
      onmove: (words) => {
        this.spoken.say(`Drawing. ${words}`);
        this.ask();
      },
    });
    this.input = makeStage({
      onpoint: (share, event) => this.onInput(share, event),
      onleave: () => this.look(null),
      onkey: (event) => this.isDrawing && this.pad.onKey(event),
    });
    for (const event of ["focus", "blur"]) this.input.stage.addEventListener(event, () => this.ask());
    this.inputSize = make("span", { class: "x-size" });
    this.around = make("span", { class: "x-size x-around" });
    this.credit = make("div", { class: "x-note x-credit" });
    return group("x-panel x-input", "Input",
      head("Input", make("span", {}, this.inputSize, this.around)),
      this.input.stage, this.pad.tools,
      make("div", {}, make("div", { class: "x-note" }, "Pixels from 0 (black) to 255 (white)."), this.credit));
  }

  buildKernel() {
    this.kernelSize = make("span", { class: "x-size" });
    this.weights = new WeightGrid({
      read: () => this.get("kernel"),
      write: (...change) => this.setWeight(...change),
      left: () => {
        this.made.kernel = null;
        this.ask();
      },
    });
    this.size = segments({
      label: "Size", options: KERNEL_SIZES.map((size) => [size, String(size)]),
      onchange: (size) => this.setKernel(resized(this.get("kernel"), Number(size))),
    });
    this.normalizer = button("Normalize", () => this.normalize(),
      { title: "Divide the weights by their sum, so that flat areas keep their brightness" });
    this.total = make("div", { class: "x-note x-total" });
    const turn = (word, change, title) => button(word, () => this.setKernel(change(this.get("kernel"))), { title });
    return group("x-panel x-kernel", "Kernel",
      head("Kernel", this.kernelSize), this.weights.element,
      make("div", { class: "x-kernel-tools" }, this.weights.fault, this.total, this.size.element,
        make("div", { class: "x-tools" },
          turn("Rotate", turned, "Turn by 90° clockwise"),
          turn("Flip", flipped, "Turn by 180°: correlation with the flipped kernel is convolution"),
          this.normalizer)));
  }

  buildOutput() {
    this.output = makeStage({
      onpoint: (share, event) => this.onOutput(share, event),
      onleave: () => this.look(null),
      onkey: (event) => this.onLayerKey("kernel", event),
    });
    this.outputSize = make("span", { class: "x-size" });
    this.scale = make("div", { class: "x-scale-bar" });
    this.needle = make("div", { class: "x-needle" });
    this.ticks = [make("span"), make("span"), make("span")];
    this.range = make("div", { class: "x-note" });
    return group("x-panel x-output", "Output",
      head("Output", this.outputSize), this.output.stage,
      make("div", { class: "x-scale" }, this.scale, this.needle, make("div", { class: "x-ticks" }, ...this.ticks)),
      this.range);
  }

  buildLayers() {
    const kernels = this.get("kernels");
    this.further = new LayerPanels({
      add: (layers) => this.addLayers(layers),
      choose: (name) => kernels[name] && this.set({ second_kernel: kernels[name] }),
      stages: (layer) => ({
        onpoint: ([y, x], event) => {
          const { rows, columns } = sizeOfLayer(layer, this.geometry());
          this.hover([layer, Math.floor(y * rows), Math.floor(x * columns)], event);
        },
        onleave: () => this.look(null),
        onkey: (event) => this.onLayerKey(layer, event),
      }),
    });
    return this.further.element;
  }

  buildMagnifier() {
    const move = (axis, index) => this.hold(this.pointed().map((old, which) => (which === axis + 1 ? index : old)));
    this.walk = new Walk({
      read: () => ({ point: this.inside(this.get("point")), step: this.get("step") }),
      write: (place, quietly) => this.walkTo(place, quietly),
      geometry: () => this.geometry(),
    });
    this.player = this.walk.player;
    this.magnifier = new Magnifier({ move, walk: this.walk.element });
    return this.magnifier.element;
  }

  // From the model to the screen ................................................................................

  answer() {
    const { picture, kernel } = this.revision;
    const { state } = this;
    if (this.outdated("padded", picture)) this.padded = pad(this.picture(), state.padding, state.mode);
    if (this.outdated("result", picture, kernel)) {
      this.result = crossCorrelate(this.padded, state.kernel, state.stride);
      this.extent = extentOf(this.result);
    }
    if (this.outdated("further", picture, kernel, state.layers && state.second_kernel)) {
      this.layers = state.layers ? layersOf(this.result, state.second_kernel) : { kernel: this.result };
      this.spoken.say(this.summary());
    }
    const { padded, result } = this;
    this.scene = sceneOf(state, padded, this.layers, this.preview);
    const { at, step, reached } = this.scene;
    const { stride, padding, mode } = state;
    this.root.dataset.state = JSON.stringify({
      photograph: pictureName(state), kernel: state.kernel, stride, padding, mode,
      input_shape: [padded.height - 2 * padding, padded.width - 2 * padding],
      output_shape: [result.height, result.width], point: [at.i, at.j], window: at.patch, value: at.value,
      step, sum: step === null ? at.value : runningSums(at.products)[step], reached: reached.kernel,
      layers: state.layers ? layersState(this.scene, state) : null,
    });
    if (this.speakPoint) this.spoken.say(spokenOn(this.scene, this.state));
    this.speakPoint = false;
  }

  summary() {
    const values = this.extent.map((value) => format(value, 2)).join(" to ");
    const words = `Kernel ${this.get("kernel_name")}. Output ${this.result.height} by ${this.result.width}, values ${values}.`;
    const { second } = this.get("layers") ? this.layers : {};
    return second ? `${words} After the second kernel ${rangeOf(second).replace("×", "by")}.` : words;
  }

  /** Only what depends on something that changed is painted again; pointing moves the marks alone. */
  show() {
    const { picture, kernel, look, layers } = this.revision;
    const { scene } = this;
    if (this.outdated("controls", picture, kernel, look, layers)) this.showControls();
    const side = scene.pixel.patch.length;
    if (this.outdated("cells", this.get("kernel").length, scene.place[0], side, look)) this.layCells(scene.place[0], side);
    if (this.outdated("kernel", kernel, look)) this.showKernel();
    if (this.outdated("input", picture, look)) {
      this.input.stage.style.aspectRatio = `${this.padded.width} / ${this.padded.height}`;
      paintInput(this.sheet(this.input.picture), this.padded, this.get("padding"), this.buffers.input);
    }
    if (this.outdated("output", picture, kernel, look, scene.reached.kernel)) this.showOutput();
    if (this.outdated("layers", picture, kernel, look, layers, scene.reached.kernel) && this.get("layers")) {
      this.further.paint(scene, (canvas) => this.sheet(canvas));
    }
    this.showMarks();
    this.showPoint();
  }

  showControls() {
    const { height, width, k, stride, padding, rows, columns } = this.geometry();
    this.picker.show(pictureName(this.state));
    this.namer.show(this.get("kernel_name"));
    this.stride.show(stride);
    this.padding.show(padding);
    this.mode.show(this.get("mode"));
    this.view.show(this.get("view"));
    this.size.show(k);
    this.inputSize.textContent = `${height} × ${width}`;
    this.around.textContent = padding ? ` + ${padding} around` : "";
    this.kernelSize.textContent = `${k} × ${k}`;
    this.outputSize.textContent = `${rows} × ${columns}`;
    const sized = (n, size) => `⌊(${n} + 2·${padding} − ${k}) / ${stride}⌋ + 1 = ${size}`;
    this.formula.textContent = `Output size: ${sized(height, rows)}` + (width === height ? "" : `, ${sized(width, columns)}`);

    const drawing = this.isDrawing;
    this.pad.tools.hidden = !drawing;
    const { stage } = this.input;
    stage.setAttribute("role", drawing ? "application" : "img");
    stage.setAttribute("aria-label", this.pictureLabel());
    stage.classList.toggle("x-canvas", drawing);
    if (drawing) stage.setAttribute("tabindex", "0");
    else stage.removeAttribute("tabindex");
    this.credit.textContent = this.credit.title = drawing ? "" : this.get("photographs")[pictureName(this.state)].credit;
    this.output.stage.setAttribute("aria-label",
      `Output, ${rows} by ${columns}. Arrow keys move the pointed pixel, Page Up and Page Down by ten rows.`);

    this.further.showControls(this.state, this.layers, this.get("kernels"));
  }

  /** Make the cells of all four grids, of `side` cells in the magnifier, and find out how much text they hold. */
  layCells(layer, side) {
    const k = this.get("kernel").length;
    this.weights.resize(k);
    this.root.style.setProperty("--k", k);
    this.root.classList.toggle("x-many", side > 3);
    this.magnifier.layOut(layer, side);
    this.weights.measure();
  }

  showKernel() {
    const kernel = this.get("kernel");
    const tint = tintOf(this.palette, kernel.flat());
    this.weights.show(kernel, tint);
    const total = sum(kernel);
    const flat = Math.abs(total) < 1e-12 ? 0 : total;
    this.total.textContent =
      flat === 0 ? "The weights sum to 0: flat areas give 0." : `The weights sum to ${format(flat, 4)}.`;
    const tooLarge = largestSize(kernel.flat()) / Math.abs(flat) > LARGEST_WEIGHT;
    this.normalizer.disabled = flat === 0 || Math.abs(flat - 1) < 1e-12 || tooLarge;
  }

  showOutput() {
    const { stage, picture } = this.output;
    this.legend = this.scene.legends.kernel;
    stage.style.aspectRatio = `${this.result.width} / ${this.result.height}`;
    const sheet = this.sheet(picture);
    paintOutput(sheet, this.result, this.legend, this.buffers.output);
    if (this.scene.step !== null) paintUnreached(sheet, this.result, this.scene.reached.kernel);
    const stops = Array.from({ length: 41 }, (_, stop) => css(shade(this.palette, this.legend.view, stop / 40)));
    this.scale.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    ticksOf(this.legend).forEach((text, index) => (this.ticks[index].textContent = text));
    const values = this.extent.map((value) => format(value, 1)).join(" to ");
    this.range.textContent = `Values from ${values}${this.legend.clipped ? ", clipped in the picture." : "."}`;
  }

  showMarks() {
    const { fields, at, step } = this.scene;
    const { padding } = this.state;
    const input = this.sheet(this.input.marks);
    markInput(input, this.padded, padding, fields.input, pixelNow(this.state, at, step));
    const wide = input.width / this.padded.width;
    if (this.isDrawing && document.activeElement === this.input.stage) this.pad.mark(input, wide, padding * wide);
    markBox(this.sheet(this.output.marks), this.result, fields.kernel);
    if (this.get("layers")) this.further.mark(this.scene, (canvas) => this.sheet(canvas));
  }

  showPoint() {
    const { scene } = this;
    const { at, legends } = scene;
    this.magnifier.show(scene, this.state, this.palette);
    this.needle.style.left = `${100 * shareOf(at.value, legends.kernel)}%`;
    this.needle.hidden = isAdding(scene);
    this.walk.show(scene);
  }
}

const render = ({ model, el }) => new KernelView(model).begin(el);
