// LeNetLive: draw a digit and see every layer of a LeNet-5 answer.
// Everything is computed here from the weights in the state; LeNetLive.probabilities() in Python is the reference.

const SIDE = 28; // pixels of a drawing, as of MNIST's digits
const MARGIN = 2; // pixels around it: the network reads 32 × 32
const FIELD = SIDE + 2 * MARGIN;
const BOX = 20; // pixels of the longer side of a digit of MNIST
const HALF = 0.5 + 1e-9; // rounding: what lies between two grays goes up, whatever the order of the sums (as in lenet.py)
const BRUSHES = [1, 5];
const DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
const NARROW = 520; // CSS pixels: below, the maps stand in twice as many rows

// A full connection is a convolution of maps that are as large as its kernel: C5 reads 5×5, F6 and the output 1×1.
const LAYERS = [
  { name: "c1", from: "input", inputs: 1, maps: 6, side: 28, k: 5, stride: 1, columns: [6, 6], gap: 4, largest: 4 },
  { name: "s2", from: "c1", maps: 6, side: 14, k: 2, stride: 2, columns: [6, 6], gap: 8, largest: 5 },
  { name: "c3", from: "s2", inputs: 6, maps: 16, side: 10, k: 5, stride: 1, columns: [16, 8], gap: 3, largest: 5 },
  { name: "s4", from: "c3", maps: 16, side: 5, k: 2, stride: 2, columns: [16, 8], gap: 3, largest: 8 },
  { name: "c5", from: "s4", inputs: 16, maps: 120, side: 1, k: 5, stride: 1, columns: [60, 30], gap: 1, largest: 13 },
  { name: "f6", from: "c5", inputs: 120, maps: 84, side: 1, k: 1, stride: 1, columns: [60, 30], gap: 1, largest: 13 },
  { name: "output", from: "f6", inputs: 84, maps: 10, side: 1, k: 1, stride: 1 },
];
const BY_NAME = Object.fromEntries(LAYERS.map((layer) => [layer.name, layer]));
const titleOf = ({ name }) => (name === "output" ? "Output" : name.toUpperCase());

// --- arithmetic ---------------------------------------------------------------------------------------------

const floats = (text) => new Float32Array(decodeBytes(text).buffer);

/** The state's network with its weights as numbers: w[o] = scale[o] · q[o]. */
function decodeNetwork({ weights, scales, biases, ...settings }) {
  const [whole, scale, bias] = [new Int8Array(decodeBytes(weights).buffer), floats(scales), floats(biases)];
  const layers = {};
  let [at, channel] = [0, 0];
  for (const { name, inputs, maps, k } of LAYERS) {
    if (!inputs) continue;
    const each = inputs * k * k;
    const own = { weights: new Float64Array(maps * each), biases: Float64Array.from(bias.slice(channel, channel + maps)) };
    for (let index = 0; index < maps * each; index += 1) {
      own.weights[index] = whole[at + index] * scale[channel + Math.floor(index / each)];
    }
    layers[name] = own;
    at += maps * each;
    channel += maps;
  }
  return { ...settings, layers };
}

/** Pixels (784) → what the network reads: (pixel / 255 − mean) / std with a border, 32 × 32. */
function prepare({ mean, std, border }, pixels) {
  const values = new Float64Array(FIELD * FIELD).fill(border);
  for (let y = 0; y < SIDE; y += 1) {
    for (let x = 0; x < SIDE; x += 1) {
      values[(y + MARGIN) * FIELD + x + MARGIN] = (pixels[y * SIDE + x] / 255 - mean) / std;
    }
  }
  return values;
}

/** before[o, i, j] = b[o] + Σ_{c,u,v} w[o, c, u, v] · x[c, i + u, j + v] */
function convolve({ inputs, maps, side, k }, { weights, biases }, x) {
  const before = new Float64Array(maps * side * side);
  const size = side + k - 1;
  let at = 0;
  for (let o = 0; o < maps; o += 1) {
    const start = o * side * side;
    before.fill(biases[o], start, start + side * side);
    for (let c = 0; c < inputs; c += 1) {
      for (let u = 0; u < k; u += 1) {
        for (let v = 0; v < k; v += 1, at += 1) {
          const weight = weights[at];
          for (let i = 0, to = start; i < side; i += 1) {
            let from = (c * size + i + u) * size + v;
            for (let j = 0; j < side; j += 1, to += 1, from += 1) before[to] += weight * x[from];
          }
        }
      }
    }
  }
  return before;
}

/** The largest, or the mean, of each 2 × 2 square. */
function pool({ maps, side }, pooling, x) {
  const values = new Float64Array(maps * side * side);
  for (let row = 0, to = 0; row < maps * side; row += 1) {
    for (let j = 0; j < side; j += 1, to += 1) {
      const from = 2 * row * 2 * side + 2 * j;
      const [a, b, c, d] = [x[from], x[from + 1], x[from + 2 * side], x[from + 2 * side + 1]];
      values[to] = pooling === "max" ? Math.max(a, b, c, d) : (a + b + c + d) / 4;
    }
  }
  return values;
}

