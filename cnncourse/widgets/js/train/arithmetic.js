// TrainLive: a convolutional network that learns in the page. First the layers, forward and backward side by side.
// Numbers are Float32Arrays, rows of N C H W; sums are taken in double precision. A worker gets the text of what is
// declared with `function` and `class` here and in learning.js and session.js, so these use nothing else.

/** The buffer if it is large enough, else a new one: layers keep theirs from batch to batch. */
function room(buffer, size, Kind = Float32Array) {
  return buffer && buffer.length >= size ? buffer : new Kind(size);
}

/**
 * out[i, j] = Σ_k a[i, k] · b[k, j], or added to what is there, for rows × inner × columns.
 *
 * A matrix is [array, where it begins, from row to row, from column to column], so that a transposed one is no copy.
 * Four rows and two columns at a time: 6 numbers are read for 8 products.
 */
function multiply([out, out0, outI], [a, a0, aI, aK], [b, b0, bK, bJ], rows, inner, columns, add = false) {
  const wide = columns - (columns % 2);
  const high = rows - (rows % 4);
  for (let i = 0; i < high; i += 4) {
    for (let j = 0; j < wide; j += 2) {
      const to0 = out0 + i * outI + j;
      const [to1, to2, to3] = [to0 + outI, to0 + 2 * outI, to0 + 3 * outI];
      let p00 = add ? out[to0] : 0, p01 = add ? out[to0 + 1] : 0;
      let p10 = add ? out[to1] : 0, p11 = add ? out[to1 + 1] : 0;
      let p20 = add ? out[to2] : 0, p21 = add ? out[to2 + 1] : 0;
      let p30 = add ? out[to3] : 0, p31 = add ? out[to3 + 1] : 0;
      for (let k = 0, at = a0 + i * aI, bt = b0 + j * bJ; k < inner; k += 1, at += aK, bt += bK) {
        const x0 = a[at], x1 = a[at + aI], x2 = a[at + 2 * aI], x3 = a[at + 3 * aI];
        const y0 = b[bt], y1 = b[bt + bJ];
        p00 += x0 * y0; p01 += x0 * y1;
        p10 += x1 * y0; p11 += x1 * y1;
        p20 += x2 * y0; p21 += x2 * y1;
        p30 += x3 * y0; p31 += x3 * y1;
      }
      out[to0] = p00; out[to0 + 1] = p01;
      out[to1] = p10; out[to1 + 1] = p11;
      out[to2] = p20; out[to2 + 1] = p21;
      out[to3] = p30; out[to3 + 1] = p31;
    }
  }
  for (let i = 0; i < rows; i += 1) { // the column and the rows that are left over
    for (let j = i < high ? wide : 0; j < columns; j += 1) {
      const to = out0 + i * outI + j;
      let sum = add ? out[to] : 0;
      for (let k = 0, at = a0 + i * aI, bt = b0 + j * bJ; k < inner; k += 1, at += aK, bt += bK) sum += a[at] * b[bt];
      out[to] = sum;
    }
  }
}

/** A tensor that is learned, and its gradient. */
class Parameter {
  constructor(name, shape, value) {
    const size = shape.reduce((product, side) => product * side, 1);
    Object.assign(this, { name, shape, value: value ?? new Float32Array(size), grad: new Float32Array(size) });
  }
}

/** y[n, o, i, j] = b[o] + Σ_{c,u,v} w[o, c, u, v] · x[n, c, i + u − p, j + v − p], as a matrix times windows in columns. */
class Conv2d {
  constructor(name, { inputs, outputs, side, k, bias }) {
    Object.assign(this, { name, inputs, outputs, side, k, units: outputs });
    Object.assign(this, { places: side * side, windows: inputs * k * k });
    this.weight = new Parameter(`${name}.weight`, [outputs, inputs, k, k]);
    this.bias = bias ? new Parameter(`${name}.bias`, [outputs]) : null;
  }

