// What all explorers share, in some files that Python joins by name; nothing is imported, so nothing is exported.
// First numbers: how they are written, read and kept.

const MINUS = "\u2212";

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
const clampAll = (values, lows, highs) => values.map((value, axis) => clamp(value, lows[axis], highs[axis]));
const largestSize = (values) => values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) || 1;
const capital = (text) => text[0].toUpperCase() + text.slice(1);
const withMinus = (text) => text.replace(/-/g, MINUS);

const grouped = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");
const plural = (count, word) => `${grouped(count)} ${word}${count === 1 ? "" : "s"}`;

/** A number with at most `decimals` decimals, no trailing zeros, and a true minus sign. */
function format(value, decimals = 6) {
  let text = value.toFixed(Number.isInteger(value) ? 0 : decimals);
  if (text.includes(".")) text = text.replace(/\.?0+$/, "");
  return withMinus(text === "-0" ? "0" : text);
}

const withoutZero = (text) => text.replace(/^(\u2212?)0\./, "$1.");

/** The most exact way to write a number that fits: 4 decimals if that is all of it, else 3 at most; `bare` is .5 for 0.5. */
function fit(value, fits, bare = false) {
  const most = Number(value.toFixed(4)) === value ? 4 : 3;
  for (let decimals = Number.isInteger(value) ? 0 : most; decimals >= 0; decimals -= 1) {
    if (Math.abs(value) < 0.5 * 10 ** -decimals && value !== 0) break;
    const text = bare ? withoutZero(format(value, decimals)) : format(value, decimals);
    if (fits(text)) return text;
  }
  return withMinus(value.toExponential(0).replace("e+", "e"));
}

/** The numbers of a table by `text(value, fits, bare)`: all of them bare where one of them is more exact so, else none. */
function fitAll(values, fits, text = fit) {
  const [full, bare] = [false, true].map((each) => values.map((value) => text(value, fits, each)));
  const error = (texts, index) => Math.abs(parseNumber(texts[index]) - values[index]);
  return values.some((_, index) => error(bare, index) < error(full, index)) ? bare : full;
}

/** [p, q] if the value is the fraction p/q with a small q, else null. */
function fraction(value, largest = 32) {
  for (let q = 1; q <= largest; q += 1) {
    const p = Math.round(value * q);
    if (p / q === value) return [p, q];
  }
  return null;
}

/** With one decimal, so that shares stand below one another: 31.0 %, < 0.1 %. */
function inPercent(share) {
  if (share > 0.999 && share < 1) return "> 99.9 %";
  if (share > 0 && share < 0.001) return "< 0.1 %";
  return `${(100 * share).toFixed(1)} %`;
}

/** Read what a person types: 2, −0.5, 0,5 or 1/9 → a number, or null. */
function parseNumber(text) {
  const clean = text.trim().replace(/[\u2212\u2013]/g, "-").replace(",", ".");
  const parts = clean.split("/");
  if (parts.length > 2 || parts.some((part) => !/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(part))) return null;
  const value = parts.length === 2 ? Number(parts[0]) / Number(parts[1]) : Number(parts[0]);
  return Number.isFinite(value) ? value : null;
}

// --- bytes as text: base64, which plain V8 does not know -----------------------------------------------------

const DIGITS_64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** base64 → Uint8Array. */
function decodeBytes(text) {
  const value = Object.fromEntries([...DIGITS_64].map((digit, index) => [digit, index]));
  const bytes = new Uint8Array(Math.floor((text.replace(/=+$/, "").length * 3) / 4));
  for (let at = 0, to = 0, held = 0; to < bytes.length; at += 1) {
    held = ((held << 6) | value[text[at]]) & 0xffffff;
    if (at % 4) bytes[to++] = (held >> (6 - 2 * (at % 4))) & 255;
  }
  return bytes;
}

/** Uint8Array → base64. */
function encodeBytes(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const held = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    for (const shift of [18, 12, 6, 0]) text += DIGITS_64[(held >> shift) & 63];
  }
  const missing = (3 - (bytes.length % 3)) % 3;
  return text.slice(0, text.length - missing) + "=".repeat(missing);
}
