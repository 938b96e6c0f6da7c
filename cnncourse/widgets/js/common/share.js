// Sharing a state: as an address, as Python, as a picture.

const LONGEST_STATE = 4000; // letters in an address

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/**
 * What of an explorer's state can be said in an address and in Python.
 *
 *   python    the name of its class
 *   table()   each trait → [what is legal for it, its first value in Python or a function of the state for that, and what
 *             it is called if it cannot always be said]; or, if it is never said, what it is called, null if it cannot
 *             be changed. What another trait is checked against comes before it
 *   settle(state, given)   the state with what follows from what is given
 *   fault(state)   why its values do not fit together, as a sentence, or ""
 *   pack(state), unpack(state)   values as they are said, undefined if they cannot be; and back
 *   spell(given)   what is given as Python is told it
 *   still(state)   its picture
 */
class Sharing {
  constructor(python, { table, still, settle = (state) => state, fault = () => "", ...more }) {
    const itself = (state) => state;
    Object.assign(this, { python, makeTable: table, still, settle, fault, pack: itself, unpack: itself, spell: itself }, more);
  }

  get table() {
    this.made ??= this.makeTable();
    return this.made;
  }

  /** The names that can be said. */
  get names() {
    return Object.keys(this.table).filter((name) => Array.isArray(this.table[name]));
  }

  /** All that a model holds. */
  stateOf(model) {
    return Object.fromEntries(Object.keys(this.table).map((name) => [name, model.get(name)]));
  }

  /** What a new explorer has in Python. */
  first(state) {
    const packed = { ...this.pack(state) };
    for (const name of this.names) {
      const value = this.table[name][1];
      packed[name] = typeof value === "function" ? value(packed) : value;
    }
    return packed;
  }

  /** The packed state to which what is given leads from another one, and with `check` why not. */
  reached(given, from, check = false) {
    let [state, taken] = [from, {}];
    for (const name of this.names.filter((known) => Object.hasOwn(given, known))) {
      const words = check ? this.table[name][0](given[name], state) : "";
      if (words) throw new Error(`${name} must be ${words}`);
      taken = { ...taken, [name]: given[name] };
      state = this.settle({ ...state, [name]: given[name] }, taken);
    }
    const fault = check ? this.fault(state) : "";
    if (fault) throw new Error(fault);
    return state;
  }

  /** The least that must be said to come from one packed state to another. */
  least(state, from) {
    let given = Object.fromEntries(this.names.map((name) => [name, state[name]]).filter(([, value]) => value !== undefined));
    const target = this.reached(given, from);
    for (const name of Object.keys(given)) {
      const { [name]: dropped, ...rest } = given;
      const reached = this.reached(rest, from);
      if (this.names.every((each) => same(reached[each], target[each]))) given = rest;
    }
    return given;
  }

  /** What an address says about a state, where it differs from that of the page. */
  write(state, initial) {
    return this.least(this.pack(state), this.pack(initial));
  }

  /** What a page of its own needs to be told, which begins as Python does. */
  writeAlone(state) {
    return this.least(this.pack(state), this.first(state));
  }

  /** What an address says, and the state of the page → what the address changes. */
  read(text, initial) {
    if (text.length > LONGEST_STATE) throw new Error("it is too long");
    let given = null;
    try {
      given = JSON.parse(text);
    } catch {
      throw new Error("it is not JSON");
    }
    if (!isPlain(given)) throw new Error("it must hold names with their values");
    const unknown = Object.keys(given).find((name) => !this.names.includes(name));
    if (unknown !== undefined) throw new Error(`the explorer has no “${unknown.slice(0, 40)}”`);
    const state = this.unpack(this.reached(given, this.pack(initial), true));
    return Object.fromEntries(this.names.map((name) => [name, state[name] === undefined ? initial[name] : state[name]]));
  }

  /** What belongs to a state and is never said, or cannot be. */
  leftOut(state, initial) {
    const packed = this.pack(state);
    const entries = Object.entries(this.table).filter(([, entry]) => entry);
    const lost = entries.filter(([name, entry]) =>
      (Array.isArray(entry) ? packed[name] === undefined && entry[2] : !same(state[name], initial[name])));
    return lost.map(([, entry]) => (Array.isArray(entry) ? entry[2] : entry));
  }

  /** Python that makes an explorer with this state. */
  code(state, initial) {
    const given = Object.entries(this.spell(this.writeAlone(state), state));
    const missing = this.leftOut(state, initial).map((what) => `# ${what} is not part of this.`);
    const call = inBrackets(`${this.python}(`, given.map(([name, value]) => [`${name}=`, value]), ")", 0);
    return [`from cnncourse.widgets import ${this.python}`, "", ...missing, call, ""].join("\n");
  }
}

const LINE = 100; // letters of a line of Python

