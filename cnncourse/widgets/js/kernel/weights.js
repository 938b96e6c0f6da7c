// The kernel's cells: each a text field that also understands arrow keys and dragging.

const LARGEST_WEIGHT = 1000;

const exactWeight = (weight) => {
  const parts = Number(weight.toFixed(4)) === weight ? null : fraction(weight);
  return withMinus(parts ? parts.join("/") : String(weight));
};

class WeightGrid {
  /** `read()` gives the kernel, `write(u, v, weight)` changes one weight; `left()` is called when a cell is left. */
  constructor({ read, write: keep, left }) {
    Object.assign(this, { read, keep, left, cells: [] });
    this.element = make("div", { class: "x-grid", role: "group", "aria-label": "Weights",
      title: "Type a number or a fraction; drag up or down, or press ↑ ↓, to change it" });
    this.fault = make("div", { class: "x-fault", role: "alert" });
  }

  resize(k) {
    if (this.cells.length === k * k) return;
    this.cells = Array.from({ length: k * k }, (_, index) => this.buildCell(Math.floor(index / k), index % k));
    this.element.replaceChildren(...this.cells);
  }

  buildCell(u, v) {
    const exact = () => {
      input.value = exactWeight(this.read()[u][v]);
    };
    const input = make("input", {
      type: "text", class: "x-weight", autocomplete: "off", spellcheck: "false", enterkeyhint: "done",
      "aria-label": `Weight, row ${u + 1}, column ${v + 1}`,
      on: {
        input: () => this.take(input, u, v, false),
        change: () => this.take(input, u, v, true),
        blur: () => this.left(),
        focus: () => {
          exact();
          input.select();
        },
        keydown: (event) => {
          const steps = placeOf(event, { ArrowUp: 1, ArrowDown: -1 });
          if (!steps) return;
          this.nudge(u, v, steps);
          exact();
        },
        dragstart: (event) => event.preventDefault(), // the selected text is not to be moved
      },
    });
    this.scrub(input, (steps) => {
      this.nudge(u, v, steps);
      exact();
    });
    return input;
  }

  /** Drag up or down on a cell to change its weight. */
  scrub(input, nudge) {
    let from = null;
    input.addEventListener("pointerdown", (event) => {
      if (event.button === 0 && event.pointerType !== "touch") from = event.clientY;
    });
    input.addEventListener("pointermove", (event) => {
      if (from === null || !(event.buttons & 1)) return;
      const steps = Math.trunc((from - event.clientY) / 8);
      if (steps === 0) return;
      input.setPointerCapture(event.pointerId);
      from -= steps * 8;
      nudge(steps);
    });
    for (const end of ["pointerup", "pointercancel"]) input.addEventListener(end, () => (from = null));
  }

  nudge(u, v, steps) {
    const kernel = this.read();
    const step = kernel.flat().every(Number.isInteger) ? 1 : 0.05;
    const weight = Math.round((kernel[u][v] + steps * step) * 1e6) / 1e6;
    this.keep(u, v, clamp(weight, -LARGEST_WEIGHT, LARGEST_WEIGHT));
  }

  take(input, u, v, final) {
    const weight = parseNumber(input.value);
    const legal = weight !== null && Math.abs(weight) <= LARGEST_WEIGHT;
    if (legal) this.keep(u, v, weight);
    const kept = weightText(this.read()[u][v]);
    input.toggleAttribute("aria-invalid", false);
    if (!legal && final) {
      this.fault.textContent =
        weight === null
          ? `“${input.value}” is not a number. The weight stays ${kept}.`
          : `A weight lies between ${MINUS}${LARGEST_WEIGHT} and ${LARGEST_WEIGHT}. This one stays ${kept}.`;
      input.value = exactWeight(this.read()[u][v]);
    } else if (legal) this.fault.textContent = "";
    if (!legal && !final) input.setAttribute("aria-invalid", "true");
  }

  show(kernel, tint) {
    const texts = fitAll(kernel.flat(), this.fits, weightText);
    kernel.flat().forEach((weight, index) => {
      const input = this.cells[index];
      const color = tint(weight);
      input.style.backgroundColor = css(color);
      input.style.color = inkOn(color);
      if (document.activeElement !== input) input.value = texts[index];
    });
  }

  /** Find out how much text a cell holds. */
  measure() {
    this.fits = measureRoom(this.cells[0]);
  }
}
