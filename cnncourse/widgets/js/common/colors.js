// Colors: those of the style sheet, and what is made of them.

// On paper; on a screen the style sheet of the page may have others. `tint`: how strong a cell's color is at most.
const PAPER_COLORS = {
  surface: [255, 255, 255], ink: [31, 41, 51], muted: [85, 96, 108], line: [213, 220, 227], zero: [255, 255, 255],
  negative: [213, 94, 0], positive: [0, 114, 178], mark: [230, 159, 0], tint: 0.65,
};

const css = ([r, g, b], alpha = 1) => (alpha === 1 ? `rgb(${r}, ${g}, ${b})` : `rgba(${r}, ${g}, ${b}, ${alpha})`);
const packed = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
const mix = (from, to, share) => from.map((value, index) => Math.round(value + (to[index] - value) * share));

/** Any CSS color → [r, g, b], 0…255. */
function readColor(text, fallback) {
  const probe = make("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  probe.fillStyle = css(fallback);
  probe.fillStyle = text.trim() || css(fallback);
  probe.fillRect(0, 0, 1, 1);
  return [...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

/** The colors that the style sheet gives to this explorer in this theme. */
function readPalette(root) {
  const style = getComputedStyle(root);
  const read = ([name, fallback]) => [name, readColor(style.getPropertyValue(`--x-${name}`), fallback)];
  const { tint, ...colors } = PAPER_COLORS;
  const palette = Object.fromEntries(Object.entries(colors).map(read));
  return { ...palette, tint: Number(style.getPropertyValue("--x-tint")) || tint };
}

/** −1 … 0 … 1 → vermillion … neutral … blue. */
function signedColor(palette, share) {
  const clipped = clamp(share, -1, 1);
  return mix(palette.zero, clipped < 0 ? palette.negative : palette.positive, Math.abs(clipped));
}

/** Weak answers shown a little stronger than in proportion; a scale beside the picture is drawn the same way. */
const emphasized = (share) => Math.sign(share) * Math.abs(share) ** 0.65;

const SHADES = 1020; // even, so that 0 in the middle of a scale has a color of its own

/** A quick way from a value to its packed color, where `color` turns 0 … 1, from `low` to `high`, into one. */
function shader(color, low, high) {
  const shades = Uint32Array.from({ length: SHADES + 1 }, (_, step) => packed(color(step / SHADES)));
  const slope = SHADES / (high - low);
  return (value) => shades[Math.max(0, Math.min(SHADES, Math.round((value - low) * slope)))];
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
