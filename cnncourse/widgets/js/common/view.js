// The skeleton of every explorer, and what some of them have: a player, a pad to draw on.

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
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      work();
    });
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

/**
 * What every explorer does: it watches the model, computes as soon as an event is over, shows the answer in the next
 * frame, follows the theme and the width of its page, and can be taken away. A subclass says
 *
 *   name, title, watched    its name, what it is called, and each name of the model → the part that depends on it
 *   build()                 → its elements
 *   answer()                everything that can be computed, and `root.dataset.state`
 *   show()                  everything that can be seen; `outdated` says which of it is not yet
 */
class View {
  constructor(model, { name, title, watched, kept = Object.keys(watched) }) {
    Object.assign(this, { model, name, title, watched, preview: null, pinned: false, made: {}, stops: [] });
    this.initial = Object.fromEntries(kept.map((key) => [key, model.get(key)]));
    this.revision = { look: 0, ...Object.fromEntries(Object.values(watched).map((part) => [part, 0])) };
    this.spoken = announcer();
    this.compute = afterEvent(() => this.answer());
    this.paint = perFrame(() => this.showAll());
  }

  begin(host) {
    const marks = { class: "explorer", role: "group", "aria-label": this.title, "data-explorer": this.name };
    this.root = make("div", marks, ...this.build(), this.spoken.element);
    keepKeys(this.root);
    host.append(this.root);
    for (const [name, part] of Object.entries(this.watched)) {
      const changed = () => {
        this.revision[part] += 1;
        this.arrived(name);
        this.ask();
      };
      this.model.on(`change:${name}`, changed);
      this.stops.push(() => this.model.off(`change:${name}`, changed));
    }
    const repaint = () => {
      this.revision.look += 1;
      this.ask();
    };
    this.stops.push(watchTheme(repaint), watchWidth(this.root, repaint), this.paint.cancel, this.spoken.stop);
    const release = (event) => event.key === "Escape" && this.pin(false);
    document.addEventListener("keydown", release);
    this.stops.push(() => document.removeEventListener("keydown", release));
    if (this.player) this.stops.push(this.player.heedMotion());
    this.answer();
    this.showAll();
    return () => this.destroy();
  }

  destroy() {
    for (const stop of this.stops) stop();
    this.root.remove();
  }

  /** The value that the model holds has changed: what is made of it alone is out of date. */
  arrived() {}

  get(name) {
    return this.model.get(name);
  }

  /** All that the model holds and this explorer watches. */
  get state() {
    return Object.fromEntries(Object.keys(this.watched).map((name) => [name, this.get(name)]));
  }

  set(changes) {
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    this.model.save_changes();
    this.ask();
  }

  /** Something changed: new numbers as soon as the event is over, new pixels in the next frame. */
  ask() {
    this.compute();
    this.paint();
  }

  /** Look at a place without holding it; null goes back to the one that is held. While one is pinned, none is looked at. */
  look(preview) {
    this.preview = this.pinned ? null : preview;
    this.ask();
  }

  /**
   * A mouse that passes over a place looks at it. A press holds and pins it: the mouse may go elsewhere. A second press
   * on it, or Escape, releases it; a press on another place, or dragging, moves it.
   */
  hover(place, event) {
    if (!isPressed(event)) {
      if (event.pointerType !== "touch") this.look(place);
      return;
    }
    this.preview = null;
    const before = JSON.stringify(this.heldPlace());
    this.hold(place);
    const moved = JSON.stringify(this.heldPlace()) !== before;
    if (moved) this.pin(true);
    else if (event.type === "pointerdown") this.pin(!this.pinned);
  }

  /** The place that is held, once nothing is looked at. */
  heldPlace() {
    return this.pointed();
  }

  pin(pinned) {
    this.pinned = pinned;
    this.root.classList.toggle("is-pinned", pinned);
  }

  resetButton() {
    const reset = () => {
      this.player?.pause();
      this.preview = null;
      this.pin(false);
      for (const fault of this.root.querySelectorAll(".x-fault")) fault.textContent = "";
      this.reset();
      this.set(structuredClone(this.initial));
      for (const field of this.fields ?? []) field.clear();
      this.spoken.say("Everything is as it was at first.");
    };
    const attributes = { class: "x-button x-reset", title: "Back to the beginning" };
    const made = button("", reset, attributes);
    made.append(make("span", hidden, "↺"), make("span", { class: "x-word" }, "Reset"));
    return made;
  }

  /** What is not in the model goes back to the beginning. */
  reset() {}

  /** True if what a part depends on is not what it was when the part was last made. */
  outdated(part, ...keys) {
    const key = JSON.stringify(keys);
    if (this.made[part] === key) return false;
    this.made[part] = key;
    return true;
  }

  showAll() {
    if (this.outdated("palette", this.revision.look)) {
      this.palette = readPalette(this.root);
      this.font = getComputedStyle(this.root).fontFamily;
    }
    this.show();
  }

