// ArchitectureExplorer on a screen.

const FIRST = ["model", "input_size", "width", "classes"];
const SHOWN_ROWS = 5; // of the layers of a part

class ArchitectureView extends View {
  constructor(model) {
    const watched = Object.fromEntries([...FIRST, "second"].map((name) => [name, "networks"]));
    super(model, {
      name: "architecture", title: "Architecture explorer",
      watched: { ...watched, opened: "parts", layer: "held", bars: "parts" },
    });
    this.known = new Map();
    this.star = null; // the network of the map that is pointed at
    this.target = 0; // which network a click on the map chooses
  }

  /** A network's layers; those of the last few settings are kept. */
  measured(settings) {
    const key = JSON.stringify(settings);
    const found = this.known.get(key) ?? measured(settings);
    this.known.delete(key);
    this.known.set(key, found);
    if (this.known.size > 6) this.known.delete(this.known.keys().next().value);
    return found;
  }

  // What a person does ..........................................................................................

  settings(which) {
    return settingsOf(this.state)[which];
  }

  /** Change one of the networks; what was opened of it stays only while it is the same network. */
  change(which, changes) {
    this.preview = null;
    if (which === 0) this.set(changes);
    else if (this.get("second")) this.set({ second: { ...this.settings(1), ...changes } });
  }

  choose(which, name) {
    this.preview = null;
    this.controls[which].fault.textContent = "";
    const layer = this.get("layer")?.[0] === which ? null : this.get("layer");
    const kept = { opened: this.openedWith(which, ""), layer };
    if (name === NONE) {
      this.target = 0;
      this.set({ second: null, ...kept });
    } else {
      const before = this.settings(which);
      const taken = before ? moved(before, name) : published(name);
      this.set({ ...kept, ...(which === 0 ? taken : { second: taken }) });
    }
  }

  openedWith(which, path) {
    return this.get("opened").map((old, index) => (index === which ? path : old));
  }

  hold(layer, opened = this.get("opened")) {
    this.preview = null;
    this.speakPart = true;
    this.set({ opened, layer });
  }

  open(which, path) {
    this.hold([which, ""], this.openedWith(which, path));
  }

  back(which) {
    const { opened } = this.scene.drawings[which];
    this.hold([which, opened], this.openedWith(which, pathOf(opened, depthOf(opened) - 1)));
  }

