// Rows of layers: name and kind, output, parameters, multiply-adds, memory, receptive field.

const HEADINGS = ["Layer", "Output", "Parameters", "Multiply-adds", "Memory", "Receptive field"];

function row(cells, role = "cell", look = "") {
  const made = cells.map((content, index) =>
    make("span", { role: index === 0 && role === "cell" ? "rowheader" : role }, ...[content].flat()));
  return make("div", { class: `x-line-of ${look}`, role: "row" }, ...made);
}

const headRow = () => row(HEADINGS, "columnheader", "x-label");

/** The numbers of a layer or a part; with the network, what share of it they are. */
function numberCells(layer, network) {
  return COUNTED.map((what) => {
    const share = network && network[what] ? make("small", { class: "x-share" }, percent(layer[what] / network[what])) : "";
    return [exactly(what, layer[what]), " ", share];
  });
}

/** A layer's row; below a path its name goes on from there. */
function layerRow(layer, { network = null, path = "" } = {}) {
  const within = path !== "" && layer.name.startsWith(`${path}.`);
  const name = [within ? layer.name.slice(path.length + 1) : layer.name, " ", make("small", {}, kindText(layer))];
  return row([name, shapeText(layer.output), ...numberCells(layer, network), fieldText(layer.receptive_field)]);
}

function sumRow(part, network) {
  const name = ["Sum", " ", make("small", {}, layersText(part.layers))];
  const cells = [name, shapeText(part.output), ...numberCells(part, network), fieldText(part.receptive_field)];
  return row(cells, "cell", "x-sum-row");
}
