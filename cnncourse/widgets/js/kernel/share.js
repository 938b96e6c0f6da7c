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

const sharing = new Sharing("KernelExplorer", {
  still,
  table: () => ({
    photographs: null,
    kernels: null,
    drawing: "Your drawing",
    photograph: [legal.oneOf(({ photographs }) => [...Object.keys(photographs), DRAWING]), PHOTOGRAPHS[0], "Your own picture"],
    kernel: [must(`a square of side 1, 3, 5 or 7 with weights up to ${LARGEST_WEIGHT} in size`, isKernel),
      ({ kernels }) => kernels["vertical edge"]],
    kernel_name: [legal.oneOf(({ kernels }) => [...Object.keys(kernels), YOUR_KERNEL]), "vertical edge"],
    stride: [legal.whole(1, 4), 1],
    padding: [legal.whole(0, 6), 1],
    mode: [legal.oneOf(MODES), "zeros"],
    view: [legal.oneOf(VIEWS.map(([view]) => view)), "automatic"],
    point: [legal.index(outputShape)],
  }),
  settle(state, given) {
    const { kernels, kernel_name: wish } = state;
    const named = given.kernel === undefined && kernels[given.kernel_name];
    const kernel = named || state.kernel;
    const name = given.kernel === undefined ? wish : nameOfKernel(kernels, kernel, wish);
    const settled = { ...state, kernel, kernel_name: name };
    if (given.point || !state.point) return settled;
    return { ...settled, point: clampAll(state.point, [0, 0], outputShape(settled).map((size) => size - 1)) };
  },
  pack(state) {
    const known = [DRAWING, ...PHOTOGRAPHS].includes(state.photograph);
    return known ? state : { ...state, photograph: undefined, point: undefined };
  },
  spell: ({ kernel_name: name, ...given }) => (name === undefined ? given : { kernel: name, ...given }),
});
