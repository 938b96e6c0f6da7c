// KernelExplorer: a picture, a kernel, the output, and the arithmetic of one output pixel.
// The arithmetic is that of cnncourse.scratch (pad, cross_correlate) in float64, which a test holds equal.

const DRAWING = "drawing";
const YOUR_KERNEL = "your own";

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

/** The first photograph stands in while the chosen one is not among them. */
const pictureName = ({ photograph, photographs }) =>
  photograph === DRAWING || photograph in photographs ? photograph : Object.keys(photographs)[0];

/** The chosen picture with its pixels as numbers: { values, height, width }. */
function pictureOf(state) {
  const name = pictureName(state);
  if (name === DRAWING) {
    const rows = state.drawing;
    return { values: Float64Array.from(rows.flat()), height: rows.length, width: rows[0].length };
  }
  const { pixels, shape } = state.photographs[name];
  return { values: Float64Array.from(decodeBytes(pixels)), height: shape[0], width: shape[1] };
}

/** The window, the products and the value of one output pixel. */
function sumAt({ kernel, stride, padding }, padded, result, [i, j]) {
  const rows = kernel.map((_, u) => i * stride + u);
  const columns = kernel.map((_, v) => j * stride + v);
  const isOutside = (y, x) =>
    y < padding || x < padding || y >= padded.height - padding || x >= padded.width - padding;
  const patch = rows.map((y) => columns.map((x) => padded.values[y * padded.width + x]));
  return {
    i, j, patch,
    value: result.values[i * result.width + j],
    products: kernel.flatMap((row, u) => row.map((weight, v) => weight * patch[u][v])),
    outside: rows.flatMap((y) => columns.map((x) => isOutside(y, x))),
  };
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
function weightText(weight, fits = (text) => text.length <= 6, bare = false) {
  const parts = fraction(weight);
  const decimal = bare ? withoutZero(format(weight, 2)) : format(weight, 2);
  const exact = Number(weight.toFixed(2)) === weight ? decimal : parts && withMinus(parts.join("/"));
  return exact && fits(exact) ? exact : fit(weight, fits, bare);
}

/** Derivatives and other kernels that answer 0 to a flat picture are shown signed, the others as pictures. */
function resolveView(view, kernel) {
  if (view !== "automatic") return view;
  const size = kernel.flat().reduce((total, weight) => total + Math.abs(weight), 0);
  return Math.abs(sum(kernel)) <= 1e-9 * size ? "signed" : "picture";
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

