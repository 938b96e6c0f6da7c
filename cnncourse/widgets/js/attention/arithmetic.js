// AttentionExplorer: whom each patch of a picture looks at, in every head of a small Vision Transformer.
// Everything is computed here, from the weights in VIT; maps(), rollout() and probabilities() in Python are the reference.

const { patch: PATCH, width: WIDTH, blocks: LAYERS, heads: HEADS, image_size: SIDE, classes: CLASSES } = VIT;
const GRID = SIDE / PATCH; // patches in a row
const TOKENS = 1 + GRID * GRID;
const DEPTH = WIDTH / HEADS; // numbers of a query in one head
const EPSILON = 1e-6; // of layer norm

// --- weights ------------------------------------------------------------------------------------------------

/** The network with its weights as numbers: w[o, i] = scale[o] · q[o, i]. They lie in the order of torch's state dict. */
function decodeNetwork({ weights, numbers }) {
  const whole = new Int8Array(decodeBytes(weights).buffer);
  const rest = new Float32Array(decodeBytes(numbers).buffer);
  let [at, next] = [0, 0];
  const vector = (length) => Float64Array.from(rest.subarray(next, (next += length)));
  const linear = (inputs, outputs) => {
    const scale = vector(outputs);
    const matrix = new Float64Array(outputs * inputs);
    for (let index = 0; index < matrix.length; index += 1, at += 1) {
      matrix[index] = Math.fround(whole[at] * scale[Math.floor(index / inputs)]);
    }
    return { inputs, outputs, matrix, bias: vector(outputs) };
  };
  const norm = () => ({ gain: vector(WIDTH), shift: vector(WIDTH) });
  const patches = linear(PATCH * PATCH, WIDTH);
  const [classToken, position] = [vector(WIDTH), vector(TOKENS * WIDTH)];
  const blocks = Array.from({ length: LAYERS }, () => ({
    norm1: norm(), qkv: linear(WIDTH, 3 * WIDTH), output: linear(WIDTH, WIDTH),
    norm2: norm(), widen: linear(WIDTH, 4 * WIDTH), narrow: linear(4 * WIDTH, WIDTH),
  }));
  return { patches, classToken, position, blocks, norm: norm(), output: linear(WIDTH, CLASSES.length) };
}

// --- parts: a table of tokens is one row after the other ------------------------------------------------------

/** y[t, o] = b[o] + Σ_i w[o, i] · x[t, i], for four tokens and two outputs at a time, which share what is read. */
function apply({ inputs, outputs, matrix, bias }, x) {
  const rows = x.length / inputs;
  const y = new Float64Array(rows * outputs);
  for (let t = 0; t < rows; t += 4) {
    const t1 = Math.min(t + 1, rows - 1), t2 = Math.min(t + 2, rows - 1), t3 = Math.min(t + 3, rows - 1);
    const x0 = t * inputs, x1 = t1 * inputs, x2 = t2 * inputs, x3 = t3 * inputs;
    for (let o = 0; o < outputs; o += 2) {
      const w0 = o * inputs, w1 = w0 + inputs;
      let a0 = bias[o], a1 = a0, a2 = a0, a3 = a0;
      let b0 = bias[o + 1], b1 = b0, b2 = b0, b3 = b0;
      for (let i = 0; i < inputs; i += 1) {
        const u = matrix[w0 + i], v = matrix[w1 + i];
        const p = x[x0 + i], q = x[x1 + i], r = x[x2 + i], s = x[x3 + i];
        a0 += u * p, a1 += u * q, a2 += u * r, a3 += u * s;
        b0 += v * p, b1 += v * q, b2 += v * r, b3 += v * s;
      }
      y[t * outputs + o] = a0, y[t1 * outputs + o] = a1, y[t2 * outputs + o] = a2, y[t3 * outputs + o] = a3;
      const next = o + 1;
      y[t * outputs + next] = b0, y[t1 * outputs + next] = b1, y[t2 * outputs + next] = b2, y[t3 * outputs + next] = b3;
    }
  }
  return y;
}

