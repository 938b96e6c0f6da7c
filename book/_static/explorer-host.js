// Mounts the explorers of a published page. Each is a place with its state as JSON and a still picture:
//   <div class="course-explorer" data-module="kernel"><script type="application/json">…</script><img …></div>
// The modules in explorers/ hold what notebooks use too; this file stands in for the notebook's side of the model.

/** What anywidget gives to `render`, without a kernel behind it. */
class PageModel {
  constructor(state) {
    this.state = state;
    this.listeners = new Map();
  }

  get(name) {
    return this.state[name];
  }

  set(name, value) {
    if (JSON.stringify(this.state[name]) === JSON.stringify(value)) return;
    this.state[name] = value;
    for (const listener of [...(this.listeners.get(`change:${name}`) ?? [])]) listener();
  }

  on(event, listener) {
    this.listeners.set(event, [...(this.listeners.get(event) ?? []), listener]);
  }

  off(event, listener) {
    const kept = (this.listeners.get(event) ?? []).filter((other) => listener && other !== listener);
    this.listeners.set(event, kept);
  }

  save_changes() {} // nobody to tell

  send() {}
}

/** On paper stands what is on the screen: the picture follows the state. */
function printPresent(place, draw) {
  const picture = new DOMParser().parseFromString(draw(), "image/svg+xml").documentElement;
  picture.setAttribute("class", "course-still");
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", place.querySelector(".x-spoken").textContent);
  place.querySelector(".course-still").replaceWith(picture);
}

async function mount(place) {
  const el = document.createElement("div");
  try {
    const { module } = place.dataset;
    if (!/^[a-z]+$/.test(module ?? "")) throw new Error(`no explorer is called “${module}”`);
    const state = JSON.parse(place.querySelector('script[type="application/json"]').textContent);
    const { render, still } = await import(new URL(`explorers/${module}.js`, import.meta.url));
    place.append(el);
    const model = new PageModel(state);
    await render({ model, el });
    place.classList.add("is-mounted");
    addEventListener("beforeprint", () => printPresent(place, () => still(model.state)));
  } catch (error) {
    el.remove();
    const sentence = document.createElement("p");
    sentence.className = "course-explorer-fault";
    sentence.setAttribute("role", "status");
    sentence.textContent = `The explorer could not start here (${error.message}). The picture below shows it at rest.`;
    place.prepend(sentence);
  }
}

for (const place of document.querySelectorAll(".course-explorer")) mount(place);
