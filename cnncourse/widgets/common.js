// What the explorers share. Python sets this file in front of each explorer's own, so nothing here is exported.

const MINUS = "\u2212";

// --- elements -----------------------------------------------------------------------------------------------

/** Make an element: make("button", { class: "x", type: "button", on: { click } }, "text", child). */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

let labels = 0;
const page = Math.random().toString(36).slice(2, 8);

/** A name for an element that no other explorer on the page has. */
function uniqueId() {
  labels += 1;
  return `explorer-${page}-${labels}`;
}

/** A native select with its label above it. `options` are [value, text] pairs; `offer` replaces them. */
function choice({ label, options = [], onchange }) {
  const id = uniqueId();
  const select = make("select", { id, class: "x-select", on: { change: () => onchange(select.value) } });
  const element = make("div", { class: "x-field" }, make("label", { for: id, class: "x-label" }, label), select);
  const offer = (pairs) => select.replaceChildren(...pairs.map(([value, text]) => make("option", { value }, text)));
  const show = (value) => {
    select.value = value;
  };
  offer(options);
  return { element, offer, show };
}

/** A native range with its label and its value above it. */
function slider({ label, min, max, step = 1, oninput }) {
  const id = uniqueId();
  const shown = make("span", { class: "x-amount", "aria-hidden": "true" });
  const range = make("input", {
    type: "range", id, class: "x-range", min, max, step,
    on: { input: () => oninput(Number(range.value)) },
  });
  const element = make(
    "div", { class: "x-field" },
    make("div", { class: "x-labels" }, make("label", { for: id, class: "x-label" }, label), shown), range,
  );
  const show = (value, limit = null, text = String(value)) => {
    if (limit !== null) range.max = limit;
    range.value = value;
    shown.textContent = text;
    if (text !== String(value)) range.setAttribute("aria-valuetext", text);
  };
  return { element, show };
}

/** Native radio buttons in one row, one of them chosen. */
function segments({ label, options, onchange }) {
  const name = uniqueId();
  const radios = new Map();
  const items = options.map(([value, text]) => {
    const radio = make("input", { type: "radio", name, value, on: { change: () => onchange(value) } });
    radios.set(String(value), radio);
    return make("label", { class: "x-segment" }, radio, make("span", {}, text));
  });
  const element = make(
    "fieldset", { class: "x-segments" },
    make("legend", { class: "x-label" }, label), make("div", { class: "x-segment-row" }, ...items),
  );
  const show = (value) => {
    const radio = radios.get(String(value));
    if (radio) radio.checked = true;
  };
  return { element, show };
}

function button(text, onclick, attributes = {}) {
  return make("button", { type: "button", class: "x-button", ...attributes, on: { click: onclick } }, text);
}

/** Keys pressed inside an explorer are its own: a notebook must not move to another cell, nor a site to another page. */
function keepKeys(root) {
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab listens before anyone else, and looks for this
  root.addEventListener("keydown", (event) => {
    const passing = event.ctrlKey || event.metaKey || event.altKey || ["Tab", "Escape"].includes(event.key);
    if (!passing) event.stopPropagation();
  });
}

// --- numbers ------------------------------------------------------------------------------------------------

function withMinus(text) {
  return text.replace(/-/g, MINUS);
}

/** A number with at most `decimals` decimals, no trailing zeros, and a true minus sign. */
function format(value, decimals = 6) {
  let text = value.toFixed(Number.isInteger(value) ? 0 : decimals);
  if (text.includes(".")) text = text.replace(/\.?0+$/, "");
  return withMinus(text === "-0" ? "0" : text);
}

/** The most exact way to write a number that fits: 4 decimals if that is all of it, else 3 at most; .5 for 0.5 if need be. */
function fit(value, fits) {
  const most = Number(value.toFixed(4)) === value ? 4 : 3;
  for (let decimals = Number.isInteger(value) ? 0 : most; decimals >= 0; decimals -= 1) {
    if (Math.abs(value) < 0.5 * 10 ** -decimals && value !== 0) break;
    const text = format(value, decimals);
    const short = text.replace(/^(\u2212?)0\./, "$1.");
    if (fits(text)) return text;
    if (fits(short)) return short;
  }
  return withMinus(value.toExponential(0).replace("e+", "e"));
}

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

/** [p, q] if the value is the fraction p/q with a small q, else null. */
function fraction(value, largest = 32) {
  for (let q = 1; q <= largest; q += 1) {
    const p = Math.round(value * q);
    if (p / q === value) return [p, q];
  }
  return null;
}