  /**
   * columns[c·k·k + u·k + v, i·side + j] = x[c, i + u − p, j + v − p], or back: added to x from columns. What lies in the
   * padding is never written, and a new buffer holds zeros.
   */
  im2col(columns, to, x, from, back) {
    const { inputs, side, k } = this;
    const padding = (k - 1) / 2;
    for (let c = 0; c < inputs; c += 1, from += side * side) {
      for (let u = -padding; u <= padding; u += 1) {
        for (let v = -padding; v <= padding; v += 1, to += side * side) {
          const first = Math.max(0, -v);
          const last = Math.min(side, side - v);
          for (let i = Math.max(0, -u); i < Math.min(side, side - u); i += 1) {
            const [at, place] = [from + (i + u) * side + v, to + i * side];
            if (back) for (let j = first; j < last; j += 1) x[at + j] += columns[place + j];
            else for (let j = first; j < last; j += 1) columns[place + j] = x[at + j];
          }
        }
      }
    }
  }

  forward(x, n) {
    const { outputs, places, windows } = this;
    this.columns = room(this.columns, n * windows * places);
    this.y = room(this.y, n * outputs * places);
    for (let image = 0; image < n; image += 1) {
      const [at, to] = [image * windows * places, image * outputs * places];
      this.im2col(this.columns, at, x, image * this.inputs * places, false);
      const weight = [this.weight.value, 0, windows, 1];
      multiply([this.y, to, places], weight, [this.columns, at, places, 1], outputs, windows, places);
    }
    if (this.bias) addTo(this.y, this.bias.value, n, outputs, places);
    return this.y;
  }

  /** ∂w = Σ_n g·columnsᵀ     ∂b = Σ g     ∂x = the windows of wᵀ·g, added where they overlap */
  backward(g, n, wanted) {
    const { outputs, places, windows } = this;
    const sums = [this.weight.grad, 0, windows];
    this.weight.grad.fill(0);
    if (this.bias) sumOver(this.bias.grad, g, n, outputs, places);
    if (wanted) {
      this.grad = room(this.grad, n * this.inputs * places).fill(0);
      this.spread = room(this.spread, windows * places);
    }
    for (let image = 0; image < n; image += 1) {
      const [at, from] = [image * windows * places, image * outputs * places];
      multiply(sums, [g, from, places, 1], [this.columns, at, 1, places], outputs, places, windows, true);
      if (!wanted) continue;
      const spread = [this.spread, 0, places];
      multiply(spread, [this.weight.value, 0, 1, windows], [g, from, places, 1], windows, outputs, places);
      this.im2col(this.spread, 0, this.grad, image * this.inputs * places, true);
    }
    return this.grad;
  }
}

/** y = x·wᵀ + b */
class Linear {
  constructor(name, { inputs, outputs, bias }) {
    Object.assign(this, { name, inputs, outputs, units: outputs, places: 1 });
    this.weight = new Parameter(`${name}.weight`, [outputs, inputs]);
    this.bias = bias ? new Parameter(`${name}.bias`, [outputs]) : null;
  }

  forward(x, n) {
    const { inputs, outputs } = this;
    Object.assign(this, { x, y: room(this.y, n * outputs) });
    multiply([this.y, 0, outputs], [x, 0, inputs, 1], [this.weight.value, 0, 1, inputs], n, inputs, outputs);
    if (this.bias) addTo(this.y, this.bias.value, n, outputs, 1);
    return this.y;
  }

  /** ∂w = gᵀ·x     ∂b = Σ g     ∂x = g·w */
  backward(g, n) {
    const { inputs, outputs } = this;
    multiply([this.weight.grad, 0, inputs], [g, 0, 1, outputs], [this.x, 0, inputs, 1], outputs, n, inputs);
    if (this.bias) sumOver(this.bias.grad, g, n, outputs, 1);
    this.grad = room(this.grad, n * inputs);
    multiply([this.grad, 0, inputs], [g, 0, outputs, 1], [this.weight.value, 0, inputs, 1], n, outputs, inputs);
    return this.grad;
  }
}

