// Typesets one TeX formula with MathJax, without a browser: TeX → SVG and MathML, both as strings.
//
// Runs in V8 after the MathJax components that typeset.py lists. The SVG is made small, for pages with many formulas:
// a glyph is a <use> of a path that the page defines once, and what only MathJax in a browser needs (data-*
// attributes, empty groups) is left out. Lengths are in thousandths of the formula's font size.

const { mathjax, adaptors, handlers, input, output, a11y, core } = MathJax._;
const adaptor = adaptors.liteAdaptor.liteAdaptor();
handlers.html_ts.RegisterHTMLHandler(adaptor);

const PACKAGES = [
  "base", "ams", "amscd", "bbox", "boldsymbol", "braket", "cancel", "cases", "centernot", "color", "colortbl",
  "configmacros", "empheq", "enclose", "extpfeil", "gensymb", "mathtools", "newcommand", "textcomp", "textmacros",
  "unicode", "upgreek", "verb",
];
const svg = new output.svg_ts.SVG({ font: new output.svg.fonts.tex_ts.TeXFont(), fontCache: "global" });
const mathml = new a11y["assistive-mml"].LimitedMmlVisitor();

// Called from Python, JSON in and out. A formula has a parser of its own: a \newcommand in it changes no other one.
function typeset(request) {
  const { tex, display, macros } = JSON.parse(request);
  const parser = new input.tex_ts.TeX({
    packages: PACKAGES,
    macros,
    ams: { multlineWidth: "32em" },
    formatError: (_, error) => { throw error; },
  });
  try {
    const page = mathjax.mathjax.document("", { InputJax: parser, OutputJax: svg });
    const item = new page.options.MathItem(tex, parser, display);
    item.start.node = adaptor.body(page.document);
    item.setMetrics(16, 8, 1280, 1e6, 1);
    item.convert(page);
    refuse(item.root);
    const glyphs = {};
    const picture = adaptor.firstChild(item.typesetRoot);
    const [, top, width, height] = adaptor.getAttribute(picture, "viewBox").split(" ").map(Number);
    return JSON.stringify({
      height: -top,
      depth: height + top,
      width,
      pieces: pieces(item.root, picture, width, display, glyphs),
      glyphs,
      mathml: mathml.visitTree(item.root).replace(/\n\s*/g, ""),
    });
  } catch (error) {
    return JSON.stringify({ error: error.message });
  }
}

// What MathJax accepts but a page built this way cannot keep.
function refuse(root) {
  if (root.childNodes[0].childNodes.length === 0) throw Error("the formula is empty");
  root.walkTree((node) => {
    if (node.isKind("merror")) throw Error("MathJax put an error message into the formula");
    if (node.isKind("mlabeledtr")) throw Error("\\tag cannot be used: give the equation a label");
    if (node.attributes?.getExplicit("href")) throw Error("\\ref cannot be used: write {eq}`label`");
  });
}

// The parts between which a line may end: one for a displayed or a short formula. A longer inline formula may break
// as in TeX, after a relation that stands in no bracket, and after a binary operator where a part is still long.
const BREAK_FROM = 9000, LEAST_PIECE = 3000, LONG_PIECE = 11000;

