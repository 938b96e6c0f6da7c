// ShapeExplorer: how big the output is, which pixels each window reads, and what that costs.
// A convolution and its transpose are one relation read in two directions: window a lies on the pixels
// b = a·s + u·d − p, u = 0 … k − 1. Forward, the windows are the output and the pixels the input, with p zeros
// around it. Transposed, the windows are the input and the pixels the output, cropped by p; output padding lets it go
// on at its end. Height and width do not touch each other, so the arithmetic is that of one axis.

const LARGEST_GRID = 32; // cells a side that are still seen one by one, on a phone too
const RANGES = {
  input: [1, 16], kernel: [1, 7], stride: [1, 4], padding: [0, 6], dilation: [1, 4], output_padding: [0, 3],
};
const GEOMETRY = Object.keys(RANGES);
const AXES = ["height", "width"];

// --- both axes ----------------------------------------------------------------------------------------------

/** A setting is one number for both axes, or a pair [height, width]. */
const onAxis = (value, axis) => (Array.isArray(value) ? value[axis] : value);
const isApart = (settings) => GEOMETRY.some((name) => Array.isArray(settings[name]));

/** The settings of the height and of the width, all of them numbers. */
const axesOf = (settings) => AXES.map((_, axis) =>
  Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, onAxis(value, axis)])));

/** The settings of both axes as pairs. */
const paired = ([down, across]) =>
  ({ ...down, ...Object.fromEntries(GEOMETRY.map((name) => [name, [down[name], across[name]]])) });

/** All settings as pairs, or all as numbers, those of the height. */
const setApart = (settings, apart) => (apart ? paired(axesOf(settings)) : axesOf(settings)[0]);

const bothFit = (settings) => axesOf(settings).every(fitsTogether);
const bothSides = (settings) => axesOf(settings).map(sides);

/** Windows in a row, and in all. */
const acrossOf = (settings) => bothSides(settings)[1].windows;
const windowsOf = (settings) => bothSides(settings).reduce((all, { windows }) => all * windows, 1);

/** The side of the output: a number, or a pair. */
function outputOf(settings) {
  const both = bothSides(settings).map(({ output }) => output);
  return isApart(settings) ? both : both[0];
}

// --- one axis -----------------------------------------------------------------------------------------------

const spanOf = ({ kernel, dilation }) => dilation * (kernel - 1) + 1;

/** Cells along a side: `windows`, the `pixels` they lie on, and `grid`, the pixels with the border before and after. */
function sides(settings) {
  const { view, input, stride, padding, output_padding: added } = settings;
  const span = spanOf(settings);
  if (view === "transposed") {
    const pixels = (input - 1) * stride - 2 * padding + span + added;
    const after = Math.max(0, padding - added);
    return { windows: input, pixels, grid: padding + pixels + after, before: padding, after, output: pixels };
  }
  const grid = input + 2 * padding;
  const windows = Math.floor((grid - span) / stride) + 1;
  return { windows, pixels: input, grid, before: padding, after: padding, output: windows };
}

/** How many of the last rows and columns output padding adds. */
const addedOf = (settings) => axesOf(settings).map((axis) =>
  (axis.view === "transposed" ? Math.min(axis.output_padding, sides(axis).pixels) : 0));

const addsTooMuch = ({ view, stride, dilation, output_padding: added }) =>
  view === "transposed" && added >= Math.max(stride, dilation);