/** Python's literal of a value, in lines that are not too long; `indent` and `start` stand before it. */
function literal(value, indent = 0, start = "") {
  if (Array.isArray(value)) return inBrackets(`${start}[`, value.map((item) => ["", item]), "]", indent);
  if (isPlain(value)) {
    return inBrackets(`${start}{`, Object.entries(value).map(([name, item]) => [`${JSON.stringify(name)}: `, item]), "}", indent);
  }
  const written = JSON.stringify(value);
  return start + ({ true: "True", false: "False", null: "None" }[written] ?? written);
}

/** Items with what stands before each, between two brackets: in one line if that is short enough, else each in its own. */
function inBrackets(open, items, close, indent) {
  const written = items.map(([start, item]) => literal(item, indent + 4, start));
  const line = `${open}${written.join(", ")}${close}`;
  if (indent + line.length < LINE && !line.includes("\n")) return line;
  const [inside, outside] = [" ".repeat(indent + 4), " ".repeat(indent)];
  return `${open}\n${written.map((text) => `${inside}${text},\n`).join("")}${outside}${close}`;
}

/** A picture in SVG → PNG, twice as fine, on white. */
async function pngOf(svg) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const [width, height] = [2 * image.width, 2 * image.height];
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, width, height);
  context.drawImage(image, 0, 0, width, height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

/**
 * The control for it. In a page `model.page` holds { key, initial, alone }: the explorer's name in the address, the state
 * of the page, and where the page with this explorer alone lies, null if this is it. In a notebook there is none.
 */
class Sharer {
  constructor({ model, name, sharing, initial, spoken, stops }) {
    Object.assign(this, { model, name, sharing, spoken, page: model.page ?? null });
    this.initial = this.page?.initial ?? { ...sharing.stateOf(model), ...initial };
    this.note = make("p", { class: "x-note" });
    this.said = make("p", { class: "x-done" });
    this.field = make("textarea", { class: "x-copied", readonly: true, rows: 4, hidden: true });
    const alone = this.page?.alone && make("a", { class: "x-button" }, "Open alone");
    this.alone = alone || null;
    const summary = make("summary", { class: "x-button", title: "Copy or save this state" },
      make("span", hidden, "↗"), make("span", { class: "x-word" }, "Share"));
    const close = () => {
      this.element.open = false;
    };
    this.element = make("details", { class: "x-sharing", on: {
      toggle: () => this.show(true),
      keydown: ({ key }) => {
        if (key !== "Escape" || !this.element.open) return;
        close();
        summary.focus();
      },
      focusout: ({ relatedTarget }) => relatedTarget && !this.element.contains(relatedTarget) && close(),
    } }, summary, group("x-sharing-panel", "Share",
      ...(this.page ? [button("Copy link", () => this.copy("The address of this state", this.address()))] : []),
      button("Copy as Python", () => this.copy("Python for this state", sharing.code(this.state, this.initial))),
      button("Save picture", () => this.save()),
      ...(alone ? [alone] : []), this.note, this.said, this.field));
    const elsewhere = (event) => event.composedPath().includes(this.element) || close();
    document.addEventListener("pointerdown", elsewhere);
    stops.push(() => document.removeEventListener("pointerdown", elsewhere));
  }

  get state() {
    return this.sharing.stateOf(this.model);
  }

  /** The address of a page with what is given for this explorer; what it says of others stays. */
  address(page = location.href, key = this.page.key, given = this.sharing.write(this.state, this.initial)) {
    const url = new URL(page);
    if (Object.keys(given).length) url.searchParams.set(key, JSON.stringify(given));
    else url.searchParams.delete(key);
    return url.href;
  }

  /** While it is open, it follows the state. */
  show(toggled = false) {
    if (toggled) this.say("");
    if (!this.element.open) return;
    const missing = this.sharing.leftOut(this.state, this.initial);
    const where = this.page ? "neither a link nor the Python code holds it" : "the Python code does not hold it";
    this.note.textContent = missing.map((what) => `${what} stays here: ${where}.`).join(" ");
    if (this.alone) this.alone.href = this.address(this.page.alone, this.name, this.sharing.writeAlone(this.state));
  }

  say(sentence, text = null) {
    this.said.textContent = sentence;
    if (sentence) this.spoken.say(sentence);
    this.field.hidden = text === null;
    if (text === null) return;
    this.field.value = text;
    this.field.setAttribute("aria-label", sentence);
    this.field.focus();
    this.field.select();
  }

  async copy(what, text) {
    try {
      await navigator.clipboard.writeText(text);
      this.say(`${what} was copied.`);
    } catch {
      this.say(`${what} could not be copied by itself: copy it from this field.`, text);
    }
  }

  async save() {
    const url = URL.createObjectURL(await pngOf(this.sharing.still(this.state)));
    make("a", { href: url, download: `${this.name}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    this.say(`The picture was saved as ${this.name}.png.`);
  }
}
