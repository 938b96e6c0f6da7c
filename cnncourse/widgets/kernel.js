// KernelExplorer: a picture, a kernel, the output, and the arithmetic of one output pixel.
// The arithmetic is that of cnncourse.scratch (pad, cross_correlate) in float64, which a test holds equal.

const DRAWING = "drawing";
const YOUR_OWN = "your own";
const MODES = ["zeros", "reflect", "replicate", "circular"];
const SIZES = [1, 3, 5, 7];
const STRIDES = [1, 4];
const PADDINGS = [0, 6];
const LARGEST_WEIGHT = 1000;
const VIEWS = [
  ["automatic", "automatic"],
  ["signed", "signed colors"],
  ["magnitude", "absolute value"],
  ["picture", "gray, 0 to 255"],
];

// --- arithmetic ---------------------------------------------------------------------------------------------

/** Which row (or column) of n a padded one repeats; −1 where it is zero. */
function sourceIndex(index, n, mode) {
  if (index >= 0 && index < n) return index;
  if (mode === "replicate") return index < 0 ? 0 : n - 1;
  if (mode === "reflect") return index < 0 ? -index : 2 * (n - 1) - index;
  if (mode === "circular") return (index + n) % n;
  return -1;
}

/** A picture (height × width) with `padding` rows and columns added on every side. */
function pad({ values, height, width }, padding, mode) {
  const padded = { height: height + 2 * padding, width: width + 2 * padding };
  padded.values = new Float64Array(padded.height * padded.width);
  const columns = Array.from({ length: padded.width }, (_, x) => sourceIndex(x - padding, width, mode));
  for (let y = 0; y < padded.height; y += 1) {
    const row = sourceIndex(y - padding, height, mode);
    if (row < 0) continue;
    for (let x = 0; x < padded.width; x += 1) {
      if (columns[x] >= 0) padded.values[y * padded.width + x] = values[row * width + columns[x]];
    }
  }
  return padded;
}

/** y[i, j] = Σ_{u,v} w[u, v] · x[i·s + u, j·s + v] */
function crossCorrelate({ values, height, width }, kernel, stride) {
  const k = kernel.length;
  const output = { height: Math.floor((height - k) / stride) + 1, width: Math.floor((width - k) / stride) + 1 };
  const sums = (output.values = new Float64Array(output.height * output.width));
  for (let u = 0; u < k; u += 1) {
    for (let v = 0; v < k; v += 1) {
      const weight = kernel[u][v];
      if (weight === 0) continue;
      for (let i = 0, at = 0; i < output.height; i += 1) {
        let from = (i * stride + u) * width + v;
        for (let j = 0; j < output.width; j += 1, at += 1, from += stride) sums[at] += weight * values[from];
      }
    }
  }
  return output;
}

