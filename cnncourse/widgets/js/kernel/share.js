// What of a KernelExplorer can be said in an address and in Python.

const PHOTOGRAPHS = ["camera", "cat", "coffee", "galaxies", "rocket", "tower"]; // the course's own

/** The name of a kernel: the one wished if it is that, else the first that it has. */
const nameOfKernel = (kernels, kernel, wish) =>
  [wish, ...Object.keys(kernels)].find((name) => kernels[name] && sameKernel(kernels[name], kernel)) ?? YOUR_KERNEL;

/** [H′, W′] */
function outputShape({ photographs, photograph, drawing, kernel, stride, padding }) {
  const shape = photographs[photograph]?.shape ?? [drawing.length, drawing[0].length];
  return shape.map((side) => Math.floor((side + 2 * padding - kernel.length) / stride) + 1);
}

const isKernel = (value) =>
  Array.isArray(value) && KERNEL_SIZES.includes(value.length) && value.every((row) =>
    Array.isArray(row) && row.length === value.length && row.every((weight) => isNumber(weight, -LARGEST_WEIGHT, LARGEST_WEIGHT)));

/** [rows, columns] of a layer; of what is no layer, none. */
function shapeOfLayer(state, layer) {
  const [rows, columns] = outputShape(state);
  const size = sizeOfLayer(layer, { rows, columns });
  return LAYERS.includes(layer) && size.rows && size.columns ? [size.rows, size.columns] : [0, 0];
}

/** A pixel that is still in a picture of this shape. */
const within = (place, shape) => clampAll(place, [0, 0], shape.map((size) => size - 1));

/** What was pointed at, inside what the settings leave of it. */
function settledPlaces(state, given) {
  const { point, step, trace, kernel } = state;
  const traced = trace && shapeOfLayer(state, trace[0]);
  return {
    point: given.point || !point ? point : within(point, outputShape(state)),
    step: "step" in given || step === null ? step : Math.min(step, kernel.length ** 2 - 1),
    trace: "trace" in given || !traced ? trace : traced[0] ? [trace[0], ...within(trace.slice(1), traced)] : null,
  };
}

const isTrace = (value, state) =>
  Array.isArray(value) && value.length === 3 && LAYERS.includes(value[0]) &&
  shapeOfLayer(state, value[0]).every((size, axis) => isWhole(value[axis + 1], 0, size - 1));

const aKernel = (value) =>
  (isKernel(value) ? "" : `a square of side 1, 3, 5 or 7 with weights up to ${LARGEST_WEIGHT} in size`);

const sharing = new Sharing("KernelExplorer", {
  still,
  table: () => ({
    photographs: null,
    kernels: null,
    drawing: "Your drawing",
    photograph: [legal.oneOf(({ photographs }) => [...Object.keys(photographs), DRAWING]), PHOTOGRAPHS[0], "Your own picture"],
    kernel: [aKernel, ({ kernels }) => kernels["vertical edge"]],
    kernel_name: [legal.oneOf(({ kernels }) => [...Object.keys(kernels), YOUR_KERNEL]), "vertical edge"],
    stride: [legal.whole(1, 4), 1],
    padding: [legal.whole(0, 6), 1],
    mode: [legal.oneOf(MODES), "zeros"],
    view: [legal.oneOf(VIEWS.map(([view]) => view)), "automatic"],
    point: [legal.index(outputShape)],
    step: [legal.orNull((step, { kernel }) => legal.whole(0, kernel.length ** 2 - 1)(step)), null],
    layers: [legal.flag, false],
    second_kernel: [aKernel, ({ kernels }) => kernels["horizontal edge"]],
    trace: [legal.orNull(must("a layer, with a row and a column inside it", isTrace)), null],
  }),
  settle(state, given) {
    const { kernels, kernel_name: wish } = state;
    const named = given.kernel === undefined && kernels[given.kernel_name];
    const kernel = named || state.kernel;
    const name = given.kernel === undefined ? wish : nameOfKernel(kernels, kernel, wish);
    const settled = { ...state, kernel, kernel_name: name };
    return { ...settled, ...settledPlaces(settled, given) };
  },
  pack(state) {
    const known = [DRAWING, ...PHOTOGRAPHS].includes(state.photograph);
    return known ? state : { ...state, photograph: undefined, point: undefined, trace: undefined };
  },
  spell({ kernel_name: name, second_kernel: second, ...given }, { kernels }) {
    const named = second && nameOfKernel(kernels, second, "");
    return {
      ...(name === undefined ? {} : { kernel: name }), ...given,
      ...(second ? { second_kernel: named === YOUR_KERNEL ? second : named } : {}),
    };
  },
});
