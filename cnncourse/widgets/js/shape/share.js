// What of a ShapeExplorer can be said in an address and in Python.

const middleStep = (settings) => ((sides(settings).windows - 1) >> 1) * (sides(settings).windows + 1);

const sharing = new Sharing("ShapeExplorer", {
  still,
  table: () => ({
    input: [legal.whole(...RANGES.input), 7],
    kernel: [legal.whole(...RANGES.kernel), 3],
    stride: [legal.whole(...RANGES.stride), 2],
    padding: [legal.whole(...RANGES.padding), 1],
    dilation: [legal.whole(...RANGES.dilation), 1],
    view: [legal.oneOf(["forward", "transposed"]), "forward"],
    step: [legal.whole(0, LARGEST_GRID ** 2), middleStep],
    show_counts: [legal.flag, false],
    in_channels: [legal.whole(...CHANNELS), 3],
    out_channels: [legal.whole(...CHANNELS), 16],
  }),
  settle: (state, given) =>
    ("step" in given || !["view", ...GEOMETRY].some((name) => name in given) ? state : { ...state, step: middleStep(state) }),
  fault(state) {
    if (!fitsTogether(state)) return misfit(state);
    return state.step > lastStep(state) ? `step must be a whole number from 0 to ${lastStep(state)}` : "";
  },
});
