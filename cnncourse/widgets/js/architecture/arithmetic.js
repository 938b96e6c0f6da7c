// ArchitectureExplorer: a network's layers as blocks, what each costs, two networks side by side, and a map of all.
// NETWORKS holds every network as formulas, made from cnncourse.measure, which is the reference: see tools/make_networks.py.

const CATEGORIES = NETWORKS.categories;
const OTHER = CATEGORIES.indexOf("other");
const CLASSES = [1, 100000];
const COUNTED = ["parameters", "multiply_adds", "activation_bytes"]; // what is summed over layers

// --- what is legal ----------------------------------------------------------------------------------------------

const entryOf = (model) => NETWORKS.networks[model];
const partsBySize = (model) => [entryOf(model), ...entryOf(model).others];
const within = (size) => ([first, last, step]) => size >= first && size <= last && (size - first) % step === 0;

/** The formulas that hold for an input of this size; undefined where the network takes none such. */
const formulasFor = (model, size) => partsBySize(model).find(({ sizes }) => sizes.some(within(size)));

/** [first, last, step] of all sizes that a network takes, in order. */
const legalSizes = (model) => partsBySize(model).flatMap(({ sizes }) => sizes).sort((a, b) => a[0] - b[0]);

const everySize = (model) => legalSizes(model).flatMap(([first, last, step]) =>
  Array.from({ length: (last - first) / step + 1 }, (_, index) => first + step * index));

/** The legal size that is nearest to a wish. */
function nearestSize(model, wish) {
  const nearest = ([first, last, step]) => first + step * Math.round((clamp(wish, first, last) - first) / step);
  return legalSizes(model).map(nearest).reduce((best, size) => (Math.abs(size - wish) < Math.abs(best - wish) ? size : best));
}

const widthsOf = (model) => (entryOf(model).widths.length ? entryOf(model).widths : [1]);

/** A network as it was published. */
function published(model) {
  const { size, classes } = entryOf(model);
  return { model, input_size: size, width: widthsOf(model)[0], classes };
}

/** Settings with everything that does not fit the network replaced by what does. */
function legalSettings({ model, input_size: size, width, classes }) {
  const own = published(model);
  return {
    model,
    input_size: formulasFor(model, size) ? size : nearestSize(model, size),
    width: widthsOf(model).includes(width) ? width : own.width,
    classes: entryOf(model).any_classes ? clamp(classes, ...CLASSES) : own.classes,
  };
}

/** The same wish with another network: what was its own becomes the other's own, the rest stays where it is legal. */
function moved(settings, model) {
  const [before, after] = [published(settings.model), published(model)];
  const kept = Object.entries(settings).map(([name, value]) => [name, value === before[name] ? after[name] : value]);
  return legalSettings({ ...Object.fromEntries(kept), model });
}

// --- formulas ----------------------------------------------------------------------------------------------------

/** How many windows lie along a side: ⌊(n + 2p − span) / s⌋ + 1, or rounded up as pooling may be. */
function windowsAlong(side, span, stride, padding, ceil) {
  const room = side + 2 * padding - span;
  if (!ceil) return Math.floor(room / stride) + 1;
  const steps = Math.ceil(room / stride);
  return steps + (steps * stride < side + padding ? 1 : 0);
}

function sidesOf(grids, size) {
  const sides = [size];
  for (const [parent, ...window] of grids.slice(1)) sides.push(windowsAlong(sides[parent], ...window));
  return sides;
}

/** A form with its numbers put in. */
function filled(form, numbers) {
  if (form === "#") return numbers.next().value;
  if (Array.isArray(form)) return form.map((part) => filled(part, numbers));
  return form?.K ? { K: filled(form.K, numbers) } : form;
}

/** A number of the file, see there → its value, or null. */
function valueOf(number, sides, classes) {
  if (number === null) return null;
  if (typeof number === "number") return number < 0 ? sides[-1 - number] : number;
  if (number.K) return valueOf(number.K[0], sides, classes) + valueOf(number.K[1], sides, classes) * classes;
  if (number.F) {
    const [start, slope, grid, windows] = number.F;
    return sides[grid] % windows ? null : start + (slope * sides[grid]) / windows;
  }
  const [grid, ...polynomial] = number;
  return polynomial.reduceRight((sum, coefficient) => sum * sides[grid] ** 2 + coefficient, 0);
}

