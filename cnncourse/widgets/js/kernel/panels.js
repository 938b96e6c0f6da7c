// The pictures of the further layers, each a stage to point at, and what adds them.

class LayerPanels {
  /** `add(layers)`, `choose(name)` of the second kernel; `stages(layer)` gives what pointing at a picture does. */
  constructor({ add, choose, stages }) {
    this.adder = check("Add layers: ReLU, pooling, a second kernel", add);
    this.second = choice({ label: "Second kernel", onchange: choose });
    this.panels = Object.fromEntries(LAYERS.map((layer) => [layer, this.buildPanel(layer, stages(layer))]));
    this.small = make("div", { class: "x-note" },
      "The output is too small for 2 × 2 pooling: take a smaller stride, or more padding.");
    this.row = make("div", { class: "x-layer-panels" },
      make("div", { class: "x-note" }, "Point at a pixel of any picture: frames show what it depends on, back to the input."),
      ...Object.values(this.panels).map(({ element }) => element));
    this.element = group("x-magnifier x-more-layers", "Layers",
      make("div", { class: "x-adding" }, this.adder.element, this.second.element), this.small, this.row);
  }

  buildPanel(layer, pointing) {
    const range = make("div", { class: "x-note" });
    const made = makeStage(pointing);
    const element = group("x-panel", TITLES[layer], head(TITLES[layer]), made.stage, range);
    return { ...made, range, element, buffer: new PixelBuffer() };
  }

  showControls({ layers: shown, second_kernel: second }, layers, kernels) {
    const names = Object.keys(kernels);
    const name = names.find((each) => sameKernel(kernels[each], second)) ?? YOUR_KERNEL;
    this.adder.box.checked = shown;
    this.second.element.hidden = this.row.hidden = !shown;
    this.small.hidden = !shown || "pool" in layers;
    const offered = names.includes(name) ? names : [...names, name];
    if (this.offered !== offered.length) this.second.offer(offered.map((text) => [text, text]));
    this.offered = offered.length;
    this.second.show(name);
  }

  /** `sheet(canvas)` gives a blank one. */
  paint({ layers, legends, reached, step }, sheet) {
    for (const [layer, { stage, picture, range, element, buffer }] of Object.entries(this.panels)) {
      element.hidden = !(layer in layers);
      if (element.hidden) continue;
      const { height, width } = layers[layer];
      stage.style.aspectRatio = `${width} / ${height}`;
      const blank = sheet(picture);
      paintOutput(blank, layers[layer], legends[layer], buffer);
      if (step !== null) paintUnreached(blank, layers[layer], reached[layer]);
      range.textContent = rangeOf(layers[layer]);
      stage.setAttribute("aria-label", `${TITLES[layer]}, ${height} by ${width}. Arrow keys move the pixel.`);
    }
  }

  mark({ layers, fields }, sheet) {
    for (const [layer, { marks }] of Object.entries(this.panels)) {
      const blank = sheet(marks);
      if (fields[layer]) markBox(blank, layers[layer], fields[layer]);
    }
  }
}
