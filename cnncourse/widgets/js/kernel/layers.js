// Further layers: ReLU, max pooling 2 × 2 and a second kernel on the output of the first. The arithmetic is that of
// cnncourse.scratch (relu, max_pool2d, cross_correlate), and what one pixel of any layer depends on.

const LAYERS = ["kernel", "relu", "pool", "second"];
const TITLES = { kernel: "First kernel", relu: "ReLU", pool: "Max pooling 2 × 2", second: "Second kernel" };

/** max(0, x) */
const rectified = ({ values, height, width }) => ({ height, width, values: values.map((value) => Math.max(0, value)) });

/** The largest of each 2 × 2 pixels; a last odd row or column is left out. */
function maxPool({ values, height, width }) {
  const pooled = { height: height >> 1, width: width >> 1 };
  pooled.values = new Float64Array(pooled.height * pooled.width);
  for (let i = 0, at = 0; i < pooled.height; i += 1) {
    for (let j = 0; j < pooled.width; j += 1, at += 1) {
      const from = 2 * i * width + 2 * j;
      pooled.values[at] = Math.max(values[from], values[from + 1], values[from + width], values[from + width + 1]);
    }
  }
  return pooled;
}

/** Layer → its picture, and the pooled one `padded` with zeros, which keep its size; no pooling if there is no 2 × 2. */
function layersOf(output, second) {
  const layers = { kernel: output, relu: rectified(output) };
  if (Math.min(output.height, output.width) < 2) return layers;
  layers.pool = maxPool(layers.relu);
  layers.padded = pad(layers.pool, second.length >> 1, "zeros");
  layers.second = crossCorrelate(layers.padded, second, 1);
  return layers;
}

/** { rows, columns } of a layer, from those of the output. */
const sizeOfLayer = (layer, { rows, columns }) =>
  layer === "kernel" || layer === "relu" ? { rows, columns } : { rows: rows >> 1, columns: columns >> 1 };

/**
 * What a pixel of a layer depends on: layer → [top, left, bottom, right], the frame in that picture, for the layer itself
 * and those before it. `input` counts from the corner of the padding, whose pixels repeat others.
 */
function fieldsOf([layer, i, j], { kernel, stride, second_kernel: second }, output) {
  const fields = { [layer]: [i, j, i, j] };
  if (fields.second) {
    const reach = second.length >> 1;
    const { rows, columns } = sizeOfLayer("pool", output);
    fields.pool = [
      Math.max(0, i - reach), Math.max(0, j - reach), Math.min(rows - 1, i + reach), Math.min(columns - 1, j + reach),
    ];
  }
  if (fields.pool) fields.relu = fields.pool.map((index, side) => 2 * index + (side < 2 ? 0 : 1));
  fields.kernel ??= fields.relu;
  fields.input = fields.kernel.map((index, side) => index * stride + (side < 2 ? 0 : kernel.length - 1));
  return fields;
}

/** How many pixels of each layer there are, row by row, when so many of the output are. */
function reachedLayers(reached, second, output) {
  const reach = second.length >> 1;
  const { rows, columns } = sizeOfLayer("pool", output);
  const isThere = (i, j) => (2 * Math.min(i, rows - 1) + 1) * output.columns + 2 * Math.min(j, columns - 1) + 1 < reached;
  const count = (ahead) => {
    let pixels = 0;
    while (pixels < rows * columns && isThere(Math.floor(pixels / columns) + ahead, (pixels % columns) + ahead)) pixels += 1;
    return pixels;
  };
  return { kernel: reached, relu: reached, pool: count(0), second: count(reach) };
}

/** The arithmetic of one pixel of a layer: its window, its value, and its products if it has any. */
function pixelOf([layer, i, j], state, padded, layers) {
  if (layer === "kernel") return sumAt(state, padded, layers.kernel, [i, j]);
  if (layer === "second") {
    const kernel = state.second_kernel;
    return sumAt({ kernel, stride: 1, padding: kernel.length >> 1 }, layers.padded, layers.second, [i, j]);
  }
  const [before, side] = layer === "relu" ? [layers.kernel, 1] : [layers.relu, 2];
  const cells = Array.from({ length: side }, (_, index) => index);
  const patch = cells.map((u) => cells.map((v) => before.values[(i * side + u) * before.width + j * side + v]));
  return { i, j, patch, value: layers[layer].values[i * layers[layer].width + j] };
}