function extent(values) {
  let [low, high] = [values[0], values[0]];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

// --- kernels ------------------------------------------------------------------------------------------------

const sum = (kernel) => kernel.flat().reduce((total, weight) => total + weight, 0);
const sameKernel = (a, b) => a.length === b.length && a.flat().every((weight, index) => weight === b.flat()[index]);
const turned = (kernel) => kernel.map((row, u) => row.map((_, v) => kernel[kernel.length - 1 - v][u]));
const flipped = (kernel) => [...kernel].reverse().map((row) => [...row].reverse());

/** The same kernel in a larger grid with zeros around it, or the middle of it in a smaller one. */
function resized(kernel, size) {
  const shift = (kernel.length - size) / 2;
  return Array.from({ length: size }, (_, u) => Array.from({ length: size }, (_, v) => kernel[u + shift]?.[v + shift] ?? 0));
}

/** A weight as short as it can be written exactly: −1, 0.25, 1/9; rounded only where nothing else fits. */
function weightText(weight, fits = (text) => text.length <= 6) {
  const parts = fraction(weight);
  const exact = Number(weight.toFixed(2)) === weight ? format(weight, 2) : parts && withMinus(parts.join("/"));
  return exact && fits(exact) ? exact : fit(weight, fits);
}

/** Derivatives and other kernels that answer 0 to a flat picture are shown signed, the others as pictures. */
function resolveView(view, kernel) {
  if (view !== "automatic") return view;
  const size = kernel.flat().reduce((total, weight) => total + Math.abs(weight), 0);
  return Math.abs(sum(kernel)) <= 1e-9 * size ? "signed" : "picture";
}

/** Weak answers shown a little stronger than in proportion; the scale beside the picture is drawn the same way. */
const emphasized = (share) => Math.sign(share) * Math.abs(share) ** 0.65;

/** The color of a value in a view, by its share of the scale: −1 … 1 where signed, 0 … 1 else. */
function shade(palette, view, share) {
  if (view === "signed") return signedColor(palette, emphasized(share));
  return mix([0, 0, 0], [255, 255, 255], view === "magnitude" ? emphasized(share) : share);
}

/** −5 + 11 − 11, or in words where that would be long or rounded. */
function spelledSum(products) {
  if (products.length === 1) return "the one product";
  if (products.length > 9 || products.some((product) => Number(product.toFixed(2)) !== product)) {
    return `sum of the ${products.length} products`;
  }
  return products
    .map((product, index) => {
      if (index === 0) return format(product, 2);
      return product < 0 ? ` ${MINUS} ${format(-product, 2)}` : ` + ${format(product, 2)}`;
    })
    .join("");
}

// --- the explorer -------------------------------------------------------------------------------------------

class KernelView {
  constructor(model, host) {
    this.model = model;
    this.initial = Object.fromEntries(
      ["photograph", "drawing", "kernel_name", "kernel", "stride", "padding", "mode", "view", "point"].map((name) => [
        name,
        model.get(name),
      ]),
    );
    this.preview = null; // the output pixel under the mouse, while it is there
    this.brush = null; // the drawing's keyboard cursor
    this.revision = { picture: 0, kernel: 0, look: 0 };
    this.made = {};
    this.photographs = new Map();
    this.buffers = { input: new PixelBuffer(), output: new PixelBuffer() };
    this.spoken = announcer();
    this.compute = afterEvent(() => this.computeNow());
    this.paint = perFrame(() => this.paintNow());
    this.build(host);
    this.listen();
    this.computeNow();
    this.paintNow();
  }

  /** Something changed: new numbers as soon as the event is over, new pixels in the next frame. */
  ask() {
    this.compute();
    this.paint();
  }

  // What the model holds, decoded ...............................................................................

  get drawing() {
    return this.pictureName() === DRAWING;
  }

  /** The first photograph stands in while the chosen one is not among them. */
  pictureName() {
    const [name, photographs] = [this.model.get("photograph"), this.model.get("photographs")];
    return name === DRAWING || name in photographs ? name : Object.keys(photographs)[0];
  }

  picture() {
    if (this.drawing) {
      const rows = this.model.get("drawing");
      return { values: Float64Array.from(rows.flat()), height: rows.length, width: rows[0].length };
    }
    const name = this.pictureName();
    if (!this.photographs.has(name)) {
      const { pixels, shape } = this.model.get("photographs")[name];
      this.photographs.set(name, { values: Float64Array.from(decodeBytes(pixels)), height: shape[0], width: shape[1] });
    }
    return this.photographs.get(name);
  }

  pictureLabel() {
    if (this.drawing) {
      return "Your drawing. Arrow keys move the brush, space paints, Delete erases; hold Shift to paint while moving.";
    }
    const { title, alt } = this.model.get("photographs")[this.pictureName()];
    return alt || title;
  }

  geometry() {
    const { height, width } = this.picture();
    const [k, stride, padding] = [this.model.get("kernel").length, this.model.get("stride"), this.model.get("padding")];
    const size = (n) => Math.floor((n + 2 * padding - k) / stride) + 1;
    return { height, width, k, stride, padding, rows: size(height), columns: size(width) };
  }

  clamp([i, j], { rows, columns } = this.geometry()) {
    return [Math.max(0, Math.min(rows - 1, i)), Math.max(0, Math.min(columns - 1, j))];
  }

  nameOf(kernel) {
    const kernels = this.model.get("kernels");
    const names = [this.model.get("kernel_name"), ...Object.keys(kernels)];
    return names.find((name) => kernels[name] && sameKernel(kernels[name], kernel)) ?? YOUR_OWN;
  }

  // What a person does ..........................................................................................

  set(changes) {
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    this.model.save_changes();
  }

  /** Change what moves the output's pixels, and keep pointing at the same place of the picture. */
  setGeometry(changes) {
    const before = this.geometry();
    const place = this.model.get("point").map((index, axis) => {
      const middle = index * before.stride - before.padding + before.k / 2;
      return middle / (axis === 0 ? before.height : before.width);
    });
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    const after = this.geometry();
    const point = place.map((share, axis) => {
      const middle = share * (axis === 0 ? after.height : after.width);
      return Math.round((middle + after.padding - after.k / 2) / after.stride);
    });
    this.set({ point: this.clamp(point, after) });
  }

  setKernel(kernel) {
    this.setGeometry({ kernel, kernel_name: this.nameOf(kernel) });
  }

  setWeight(u, v, weight) {
    this.setKernel(this.model.get("kernel").map((row, i) => row.map((old, j) => (i === u && j === v ? weight : old))));
  }

  nudge(u, v, steps) {
    const kernel = this.model.get("kernel");
    const step = kernel.flat().every(Number.isInteger) ? 1 : 0.05;
    const weight = Math.round((kernel[u][v] + steps * step) * 1e6) / 1e6;
    this.setWeight(u, v, Math.max(-LARGEST_WEIGHT, Math.min(LARGEST_WEIGHT, weight)));
  }

  setPoint(point) {
    this.preview = null;
    this.set({ point: this.clamp(point) });
    this.speakPoint = true;
    this.ask();
  }

  reset() {
    this.preview = null;
    this.fault.textContent = "";
    this.set(structuredClone(this.initial));
    this.spoken.say("Everything is as it was at first.");
  }

  // Elements ....................................................................................................

  build(host) {
    const { model } = this;
    this.picker = choice({ label: "Picture", onchange: (photograph) => this.setGeometry({ photograph }) });
    this.offerPictures();
    this.namer = choice({
      label: "Kernel",
      options: [...Object.keys(model.get("kernels")), YOUR_OWN].map((name) => [name, name]),
      onchange: (name) => {
        const kernel = model.get("kernels")[name];
        if (kernel) this.setGeometry({ kernel_name: name, kernel });
        else this.set({ kernel_name: YOUR_OWN });
      },
    });
    this.stride = slider({
      label: "Stride", min: STRIDES[0], max: STRIDES[1], oninput: (stride) => this.setGeometry({ stride }),
    });
    this.padding = slider({
      label: "Padding", min: PADDINGS[0], max: PADDINGS[1], oninput: (padding) => this.setGeometry({ padding }),
    });
    this.mode = choice({
      label: "Padding with", options: MODES.map((mode) => [mode, mode]), onchange: (mode) => this.set({ mode }),
    });
    this.view = choice({ label: "Show the output", options: VIEWS, onchange: (view) => this.set({ view }) });
    this.formula = make("div", { class: "x-note x-formula" });
    this.row = slider({
      label: "Output row", min: 0, max: 1, oninput: (i) => this.setPoint([i, this.pointed()[1]]),
    });
    this.column = slider({
      label: "Output column", min: 0, max: 1, oninput: (j) => this.setPoint([this.pointed()[0], j]),
    });

    this.root = make(
      "div",
      { class: "explorer", role: "group", "aria-label": "Kernel explorer", "data-explorer": "kernel" },
      make("div", { class: "x-bar" }, this.picker.element, this.namer.element,
        this.buildReset()),
      make("div", { class: "x-panels" },
        this.buildInput(), make("div", { class: "x-operator x-star", "aria-hidden": "true" }, "⋆"),
        this.buildKernel(), make("div", { class: "x-operator", "aria-hidden": "true" }, "="),
        this.buildOutput()),
      make("div", { class: "x-settings" },
        this.stride.element, this.padding.element, this.mode.element, this.view.element, this.formula),
      this.buildMagnifier(),
      this.spoken.element,
    );
    keepKeys(this.root);
    host.append(this.root);
  }

  offerPictures() {
    const names = Object.keys(this.model.get("photographs"));
    this.picker.offer([...names.map((name) => [name, name]), [DRAWING, "your drawing"]]);
  }

  buildReset() {
    const reset = button("", () => this.reset(), { class: "x-button x-reset", title: "Back to the beginning" });
    reset.append(make("span", { "aria-hidden": "true" }, "↺"), make("span", { class: "x-word" }, "Reset"));
    return reset;
  }

  buildInput() {
    this.input = makeStage({
      onpoint: (share, event) => this.onInput(share, event),
      onleave: () => this.show(null),
      onkey: (event) => this.onDrawingKey(event),
    });
    this.input.stage.addEventListener("focus", () => this.ask());
    this.input.stage.addEventListener("blur", () => this.ask());
    this.inputSize = make("span", { class: "x-size" });
    this.around = make("span", { class: "x-size x-around" });
    this.credit = make("div", { class: "x-note x-credit" });
    this.eraser = make("input", { type: "checkbox" });
    this.tools = make("div", { class: "x-tools", hidden: true },
      make("label", { class: "x-check" }, this.eraser, "Erase"),
      button("Clear", () => this.set({ drawing: this.model.get("drawing").map((row) => row.map(() => 0)) })));
    return make("div", { class: "x-panel x-input", role: "group", "aria-label": "Input" },
      make("div", { class: "x-head" }, make("span", { class: "x-title" }, "Input"),
        make("span", {}, this.inputSize, this.around)),
      this.input.stage, this.tools,
      make("div", {}, make("div", { class: "x-note" }, "Pixels from 0 (black) to 255 (white)."), this.credit));
  }

  buildKernel() {
    this.kernelSize = make("span", { class: "x-size" });
    this.grid = make("div", { class: "x-grid", role: "group", "aria-label": "Weights",
      title: "Type a number or a fraction; drag up or down, or press ↑ ↓, to change it" });
    this.weights = [];
    this.size = segments({
      label: "Size", options: SIZES.map((size) => [size, String(size)]),
      onchange: (size) => this.setKernel(resized(this.model.get("kernel"), Number(size))),
    });
    this.normalizer = button("Normalize", () => {
      const kernel = this.model.get("kernel");
      const total = sum(kernel);
      this.setKernel(kernel.map((row) => row.map((weight) => weight / total)));
    }, { title: "Divide the weights by their sum, so that flat areas keep their brightness" });
    this.total = make("div", { class: "x-note x-total" });
    this.fault = make("div", { class: "x-fault", role: "alert" });
    return make("div", { class: "x-panel x-kernel", role: "group", "aria-label": "Kernel" },
      make("div", { class: "x-head" }, make("span", { class: "x-title" }, "Kernel"), this.kernelSize),
      this.grid,
      make("div", { class: "x-kernel-tools" }, this.fault, this.total, this.size.element,
        make("div", { class: "x-tools" },
          button("Rotate", () => this.setKernel(turned(this.model.get("kernel"))), { title: "Turn by 90° clockwise" }),
          button("Flip", () => this.setKernel(flipped(this.model.get("kernel"))),
            { title: "Turn by 180°: correlation with the flipped kernel is convolution" }),
          this.normalizer)));
  }

  buildOutput() {
    this.output = makeStage({
      onpoint: (share, event) => this.onOutput(share, event),
      onleave: () => this.show(null),
      onkey: (event) => this.onOutputKey(event),
    });
    this.output.stage.setAttribute("role", "application");
    this.output.stage.setAttribute("tabindex", "0");
    this.outputSize = make("span", { class: "x-size" });
    this.scale = make("div", { class: "x-scale-bar" });
    this.needle = make("div", { class: "x-needle" });
    this.ticks = [make("span"), make("span"), make("span")];
    this.range = make("div", { class: "x-note" });
    return make("div", { class: "x-panel x-output", role: "group", "aria-label": "Output" },
      make("div", { class: "x-head" }, make("span", { class: "x-title" }, "Output"), this.outputSize),
      this.output.stage,
      make("div", { class: "x-scale" }, this.scale, this.needle, make("div", { class: "x-ticks" }, ...this.ticks)),
      this.range);
  }

  buildMagnifier() {
    this.windowed = new Matrix("Window");
    this.weighted = new Matrix("Weights");
    this.products = new Matrix("Products");
    this.place = make("span");
    this.value = make("span", { class: "x-value" });
    this.aside = make("span", { class: "x-muted" });
    return make("div", { class: "x-magnifier", role: "group", "aria-label": "One output pixel" },
      make("div", { class: "x-head" }, make("span", { class: "x-title" }, "One output pixel"),
        make("span", { class: "x-note x-by-mouse" }, "Point at the output; a click holds the pixel, arrow keys move it."),
        make("span", { class: "x-note x-by-finger" }, "Tap a pixel of the output.")),
      make("div", { class: "x-pointing" }, this.row.element, this.column.element),
      make("div", { class: "x-panels x-matrices" },
        this.windowed.element, make("div", { class: "x-operator", "aria-hidden": "true" }, "×"),
        this.weighted.element, make("div", { class: "x-operator", "aria-hidden": "true" }, "="),
        this.products.element),
      make("p", { class: "x-sum" }, this.place, this.value, this.aside));
  }

  // Pointing ....................................................................................................

  pointed() {
    return this.preview ?? this.clamp(this.model.get("point"));
  }

  /** Look at an output pixel without holding it; null goes back to the one that is held. */
  show(point) {
    this.preview = point && this.clamp(point);
    this.ask();
  }

  hover(point, event) {
    if (event.type === "pointerdown" || event.buttons & 1) this.setPoint(point);
    else if (event.pointerType !== "touch") this.show(point);
  }

  onOutput([y, x], event) {
    const { rows, columns } = this.geometry();
    this.hover([Math.floor(y * rows), Math.floor(x * columns)], event);
  }

  onInput([y, x], event) {
    const { height, width, k, stride, padding } = this.geometry();
    const row = y * (height + 2 * padding) - padding;
    const column = x * (width + 2 * padding) - padding;
    const nearest = (at) => Math.round((at + padding - k / 2) / stride);
    const point = [nearest(row), nearest(column)];
    if (!this.drawing) this.hover(point, event);
    else if (event.type === "pointerdown" || event.buttons & 1) {
      this.show(point);
      this.stroke(row - 0.5, column - 0.5, event.type === "pointerdown");
    } else if (event.pointerType !== "touch") this.show(point);
  }

  onOutputKey(event) {
    const { rows, columns } = this.geometry();
    const [i, j] = this.pointed();
    const moves = {
      ArrowUp: [i - 1, j], ArrowDown: [i + 1, j], ArrowLeft: [i, j - 1], ArrowRight: [i, j + 1],
      PageUp: [i - 10, j], PageDown: [i + 10, j], Home: [i, 0], End: [i, columns - 1],
    };
    if (!(event.key in moves) || rows < 1) return;
    event.preventDefault();
    this.setPoint(moves[event.key]);
  }

  // Drawing .....................................................................................................

  /** One touch of a soft brush: full strength in the middle, less beside it. */
  dab(rows, y, x, erase) {
    for (let r = Math.floor(y) - 1; r <= Math.ceil(y) + 1; r += 1) {
      for (let c = Math.floor(x) - 1; c <= Math.ceil(x) + 1; c += 1) {
        if (r < 0 || c < 0 || r >= rows.length || c >= rows[0].length) continue;
        const strength = Math.round(255 * Math.max(0, Math.min(1, 1.6 - Math.hypot(r - y, c - x))));
        rows[r][c] = erase ? Math.min(rows[r][c], 255 - strength) : Math.max(rows[r][c], strength);
      }
    }
  }

  /** Continue the line of the brush to (y, x), measured in cells. */
  stroke(y, x, start, erase = this.eraser.checked) {
    const [fromY, fromX] = start || !this.last ? [y, x] : this.last;
    const rows = this.model.get("drawing").map((row) => [...row]);
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(y - fromY, x - fromX)));
    for (let step = 1; step <= steps; step += 1) {
      this.dab(rows, fromY + ((y - fromY) * step) / steps, fromX + ((x - fromX) * step) / steps, erase);
    }
    this.last = [y, x];
    this.set({ drawing: rows });
  }

  onDrawingKey(event) {
    if (!this.drawing) return;
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const rows = this.model.get("drawing");
    const [y, x] = this.brush;
    if (event.key in moves) {
      const [dy, dx] = moves[event.key];
      this.brush = [Math.max(0, Math.min(rows.length - 1, y + dy)), Math.max(0, Math.min(rows[0].length - 1, x + dx))];
      if (event.shiftKey) this.stroke(...this.brush, true);
    } else if (event.key === " ") this.stroke(y, x, true);
    else if (event.key === "Delete" || event.key === "Backspace") this.stroke(y, x, true, true);
    else return;
    event.preventDefault();
    const [row, column] = this.brush;
    this.spoken.say(`Drawing, row ${row}, column ${column}: ${this.model.get("drawing")[row][column]}`);
    this.ask();
  }

  // The kernel's cells ..........................................................................................

  buildCells(k) {
    this.weights = [];
    for (let u = 0; u < k; u += 1) {
      for (let v = 0; v < k; v += 1) {
        const input = make("input", {
          type: "text", class: "x-weight", autocomplete: "off", spellcheck: "false", enterkeyhint: "done",
          "aria-label": `Weight, row ${u + 1}, column ${v + 1}`,
        });
        input.addEventListener("input", () => this.onWeight(input, u, v, false));
        input.addEventListener("change", () => this.onWeight(input, u, v, true));
        input.addEventListener("focus", () => {
          input.value = this.exactWeight(this.model.get("kernel")[u][v]);
          input.select();
        });
        input.addEventListener("blur", () => {
          this.made.kernel = null;
          this.ask();
        });
        input.addEventListener("keydown", (event) => {
          const steps = { ArrowUp: 1, ArrowDown: -1 }[event.key];
          if (!steps) return;
          event.preventDefault();
          this.nudge(u, v, steps);
          input.value = this.exactWeight(this.model.get("kernel")[u][v]);
        });
        this.scrub(input, u, v);
        this.weights.push(input);
      }
    }
    this.grid.replaceChildren(...this.weights);
  }

  exactWeight(weight) {
    const parts = Number(weight.toFixed(4)) === weight ? null : fraction(weight);
    return withMinus(parts ? parts.join("/") : String(weight));
  }

  /** Drag up or down on a cell to change its weight. */
  scrub(input, u, v) {
    let from = null;
    input.addEventListener("pointerdown", (event) => {
      if (event.button === 0 && event.pointerType !== "touch") from = event.clientY;
    });
    input.addEventListener("pointermove", (event) => {
      if (from === null || !(event.buttons & 1)) return;
      const steps = Math.trunc((from - event.clientY) / 8);
      if (steps === 0) return;
      input.setPointerCapture(event.pointerId);
      from -= steps * 8;
      this.nudge(u, v, steps);
      input.value = this.exactWeight(this.model.get("kernel")[u][v]);
    });
    input.addEventListener("dragstart", (event) => event.preventDefault()); // the selected text is not to be moved
    for (const end of ["pointerup", "pointercancel"]) input.addEventListener(end, () => (from = null));
  }

  onWeight(input, u, v, final) {
    const weight = parseNumber(input.value);
    const legal = weight !== null && Math.abs(weight) <= LARGEST_WEIGHT;
    if (legal) this.setWeight(u, v, weight);
    const kept = weightText(this.model.get("kernel")[u][v]);
    input.toggleAttribute("aria-invalid", false);
    if (!legal && final) {
      this.fault.textContent =
        weight === null
          ? `“${input.value}” is not a number. The weight stays ${kept}.`
          : `A weight lies between ${MINUS}${LARGEST_WEIGHT} and ${LARGEST_WEIGHT}. This one stays ${kept}.`;
      input.value = this.exactWeight(this.model.get("kernel")[u][v]);
    } else if (legal) this.fault.textContent = "";
    if (!legal && !final) input.setAttribute("aria-invalid", "true");
  }

  // From the model to the screen ................................................................................

  listen() {
    const { model } = this;
    const watch = {
      photograph: "picture", photographs: "picture", drawing: "picture", padding: "picture", mode: "picture",
      kernel: "kernel", stride: "kernel", kernel_name: "look", view: "look", point: null,
    };
    this.stops = Object.entries(watch).map(([name, part]) => {
      const changed = () => {
        if (part) this.revision[part] += 1;
        if (name === "photographs") {
          this.photographs.clear();
          this.offerPictures();
        }
        this.ask();
      };
      model.on(`change:${name}`, changed);
      return () => model.off(`change:${name}`, changed);
    });
    const repaint = () => {
      this.revision.look += 1;
      this.ask();
    };
    this.stops.push(watchTheme(repaint), watchWidth(this.root, repaint), this.paint.cancel, this.spoken.stop);
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

  computeNow() {
    const { model } = this;
    const { picture, kernel } = this.revision;
    if (this.outdated("padded", `${picture}`)) this.padded = pad(this.picture(), model.get("padding"), model.get("mode"));
    if (this.outdated("result", `${picture} ${kernel}`)) {
      this.result = crossCorrelate(this.padded, model.get("kernel"), model.get("stride"));
      this.extent = extent(this.result.values);
      this.spoken.say(this.summary());
    }
    this.computePoint();
  }

  /** The window, the products and the value of the pointed output pixel. */
  computePoint() {
    const { model, padded, result } = this;
    const [kernel, stride, padding] = [model.get("kernel"), model.get("stride"), model.get("padding")];
    const [i, j] = this.pointed();
    const rows = kernel.map((_, u) => i * stride + u);
    const columns = kernel.map((_, v) => j * stride + v);
    const isOutside = (y, x) =>
      y < padding || x < padding || y >= padded.height - padding || x >= padded.width - padding;
    const patch = rows.map((y) => columns.map((x) => padded.values[y * padded.width + x]));
    this.at = {
      i, j, patch,
      value: result.values[i * result.width + j],
      products: kernel.flatMap((row, u) => row.map((weight, v) => weight * patch[u][v])),
      outside: rows.flatMap((y) => columns.map((x) => isOutside(y, x))),
    };
    this.root.dataset.state = JSON.stringify({
      photograph: this.pictureName(), kernel, stride, padding, mode: model.get("mode"),
      input_shape: [padded.height - 2 * padding, padded.width - 2 * padding],
      output_shape: [result.height, result.width], point: [i, j], window: patch, value: this.at.value,
    });
  }

  /** Only what depends on something that changed is painted again; pointing moves the marks alone. */
  paintNow() {
    const { picture, kernel, look } = this.revision;
    const side = this.model.get("kernel").length;
    if (this.outdated("palette", `${look}`)) this.palette = readPalette(this.root);
    if (this.outdated("controls", `${picture} ${kernel} ${look}`)) this.showControls();
    if (this.outdated("cells", `${side} ${look}`)) this.layCells();
    if (this.outdated("kernel", `${kernel} ${look}`)) this.showKernel();
    if (this.outdated("input", `${picture} ${look}`)) this.paintInput();
    if (this.outdated("output", `${picture} ${kernel} ${look}`)) this.paintOutput();
    this.showPoint();
  }

  summary() {
    const [low, high] = this.extent;
    return `Kernel ${this.model.get("kernel_name")}. Output ${this.result.height} by ${this.result.width}, values ${format(low, 2)} to ${format(high, 2)}.`;
  }

  showControls() {
    const { model } = this;
    const { height, width, k, stride, padding, rows, columns } = this.geometry();
    this.picker.show(this.pictureName());
    this.namer.show(model.get("kernel_name"));
    this.stride.show(stride);
    this.padding.show(padding);
    this.mode.show(model.get("mode"));
    this.view.show(model.get("view"));
    this.size.show(k);
    this.inputSize.textContent = `${height} × ${width}`;
    this.around.textContent = padding ? ` + ${padding} around` : "";
    this.kernelSize.textContent = `${k} × ${k}`;
    this.outputSize.textContent = `${rows} × ${columns}`;
    const sized = (n, size) => `⌊(${n} + 2·${padding} − ${k}) / ${stride}⌋ + 1 = ${size}`;
    this.formula.textContent = `Output size: ${sized(height, rows)}` + (width === height ? "" : `, ${sized(width, columns)}`);

    this.tools.hidden = !this.drawing;
    const { stage } = this.input;
    stage.setAttribute("role", this.drawing ? "application" : "img");
    stage.setAttribute("aria-label", this.pictureLabel());
    stage.classList.toggle("x-canvas", this.drawing);
    if (this.drawing) {
      stage.setAttribute("tabindex", "0");
      this.brush ??= [Math.floor(height / 2), Math.floor(width / 2)];
    } else {
      stage.removeAttribute("tabindex");
    }
    this.credit.textContent = this.credit.title = this.drawing
      ? "" : model.get("photographs")[this.pictureName()].credit;
    this.output.stage.setAttribute("aria-label",
      `Output, ${rows} by ${columns}. Arrow keys move the pointed pixel, Page Up and Page Down by ten rows.`);
  }

  /** Make the cells of all four grids and find out how much text they hold. */
  layCells() {
    const k = this.model.get("kernel").length;
    if (this.weights.length !== k * k) this.buildCells(k);
    this.root.style.setProperty("--k", k);
    this.root.classList.toggle("x-many", k > 3);
    const matrices = [this.windowed, this.weighted, this.products];
    for (const matrix of matrices) matrix.resize(k);
    for (const matrix of matrices) matrix.measure();
    this.fits = measureRoom(this.weights[0]);
  }

  showKernel() {
    const kernel = this.model.get("kernel");
    const largest = Math.max(...kernel.flat().map(Math.abs)) || 1;
    this.tint = (weight) => signedColor(this.palette, (this.palette.tint * weight) / largest);
    kernel.flat().forEach((weight, index) => {
      const input = this.weights[index];
      const color = this.tint(weight);
      input.style.backgroundColor = css(color);
      input.style.color = inkOn(color);
      if (document.activeElement !== input) input.value = weightText(weight, this.fits);
    });
    const total = sum(kernel);
    const flat = Math.abs(total) < 1e-12 ? 0 : total;
    this.total.textContent =
      flat === 0 ? "The weights sum to 0: flat areas give 0." : `The weights sum to ${format(flat, 4)}.`;
    this.normalizer.disabled = flat === 0 || Math.abs(flat - 1) < 1e-12 || largest / Math.abs(flat) > LARGEST_WEIGHT;
    this.weighted.show(kernel.flat(), { color: this.tint, text: weightText });
  }

  paintInput() {
    const { values, height, width } = this.padded;
    const padding = this.model.get("padding");
    const { stage, picture, marks } = this.input;
    stage.style.aspectRatio = `${width} / ${height}`;
    const buffer = this.buffers.input;
    buffer.resize(height, width);
    const inner = Uint32Array.from({ length: 256 }, (_, gray) => packed([gray, gray, gray]));
    const outer = Uint32Array.from({ length: 256 }, (_, gray) => packed(mix([gray, gray, gray], [128, 134, 140], 0.4)));
    for (let y = 0, at = 0; y < height; y += 1) {
      const rowInside = y >= padding && y < height - padding;
      for (let x = 0; x < width; x += 1, at += 1) {
        const inside = rowInside && x >= padding && x < width - padding;
        buffer.pixels[at] = (inside ? inner : outer)[values[at]];
      }
    }
    fitCanvas(picture);
    fitCanvas(marks);
    buffer.paint(picture);
  }

  paintOutput() {
    const { values, height, width } = this.result;
    const { palette } = this;
    const { stage, picture, marks } = this.output;
    const [low, high] = this.extent;
    const view = resolveView(this.model.get("view"), this.model.get("kernel"));
    const largest = Math.max(-low, high) || 1;
    const [from, to] = { signed: [-largest, largest], magnitude: [0, largest], picture: [0, 255] }[view];

    const steps = 1020; // even, so that 0 has a color of its own
    const share = (step) => (view === "signed" ? (2 * step) / steps - 1 : step / steps);
    const shades = Uint32Array.from({ length: steps + 1 }, (_, step) => packed(shade(palette, view, share(step))));
    const buffer = this.buffers.output;
    buffer.resize(height, width);
    const slope = steps / (to - from);
    for (let at = 0; at < values.length; at += 1) {
      const value = view === "magnitude" ? Math.abs(values[at]) : values[at];
      buffer.pixels[at] = shades[Math.max(0, Math.min(steps, Math.round((value - from) * slope)))];
    }
    stage.style.aspectRatio = `${width} / ${height}`;
    fitCanvas(picture);
    fitCanvas(marks);
    buffer.paint(picture);

    this.legend = { view, from, to };
    const stops = Array.from({ length: 41 }, (_, stop) => css(shade(palette, view, share((stop * steps) / 40))));
    this.scale.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    const numbers = view === "signed" ? [from, 0, to] : [from, null, to];
    numbers.forEach((value, index) => (this.ticks[index].textContent = value === null ? "" : format(value, 1)));
    const clipped = view === "picture" && (low < -1e-9 || high > 255 + 1e-9);
    this.range.textContent = `Values from ${format(low, 1)} to ${format(high, 1)}` + (clipped ? ", clipped in the picture." : ".");
  }

  showPoint() {
    const { i, j, patch, products, outside, value } = this.at;
    const { view, from, to } = this.legend;
    const largest = Math.max(...products.map(Math.abs)) || 1;
    const tint = (product) => signedColor(this.palette, (this.palette.tint * product) / largest);
    this.windowed.show(patch.flat(), { color: (pixel) => [pixel, pixel, pixel], text: fit, outside });
    const exact = this.products.show(products, { color: tint, text: fit });
    this.row.show(i, this.result.height - 1);
    this.column.show(j, this.result.width - 1);

    this.place.textContent = `Row ${i}, column ${j}: ${spelledSum(products)} = `;
    this.value.textContent = format(value, 4);
    const rounded = !exact || Math.abs(Number(value.toFixed(4)) - value) > 1e-9;
    const clipped = view === "picture" && (value < -1e-9 || value > 255 + 1e-9);
    this.aside.textContent = (rounded ? " (rounded for display)" : "") + (clipped ? ` shown as ${value < 0 ? 0 : 255}` : "");
    const share = ((view === "magnitude" ? Math.abs(value) : value) - from) / (to - from);
    this.needle.style.left = `${100 * Math.max(0, Math.min(1, share))}%`;

    this.markInput(i, j);
    this.markOutput(i, j);
    if (this.speakPoint) this.spoken.say(`Row ${i}, column ${j}: ${format(value, 4)}.`);
    this.speakPoint = false;
  }

  markInput(i, j) {
    const { marks, stage } = this.input;
    const context = marks.getContext("2d");
    const ratio = window.devicePixelRatio || 1;
    const { height, width } = this.padded;
    const [stepY, stepX] = [marks.height / height, marks.width / width];
    const [stride, padding, k] = [this.model.get("stride"), this.model.get("padding"), this.model.get("kernel").length];
    context.clearRect(0, 0, marks.width, marks.height);
    if (padding) {
      context.setLineDash([4 * ratio, 3 * ratio]);
      context.lineWidth = ratio;
      context.strokeStyle = css(this.palette.mark);
      context.strokeRect(padding * stepX, padding * stepY, marks.width - 2 * padding * stepX, marks.height - 2 * padding * stepY);
      context.setLineDash([]);
    }
    const box = [j * stride * stepX, i * stride * stepY, k * stepX, k * stepY];
    drawFrame(context, this.palette.mark, ...box);
    if (k * stepX < 24 * ratio) drawLeads(context, this.palette.mark, ...box);
    if (this.drawing && document.activeElement === stage) {
      const [y, x] = this.brush;
      context.beginPath();
      context.arc((x + padding + 0.5) * stepX, (y + padding + 0.5) * stepY, 0.8 * stepX, 0, 2 * Math.PI);
      context.strokeStyle = css(this.palette.mark);
      context.lineWidth = 2 * ratio;
      context.stroke();
    }
  }

  markOutput(i, j) {
    const { marks } = this.output;
    const context = marks.getContext("2d");
    const ratio = window.devicePixelRatio || 1;
    const [stepY, stepX] = [marks.height / this.result.height, marks.width / this.result.width];
    const least = 5 * ratio;
    const [height, width] = [Math.max(stepY, least), Math.max(stepX, least)];
    const box = [(j + 0.5) * stepX - width / 2, (i + 0.5) * stepY - height / 2, width, height];
    context.clearRect(0, 0, marks.width, marks.height);
    drawFrame(context, this.palette.mark, ...box);
    if (width < 24 * ratio) drawLeads(context, this.palette.mark, ...box);
  }
}

function render({ model, el }) {
  const view = new KernelView(model, el);
  return () => view.destroy();
}

export { crossCorrelate, pad };
export default { render };
