// A table of numbers whose letters fit into its cells.

/** A function that says whether a text fits into an element (in its font), for elements of one line. */
function measureRoom(element) {
  const style = getComputedStyle(element);
  const context = document.createElement("canvas").getContext("2d");
  context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  const room = element.clientWidth;
  const known = new Map();
  return (text) => {
    if (!known.has(text)) known.set(text, context.measureText(text).width <= room);
    return known.get(text);
  };
}

/** A k×k table of numbers, made of plain elements so that no page's table style reaches it. */
class Matrix {
  constructor(label) {
    this.table = make("div", { class: "x-matrix", role: "table", "aria-label": label });
    this.caption = make("div", { class: "x-caption", "aria-hidden": "true" }, label);
    this.element = make("div", { class: "x-matrix-box" }, this.caption, this.table);
    this.cells = [];
  }

  resize(k) {
    if (this.cells.length === k * k) return;
    this.cells = Array.from({ length: k * k }, () => make("div", { class: "x-cell", role: "cell" }));
    const rows = Array.from({ length: k }, (_, u) =>
      make("div", { class: "x-row", role: "row" }, ...this.cells.slice(u * k, (u + 1) * k)),
    );
    this.table.replaceChildren(...rows);
  }

  /** Find out how much text a cell holds, in its usual letters and in small ones. */
  measure() {
    this.table.classList.remove("x-tight");
    this.fits = measureRoom(this.cells[0]);
    this.table.classList.add("x-tight");
    this.fitsTight = measureRoom(this.cells[0]);
  }

  /**
   * Returns whether every number could be shown exactly. `outside` marks the cells of the padding. Cell `now` stands
   * out, for what `mark` says; in a walk, cells after `last` are still blank.
   */
  show(values, { color, text, outside = null, now = null, mark = "now", last = values.length - 1 }) {
    const tight = values.some((value) => !this.fits(format(value, 0)));
    this.table.classList.toggle("x-tight", tight);
    const fits = tight ? this.fitsTight : this.fits;
    const texts = fitAll(values, fits, text);
    values.forEach((value, index) => {
      const cell = this.cells[index];
      const background = color(value);
      const blank = index > last;
      cell.textContent = blank ? "" : texts[index];
      cell.style.backgroundColor = blank ? "" : css(background);
      cell.style.color = inkOn(background);
      cell.classList.toggle("x-now", index === now);
      cell.classList.toggle("x-outside", Boolean(outside?.[index]));
      const words = [outside?.[index] && "padding", index === now && mark, blank && "not added yet"].filter(Boolean);
      if (words.length) cell.setAttribute("aria-label", [texts[index], ...words].slice(blank ? 1 : 0).join(", "));
      else cell.removeAttribute("aria-label");
    });
    return values.every((value, index) => parseNumber(texts[index]) === value);
  }
}