/** Layer norm of each token: (x − mean) / √(variance + ε) · gain + shift. */
function normalize({ gain, shift }, x) {
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += WIDTH) {
    let [sum, squares] = [0, 0];
    for (let i = 0; i < WIDTH; i += 1) sum += x[start + i];
    const mean = sum / WIDTH;
    for (let i = 0; i < WIDTH; i += 1) squares += (x[start + i] - mean) ** 2;
    const scale = 1 / Math.sqrt(squares / WIDTH + EPSILON);
    for (let i = 0; i < WIDTH; i += 1) y[start + i] = (x[start + i] - mean) * scale * gain[i] + shift[i];
  }
  return y;
}

/** A softmax of `length` numbers from `start`, in place. */
function softmaxAt(values, start, length) {
  let [most, total] = [-Infinity, 0];
  for (let at = start; at < start + length; at += 1) most = Math.max(most, values[at]);
  for (let at = start; at < start + length; at += 1) total += values[at] = Math.exp(values[at] - most);
  for (let at = start; at < start + length; at += 1) values[at] /= total;
}

/** The error function to 1.5e-7: Abramowitz and Stegun, 7.1.26. */
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const sum = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const value = 1 - sum * Math.exp(-x * x);
  return x < 0 ? -value : value;
}

/** GELU, in place: x · Φ(x). */
function gelu(x) {
  for (let at = 0; at < x.length; at += 1) x[at] *= 0.5 * (1 + erf(x[at] * Math.SQRT1_2));
  return x;
}

/** Queries, keys and values, T × 3D → the weights A of all heads, h × T × T, and what they take: Σ_s A[t, s] · v[s]. */
function attend(qkv) {
  const weights = new Float64Array(HEADS * TOKENS * TOKENS);
  const taken = new Float64Array(TOKENS * WIDTH);
  const scale = 1 / Math.sqrt(DEPTH);
  for (let head = 0; head < HEADS; head += 1) {
    for (let t = 0; t < TOKENS; t += 1) {
      const [query, row] = [3 * WIDTH * t + DEPTH * head, (head * TOKENS + t) * TOKENS];
      for (let s = 0; s < TOKENS; s += 1) {
        const key = 3 * WIDTH * s + WIDTH + DEPTH * head;
        let score = 0;
        for (let i = 0; i < DEPTH; i += 1) score += qkv[query + i] * qkv[key + i];
        weights[row + s] = score * scale;
      }
      softmaxAt(weights, row, TOKENS);
      const to = WIDTH * t + DEPTH * head;
      for (let s = 0; s < TOKENS; s += 1) {
        const [weight, value] = [weights[row + s], 3 * WIDTH * s + 2 * WIDTH + DEPTH * head];
        for (let i = 0; i < DEPTH; i += 1) taken[to + i] += weight * qkv[value + i];
      }
    }
  }
  return { weights, taken };
}

function add(x, more) {
  for (let at = 0; at < x.length; at += 1) x[at] += more[at];
}

// --- the network ------------------------------------------------------------------------------------------------

/** Pixels (784) → tokens: the class token, then the patches row by row, each with its position. */
function embed({ patches, classToken, position }, pixels) {
  const pieces = new Float64Array(GRID * GRID * PATCH * PATCH);
  let to = 0;
  for (let patch = 0; patch < GRID * GRID; patch += 1) {
    const corner = Math.floor(patch / GRID) * PATCH * SIDE + (patch % GRID) * PATCH;
    for (let y = 0; y < PATCH; y += 1) {
      for (let x = 0; x < PATCH; x += 1, to += 1) {
        pieces[to] = (pixels[corner + y * SIDE + x] / 255 - VIT.mean) / VIT.std;
      }
    }
  }
  const tokens = Float64Array.from(position);
  add(tokens.subarray(0, WIDTH), classToken);
  add(tokens.subarray(WIDTH), apply(patches, pieces));
  return tokens;
}

