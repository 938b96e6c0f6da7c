// The walk of the window over the picture. Its place is { point: [i, j], step }: the output pixel under the window, and the
// product of this window that was added last; `step` is null once the whole output is there.

/** One "product", "pixel" (a whole sum) or "row" (of sums) further. */
function walkOn({ point: [i, j], step }, unit, { rows, columns, k }) {
  const last = k * k - 1;
  const first = unit === "product" ? 0 : last;
  const end = unit === "row" ? columns - 1 : j;
  if (step === null) return { point: [i, end], step: first };
  if (step < last || j < end) return { point: [i, end], step: unit === "product" ? step + 1 : last };
  if (j + 1 < columns) return { point: [i, j + 1], step: first };
  if (i + 1 < rows) return { point: [i + 1, unit === "row" ? end : 0], step: first };
  return { point: [i, j], step: null };
}

/** How many output pixels are there, row by row. */
const reachedBy = ({ point: [i, j], step }, { rows, columns, k }) =>
  step === null ? rows * columns : i * columns + j + (step === k * k - 1 ? 1 : 0);

/** The sum after each product, added in the order of crossCorrelate. */
const runningSums = (products) => {
  let total = 0;
  return products.map((product) => (total += product));
};

/** What playing does next after so many output pixels: two slowly (one if it is large), some faster, then whole rows. */
function unitAfter(pixels, { columns, k }) {
  const slow = k > 3 ? 1 : 2;
  if (pixels < slow) return "product";
  return pixels < slow + Math.min(2 * columns, 96) ? "pixel" : "row";
}

/** Milliseconds that the eye needs. */
const paceOf = (unit, { k }) => ({ product: clamp(4500 / (k * k), 120, 500), pixel: 60, row: 120 })[unit];
