// What of a LeNetLive can be said in an address and in Python: a picture by its digit, if it is one of the ten.

const sharing = new Sharing("LeNetLive", {
  still,
  table: () => ({
    network: null,
    samples: null,
    own: null,
    image: [legal.whole(0, 9), 3, "Your drawing or picture"],
    centered: [legal.flag, true],
    brush: [legal.number(1, 5), 2.5],
    layer: [legal.oneOf(LAYERS.map(({ name }) => name)), "c3"],
    unit: [legal.index(({ layer }) => [BY_NAME[layer].maps, BY_NAME[layer].side, BY_NAME[layer].side])],
  }),
  settle: (state, given) =>
    (given.unit || !state.unit ? state : { ...state, unit: unitInside(state.layer, state.unit) }),
  pack(state) {
    const digit = state.samples.indexOf(encodeBytes(Uint8Array.from(state.image.flat())));
    return { ...state, image: digit < 0 ? undefined : digit };
  },
  unpack(state) {
    const image = state.image === undefined ? undefined : inRows(decodeBytes(state.samples[state.image]), SIDE);
    return { ...state, image };
  },
});
