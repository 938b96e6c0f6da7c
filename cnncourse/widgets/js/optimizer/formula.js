// A function of x and y that a reader writes: read without `eval`, computed with its two slopes. The lines are those of
// cnncourse.widgets.formula, where the grammar stands, with the same order of arithmetic.

const LONGEST = 200; // characters
const DEEPEST = 30; // parentheses inside one another
const WHOLE = 16; // up to this whole exponent a power is a product
const CONSTANTS = { pi: Math.PI, e: Math.E };
const SIGNS = { "−": "-", "–": "-", "·": "*", "×": "*", "÷": "/" };
const TOKEN = /\s*(?:((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|([A-Za-z]+)|(\*\*|[-+*/^()])|(\S))/gu;

/** Name → [f(a), f′(a) from a and the value v = f(a)]. */
const FUNCTIONS = {
  sin: [Math.sin, (a) => Math.cos(a)],
  cos: [Math.cos, (a) => -Math.sin(a)],
  tan: [Math.tan, (a, v) => 1 + v * v],
  exp: [Math.exp, (a, v) => v],
  log: [Math.log, (a) => 1 / a],
  sqrt: [Math.sqrt, (a, v) => 0.5 / v],
  abs: [Math.abs, (a) => Math.sign(a)],
  tanh: [Math.tanh, (a, v) => 1 - v * v],
};

/** What is wrong with a function, in one sentence with the place. */
class FormulaError extends Error {}

/** Text → { kind, word, place, written } each, with xy as x and y; places are counted from 1. */
function tokensOf(text) {
  const known = ["x", "y", ...Object.keys(CONSTANTS), ...Object.keys(FUNCTIONS)];
  return [...text.replace(/./gu, (letter) => SIGNS[letter] ?? letter).matchAll(TOKEN)].flatMap((match) => {
    const [all, number, name, sign, other] = match;
    const written = number ?? name ?? sign ?? other;
    const place = match.index + all.length - written.length + 1;
    if (other) throw new FormulaError(`'${written}' is not understood at position ${place}.`);
    if (number) return { kind: "number", word: Number(number), place, written };
    if (sign) return { kind: "sign", word: sign === "**" ? "^" : sign, place, written };
    if (Object.hasOwn(FUNCTIONS, name)) return { kind: "function", word: name, place, written };
    if (Object.hasOwn(CONSTANTS, name)) return { kind: "name", word: name, place, written };
    if (/^[xy]+$/.test(name)) return [...name].map((word, at) => ({ kind: "name", word, place: place + at, written: word }));
    throw new FormulaError(`'${name}' is not known at position ${place}; known are ${known.join(", ")}.`);
  });
}

/** Reads the tokens of a function from left to right → its tree, of lists [what, …parts]. */
class Parser {
  constructor(text) {
    const { length } = [...text];
    if (length > LONGEST) throw new FormulaError(`A function has at most ${LONGEST} characters, this one has ${length}.`);
    Object.assign(this, { tokens: tokensOf(text), at: 0, depth: 0 });
    this.end = { kind: "end", word: null, place: text.length + 1, written: "" };
    if (!this.tokens.length) throw new FormulaError("A function of x and y is missing.");
  }

  get next() {
    return this.tokens[this.at] ?? this.end;
  }

  /** The next token if it is one of these signs, else null. */
  take(...signs) {
    const token = this.next;
    if (token.kind !== "sign" || !signs.includes(token.word)) return null;
    this.at += 1;
    return token;
  }

  tree() {
    const tree = this.sum();
    const { kind, place, written } = this.next;
    if (kind === "sign") throw new FormulaError(`The '${written}' at position ${place} closes nothing.`);
    if (kind !== "end") throw new FormulaError(`An operator is missing before position ${place}.`);
    return tree;
  }

  sum() {
    let tree = this.product();
    for (let token = this.take("+", "-"); token; token = this.take("+", "-")) tree = [token.word, tree, this.product()];
    return tree;
  }

  product() {
    let [tree, divided] = [this.sign(), false];
    let last = tree;
    for (;;) {
      const { kind, word, place } = this.next;
      const token = this.take("*", "/");
      if (token) {
        divided = token.word === "/";
        last = this.sign();
        tree = [token.word, tree, last];
      } else if (kind === "name" || kind === "function" || (kind === "sign" && word === "(")) {
        while (last[0] === "negative") [, last] = last;
        if (divided || (last[0] === "^" && last[2][0] !== "number")) {
          throw new FormulaError(`A '*' or parentheses are needed before position ${place}: it can be read in two ways.`);
        }
        last = this.power();
        tree = ["*", tree, last];
      } else return tree;
    }
  }

  sign() {
    const token = this.take("+", "-");
    if (!token) return this.power();
    const part = this.sign();
    return token.word === "-" ? ["negative", part] : part;
  }

  power() {
    const tree = this.atom();
    return this.take("^") ? ["^", tree, this.sign()] : tree;
  }

  atom() {
    const { kind, word, place, written } = this.next;
    if (kind === "number" || kind === "name" || kind === "function") this.at += 1;
    if (kind === "number") return ["number", word];
    if (kind === "name") return word in CONSTANTS ? ["number", CONSTANTS[word]] : [word];
    if (kind === "function") {
      if (this.next.word !== "(") throw new FormulaError(`A '(' is missing after '${word}' at position ${place}.`);
      return [word, this.atom()];
    }
    if (this.take("(")) return this.inside(place);
    if (this.at === 0) throw new FormulaError(`An operand is missing before '${written}' at position ${place}.`);
    const before = this.tokens[this.at - 1];
    throw new FormulaError(`An operand is missing after '${before.written}' at position ${before.place}.`);
  }

  inside(place) {
    this.depth += 1;
    if (this.depth > DEEPEST) throw new FormulaError(`More than ${DEEPEST} parentheses inside one another at position ${place}.`);
    const tree = this.sum();
    this.depth -= 1;
    const { kind, place: here } = this.next;
    if (kind !== "end" && kind !== "sign") throw new FormulaError(`An operator is missing before position ${here}.`);
    if (!this.take(")")) throw new FormulaError(`A ')' is missing for the '(' at position ${place}.`);
    return tree;
  }
}

/** aⁿ for a whole n of at most WHOLE as a product, so that it is the same everywhere; else by `pow`. */
function powerOf(a, n) {
  if (!Number.isInteger(n) || Math.abs(n) > WHOLE) return a ** n;
  let value = 1;
  for (let factor = 0; factor < Math.abs(n); factor += 1) value *= a;
  return n < 0 ? 1 / value : value;
}

const isConstant = ([what, ...parts]) =>
  what !== "x" && what !== "y" && parts.every((part) => !Array.isArray(part) || isConstant(part));

/** A tree → (x, y) → f, for the many pixels of a landscape. */
function heightOf([what, ...parts]) {
  if (what === "number") return () => parts[0];
  if (what === "x") return (x) => x;
  if (what === "y") return (x, y) => y;
  const [f, g] = parts.map(heightOf);
  if (what === "negative") return (x, y) => -f(x, y);
  if (what in FUNCTIONS) {
    const [value] = FUNCTIONS[what];
    return (x, y) => value(f(x, y));
  }
  const n = what === "^" && isConstant(parts[1]) ? g(0, 0) : null;
  return {
    "+": (x, y) => f(x, y) + g(x, y),
    "-": (x, y) => f(x, y) - g(x, y),
    "*": (x, y) => f(x, y) * g(x, y),
    "/": (x, y) => f(x, y) / g(x, y),
    "^": n === null ? (x, y) => f(x, y) ** g(x, y) : (x, y) => powerOf(f(x, y), n),
  }[what];
}

/** [f, ∂f/∂x, ∂f/∂y] of a tree at (x, y): numbers that carry their slopes along, by the rules of the derivative. */
function dual([what, ...parts], x, y) {
  if (what === "number") return [parts[0], 0, 0];
  if (what === "x") return [x, 1, 0];
  if (what === "y") return [y, 0, 1];
  const [a, ax, ay] = dual(parts[0], x, y);
  if (what === "negative") return [-a, -ax, -ay];
  if (what in FUNCTIONS) {
    const [value, slope] = FUNCTIONS[what];
    const v = value(a);
    const s = slope(a, v);
    return [v, s * ax, s * ay];
  }
  const [b, bx, by] = dual(parts[1], x, y);
  if (what === "^" && isConstant(parts[1])) {
    const s = b ? b * powerOf(a, b - 1) : 0;
    return [powerOf(a, b), s * ax, s * ay];
  }
  if (what === "+") return [a + b, ax + bx, ay + by];
  if (what === "-") return [a - b, ax - bx, ay - by];
  if (what === "*") return [a * b, ax * b + a * bx, ay * b + a * by];
  if (what === "/") {
    const v = a / b;
    return [v, (ax - v * bx) / b, (ay - v * by) / b];
  }
  const [v, log, s] = [a ** b, Math.log(a), b / a]; // aᵇ with x or y in the exponent
  return [v, v * (s * ax + log * bx), v * (s * ay + log * by)];
}

/** Text → { height, slope } of (x, y); a FormulaError says what is wrong with it. */
function readFormula(text) {
  const tree = new Parser(text).tree();
  return { height: heightOf(tree), slope: (x, y) => dual(tree, x, y).slice(1) };
}

const STARTS = [[0.125, 0.75], [0.25, 0.75], [0.75, 0.75], [0.75, 0.25], [0.25, 0.25], [0.5, 0.5]]; // shares of the window
const LOOKED = 80; // along each side: where a lowest height is looked for

/** A function and its window → a landscape like those of SURFACES, of which no minimum is known. */
function ownLandscape(text, window) {
  const { height, slope } = readFormula(text);
  const [[x0, x1], [y0, y1]] = window;
  const at = ([across, up]) => [x0 + across * (x1 - x0), y0 + up * (y1 - y0)];
  const grid = (count) => Array.from({ length: (count + 1) ** 2 }, (_, index) =>
    at([(index % (count + 1)) / count, Math.floor(index / (count + 1)) / count]));
  const start = [...STARTS.map(at), ...grid(20)].find((point) => Number.isFinite(height(...point)));
  if (!start) throw new FormulaError("The function has no finite value in the window.");
  const heights = grid(LOOKED).map((point) => height(...point)).filter(Number.isFinite);
  const least = heights.reduce((low, value) => Math.min(low, value), height(...start));
  return { title: "Your own", formula: text, height, slope, minima: [], least, window, start };
}

const ownLands = new Map();

/** The landscape of some settings. */
function landOf({ surface, function: text, window }) {
  if (surface !== "own") return SURFACES[surface];
  const key = JSON.stringify([text, window]);
  if (!ownLands.has(key)) {
    if (ownLands.size > 20) ownLands.clear();
    ownLands.set(key, ownLandscape(text, window));
  }
  return ownLands.get(key);
}
