// What one sees at a time: the place that is pointed at, its arithmetic, what it depends on, and how far the walk is.

const extentOf = (picture) => (picture.extent ??= extent(picture.values));
const rangeOf = (picture) =>
  `${picture.height} × ${picture.width}, ${extentOf(picture).map((value) => format(value, 1)).join(" to ")}`;

/** [layer, i, j] that is pointed at: what is looked at, else what is held, inside the layers that there are. */
function placeIn({ point, trace, step, layers }, output, looked = null) {
  const place = looked ?? (layers && trace && step === null ? trace : ["kernel", ...point]);
  const { rows, columns } = sizeOfLayer(place[0], output);
  const [layer, ...at] = rows && columns ? place : ["kernel", ...point];
  const last = sizeOfLayer(layer, output);
  return [layer, ...clampAll(at, [0, 0], [last.rows - 1, last.columns - 1])];
}

/** How each layer is shown: ReLU and pooling in the colors of the output, so that one sees what they change. */
function legendsOf({ view, kernel, second_kernel: second }, layers) {
  const first = legendOf({ view, kernel }, extentOf(layers.kernel));
  const legends = { kernel: first, relu: first, pool: first };
  const shown = view === "automatic" && first.view === "signed" ? "signed" : view;
  if (layers.second) legends.second = legendOf({ view: shown, kernel: second }, extentOf(layers.second));
  return legends;
}

function sceneOf(state, padded, layers, looked = null) {
  const output = { rows: layers.kernel.height, columns: layers.kernel.width, k: state.kernel.length };
  const place = placeIn(state, output, looked);
  const [layer, ...point] = placeIn({ ...state, trace: null }, output, place[0] === "kernel" ? place : null);
  const at = pixelOf([layer, ...point], state, padded, layers);
  const step = state.step === null ? null : Math.min(state.step, output.k ** 2 - 1);
  return {
    output, place, at, step,
    pixel: place[0] === "kernel" ? at : pixelOf(place, state, padded, layers),
    fields: fieldsOf(place, state, output),
    legends: legendsOf(state, layers),
    reached: reachedLayers(reachedBy({ point, step }, output), state.second_kernel, output),
    layers,
  };
}

/** True while some products of the window are not added yet. */
const isAdding = ({ step, output }) => step !== null && step < output.k ** 2 - 1;

const whereIs = ({ place: [layer, i, j] }) => `${layer === "kernel" ? "Row" : `${TITLES[layer]}, row`} ${i}, column ${j}`;

/** The arithmetic of the pointed pixel: what is before its value or the sum so far, and that, in words and as a number. */
function wordsOn(scene, { kernel }) {
  const { place: [layer], pixel: { patch, products, value }, step } = scene;
  const where = whereIs(scene);
  if (isAdding(scene)) {
    const [sums, weight] = [runningSums(products), weightText(kernel.flat()[step])];
    const before = step ? `${format(sums[step - 1], 4)} + ` : "";
    const product = `${format(patch.flat()[step], 4)} × ${weight.startsWith(MINUS) ? `(${weight})` : weight}`;
    const words = `${where}, product ${step + 1} of ${products.length}: ${before}${product} = `;
    return { before: words, value: format(sums[step], 4), number: sums[step] };
  }
  const cells = patch.flat().map((cell) => format(cell, 2));
  const largest = `max(${(layer === "relu" ? ["0", ...cells] : cells).join(", ")})`;
  return { before: `${where}: ${products ? spelledSum(products) : largest} = `, value: format(value, 4), number: value };
}

/** What a pixel of a further layer depends on, in words. */
function fieldWords({ place, fields: { input: [top, left, bottom, right] } }, { padding }) {
  if (place[0] === "kernel") return "";
  const [rows, columns] = [[top, bottom], [left, right]].map((ends) =>
    ends.map((index) => format(index - padding)).join(" to "));
  return `It depends on ${bottom - top + 1} × ${right - left + 1} pixels of the input: rows ${rows}, columns ${columns}.`;
}

/** The share, 0 … 1, of its scale at which a value stands. */
const shareOf = (value, { view, from, to }) => clamp(((view === "magnitude" ? Math.abs(value) : value) - from) / (to - from), 0, 1);

/** What is said of a value that the picture cannot show. */
function clippedWords({ place: [layer], pixel: { value }, legends }) {
  const beyond = legends[layer].view === "picture" && (value < -1e-9 || value > 255 + 1e-9);
  return beyond ? ` shown as ${value < 0 ? 0 : 255}` : "";
}

/** What is announced of the pointed pixel. */
function spokenOn(scene, state) {
  const { before, value } = wordsOn(scene, state);
  return isAdding(scene) ? `${before}${value}.` : `${whereIs(scene)}: ${value}. ${fieldWords(scene, state)}`.trim();
}

/** The layers in numbers: sizes and ranges, the pixel that is traced back, and what it depends on (in the input: its pixels). */
function layersState({ place: [layer, ...at], pixel, fields, layers }, { padding, second_kernel }) {
  const there = LAYERS.filter((name) => name in layers);
  return {
    second_kernel, shapes: Object.fromEntries(there.map((name) => [name, [layers[name].height, layers[name].width]])),
    ranges: Object.fromEntries(there.map((name) => [name, extentOf(layers[name])])),
    layer, point: at, window: pixel.patch, value: pixel.value,
    fields: { ...fields, input: fields.input.map((index) => index - padding) },
  };
}