/** y[n, c, …] += b[c] */
function addTo(y, b, n, channels, places) {
  for (let at = 0, row = 0; row < n * channels; row += 1) {
    const value = b[row % channels];
    for (let place = 0; place < places; place += 1, at += 1) y[at] += value;
  }
}

/** sums[c] = Σ_{n, …} g[n, c, …] · x[n, c, …], where x is 1 if there is none */
function sumOver(sums, g, n, channels, places, x = null) {
  for (let c = 0; c < channels; c += 1) {
    let sum = 0;
    for (let image = 0; image < n; image += 1) {
      const from = (image * channels + c) * places;
      if (x) for (let at = from; at < from + places; at += 1) sum += g[at] * x[at];
      else for (let at = from; at < from + places; at += 1) sum += g[at];
    }
    sums[c] = sum;
  }
}

/** x̂ = (x − μ) / √(σ² + ε), y = γ·x̂ + β, for each channel; μ and σ² are the batch's, in use the running ones. */
class BatchNorm {
  constructor(name, { units, places }) {
    Object.assign(this, { name, units, places, eps: 1e-5, momentum: 0.1 });
    this.weight = new Parameter(`${name}.weight`, [units], new Float32Array(units).fill(1));
    this.bias = new Parameter(`${name}.bias`, [units]);
    this.mean = new Float32Array(units);
    this.variance = new Float32Array(units).fill(1);
    this.scale = new Float64Array(units);
  }

  forward(x, n, training) {
    const { units, places } = this;
    const count = n * places;
    const normal = this.normal = room(this.normal, count * units);
    const y = this.y = room(this.y, count * units);
    for (let c = 0; c < units; c += 1) {
      const [mean, variance] = training ? this.statistics(x, n, c) : [this.mean[c], this.variance[c]];
      const scale = this.scale[c] = 1 / Math.sqrt(variance + this.eps);
      const [weight, bias] = [this.weight.value[c], this.bias.value[c]];
      for (let image = 0; image < n; image += 1) {
        const from = (image * units + c) * places;
        for (let at = from; at < from + places; at += 1) {
          normal[at] = (x[at] - mean) * scale;
          y[at] = weight * normal[at] + bias;
        }
      }
    }
    return y;
  }

  /** Mean and variance of a channel; the running ones move a tenth of the way, to the variance with 1/(m − 1). */
  statistics(x, n, c) {
    const { units, places } = this;
    const count = n * places;
    let [sum, squares] = [0, 0];
    for (let image = 0; image < n; image += 1) {
      const from = (image * units + c) * places;
      for (let at = from; at < from + places; at += 1) sum += x[at];
    }
    const mean = sum / count;
    for (let image = 0; image < n; image += 1) {
      const from = (image * units + c) * places;
      for (let at = from; at < from + places; at += 1) squares += (x[at] - mean) * (x[at] - mean);
    }
    this.mean[c] += this.momentum * (mean - this.mean[c]);
    this.variance[c] += this.momentum * (squares / (count - 1) - this.variance[c]);
    return [mean, squares / count];
  }

  /** ∂γ = Σ g·x̂     ∂β = Σ g     ∂x = γ/√(σ² + ε) · (g − mean(g) − x̂·mean(g·x̂)) */
  backward(g, n) {
    const { units, places, normal } = this;
    const count = n * places;
    const grad = this.grad = room(this.grad, count * units);
    sumOver(this.weight.grad, g, n, units, places, normal);
    sumOver(this.bias.grad, g, n, units, places);
    for (let c = 0; c < units; c += 1) {
      const [mean, along] = [this.bias.grad[c] / count, this.weight.grad[c] / count];
      const scale = this.weight.value[c] * this.scale[c];
      for (let image = 0; image < n; image += 1) {
        const from = (image * units + c) * places;
        for (let at = from; at < from + places; at += 1) grad[at] = scale * (g[at] - mean - normal[at] * along);
      }
    }
    return grad;
  }
}