  /** A blank sheet as large as a canvas is on the screen: in device pixels, or `scaled` in those of the page. */
  sheet(canvas, { scaled = false } = {}) {
    const density = window.devicePixelRatio || 1;
    const ratio = scaled ? 1 : density;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.max(1, Math.round(side * density)));
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const context = canvas.getContext("2d");
    context.setTransform(density / ratio, 0, 0, density / ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const { palette, font } = this;
    return { context, width: (width * ratio) / density, height: (height * ratio) / density, ratio, density, palette, font };
  }
}

/** A button that plays and pauses; not there for those who want no motion. */
class Player {
  /** `start()` goes to the first step if it is over; `next()` goes on and says whether more follow; `pace()` in ms. */
  constructor({ start, next, pace }) {
    Object.assign(this, { start, next, pace, timer: 0 });
    this.element = button("", () => (this.timer ? this.pause() : this.play()), { class: "x-button x-play" });
    this.show();
  }

  play() {
    this.start();
    const tick = () => {
      this.timer = this.next() ? setTimeout(tick, this.pace()) : 0;
      this.show();
    };
    this.timer = setTimeout(tick, this.pace());
    this.show();
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.show();
  }

  show() {
    const [icon, word] = this.timer ? ["❚❚", "Pause"] : ["▶", "Play"];
    if (this.word !== word) this.element.replaceChildren(make("span", hidden, `${icon} `), word);
    this.word = word;
  }

  /** Follow what the reader's system says about motion. Returns a function that stops that, and the player. */
  heedMotion() {
    const motion = matchMedia("(prefers-reduced-motion: reduce)");
    const heed = () => {
      this.element.hidden = motion.matches;
      if (motion.matches) this.pause();
    };
    motion.addEventListener("change", heed);
    heed();
    return () => {
      this.pause();
      motion.removeEventListener("change", heed);
    };
  }
}

/** A square of gray values to draw on: with a soft brush by mouse or finger, pixel by pixel with keys. */
class Pad {
  /** `read()` and `write(rows)`; `brush()` → [how far its edge is from its middle, over how many pixels it fades]. */
  constructor({ read, write: keep, brush, onmove }) {
    Object.assign(this, { read, keep, brush, onmove, cursor: null, last: null });
    this.eraser = check("Erase");
    this.tools = make("div", { class: "x-tools" },
      button("Clear", () => this.keep(this.read().map((row) => row.map(() => 0)))), this.eraser.element);
  }

  /** One touch of the brush: full strength in the middle, fading at its edge. */
  dab(rows, y, x, erase) {
    const [edge, fading] = this.brush();
    const far = Math.ceil(edge);
    for (let r = Math.floor(y) - far; r <= Math.ceil(y) + far; r += 1) {
      for (let c = Math.floor(x) - far; c <= Math.ceil(x) + far; c += 1) {
        if (r < 0 || c < 0 || r >= rows.length || c >= rows[0].length) continue;
        const strength = Math.round(255 * clamp((edge - Math.hypot(r - y, c - x)) / fading, 0, 1));
        rows[r][c] = erase ? Math.min(rows[r][c], 255 - strength) : Math.max(rows[r][c], strength);
      }
    }
  }

  /** Continue the line of the brush to (y, x), measured in pixels from the middle of the first one. */
  stroke(y, x, start, erase = this.eraser.box.checked) {
    const [fromY, fromX] = start || !this.last ? [y, x] : this.last;
    const rows = this.read().map((row) => [...row]);
    const steps = Math.max(1, Math.ceil(3 * Math.hypot(y - fromY, x - fromX)));
    for (let step = 1; step <= steps; step += 1) {
      this.dab(rows, fromY + ((y - fromY) * step) / steps, fromX + ((x - fromX) * step) / steps, erase);
    }
    this.last = [y, x];
    this.keep(rows);
  }

  /** The brush of the keyboard begins in the middle. */
  get place() {
    this.cursor ??= [this.read().length, this.read()[0].length].map((side) => Math.floor(side / 2));
    return this.cursor;
  }

  onKey(event) {
    const [y, x] = this.place;
    const moved = placeOf(event, { ...neighbors([y, x]), " ": "draw", Delete: "erase", Backspace: "erase" });
    if (!moved) return;
    if (typeof moved === "string") this.stroke(y, x, true, moved === "erase" || undefined);
    else {
      this.cursor = clampAll(moved, [0, 0], [this.read().length - 1, this.read()[0].length - 1]);
      this.last = [y, x];
      if (event.shiftKey) this.stroke(...this.cursor, false);
    }
    const [row, column] = this.cursor;
    this.onmove(`Row ${row}, column ${column}: ${this.read()[row][column]}.`);
  }

  /** A ring around the cursor, where a pixel is `step` wide and the first one begins at `corner`. */
  mark({ context, ratio, palette }, step, corner = 0) {
    const [y, x] = this.place.map((index) => corner + (index + 0.5) * step);
    context.beginPath();
    context.arc(x, y, Math.max(0.8, this.brush()[0] - 0.75) * step, 0, 2 * Math.PI);
    context.strokeStyle = css(palette.mark);
    context.lineWidth = 2 * ratio;
    context.stroke();
  }
}