/** Each kind of layer that a network has, with its numbers. */
function kindsOf({ types }, sides, width, classes) {
  return types.map(([form, numbers]) => {
    const [category, kind, settings, groups, ...rest] = filled(NETWORKS.forms[form], numbers[width].values());
    const shape = (numbersOf) => numbersOf?.map((number) => valueOf(number, sides, classes)) ?? null;
    const [parameters, multiply_adds, activation_bytes, receptive_field] = rest.slice(2)
      .map((number) => valueOf(number, sides, classes));
    return {
      category, kind, settings, groups, input: shape(rest[0]), output: shape(rest[1]),
      parameters, multiply_adds, activation_bytes, receptive_field,
    };
  });
}

/** A function of one argument that remembers its answers. */
function remembered(compute, answers = new Map()) {
  return (argument) => {
    if (!answers.has(argument)) answers.set(argument, compute(argument));
    return answers.get(argument);
  };
}

/** The names of the layers: each begins with so many letters of the one before. */
const namesOf = remembered(({ rows }) => {
  let name = "";
  return rows.map(([alike, rest]) => (name = name.slice(0, alike) + rest));
});

function totalsOf(layers) {
  const sum = (what) => layers.reduce((total, layer) => total + layer[what], 0);
  return Object.fromEntries(COUNTED.map((what) => [what, sum(what)]));
}

/** The layers of a network with legal settings, in the order in which they run, and their sums: `measure.table`. */
function measured(settings) {
  const { model, input_size, width, classes } = settings;
  const formulas = formulasFor(model, input_size);
  const kinds = kindsOf(formulas, sidesOf(formulas.grids, input_size), widthsOf(model).indexOf(width), classes);
  const names = namesOf(formulas);
  const layers = formulas.rows.map(([, , kind], index) => ({ name: names[index], ...kinds[kind] }));
  return { settings, layers, ...totalsOf(layers) };
}

/** What each category has of a sum. */
function sharesOf({ layers }, what) {
  const sums = CATEGORIES.map(() => 0);
  for (const layer of layers) sums[layer.category] += layer[what];
  return sums;
}

/** Every network as it was published: [{ model, family, parameters, multiply_adds, … }]. */
function allNetworks() {
  return Object.keys(NETWORKS.networks).map((model) => {
    const { parameters, multiply_adds, activation_bytes } = measured(published(model));
    return { model, family: entryOf(model).family, parameters, multiply_adds, activation_bytes };
  });
}

// --- parts: layers together, as they are drawn -------------------------------------------------------------------

/** "a.b.c" → ["", "a", "a.b", "a.b.c"] */
const beginningsOf = remembered((path) => {
  const words = path ? path.split(".") : [];
  return [0, ...words].map((_, depth) => words.slice(0, depth).join("."));
});
const depthOf = (path) => beginningsOf(path).length - 1;
const pathOf = (name, depth) => beginningsOf(name)[Math.min(depth, depthOf(name))];
const isInside = (name, path) => path === "" || name === path || name.startsWith(`${path}.`);

/** [side, channels] of a shape: maps (C, n, n) or (n, n, C), tokens (T, D) as if they lay in a square, numbers (D). */
function extentOf(shape) {
  if (shape.length === 1) return [1, shape[0]];
  if (shape.length === 2) return [Math.sqrt(shape[0]), shape[1]];
  const [first, second, last] = shape.slice(-3);
  return second === last || first !== second ? [last, first] : [first, last];
}

/** What a part shows of itself: the last map that a layer makes, not one that only norms; and its costliest layer. */
function summaryOf(layers) {
  const seen = layers.filter(({ output }) => output?.length);
  const making = seen.filter(({ category }) => category !== OTHER);
  const [makers, all] = [making, seen].map((some) => some.findLast(({ output }) => extentOf(output)[0] > 1));
  const shown = makers ?? making.at(-1) ?? all ?? seen.at(-1);
  const main = layers.reduce((most, layer) => (layer.multiply_adds > most.multiply_adds ? layer : most));
  const [side, channels] = shown ? extentOf(shown.output) : [0, 0];
  const alone = layers.length === 1;
  return {
    layers, side, channels, output: shown?.output ?? null, input: layers[0].input, category: main.category, main,
    receptive_field: alone ? layers[0].receptive_field : shown?.receptive_field ?? null, ...totalsOf(layers),
  };
}