  /** The path that the part leads to, if more of it can be seen; else null. */
  canOpen([which, path]) {
    const plain = path.replace(/#\d+$/, "");
    const part = partAt(this.scene.networks[which], plain);
    const inside = part && calledOf(part.layers).length > 1 && plain !== this.scene.drawings[which].opened;
    return inside ? plain : null;
  }

  reset() {
    Object.assign(this, { star: null, target: 0 });
  }

  // Elements ....................................................................................................

  build() {
    this.idea = make("p", { class: "x-note x-idea" });
    this.controls = [0, 1].map((which) => new NetworkControls({
      nth: which ? "second" : "", none: which ? "nothing" : null,
      write: (changes) => this.change(which, changes), choose: (name) => this.choose(which, name),
      more: which ? [this.idea] : [this.resetButton()],
    }));
    this.fields = this.controls.flatMap(({ fields }) => fields);
    this.drawn = [0, 1].map((which) => this.buildDrawing(which));
    this.bars = segments({
      label: "Bars show", options: Object.entries(QUANTITIES), onchange: (bars) => this.set({ bars }),
    });
    return [
      ...this.controls.flatMap(({ element, fault }) => [element, fault]),
      ...this.drawn.map(({ element }) => element),
      make("div", { class: "x-below" }, this.bars.element, make("div", {}, ...holdHints(
        "Point at a block or a stage; a click holds it, a double click opens it.", "Tap a block or the name of a stage.")),
        this.buildLegend()),
      this.buildPart(),
      this.buildTotals(),
      this.buildMap(),
    ];
  }

  buildDrawing(which) {
    const made = makeStage({
      onpoint: (share, event) => this.onPoint(which, share, event),
      onleave: () => this.look(null),
      onkey: (event) => this.onKey(which, event),
    });
    made.stage.style.aspectRatio = "auto";
    made.stage.style.height = `${BLOCKS_HEIGHT}px`;
    made.stage.addEventListener("dblclick", () => {
      const path = this.canOpen(this.pointed());
      if (path) this.open(which, path);
    });
    made.title = make("span", { class: "x-title" });
    made.size = make("span", { class: "x-size" });
    made.back = button("◀ Back", () => this.back(which), { class: "x-button x-small" });
    made.element = group("x-drawing", which ? "Blocks, second" : "Blocks",
      make("div", { class: "x-head" }, made.title, make("span", { class: "x-tail" }, made.size, made.back)), made.stage);
    return made;
  }

  buildLegend() {
    this.swatches = CATEGORIES.map((category, index) => {
      const canvas = make("canvas", { class: "x-kind", width: 24, height: 24, ...hidden });
      return { canvas, index, element: make("span", { class: "x-kind-name" }, canvas, category) };
    });
    return make("div", { class: "x-kinds x-note" }, ...this.swatches.map(({ element }) => element));
  }

  buildPart() {
    this.partTitle = make("span");
    this.opener = button("", () => {
      const path = this.canOpen(this.scene.held);
      if (path) this.open(this.scene.held[0], path);
    }, { class: "x-button x-small" });
    this.rows = make("div", { class: "x-rows", role: "table", "aria-label": "Layers of the part that is pointed at" });
    this.more = make("div", { class: "x-note x-more" });
    this.list = make("div", { class: "x-rows x-scroll", role: "table", tabindex: "0", "aria-label": "All layers" });
    this.listed = make("summary", {});
    this.details = make("details", { class: "x-all", on: { toggle: () => this.ask() } }, this.listed, this.list);
    return group("x-magnifier x-part", "Part",
      head(this.partTitle, this.opener), this.rows, this.more, this.details);
  }

  buildTotals() {
    this.totals = makeStage({});
    this.totals.stage.style.aspectRatio = "auto";
    this.verdict = make("p", { class: "x-sentence" });
    return group("x-magnifier x-totals", "Totals", head("Totals, and where they sit"), this.totals.stage, this.verdict);
  }

  buildMap() {
    this.chart = makeStage({
      onpoint: (share, event) => this.onMap(share, event),
      onleave: () => this.seek(null),
      onkey: (event) => this.onMapKey(event),
    });
    this.chooser = segments({
      label: "A click chooses", options: [[0, "the first"], [1, "the second"]], onchange: (which) => {
        this.target = which;
        this.paint();
      },
    });
    this.dotText = make("p", { class: "x-note x-dot" });
    return group("x-magnifier x-map", "Map",
      head("All networks, as published", ...hints("Point at a network; a click takes it.", "Tap a network to take it.")),
      this.chooser.element, this.chart.stage, this.dotText);
  }

  // Pointing ....................................................................................................

  pointed() {
    return this.preview ?? this.scene.held;
  }

  heldPlace() {
    return this.get("layer"); // the scene follows once the event is over
  }

  onPoint(which, [down, across], event) {
    const { clientWidth, clientHeight } = this.drawn[which].stage;
    const path = pathUnder(this.scene.drawings[which], clientWidth, across * clientWidth, down * clientHeight);
    if (path !== null) this.hover([which, path], event);
    else if (event.type === "pointermove") this.look(null);
  }

  onKey(which, event) {
    const drawing = this.scene.drawings[which];
    const paths = drawing.parts.map((part) => part.path);
    const held = this.scene.held[0] === which ? this.scene.held[1] : heldIn(this.scene, [which, ""])[1];
    const at = paths.indexOf(held);
    const stages = drawing.parts.map(({ path }) => stageOf(path, drawing.opened));
    const first = stages.indexOf(at < 0 ? held : stages[at]);
    const after = (index) => stages.findIndex((stage, other) => other > index && stage !== stages[index]);
    const path = placeOf(event, {
      ArrowLeft: at < 0 ? stages[first - 1] : paths[at - 1], ArrowRight: at < 0 ? stages[after(first)] : paths[at + 1],
      ArrowUp: at < 0 ? held : stages[at], ArrowDown: at < 0 ? paths[Math.max(0, first)] : held,
      Home: paths[0], End: paths.at(-1), Enter: "open", Backspace: "back",
    });
    if (path === "open") {
      const deeper = this.canOpen([which, held]);
      if (deeper) this.open(which, deeper);
    } else if (path === "back") {
      if (drawing.opened) this.back(which);
    } else if (path !== undefined) this.hold([which, path]);
  }

  /** The network of the map that is looked at. */
  seek(model) {
    if (model === this.star) return;
    this.star = model;
    this.paint();
  }

  onMap([down, across], event) {
    const { clientWidth: width, clientHeight: height } = this.chart.stage;
    const found = dotsUnder(this.dots, width, height, across * width, down * height);
    if (event.type !== "pointerdown") this.seek(found[0]?.model ?? null);
    else if (found.length) {
      const now = found.findIndex(({ model }) => model === this.settings(this.target)?.model);
      this.take(found[(now + 1) % found.length].model); // a second click takes what lies below
    }
  }

  onMapKey(event) {
    const now = this.star ?? this.settings(this.target).model;
    const step = (what, by) => {
      const order = [...this.dots].sort((a, b) => a[what] - b[what] || a.model.localeCompare(b.model));
      return order[clamp(order.findIndex(({ model }) => model === now) + by, 0, order.length - 1)].model;
    };
    const found = placeOf(event, {
      ArrowLeft: step("multiply_adds", -1), ArrowRight: step("multiply_adds", 1),
      ArrowDown: step("parameters", -1), ArrowUp: step("parameters", 1),
      Home: step("multiply_adds", -Infinity), End: step("multiply_adds", Infinity), Enter: "take", " ": "take",
    });
    if (found === "take") this.take(now);
    else if (found) {
      this.seek(found);
      this.spoken.say(this.dotSentence(found));
    }
  }

  take(model) {
    this.choose(this.target, model);
  }

  dotSentence(model) {
    const { clientWidth: width, clientHeight: height } = this.chart.stage;
    const found = this.dots.find((each) => each.model === model);
    return dotSentence(found, neighborsOf(this.dots, found, width, height));
  }

  // From the model to the screen ................................................................................

  answer() {
    const { networks, parts, held } = this.revision;
    this.width = this.root.clientWidth || 736;
    if (this.outdated("scene", networks, parts, held, mostParts(this.width))) {
      this.scene = sceneOf(this.state, this.width, (settings) => this.measured(settings));
    }
    if (this.outdated("state", networks)) this.tell();
    const { networks: shown, held: now } = this.scene;
    if (this.speakPart) this.spoken.say(partSentence(shown[now[0]], heldPart(this.scene, now)));
    this.speakPart = false;
  }

  tell() {
    const [network, second] = this.scene.networks;
    const { settings, layers, parameters, multiply_adds, activation_bytes } = network;
    this.root.dataset.state = JSON.stringify({
      ...settings,
      layers: layers.map((layer) => ({
        name: layer.name, output: layer.output, parameters: layer.parameters, multiply_adds: layer.multiply_adds,
        activation_bytes: layer.activation_bytes, receptive_field: layer.receptive_field,
      })),
      parameters, multiply_adds, activation_bytes,
      second: second ? { ...second.settings, ...totalsOf(second.layers) } : null,
    });
    const words = this.scene.networks.map(summarySentence);
    this.spoken.say([...words, ...(second ? [compareSentence(this.scene.networks)] : [])].join(" "));
  }

  /** Words come before pictures: a stage that is measured after each change would have the page laid out as often. */
  show() {
    const { networks, parts, look } = this.revision;
    const chosen = this.scene.networks.map(({ settings: { model } }) => model);
    const drawn = this.outdated("drawings", networks, parts, look);
    const pointed = this.outdated("part", networks, parts, look, this.pointed());
    if (this.outdated("kinds", look)) this.showKinds();
    if (drawn) {
      this.showControls();
      this.showHeads();
    }
    if (pointed) this.showPart();
    this.showList();
    if (drawn) this.paintNetworks();
    if (pointed) this.paintMarks();
    if (this.outdated("map", chosen, look, this.star, this.target)) this.showMap(chosen);
  }

  showKinds() {
    const style = getComputedStyle(this.root);
    this.palette.kinds = KIND_COLORS.map((color, index) => readColor(style.getPropertyValue(`--x-kind-${index + 1}`), color));
    for (const { canvas, index } of this.swatches) {
      const context = canvas.getContext("2d");
      context.setTransform(2, 0, 0, 2, 0, 0);
      paintSwatch({ context, palette: this.palette }, index);
    }
  }

  showControls() {
    const { networks } = this.scene;
    this.controls.forEach((controls, which) => controls.show(networks[which]?.settings ?? null));
    this.bars.show(this.get("bars"));
    this.chooser.element.hidden = networks.length < 2;
    this.chooser.show(this.target);
    const [title, idea] = ideaOf(networks[0]);
    this.idea.hidden = networks.length > 1;
    this.idea.replaceChildren(make("b", {}, `${title}: `), idea);
    const used = usedCategories(networks);
    for (const { element, index } of this.swatches) element.hidden = !used.includes(index);
  }

  /** What stands above and beside the pictures. */
  showHeads() {
    const { networks, drawings } = this.scene;
    this.drawn.forEach(({ element, stage, title, size, back }, which) => {
      const [network, drawing] = [networks[which], drawings[which]];
      element.hidden = !network;
      if (!network) return;
      title.textContent = titleOf(network.settings);
      size.textContent = headOf(network, drawing.opened);
      back.hidden = !drawing.opened;
      stage.setAttribute("aria-label", `Blocks of ${titleOf(network.settings)}, ${plural(drawing.parts.length, "part")}. ` +
        "Arrow keys choose one, Enter opens it, Backspace goes back.");
    });
    const { stage } = this.totals;
    stage.style.height = `${totalsHeight(networks.length, this.width)}px`;
    stage.setAttribute("aria-label", networks.flatMap((network) => [summarySentence(network), whereSentence(network)]).join(" "));
    this.verdict.textContent = networks.length > 1 ? compareSentence(networks) : whereSentence(networks[0]);
  }

  paintNetworks() {
    const { networks, drawings } = this.scene;
    drawings.forEach((drawing, which) => paintBlocks(this.sheet(this.drawn[which].picture, { scaled: true }), drawing));
    paintTotals(this.sheet(this.totals.picture, { scaled: true }), networks);
  }

  paintMarks() {
    const [which, path] = this.pointed();
    this.scene.drawings.forEach((drawing, other) => {
      const sheet = this.sheet(this.drawn[other].marks, { scaled: true });
      if (other === which) paintPointed(sheet, drawing, path);
    });
  }

  showPart() {
    const [which, path] = this.pointed();
    const part = heldPart(this.scene, [which, path]);
    const layers = calledOf(part.layers);
    const several = this.scene.networks.length > 1;
    this.partTitle.textContent = `${several ? `${titleOf(this.scene.networks[which].settings)}: ` : ""}${path}`;
    const shown = layers.length > SHOWN_ROWS ? layers.slice(0, SHOWN_ROWS - 1) : layers;
    const network = part.layers.length === 1 ? this.scene.networks[which] : null;
    const above = network ? pathOf(path, depthOf(path) - 1) : path;
    const rows = shown.map((layer) => layerRow(layer, { network, path: above }));
    const sum = part.layers.length > 1 ? [sumRow(part, this.scene.networks[which])] : [];
    this.rows.replaceChildren(headRow(), ...sum, ...rows);
    const rest = layers.length - shown.length;
    this.more.textContent = rest ? `and ${plural(rest, "more layer")}.` : "";
    this.opener.textContent = `Open these ${layers.length} layers`;
    this.opener.style.visibility = this.canOpen([which, path]) && !this.preview ? "" : "hidden";
  }

  showMap(chosen) {
    this.dots ??= allNetworks();
    paintMap(this.sheet(this.chart.picture, { scaled: true }), { dots: this.dots, chosen, pointed: this.star });
    const sentence = this.dotSentence(this.star ?? chosen[this.target] ?? chosen[0]);
    this.dotText.textContent = sentence;
    const map = `Map of ${plural(this.dots.length, "network")}, parameters against multiply-adds.`;
    this.chart.stage.setAttribute("aria-label", `${map} ${sentence} Arrow keys go to the next, Enter takes it.`);
  }

  /** All layers of the network of which something is held; made when they are to be seen. */
  showList() {
    const { layers, settings } = this.scene.networks[this.scene.held[0]];
    this.listed.textContent = `All ${plural(layers.length, "layer")} of ${titleOf(settings)}`;
    if (this.details.open && this.outdated("list", settings)) {
      this.list.replaceChildren(headRow(), ...layers.map((layer) => layerRow(layer)));
    }
  }
}

const render = ({ model, el }) => new ArchitectureView(model).begin(el);