/** y = f(x): each kind has a loop of its own, which the browser makes fast. */
function activate(kind, x, y, size) {
  if (kind === "relu") for (let at = 0; at < size; at += 1) y[at] = Math.max(x[at], 0);
  if (kind === "leaky_relu") for (let at = 0; at < size; at += 1) y[at] = Math.max(x[at], 0.01 * x[at]);
  if (kind === "tanh") for (let at = 0; at < size; at += 1) y[at] = Math.tanh(x[at]);
  if (kind === "sigmoid") for (let at = 0; at < size; at += 1) y[at] = 1 / (1 + Math.exp(-x[at]));
}

/** slope = f′(x), told from y = f(x) */
function slopes(kind, y, slope, size) {
  if (kind === "relu") for (let at = 0; at < size; at += 1) slope[at] = Number(y[at] > 0);
  if (kind === "leaky_relu") for (let at = 0; at < size; at += 1) slope[at] = y[at] > 0 ? 1 : 0.01;
  if (kind === "tanh") for (let at = 0; at < size; at += 1) slope[at] = 1 - y[at] * y[at];
  if (kind === "sigmoid") for (let at = 0; at < size; at += 1) slope[at] = y[at] * (1 - y[at]);
}

/** y = f(x)     ∂x = f′·g */
class Activation {
  constructor(name, { units, places, kind }) {
    Object.assign(this, { name, units, places, kind });
  }

  forward(x, n) {
    const size = n * this.units * this.places;
    this.y = room(this.y, size);
    activate(this.kind, x, this.y, size);
    return this.y;
  }

  backward(g, n) {
    const size = n * this.units * this.places;
    const grad = this.grad = room(this.grad, size);
    slopes(this.kind, this.y, grad, size);
    for (let at = 0; at < size; at += 1) grad[at] *= g[at];
    return grad;
  }

  /** Units that have a slope somewhere, at least a hundredth of the steepest there is, are alive. */
  findAlive(alive, n) {
    const { units, places, kind } = this;
    const least = 0.0099 * (kind === "sigmoid" ? 0.25 : 1);
    this.grad = room(this.grad, n * units * places);
    slopes(kind, this.y, this.grad, n * units * places);
    for (let at = 0; at < n * units * places; at += 1) {
      if (this.grad[at] >= least) alive[Math.floor(at / places) % units] = 1;
    }
  }
}

/** The largest of each 2 × 2 square, the first among equals; what is left over at the edge is not read. */
class MaxPool2d {
  constructor(name, { units, side }) {
    Object.assign(this, { name, units, side, half: Math.floor(side / 2) });
    this.places = this.half * this.half;
  }

  forward(x, n) {
    const { units, side, half, places } = this;
    const y = this.y = room(this.y, n * units * places);
    const source = this.source = room(this.source, n * units * places, Int32Array);
    for (let map = 0, to = 0; map < n * units; map += 1) {
      for (let i = 0; i < half; i += 1) {
        for (let j = 0; j < half; j += 1, to += 1) {
          const corner = (map * side + 2 * i) * side + 2 * j;
          let best = corner;
          if (x[corner + 1] > x[best]) best = corner + 1;
          if (x[corner + side] > x[best]) best = corner + side;
          if (x[corner + side + 1] > x[best]) best = corner + side + 1;
          y[to] = x[best];
          source[to] = best;
        }
      }
    }
    return this.y;
  }

  /** The gradient goes to where the largest came from. */
  backward(g, n) {
    const { units, side, places, source } = this;
    const grad = this.grad = room(this.grad, n * units * side * side).fill(0);
    for (let at = 0; at < n * units * places; at += 1) grad[source[at]] += g[at];
    return grad;
  }
}
