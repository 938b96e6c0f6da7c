// The network and how it learns: its start, its loss, its optimizer, one step.

/** Random numbers in [0, 1) that a seed determines (mulberry32, Tommy Ettinger, 2017). */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A normal random number (Box and Muller, 1958). */
function normal(random) {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** The indices 0 … count − 1 in the order of an epoch. */
function shuffled(count, seed, epoch) {
  const random = generator(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(epoch, 0x85ebca6b));
  const order = Int32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

/** The deviation with which the weights of a layer start. */
function deviation(start, [outputs, inputs, ...sides]) {
  const area = sides.reduce((product, side) => product * side, 1);
  const [fanIn, fanOut] = [inputs * area, outputs * area];
  const he = Math.sqrt(2 / fanIn);
  return { zero: 0, small: 0.01, xavier: Math.sqrt(2 / (fanIn + fanOut)), he, large: 4 * he }[start];
}

/** 1×14×14 → 8 maps of 14×14 → pooled 7×7 → 16 maps of 7×7 → pooled 3×3 → 32 units → 10 logits */
class Network {
  constructor({ initialization, activation: kind, batch_norm: norm, seed }) {
    const bias = !norm; // batch norm has one of its own
    const block = (layer, pool) => [
      layer,
      ...(norm ? [new BatchNorm(`norm_${layer.name}`, layer)] : []),
      new Activation(`act_${layer.name}`, { ...layer, kind }),
      ...(pool ? [new MaxPool2d(`pool_${layer.name}`, layer)] : []),
    ];
    this.layers = [
      ...block(new Conv2d("conv1", { inputs: 1, outputs: 8, side: 14, k: 5, bias }), true),
      ...block(new Conv2d("conv2", { inputs: 8, outputs: 16, side: 7, k: 3, bias }), true),
      ...block(new Linear("hidden", { inputs: 144, outputs: 32, bias }), false),
      new Linear("output", { inputs: 32, outputs: 10, bias: true }),
    ];
    this.weighted = this.layers.filter((layer) => layer instanceof Conv2d || layer instanceof Linear);
    this.parameters = this.layers.flatMap(({ weight, bias: own }) => [weight, own].filter(Boolean));
    const random = generator(seed);
    for (const { weight } of this.weighted) {
      const deviates = deviation(initialization, weight.shape);
      for (let at = 0; at < weight.value.length; at += 1) weight.value[at] = deviates * normal(random);
    }
  }

  forward(x, n, training = false) {
    return this.layers.reduce((values, layer) => layer.forward(values, n, training), x);
  }

  backward(grad, n) {
    for (let at = this.layers.length - 1; at >= 0; at -= 1) grad = this.layers[at].backward(grad, n, at > 0);
  }
}

/** The mean cross-entropy of n images, how many are right, and, if there is room for it, ∂logits = (p − y)/n. */
function crossEntropy(logits, labels, n, grad = null) {
  let [loss, right] = [0, 0];
  for (let image = 0; image < n; image += 1) {
    const [from, label] = [10 * image, labels[image]];
    let [most, best, total] = [-Infinity, 0, 0];
    for (let digit = 0; digit < 10; digit += 1) {
      if (logits[from + digit] > most) [most, best] = [logits[from + digit], digit];
    }
    for (let digit = 0; digit < 10; digit += 1) total += Math.exp(logits[from + digit] - most);
    loss += Math.log(total) - (logits[from + label] - most);
    if (best === label) right += 1;
    for (let digit = 0; grad && digit < 10; digit += 1) {
      grad[from + digit] = (Math.exp(logits[from + digit] - most) / total - (digit === label ? 1 : 0)) / n;
    }
  }
  return { loss: loss / n, right };
}

/** Step, from 0, → the share of the learning rate: the schedules of cnncourse.scratch for a rate of 1. */
function scheduled(schedule, step, steps) {
  const warmup = Math.floor(steps / 10);
  const fall = (part) => (1 + Math.cos(Math.PI * Math.min(1, part))) / 2;
  return {
    constant: () => 1,
    step_decay: () => 0.1 ** Math.floor(step / Math.ceil(steps / 3)),
    cosine: () => fall(step / steps),
    warmup_cosine: () => (step < warmup ? (step + 1) / warmup : fall((step - warmup) / (steps - warmup))),
  }[schedule]();
}

/** What an optimizer takes from p: update(p, g, lr) for a parameter, which keeps what it remembers. */
function updater(optimizer, size) {
  const [m, v] = [new Float32Array(size), new Float32Array(size)];
  let [power1, power2] = [1, 1];
  const each = (rule) => (p, g, lr, kept) => {
    for (let at = 0; at < size; at += 1) p[at] -= lr * rule(g[at], at, kept);
  };
  const velocity = (nesterov) => each((g, at, kept) => {
    m[at] = kept * m[at] + g;
    return nesterov ? g + kept * m[at] : m[at];
  });
  const adam = (decay) => (p, g, lr, kept) => {
    [power1, power2] = [power1 * kept, power2 * 0.999];
    for (let at = 0; at < size; at += 1) {
      m[at] = kept * m[at] + (1 - kept) * g[at];
      v[at] = 0.999 * v[at] + 0.001 * g[at] * g[at];
      const step = m[at] / (1 - power1) / (Math.sqrt(v[at] / (1 - power2)) + 1e-8);
      p[at] = p[at] * (1 - lr * decay) - lr * step;
    }
  };
  return {
    SGD: each((g) => g),
    momentum: velocity(false),
    Nesterov: velocity(true),
    RMSprop: each((g, at) => {
      v[at] = 0.99 * v[at] + 0.01 * g * g;
      return g / (Math.sqrt(v[at]) + 1e-8);
    }),
    Adam: adam(0),
    AdamW: adam(0.01),
  }[optimizer];
}

/** The text of digits → { n, labels, x }, x being (level / 15 − mean) / std; in the text g is two zeros, h three, … */
function decodeDigits({ side, levels, mean, std }, { labels, images }) {
  const text = images.replace(/[g-z]/g, (letter) => "0".repeat(letter.charCodeAt(0) - 101));
  const x = new Float32Array(labels.length * side * side);
  for (let at = 0; at < x.length; at += 1) x[at] = (parseInt(text[at], 16) / (levels - 1) - mean) / std;
  return { n: labels.length, labels: Uint8Array.from(labels, Number), x };
}

/** One network in training: `next()` takes a step, `measure()` asks the digits that are held out. */
class Run {
  constructor(settings, train, held) {
    const { batch_size: n, epochs, optimizer } = settings;
    Object.assign(this, { settings, train, held, n, step: 0, diverged: null, points: [], losses: [] });
    this.network = new Network(settings);
    this.updates = this.network.parameters.map(({ value }) => updater(optimizer, value.length));
    this.perEpoch = Math.floor(train.n / n); // the last images of an epoch, too few for a batch, are left out
    this.steps = epochs * this.perEpoch;
    this.every = Math.max(1, Math.round(this.perEpoch / 2));
    this.area = train.x.length / train.n;
    this.seen = { steps: 0, loss: 0, right: 0 }; // since the last point of the curves
    this.measure();
  }

  get over() {
    return this.diverged !== null || this.step >= this.steps;
  }

  get rate() {
    return this.settings.lr * scheduled(this.settings.schedule, Math.min(this.step, this.steps - 1), this.steps);
  }

  /** The next batch of this epoch's order. */
  batch() {
    const { n, area, train, step, perEpoch } = this;
    const at = step % perEpoch;
    if (at === 0) this.order = shuffled(train.n, this.settings.seed, step / perEpoch);
    this.x = room(this.x, n * area);
    this.labels = room(this.labels, n, Uint8Array);
    for (let image = 0; image < n; image += 1) {
      const chosen = this.order[at * n + image];
      for (let pixel = 0; pixel < area; pixel += 1) this.x[image * area + pixel] = train.x[chosen * area + pixel];
      this.labels[image] = train.labels[chosen];
    }
  }

  /** Forward, loss, backward, update. A loss that is no number, or a hundred times the first one, ends the run. */
  next() {
    if (this.over) return;
    const { network, n } = this;
    this.batch();
    this.grad = room(this.grad, n * 10);
    const { loss, right } = crossEntropy(network.forward(this.x, n, true), this.labels, n, this.grad);
    this.first ??= Math.max(loss, Math.log(10));
    if (!(loss < 100 * this.first)) {
      this.diverged = { step: this.step + 1, loss };
      this.measure();
      return;
    }
    network.backward(this.grad, n);
    const { rate, settings: { momentum } } = this;
    network.parameters.forEach(({ value, grad }, at) => this.updates[at](value, grad, rate, momentum));
    this.losses.push(loss);
    this.step += 1;
    this.seen.steps += 1;
    this.seen.loss += loss;
    this.seen.right += right;
    if (this.step % this.every === 0 || this.over) this.measure();
  }

  /** A point of the curves: the batches since the last one, and the held-out digits now. Units that never answer are dead. */
  measure() {
    const { network, held, area, seen, n } = this;
    const acts = network.layers.filter((layer) => layer instanceof Activation);
    const alive = acts.map(({ units }) => new Uint8Array(units));
    const chunk = 50;
    let [loss, right] = [0, 0];
    for (let from = 0; from < held.n; from += chunk) {
      const size = Math.min(chunk, held.n - from);
      const logits = network.forward(held.x.subarray(from * area, (from + size) * area), size);
      const found = crossEntropy(logits, held.labels.subarray(from, from + size), size);
      loss += found.loss * size;
      right += found.right;
      acts.forEach((act, which) => act.findAlive(alive[which], size));
    }
    this.dead = alive.map((units) => 1 - units.reduce((sum, one) => sum + one, 0) / units.length);
    const { steps } = seen;
    this.points.push({
      step: this.step, test_loss: loss / held.n, test_accuracy: right / held.n,
      train_loss: steps ? seen.loss / steps : null, train_accuracy: steps ? seen.right / (steps * n) : null,
    });
    this.seen = { steps: 0, loss: 0, right: 0 };
    this.measured = this.step;
  }

  /** The root mean square of the gradient of each layer's weights. */
  gradients() {
    return this.network.weighted.map(({ weight: { grad } }) =>
      Math.sqrt(grad.reduce((sum, value) => sum + value * value, 0) / grad.length));
  }

  /** What the network makes of one held-out digit: kernels, maps after the activations, probabilities. */
  look(digit) {
    const { network, held, area } = this;
    const logits = network.forward(held.x.subarray(digit * area, (digit + 1) * area), 1).slice(0, 10);
    const [first, second] = network.layers.filter((layer) => layer instanceof Activation);
    const most = logits.reduce((largest, value) => Math.max(largest, value));
    const powers = Array.from(logits, (logit) => Math.exp(logit - most));
    const total = powers.reduce((sum, power) => sum + power, 0);
    return {
      kernels: network.weighted[0].weight.value.slice(),
      maps: [first, second].map(({ y, units, places }) => y.slice(0, units * places)),
      probabilities: powers.map((power) => power / total),
    };
  }
}
