// What is said: of a network, of a part of it, of two beside each other, of sizes that are not legal.

const QUANTITIES = { multiply_adds: "Multiply-adds", parameters: "Parameters", activation_bytes: "Memory" };
const UNITS = ["B", "KiB", "MiB", "GiB"];
const PREFIXES = ["", " k", " M", " G", " T"];
const CATEGORY_WORDS = ["convolutions", "pooling", "fully connected layers", "attention", "other layers"];

function bytesText(count) {
  const unit = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, count)) / 10)));
  return `${unit ? (count / 1024 ** unit).toFixed(1) : count} ${UNITS[unit]}`;
}

/** 4.09 G, 25.6 M, 61.7 k */
function brief(value) {
  const power = Math.max(0, PREFIXES.findLastIndex((_, index) => value >= 0.9995 * 1000 ** index));
  return power ? `${Number((value / 1000 ** power).toPrecision(3))}${PREFIXES[power]}` : String(value);
}

const exactly = (what, value) => (what === "activation_bytes" ? bytesText(value) : grouped(value));
const shapeText = (shape) => (shape?.length ? shape.map(grouped).join(" × ") : "–");
const fieldText = (field) => (field === null ? "–" : `${field} × ${field}`);

/** 92 %, 99.6 %, 0.4 %, < 0.1 % */
function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1\u00a0%";
  if (share < 1 && share > 0.999) return "> 99.9\u00a0%";
  return `${Number((100 * share).toFixed(share < 0.1 || share > 0.99 ? 1 : 0))}\u00a0%`;
}

/** × 0.75, × 1/16 */
function widthText(width) {
  const [p, q] = fraction(width, 64) ?? [width, 1];
  return `× ${q > 4 ? `${p}/${q}` : width}`;
}

/** A network by its name and by what is not as it was published. */
function titleOf({ model, input_size: size, width, classes }) {
  const own = published(model);
  const changes = [
    width !== own.width && widthText(width),
    size !== own.input_size && `${size} pixels`,
    classes !== own.classes && (classes === 1 ? "1 class" : `${grouped(classes)} classes`),
  ];
  return [model, ...changes.filter(Boolean)].join(", ");
}

/** What a layer is, with its settings: "Conv2d 3×3, stride 2, depthwise". */
function kindText({ kind, settings, groups, input }) {
  const split = groups === 1 ? "" : groups === input?.[0] ? ", depthwise" : `, ${groups} groups`;
  return `${kind}${settings ? ` ${settings}` : ""}${split}`;
}

const calledOf = (layers) => layers.filter(({ output }) => output);
const layersText = (layers) => plural(calledOf(layers).length, "layer");

/** Which categories have most of a sum: "convolutions 92 %, fully connected layers 8 %". */
function whereText(network, what) {
  const sums = sharesOf(network, what);
  const order = CATEGORIES.map((_, index) => index).sort((a, b) => sums[b] - sums[a]);
  const parts = order.filter((index) => sums[index] >= 0.0005 * network[what]).slice(0, 3);
  return parts.map((index) => `${CATEGORY_WORDS[index]} ${percent(sums[index] / network[what])}`).join(", ");
}

const ideaOf = ({ settings: { model } }) => NETWORKS.families[entryOf(model).family];

/** What a network costs and where, in a few sentences. */
function summarySentence(network) {
  const { settings, layers, parameters, multiply_adds, activation_bytes } = network;
  const idle = layers.filter(({ output, kind }) => !output && kind.endsWith("(not called)"));
  const waiting = idle.reduce((sum, layer) => sum + layer.parameters, 0);
  const aside = waiting ? ` ${grouped(waiting)} of the parameters belong to layers that only training uses.` : "";
  return `${titleOf(settings)}: ${plural(parameters, "parameter")}, ${plural(multiply_adds, "multiply-add")}, ` +
    `${bytesText(activation_bytes)} of activations for one image of ${settings.input_size} × ${settings.input_size}.${aside}`;
}

const whereSentence = (network) =>
  `Its parameters: ${whereText(network, "parameters")}. Its multiply-adds: ${whereText(network, "multiply_adds")}.`;

/** The one with more multiply-adds against the other. */
function compareSentence(networks) {
  const [more, less] = [...networks].sort((a, b) => b.multiply_adds - a.multiply_adds);
  const ratio = (what) => {
    const times = more[what] / less[what];
    return times === 1 ? "as many" : `${Number(times.toPrecision(times >= 100 ? 3 : 2))} times the`;
  };
  const [adds, numbers, bytes] = ["multiply_adds", "parameters", "activation_bytes"].map(ratio);
  const join = adds === "as many" ? "as" : "of";
  return `${titleOf(more.settings)} has ${adds} multiply-adds, ${numbers} parameters and ` +
    `${bytes === "as many" ? "as much" : bytes} memory for activations ${join} ${titleOf(less.settings)}.`;
}

/** A part in one sentence. */
function partSentence(network, { path, layers, output, parameters, multiply_adds, activation_bytes, receptive_field, main }) {
  const share = (what, value) => (network[what] ? ` (${percent(value / network[what])})` : "");
  const what = calledOf(layers).length === 1 ? kindText(main) : layersText(layers);
  const sees = receptive_field === null ? "" : `, receptive field ${fieldText(receptive_field)}`;
  return `${path}: ${what}, output ${shapeText(output)}, ` +
    `${plural(parameters, "parameter")}${share("parameters", parameters)}, ` +
    `${plural(multiply_adds, "multiply-add")}${share("multiply_adds", multiply_adds)}, ${bytesText(activation_bytes)}${sees}.`;
}

/** "from 32 to 640", "28 or from 32 to 640", "multiples of 16 from 16 to 640" */
function legalText(model) {
  const one = ([first, last, step]) => (first === last ? String(first)
    : step === 1 ? `from ${first} to ${last}`
      : step === first ? `multiples of ${step} to ${last}` : `from ${first} to ${last} in steps of ${step}`);
  return legalSizes(model).map(one).join(" or ");
}

/** What became of a wish, or of what was no number. */
const fateOf = (wish, taken) => (wish === null ? `. It stays ${taken}.` : `, not ${format(wish)}: ${taken} is taken.`);

const sizeFault = (model, wish, taken) =>
  `${model} takes inputs of ${legalText(model)} pixels a side${fateOf(wish, taken)}`;

const countFault = (wish, taken) =>
  `The classes must be a whole number from ${grouped(CLASSES[0])} to ${grouped(CLASSES[1])}${fateOf(wish, grouped(taken))}`;

/** A network of the map in one sentence. */
function dotSentence({ model, parameters, multiply_adds }, others) {
  const { size } = entryOf(model);
  const same = others.length ? ` Here too: ${others.map((other) => other.model).join(", ")}.` : "";
  return `${model}: ${brief(parameters)} parameters, ${brief(multiply_adds)} multiply-adds at ${size} × ${size}.${same}`;
}
