"""What the tests of explorers in pages share."""

from pathlib import Path

from accessibility import serious

from cnncourse.widgets import page_modules, stylesheet

HOST = Path(__file__).resolve().parents[2] / "book/_static/explorer-host.js"
PHONE = {"width": 390, "height": 844}
COLUMN = {"width": 736, "height": 1000}  # the width of the book's text

PAGE = """<!doctype html>
<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>Explorers</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="explorer.css">
<style>body {{ margin: 16px; background: #fff; color: #1f2933 }}
html[data-theme="dark"] body {{ background: #14191e; color: #dfe5ea }}</style></head>
<body><main><h1>Explorers</h1>{explorers}</main><script type="module" src="explorer-host.js"></script></body></html>"""


def write_site(folder, **pages):
    """Write pages {name: html of explorers} with the host, the modules and the style sheet into an empty folder."""
    files = {"explorer.css": stylesheet(), "explorer-host.js": HOST.read_text(encoding="utf-8")}
    files |= {f"explorers/{name}": text for name, text in page_modules().items()}
    files["explorers/failing.js"] = "export function render() { throw new Error('nothing here'); }"
    for name, explorers in pages.items():
        files[f"{name}.html"] = PAGE.format(explorers=explorers)
    (folder / "explorers").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


# An explorer (its name is put in) rendered without host or kernel: send(values) sends what a kernel would.
FAKE_MODEL = """
  const { render } = await import("./explorers/%s.js");
  const state = JSON.parse(document.querySelector("script[type='application/json']").textContent);
  const listeners = new Map();
  const model = {
    get: (name) => state[name], set(name, value) { state[name] = value; }, save_changes() {}, send() {},
    on: (event, listener) => listeners.set(listener, event), off: (event, listener) => listeners.delete(listener),
  };
  const el = document.createElement("div");
  document.body.append(el);
  const remove = render({ model, el });
  const send = async (values) => {
    Object.assign(state, values);
    for (const [listener, event] of listeners) if (event.replace("change:", "") in values) listener();
    await null;
  };
"""

SETTLE = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  await frame();
  await frame();
}"""

REST = """async () => {
  const ends = (animation) => animation.effect?.getComputedTiming().endTime < Infinity;
  await Promise.allSettled(document.getAnimations().filter(ends).map((animation) => animation.finished));
}"""


def settle(page):
    """Wait until what was asked for has been painted."""
    page.evaluate(SETTLE)


def serious_findings(page):
    """What axe finds, once colors have come to rest, that keeps somebody from using the page."""
    page.evaluate(REST)
    return serious(page)
