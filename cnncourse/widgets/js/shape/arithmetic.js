// ShapeExplorer: how big the output is, which pixels each window reads, and what that costs.
// A convolution and its transpose are one relation read in two directions: window a lies on the pixels
// b = a·s + u·d − p, u = 0 … k − 1. Forward, the windows are the output and the pixels the input, with p zeros
// around it. Transposed, the windows are the input and the pixels the output, cropped by p. All grids are square, so
// the arithmetic is that of one axis.

const LARGEST_GRID = 32; // cells a side that are still seen one by one, on a phone too
const RANGES = { input: [1, 16], kernel: [1, 7], stride: [1, 4], padding: [0, 6], dilation: [1, 4] };
const GEOMETRY = Object.keys(RANGES);
const LETTERS = { input: "H", kernel: "k", stride: "s", padding: "p", dilation: "d" };

// --- arithmetic ---------------------------------------------------------------------------------------------

const spanOf = ({ kernel, dilation }) => dilation * (kernel - 1) + 1;

/** Cells along a side: `windows`, the `pixels` they lie on, and `grid`, the pixels with their border. */
function sides(settings) {
  const { view, input, stride, padding } = settings;
  const span = spanOf(settings);
  if (view === "transposed") {
    const grid = (input - 1) * stride + span;
    return { windows: input, pixels: grid - 2 * padding, grid, output: grid - 2 * padding };
  }
  const grid = input + 2 * padding;
  const windows = Math.floor((grid - span) / stride) + 1;
  return { windows, pixels: input, grid, output: windows };
}

function fitsTogether(settings) {
  const { windows, pixels, grid } = sides(settings);
  return windows >= 1 && pixels >= 1 && grid <= LARGEST_GRID;
}

/** The pixels of window a, below 0 and from `pixels` on in the border. */
const tapsOf = ({ kernel, stride, padding, dilation }, a) =>
  Array.from({ length: kernel }, (_, u) => a * stride + u * dilation - padding);

/** The windows that lie on pixel b, each as [a, u]: window and tap. */
function readersOf(settings, b) {
  const found = [];
  for (let a = 0; a < sides(settings).windows; a += 1) {
    const u = tapsOf(settings, a).indexOf(b);
    if (u >= 0) found.push([a, u]);
  }
  return found;
}

/** How many windows lie on each pixel, border included. */
function countsAlong(settings) {
  const counts = new Array(sides(settings).grid).fill(0);
  for (let a = 0; a < sides(settings).windows; a += 1) {
    for (const b of tapsOf(settings, a)) counts[b + settings.padding] += 1;
  }
  return counts;
}

/** The pixels that no window lies on. */
function unreadOf(settings) {
  const { padding } = settings;
  const counts = countsAlong(settings).slice(padding, padding + sides(settings).pixels);
  return counts.flatMap((count, b) => (count === 0 ? [b] : []));
}

/** [least, most] that one setting can be beside the others. Between them everything fits. */
function limits(settings, name) {
  const [low, high] = RANGES[name];
  const values = Array.from({ length: high - low + 1 }, (_, index) => low + index);
  const legal = values.filter((value) => fitsTogether({ ...settings, [name]: value }));
  return legal.length ? [legal[0], legal.at(-1)] : [low, low - 1];
}

/** Why settings do not fit, as the end of a sentence. */
function misfit(settings) {
  const { view, input, padding } = settings;
  const { grid, pixels } = sides(settings);
  if (view === "forward") {
    return `the kernel would span ${spanOf(settings)} pixels, and the padded input has ${input + 2 * padding}`;
  }
  if (pixels < 1) return `cropping ${padding} on every side would leave nothing of ${grid} pixels`;
  return `the output would be ${grid} pixels wide before it is cropped, and ${LARGEST_GRID} are shown at most`;
}

/** Change one setting and keep the others, as near to the wish as fits. `reason` says in words what did not fit. */
function change(settings, name, wish) {
  if (name === "view") return turn(settings, wish);
  const [low, high] = limits(settings, name);
  const value = Math.max(low, Math.min(high, Math.round(wish)));
  const changed = { ...settings, [name]: value };
  const [least, most] = RANGES[name];
  const tried = Math.max(least, Math.min(most, Math.round(wish)));
  if (value === tried) return { settings: changed, reason: "" };
  const limit = tried > value ? "at most" : "at least";
  const why = misfit({ ...settings, [name]: tried });
  return { settings: changed, reason: `${capital(name)} is ${limit} ${value} here: at ${tried}, ${why}.` };
}

/** Look at the settings from the other side; where that cannot be, the input changes, then the dilation. */
function turn(settings, view) {
  const turned = { ...settings, view };
  const reasons = [];
  for (const name of ["input", "dilation"]) {
    if (fitsTogether(turned)) break;
    const [low, high] = limits(turned, name);
    const value = low > high ? RANGES[name][1] : Math.max(low, Math.min(high, turned[name]));
    if (value !== turned[name]) reasons.push(`${capital(name)} is ${value} now: at ${turned[name]}, ${misfit(turned)}.`);
    turned[name] = value;
  }
  return { settings: turned, reason: reasons.join(" ") };
}

/** What a layer from C to O channels costs for one image; `border` of its multiply-adds meet the border. */
function costOf(settings, channelsIn, channelsOut) {
  const { windows, output, pixels } = sides(settings);
  const counts = countsAlong(settings).slice(settings.padding, settings.padding + pixels);
  const inside = counts.reduce((total, count) => total + count, 0) ** 2;
  const pairs = channelsIn * channelsOut;
  const multiplyAdds = pairs * settings.kernel ** 2 * windows ** 2;
  return {
    values: channelsOut * output ** 2,
    weights: pairs * settings.kernel ** 2,
    multiplyAdds,
    border: multiplyAdds - pairs * inside,
  };
}

/** The cells of the other grid that belong to the one pointed at, along each axis as [cell, tap]. */
const belongTo = (settings, { of, at }) => at.map((index) =>
  of === "windows" ? tapsOf(settings, index).map((b, u) => [b, u]) : readersOf(settings, index));

/** [row, column] of the window of a step. */
const windowOf = (settings, step) => [Math.floor(step / sides(settings).windows), step % sides(settings).windows];

const lastStep = (settings) => sides(settings).windows ** 2 - 1;

/** The pixels written so far, as (row, column) of the grid → whether a window up to the step lies on it. */
function writtenUpTo(settings, step) {
  const [i, j] = windowOf(settings, step);
  const readers = Array.from({ length: sides(settings).grid }, (_, index) =>
    readersOf(settings, index - settings.padding).map(([a]) => a));
  return (r, c) => readers[r].some((a) => readers[c].some((b) => a < i || (a === i && b <= j)));
}
