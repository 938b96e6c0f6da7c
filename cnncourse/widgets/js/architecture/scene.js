// What is shown, from the state alone: for a screen and for paper.

/** The settings of the first network and, if there is one, of the second, made legal. */
function settingsOf({ second, ...state }) {
  return [state, ...(second ? [second] : [])].map(legalSettings);
}

/** All that is shown: the networks, how each is drawn, what is held. */
function sceneOf(state, width, measure = measured) {
  const networks = settingsOf(state).map(measure);
  const largest = Math.max(...networks.map(({ settings }) => settings.input_size));
  const drawings = networks.map((network, which) => {
    const { input_size: side, model } = network.settings;
    const opened = partAt(network, state.opened[which]) ? state.opened[which] : "";
    const parts = partsOf(network, opened, mostParts(width));
    const highest = opened ? Math.max(...parts.map((part) => part.side)) : largest;
    const input = opened ? null : { side, channels: entryOf(model).channels };
    return { parts, opened, largest: highest, bars: state.bars, input };
  });
  const longest = Math.max(1, ...drawings.flatMap(({ parts }) => parts.map((part) => part[state.bars])));
  for (const drawing of drawings) drawing.longest = longest;
  const scene = { networks, drawings, bars: state.bars };
  return { ...scene, held: heldIn(scene, state.layer) };
}

/** [network, path] of what is held: what the state says if it is there, else the part with most multiply-adds. */
function heldIn(scene, layer) {
  if (layer?.[1] && scene.networks[layer[0]] && heldPart(scene, layer)) return layer;
  const which = layer && scene.networks[layer[0]] ? layer[0] : 0;
  const costliest = scene.drawings[which].parts.reduce((most, part) => (part.multiply_adds > most.multiply_adds ? part : most));
  return [which, costliest.path];
}

const heldPart = ({ networks, drawings }, [which, path]) =>
  drawings[which].parts.find((part) => part.path === path) ?? partAt(networks[which], path);

const usedCategories = (networks) =>
  CATEGORIES.map((_, index) => index)
    .filter((index) => networks.some(({ layers }) => layers.some(({ category }) => category === index)));

/** What stands beside a network's name: how many layers are drawn of which input, or of which part. */
function headOf({ settings: { input_size: size }, layers }, opened) {
  const count = plural(calledOf(layers).filter(({ name }) => isInside(name, opened)).length, "layer");
  return opened ? `${opened}, ${count}` : `${count}, input ${size} × ${size}`;
}
