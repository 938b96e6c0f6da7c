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

/**
 * What an explorer is told of its page: its name in the address (kernel, kernel-2 …), the state of the page, and where the
 * page with this explorer alone lies, null if this is it.
 */
function pageOf(place, module, initial) {
  const nth = [...document.querySelectorAll(`.course-explorer[data-module="${module}"]`)].indexOf(place);
  const alone = new URL(`explorers/${module}.html`, import.meta.url);
  const isAlone = alone.pathname === location.pathname;
  return { key: nth ? `${module}-${nth + 1}` : module, initial, alone: isAlone ? null : alone.href };
}

async function mount(place) {
  const el = document.createElement("div");
  const tell = (text) => {
    const sentence = document.createElement("p");
    sentence.className = "course-explorer-fault";
    sentence.setAttribute("role", "status");
    sentence.textContent = text;
    place.prepend(sentence);
  };
  try {
    const { module } = place.dataset;
    if (!/^[a-z]+$/.test(module ?? "")) throw new Error(`no explorer is called “${module}”`);
    const state = JSON.parse(place.querySelector('script[type="application/json"]').textContent);
    const { render, still, sharing } = await import(new URL(`explorers/${module}.js`, import.meta.url));
    place.append(el);
    const model = new PageModel(state);
    model.page = pageOf(place, module, structuredClone(state));
    const asked = new URLSearchParams(location.search).get(model.page.key);
    try {
      if (asked !== null) Object.assign(state, sharing.read(asked, state));
    } catch (error) {
      tell(`What the address says of this explorer was not used: ${error.message}. The explorer is as this page has it.`);
    }
    await render({ model, el });
    place.classList.add("is-mounted");
    addEventListener("beforeprint", () => printPresent(place, () => still(model.state)));
  } catch (error) {
    el.remove();
    tell(`The explorer could not start here (${error.message}). The picture below shows it at rest.`);
  }
}

for (const place of document.querySelectorAll(".course-explorer")) mount(place);
