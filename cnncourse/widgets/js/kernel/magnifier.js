// The magnifier: window, weights and products of the pixel that is pointed at, and its value.

class Magnifier {
  /** `move(axis, index)` goes to another row (axis 0) or column (1); `walk` is the element with the buttons of the walk. */
  constructor({ move, walk }) {
    this.sliders = ["Output row", "Output column"].map((label, axis) =>
      slider({ label, min: 0, max: 1, oninput: (index) => move(axis, index) }));
    this.matrices = ["Window", "Weights", "Products"].map((label) => new Matrix(label));
    const [windowed, weighted, products] = this.matrices.map(({ element }) => element);
    this.operands = [operator("×"), weighted, operator("="), products];
    this.grids = make("div", { class: "x-panels x-matrices" }, windowed, ...this.operands);
    this.place = make("span");
    this.value = make("span", { class: "x-value" });
    this.aside = make("span", { class: "x-muted" });
    this.field = make("div", { class: "x-note" });
    const pointing = make("div", { class: "x-pointing" }, ...this.sliders.map(({ element }) => element));
    this.element = group("x-magnifier", "One output pixel",
      head("One output pixel", ...holdHints(
        "Point at the output; a click holds the pixel, arrow keys move it.", "Tap a pixel of the output.")),
      walk, pointing, this.grids, make("p", { class: "x-sum" }, this.place, this.value, this.aside), this.field);
  }

  /** Lay out the grids that a pixel of this layer has, `side` cells beside one another, and find out how much text they hold. */
  layOut(layer, side) {
    this.grids.hidden = layer === "relu";
    for (const part of this.operands) part.hidden = layer === "pool";
    this.grids.style.setProperty("--k", Math.max(side, 3));
    for (const matrix of this.matrices) matrix.resize(side);
    for (const matrix of this.matrices) matrix.measure();
  }

  show(scene, state, palette) {
    const { place: [layer, ...at], output } = scene;
    const { rows, columns } = sizeOfLayer(layer, output);
    [rows, columns].forEach((size, axis) => this.sliders[axis].show(at[axis], size - 1));
    const exact = this.showGrids(scene, state, palette);
    const { before, value, number } = wordsOn(scene, state);
    const rounded = !exact || Math.abs(Number(number.toFixed(4)) - number) > 1e-9;
    this.place.textContent = before;
    this.value.textContent = value;
    this.aside.textContent = (rounded ? " (rounded for display)" : "") + (isAdding(scene) ? "" : clippedWords(scene));
    this.field.textContent = fieldWords(scene, state);
  }

  /** Returns whether every number could be shown exactly. */
  showGrids({ place: [layer], pixel: { patch, products, outside, value }, step, legends }, state, palette) {
    const [windowed, weighted, multiplied] = this.matrices;
    const cells = patch.flat();
    const largest = layer === "pool" ? { now: cells.indexOf(value), mark: "largest" } : {};
    const now = step === null ? largest : { now: step };
    windowed.show(cells, { color: cellColor(palette, layer, legends.kernel), text: fit, outside, ...now });
    if (!products) return true;
    const weights = (layer === "second" ? state.second_kernel : state.kernel).flat();
    weighted.show(weights, { color: tintOf(palette, weights), text: weightText, ...now });
    const last = step ?? products.length;
    return multiplied.show(products, { color: tintOf(palette, products), text: fit, ...now, last });
  }
}

/** The color of a cell of the window: that of the picture it lies on. */
function cellColor(palette, layer, legend) {
  if (layer === "kernel") return (pixel) => [pixel, pixel, pixel];
  return (value) => shade(palette, legend.view, shareOf(value, legend));
}
