// What of an AttentionExplorer can be said in an address and in Python.

const placeFault = legal.whole(1, GRID);

const sharing = new Sharing("AttentionExplorer", {
  still,
  table: () => ({
    samples: null,
    own: null,
    drawing: "Your drawing",
    picture: [legal.oneOf(({ samples }) => [...Object.keys(samples), "drawing"]), "ankle boot 1", "Your own picture"],
    brush: [legal.number(1, 9), 3],
    layer: [legal.whole(1, LAYERS), 2],
    head: [legal.oneOf(ROWS), 1],
    patch: [(patch) => (patch === "class token" ? "" : legal.each(placeFault, placeFault)(patch)), [4, 4]],
    numbers: [legal.flag, false],
  }),
  pack: (state) => (state.picture === YOUR_PICTURE ? { ...state, picture: undefined } : state),
});
