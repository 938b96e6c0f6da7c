// What of an ArchitectureExplorer can be said in an address and in Python.

const isModel = (model) => typeof model === "string" && Object.hasOwn(NETWORKS.networks, model);

/** Setting → what is legal for it in a network, if the network is one. */
const SETTING_FAULTS = {
  model: (model) => (isModel(model) ? "" : "one of the networks"),
  input_size: (size, { model }) => (Number.isInteger(size) && formulasFor(model, size) ? "" : legalText(model)),
  width: (width, { model }) => legal.oneOf(widthsOf(model))(width),
  classes: (classes, { model }) => (entryOf(model).any_classes ? legal.whole(...CLASSES) : legal.oneOf([entryOf(model).classes]))(classes),
};

function secondFault(second) {
  const names = Object.keys(SETTING_FAULTS);
  if (!isPlain(second) || !same(Object.keys(second).sort(), [...names].sort())) return `a network with ${names.join(", ")}`;
  const wrong = names.find((name) => SETTING_FAULTS[name](second[name], second));
  return wrong ? `a network whose ${wrong} is ${SETTING_FAULTS[wrong](second[wrong], second)}` : "";
}

/** The name of a layer, or the beginning of one; after # a number that tells apart those that come back. */
function pathFault(path, settings) {
  const plain = typeof path === "string" ? path.split("#")[0] : null;
  const known = plain === "" || (plain && settings && namesOf(entryOf(settings.model)).some((name) => isInside(name, plain)));
  return known ? "" : "a layer or the beginning of its name";
}

const openedFault = (opened, state) =>
  legal.each((path) => pathFault(path, state), (path) => pathFault(path, state.second))(opened);

function layerFault(layer, state) {
  const which = Array.isArray(layer) ? layer[0] : null;
  return legal.each(legal.oneOf([0, 1]), (path) => pathFault(path, which ? state.second : state))(layer);
}

/** A network as short as Python takes it. */
function shortNetwork(network) {
  const own = published(network.model);
  const changed = Object.entries(network).filter(([name, value]) => value !== own[name]);
  return changed.length ? { model: network.model, ...Object.fromEntries(changed) } : network.model;
}

const sharing = new Sharing("ArchitectureExplorer", {
  still,
  table: () => ({
    model: [SETTING_FAULTS.model, Object.keys(NETWORKS.networks)[0]],
    input_size: [SETTING_FAULTS.input_size, ({ model }) => published(model).input_size],
    width: [SETTING_FAULTS.width, ({ model }) => published(model).width],
    classes: [SETTING_FAULTS.classes, ({ model }) => published(model).classes],
    second: [legal.orNull(secondFault), null],
    opened: [openedFault, ["", ""]],
    layer: [legal.orNull(layerFault), null],
    bars: [legal.oneOf(Object.keys(QUANTITIES)), "multiply_adds"],
  }),
  settle(state, given) {
    const settled = { ...state, ...("model" in given ? published(state.model) : {}), ...given };
    const other = "model" in given || "second" in given;
    return other ? { ...settled, opened: given.opened ?? ["", ""], layer: given.layer ?? null } : settled;
  },
  spell: (given) => (given.second ? { ...given, second: shortNetwork(given.second) } : given),
});