/** Pixels (784) → the weights of each layer, h × T × T, and ten probabilities. */
function forward(network, pixels) {
  const x = embed(network, pixels);
  const maps = network.blocks.map((block) => {
    const { weights, taken } = attend(apply(block.qkv, normalize(block.norm1, x)));
    add(x, apply(block.output, taken));
    add(x, apply(block.narrow, gelu(apply(block.widen, normalize(block.norm2, x)))));
    return weights;
  });
  const probabilities = apply(network.output, normalize(network.norm, x.subarray(0, WIDTH)));
  softmaxAt(probabilities, 0, CLASSES.length);
  return { maps, probabilities: [...probabilities] };
}

// --- what is asked of the weights ---------------------------------------------------------------------------------

/** The row of a token in one head, or in the mean of all: whom it looks at. */
function rowOf(weights, head, token) {
  const of = (index) => weights.subarray((index * TOKENS + token) * TOKENS, (index * TOKENS + token + 1) * TOKENS);
  if (head !== "mean") return of(head - 1);
  const mean = new Float64Array(TOKENS);
  for (let index = 0; index < HEADS; index += 1) add(mean, of(index));
  return mean.map((sum) => sum / HEADS);
}

/**
 * The row of the class token in R = Ã_L ⋯ Ã₂ Ã₁, where Ã = ½ (mean of the heads + 1): attention rollout. From the left a row
 * is enough: r ← r Ã_L, then r Ã_{L−1}, …
 */
function rollout(maps) {
  let row = new Float64Array(TOKENS);
  row[0] = 1;
  for (let layer = LAYERS - 1; layer >= 0; layer -= 1) {
    const next = row.map((share) => share / 2);
    for (let token = 0; token < TOKENS; token += 1) {
      const share = row[token] / (2 * HEADS);
      if (share === 0) continue;
      for (let head = 0; head < HEADS; head += 1) {
        const start = (head * TOKENS + token) * TOKENS;
        for (let to = 0; to < TOKENS; to += 1) next[to] += share * maps[layer][start + to];
      }
    }
    row = next;
  }
  return row;
}

/** "class token" or [row, column], from 1 → the number of the token; and back. */
const tokenOf = (patch) => (Array.isArray(patch) ? 1 + GRID * (patch[0] - 1) + patch[1] - 1 : 0);
const patchOf = (token) => (token === 0 ? "class token" : [Math.floor((token - 1) / GRID) + 1, ((token - 1) % GRID) + 1]);

/** How many tokens with equal weight would be as spread out: 1 / Σ a². */
const spreadOf = (row) => 1 / row.reduce((sum, weight) => sum + weight * weight, 0);

/** How far a patch looks, in patches, on average over the patches it looks at; null for the class token. */
function distanceOf(row, token) {
  if (token === 0) return null;
  const [y, x] = patchOf(token);
  let [sum, total] = [0, 0];
  for (let other = 1; other < TOKENS; other += 1) {
    const [v, u] = patchOf(other);
    sum += row[other] * Math.hypot(v - y, u - x);
    total += row[other];
  }
  return sum / total;
}

// --- from the state to an answer ------------------------------------------------------------------------------------

/** What a state asks for, with the pixels of its picture. */
function askedOf({ samples, drawing, ...state }) {
  const pixels = state.picture === "drawing" ? Uint8Array.from(drawing.flat()) : decodeBytes(samples[state.picture]);
  return { ...state, pixels };
}

function answerTo(network, pixels) {
  const result = forward(network, pixels);
  return { pixels, ...result, rollout: rollout(result.maps) };
}

/** Whom the token of a state looks at, in its layer and head. */
function gazeAt({ maps }, { layer, head, patch }) {
  const token = tokenOf(patch);
  return { layer, head, token, row: rowOf(maps[layer - 1], head, token) };
}
