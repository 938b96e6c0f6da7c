// What of a ShapeExplorer can be said in an address and in Python.

/** The window in the middle. */
function middleStep(settings) {
  const [rows, columns] = bothSides(settings).map(({ windows }) => windows);
  return ((rows - 1) >> 1) * columns + ((columns - 1) >> 1);
}

/** A number for both axes, or a pair. */
function orPair(low, high) {
  const one = legal.whole(low, high);
  const both = legal.each(one, one);
  return (value) => (Array.isArray(value) ? both(value) : one(value) && `${one(value)}, or two of them`);
}

const sharing = new Sharing("ShapeExplorer", {
  still,
  table: () => ({
    input: [orPair(...RANGES.input), 7],
    kernel: [orPair(...RANGES.kernel), 3],
    stride: [orPair(...RANGES.stride), 2],
    padding: [orPair(...RANGES.padding), 1],
    dilation: [orPair(...RANGES.dilation), 1],
    output_padding: [orPair(...RANGES.output_padding), 0],
    view: [legal.oneOf(["forward", "transposed"]), "forward"],
    step: [legal.whole(0, LARGEST_GRID ** 2), middleStep],
    show_counts: [legal.flag, false],
    in_channels: [legal.whole(...CHANNELS), 3],
    out_channels: [legal.whole(...CHANNELS), 16],
    groups: [legal.whole(...CHANNELS), 1],
  }),
  settle: (state, given) =>
    ("step" in given || !["view", ...GEOMETRY].some((name) => name in given) ? state : { ...state, step: middleStep(state) }),
  fault(state) {
    const axis = axesOf(state).find((one) => !fitsTogether(one));
    if (axis) return misfit(axis);
    if (!legalGroups(state.in_channels, state.out_channels).includes(state.groups)) {
      return "groups must divide in_channels and out_channels";
    }
    return state.step > lastStep(state) ? `step must be a whole number from 0 to ${lastStep(state)}` : "";
  },
});
