// A picture of the reader's own: chosen, dropped or pasted; read in this browser, made small and gray (Python: own.py).

const YOUR_PICTURE = "your picture";
const MOST_MEGAPIXELS = 50;
const BAND = 64; // rows of a picture that are read at once: a large one never lies in memory as a whole

/** What is wrong with a picture, in a sentence for its reader. */
class Unfit extends Error {}

/** The weights that scale a line of `size` pixels to `target`: a triangle as wide as a pixel of the coarser line. */
function resampling(size, target) {
  const step = size / target;
  return Array.from({ length: target }, (_, to) => {
    const row = Array.from({ length: size }, (_, from) =>
      Math.max(0, 1 - Math.abs((to + 0.5) * step - (from + 0.5)) / Math.max(1, step)));
    const total = row.reduce((sum, weight) => sum + weight, 0);
    return row.map((weight) => weight / total);
  });
}

/**
 * The centered square of a picture in gray, made `side` × `side`: { gray, clear: whether parts are transparent }. What is
 * transparent becomes white; gray = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).
 */
function graySquare({ image, width, height }, side) {
  const crop = Math.min(width, height);
  const [left, top] = [width, height].map((length) => Math.floor((length - crop) / 2));
  const context = make("canvas", { width: crop, height: BAND }).getContext("2d", { willReadFrequently: true });
  const taps = resampling(crop, side).map((row) => {
    const from = row.findIndex((weight) => weight > 0);
    return { from, weights: row.slice(from, row.findLastIndex((weight) => weight > 0) + 1) };
  });
  const [line, sums] = [new Float64Array(crop), new Float64Array(side * side)];
  let clear = false;
  for (let y = 0; y < crop; y += 1) {
    if (y % BAND === 0) {
      context.clearRect(0, 0, crop, BAND);
      context.drawImage(image, -left, -top - y);
    }
    const { data } = context.getImageData(0, y % BAND, crop, 1);
    for (let x = 0, at = 0; x < crop; x += 1, at += 4) {
      const gray = Math.round(0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2]);
      line[x] = Math.round(255 + (gray - 255) * (data[at + 3] / 255));
      clear ||= data[at + 3] < 255;
    }
    const small = taps.map(({ from, weights }) => weights.reduce((sum, weight, index) => sum + weight * line[from + index], 0));
    taps.forEach(({ from, weights }, row) => {
      const weight = weights[y - from];
      if (weight) small.forEach((value, column) => (sums[row * side + column] += weight * value));
    });
  }
  return { gray: Uint8ClampedArray.from(sums), clear };
}

/** The values on the edge of a square, from dark to light. */
function sortedBorder(gray) {
  const side = Math.sqrt(gray.length);
  const onEdge = (at) => at < side || at >= side * (side - 1) || at % side === 0 || at % side === side - 1;
  return gray.filter((_, at) => onEdge(at)).sort();
}

/** A gray square as MNIST and Fashion-MNIST have it: inverted if its border is lighter than the middle of its grays. */
function lightOnDark(gray) {
  const [low, high] = [Math.min(...gray), Math.max(...gray)];
  if (low === high) throw new Unfit(`is of one gray everywhere, ${low}`);
  const border = sortedBorder(gray);
  const inverted = border[border.length >> 1] > (low + high) / 2;
  return { gray: inverted ? gray.map((value) => 255 - value) : gray, inverted };
}

/** A drawing in SVG is read as an element reads it: createImageBitmap does not know it. */
async function drawnFrom(file) {
  const { documentElement: root } = new DOMParser().parseFromString(await file.text(), "image/svg+xml");
  const sized = ["width", "height"].every((side) => parseFloat(root.getAttribute(side)) > 0 && !root.getAttribute(side).endsWith("%"));
  if (root.nodeName === "svg" && !sized) throw new Unfit("says no size: an SVG needs a width and a height");
  const image = make("img", { src: URL.createObjectURL(file) });
  try {
    await image.decode();
  } finally {
    URL.revokeObjectURL(image.src);
  }
  return { image, width: image.naturalWidth, height: image.naturalHeight };
}

/** A file → { image, width, height }, upright. */
async function decodePicture(file) {
  if (file.size === 0) throw new Unfit("is empty");
  if (file.type && !file.type.startsWith("image/")) throw new Unfit("is not a picture");
  let picture;
  try {
    if (file.type.startsWith("image/svg")) picture = await drawnFrom(file);
    else {
      const image = await createImageBitmap(file, { imageOrientation: "from-image" });
      picture = { image, width: image.width, height: image.height };
    }
  } catch (error) {
    throw error instanceof Unfit ? error : new Unfit("is broken, or no picture that this browser can read");
  }
  const { width, height } = picture;
  if (width * height <= MOST_MEGAPIXELS * 1e6) return picture;
  throw new Unfit(`has ${width} × ${height} pixels; up to ${MOST_MEGAPIXELS} million can be read here`);
}