/** Read what a person types: 2, −0.5, 0,5 or 1/9 → a number, or null. */
function parseNumber(text) {
  const clean = text.trim().replace(/[\u2212\u2013]/g, "-").replace(",", ".");
  const parts = clean.split("/");
  if (parts.length > 2 || parts.some((part) => !/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(part))) return null;
  const value = parts.length === 2 ? Number(parts[0]) / Number(parts[1]) : Number(parts[0]);
  return Number.isFinite(value) ? value : null;
}

// --- color --------------------------------------------------------------------------------------------------

const probe = document.createElement("canvas");
probe.width = probe.height = 1;

/** Any CSS color → [r, g, b], 0…255. */
function readColor(text, fallback) {
  const context = probe.getContext("2d", { willReadFrequently: true });
  context.fillStyle = fallback;
  context.fillStyle = text.trim() || fallback;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

/** The colors that the style sheet gives to this explorer in this theme. */
function readPalette(root) {
  const style = getComputedStyle(root);
  const color = (name, fallback) => readColor(style.getPropertyValue(name), fallback);
  return {
    surface: color("--x-surface", "#ffffff"),
    ink: color("--x-ink", "#1f2933"),
    muted: color("--x-muted", "#55606c"),
    line: color("--x-line", "#d5dce3"),
    zero: color("--x-zero", "#ffffff"),
    negative: color("--x-negative", "#d55e00"),
    positive: color("--x-positive", "#0072b2"),
    mark: color("--x-mark", "#e69f00"),
    tint: Number(style.getPropertyValue("--x-tint")) || 0.65, // how strong a cell's color is at most
  };
}

function css([r, g, b], alpha = 1) {
  return alpha === 1 ? `rgb(${r}, ${g}, ${b})` : `rgba(${r}, ${g}, ${b}, ${alpha})`;
}

function mix(from, to, share) {
  return from.map((value, index) => Math.round(value + (to[index] - value) * share));
}

/** −1 … 0 … 1 → vermillion … neutral … blue. */
function signedColor(palette, share) {
  const clipped = Math.max(-1, Math.min(1, share));
  return mix(palette.zero, clipped < 0 ? palette.negative : palette.positive, Math.abs(clipped));
}

function luminance(color) {
  const [r, g, b] = color.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** The text color that reads on this color: at least 4.5 to 1, whatever the color is. */
function inkOn(color) {
  const light = luminance(color);
  if (light > 0.28) return "#1f2933";
  return 1.05 / (light + 0.05) > (light + 0.05) / 0.05 ? "#ffffff" : "#000000";
}

/** Call back when the page, JupyterLab or Colab changes between light and dark. Returns a function that stops it. */
function watchTheme(callback) {
  const observer = new MutationObserver(callback);
  const attributes = ["class", "style", "theme", "data-theme", "data-jp-theme-light", "data-jp-theme-name"];
  for (const element of [document.documentElement, document.body]) {
    observer.observe(element, { attributes: true, attributeFilter: attributes });
  }
  const media = matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", callback);
  return () => {
    observer.disconnect();
    media.removeEventListener("change", callback);
  };
}

/** Call back when an element becomes wider or narrower. Returns a function that stops it. */
function watchWidth(element, callback) {
  let known = element.clientWidth;
  const observer = new ResizeObserver(() => {
    if (element.clientWidth === known) return;
    known = element.clientWidth;
    callback();
  });
  observer.observe(element);
  return () => observer.disconnect();
}

// --- pictures -----------------------------------------------------------------------------------------------

/** base64 → Uint8Array. */
function decodeBytes(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** Make a canvas as large in device pixels as it is on the screen. True if its size changed. */
function fitCanvas(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  if (canvas.width === width && canvas.height === height) return false;
  canvas.width = width;
  canvas.height = height;
  return true;
}

/** A small canvas of the picture's own size whose pixels are set as 0xAABBGGRR. */
class PixelBuffer {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.enlarged = document.createElement("canvas");
  }

  resize(height, width) {
    if (this.image && this.canvas.width === width && this.canvas.height === height) return;
    this.canvas.width = width;
    this.canvas.height = height;
    this.image = this.canvas.getContext("2d").createImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  /** Draw onto a larger canvas: square pixels with sharp edges, at scales that are not whole numbers too. */
  paint(target) {
    this.canvas.getContext("2d").putImageData(this.image, 0, 0);
    const context = target.getContext("2d");
    const scale = target.width / this.canvas.width;
    const whole = Math.ceil(scale - 1e-9);
    if (Math.abs(whole - scale) < 1e-9 || scale < 1) {
      context.imageSmoothingEnabled = scale < 1;
      context.drawImage(this.canvas, 0, 0, target.width, target.height);
      return;
    }
    const { enlarged } = this;
    const [width, height] = [this.canvas.width * whole, this.canvas.height * whole];
    if (enlarged.width !== width) enlarged.width = width;
    if (enlarged.height !== height) enlarged.height = height;
    const middle = enlarged.getContext("2d");
    middle.imageSmoothingEnabled = false;
    middle.drawImage(this.canvas, 0, 0, width, height);
    context.imageSmoothingEnabled = true;
    context.drawImage(enlarged, 0, 0, target.width, target.height);
  }
}

function packed([r, g, b]) {
  return (255 << 24) | (b << 16) | (g << 8) | r;
}

/** A picture with a transparent one above it for marks; `onpoint` gets [y, x] as shares of its size, and the event. */
function makeStage({ onpoint, onleave, onkey }) {
  const picture = make("canvas", { class: "x-picture", "aria-hidden": "true" });
  const marks = make("canvas", { class: "x-marks", "aria-hidden": "true" });
  const stage = make("div", { class: "x-stage" }, picture, marks);
  const point = (event) => {
    const box = picture.getBoundingClientRect();
    onpoint([(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width], event);
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    point(event);
  });
  stage.addEventListener("pointermove", point);
  stage.addEventListener("pointerleave", onleave);
  stage.addEventListener("keydown", onkey);
  return { stage, picture, marks };
}

/** Strokes that are seen on black, on white and on every color between: bright inside dark. */
function strokeTwice(context, color, path) {
  const ratio = window.devicePixelRatio || 1;
  for (const [stroke, width] of [["rgba(0, 0, 0, 0.75)", 4], [css(color), 2]]) {
    context.strokeStyle = stroke;
    context.lineWidth = width * ratio;
    context.beginPath();
    path();
    context.stroke();
  }
}

function drawFrame(context, color, x, y, width, height) {
  strokeTwice(context, color, () => context.rect(x, y, width, height));
}

/** Four short lines that lead the eye to a frame of a few pixels. */
function drawLeads(context, color, x, y, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [middleX, middleY, near, far] = [x + width / 2, y + height / 2, 4 * ratio, 11 * ratio];
  const line = (fromX, fromY, toX, toY) => {
    context.moveTo(fromX, fromY);
    context.lineTo(toX, toY);
  };
  strokeTwice(context, color, () => {
    line(middleX, y - near, middleX, y - far);
    line(middleX, y + height + near, middleX, y + height + far);
    line(x - near, middleY, x - far, middleY);
    line(x + width + near, middleY, x + width + far, middleY);
  });
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

  /** Returns whether every number could be shown exactly. `outside` marks the cells of the padding. */
  show(values, { color, text, outside = null }) {
    const tight = values.some((value) => !this.fits(format(value, 0)));
    this.table.classList.toggle("x-tight", tight);
    const fits = tight ? this.fitsTight : this.fits;
    values.forEach((value, index) => {
      const cell = this.cells[index];
      const background = color(value);
      cell.textContent = text(value, fits);
      cell.style.backgroundColor = css(background);
      cell.style.color = inkOn(background);
      if (outside) {
        cell.classList.toggle("x-outside", outside[index]);
        if (outside[index]) cell.setAttribute("aria-label", `${cell.textContent}, padding`);
        else cell.removeAttribute("aria-label");
      }
    });
    return values.every((value, index) => parseNumber(this.cells[index].textContent) === value);
  }
}

// --- time ---------------------------------------------------------------------------------------------------

/** However often it is asked, `work` runs once, as soon as the present event is over. */
function afterEvent(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => {
      waiting = false;
      work();
    });
  };
}

/** However often it is asked, `work` runs once in the next frame. */
function perFrame(work) {
  let frame = 0;
  const ask = () => {
    if (frame === 0) {
      frame = requestAnimationFrame(() => {
        frame = 0;
        work();
      });
    }
  };
  ask.cancel = () => {
    cancelAnimationFrame(frame);
    frame = 0;
  };
  return ask;
}

/** A region that screen readers read out politely: the last sentence, once things have been still for a moment. */
function announcer(delay = 500) {
  const element = make("div", { class: "x-spoken", role: "status", "aria-live": "polite" });
  let timer = 0;
  const say = (sentence) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (element.textContent !== sentence) element.textContent = sentence;
    }, delay);
  };
  return { element, say, stop: () => clearTimeout(timer) };
}
