// The walk of the window over the picture. Its place is { point: [i, j], step }: the output pixel under the window, and the
// product of this window that was added last; `step` is null once the whole output is there.

/** One "product", "pixel" (a whole sum) or "row" (of sums) further. */
function walkOn({ point: [i, j], step }, unit, { rows, columns, k }) {
  const last = k * k - 1;
  const first = unit === "product" ? 0 : last;
  const end = unit === "row" ? columns - 1 : j;
  if (step === null) return { point: [i, end], step: first };
  if (step < last || j < end) return { point: [i, end], step: unit === "product" ? step + 1 : last };
  if (j + 1 < columns) return { point: [i, j + 1], step: first };
  if (i + 1 < rows) return { point: [i + 1, unit === "row" ? end : 0], step: first };
  return { point: [i, j], step: null };
}

/** How many output pixels are there, row by row. */
const reachedBy = ({ point: [i, j], step }, { rows, columns, k }) =>
  step === null ? rows * columns : i * columns + j + (step === k * k - 1 ? 1 : 0);

/** The sum after each product, added in the order of crossCorrelate. */
const runningSums = (products) => {
  let total = 0;
  return products.map((product) => (total += product));
};

/** What playing does next after so many output pixels: two slowly (one if it is large), some faster, then whole rows. */
function unitAfter(pixels, { columns, k }) {
  const slow = k > 3 ? 1 : 2;
  if (pixels < slow) return "product";
  return pixels < slow + Math.min(2 * columns, 96) ? "pixel" : "row";
}

/** Milliseconds that the eye needs. */
const paceOf = (unit, { k }) => ({ product: clamp(4500 / (k * k), 120, 500), pixel: 60, row: 120 })[unit];

/** The buttons of the walk. `read()` and `write(place, quietly)` where it is; `geometry()` of the output. */
class Walk {
  constructor({ read, write: keep, geometry }) {
    Object.assign(this, { read, keep, geometry, pixels: 0 });
    const unit = () => unitAfter(this.pixels, this.geometry());
    this.player = new Player({
      start: () => {
        this.pixels = 0;
        if (this.read().step === null) this.go("product", true);
      },
      next: () => {
        this.go(unit(), true);
        const { step } = this.read();
        if (step === this.geometry().k ** 2 - 1) this.pixels += 1;
        return step !== null;
      },
      pace: () => paceOf(unit(), this.geometry()),
    });
    this.progress = make("span", { class: "x-note" });
    this.whole = button("Whole output", () => this.stand({ step: null }), { title: "Show all pixels again" });
    this.element = group("x-walk x-tools", "The window’s walk", this.player.element,
      button("Next product", () => this.go("product")), button("Next pixel", () => this.go("pixel")),
      button("First pixel", () => this.stand({ point: [0, 0], step: 0 })), this.whole, this.progress);
  }

  go(unit, playing = false) {
    const place = walkOn(this.read(), unit, this.geometry());
    if (playing) this.keep(place, true);
    else this.stand(place);
  }

  stand(place) {
    this.player.pause();
    this.keep({ ...this.read(), ...place }, false);
  }

  show({ place: [layer], at, step, output, reached }) {
    this.whole.setAttribute("aria-disabled", step === null);
    const start = layer === "kernel" ? "this pixel" : `row ${at.i}, column ${at.j}`;
    this.progress.textContent = step === null
      ? `Starts at ${start}.`
      : `${grouped(reached.kernel)} of ${plural(output.rows * output.columns, "value")}`;
  }
}