/** A file input with what became of its file, and a thumbnail to take the picture again. */
class OwnPicture {
  /**
   * `convert(picture)` → { pixels, side, steps }, bytes and what was done, in words; `take(pixels, side, name)` keeps
   * them. `again()` takes the picture that is kept, if a thumbnail shows it. `model` and `spoken` are the explorer's.
   */
  constructor({ model, spoken, convert, take, again = () => {} }) {
    Object.assign(this, { model, spoken, convert, take, turn: 0, words: "" });
    this.input = make("input", {
      type: "file", accept: "image/*",
      on: { change: () => {
        this.read(this.input.files);
        this.input.value = "";
      } },
    });
    this.said = make("span");
    this.hint = make("span", { class: "x-by-mouse" }, "or drop one onto the explorer, or paste it (Ctrl+V).");
    this.fault = make("div", { class: "x-own-fault", role: "alert" });
    this.canvas = make("canvas", hidden);
    this.thumb = button("", again, { class: "x-button x-thumb", "aria-label": `Take ${YOUR_PICTURE}`, hidden: true });
    this.thumb.append(this.canvas);
    this.element = make("div", { class: "x-own" },
      make("label", { class: "x-file" }, this.input, make("span", { class: "x-button" }, "Your picture …")), this.thumb,
      make("div", { class: "x-own-words" }, make("div", { class: "x-note" }, this.said, this.hint), this.fault));
  }

  /** Pictures may be dropped and pasted everywhere in the explorer; a page must not go away because one missed the stage. */
  heed(root) {
    const holdsFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
    const mark = (over) => root.classList.toggle("is-dropping", over);
    root.addEventListener("dragover", (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      mark(true);
    });
    root.addEventListener("dragleave", (event) => mark(root.contains(event.relatedTarget)));
    root.addEventListener("drop", (event) => {
      mark(false);
      if (!holdsFiles(event)) return;
      event.preventDefault();
      this.read(event.dataTransfer.files);
    });
    root.addEventListener("paste", (event) => {
      const { files } = event.clipboardData;
      if (files.length === 0) {
        if (!event.target.matches("input")) this.fault.textContent = "The clipboard holds no picture.";
        return;
      }
      event.preventDefault();
      event.stopPropagation();
      this.read(files, "The pasted picture");
    });
    this.root = root;
  }

  async read(files, name = files[0]?.name) {
    const [file, count] = [files[0], files.length];
    if (!file) return;
    this.turn += 1;
    const { turn } = this;
    const late = () => turn !== this.turn || !this.root.isConnected;
    this.fault.textContent = "";
    this.said.textContent = `Reading ${name} …`;
    this.hint.hidden = true;
    try {
      const picture = await decodePicture(file);
      if (late()) return;
      const { pixels, side, steps } = this.convert(picture);
      const { width, height } = picture;
      if (width !== height) steps.unshift("cropped to the middle square");
      const place = this.model.widget_manager ? "Only this notebook’s kernel gets it." : "It stays in this browser.";
      let words = `${name}, ${width} × ${height} pixels: ${steps.join(", ")}. ${place}`;
      if (count > 1) words = `The first of ${count} files: ${words}`;
      this.spoken.first(words);
      this.take(pixels, side, name);
      this.say(words);
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      if (late()) return;
      this.fault.textContent = `${name} ${error.message}. The picture stays as it is.`;
      this.say(this.words);
    }
  }

  say(words) {
    this.words = this.said.textContent = words;
    this.hint.hidden = words !== "";
  }

  /** The picture that can be taken again, rows of grays, or null. */
  show(rows, pressed) {
    this.thumb.hidden = !rows;
    if (!rows) return;
    this.thumb.setAttribute("aria-pressed", String(pressed));
    this.canvas.width = this.canvas.height = rows.length;
    const context = this.canvas.getContext("2d");
    rows.forEach((row, y) => row.forEach((gray, x) => {
      context.fillStyle = css([gray, gray, gray]);
      context.fillRect(x, y, 1, 1);
    }));
  }

  /** Back to the beginning: what is still being read no longer counts. */
  clear() {
    this.turn += 1;
    this.fault.textContent = "";
    this.say("");
  }
}

/** Bytes of a square → rows. */
const inRows = (pixels, side) => Array.from({ length: side }, (_, y) => [...pixels.subarray(y * side, (y + 1) * side)]);