function softmax(logits) {
  const most = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - most));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** Pixels (784) → every layer's numbers before and after its activation, and ten probabilities. */
function forward(network, pixels) {
  const values = { input: prepare(network, pixels) };
  const before = {};
  const activate = network.activation === "relu" ? (x) => Math.max(x, 0) : Math.tanh;
  for (const layer of LAYERS) {
    const { name, from, inputs } = layer;
    before[name] = inputs ? convolve(layer, network.layers[name], values[from]) : pool(layer, network.pooling, values[from]);
    values[name] = inputs && name !== "output" ? before[name].map(activate) : before[name];
  }
  return { before, values, probabilities: softmax(values.output) };
}

// --- the drawing, centered as MNIST's digits are ---------------------------------------------------------------

/** The weights that scale a line of `size` pixels to `target`: a triangle as wide as a pixel of the coarser line. */
function resampling(size, target) {
  const step = size / target;
  return Array.from({ length: target }, (_, to) => {
    const row = Array.from({ length: size }, (_, from) =>
      Math.max(0, 1 - Math.abs((to + 0.5) * step - (from + 0.5)) / Math.max(1, step)));
    const total = row.reduce((sum, weight) => sum + weight, 0);
    return row.map((weight) => weight / total);
  });
}

const multiply = (a, b) => a.map((row) => b[0].map((_, j) => row.reduce((sum, value, i) => sum + value * b[i][j], 0)));
const transposed = (a) => a[0].map((_, j) => a.map((row) => row[j]));

/** The box of the digit scaled to 20 pixels, its center of mass put in the middle (Python: center_digit). */
function center(pixels) {
  const field = new Uint8Array(SIDE * SIDE);
  let [top, bottom, left, right] = [SIDE, -1, SIDE, -1];
  pixels.forEach((pixel, index) => {
    if (!pixel) return;
    const [y, x] = [Math.floor(index / SIDE), index % SIDE];
    [top, bottom, left, right] = [Math.min(top, y), Math.max(bottom, y), Math.min(left, x), Math.max(right, x)];
  });
  if (bottom < 0) return field;
  const [tall, wide] = [bottom - top + 1, right - left + 1];
  const [height, width] = [tall, wide].map((side) => Math.max(1, Math.floor((side * BOX) / Math.max(tall, wide) + 0.5)));
  const box = Array.from({ length: tall }, (_, y) =>
    Array.from({ length: wide }, (_, x) => pixels[(top + y) * SIDE + left + x]));
  const digit = multiply(multiply(resampling(tall, height), box), transposed(resampling(wide, width)))
    .map((row) => row.map((value) => Math.floor(value + HALF)));
  let [mass, down, across] = [0, 0, 0];
  digit.forEach((row, y) => row.forEach((value, x) => {
    mass += value;
    down += value * y;
    across += value * x;
  }));
  if (mass === 0) return field;
  const place = (moment, size) => Math.min(Math.max(Math.ceil(13.5 - moment / mass), 0), SIDE - size);
  const [y0, x0] = [place(down, height), place(across, width)];
  digit.forEach((row, y) => row.forEach((value, x) => {
    field[(y0 + y) * SIDE + x0 + x] = value;
  }));
  return field;
}

// --- what a unit reads -------------------------------------------------------------------------------------------

/** Earlier layer → the rectangle that a unit sees there, and in which of its maps (null: in all). */
function reach(name, [map, row, column]) {
  const seen = { [name]: { maps: [map], y: row, x: column, size: 1 } };
  let at = seen[name];
  for (let layer = BY_NAME[name]; layer; layer = BY_NAME[layer.from]) {
    const { from, inputs, k, stride } = layer;
    at = { maps: inputs ? null : at.maps, y: at.y * stride, x: at.x * stride, size: (at.size - 1) * stride + k };
    seen[from] = at;
  }
  return seen;
}

/** The numbers that a unit reads, in tiles of one map each, and the weights they are multiplied by. */
function reading({ network, values }, name, [map, row, column]) {
  const { from, inputs, k, stride } = BY_NAME[name];
  const size = BY_NAME[from]?.side ?? FIELD;
  const tiles = inputs ? Array.from({ length: inputs }, (_, c) => c) : [map];
  const window = tiles.flatMap((c) => Array.from({ length: k * k }, (_, at) => {
    const [y, x] = [row * stride + Math.floor(at / k), column * stride + (at % k)];
    return values[from][(c * size + y) * size + x];
  }));
  if (!inputs) return { window, k };
  const each = inputs * k * k;
  const { weights, biases } = network.layers[name];
  return { window, k, weights: [...weights.subarray(map * each, (map + 1) * each)], bias: biases[map] };
}

// --- words ---------------------------------------------------------------------------------------------------