function fitsTogether(settings) {
  const { windows, pixels, grid } = sides(settings);
  return windows >= 1 && pixels >= 1 && grid <= LARGEST_GRID && !addsTooMuch(settings);
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

/** The same without the border. */
function countsInside(settings) {
  const { before, pixels } = sides(settings);
  return countsAlong(settings).slice(before, before + pixels);
}

/** The pixels that no window lies on. */
const unreadOf = (settings) => countsInside(settings).flatMap((count, b) => (count === 0 ? [b] : []));

/** [least, most] that one setting can be beside the others. Between them everything fits. */
function limits(settings, name) {
  const [low, high] = RANGES[name];
  const values = Array.from({ length: high - low + 1 }, (_, index) => low + index);
  const legal = values.filter((value) => fitsTogether({ ...settings, [name]: value }));
  return legal.length ? [legal[0], legal.at(-1)] : [low, low - 1];
}

/** Why settings do not fit, as the end of a sentence. */
function misfit(settings) {
  const { view, input, padding, stride, dilation, output_padding: added } = settings;
  const { grid, pixels } = sides(settings);
  if (view === "forward") {
    return `the kernel would span ${spanOf(settings)} pixels, and the padded input has ${input + 2 * padding}`;
  }
  if (addsTooMuch(settings)) {
    return `output padding ${added} would be smaller than neither stride ${stride} nor dilation ${dilation}`;
  }
  if (pixels < 1) {
    return `cropping ${padding} on every side would leave nothing of ${(input - 1) * stride + spanOf(settings)} pixels`;
  }
  return `the output would be ${grid} pixels wide before it is cropped, and ${LARGEST_GRID} are shown at most`;
}

const named = (name, of = "") => capital(name.replace("_", " ")) + of;

/** Change one setting of an axis and keep the others, as near to the wish as fits. */
function changeAxis(settings, name, wish, of) {
  if (name === "view") return turn(settings, wish, of);
  const [low, high] = limits(settings, name);
  const value = Math.max(low, Math.min(high, Math.round(wish)));
  const changed = { ...settings, [name]: value };
  const [least, most] = RANGES[name];
  const tried = Math.max(least, Math.min(most, Math.round(wish)));
  if (value === tried) return { settings: changed, reason: "" };
  const limit = tried > value ? "at most" : "at least";
  const why = misfit({ ...settings, [name]: tried });
  return { settings: changed, reason: `${named(name, of)} is ${limit} ${value} here: at ${tried}, ${why}.` };
}

/** Look at an axis from the other side; where that cannot be, the output padding changes, the input, the dilation. */
function turn(settings, view, of) {
  const turned = { ...settings, view };
  const reasons = [];
  const put = (name, value) => {
    if (value !== turned[name]) reasons.push(`${named(name, of)} is ${value} now: at ${turned[name]}, ${misfit(turned)}.`);
    turned[name] = value;
  };
  if (addsTooMuch(turned)) put("output_padding", Math.max(turned.stride, turned.dilation) - 1);
  for (const name of ["input", "dilation"]) {
    if (fitsTogether(turned)) break;
    const [low, high] = limits(turned, name);
    put(name, low > high ? RANGES[name][1] : Math.max(low, Math.min(high, turned[name])));
  }
  return { settings: turned, reason: reasons.join(" ") };
}

/** Change one setting, of both axes or to a pair. `reason` says in words what did not fit. */
function change(settings, name, wish) {
  if (!isApart(settings)) return changeAxis(settings, name, wish, "");
  const changes = axesOf(settings).map((one, axis) => changeAxis(one, name, onAxis(wish, axis), ` ${AXES[axis]}`));
  const reason = changes.map((changed) => changed.reason).filter(Boolean).join(" ");
  return { settings: paired(changes.map((changed) => changed.settings)), reason };
}

// --- cost ---------------------------------------------------------------------------------------------------

/** What a layer from C to O channels costs for one image; `border` of its multiply-adds meet the border. */
function costOf(settings, channelsIn, channelsOut, groups = 1) {
  const axes = axesOf(settings);
  const product = (count) => axes.reduce((all, axis) => all * count(axis), 1);
  const inside = product((axis) => countsInside(axis).reduce((total, count) => total + count, 0));
  const weights = channelsOut * (channelsIn / groups) * product(({ kernel }) => kernel);
  const multiplyAdds = weights * windowsOf(settings);
  return {
    values: channelsOut * product((axis) => sides(axis).output),
    weights,
    multiplyAdds,
    border: multiplyAdds - channelsOut * (channelsIn / groups) * inside,
  };
}

// --- cells --------------------------------------------------------------------------------------------------

/** The cells of the other grid that belong to the one pointed at, along each axis as [cell, tap]. */
function belongTo(settings, { of, at }) {
  const axes = axesOf(settings);
  return at.map((index, axis) =>
    of === "windows" ? tapsOf(axes[axis], index).map((b, u) => [b, u]) : readersOf(axes[axis], index));
}

/** [row, column] of the window of a step. */
const windowOf = (settings, step) => [Math.floor(step / acrossOf(settings)), step % acrossOf(settings)];

const lastStep = (settings) => windowsOf(settings) - 1;

/** The pixels written so far, as (row, column) of the grid → whether a window up to the step lies on it. */
function writtenUpTo(settings, step) {
  const [i, j] = windowOf(settings, step);
  const [rows, columns] = axesOf(settings).map((axis) => Array.from({ length: sides(axis).grid }, (_, index) =>
    readersOf(axis, index - axis.padding).map(([a]) => a)));
  return (r, c) => rows[r].some((a) => columns[c].some((b) => a < i || (a === i && b <= j)));
}