function pieces(root, picture, width, display, glyphs) {
  const whole = () => {
    const body = adaptor.childNodes(picture).map((node) => compact(node, glyphs)).join("");
    return [{ x: 0, width, body }];
  };
  if (display || width < BREAK_FROM) return whole();

  let row = picture;
  while (adaptor.getAttribute(row, "data-mml-node") !== "math") row = adaptor.lastChild(row);
  const drawn = adaptor.childNodes(row);
  const nodes = root.childNodes[0].childNodes;
  if (drawn.length !== nodes.length) return whole();

  const { REL, BIN, OPEN, CLOSE } = core.MmlTree.MmlNode.TEXCLASS;
  const places = { [REL]: [], [BIN]: [] };
  let depth = 0;
  for (let i = 0; i + 1 < nodes.length; i++) {
    const kind = nodes[i].texClass;
    depth += (kind === OPEN) - (kind === CLOSE);
    const next = /^translate\(([^,]+)/.exec(adaptor.getAttribute(drawn[i + 1], "transform") ?? "");
    if (depth === 0 && nodes[i].isKind("mo") && next) places[kind]?.push({ x: Number(next[1]), index: i + 1 });
  }
  const ends = { x: width, index: drawn.length };
  let starts = [{ x: 0, index: 0 }];
  for (const [kind, least] of [[REL, 0], [BIN, LONG_PIECE]]) {
    const refined = [];
    starts.forEach((start, k) => {
      const end = starts[k + 1] ?? ends;
      refined.push(start);
      for (const place of places[kind]) {
        const room = place.x - refined.at(-1).x >= LEAST_PIECE && end.x - place.x >= LEAST_PIECE;
        if (end.x - start.x > least && place.x > start.x && room) refined.push(place);
      }
    });
    starts = refined;
  }
  return starts.map(({ x, index }, k) => {
    const end = starts[k + 1] ?? ends;
    const body = drawn.slice(index, end.index).map((node) => compact(node, glyphs)).join("");
    return { x, width: end.x - x, body: `<g transform="scale(1,-1)">${body}</g>` };
  });
}

// One node of MathJax's SVG as markup. The style sheet sets what every formula inherits.
const INHERITED = { stroke: "currentColor", fill: "currentColor", "stroke-width": "0" };
const USED_BY_STYLES = ["data-line", "data-frame", "data-table"];
const NUMERIC = ["transform", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "viewBox"];

const escape = (string) => string.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
const round = (string) => string.replace(/-?\d+\.\d+/g, (number) => String(Number(Number(number).toFixed(3))));

function compact(node, glyphs) {
  const kind = adaptor.kind(node);
  if (kind === "#text") return escape(adaptor.value(node));
  const attributes = new Map();
  for (const { name, value } of adaptor.allAttributes(node)) {
    const dropped = name.startsWith("data-") && !USED_BY_STYLES.includes(name);
    if (!dropped && INHERITED[name] !== value) attributes.set(name, NUMERIC.includes(name) ? round(value) : value);
  }
  if (kind === "use") {
    const source = attributes.get("xlink:href").slice(1);
    const name = source.replace("MJX-TEX-", "tex-");
    glyphs[name] = relative(svg.fontCache.cache.get(source));
    attributes.delete("xlink:href");
    return `<use href="#${name}"${place(attributes)}/>`;
  }
  const inside = adaptor.childNodes(node).map((child) => compact(child, glyphs)).join("");
  if (kind === "g") {
    if (!inside || !attributes.size) return inside;
    const glyph = /^<use href="[^"]*"\/>$/.test(inside);
    if (glyph && attributes.size === 1 && attributes.has("transform")) return inside.replace("/>", place(attributes) + "/>");
  }
  const opening = kind + written(attributes);
  return inside ? `<${opening}>${inside}</${kind}>` : `<${opening}/>`;
}

const written = (attributes) => [...attributes].map(([name, value]) => ` ${name}="${escape(value)}"`).join("");

// transform="translate(x,y)" of a <use>, which is shorter as x and y.
function place(attributes) {
  const moved = /^translate\(([^,]+),([^)]+)\)$/.exec(attributes.get("transform") ?? "");
  if (!moved) return written(attributes);
  attributes.delete("transform");
  const [, x, y] = moved;
  return (x === "0" ? "" : ` x="${x}"`) + (y === "0" ? "" : ` y="${y}"`) + written(attributes);
}

// A glyph's path (whole numbers; M L H V Q T Z) with relative coordinates: a quarter less in a compressed page.
function relative(path) {
  let here = [0, 0], start = here;
  return path.replace(/([MLHVQTZ])([^A-Z]*)/g, (_, command, list) => {
    if (command === "Z") {
      here = start;
      return "z";
    }
    const values = list.match(/-?\d+/g).map(Number);
    const axis = (i) => (command === "H" ? 0 : command === "V" ? 1 : i % 2);
    const steps = values.map((value, i) => value - here[axis(i)]);
    const end = [...here];
    values.slice(-2).forEach((value, i) => { end[axis(i)] = value; });
    here = end;
    if (command === "M") start = here;
    return command.toLowerCase() + steps.join(" ").replace(/ -/g, "-");
  });
}
