// The controls of a function of one's own: its text, and the part of the plane in which it is drawn.

const FARTHEST = 1000; // the ends of a window
const NARROWEST = 0.1; // the least between them

class OwnFunction {
  /** `read(name)` gives the function or the window, `write(changes)` takes what is legal, `said(fault)` what is not. */
  constructor({ read, write, said }) {
    Object.assign(this, { read, write, said });
    const id = uniqueId();
    this.fault = make("div", { class: "x-fault", id: `${id}-fault` });
    this.input = make("input", {
      id, type: "text", class: "x-number x-function", maxlength: 400, spellcheck: "false", autocomplete: "off",
      autocapitalize: "off", enterkeyhint: "done", "aria-describedby": `${id}-help ${id}-fault`,
      on: { input: () => this.take(false), change: () => this.take(true) },
    });
    const help = make("div", { class: "x-note", id: `${id}-help` },
      "+ − * / ^ ( ), sin cos tan exp log sqrt abs tanh, pi, e; 2x and xy are products.");
    const ends = ["x", "y"].flatMap((letter, axis) => ["from", "to"].map((word, end) => this.endField(letter, axis, word, end)));
    this.fields = [this, ...ends];
    this.element = group("x-yours", "Your own function",
      make("div", { class: "x-field" }, make("label", { for: id, class: "x-label" }, "f(x, y) ="), this.input, help),
      make("div", { class: "x-window" }, ...ends.map(({ element }) => element)), this.fault);
  }

  endField(letter, axis, word, end) {
    return new NumberField({
      label: `${capital(letter)} ${word}`, step: 0.5, final: true,
      limits: () => {
        const [low, high] = this.read("window")[axis];
        return end ? [Math.round((low + NARROWEST) * 1e6) / 1e6, FARTHEST] : [-FARTHEST, Math.round((high - NARROWEST) * 1e6) / 1e6];
      },
      read: () => this.read("window")[axis][end],
      write: (value) => {
        const window = structuredClone(this.read("window"));
        window[axis][end] = value;
        this.attempt({ window }, true);
      },
      fault: this.fault,
    });
  }

  /** Write changes if there is something to see; what is wrong otherwise, in a sentence, once it is `final`. */
  attempt(changes, final) {
    this.fault.textContent = "";
    try {
      this.write(changes);
      return true;
    } catch (error) {
      if (!(error instanceof FormulaError)) throw error;
      if (final) this.fault.textContent = `${error.message} The paths are still those of ${this.read("function")}.`;
      if (final) this.said(this.fault.textContent);
      return false;
    }
  }

  take(final) {
    const legal = this.attempt({ function: this.input.value }, final);
    this.input.toggleAttribute("aria-invalid", false);
    if (!legal) this.input.setAttribute("aria-invalid", "true");
  }

  /** Show what is held, except to somebody whose text has a fault or who is typing. */
  show() {
    if (document.activeElement !== this.input && !this.input.hasAttribute("aria-invalid")) this.clear();
  }

  clear() {
    this.input.value = this.read("function");
    this.input.toggleAttribute("aria-invalid", false);
  }
}