/** Layers in a row that have the same beginning of their names: [[path, layers], …]. */
function runsOf(layers, depth) {
  const runs = [];
  for (const layer of layers) {
    const path = pathOf(layer.name, depth);
    if (runs.at(-1)?.[0] === path) runs.at(-1)[1].push(layer);
    else runs.push([path, [layer]]);
  }
  return runs;
}

const isUncosted = ([, layers]) => layers.every(({ category }) => category === OTHER);

/** How many words two paths begin with together. */
function sharedWords(one, other) {
  const [first, second] = [one, other].map(beginningsOf);
  const end = first.findIndex((path, index) => path !== second[index]);
  return (end < 0 ? first.length : end) - 1;
}

/** What only norms, activates or reshapes belongs to the layer before it, or to the one after it that is nearer by name. */
function joinUncosted(runs) {
  const mains = runs.filter((run) => !isUncosted(run));
  if (!mains.length) return runs;
  const joined = mains.map(([path]) => [path, []]);
  let next = 0;
  for (const run of runs) {
    if (run === mains[next]) joined[next++][1].push(...run[1]);
    else {
      const nearness = (index) => (mains[index] ? sharedWords(run[0], mains[index][0]) : -1);
      joined[nearness(next) > nearness(next - 1) ? next : next - 1][1].push(...run[1]);
    }
  }
  return joined;
}

/** How many layers lie below each path. */
function countsBelow(layers) {
  const counts = new Map();
  for (const { name } of layers) {
    for (let depth = depthOf(name); depth > 0; depth -= 1) {
      const path = pathOf(name, depth);
      counts.set(path, (counts.get(path) ?? 0) + 1);
    }
  }
  return counts;
}

/** The shortest beginning of a path below which nothing lies but some of these layers. */
function pathOfAll(found, layers, counts) {
  for (let depth = 1; depth < depthOf(found); depth += 1) {
    const path = pathOf(found, depth);
    if (counts.get(path) === layers.filter(({ name }) => isInside(name, path)).length) return path;
  }
  return found;
}

/**
 * The parts in which a network, or what is opened of it, is drawn: as fine as `most` of them allow. Few layers of
 * something opened stand alone, otherwise norms and activations belong to the layer before.
 */
function partsOf({ layers }, opened, most) {
  const called = layers.filter(({ output, name }) => output && isInside(name, opened));
  const own = layers.filter(({ output }) => !output); // parameters of a block itself, which are told at the end
  const deepest = Math.max(...called.map(({ name }) => depthOf(name)));
  const alone = opened !== "" && called.length <= Math.min(most, 24);
  const at = (depth) => (alone ? runsOf(called, depth) : joinUncosted(runsOf(called, depth)));
  let runs = at(depthOf(opened) + 1);
  for (let depth = depthOf(opened) + 2; depth <= deepest; depth += 1) {
    const finer = at(depth);
    if (finer.length > most) break;
    runs = finer;
  }
  const counts = countsBelow(called);
  return numbered(runs.map(([found, inside], index) => {
    const path = pathOfAll(found, inside, counts);
    const part = { path, ...summaryOf([...inside, ...own.filter(({ name }) => isInside(name, path))]) };
    return depthOf(path) === 1 ? joinedTo(part, runs[index + 1]?.[1][0].input) : part;
  }));
}

/** The parts of a network as a whole run one after the other: what the next one reads is what a part joins together. */
function joinedTo(part, read) {
  const [side, channels] = read?.length ? extentOf(read) : [0, 0];
  return side === part.side && channels > part.channels ? { ...part, channels, output: read } : part;
}

/** Any path of a network as a part, with the layers that run below it; null if there are none. */
function partAt({ layers }, path) {
  const inside = layers.filter(({ name }) => isInside(name, path));
  if (!inside.some(({ output }) => output)) return null;
  const part = { path, ...summaryOf(inside) };
  const last = layers.findLastIndex(({ name, output }) => output && isInside(name, path));
  return depthOf(path) === 1 ? joinedTo(part, layers[last + 1]?.input) : part;
}

/** Parts that come back under the same path are told apart by a number: "relu", "relu#2". */
function numbered(parts) {
  const times = new Map();
  return parts.map((part) => {
    const time = (times.get(part.path) ?? 0) + 1;
    times.set(part.path, time);
    return time === 1 ? part : { ...part, path: `${part.path}#${time}` };
  });
}