function percent(share) {
  if (share > 0.999 && share < 1) return "> 99.9 %";
  if (share > 0 && share < 0.001) return "< 0.1 %";
  return `${(100 * share).toFixed(1)} %`;
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

const emphasized = (share) => Math.sign(share) * Math.abs(share) ** 0.65;

// --- the explorer -------------------------------------------------------------------------------------------

class LeNetView {
  constructor(model, host) {
    this.model = model;
    this.network = decodeNetwork(model.get("network"));
    this.samples = model.get("samples").map(decodeBytes);
    this.preview = null; // [layer, unit] under the mouse, while it is there
    this.cursor = [SIDE / 2, SIDE / 2]; // of the keyboard, on the pad
    this.spokenPixel = ""; // what is said about it
    this.revision = { image: 0, look: 0 };
    this.made = {};
    this.buffer = new PixelBuffer();
    this.spoken = announcer();
    this.compute = afterEvent(() => this.computeNow());
    this.paint = perFrame(() => this.paintNow());
    this.findScales();
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

  /** One color scale for each layer: up to the largest answer to the ten samples, so that drawings can be compared. */
  findScales() {
    this.scales = {};
    for (const sample of this.samples) {
      const { values } = forward(this.network, sample);
      for (const [name, answers] of Object.entries(values)) {
        for (const value of answers) this.scales[name] = Math.max(this.scales[name] ?? 0, Math.abs(value));
      }
    }
  }

  // What a person does ..........................................................................................

  set(changes) {
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    this.model.save_changes();
  }

  /** The layer and the unit that are looked into; inside the layer whatever the model holds. */
  pointed() {
    const [name, unit] = this.preview ?? [this.model.get("layer"), this.model.get("unit")];
    const { maps, side } = BY_NAME[name];
    const limits = [maps, side, side];
    return [name, limits.map((limit, axis) => Math.max(0, Math.min(limit - 1, unit[axis] ?? 0)))];
  }

  show(preview) {
    this.preview = preview;
    this.ask();
  }

  hold(name, unit) {
    const { maps, side } = BY_NAME[name];
    const inside = [maps, side, side].map((limit, axis) => Math.max(0, Math.min(limit - 1, unit[axis])));
    this.preview = null;
    this.set({ layer: name, unit: inside });
    this.speakUnit = true;
    this.ask();
  }

  hover(name, unit, event) {
    if (event.type === "pointerdown" || event.buttons & 1) this.hold(name, unit);
    else if (event.pointerType !== "touch") this.show([name, unit]);
  }

  load(digit) {
    const pixels = this.samples[digit];
    this.set({ image: Array.from({ length: SIDE }, (_, y) => [...pixels.subarray(y * SIDE, (y + 1) * SIDE)]) });
  }

  clear() {
    this.set({ image: Array.from({ length: SIDE }, () => new Array(SIDE).fill(0)) });
  }

  // Drawing .....................................................................................................

  /** One touch of a soft brush: full strength in the middle, fading over a pixel and a half at its edge. */
  dab(rows, y, x, erase) {
    const radius = this.model.get("brush") / 2;
    const far = Math.ceil(radius + 1);
    for (let r = Math.floor(y) - far; r <= Math.ceil(y) + far; r += 1) {
      for (let c = Math.floor(x) - far; c <= Math.ceil(x) + far; c += 1) {
        if (r < 0 || c < 0 || r >= SIDE || c >= SIDE) continue;
        const share = (radius + 0.75 - Math.hypot(r - y, c - x)) / 1.5;
        const strength = Math.round(255 * Math.max(0, Math.min(1, share)));
        rows[r][c] = erase ? Math.min(rows[r][c], 255 - strength) : Math.max(rows[r][c], strength);
      }
    }
  }

  /** Continue the line of the brush to (y, x), measured in pixels. */
  stroke(y, x, start, erase = this.eraser.checked) {
    const [fromY, fromX] = start || !this.last ? [y, x] : this.last;
    const rows = this.model.get("image").map((row) => [...row]);
    const steps = Math.max(1, Math.ceil(3 * Math.hypot(y - fromY, x - fromX)));
    for (let step = 1; step <= steps; step += 1) {
      this.dab(rows, fromY + ((y - fromY) * step) / steps, fromX + ((x - fromX) * step) / steps, erase);
    }
    this.last = [y, x];
    this.set({ image: rows });
  }

  onPad([y, x], event) {
    const started = event.type === "pointerdown";
    if (started || event.buttons & 1) this.stroke(y * SIDE - 0.5, x * SIDE - 0.5, started);
  }

  onPadKey(event) {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const [y, x] = this.cursor;
    if (event.key in moves) {
      this.cursor = moves[event.key].map((move, axis) => Math.max(0, Math.min(SIDE - 1, this.cursor[axis] + move)));
      if (event.shiftKey) {
        this.last = [y, x];
        this.stroke(...this.cursor, false);
      }
    } else if (event.key === " ") this.stroke(y, x, true);
    else if (event.key === "Delete" || event.key === "Backspace") this.stroke(y, x, true, true);
    else return;
    event.preventDefault();
    const [row, column] = this.cursor;
    this.spokenPixel = `Row ${row}, column ${column}: ${this.model.get("image")[row][column]}.`;
    this.ask();
  }

  // Elements ....................................................................................................

  build(host) {
    this.root = make(
      "div",
      { class: "explorer", role: "group", "aria-label": "LeNet-5, live", "data-explorer": "lenet" },
      make("div", { class: "x-live" }, this.buildPad(), this.buildReceived(), this.buildAnswer()),
      this.buildSamples(),
      this.buildLayers(),
      this.buildUnit(),
      this.spoken.element,
    );
    keepKeys(this.root);
    host.append(this.root);
  }

  buildPad() {
    this.pad = makeStage({
      onpoint: (share, event) => this.onPad(share, event),
      onleave: () => {},
      onkey: (event) => this.onPadKey(event),
    });
    const { stage } = this.pad;
    stage.classList.add("x-canvas");
    stage.setAttribute("role", "application");
    stage.setAttribute("tabindex", "0");
    stage.setAttribute("aria-label",
      "Your drawing, 28 by 28 pixels. Arrow keys move the brush, space draws, Delete erases; hold Shift to draw while moving.");
    for (const event of ["focus", "blur"]) stage.addEventListener(event, () => this.ask());
    this.eraser = make("input", { type: "checkbox" });
    this.brush = slider({
      label: "Brush", min: BRUSHES[0], max: BRUSHES[1], step: 0.5, oninput: (brush) => this.set({ brush }),
    });
    return make("div", { class: "x-panel", role: "group", "aria-label": "Drawing" },
      make("div", { class: "x-head" }, make("span", { class: "x-title" }, "Draw a digit"),
        make("span", { class: "x-size" }, "28 × 28")),
      stage,
      make("div", { class: "x-tools" }, button("Clear", () => this.clear()),
        make("label", { class: "x-check" }, this.eraser, "Erase")),
      this.brush.element);
  }

  buildReceived() {
    this.received = makeStage({ onpoint: () => {}, onleave: () => {}, onkey: () => {} });
    this.received.stage.setAttribute("role", "img");
    this.centerer = make("input", { type: "checkbox", on: { change: () => this.set({ centered: this.centerer.checked }) } });
    this.centerNote = make("div", { class: "x-note" });
    return make("div", { class: "x-panel x-received", role: "group", "aria-label": "What the network gets" },
      make("div", { class: "x-head" }, make("span", { class: "x-title" }, "The network gets"),
        make("span", { class: "x-size x-around" }, "32 × 32")),
      this.received.stage,
      make("label", { class: "x-check" }, this.centerer, "Center as MNIST does"),
      this.centerNote);
  }

  buildAnswer() {
    this.said = make("span", { class: "x-said" });
    this.doubt = make("div", { class: "x-note x-doubt" });
    this.bars = DIGITS.map((_, digit) => {
      const fill = make("div", { class: "x-fill" });
      const amount = make("span", { class: "x-percent" });
      const row = make("div", { class: "x-bar-row" },
        make("span", { class: "x-digit" }, digit), make("div", { class: "x-track" }, fill), amount);
      const point = (event) => this.hover("output", [digit, 0, 0], event);
      row.addEventListener("pointerdown", point);
      row.addEventListener("pointermove", point);
      return { row, fill, amount };
    });
    this.barList = make("div", {
      class: "x-bars", role: "application", tabindex: "0",
      on: { pointerleave: () => this.show(null), keydown: (event) => this.onMapKey("output", event) },
    }, ...this.bars.map(({ row }) => row));
    return make("div", { class: "x-panel x-answer", role: "group", "aria-label": "Answer" },
      make("div", { class: "x-head" }, make("span", { class: "x-title" }, "It answers"),
        make("span", { class: "x-size" }, "10 units")),
      this.said, this.doubt, this.barList);
  }

  buildSamples() {
    const thumbs = this.samples.map((pixels, digit) => {
      const canvas = make("canvas", { width: SIDE, height: SIDE, "aria-hidden": "true" });
      const buffer = new PixelBuffer();
      buffer.resize(SIDE, SIDE);
      pixels.forEach((gray, index) => (buffer.pixels[index] = packed([gray, gray, gray])));
      canvas.getContext("2d").putImageData(buffer.image, 0, 0);
      const load = button("", () => this.load(digit), { class: "x-button x-thumb", "aria-label": `Take the ${DIGITS[digit]}` });
      load.append(canvas);
      return load;
    });
    return make("div", { class: "x-samples", role: "group", "aria-label": "Digits of MNIST" },
      make("span", { class: "x-note" }, "Or take one of MNIST’s test digits:"), make("div", { class: "x-thumbs" }, ...thumbs));
  }

  buildLayers() {
    const { activation, pooling } = this.network;
    const act = activation === "relu" ? "ReLU" : activation;
    const pools = pooling === "max" ? "the largest of each 2×2" : "the mean of each 2×2";
    const kinds = {
      c1: `5×5 kernels, ${act}`, s2: pools, c3: `5×5 kernels over all 6 maps, ${act}`, s4: pools,
      c5: `5×5 kernels over all 16 maps, ${act}`, f6: `all 120 units, ${act}`,
    };
    this.stages = {};
    const rows = LAYERS.slice(0, -1).map((layer) => {
      const { name, maps, side } = layer;
      const parts = makeStage({
        onpoint: (share, event) => {
          const unit = this.unitAt(layer, share);
          if (unit) this.hover(name, unit, event);
          else if (event.type === "pointermove") this.show(null);
        },
        onleave: () => this.show(null),
        onkey: (event) => this.onMapKey(name, event),
      });
      this.stages[name] = parts;
      const { stage } = parts;
      stage.setAttribute("role", "application");
      stage.setAttribute("tabindex", "0");
      const size = side > 1 ? `${maps} maps of ${side} × ${side}` : `${maps} units`;
      return make("div", { class: "x-layer" },
        make("div", { class: "x-head" },
          make("span", {}, make("span", { class: "x-title" }, titleOf(layer)), make("span", { class: "x-size" }, ` ${size}`)),
          make("span", { class: "x-note" }, kinds[name])),
        stage);
    });
    return make("div", { class: "x-layers", role: "group", "aria-label": "Layers" }, ...rows,
      make("div", { class: "x-note" },
        "Blue is positive, vermillion negative, plain is zero. Each layer has one scale for all drawings."));
  }

  buildUnit() {
    const hold = (axis) => (index) => {
      const [name, unit] = this.pointed();
      this.hold(name, unit.map((old, at) => (at === axis ? index : old)));
    };
    this.layer = choice({
      label: "Layer", options: LAYERS.map((layer) => [layer.name, titleOf(layer)]),
      onchange: (name) => this.hold(name, this.strongest(name)),
    });
    this.axes = ["Map", "Row", "Column"].map((label, axis) => slider({ label, min: 0, max: 1, oninput: hold(axis) }));
    this.tiles = Object.fromEntries(
      ["It reads", "Its weights", "Products"].map((label) => {
        const canvas = make("canvas", { class: "x-picture", "aria-hidden": "true" });
        const frame = make("div", { class: "x-tile-frame", role: "img" }, canvas);
        const element = make("div", { class: "x-tiles" }, make("div", { class: "x-caption", "aria-hidden": "true" }, label), frame);
        return [label, { element, frame, canvas }];
      }),
    );
    const operator = (sign) => make("div", { class: "x-operator", "aria-hidden": "true" }, sign);
    this.times = [operator("×"), operator("=")];
    const [window, weights, products] = Object.values(this.tiles);
    this.place = make("span");
    this.value = make("span", { class: "x-value" });
    this.reason = make("div", { class: "x-note x-reason" });
    return make("div", { class: "x-magnifier", role: "group", "aria-label": "One unit" },
      make("div", { class: "x-head" }, make("span", { class: "x-title" }, "One unit"),
        make("span", { class: "x-note x-by-mouse" }, "Point at a map; a click holds the unit, arrow keys move it."),
        make("span", { class: "x-note x-by-finger" }, "Tap a map.")),
      make("div", { class: "x-choosing" }, this.layer.element, ...this.axes.map(({ element }) => element)),
      make("div", { class: "x-reading" }, window.element, this.times[0], weights.element, this.times[1], products.element),
      make("p", { class: "x-sum" }, this.place, this.value), this.reason);
  }

  // Pointing ....................................................................................................

  /** Where the maps of a layer stand on a canvas: cells of whole device pixels. */
  layout({ maps, side, columns, largest, ...layer }, width) {
    const ratio = window.devicePixelRatio || 1;
    const across = columns[width < NARROW * ratio ? 1 : 0];
    const gap = Math.round(layer.gap * ratio);
    const cell = Math.max(1, Math.min(Math.round(largest * ratio), Math.floor((width - (across - 1) * gap) / (across * side))));
    const pitch = cell * side + gap;
    const rows = Math.ceil(maps / across);
    const inset = Math.round(2 * ratio); // room for the frame around a map at the edge
    const used = across * pitch - gap + 2 * inset > width ? 0 : inset;
    return {
      across, cell, pitch, inset: used, height: rows * pitch - gap + 2 * inset,
      corner: (map) => [used + (map % across) * pitch, inset + Math.floor(map / across) * pitch],
    };
  }

  /** [map, row, column] under a point, or null between the maps. */
  unitAt(layer, [y, x]) {
    const { picture } = this.stages[layer.name];
    const { across, cell, pitch, inset } = this.layout(layer, picture.width);
    const top = Math.round(2 * (window.devicePixelRatio || 1));
    const [down, right] = [y * picture.height - top, x * picture.width - inset];
    const [mapRow, mapColumn] = [Math.floor(down / pitch), Math.floor(right / pitch)];
    const map = mapRow * across + mapColumn;
    const [row, column] = [Math.floor((down - mapRow * pitch) / cell), Math.floor((right - mapColumn * pitch) / cell)];
    const { side, maps } = layer;
    const inside = mapRow >= 0 && mapColumn >= 0 && mapColumn < across && map < maps && row < side && column < side;
    return inside ? [map, row, column] : null;
  }

  strongest(name) {
    const { side } = BY_NAME[name];
    const { values } = this.result;
    const at = values[name].indexOf(Math.max(...values[name]));
    return [Math.floor(at / (side * side)), Math.floor(at / side) % side, at % side];
  }

  onMapKey(name, event) {
    const { maps, side, columns } = BY_NAME[name];
    const [held, unit] = this.pointed();
    const [map, row, column] = held === name ? unit : this.strongest(name);
    const across = columns ? columns[this.root.clientWidth < NARROW ? 1 : 0] : 1;
    const steps = side > 1
      ? {
          ArrowUp: [map, row - 1, column], ArrowDown: [map, row + 1, column],
          ArrowLeft: [map, row, column - 1], ArrowRight: [map, row, column + 1],
          PageUp: [map - 1, row, column], PageDown: [map + 1, row, column],
        }
      : {
          ArrowUp: [map - across, 0, 0], ArrowDown: [map + across, 0, 0],
          ArrowLeft: [map - 1, 0, 0], ArrowRight: [map + 1, 0, 0], PageUp: [map - 10, 0, 0], PageDown: [map + 10, 0, 0],
        };
    const next = { ...steps, Home: [0, row, column], End: [maps - 1, row, column] }[event.key];
    if (!next) return;
    event.preventDefault();
    this.hold(name, next);
  }

  // From the model to the screen ................................................................................

  listen() {
    const { model } = this;
    const watch = { image: "image", centered: "image", brush: "look", layer: null, unit: null };
    this.stops = Object.entries(watch).map(([name, part]) => {
      const changed = () => {
        if (part) this.revision[part] += 1;
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
    if (this.outdated("result", `${this.revision.image}`)) {
      this.pixels = Uint8Array.from(model.get("image").flat());
      this.empty = this.pixels.every((pixel) => pixel === 0);
      this.shown = model.get("centered") ? center(this.pixels) : this.pixels;
      this.result = { network: this.network, ...forward(this.network, this.shown) };
      this.spoken.say([this.spokenPixel, ...this.verdict()].join(" ").trim());
    } else if (this.spokenPixel) this.spoken.say(this.spokenPixel);
    this.spokenPixel = "";
    const [name, unit] = this.pointed();
    const { side } = BY_NAME[name];
    const at = (unit[0] * side + unit[1]) * side + unit[2];
    const { values, before, probabilities } = this.result;
    this.seen = reach(name, unit);
    this.at = { name, unit, value: values[name][at], before: before[name][at], ...reading(this.result, name, unit) };
    const { y, x, size } = this.seen.input;
    this.root.dataset.state = JSON.stringify({
      probabilities, empty: this.empty, centered: model.get("centered"),
      ink: this.pixels.reduce((sum, pixel) => sum + pixel, 0), received: this.shown.reduce((sum, pixel) => sum + pixel, 0),
      layer: name, unit, value: this.at.value, before: this.at.before, field: [y, x, size],
    });
  }

  /** The answer in words, and what is to be doubted about it. */
  verdict() {
    const { probabilities } = this.result;
    const ranking = DIGITS.map((_, digit) => digit).sort((a, b) => probabilities[b] - probabilities[a]);
    const [first, second] = ranking.map((digit) => `${DIGITS[digit]} ${percent(probabilities[digit])}`);
    if (this.empty) {
      return ["Nothing drawn yet.", `The network still says ${first}: it has no unit for “none”.`];
    }
    const most = probabilities[ranking[0]];
    if (most < 0.6) return ["Unsure.", `${capital(first)} or ${second}.`];
    return [`${capital(DIGITS[ranking[0]])}.`, `${percent(most)}, then ${second}.`];
  }

  paintNow() {
    const { image, look } = this.revision;
    if (this.outdated("palette", `${look}`)) {
      this.palette = readPalette(this.root);
      const steps = 1020; // even, so that 0 has a color of its own
      this.shades = Uint32Array.from({ length: steps + 1 }, (_, step) =>
        packed(signedColor(this.palette, emphasized((2 * step) / steps - 1))));
    }
    if (this.outdated("answers", `${image} ${look}`)) {
      this.showControls();
      this.paintPictures();
      this.paintLayers();
      this.showAnswer();
    }
    this.showUnit();
  }

  shadeOf(value, largest) {
    return this.shades[Math.max(0, Math.min(1020, Math.round(510 + (510 * value) / largest)))];
  }

  showControls() {
    const brush = this.model.get("brush");
    this.brush.show(brush, null, `${brush} pixels`);
    const centered = this.model.get("centered");
    this.centerer.checked = centered;
    this.centerNote.textContent = centered
      ? "Scaled to 20 pixels, its center of mass in the middle, two pixels of black around." : "As drawn, two pixels of black around.";
  }

  paintPictures() {
    const { pad, received, buffer } = this;
    const gray = (parts, side, pixelAt) => {
      buffer.resize(side, side);
      for (let at = 0; at < side * side; at += 1) {
        const value = pixelAt(at);
        buffer.pixels[at] = packed([value, value, value]);
      }
      fitCanvas(parts.picture);
      fitCanvas(parts.marks);
      buffer.paint(parts.picture);
    };
    gray(pad, SIDE, (at) => this.pixels[at]);
    gray(received, FIELD, (at) => {
      const [y, x] = [Math.floor(at / FIELD) - MARGIN, (at % FIELD) - MARGIN];
      return y < 0 || x < 0 || y >= SIDE || x >= SIDE ? 0 : this.shown[y * SIDE + x];
    });
    received.stage.setAttribute("aria-label",
      this.empty ? "The network gets 32 by 32 black pixels." : "The drawing as the network gets it, 32 by 32 pixels.");
  }

  paintLayers() {
    for (const layer of LAYERS.slice(0, -1)) {
      const { name, maps, side } = layer;
      const { stage, picture, marks } = this.stages[name];
      const ratio = window.devicePixelRatio || 1;
      const { corner, cell, height } = this.layout(layer, Math.round(stage.clientWidth * ratio));
      stage.style.height = `${height / ratio}px`;
      fitCanvas(picture);
      fitCanvas(marks);
      const { buffer } = this;
      buffer.resize(maps * side, side); // one map below the other
      const values = this.result.values[name];
      for (let at = 0; at < values.length; at += 1) buffer.pixels[at] = this.shadeOf(values[at], this.scales[name]);
      buffer.canvas.getContext("2d").putImageData(buffer.image, 0, 0);
      const context = picture.getContext("2d");
      context.clearRect(0, 0, picture.width, picture.height);
      context.imageSmoothingEnabled = false;
      context.strokeStyle = css(mix(this.palette.surface, this.palette.muted, 0.35));
      context.lineWidth = Math.max(1, Math.round(ratio));
      for (let map = 0; map < maps; map += 1) {
        const [x, y] = corner(map);
        context.drawImage(buffer.canvas, 0, map * side, side, side, x, y, cell * side, cell * side);
        context.strokeRect(x - 0.5, y - 0.5, cell * side + 1, cell * side + 1);
      }
    }
  }

  showAnswer() {
    const { probabilities } = this.result;
    const [said, doubt] = this.verdict();
    this.said.textContent = said;
    this.doubt.textContent = doubt;
    this.root.classList.toggle("is-empty", this.empty);
    const first = probabilities.indexOf(Math.max(...probabilities));
    this.bars.forEach(({ row, fill, amount }, digit) => {
      fill.style.width = `${100 * probabilities[digit]}%`;
      amount.textContent = percent(probabilities[digit]);
      row.classList.toggle("is-first", digit === first && !this.empty);
    });
  }

  showUnit() {
    const { name, unit, value, before, window: read, weights, bias, k } = this.at;
    const layer = BY_NAME[name];
    const [map, row, column] = unit;
    const flat = layer.side === 1;
    this.layer.show(name);
    this.axes.forEach((axis, index) => {
      axis.element.style.visibility = flat && index > 0 ? "hidden" : "";
      axis.show(unit[index], (index === 0 ? layer.maps : layer.side) - 1);
    });
    this.axes[0].element.querySelector("label").textContent = flat ? "Unit" : "Map";

    const kernels = read.length / (k * k);
    const source = layer.from === "input" ? "the input" : titleOf({ name: layer.from });
    const across = k > 1 ? { 1: 1, 6: 3, 16: 4 }[kernels] : 12;
    const largest = (numbers) => Math.max(...numbers.map(Math.abs)) || 1;
    const show = (label, numbers, most, words) => {
      const tile = this.tiles[label];
      tile.element.hidden = !numbers;
      if (!numbers) return;
      tile.frame.setAttribute("aria-label", words);
      this.paintTiles(tile.canvas, numbers, k, across, most);
    };
    const products = weights?.map((weight, index) => weight * read[index]);
    const scope = k === 1 ? `${kernels} units of ${source}` : `${kernels > 1 ? `${kernels} windows` : "a window"} of ${k} by ${k} in ${source}`;
    show("It reads", read, this.scales[layer.from], `It reads ${scope}.`);
    show("Its weights", weights, weights && largest(weights), `${weights?.length} weights, the largest in size ${format(largest(weights ?? [0]), 3)}.`);
    show("Products", products, products && largest(products), `${products?.length} products.`);
    for (const operator of this.times) operator.hidden = !weights;

    this.place.textContent = `${titleOf(layer)}, ${flat ? `unit ${map}` : `map ${map}, row ${row}, column ${column}`}: `;
    this.value.textContent = name === "output" ? percent(this.result.probabilities[map]) : format(value, 3);
    this.reason.textContent = this.reasonFor({ name, value, before, bias, read, products });

    for (const [other, parts] of Object.entries({ input: this.received, ...this.stages })) this.markLayer(other, parts);
    this.markPad();
    this.bars.forEach((bar, digit) => bar.row.classList.toggle("is-pointed", name === "output" && digit === map));
    this.barList.setAttribute("aria-label", `Output, 10 units. Arrow keys choose one. ${this.said.textContent}`);
    for (const stageLayer of LAYERS.slice(0, -1)) {
      const { stage } = this.stages[stageLayer.name];
      const moves = stageLayer.side > 1
        ? `${stageLayer.maps} maps of ${stageLayer.side} by ${stageLayer.side}. Arrow keys move the unit, Page Up and Page Down change the map.`
        : `${stageLayer.maps} units. Arrow keys choose one.`;
      stage.setAttribute("aria-label", `${titleOf(stageLayer)}, ${moves}`);
    }
    if (this.speakUnit) this.spoken.say(`${this.place.textContent}${this.value.textContent}.`);
    this.speakUnit = false;
  }

  /** How the unit comes to its value. */
  reasonFor({ name, value, before, bias, read, products }) {
    if (!products) {
      const { pooling } = this.network;
      return `${pooling === "max" ? "The largest" : "The mean"} of ${read.map((number) => format(number, 2)).join(", ")}.`;
    }
    const sum = `${products.length} products sum to ${format(before - bias, 3)}, and the bias ${format(bias, 3)} makes it ${format(before, 3)}`;
    if (name === "output") return `${sum}; softmax weighs that against the other nine.`;
    if (this.network.activation !== "relu") return `${sum}; tanh makes it ${format(value, 3)}.`;
    return before > 0 ? `${sum}; ReLU lets it pass.` : `${sum}; ReLU makes it 0.`;
  }

  /** Tiles of k × k numbers, `across` in a row, as large as they fit into the square of the canvas. */
  paintTiles(canvas, numbers, k, across, most) {
    fitCanvas(canvas);
    const ratio = window.devicePixelRatio || 1;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    const tiles = numbers.length / (k * k);
    const down = Math.ceil(tiles / across);
    const gap = Math.round((k > 1 ? 4 : 1) * ratio);
    const line = Math.max(1, Math.round(ratio)); // around each cell
    const fits = (length, count) => (length - line - (count - 1) * gap) / (count * k);
    const cell = Math.floor(Math.min(fits(canvas.width, across), fits(canvas.height, down)));
    const pitch = cell * k + gap;
    const [left, top] = [across, down].map((count, axis) =>
      Math.floor(((axis === 0 ? canvas.width : canvas.height) - count * pitch + gap) / 2));
    numbers.forEach((number, index) => {
      const [tile, at] = [Math.floor(index / (k * k)), index % (k * k)];
      const x = left + (tile % across) * pitch + (at % k) * cell;
      const y = top + Math.floor(tile / across) * pitch + Math.floor(at / k) * cell;
      context.fillStyle = css(signedColor(this.palette, emphasized(Math.max(-1, Math.min(1, number / most)))));
      context.fillRect(x, y, cell, cell);
      context.strokeStyle = css(mix(this.palette.surface, this.palette.muted, 0.3));
      context.lineWidth = line;
      if (cell >= 5 * ratio) context.strokeRect(x + line / 2, y + line / 2, cell, cell);
    });
  }

  /** On every layer before the pointed unit, what the unit sees of it; the unit itself in a frame. */
  markLayer(name, { marks, stage }) {
    const context = marks.getContext("2d");
    context.clearRect(0, 0, marks.width, marks.height);
    const seen = this.seen[name];
    if (!seen) return;
    const ratio = window.devicePixelRatio || 1;
    const { y, x, size } = seen;
    if (name === "input") {
      const step = marks.width / FIELD;
      const edge = Math.min(step * size, marks.width - 4 * ratio); // the whole field is framed from inside
      const inset = size === FIELD ? 2 * ratio : 0;
      drawFrame(context, this.palette.mark, x * step + inset, y * step + inset, edge, edge);
      return;
    }
    const layer = BY_NAME[name];
    const { corner, cell } = this.layout(layer, marks.width);
    const own = name === this.at.name;
    const maps = seen.maps ?? Array.from({ length: layer.maps }, (_, map) => map);
    for (const map of maps) {
      const [left, top] = corner(map);
      const box = [left + x * cell, top + y * cell, size * cell, size * cell];
      if (own) {
        if (layer.side > 1) {
          context.strokeStyle = css(this.palette.mark);
          context.lineWidth = 2 * ratio;
          context.strokeRect(left - ratio, top - ratio, cell * layer.side + 2 * ratio, cell * layer.side + 2 * ratio);
        }
        const room = cell < 6 * ratio ? ratio : 0; // what is small is framed from outside
        drawFrame(context, this.palette.mark, box[0] - room, box[1] - room, box[2] + 2 * room, box[3] + 2 * room);
      } else if (layer.side > 1) {
        context.strokeStyle = css(this.palette.mark);
        context.lineWidth = 1.5 * ratio;
        context.strokeRect(...box);
      }
    }
    if (!own && layer.side === 1) { // a strip is read whole: one line below it
      context.fillStyle = css(this.palette.mark);
      context.fillRect(0, marks.height - 2 * ratio, marks.width, 2 * ratio);
    }
  }

  markPad() {
    const { marks, stage } = this.pad;
    const context = marks.getContext("2d");
    context.clearRect(0, 0, marks.width, marks.height);
    if (document.activeElement !== stage || !stage.matches(":focus-visible")) return;
    const ratio = window.devicePixelRatio || 1;
    const step = marks.width / SIDE;
    const [y, x] = this.cursor;
    context.beginPath();
    context.arc((x + 0.5) * step, (y + 0.5) * step, Math.max(0.8, this.model.get("brush") / 2) * step, 0, 2 * Math.PI);
    context.strokeStyle = css(this.palette.mark);
    context.lineWidth = 2 * ratio;
    context.stroke();
  }
}

function render({ model, el }) {
  const view = new LeNetView(model, el);
  return () => view.destroy();
}

export { center, decodeNetwork, forward, reach };
export default { render };
