// LeNetLive: draw a digit and see every layer of a LeNet-5 answer.
// Everything is computed here from the weights in the state; LeNetLive.probabilities() in Python is the reference.

const SIDE = 28; // pixels of a drawing, as of MNIST's digits
const MARGIN = 2; // pixels around it: the network reads 32 × 32
const FIELD = SIDE + 2 * MARGIN;
const BOX = 20; // pixels of the longer side of a digit of MNIST
const HALF = 0.5 + 1e-9; // rounding: what lies between two grays goes up, whatever the order of the sums (as in lenet.py)
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

/** A unit inside its layer, whatever it was outside. */
function unitInside(name, unit) {
  const { maps, side } = BY_NAME[name];
  return clampAll([0, 1, 2].map((axis) => unit[axis] ?? 0), [0, 0, 0], [maps - 1, side - 1, side - 1]);
}

/** One color scale for each layer: up to the largest answer to the samples, so that drawings can be compared. */
function findScales(network, samples) {
  const scales = {};
  for (const sample of samples) {
    for (const [name, answers] of Object.entries(forward(network, sample).values)) {
      scales[name] = answers.reduce((most, value) => Math.max(most, Math.abs(value)), scales[name] ?? 0);
    }
  }
  return scales;
}

/** All that follows from a drawing: its pixels, what the network gets, what it answers. */
function answerTo(network, { image, centered }) {
  const pixels = Uint8Array.from(image.flat());
  const empty = pixels.every((pixel) => pixel === 0);
  const shown = centered ? center(pixels) : pixels;
  return { pixels, empty, shown, network, ...forward(network, shown) };
}

/** All about one unit: where it is, its value before and after its activation, what it reads and with which weights. */
function unitOf(result, name, unit) {
  const { side } = BY_NAME[name];
  const at = (unit[0] * side + unit[1]) * side + unit[2];
  const value = result.values[name][at];
  return { name, unit, value, before: result.before[name][at], seen: reach(name, unit), ...reading(result, name, unit) };
}
